//! `lb check`: the meaning or all errors of a configuration file, word for word; and the meaning is true.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use lb::check::figures::Figures;
use lb::cli::Cli;

use crate::common::{Ended, Lb, NO_PINGS, Upstream, lb_command};

/// Writes the output beside each file instead of comparing it.
const WRITE: &str = "ROUNDABOUT_WRITE_CHECKS";

/// Extra time for a busy machine.
const SLACK: Duration = Duration::from_millis(700);

fn files(folder: &str) -> Vec<PathBuf> {
    // Relative paths, because the output contains the names.
    let entries = std::fs::read_dir(Path::new("tests/config").join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Compares the output for a file with the text beside the file.
fn compare(file: &Path, told: &str) -> Result<(), String> {
    let beside = file.with_extension("txt");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(beside, told).unwrap();
        return Ok(());
    }
    let expected = std::fs::read_to_string(&beside).unwrap_or_default();
    match expected == told {
        true => Ok(()),
        false => Err(format!("{}: expected\n{expected}\nbut it says\n{told}\n", beside.display())),
    }
}

/// Checks each file of a folder, and expects this exit status, with all output in one place.
fn check_all(folder: &str, code: i32, told: fn(&Ended) -> (&str, &str)) {
    let wrong: Vec<_> = files(folder)
        .iter()
        .filter_map(|file| {
            let ended = Ended::of(&["check", file.to_str().unwrap()]);
            let (told, nothing) = told(&ended);
            assert_eq!((ended.code, nothing), (Some(code), ""), "{}", file.display());
            compare(file, told).err()
        })
        .collect();
    assert!(wrong.is_empty(), "if that is right, write it anew with {WRITE}=1\n{}", wrong.join("\n"));
}

#[test]
fn what_is_wrong_with_a_file_is_told_word_for_word() {
    check_all("invalid", 2, |ended| (&ended.stderr, &ended.stdout));
}

#[test]
fn what_a_file_means_is_told_word_for_word() {
    check_all("valid", 0, |ended| (&ended.stdout, &ended.stderr));
}

#[test]
fn the_schema_in_the_documentation_is_the_one_it_prints() {
    let page = Path::new("../docs/lb.schema.json");
    let printed = Ended::of(&["check", "--schema"]);
    assert_eq!((printed.code, &printed.stderr[..]), (Some(0), ""));
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(page, &printed.stdout).unwrap();
    }
    let written = std::fs::read_to_string(page).unwrap();
    // Not as text, because the order of the keys means nothing.
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert!(
        parse(&written) == parse(&printed.stdout),
        "docs/lb.schema.json is old; write it anew with {WRITE}=1"
    );
}

#[test]
fn a_file_that_is_wrong_keeps_it_from_starting_and_a_flag_can_mend_it() {
    let upstream = Upstream::well("ok");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("overlaid.toml");
    let text = format!(
        "[[backend]]\nurl = \"{}\"\nweight = 5\n[health]\nping_interval = \"100ms\"\n",
        upstream.url()
    );
    std::fs::write(&file, text).unwrap();
    let config = format!("--config={}", file.display());

    let wrong = Ended::of(&[&config]);
    assert_eq!((wrong.code, &wrong.stdout[..]), (Some(2), ""));
    let place = format!("--> {}:5:17\n", file.display());
    assert!(wrong.stderr.contains(&place), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("ping_timeout is 500ms by default, longer than ping_interval, 100ms"));

    let lb = Lb::spawn(lb_command(), &[], &[&config, "--ping-timeout=100ms"]);
    assert_eq!(lb.get("/").text(), "ok");
    let warning = lb.wait_for_log("weights have no effect: round-robin does not use them");
    assert!(warning.contains(&format!("{}:3:10: ", file.display())), "{warning}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    for flags in [&["--config=no/lb.toml"][..], &["check", "no/lb.toml"]] {
        let ended = Ended::of(flags);
        assert_eq!((ended.code, &ended.stdout[..]), (Some(2), ""));
        assert!(ended.stderr.starts_with("error: cannot read no/lb.toml: "), "{}", ended.stderr);
    }
}

#[test]
fn a_file_in_another_encoding_is_refused_where_it_begins_to_be() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("latin-1.toml");
    std::fs::write(&file, b"# caf\xe9\n[[backend]]\nurl = \"http://a:1\"\n").unwrap();
    let ended = Ended::of(&["check", file.to_str().unwrap()]);
    assert_eq!((ended.code, &ended.stdout[..]), (Some(2), ""));
    let place = format!("error: this is not UTF-8\n --> {}:1:6\n", file.display());
    assert!(ended.stderr.starts_with(&place), "{}", ended.stderr);
}

#[test]
fn flags_alone_can_be_checked_as_well() {
    let ended = Ended::of(&["check", "--backends=http://a:1,http://b:2", "--policy=maglev"]);
    assert_eq!((ended.code, &ended.stderr[..]), (Some(0), ""));
    assert!(ended.stdout.contains("maglev by client"), "{}", ended.stdout);
    let neither = Ended::of(&["check"]);
    assert_eq!((neither.code, neither.stderr.contains("no backend given")), (Some(2), true));
    let before = Ended::of(&["--policy=maglev", "check"]);
    assert_eq!(before.code, Some(2), "flags before it would be lost: {before:?}");
}

/// The figures of the settings, and a balancer with them in front of these upstreams.
fn promised(upstreams: &[&Upstream], flags: &[&str]) -> (Figures, Lb) {
    let urls: Vec<_> = upstreams.iter().map(|upstream| upstream.url()).collect();
    let backends = format!("--backends={}", urls.join(","));
    let cli = Cli::parse_from([&["lb", &backends], flags].concat());
    (Figures::of(&cli.load().unwrap().config), Lb::start(upstreams, flags))
}

#[test]
fn a_crash_without_traffic_is_found_in_the_time_that_check_promises() {
    let upstream = Upstream::well("ok");
    let flags = ["--ping-interval=300ms", "--ping-timeout=300ms", "--fall=4"];
    let (figures, lb) = promised(&[&upstream], &flags);
    let events = lb.events();
    upstream.wait_for_ping();
    let crashing = Instant::now();
    upstream.stop();
    let crashed = Instant::now();
    events.change("1 up -> down");
    let promise = figures.crash_without_traffic;
    assert!(crashing.elapsed() >= promise.best, "after {:?}, before {:?}", crashing.elapsed(), promise.best);
    assert!(
        crashed.elapsed() <= promise.worst + SLACK,
        "after {:?}, not {:?}",
        crashed.elapsed(),
        promise.worst
    );
}

#[test]
fn a_crash_under_load_is_found_in_the_time_that_check_promises() {
    let (well, crashing) = (Upstream::well("ok"), Upstream::well("crashing"));
    let (figures, lb) = promised(&[&crashing, &well], &[NO_PINGS, "--retry-delay=200ms"]);
    let events = lb.events();
    crashing.wait_for_ping();
    crashing.stop();
    let asked = Instant::now();
    assert_eq!(lb.get("/").text(), "ok", "it is the turn of the one that crashed");
    events.change("1 up -> down");
    let promise = figures.crash_under_load;
    assert!(asked.elapsed() >= promise.best, "after {:?}, before {:?}", asked.elapsed(), promise.best);
    assert!(asked.elapsed() <= promise.worst + SLACK, "after {:?}, not {:?}", asked.elapsed(), promise.worst);
}

/// A function that writes a line of a file.
type Line = fn(usize) -> String;

/// Limits for the description of errors in a file of any length: KiB of addresses, and seconds of a
/// processor. The system ends a process that exceeds them.
const BOUNDS: &str = "ulimit -v 262144 && ulimit -t 3 && exec \"$0\" check \"$1\"";

#[test]
fn what_is_wrong_with_a_long_file_is_said_in_bounded_time_and_memory() {
    const LENGTH: usize = 5 << 20;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lb.toml");
    let shapes: [(&str, Line); 7] = [
        ("no TOML", |_| "a b\n".to_owned()),
        ("quotes that are not closed", |_| "\"\n".to_owned()),
        ("values without quotes", |n| format!("key{n} = wrong\n")),
        ("unknown keys", |n| format!("key{n} = 1\n")),
        ("unknown sections", |n| format!("[section{n}]\nkey = 1\n")),
        ("wrong addresses", |n| format!("[[backend]]\nurl = \"a:{n}\"\n")),
        ("the same address", |_| "[[backend]]\nurl = \"http://a:1\"\n".to_owned()),
    ];
    for (what, line) in shapes {
        let mut text = String::new();
        let mut lines = (0..).map(line);
        while text.len() < LENGTH {
            text.push_str(&lines.next().unwrap());
        }
        std::fs::write(&file, text).unwrap();
        let mut command = std::process::Command::new("sh");
        command.args(["-c", BOUNDS, env!("CARGO_BIN_EXE_lb")]).arg(&file);
        let ended = Ended::by(command);
        assert_eq!(ended.code, Some(2), "{what}: {ended:?}");
        let last = ended.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("and at least ") && last.ends_with(" more problems"), "{what}: {last}");
        assert!(ended.stderr.len() < 20_000, "{what}: {} bytes", ended.stderr.len());
    }
}

#[test]
fn an_error_that_cannot_be_printed_keeps_its_exit_status() {
    let table = [
        (&["check", "no-such-file"][..], 2),
        (&["--config=no-such-file"], 2),
        (&["ctl", "--admin=http://127.0.0.1:1", "state"], 2),
        (&["--no-such-flag"], 2),
        (&["--check-health=http://127.0.0.1:1/"], 1),
    ];
    for (arguments, code) in table {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let status = lb_command().args(arguments).stderr(full).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    for arguments in [&["check", "--schema"][..], &["check", "--backends=http://localhost:3031"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = lb_command().args(arguments).stdout(writer).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*error), (Some(0), ""), "{arguments:?}");
    }
}
