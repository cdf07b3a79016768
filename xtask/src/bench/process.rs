//! A process under measurement: started on one core, read from `/proc`, and always ended.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, bail, ensure};
use lab::topology::peers::locate;
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
        let ticks: u64 = family(self.child.id())?.iter().map(|(_, stat)| stat.ticks).sum();
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// Resident memory of the process and all its children, in bytes. Shared memory counts for each of them.
    pub(super) fn memory(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for (pid, _) in family(self.child.id())? {
            bytes += lab::memory(pid, "VmRSS")?;
        }
        Ok(bytes)
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

/// The kernel's data about a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Time on the CPU, in user space and in the kernel, in clock ticks.
    ticks: u64,
}

/// Reads a line of `/proc/<pid>/stat`, see proc(5).
fn parse_stat(line: &str) -> Option<Stat> {
    // The name is the second field, in parentheses, and may itself contain spaces and parentheses.
    let fields: Vec<&str> = line.get(line.rfind(')')? + 1..)?.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat { parent: u32::try_from(number(1)?).ok()?, ticks: number(11)? + number(12)? })
}

/// A process and all its descendants.
fn family(root: u32) -> anyhow::Result<Vec<(u32, Stat)>> {
    let all = processes()?;
    let mut found: Vec<(u32, Stat)> = Vec::new();
    let mut unseen = vec![root];
    while let Some(pid) = unseen.pop() {
        let stat = all.get(&pid).with_context(|| format!("process {pid} has gone"))?;
        found.push((pid, *stat));
        unseen.extend(all.iter().filter(|(_, other)| other.parent == pid).map(|(child, _)| *child));
    }
    Ok(found)
}

fn first_child(parent: u32) -> anyhow::Result<Option<u32>> {
    Ok(processes()?.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid).min())
}

/// All processes; those that end meanwhile are left out.
fn processes() -> anyhow::Result<HashMap<u32, Stat>> {
    let mut all = HashMap::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(line) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if let Some(stat) = parse_stat(&line) {
            all.insert(pid, stat);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_gives_parent_and_time() {
        for (line, expected) in [
            (
                "4242 (nginx) S 4241 4242 1 0 -1 4194624 120 0 0 0 31 69 0 0 20 0 1 0 9 1000 50",
                Some(Stat { parent: 4241, ticks: 100 }),
            ),
            (
                "7 (a) b (c)) R 1 7 7 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 9 1 1",
                Some(Stat { parent: 1, ticks: 11 }),
            ),
            ("7 (short) R 1 7", None),
            ("no name at all", None),
            ("", None),
        ] {
            assert_eq!(parse_stat(line), expected, "{line:?}");
        }
    }

    #[test]
    fn this_process_is_in_its_own_family() {
        let own = std::process::id();
        assert!(family(own).unwrap().iter().any(|(pid, _)| *pid == own));
    }
}
