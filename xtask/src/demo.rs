//! `cargo xtask demo`: the whole lab on one screen, to watch and to break.

mod failover;
pub(crate) mod glyphs;
mod keys;
mod live;
mod plain;
mod promises;
mod screen;
mod watch;

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use lab::binaries::Progress;
use lab::load::{Call, Load};
use lab::topology::{Lab, Setup};
use tokio::signal::unix::{SignalKind, signal};

/// What the demo sends by itself, in requests a second: enough to see every backend at work.
const GENTLE: f64 = 30.0;

/// Start the lab, send gentle traffic, and break it while you watch.
#[derive(Args)]
pub(crate) struct Demo {
    /// Run the lab in containers, as docker-compose.yml describes it.
    #[arg(long)]
    compose: bool,

    /// Run a story without a person, check what is promised, and fail if a promise is broken.
    #[arg(long, value_name = "NAME", conflicts_with = "seconds")]
    scenario: Option<Scenario>,

    /// End by itself after so many seconds.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scenario {
    /// Kill a backend under load, start it, stall another one, let it go on.
    Failover,
}

impl Demo {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            tokio::select! {
                ended = self.play() => ended,
                name = stop_signal() => anyhow::bail!("stopped by {}; nothing is left running", name?),
            }
        })
    }

    async fn play(&self) -> Result<()> {
        let setup = self.setup();
        if let Some(Scenario::Failover) = self.scenario {
            return failover::run(setup).await;
        }
        eprintln!("building and starting the lab ...");
        let lab = setup.fixed_ports().start().await?;
        let gentle = Load::open(lab.balancer().address()).call(Call::get("/").rate(GENTLE)).connections(8);
        let load = gentle.keep_last(10_000).start()?;
        let until = self.seconds.map(Duration::from_secs);
        if stdout().is_terminal() {
            live::run(&lab, &load, until).await?;
        } else {
            plain::run(&lab, &load, until).await?;
        }
        let summary = load.stop().await?.summary();
        println!("the demo's last {} requests: {} errors", summary.requests, summary.errors);
        lab.stop();
        Ok(())
    }

    fn setup(&self) -> Setup {
        let setup = if self.compose { Lab::compose() } else { Lab::processes() };
        setup.backends(4).progress(Progress::Shown)
    }
}

/// Waits for a signal that asks us to end, and names it. Ending in the usual way then restores the terminal and
/// takes the lab down.
async fn stop_signal() -> Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "Ctrl-C",
        _ = terminate.recv() => "SIGTERM",
        _ = hangup.recv() => "SIGHUP",
    })
}
