//! What is one worker process to its agent?
//!
//! Whether it runs, is stopped or is dead is never remembered but asked of the kernel, because others can send
//! signals too: a lesson, a shell, the kernel when memory runs out.

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

use super::inbox::{Inbox, SharedLedger};
use crate::cli::AgentConfig;
use crate::link::Orders;

/// A running worker that has not obeyed after this long is told of later: the whole machine may be busy.
const OBEY_TIME: Duration = Duration::from_secs(3);

/// How often we look whether the kernel has done what we asked.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Whether a worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It runs.
    Running,
    /// It exists, but SIGSTOP holds it.
    Stopped,
    /// There is none.
    Dead,
}

/// One worker process.
pub(super) struct Worker {
    pid: Pid,
    inbox: Arc<Inbox>,
    orders: watch::Sender<Orders>,
    obeyed: watch::Receiver<u64>,
    ended: watch::Receiver<bool>,
}

impl Worker {
    /// Starts a process. The child is for whoever waits for its end, and then says so by the sender.
    pub(super) fn spawn(
        config: &AgentConfig,
        orders: Orders,
        ledger: SharedLedger,
    ) -> Result<(Self, Child, watch::Sender<bool>)> {
        let mut child = command_line(config)?.spawn().context("cannot start a process")?;
        let pid = child.id().and_then(|id| Pid::from_raw(id as i32)).context("the process has no id")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stdout = stdout.context("the process has no standard output")?.into_owned_fd()?;
        let (inbox, obeyed) = Inbox::open(stdout, ledger)?;
        let (orders, news) = watch::channel(orders);
        spawn_local(deliver(news, stdin.context("the process has no standard input")?));
        let (has_ended, ended) = watch::channel(false);
        Ok((Self { pid, inbox, orders, obeyed, ended }, child, has_ended))
    }

    /// The process id.
    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Whether it runs, now.
    pub(super) fn life(&self) -> Life {
        let looking = WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let options = looking | WaitIdOptions::EXITED | WaitIdOptions::STOPPED;
        match waitid(WaitId::Pid(self.pid), options) {
            Ok(None) => Life::Running,
            Ok(Some(status)) if status.stopped() => Life::Stopped,
            _ => Life::Dead,
        }
    }

    /// Reads everything that it has reported into the ledger.
    pub(super) fn read_reports(&self) {
        self.inbox.drain();
    }

    /// Sends SIGKILL; returns when it is reaped.
    pub(super) async fn kill(&self) {
        // It may be a zombie already, or be reaped since; then there is nothing left to kill.
        let _ = kill_process(self.pid, Signal::KILL);
        self.ended().await;
    }

    /// Sends SIGSTOP; returns when the kernel has stopped it.
    pub(super) async fn stop(&self) -> Result<()> {
        kill_process(self.pid, Signal::STOP)?;
        while self.life() == Life::Running {
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Sends SIGCONT; returns when it obeys all that was ordered meanwhile.
    pub(super) async fn r#continue(&self) -> Result<()> {
        kill_process(self.pid, Signal::CONT)?;
        while self.life() == Life::Stopped {
            sleep(LOOK_AGAIN).await;
        }
        let version = self.orders.borrow().version;
        self.obeys(version).await;
        Ok(())
    }

    /// Hands it these orders.
    pub(super) fn tell(&self, orders: Orders) {
        self.orders.send_replace(orders);
    }

    /// Waits until orders of this version hold; false if it is dead or stopped, or does not react.
    pub(super) async fn obeys(&self, version: u64) -> bool {
        let deadline = Instant::now() + OBEY_TIME;
        while self.life() == Life::Running && Instant::now() < deadline {
            // Short waits, because it may be stopped at any time.
            if timeout(50 * LOOK_AGAIN, self.has_obeyed(version)).await.is_ok() {
                return true;
            }
        }
        *self.obeyed.borrow() >= version
    }

    /// Waits until orders of this version hold, if it takes for ever.
    pub(super) async fn has_obeyed(&self, version: u64) {
        // The sender lives in our inbox, so this cannot fail.
        let _ = self.obeyed.clone().wait_for(|obeyed| *obeyed >= version).await;
    }

    /// Waits until it is reaped and everything it reported is in the ledger.
    pub(super) async fn ended(&self) {
        // An error means that nobody is left to tell, which is an end too.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }
}

fn command_line(config: &AgentConfig) -> Result<Command> {
    // A path to the running program itself: it stays right when a new build replaces the file.
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
        // A group of its own: Ctrl-C on a terminal reaches the agent only, which then ends it politely.
        .process_group(0);
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    Ok(command)
}

/// Writes orders into a worker's standard input, the newest ones whenever there are newer ones.
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
