//! The destination of log lines. Writing them blocks nothing: not a log without a reader, nor a full disk.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::common::{
    Client, Config, Ended, Lb, Metrics, NO_PINGS, Upstream, eventually, lb_command, tables, when, within,
};

const DROPPED: &str = "lb_log_lines_dropped_total";

/// The balancer with this shell redirection; `$0` is the binary and `$LOG` a path.
fn redirected(script: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(lb_command().get_program()).env("LOG", path);
    command
}

/// A balancer whose standard error is a pipe that stays open and has no reader.
fn unread(folder: &TempDir, backends: &[&Upstream], flags: &[&str]) -> Lb {
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let command = redirected(r#"exec 3<>"$LOG"; exec "$0" "$@" 2>"$LOG""#, &pipe);
    let backends: Vec<_> = backends.iter().map(|upstream| upstream.url()).collect();
    Lb::spawn(command, &backends, flags)
}

fn dropped(lb: &Lb) -> f64 {
    Metrics::of(lb.admin).get(DROPPED, &[])
}

#[test]
fn an_access_log_without_a_reader_holds_up_no_request() {
    for format in ["text", "json", "combined"] {
        let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::well("ok").counting_only());
        let format = format!("--log-format={format}");
        let mut lb = unread(&folder, &[&upstream], &[NO_PINGS, "--access-log", &format]);
        let path = format!("/{}", "long".repeat(500));
        let mut clients = [lb.client(), lb.client()];
        for _ in 0..1000 {
            for client in &mut clients {
                assert_eq!(client.get(&path).text(), "ok");
            }
        }
        let lost = eventually("lines are dropped", || when(dropped(&lb) > 100.0, dropped(&lb)));
        assert!(lb.state()["log_lines_dropped"].as_f64().unwrap() >= lost);
        lb.signal(Signal::TERM);
        drop(clients);
        assert_eq!(lb.exit_status(Duration::from_secs(5)), Some(0), "it ends although its last lines wait");
    }
}

#[test]
fn lines_of_every_kind_hold_up_no_request_and_no_ping() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::well("ok"));
    let other = Upstream::well("other");
    let flags = ["--ping-interval=1ms", "--ping-timeout=1ms", "--log-level=debug", "--rise=1", "--fall=1"];
    let lb = unread(&folder, &[&upstream, &other], &flags);
    // Each ping has a line of more than 60 bytes, and a pipe has room for 64 KiB.
    let pings = || upstream.accepted() + other.accepted();
    within(Duration::from_secs(60), "it is pinged for longer than the pipe has room", || {
        when(pings() > 2500, pings())
    });
    other.stop();
    lb.wait_for_states(&["up", "down"]);
    assert_eq!(lb.get("/").text(), "ok");
}

#[test]
fn a_standard_output_without_a_reader_holds_up_no_start() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::well("ok"));
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // As the previous process, which shared the pipe, left it.
    let full = r#"exec 3<>"$LOG"; head -c 65536 /dev/zero >&3; exec "$0" "$@" >"$LOG" 2>&1"#;
    // It cannot print its ports, so the test chooses them.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = redirected(full, &pipe)
        .args(["--bind=127.0.0.1", "--port=0", "--exit-with-parent", "--access-log"])
        .args([format!("--backends={}", upstream.url()), format!("--admin={free}")])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    eventually("it is well", || TcpStream::connect(free));
    assert_eq!(Client::connect(free).get("/healthz").status, 200);
    eventually("it pings", || when(upstream.accepted() > 1, ()));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn lines_that_a_full_disk_does_not_take_are_counted() {
    let upstream = Upstream::well("ok");
    for flags in [&["--log-file=/dev/full"][..], &[]] {
        let command = redirected(r#"exec "$0" "$@" 2>/dev/full"#, Path::new(""));
        let flags = [&[NO_PINGS, "--access-log"], flags].concat();
        let mut lb = Lb::spawn(command, &[upstream.url()], &flags);
        for _ in 0..10 {
            assert_eq!(lb.get("/").text(), "ok");
        }
        eventually("ten lines are lost", || when(dropped(&lb) == 10.0, dropped(&lb)));
        lb.signal(Signal::TERM);
        assert_eq!(lb.exit_status(Duration::from_secs(5)), Some(0));
    }
}

#[test]
fn a_log_that_is_read_again_says_what_it_lacks() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::well("ok").counting_only());
    let lb = unread(&folder, &[&upstream], &[NO_PINGS, "--access-log"]);
    let (path, mut client) = (format!("/{}", "long".repeat(1000)), lb.client());
    eventually("lines are dropped", || {
        client.get(&path);
        when(dropped(&lb) > 0.0, ())
    });
    let lost = dropped(&lb);
    let reader = std::io::BufReader::new(fs::File::open(folder.path().join("pipe")).unwrap());
    let said = std::io::BufRead::lines(reader).map_while(Result::ok).find(|line| line.contains("WARN"));
    assert!(said.unwrap().contains(&format!("{lost} log lines were dropped")));
}

#[test]
fn the_last_lines_before_the_end_are_written() {
    let upstream = Upstream::well("ok");
    let mut lb = Lb::start(&[&upstream], &[NO_PINGS, "--access-log"]);
    let mut client = lb.client();
    for n in 0..500 {
        client.get(&format!("/{n}/"));
    }
    drop(client);
    lb.signal(Signal::TERM);
    assert_eq!(lb.exit_status(Duration::from_secs(5)), Some(0));
    lb.wait_for_log("drained");
    let log = lb.log();
    assert!((0..500).all(|n| log.contains(&format!("path=/{n}/ "))), "{log}");
    assert!(log.trim_end().ends_with("drained"), "{log}");
}

#[test]
fn a_log_can_be_a_file_that_is_reopened_when_it_was_moved() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::well("ok"));
    let [file, moved] = ["lb.log", "lb.log.1"].map(|name| folder.path().join(name));
    fs::write(&file, "kept\n").unwrap();
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--access-log", &format!("--log-file={}", file.display())]);
    let wait_for = |file: &Path, words: &str| {
        eventually(words, || {
            let text = fs::read_to_string(file).unwrap_or_default();
            when(text.contains(words), text)
        })
    };
    lb.get("/before");
    assert!(wait_for(&file, "path=/before ").starts_with("kept\n"), "it is appended to");
    fs::rename(&file, &moved).unwrap();
    lb.get("/between");
    wait_for(&moved, "path=/between ");
    lb.signal(Signal::USR1);
    wait_for(&file, "log file reopened");
    lb.get("/after");
    wait_for(&file, "path=/after ");
    assert!(!fs::read_to_string(&moved).unwrap().contains("/after"));
    assert_eq!(lb.log(), "", "nothing of it is on standard error");
}

#[test]
fn a_log_file_that_cannot_be_reopened_stays_as_it_is_and_says_so() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::well("ok"));
    let [inside, moved] = ["inside", "moved"].map(|name| folder.path().join(name));
    fs::create_dir(&inside).unwrap();
    let file = inside.join("lb.log");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--access-log", &format!("--log-file={}", file.display())]);
    fs::rename(&inside, &moved).unwrap();
    lb.signal(Signal::USR1);
    lb.signal(Signal::USR2);
    lb.get("/after");
    eventually("the old file says so", || {
        let text = fs::read_to_string(moved.join("lb.log")).unwrap();
        when(text.contains("cannot reopen the log file") && text.contains("path=/after "), text)
    });
}

#[test]
fn signals_without_a_meaning_end_nothing() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    lb.signal(Signal::USR1);
    lb.wait_for_log("SIGUSR1: there is no log file to reopen");
    lb.signal(Signal::USR2);
    lb.wait_for_log("SIGUSR2");
    assert_eq!(lb.get("/").text(), "ok");
}

#[test]
fn a_log_file_that_cannot_be_opened_is_an_error_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    Command::new("mkfifo").arg(&fifo).status().unwrap();
    let table = [
        (folder.path().join("none/lb.log"), "; write the path of a file in a folder that exists"),
        (folder.path().to_owned(), "it is a directory; write the path of a file in it"),
        (
            fifo,
            "it is a named pipe that no program reads; first start the program that reads it, or write the path of a file",
        ),
    ];
    for (path, remedy) in table {
        let flag = format!("--log-file={}", path.display());
        let ended = Ended::of(&["--backends=http://127.0.0.1:1", "--bind=127.0.0.1", "--port=0", &flag]);
        assert_eq!((ended.code, &ended.stdout[..]), (Some(2), ""), "{ended:?}");
        for words in ["error: cannot open the log file", &path.display().to_string(), remedy] {
            assert!(ended.stderr.contains(words), "'{words}' is missing: {}", ended.stderr);
        }
    }
}

#[test]
fn the_file_of_settings_names_the_log_file() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::well("ok"));
    let file = folder.path().join("lb.log");
    let log = format!("[log]\naccess_log = true\nfile = \"{}\"\n", file.display());
    let config = Config::new(&(tables([(&upstream, "")]) + &log));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    lb.get("/here");
    eventually("its line", || {
        let text = fs::read_to_string(&file).unwrap();
        when(text.contains("path=/here "), text)
    });
    config.write(&(tables([(&upstream, "")]) + &log.replace("lb.log", "other.log")));
    eventually("it says that this takes a restart", || {
        let text = fs::read_to_string(&file).unwrap();
        when(text.contains("log.file can change only with a restart"), text)
    });
}
