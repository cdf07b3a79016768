//! How is a backend kept, killed and brought back?
//!
//! The agent holds the control port and looks after one worker at a time. It runs on one thread, and that is
//! needed: Linux kills a worker when the *thread* that started it ends.
//!
//! # The data port
//! Port 3031 shall refuse connections while its worker is dead, and still belong to this backend. So the agent
//! binds a socket to it and never listens; see `port.rs` for how the worker gets in beside it and others do not.

mod control;
mod desk;
mod inbox;
mod keeper;
mod port;
mod process;

use std::io::{Read, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::LocalSet;

use crate::cli::AgentConfig;
use keeper::Keeper;

/// How long a worker may take to finish what is in flight, once the agent is told to end.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Runs a backend until a signal ends it.
///
/// # Errors
/// If a port is taken, or no worker can be started.
pub fn run(config: AgentConfig) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(config))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(mut config: AgentConfig) -> Result<()> {
    // First of all, so that no signal finds us without a handler: as process 1 of a container that has no effect.
    let mut signals = Signals::new()?;
    let reserved = port::reserve(config.data)?;
    config.data = reserved.address();
    let control = port::listen_control(config.control)?;
    config.control = control.local_addr()?;
    let (data, exit_with_parent) = (config.data, config.exit_with_parent);
    let control_address = config.control;

    let keeper = Rc::new(Keeper::new(config));
    keeper.start().await.context("cannot start a worker")?;
    // If nobody reads our standard output any more, nobody misses the line.
    let _ = writeln!(std::io::stdout(), "listening on http://{data}, control on http://{control_address}");

    let end = async {
        tokio::select! {
            () = end_of_stdin(exit_with_parent) => End::AtOnce,
            () = signals.next() => End::Polite,
        }
    };
    if control::serve(control, Rc::clone(&keeper), end).await == End::Polite {
        tokio::select! {
            () = keeper.drain(DRAIN_TIME) => {}
            () = signals.next() => {}
        }
    }
    keeper.kill().await
}

/// How an agent ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Its worker finishes first what is in flight.
    Polite,
    /// Whoever started it is gone.
    AtOnce,
}

/// SIGTERM and SIGINT.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// Ends when standard input does, if it is watched at all.
async fn end_of_stdin(watched: bool) {
    if !watched {
        std::future::pending::<()>().await;
    }
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: the runtime would wait for a blocking read when it shuts down.
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while matches!(std::io::stdin().read(&mut buffer), Ok(1..)) {}
        drop(ended);
    });
    let _ = end.await;
}
