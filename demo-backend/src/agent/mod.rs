//! The agent: how a backend is started, stopped and killed.
//!
//! The agent holds the control port and manages one worker at a time. It must run on one thread: Linux kills
//! a worker when the *thread* that started it ends.
//!
//! # The data port
//! Port 3031 must refuse connections while there is no worker, and still belong to this backend. So the agent
//! binds a socket to it and never listens. `port.rs` explains why the worker can still bind to the port, and
//! other programs cannot.

mod control;
mod port;
mod process;
mod registry;
mod report_reader;
mod supervisor;

use std::io::{Read, Write};
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::LocalSet;

use crate::cli::AgentConfig;
use supervisor::{DRAIN_TIME, Supervisor};

/// Runs a backend until a signal ends it.
///
/// # Errors
/// If a port is taken, or if no worker can be started.
pub fn run(config: AgentConfig) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(config))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(mut config: AgentConfig) -> Result<()> {
    // The signal handlers come first: as process 1 of a container, a process without handlers ignores these
    // signals.
    let mut signals = Signals::new()?;
    let reserved = port::reserve(config.data)?;
    config.data = reserved.address();
    let control = port::listen_control(config.control)?;
    config.control = control.local_addr()?;
    let (data, exit_with_parent) = (config.data, config.exit_with_parent);
    let control_address = config.control;

    let supervisor = Rc::new(Supervisor::new(config));
    supervisor.start().await.context("cannot start a worker")?;
    // If nothing reads the standard output any more, the line is not needed.
    let _ = writeln!(std::io::stdout(), "listening on http://{data}, control on http://{control_address}");

    let end = async {
        tokio::select! {
            () = end_of_stdin(exit_with_parent) => End::AtOnce,
            () = signals.next() => End::Polite,
        }
    };
    if control::serve(control, Rc::clone(&supervisor), end).await == End::Polite {
        tokio::select! {
            () = supervisor.drain(DRAIN_TIME) => {}
            () = signals.next() => {}
        }
    }
    supervisor.kill().await
}

/// The way in which an agent ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The worker finishes its requests in flight first.
    Polite,
    /// The parent process is gone.
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

/// Ends when standard input closes, if it is watched at all.
async fn end_of_stdin(watched: bool) {
    if !watched {
        std::future::pending::<()>().await;
    }
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    // In a thread of its own: the runtime would wait for a blocking read when it shuts down.
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while matches!(std::io::stdin().read(&mut buffer), Ok(1..)) {}
        drop(ended);
    });
    let _ = end.await;
}
