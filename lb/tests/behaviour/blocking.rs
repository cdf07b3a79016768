//! Slow or blocking work delays nothing else: the control thread continues to ping, to answer and to handle
//! signals.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::json;

use crate::common::{
    Client, Config, Ended, Lb, PATIENCE, Upstream, eventually, in_maintenance, order, tables, when,
};

/// Short interval of pings, so that a blocked thread is visible.
const PINGS: [&str; 2] = ["--ping-interval=50ms", "--ping-timeout=50ms"];

/// Allowed pause of pings on a busy machine.
const PAUSE: Duration = Duration::from_millis(900);

fn make_fifo(path: &Path) {
    let _ = fs::remove_file(path);
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// The longest time without a ping until `done`.
fn longest_pause(upstream: &Upstream, mut done: impl FnMut() -> bool) -> Duration {
    let (begun, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
    let mut seen = upstream.accepted();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is never done");
        let now = upstream.accepted();
        if now != seen {
            (seen, last) = (now, Instant::now());
        }
        longest = longest.max(last.elapsed());
        std::thread::sleep(Duration::from_millis(2));
    }
    longest
}

#[test]
fn a_pipe_in_the_place_of_the_file_stops_nothing() {
    let upstream = Upstream::well("ok").counting_only();
    let config = Config::new(&tables([(&upstream, "")]));
    let mut lb = Lb::configured(&config.path(), &PINGS);
    make_fifo(&config.path());
    lb.signal(Signal::HUP);
    lb.wait_for_log("is a named pipe, not a regular file");
    let (status, told) = order(&lb, "POST /reload", &json!({}));
    assert_eq!(status, 422, "{told}");
    assert!(told["error"].as_str().unwrap().contains("is a named pipe, not a regular file"), "{told}");
    let seen = upstream.accepted();
    eventually("pings go on", || when(upstream.accepted() > seen + 3, upstream.accepted()));
    config.write(&format!("{}[health]\nrise = 7\n", tables([(&upstream, "")])));
    lb.wait_for_log("configuration read again: changed health.rise");
    make_fifo(&config.path());
    lb.signal(Signal::TERM);
    assert_eq!(lb.exit_status(Duration::from_secs(5)), Some(0));
}

#[test]
fn only_regular_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo.toml");
    make_fifo(&fifo);
    let socket = folder.path().join("socket.toml");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let table = [
        (&*fifo, "is a named pipe, not a regular file"),
        (folder.path(), "is a directory, not a regular file"),
        (&*socket, "is a socket, not a regular file"),
        (Path::new("/dev/zero"), "is a device, not a regular file"),
    ];
    for (path, words) in table {
        let path = path.to_str().unwrap();
        for flags in [vec!["--port=0", "--config", path], vec!["check", path]] {
            let ended = Ended::of(&flags);
            assert!(ended.code == Some(2) && ended.stderr.contains(words), "{flags:?}: {}", ended.stderr);
            assert!(ended.stderr.contains("name a regular file"), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let upstream = Upstream::well("ok").counting_only();
    let config = Config::new(&tables([(&upstream, "")]));
    let lb = Lb::configured(&config.path(), &PINGS);
    let comment = "# a comment that goes on and on, and says nothing at all\n";
    config.write(&comment.repeat((50 << 20) / comment.len()));
    let refused = || lb.log().contains("configuration refused");
    let pause = longest_pause(&upstream, refused);
    assert!(pause < PAUSE, "{pause:?} without a ping");
    assert!(lb.log().contains("it has more than 16 MiB"), "{}", lb.log());
    assert!(lb.log().len() < 10_000);
}

#[test]
fn a_wrong_file_is_told_in_time_and_in_part() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("lb.toml");
    // Problems of several kinds; the last two have places far apart.
    let shapes: [(&str, String); 4] = [
        ("unknown keys", (0..20_000).map(|n| format!("key_{n} = {n}\n")).collect()),
        (
            "wrong values",
            (0..20_000).map(|n| format!("[[backend]]\nurl = \"http://a:{n}x\"\nweight = -1\n")).collect(),
        ),
        ("no TOML", "a b c\n".repeat(20_000)),
        (
            "listed twice",
            (0..40_000).map(|n| format!("[[backend]]\nurl = \"http://h{}\"\n", n % 20_000)).collect(),
        ),
    ];
    for (what, text) in shapes {
        fs::write(&wrong, text).unwrap();
        let begun = Instant::now();
        let ended = Ended::of(&["check", wrong.to_str().unwrap()]);
        assert_eq!(ended.code, Some(2), "{what}");
        assert!(begun.elapsed() < PATIENCE, "{what}: {:?}", begun.elapsed());
        assert!(ended.stderr.len() < 20_000, "{what}: {} bytes", ended.stderr.len());
        let last = ended.stderr.lines().last().unwrap();
        assert!(last.starts_with("and ") && last.contains(" more"), "{what}: {last}");
    }
}

#[test]
fn a_wrong_file_of_many_lines_stops_no_pings() {
    let upstream = Upstream::well("ok").counting_only();
    let config = Config::new(&tables([(&upstream, "")]));
    let lb = Lb::configured(&config.path(), &PINGS);
    config.write(&(0..20_000).map(|n| format!("key_{n} = {n}\n")).collect::<String>());
    let pause = longest_pause(&upstream, || lb.log().contains("more problems"));
    assert!(pause < PAUSE, "{pause:?} without a ping");
    assert_eq!(lb.get("/").status, 200);
}

#[test]
fn pages_about_many_backends_are_not_written_by_the_thread_that_pings() {
    let upstream = Upstream::well("ok");
    let config = Config::new(&format!("{}{}", tables([(&upstream, "")]), in_maintenance(1_000)));
    let lb = Lb::configured(&config.path(), &PINGS);
    // Processor time, because a busy machine delays all threads. The thread that pings also has other work
    // with so many backends, so the best of several runs counts.
    let share = |path: &str| {
        let (thread, all) = lb.processor_time();
        let mut client = Client::connect(lb.admin);
        client.wire.stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        assert_eq!(client.get(path).status, 200);
        let (thread_now, all_now) = lb.processor_time();
        (thread_now - thread) as f64 / (all_now - all).max(1) as f64
    };
    let least = (0..3).map(|_| share("/metrics")).fold(1.0, f64::min);
    assert!(least < 0.7, "it did {least} of the work");
}
