//! `cargo xtask demo`: the whole lab on one screen; keys break its backends.

mod failover;
mod live;
mod plain;
mod screen;

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use lab::binaries::CargoOutput;
use lab::load::{Call, Load};
use lab::topology::{Lab, Setup};
use tokio::signal::unix::{SignalKind, signal};

/// The load of the demo, in requests a second: enough to show every backend at work.
const GENTLE: f64 = 30.0;

/// Start the lab and send light traffic; keys break backends.
#[derive(Args)]
pub(crate) struct Demo {
    /// Run the lab in containers, as docker-compose.yml describes it.
    #[arg(long)]
    compose: bool,

    /// Run a scenario without keys, check the promises, and fail if a promise is broken.
    #[arg(long, value_name = "NAME", conflicts_with = "seconds")]
    scenario: Option<Scenario>,

    /// End after this number of seconds.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scenario {
    /// Kill and start a backend under load, then stop and continue another one.
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
        eprintln!(
            "building and starting the lab; the first build takes about three minutes on two cores ..."
        );
        let setup = self.setup();
        if let Some(Scenario::Failover) = self.scenario {
            return failover::run(setup).await;
        }
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
        setup.backends(4).progress(CargoOutput::Shown)
    }
}

/// Waits for a signal to end, and returns its name. The normal end then restores the terminal and stops the
/// lab.
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
