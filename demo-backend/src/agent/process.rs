//! One worker process, as its agent sees it.
//!
//! Whether the worker runs, is stopped or is dead is never stored: the agent asks the kernel, because other
//! programs can send signals too (a shell, or the kernel when memory runs out).

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::report_reader::{ReportReader, SharedLedger};
use crate::cli::AgentConfig;
use crate::link::Orders;

/// The longest wait for a running worker to obey. After that, the agent answers that the orders are not in
/// force yet: the whole machine may be busy.
const OBEY_TIME: Duration = Duration::from_secs(3);

/// The time between two checks whether the kernel has done what the agent asked for.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// The state of a worker process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It runs.
    Running,
    /// It exists, but SIGSTOP has stopped it.
    Stopped,
    /// There is no worker.
    Dead,
}

/// One worker process.
pub(super) struct Worker {
    pid: Pid,
    reports: Arc<ReportReader>,
    orders: watch::Sender<Orders>,
    obeyed: watch::Receiver<u64>,
    ended: watch::Receiver<bool>,
}

impl Worker {
    /// Starts a process. The caller waits for the end of the child, and then reports it through the sender.
    pub(super) fn spawn(
        config: &AgentConfig,
        orders: Orders,
        ledger: SharedLedger,
    ) -> Result<(Self, Child, watch::Sender<bool>)> {
        let mut child = command_line(config)?.spawn().context("cannot start a process")?;
        let pid = child.id().and_then(|id| Pid::from_raw(id as i32)).context("the process has no id")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stdout = stdout.context("the process has no standard output")?.into_owned_fd()?;
        let (reports, obeyed) = ReportReader::open(stdout, ledger)?;
        let (orders, news) = watch::channel(orders);
        spawn_local(deliver(news, stdin.context("the process has no standard input")?));
        let (has_ended, ended) = watch::channel(false);
        Ok((Self { pid, reports, orders, obeyed, ended }, child, has_ended))
    }

    /// The process id.
    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// The present state of the process.
    pub(super) fn life(&self) -> Life {
        let looking = WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let options = looking | WaitIdOptions::EXITED | WaitIdOptions::STOPPED;
        match waitid(WaitId::Pid(self.pid), options) {
            Ok(None) => Life::Running,
            Ok(Some(status)) if status.stopped() => Life::Stopped,
            _ => Life::Dead,
        }
    }

    /// Reads all its reports into the ledger.
    pub(super) fn read_reports(&self) {
        self.reports.drain();
    }

    /// Sends SIGKILL; returns when the process is reaped.
    pub(super) async fn kill(&self) {
        // The process may be a zombie or reaped already; then there is nothing left to kill.
        let _ = kill_process(self.pid, Signal::KILL);
        self.ended().await;
    }

    /// Sends SIGTERM.
    pub(super) fn term(&self) -> Result<()> {
        Ok(kill_process(self.pid, Signal::TERM)?)
    }

    /// Sends SIGSTOP; returns when the kernel has stopped the process.
    pub(super) async fn stop(&self) -> Result<()> {
        kill_process(self.pid, Signal::STOP)?;
        while self.life() == Life::Running {
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Sends SIGCONT; returns when the worker obeys all orders that were given meanwhile.
    pub(super) async fn r#continue(&self) -> Result<()> {
        kill_process(self.pid, Signal::CONT)?;
        while self.life() == Life::Stopped {
            sleep(LOOK_AGAIN).await;
        }
        let version = self.orders.borrow().version;
        self.obeys(version).await;
        Ok(())
    }

    /// Gives the worker these orders.
    pub(super) fn tell(&self, orders: Orders) {
        self.orders.send_replace(orders);
    }

    /// Waits until the worker obeys the orders of this version; false if it is dead or stopped, or does not
    /// react.
    pub(super) async fn obeys(&self, version: u64) -> bool {
        let deadline = Instant::now() + OBEY_TIME;
        while self.life() == Life::Running && Instant::now() < deadline {
            // Short waits, because the process may be stopped at any time.
            if timeout(50 * LOOK_AGAIN, self.has_obeyed(version)).await.is_ok() {
                return true;
            }
        }
        *self.obeyed.borrow() >= version
    }

    /// Waits until the worker obeys the orders of this version, without a time limit.
    pub(super) async fn has_obeyed(&self, version: u64) {
        // The sender is part of our reader, so this cannot fail.
        let _ = self.obeyed.clone().wait_for(|obeyed| *obeyed >= version).await;
    }

    /// Waits until the process is reaped and all its reports are in the ledger.
    pub(super) async fn ended(&self) {
        // An error means that the sender is gone, which is an end, too.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }
}

fn command_line(config: &AgentConfig) -> Result<Command> {
    // A path to the running program itself: it stays valid when a new build replaces the file.
    #[cfg(target_os = "linux")]
    let program = "/proc/self/exe";
    #[cfg(not(target_os = "linux"))]
    let program = std::env::current_exe()?;
    let mut command = std::process::Command::new(program);
    command
        .arg0("demo-backend")
        .args(["--id", &config.id.to_string()])
        .args(["--port", &config.data.port().to_string()])
        .args(["--bind", &config.data.ip().to_string()])
        .args(["--worker-of", &std::process::id().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // In a group of its own: Ctrl-C in a terminal reaches only the agent, which then ends the worker.
        .process_group(0);
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    Ok(command)
}

/// Writes orders into a worker's standard input, always the newest ones.
async fn deliver(mut news: watch::Receiver<Orders>, mut stdin: ChildStdin) {
    news.mark_changed();
    while news.changed().await.is_ok() {
        let Ok(mut line) = serde_json::to_vec(&*news.borrow_and_update()) else { continue };
        line.push(b'\n');
        if stdin.write_all(&line).await.is_err() {
            return;
        }
    }
}
