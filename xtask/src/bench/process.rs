//! A process under measurement: started on one core, read from `/proc`, and always ended.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, bail, ensure};
use lab::resources;
use lab::topology::peers::locate;
use procfs::process::{Stat, all_processes};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// The time limit for the end of a process after it was asked to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Fails if a program is missing, and says how to install it.
pub(super) fn require(program: &str, package: &str) -> anyhow::Result<()> {
    ensure!(locate(program).is_some(), "`{program}` is not installed: apt install {package}");
    Ok(())
}

/// Moves this process to one core, with all its later threads and children.
pub(super) fn stay_on(core: &str) -> anyhow::Result<()> {
    let status = Command::new("taskset")
        .args(["--cpu-list", "--pid", core, &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status()
        .context("cannot run taskset")?;
    ensure!(status.success(), "taskset cannot move this process to core {core}");
    Ok(())
}

/// Raises the limit of open files of this process and its later children to what the machine allows; returns
/// the limit.
pub(super) fn raise_descriptors() -> anyhow::Result<u64> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("cannot raise the limit of files")?;
    Ok(maximum.unwrap_or(u64::MAX))
}

/// A running process with all its children. It ends when this value is dropped, and when this process dies.
pub(super) struct ProcessUnderTest {
    child: Child,
    /// The file for its stderr. A file takes any amount, while a full pipe would block the process.
    log: PathBuf,
    /// Whether a tracer runs the process: then the signal to end goes to the child of the tracer.
    traced: bool,
}

impl ProcessUnderTest {
    /// Runs the words as a command on some cores. If `traced`, the first word is a tracer that runs the rest
    /// as its child.
    pub(super) fn start(cores: &str, words: &[String], traced: bool, log: PathBuf) -> anyhow::Result<Self> {
        let stderr = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // Both helpers replace themselves with `exec`, so the child is the program itself. The pipe on its
        // stdin closes with this process, which the balancer watches; the others get the signal.
        let child = Command::new("taskset")
            .args(["--cpu-list", cores, "setpriv", "--pdeathsig", "TERM"])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("cannot run {}", words.join(" ")))?;
        Ok(Self { child, log, traced })
    }

    /// Fails with the error output of the process if it has ended.
    pub(super) fn still_runs(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        bail!("it ended ({status}): {}", self.complaints().trim())
    }

    /// CPU time of the process and all its children so far, from the kernel.
    pub(super) fn cpu_time(&self) -> anyhow::Result<Duration> {
        let ticks: u64 = family(self.child.id())?.iter().map(|stat| stat.utime + stat.stime).sum();
        Ok(Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64))
    }

    /// Resident memory of the process and all its children, in bytes. Shared memory counts for each of them.
    pub(super) fn memory(&self) -> anyhow::Result<u64> {
        family(self.child.id())?.iter().map(|stat| resources::resident(stat.pid.unsigned_abs())).sum()
    }

    /// Asks the process to end, waits for it, and returns its stderr.
    pub(super) fn finish(mut self) -> anyhow::Result<String> {
        self.ask_to_end()?;
        Ok(self.complaints())
    }

    fn complaints(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn ask_to_end(&mut self) -> anyhow::Result<()> {
        let own = self.child.id();
        let target = if self.traced { first_child(own)?.unwrap_or(own) } else { own };
        let pid = i32::try_from(target).ok().and_then(Pid::from_raw).context("a process without a number")?;
        // If the process has ended already, the aim is reached.
        let _ = kill_process(pid, Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "process {target} does not end after SIGTERM");
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for ProcessUnderTest {
    fn drop(&mut self) {
        if self.ask_to_end().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A process and all its descendants.
fn family(root: u32) -> anyhow::Result<Vec<Stat>> {
    let mut others = processes()?;
    let mut family: Vec<Stat> = others.extract_if(.., |stat| stat.pid.unsigned_abs() == root).collect();
    ensure!(!family.is_empty(), "process {root} has gone");
    let mut seen = 0;
    while let Some(parent) = family.get(seen).map(|stat| stat.pid) {
        family.extend(others.extract_if(.., |stat| stat.ppid == parent));
        seen += 1;
    }
    Ok(family)
}

fn first_child(parent: u32) -> anyhow::Result<Option<u32>> {
    let children = processes()?.into_iter().filter(|stat| stat.ppid.unsigned_abs() == parent);
    Ok(children.map(|stat| stat.pid.unsigned_abs()).min())
}

/// All processes; those that end meanwhile are left out.
fn processes() -> anyhow::Result<Vec<Stat>> {
    let all = all_processes().context("cannot read /proc")?;
    Ok(all.filter_map(|process| process.ok()?.stat().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_in_its_own_family() {
        let own = std::process::id();
        assert!(family(own).unwrap().iter().any(|stat| stat.pid.unsigned_abs() == own));
    }
}
