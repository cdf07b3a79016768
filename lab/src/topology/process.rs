//! Starts a process that always ends with its parent.
//!
//! - The parent returns or panics: dropping a [`Process`] kills and reaps it.
//! - The parent is interrupted or killed: the child's stdin is a pipe whose other end the parent holds. The
//!   kernel closes that end with the parent, and `--exit-with-parent` makes the child watch for it. Programs
//!   of other projects do not watch: the kernel sends them a signal when the thread that started them ends.
//! - Ctrl-C in a terminal reaches only the parent: the child is in a process group of its own.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write as _, stderr};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::sync::oneshot;

use super::serving::Serving;
use crate::eventually;

/// The number of last lines of a child that are kept, for error messages and for tests that count lines.
const KEPT_LINES: usize = 600;

/// The time limit from the start of a child to its one line on stdout.
const START_TIME: Duration = Duration::from_secs(10);

/// A running child with its last output.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    child: Mutex<Child>,
    pid: u32,
    log: Lines,
    readers: Vec<JoinHandle<()>>,
    /// Its standard error, if it is not read.
    _unread: Option<ChildStderr>,
}

/// The use of a child's standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// Its last lines are kept for error messages.
    Kept,
    /// It is a pipe without a reader, as with a log collector that hangs.
    Unread,
}

impl Process {
    /// Starts a binary with `--exit-with-parent` and these arguments, and waits for the one line with its
    /// addresses.
    ///
    /// # Errors
    /// If it cannot be run, ends early, takes longer than 10 s or prints another line; has its log.
    pub(super) async fn start(name: String, binary: &Path, args: &[String]) -> Result<(Self, Serving)> {
        Self::spawn(name, Command::new(binary).args(args), Log::Kept).await
    }

    /// The same, and passes a socket to listen on, by the protocol of sd_listen_fds(3).
    ///
    /// # Errors
    /// As [`Process::start`].
    pub(super) async fn start_with_socket(
        name: String,
        binary: &Path,
        args: &[String],
        socket: OwnedFd,
    ) -> Result<(Self, Serving)> {
        let mut command = Command::new(binary);
        command.args(args).env("LISTEN_FDS", "1");
        command.fd_mappings(vec![FdMapping { parent_fd: socket, child_fd: 3 }])?;
        Self::spawn(name, &mut command, Log::Kept).await
    }

    /// The same as [`Process::start`], for any command that ends in such a binary and its arguments.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub(super) async fn spawn(name: String, command: &mut Command, log: Log) -> Result<(Self, Serving)> {
        let (first, line) = oneshot::channel();
        let process = Self::run(name, command.arg("--exit-with-parent"), log, Some(first))?;
        let serving = process.where_it_listens(line).await?;
        Ok((process, serving))
    }

    /// Starts a program of another project, which has its addresses from its arguments, and returns at once.
    /// It also ends with the thread that calls this.
    ///
    /// # Errors
    /// If it cannot be run.
    pub(super) fn foreign(name: String, program: &Path, args: &[String]) -> Result<Self> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program).args(args);
        Self::run(name, &mut command, Log::Kept, None)
    }

    /// Starts a command. The first line of its stdout goes to `first`, if there is a receiver.
    fn run(
        name: String,
        command: &mut Command,
        log: Log,
        first: Option<oneshot::Sender<String>>,
    ) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let (read, unread) = match log {
            Log::Kept => (child.stderr.take(), None),
            Log::Unread => (None, child.stderr.take()),
        };
        let log = Lines::default();
        let readers = [
            read.map(|stderr| log.record(stderr, None)),
            child.stdout.take().map(|stdout| log.record(stdout, first)),
        ];
        let readers = readers.into_iter().flatten().collect();
        let pid = child.id();
        Ok(Self { name, child: Mutex::new(child), pid, log, readers, _unread: unread })
    }

    async fn where_it_listens(&self, line: oneshot::Receiver<String>) -> Result<Serving> {
        let name = &self.name;
        match tokio::time::timeout(START_TIME, line).await {
            Err(_) => bail!("{name} was not ready after {START_TIME:?}\n{}", self.log()),
            Ok(Err(_)) => {
                let status = self.exited(START_TIME).await?;
                self.log_is_complete().await?;
                bail!("{name} ended at once ({status})\n{}", self.log())
            }
            Ok(Ok(line)) => Serving::parse(&line)
                .with_context(|| format!("{name} should print its address, but prints {line:?}")),
        }
    }

    /// The id of the process.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Its last output, each line with its name.
    pub(super) fn log(&self) -> String {
        let lines = self.log.lines();
        lines.iter().map(|line| format!("  {} | {line}\n", self.name)).collect()
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// If it has already ended.
    pub(super) fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Asks it to read its configuration again (SIGHUP).
    ///
    /// # Errors
    /// If it has already ended.
    pub(super) fn hang_up(&self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    /// Ends it at once (SIGKILL).
    ///
    /// # Errors
    /// If it has already ended.
    pub(super) fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// If it still runs after this time.
    pub(super) async fn exited(&self, within: Duration) -> Result<ExitStatus> {
        eventually(within, &format!("{} to end", self.name), async || {
            self.child().try_wait()?.context("it is still running")
        })
        .await
    }

    /// Fails with its log if it has ended.
    ///
    /// # Errors
    /// If it has ended.
    pub(super) fn still_runs(&self) -> Result<()> {
        let status = self.child().try_wait()?;
        ensure!(status.is_none(), "{} has ended\n{}", self.name, self.log());
        Ok(())
    }

    async fn log_is_complete(&self) -> Result<()> {
        eventually(Duration::from_secs(1), "the rest of its output", async || {
            ensure!(self.readers.iter().all(JoinHandle::is_finished), "its output is still open");
            Ok(())
        })
        .await
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        // A reaped child has no id any more: another process may have it now.
        let mut child = self.child();
        if let Some(status) = child.try_wait()? {
            bail!("{} has ended already ({status})\n{}", self.name, self.log());
        }
        let pid = Pid::from_child(&child);
        kill_process(pid, signal).with_context(|| format!("cannot send {signal:?} to {}", self.name))
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = self.child();
        // All of its processes: some balancers have one that only watches the others. A reaped child has no
        // id any more: another group may have it now.
        if let Ok(None) = child.try_wait() {
            // This fails only if the child is gone, which is the aim.
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        }
        let _ = child.wait();
        drop(child);
        if thread::panicking() {
            // The panic must not become an abort because the standard error is closed.
            let _ = write!(stderr(), "what {} printed last:\n{}", self.name, self.log());
        }
    }
}

/// The last lines of a child's output.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<VecDeque<String>>>);

impl Lines {
    /// Reads a pipe to its end in a thread of its own, so that the child never waits for a reader. The first
    /// line goes to `first` if there is a receiver, all others are kept for some time.
    fn record(
        &self,
        pipe: impl Read + Send + 'static,
        mut first: Option<oneshot::Sender<String>>,
    ) -> JoinHandle<()> {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                match first.take() {
                    // There is no receiver any more if the start was given up.
                    Some(first) => drop(first.send(line)),
                    None => log.push(line),
                }
            }
        })
    }

    fn push(&self, line: String) {
        let mut lines = self.lines();
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_that_ends_at_once_is_quoted() {
        let args = ["-c", "echo the reason >&2; exit 3"].map(String::from);
        let error = Process::start("sick".into(), Path::new("/bin/sh"), &args).await.unwrap_err();
        let text = format!("{error:#}");
        for part in ["sick", "exit status: 3", "the reason"] {
            assert!(text.contains(part), "{text:?} lacks {part:?}");
        }
    }

    #[tokio::test]
    async fn a_dropped_child_is_gone() {
        let script = "echo listening on http://127.0.0.1:1, admin on http://127.0.0.1:2; sleep 60";
        let args = ["-c", script].map(String::from);
        let (process, serving) = Process::start("sh".into(), Path::new("/bin/sh"), &args).await.unwrap();
        assert_eq!(serving.data.port(), 1);
        let pid = Pid::from_raw(process.pid() as i32).unwrap();
        drop(process);
        assert!(rustix::process::test_kill_process(pid).is_err(), "it was not reaped");
    }
}
