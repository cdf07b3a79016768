//! The first program of `cargo xtask`: it builds the programs that a command needs, and then becomes `xtask`.
//!
//! It has no dependencies, so cargo builds it in a second. One call of cargo then builds all the rest, so
//! all cores are busy until the end. A line with the time shows that the build goes on.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write, stderr};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The time between two updates of the line with the time.
const UPDATE: Duration = Duration::from_secs(1);

/// The programs that a command of `cargo xtask` needs, by the names of their binaries.
fn programs(command: Option<&OsStr>) -> &'static [&'static str] {
    match command.and_then(OsStr::to_str) {
        Some("demo" | "record" | "soak") => &["xtask", "lb", "demo-backend"],
        Some("sim") => &["xtask", "sim"],
        Some("grade") => &["xtask", "lessons"],
        Some("lesson" | "lessons") => &["xtask", "lessons", "lb", "demo-backend"],
        _ => &["xtask"],
    }
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match build(programs(arguments.first().map(OsString::as_os_str))) {
        Ok(true) => {}
        // Cargo has written the reason.
        Ok(false) => return ExitCode::FAILURE,
        Err(error) => {
            complain(&format!("cannot run cargo: {error}"));
            return ExitCode::FAILURE;
        }
    }
    // Cargo puts all programs of one profile into one folder.
    let xtask = env::current_exe().map(|path| path.with_file_name("xtask"));
    let error = match xtask {
        Ok(xtask) => Command::new(xtask).args(arguments).exec(),
        Err(error) => error,
    };
    complain(&format!("cannot start xtask: {error}"));
    ExitCode::FAILURE
}

/// Writes an error. Without a standard error, the exit status still says it.
fn complain(error: &str) {
    let _ = writeln!(stderr(), "error: {error}");
}

/// Builds these programs. Returns whether that succeeded.
///
/// The build has the features of the whole workspace, as `cargo test` has, so both share what they compile.
fn build(programs: &[&str]) -> std::io::Result<bool> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("Cargo.toml");
    let mut command = Command::new(cargo);
    command
        .args(["build", "--workspace", "--manifest-path"])
        .arg(manifest)
        .args(programs.iter().flat_map(|program| ["--bin", program]))
        .stdin(Stdio::null());
    if !stderr().is_terminal() {
        return command.status().map(|status| status.success());
    }
    // Cargo's own line stands still while one large crate is compiled.
    let mut child = command.env("CARGO_TERM_PROGRESS_WHEN", "never").spawn()?;
    let (ended, end) = channel::<()>();
    let clock = thread::spawn(move || {
        let began = Instant::now();
        while end.recv_timeout(UPDATE) == Err(RecvTimeoutError::Timeout) {
            write_time(began.elapsed());
        }
    });
    let status = child.wait();
    drop(ended);
    // The clock ends at once, and has no result.
    let _ = clock.join();
    status.map(|status| status.success())
}

/// Writes the time since the start of the build. The cursor stays at the beginning of the line, so the next
/// line of cargo replaces this one.
fn write_time(since: Duration) {
    // A terminal that is gone shows no time.
    let _ = write!(stderr(), "  building, {} s\x1b[K\r", since.as_secs());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_builds_what_it_needs() {
        for (command, expected) in [
            (Some("demo"), "xtask lb demo-backend"),
            (Some("record"), "xtask lb demo-backend"),
            (Some("soak"), "xtask lb demo-backend"),
            (Some("sim"), "xtask sim"),
            (Some("grade"), "xtask lessons"),
            (Some("lesson"), "xtask lessons lb demo-backend"),
            (Some("lessons"), "xtask lessons lb demo-backend"),
            (Some("tidy"), "xtask"),
            (Some("--help"), "xtask"),
            (None, "xtask"),
        ] {
            assert_eq!(programs(command.map(OsStr::new)).join(" "), expected, "{command:?}");
        }
    }
}
