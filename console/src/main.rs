//! The program `console`: the page of a lab that runs elsewhere, such as in containers.

use std::io::{Write as _, stderr};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use console::Reporter;
use console::terminal::say;
use console::web::{PORT, PageServer, Site, address_of};
use lab::commands::{CommandRunner, usual_load};
use lab::stream::{LabStream, Sources, Traffic};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

/// How long the lab can take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause before another attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// The time limit for the answer to `--check-health`.
const HEALTH: Duration = Duration::from_secs(2);

/// Serve the page of a running lab: its events, and buttons that break it.
///
/// A balancer that needs a token for changes gets it from the variable LB_ADMIN_TOKEN.
#[derive(Debug, Parser)]
#[command(name = "console", version)]
struct Cli {
    /// The URL of the balancer's admin port.
    #[arg(long, value_name = "URL", required_unless_present = "check_health")]
    balancer: Option<String>,

    /// The URL of the control port of a backend; repeat it in the order of their numbers. Without it, the
    /// page cannot break the backends.
    #[arg(long, value_name = "URL")]
    backend: Vec<String>,

    /// Send requests to the balancer at this URL.
    #[arg(long, value_name = "URL")]
    load: Option<String>,

    /// The seed of the random numbers of the load.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,

    /// The address to listen on. Whatever it is, the page answers only to the names of this machine.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,

    /// The port of the page; 0 takes a free one.
    #[arg(long, value_name = "N", default_value_t = PORT)]
    port: u16,

    /// Ask the console at this URL whether it is well, and exit with 0 or 1.
    #[arg(long, value_name = "URL", exclusive = true)]
    check_health: Option<String>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a standard error, the exit status still says it.
            let _ = writeln!(stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if let Some(url) = &cli.check_health {
            return check_health(url).await;
        }
        tokio::select! {
            ended = serve(cli) => ended,
            ended = stop_signal() => ended,
        }
    })
}

/// Serves the page until a signal ends it.
async fn serve(cli: &Cli) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    let sources = retried(until, || sources(cli)).await?;
    // The load goes on while this looks for the balancer.
    let stream = Arc::new(retried(until, || LabStream::start(sources.clone())).await?);
    let token = std::env::var("LB_ADMIN_TOKEN").ok().filter(|token| !token.is_empty());
    let runner = Arc::new(CommandRunner::new(stream.clone(), &sources, token).await?);
    let reporter = Reporter::start(&stream);
    let site = Site::new(stream, runner).report(move || reporter.write());
    let bind = SocketAddr::new(cli.bind, cli.port);
    let page = PageServer::start(bind, site).await?;
    say(&format!("the page is at {}", page.url()))?;
    std::future::pending().await
}

/// Reads the sources of the stream from the URLs, and starts the load.
async fn sources(cli: &Cli) -> Result<Sources> {
    let balancer = cli.balancer.as_deref().context("--balancer is missing")?;
    let admin = address_of("--balancer", balancer).await?;
    let mut controls = Vec::new();
    for url in &cli.backend {
        controls.push(address_of("--backend", url).await?);
    }
    let traffic = match &cli.load {
        None => None,
        Some(url) => {
            let (load, shape) = usual_load(address_of("--load", url).await?, cli.seed);
            Some(Arc::new(Traffic::start(load, shape)?))
        }
    };
    let seed = traffic.as_ref().map(|_| cli.seed);
    Ok(Sources { admin, controls, traffic, seed, hash_by: None })
}

/// Tries until it succeeds, or until the time is up: a lab can start after its console.
async fn retried<T, F: Future<Output = Result<T>>>(
    until: Instant,
    mut attempt: impl FnMut() -> F,
) -> Result<T> {
    loop {
        match attempt().await {
            Err(error) if Instant::now() >= until => return Err(error),
            Err(_) => sleep(PAUSE).await,
            done => return done,
        }
    }
}

/// Asks a console for its model, which it has only with a lab.
async fn check_health(url: &str) -> Result<()> {
    let address = address_of("--check-health", url).await?;
    let mut client = lab::client::Client::new(address);
    let answer = timeout(HEALTH, client.get("/model")).await.context("no answer within 2 s")??;
    ensure!(answer.status.is_success(), "answered {}", answer.status);
    Ok(())
}

/// Waits for a signal to end. It also ends a build of the simulator, which can take minutes.
async fn stop_signal() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    lab::binaries::cancel_builds();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_those_of_the_compose_file() {
        let flags = [
            "console",
            "--balancer",
            "http://lb:4030",
            "--backend",
            "http://a:4031",
            "--backend=http://b:4032",
        ];
        let cli = Cli::try_parse_from(flags).unwrap();
        assert_eq!(cli.backend, ["http://a:4031", "http://b:4032"]);
        assert_eq!((cli.bind.to_string(), cli.port), ("127.0.0.1".to_owned(), 4000));
        assert!(Cli::try_parse_from(["console"]).unwrap_err().to_string().contains("--balancer"));
        assert!(Cli::try_parse_from(["console", "--check-health", "http://127.0.0.1:4000"]).is_ok());
    }
}
