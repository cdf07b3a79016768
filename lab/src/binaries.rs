//! Where are the binaries that a lab starts, and how are they built?
//!
//! Cargo tells a test the paths of the binaries of its own package only. So the same cargo builds the others
//! once per process, and cargo's own messages give their paths. This works for each profile, target
//! directory and configuration, unlike a guess from the path of the running program.

use std::env;
use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The packages for a lab; each has one binary of the same name.
const PACKAGES: [&str; 2] = ["lb", "demo-backend"];

/// How the binaries are compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build: for the demo and the tests.
    #[default]
    Dev,
    /// Fully optimised: for measurements.
    Release,
}

/// Whether cargo's output is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CargoOutput {
    /// Cargo's own progress goes to stderr.
    Shown,
    /// There is no output unless the build fails; then the error contains the compiler's messages.
    Quiet,
}

/// The paths of the binaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// The balancer.
    pub lb: PathBuf,
    /// The backend.
    pub demo_backend: PathBuf,
}

/// Builds both binaries, unless this process has done so before, and returns their paths. It blocks: about
/// two minutes for a complete build on two cores, a fraction of a second without changes.
///
/// # Errors
/// If cargo cannot be run or the build fails.
pub fn build(profile: Profile, progress: CargoOutput) -> Result<Binaries> {
    static BUILT: Mutex<Vec<(Profile, Binaries)>> = Mutex::new(Vec::new());
    // Held during the build, so that tests that start at the same time wait for one build.
    let mut built = BUILT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some((_, binaries)) = built.iter().find(|(known, _)| *known == profile) {
        return Ok(binaries.clone());
    }
    let messages = run_cargo(profile, &PACKAGES, progress)?;
    let binaries =
        Binaries { lb: executable(&messages, "lb")?, demo_backend: executable(&messages, "demo-backend")? };
    built.push((profile, binaries.clone()));
    Ok(binaries)
}

/// The name of the package of the simulator, and of its binary.
const SIM: &str = "sim";

/// Builds the simulator, unless this process has done so before, and returns its path. Where the sources are
/// missing, as in a container, it is the program `sim` beside the running one. It blocks.
///
/// # Errors
/// If it cannot be built, or is missing.
pub fn simulator() -> Result<PathBuf> {
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(path) = &*built {
        return Ok(path.clone());
    }
    let path = if workspace().join("Cargo.toml").is_file() {
        executable(&run_cargo(Profile::Dev, &[SIM], CargoOutput::Quiet)?, SIM)?
    } else {
        let beside = env::current_exe().context("the path of this program is not known")?.with_file_name(SIM);
        ensure!(beside.is_file(), "the simulator is missing: put the program `sim` at {}", beside.display());
        beside
    };
    *built = Some(path.clone());
    Ok(path)
}

/// The root of this workspace, where `docker-compose.yml` is.
pub fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// Builds these packages, and returns cargo's messages.
fn run_cargo(profile: Profile, packages: &[&str], progress: CargoOutput) -> Result<String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(&cargo);
    // The working directory stays: a relative CARGO_TARGET_DIR has the same meaning as for the outer cargo.
    command
        .args(["build", "--message-format=json-render-diagnostics", "--manifest-path"])
        .arg(workspace().join("Cargo.toml"))
        .args(selection(profile, packages))
        .args(packages.iter().flat_map(|binary| ["--bin", binary]))
        .stdin(Stdio::null());
    command.stderr(match progress {
        CargoOutput::Shown => Stdio::inherit(),
        CargoOutput::Quiet => Stdio::piped(),
    });
    let output = RUNNING.output(command).with_context(|| format!("cannot run {}", cargo.display()))?;
    ensure!(
        output.status.success(),
        "cannot build {}: {}{}",
        packages.join(" and "),
        output.status,
        match progress {
            CargoOutput::Shown => String::from("; the compiler says why above"),
            CargoOutput::Quiet => format!("\n{}", String::from_utf8_lossy(&output.stderr)),
        }
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Ends the builds of this process, so that a program that must end does not wait for cargo. A build that
/// begins later fails.
pub fn cancel_builds() {
    RUNNING.cancel();
}

/// The builds of this process.
static RUNNING: Builds = Builds(Mutex::new(BuildsState { is_cancelled: false, children: Vec::new() }));

/// Processes that can be ended together.
struct Builds(Mutex<BuildsState>);

struct BuildsState {
    is_cancelled: bool,
    children: Vec<Arc<Mutex<Child>>>,
}

impl Builds {
    fn state(&self) -> MutexGuard<'_, BuildsState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a command to its end, or until it is cancelled. Its stderr is collected unless it is inherited.
    fn output(&self, mut command: Command) -> std::io::Result<Output> {
        command.stdout(Stdio::piped());
        let (child, stdout, stderr) = {
            // Held while the process starts, so that a cancellation meets it, or comes before it.
            let mut state = self.state();
            if state.is_cancelled {
                return Err(ErrorKind::Interrupted.into());
            }
            let mut child = command.spawn()?;
            let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
            let child = Arc::new(Mutex::new(child));
            state.children.push(child.clone());
            (child, stdout, stderr)
        };
        let stderr = std::thread::spawn(move || read_all(stderr));
        let stdout = read_all(stdout);
        // The pipe is closed, so the process has ended, or ends at once.
        let status = child.lock().unwrap_or_else(PoisonError::into_inner).wait();
        self.state().children.retain(|other| !Arc::ptr_eq(other, &child));
        let stderr = stderr.join().unwrap_or_default();
        Ok(Output { status: status?, stdout, stderr })
    }

    fn cancel(&self) {
        let mut state = self.state();
        state.is_cancelled = true;
        for child in state.children.drain(..) {
            // This fails only if the process has ended, which is the aim.
            let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
        }
    }
}

/// Reads to the end. What cannot be read is missing, and the status of the process says that it failed.
fn read_all(pipe: Option<impl Read>) -> Vec<u8> {
    let mut read = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut read);
    }
    read
}

/// The packages whose features count.
///
/// A release build has the features that its programs ask for, as the images have. The quick build has the
/// features of the whole workspace, as `cargo test` and `cargo run --bin lb` have, so that all of them share
/// what they compile.
fn selection<'a>(profile: Profile, packages: &[&'a str]) -> Vec<&'a str> {
    match profile {
        Profile::Dev => vec!["--workspace"],
        Profile::Release => {
            let packages = packages.iter().flat_map(|package| ["--package", package]);
            packages.chain(["--release"]).collect()
        }
    }
}

/// One message of `cargo build`; other kinds lack these fields.
#[derive(Deserialize)]
struct Artifact {
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Finds the path of an executable in cargo's messages.
fn executable(messages: &str, name: &str) -> Result<PathBuf> {
    for message in messages.lines() {
        if let Ok(Artifact { target, executable: Some(path) }) = serde_json::from_str(message)
            && target.name == name
        {
            return Ok(path);
        }
    }
    bail!("cargo built no executable named {name}: is it still a member of the workspace?")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_executable_is_where_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"lb","kind":["lib"]},"executable":null}
{"reason":"compiler-artifact","target":{"name":"lb","kind":["bin"]},"executable":"/somewhere/else/debug/lb"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "lb").unwrap(), Path::new("/somewhere/else/debug/lb"));
        assert!(executable(messages, "demo-backend").unwrap_err().to_string().contains("demo-backend"));
    }

    #[test]
    fn a_build_is_cancelled_and_none_begins_afterwards() {
        let builds = Builds(Mutex::new(BuildsState { is_cancelled: false, children: Vec::new() }));
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]).stderr(Stdio::piped());
            command
        };
        let output = builds.output(shell("echo out; echo err >&2; exit 3")).unwrap();
        assert_eq!(
            (output.status.code(), &*output.stdout, &*output.stderr),
            (Some(3), &b"out\n"[..], &b"err\n"[..])
        );
        assert!(builds.state().children.is_empty());
        let began = Instant::now();
        std::thread::scope(|scope| {
            let build = scope.spawn(|| builds.output(shell("exec sleep 60")).unwrap());
            while builds.state().children.is_empty() {
                std::thread::yield_now();
            }
            builds.cancel();
            assert!(!build.join().unwrap().status.success());
        });
        assert!(began.elapsed() < Duration::from_secs(30), "it did not wait for the end of the process");
        assert_eq!(builds.output(shell("true")).unwrap_err().kind(), ErrorKind::Interrupted);
    }

    #[test]
    fn the_workspace_is_the_folder_with_the_compose_file() {
        assert!(workspace().join("docker-compose.yml").is_file());
    }
}
