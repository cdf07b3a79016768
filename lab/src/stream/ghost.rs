//! The ghost: another policy on the same requests, in a process of its own.
//!
//! The simulator `sim --follow` reads all requests of the load from its stdin and writes events `ghost` to
//! its stdout. It also runs the policy in force, which shows how good the simulation is. Nothing waits for
//! it: a simulator that is too slow misses events, and is started again. Its end is an event of the stream.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::{Change, Event, Word, excerpt};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::channel::{Channel, StreamReader};

/// The origin of what the ghost tells by itself.
const BY: &str = "lab";

/// The stream tells a build that takes longer than this.
const QUICK_BUILD: Duration = Duration::from_millis(1500);

/// The pause before a simulator that was too slow is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// The time that a simulator has to end and to say why, after its pipes have failed.
const EXIT_TIME: Duration = Duration::from_secs(1);

/// A simulator that does not read for this time is too slow.
const WRITE_TIME: Duration = Duration::from_secs(3);

/// The largest part of a line or of its stderr that is read, in bytes.
const MOST_READ: u64 = 1 << 20;

/// The ghost of a lab. It is off at first.
#[derive(Debug)]
pub struct Ghost {
    channel: Arc<Channel>,
    switch: Arc<Switch>,
}

/// The policy that is wanted, and the process that runs.
#[derive(Debug, Default)]
struct Switch {
    wanted: watch::Sender<Option<Word>>,
    /// The process id of the simulator; 0 if none runs.
    pid: AtomicU32,
}

impl Ghost {
    /// A ghost that is off. `find_simulator` returns the path of the simulator, and may take minutes.
    pub(super) fn new(
        channel: Arc<Channel>,
        tasks: &mut JoinSet<()>,
        find_simulator: impl FindSimulator,
    ) -> Self {
        let switch = Arc::<Switch>::default();
        let (task_channel, task_switch) = (channel.clone(), switch.clone());
        tasks.spawn(async move { supervise(&task_channel, &task_switch, find_simulator).await });
        Self { channel, switch }
    }

    /// Switches the ghost on with this policy, or off, and tells the change in the stream. It returns at
    /// once. The first figures come some seconds later, or minutes if the simulator has to be built. If it
    /// cannot run, the stream tells the reason, and the ghost is off again.
    ///
    /// # Errors
    /// If the balancer has no such policy: names all of them.
    pub fn set(&self, policy: Option<&str>, by: &str) -> Result<()> {
        if let Some(policy) = policy {
            let known = self.channel.policies();
            ensure!(
                known.iter().any(|one| one == policy),
                "there is no policy {:?}; choose one of these: {}",
                excerpt(policy),
                known.join(", ")
            );
        }
        self.switch(policy, by);
        Ok(())
    }

    /// The policy of the ghost; `None` while it is off.
    pub fn policy(&self) -> Option<Word> {
        self.switch.wanted.borrow().clone()
    }

    /// The process id of the simulator; `None` if none runs.
    pub fn pid(&self) -> Option<u32> {
        Some(self.switch.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    fn switch(&self, policy: Option<&str>, by: &str) {
        let policy: Option<Word> = policy.map(|policy| policy.to_owned().into());
        tell_switch(&self.channel, policy.clone(), by);
        self.switch.wanted.send_if_modified(|wanted| {
            let is_new = *wanted != policy;
            *wanted = policy;
            is_new
        });
    }
}

/// Tells that another ghost runs, or none.
fn tell_switch(channel: &Channel, policy: Option<Word>, by: &str) {
    let what = format!("ghost {}", policy.as_deref().unwrap_or("off"));
    channel.tell_change(what, by, Some(Change::Ghost { policy }));
}

/// Finds or builds the simulator, and returns its path.
pub(super) trait FindSimulator: Fn() -> Result<PathBuf> + Clone + Send + 'static {}

impl<F: Fn() -> Result<PathBuf> + Clone + Send + 'static> FindSimulator for F {}

/// Why a simulator does not run any more.
enum End {
    /// Another policy is wanted, or none.
    Switched,
    /// It missed events.
    TooSlow,
}

/// Runs the simulator while a ghost is wanted.
async fn supervise(channel: &Channel, switch: &Switch, find_simulator: impl FindSimulator) -> ! {
    let mut wanted = switch.wanted.subscribe();
    loop {
        let policy = wanted.borrow_and_update().clone();
        let Some(policy) = policy else {
            // The sender lives as long as this function.
            let _ = wanted.changed().await;
            continue;
        };
        let ended = run(channel, &policy, &mut wanted, &switch.pid, find_simulator.clone()).await;
        switch.pid.store(0, Ordering::Relaxed);
        match ended {
            Ok(End::Switched) => {}
            Ok(End::TooSlow) => {
                channel.tell_change("the ghost was too slow, and begins again", BY, None);
                sleep(RESTART_PAUSE).await;
            }
            Err(error) => {
                channel.tell_change(format!("the ghost has ended: {error:#}"), BY, None);
                // Unless another one is wanted already.
                let is_off = switch.wanted.send_if_modified(|wanted| {
                    let is_same = wanted.as_ref() == Some(&policy);
                    *wanted = wanted.take().filter(|_| !is_same);
                    is_same
                });
                if is_off {
                    tell_switch(channel, None, BY);
                }
            }
        }
    }
}

/// Builds and runs the simulator with this policy.
async fn run(
    channel: &Channel,
    policy: &str,
    wanted: &mut watch::Receiver<Option<Word>>,
    pid: &AtomicU32,
    find_simulator: impl FindSimulator,
) -> Result<End> {
    let mut built = tokio::task::spawn_blocking(find_simulator);
    let binary = match timeout(QUICK_BUILD, &mut built).await {
        Ok(built) => built??,
        Err(_) => {
            channel.tell_change("the simulator is being built", BY, None);
            built.await??
        }
    };
    if wanted.has_changed()? {
        return Ok(End::Switched);
    }
    let mut simulator = start(&binary, policy)?;
    pid.store(simulator.id().unwrap_or(0), Ordering::Relaxed);
    let pipes = (simulator.stdin.take(), simulator.stdout.take(), simulator.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else { anyhow::bail!("it has no pipes") };
    tokio::select! {
        _ = wanted.changed() => Ok(End::Switched),
        fed = feed(channel.join_all(), stdin) => match fed {
            Ok(()) => Ok(End::TooSlow),
            Err(_) => Err(exit_reason(&mut simulator, stderr).await),
        },
        () = read_events(channel, stdout) => Err(exit_reason(&mut simulator, stderr).await),
    }
}

fn start(binary: &Path, policy: &str) -> Result<Child> {
    Command::new(binary)
        .args(["--follow", "--in-force", "--policy", policy])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A signal to the group of the lab ends the lab, whose pipe ends the simulator.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", binary.display()))
}

/// Writes what the simulator needs to its stdin, until it has missed events or does not read.
///
/// # Errors
/// If it does not read any more.
async fn feed(mut reader: StreamReader, mut stdin: ChildStdin) -> std::io::Result<()> {
    let mut line = Vec::new();
    while let Some((_, event)) = reader.next().await {
        match &*event {
            Event::Gap(_) => return Ok(()),
            Event::Hello(_) | Event::Tick(_) | Event::Req(_) | Event::Fault(_) | Event::Control(_) => {}
            Event::State(_) | Event::Probe(_) | Event::Load(_) | Event::Why(_) | Event::Ghost(_) => continue,
        }
        line.clear();
        serde_json::to_writer(&mut line, &*event)?;
        line.push(b'\n');
        match timeout(WRITE_TIME, stdin.write_all(&line)).await {
            Ok(written) => written?,
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Tells the events that the simulator writes, until it writes none any more.
async fn read_events(channel: &Channel, stdout: ChildStdout) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut stdout).take(MOST_READ).read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        if let Ok(event @ Event::Ghost(_)) = serde_json::from_slice::<Event>(&line) {
            channel.tell(event);
        }
    }
}

/// Why a simulator has ended.
async fn exit_reason(simulator: &mut Child, stderr: ChildStderr) -> anyhow::Error {
    let mut said = Vec::new();
    let read = async {
        let _ = stderr.take(MOST_READ).read_to_end(&mut said).await;
        simulator.wait().await
    };
    let status = match timeout(EXIT_TIME, read).await {
        Ok(Ok(status)) => status.to_string(),
        _ => "it does not read and write any more".to_owned(),
    };
    let said = String::from_utf8_lossy(&said);
    match said.lines().last() {
        Some(last) => anyhow::anyhow!("{status}: {}", last.chars().take(200).collect::<String>()),
        None => anyhow::anyhow!(status),
    }
}

#[cfg(test)]
#[path = "ghost_tests.rs"]
mod tests;
