//! Keeps a running lab for its report, and lets the simulator replay its last two minutes.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lab::stream::{LabStream, StreamReader};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::report::{Kept, Replays, Run, report};

/// The time limit of the simulator. The whole report takes less than 3 s.
const LIMIT: Duration = Duration::from_millis(2_000);

/// How long a report waits for the simulator to be found.
const FIND: Duration = Duration::from_millis(800);

/// Finds the simulator. It may build it, which takes minutes.
type Find = dyn Fn() -> Result<PathBuf> + Send + Sync;

/// The search for the simulator.
#[derive(Default)]
enum Search {
    /// It has not begun.
    #[default]
    Idle,
    /// It goes on, on a thread of its own.
    Running(Receiver<Result<PathBuf>>),
    /// It has ended.
    Found(PathBuf),
}

/// Follows a lab, and writes its report.
pub struct Reporter {
    kept: Arc<Mutex<Kept>>,
    search: Mutex<Search>,
    find: Arc<Find>,
    _tasks: JoinSet<()>,
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporter").finish_non_exhaustive()
    }
}

impl Reporter {
    /// Follows this lab from now on, with all its requests.
    pub fn start(stream: &LabStream) -> Self {
        Self::with(stream.read_all(), lab::binaries::simulator)
    }

    /// The same, with another way to find the simulator.
    fn with(reader: StreamReader, find: impl Fn() -> Result<PathBuf> + Send + Sync + 'static) -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let mut tasks = JoinSet::new();
        let following = kept.clone();
        tasks.spawn(async move { follow(reader, &following).await });
        Self { kept, search: Mutex::default(), find: Arc::new(find), _tasks: tasks }
    }

    /// Writes the report, a file of HTML. It blocks for up to 3 s, while the simulator runs.
    pub fn write(&self) -> String {
        let (kept, recording) = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            (kept.without_recording(), kept.recording())
        };
        let ghosts = match self.simulator().and_then(|simulator| replay(&simulator, &recording, LIMIT)) {
            Ok(json) => Replays::read(&json),
            Err(error) => Replays::Missing(format!("{error:#}")),
        };
        report(&Run { kept, ghosts })
    }

    /// The path of the simulator, if it is there. A search that takes long goes on; one that fails begins
    /// again with the next report.
    fn simulator(&self) -> Result<PathBuf> {
        let mut search = self.search.lock().unwrap_or_else(PoisonError::into_inner);
        if let Search::Idle = *search {
            let ((tell, told), find) = (channel(), self.find.clone());
            // Without a reporter, there is nothing to tell.
            std::thread::Builder::new().spawn(move || tell.send(find()))?;
            *search = Search::Running(told);
        }
        let found = match &*search {
            Search::Found(path) => return Ok(path.clone()),
            Search::Running(told) => told.recv_timeout(FIND).ok(),
            Search::Idle => None,
        };
        match found {
            Some(Ok(path)) => {
                *search = Search::Found(path.clone());
                Ok(path)
            }
            Some(Err(error)) => {
                *search = Search::Idle;
                Err(error)
            }
            None => bail!("the simulator is being built; ask for the report again in a minute"),
        }
    }
}

async fn follow(mut reader: StreamReader, kept: &Mutex<Kept>) {
    while let Some((_, event)) = reader.next().await {
        kept.lock().unwrap_or_else(PoisonError::into_inner).apply(&event);
    }
}

/// Lets the simulator replay a recording under all policies, and returns what it prints.
fn replay(simulator: &Path, recording: &str, limit: Duration) -> Result<String> {
    ensure!(!recording.is_empty(), "the run has not begun");
    let folder = tempfile::tempdir().context("no folder for the recording")?;
    let (input, output, errors) =
        (folder.path().join("run.jsonl"), folder.path().join("ghosts"), folder.path().join("errors"));
    File::create(&input)
        .and_then(|mut file| file.write_all(recording.as_bytes()))
        .context("cannot write the recording")?;
    // Files take any number of bytes without a reader.
    let mut command = Command::new(simulator);
    command.arg("replay").arg(&input).arg("--json").stdin(Stdio::null());
    command.stdout(File::create(&output)?).stderr(File::create(&errors)?).kill_on_drop(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(async {
        let mut process = command.spawn().with_context(|| format!("cannot run {}", simulator.display()))?;
        let Ok(status) = timeout(limit, process.wait()).await else {
            process.kill().await?;
            bail!("the simulator took longer than {limit:?}");
        };
        Ok(status?)
    })?;
    if !status.success() {
        let said = std::fs::read_to_string(&errors).unwrap_or_default();
        bail!(
            "{}",
            said.trim().trim_start_matches("error: ").replace(&input.display().to_string(), "the recording")
        );
    }
    std::fs::read_to_string(&output).context("the simulator printed no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that stands for the simulator.
    fn program(folder: &Path, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.join("sim");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn the_simulator_gets_the_recording_and_its_output_is_returned() {
        let folder = tempfile::tempdir().unwrap();
        let sim = program(folder.path(), "echo $1 $3; cat \"$2\"; head -c 200000 /dev/zero | tr '\\0' x");
        let output = replay(&sim, "a line\n", Duration::from_secs(20)).unwrap();
        assert!(output.starts_with("replay --json\na line\nxxx"), "{}", &output[..40]);
        assert_eq!(output.len(), 200_000 + 21, "more than a pipe holds");
    }

    #[test]
    fn a_simulator_that_fails_or_hangs_is_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        for (script, limit, expected) in [
            ("echo \"error: $2: it has no event\" >&2; exit 1", 20_000, "the recording: it has no event"),
            ("exec sleep 60", 100, "the simulator took longer than 100ms"),
        ] {
            let sim = program(folder.path(), script);
            let error = replay(&sim, "a line\n", Duration::from_millis(limit)).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let missing = replay(&folder.path().join("none"), "a line\n", LIMIT).unwrap_err().to_string();
        assert!(missing.starts_with("cannot run "), "{missing}");
        assert_eq!(
            replay(&folder.path().join("none"), "", LIMIT).unwrap_err().to_string(),
            "the run has not begun"
        );
    }
}
