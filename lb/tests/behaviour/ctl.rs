//! `lb ctl`: each command once, the output for people, and the exit status if something is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{
    Config, Ended, Lb, Load, NO_PINGS, PATIENCE, Upstream, ctl, ctl_with, eventually, lb_command, ok, tables,
    when,
};

/// The output if all is well.
fn told(lb: &Lb, words: &[&str]) -> String {
    let ended = ctl(lb, words);
    assert_eq!((ended.code, &ended.stderr[..]), (Some(0), ""), "{words:?}: {ended:?}");
    ended.stdout
}

#[test]
fn every_verb_does_what_it_says() {
    let (one, two) = (Upstream::well("one"), Upstream::well("two"));
    let config = Config::new(&tables([(&one, "")]));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    let events = lb.events();
    let (url, other) = (&one.url()[..], &two.url()[..]);
    let line = |mode: &str, weight: u32, state: &str| {
        format!("backend 1: {url}, {mode}, weight {weight}, {state}, 0 in flight\n")
    };
    assert_eq!(told(&lb, &["drain", "1"]), line("drain", 1, "up"));
    assert_eq!(lb.backend(1)["mode"], "drain");
    assert_eq!(told(&lb, &["maintenance", url]), line("maintenance", 1, "up"));
    assert_eq!(told(&lb, &["ready", "1"]), line("ready", 1, "up"), "its first ping is waited for");
    assert_eq!(told(&lb, &["weight", url, "5"]), line("ready", 5, "up"));
    assert_eq!(lb.backend(1)["weight"], 5);
    let add = ["add", other, "--weight=3", "--priority=2", "--backup", "--max-in-flight=7", "--mode=drain"];
    assert_eq!(told(&lb, &add), format!("backend 2: {other}, drain, weight 3, up, 0 in flight\n"));
    let two = lb.backend(2);
    assert_eq!(
        [&two["weight"], &two["priority"], &two["backup"], &two["mode"]],
        [&json!(3), &json!(2), &json!(true), &json!("drain")]
    );
    assert_eq!(
        told(&lb, &["remove", "2"]),
        format!("backend 2: {other}, leaving, weight 3, up, 0 in flight\n")
    );
    assert_eq!(told(&lb, &["policy", "ring"]), "policy ring\n");
    assert_eq!(told(&lb, &["log", "debug"]), "log level debug\n");
    assert_eq!(told(&lb, &["reset"]), "counting from zero\n");
    assert_eq!(told(&lb, &["reload"]), "the backends stay as they are\n");
    let all = eventually("all are told", || when(events.all("control").len() == 10, events.all("control")));
    assert!(all.iter().all(|event| event["by"] == "lb ctl, 127.0.0.1"), "{all:?}");

    let raw: Value = serde_json::from_str(&told(&lb, &["state", "--json"])).unwrap();
    assert_eq!((&raw["policy"], &raw["backends"][0]["weight"]), (&json!("ring"), &json!(5)));
    let table = told(&lb, &["state"]);
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with(&format!("ring at {}: 0 requests in ", lb.address)), "{table}");
    assert_eq!(lines[2].split_whitespace().next(), Some("number"), "{table}");
    assert!(lines[3].contains(url) && lines[3].contains("ready"), "{table}");

    config.write("nonsense");
    let refused = ctl(&lb, &["reload"]);
    assert_eq!((refused.code, &refused.stdout[..]), (Some(1), ""));
    assert!(
        refused.stderr.starts_with("error: ") && refused.stderr.contains("lb.toml:1:"),
        "{}",
        refused.stderr
    );
}

#[test]
fn it_can_wait_until_a_backend_has_finished() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let slow = Upstream::new(move |_| {
        let begun = Instant::now();
        while !gate.load(SeqCst) && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        ok("slow")
    });
    let other = Upstream::well("other");
    let lb = Lb::start(&[&slow, &other], &[NO_PINGS]);
    let mut client = lb.client();
    client.ask("GET /", b"");
    eventually("it is in flight", || when(slow.count() == 1, ()));

    for verb in ["drain", "maintenance", "remove"] {
        let late = ctl(&lb, &[verb, "1", "--wait=100ms"]);
        assert_eq!((late.code, &late.stdout[..]), (Some(1), ""), "{verb}");
        assert_eq!(
            late.stderr,
            "error: backend 1 still has requests in flight (1) after 100ms; no request was cut off, so try again with a longer --wait\n"
        );
    }
    let url = slow.url();
    let leaving = ctl(&lb, &["ready", "1"]);
    assert_eq!(leaving.code, Some(1));
    assert!(leaving.stderr.contains("was removed and is leaving; add it again"), "{}", leaving.stderr);
    assert_eq!(told(&lb, &["add", &url]), format!("backend 1: {url}, ready, weight 1, up, 1 in flight\n"));
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| (ctl(&lb, &["remove", &url, "--wait=10s"]), Instant::now()));
        std::thread::sleep(Duration::from_millis(200));
        assert!(!waits.is_finished());
        let opened = Instant::now();
        open.store(true, SeqCst);
        let (ended, at) = waits.join().unwrap();
        assert_eq!((ended.code, ended.stdout), (Some(0), format!("backend 1 is gone: {url}\n")));
        assert!(at > opened, "it waited");
    });
    assert_eq!(client.answer().text(), "slow");
    assert_eq!(ctl(&lb, &["drain", "2", "--wait=0s"]).code, Some(0), "there is nothing to wait for");
}

#[test]
fn what_goes_wrong_is_told_and_shows_in_the_exit_status() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let table: [(&[&str], i32, &str); 9] = [
        (&["drain", "7"], 1, "error: there is no backend 7; there is 1 ("),
        (&["weight", "1", "2000"], 1, "write 0 to 1000"),
        (&["policy", "leastconn"], 2, "write least-connections"),
        (&["add", &upstream.url()], 1, "is backend 1 already"),
        (&["add", "localhost:1"], 1, "write http://localhost:1"),
        (&["weight", "1", "much"], 2, "invalid value 'much'"),
        (&["drain"], 2, "BACKEND"),
        (&["drain", "1", "--wait=5"], 2, "--wait"),
        (&["explode"], 2, "explode"),
    ];
    for (words, code, fix) in table {
        let ended = ctl(&lb, words);
        assert_eq!((ended.code, &ended.stdout[..]), (Some(code), ""), "{words:?}: {ended:?}");
        assert!(ended.stderr.contains(fix), "{words:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.matches("error:").count(), 1, "{}", ended.stderr);
    }
    upstream.stop();
    let closed = Ended::of(&["ctl", "state", "--admin", &upstream.url()]);
    assert_eq!(closed.code, Some(2));
    assert!(closed.stderr.contains("refused") && closed.stderr.contains("--admin"), "{}", closed.stderr);
    let clients = Ended::of(&["ctl", "reset", "--admin", &format!("http://{}", lb.address)]);
    assert_eq!(clients.code, Some(1), "that is the clients' port");
    assert!(clients.stderr.contains("is this the admin address of a balancer?"), "{}", clients.stderr);
}

#[test]
fn ready_can_wait_until_a_backend_serves() {
    let (one, two) = (Upstream::well("one"), Upstream::well("two"));
    let lb = Lb::start(&[&one, &two], &["--ping-interval=100ms", "--ping-timeout=100ms"]);
    told(&lb, &["drain", "1"]);
    one.stop();
    lb.wait_for_states(&["down", "up"]);
    let late = ctl(&lb, &["ready", "1", "--wait=300ms"]);
    assert_eq!((late.code, &late.stdout[..]), (Some(1), ""), "{late:?}");
    let (start, url) = ("error: backend 1 is not up after 300ms, but down (", one.url());
    assert!(late.stderr.starts_with(start) && late.stderr.contains(&url), "{late:?}");
    let line = |state: &str| format!("backend 1: {url}, ready, weight 1, {state}, 0 in flight\n");
    let now = told(&lb, &["ready", "1"]);
    assert!(now.starts_with(&line("down (")[..line("down (").find("down (").unwrap()]), "{now}");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| ctl(&lb, &["ready", "1", "--wait=10s"]));
        std::thread::sleep(Duration::from_millis(200));
        assert!(!waits.is_finished());
        one.start();
        let ended = waits.join().unwrap();
        assert_eq!((ended.code, ended.stdout), (Some(0), line("up")), "{}", ended.stderr);
    });
    std::thread::scope(|scope| {
        told(&lb, &["drain", "1"]);
        one.stop();
        lb.wait_for_states(&["down", "up"]);
        let waits = scope.spawn(|| ctl(&lb, &["ready", "1", "--wait=10s"]));
        eventually("it waits", || when(lb.backend(1)["mode"] == "ready", lb.backend(1)));
        told(&lb, &["maintenance", "1"]);
        let ended = waits.join().unwrap();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("backend 1 is now in mode maintenance"), "{}", ended.stderr);
    });
}

#[test]
fn add_tells_the_true_state_and_can_wait_until_it_is_up() {
    let (one, two, dead) = (Upstream::well("one"), Upstream::well("two"), Upstream::well("dead"));
    let lb = Lb::start(&[&one], &["--ping-interval=100ms", "--ping-timeout=100ms"]);
    dead.stop();
    let (url, other) = (dead.url(), two.url());
    let added = told(&lb, &["add", &url]);
    assert!(added.starts_with(&format!("backend 2: {url}, ready, weight 1, down (")), "{added}");
    let line = format!("backend 3: {other}, ready, weight 1, up, 0 in flight\n");
    assert_eq!(told(&lb, &["add", &other]), line);
    told(&lb, &["remove", "2", "--wait=10s"]);
    told(&lb, &["remove", "3", "--wait=10s"]);
    let late = ctl(&lb, &["add", &url, "--wait=300ms"]);
    assert_eq!((late.code, &late.stdout[..]), (Some(1), ""), "{late:?}");
    assert!(late.stderr.contains("backend 2 is not up after 300ms, but down ("), "{late:?}");
    assert_eq!(told(&lb, &["add", &other, "--wait=10s"]), line);
    told(&lb, &["remove", "3", "--wait=10s"]);
    let resting = told(&lb, &["add", &other, "--mode=maintenance"]);
    assert!(resting.contains("maintenance, weight 1, not pinged yet"), "it gets no pings: {resting}");
}

/// The line in the help that restarts one backend after the other: its `lb ctl` commands, for the backend
/// with this number.
fn documented_line(number: usize) -> Vec<Vec<String>> {
    let help = Ended::of(&["ctl", "--help"]).stdout;
    let line = help.lines().find(|line| line.contains("&& systemctl restart")).expect("it is documented");
    let readme = std::fs::read_to_string("../README.md").unwrap();
    assert!(readme.contains(line.trim()), "the README has the same line");
    let words = |command: &str| command.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let numbered = |word: String| if word == "3" { number.to_string() } else { word };
    let commands = line.split("&&").map(words).filter(|words| words[0] == "lb");
    commands.map(|words| words.into_iter().skip(2).map(numbered).collect()).collect()
}

/// Restarts one upstream after the other under load as the help says, and fails if a request gets no answer.
/// With `missed`, pings have found each of them down before the line continues.
fn restart_one_after_the_other(missed: bool) {
    let upstreams = [Upstream::well("one").counting_only(), Upstream::well("two").counting_only()];
    let all: Vec<_> = upstreams.iter().collect();
    let lb = Lb::start(&all, &["--ping-interval=100ms", "--ping-timeout=100ms"]);
    lb.wait_for_states(&["up", "up"]);
    let run = |words: &[String]| {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        told(&lb, &words)
    };
    let load = Load::of(&lb, 8);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            for (upstream, number) in upstreams.iter().zip(1..) {
                let [drain, ready] = documented_line(number).try_into().expect("two commands");
                run(&drain);
                upstream.stop();
                if missed {
                    eventually("it is missed", || {
                        when(lb.backend(number)["state"] == "down", lb.backend(number))
                    });
                }
                // A supervisor returns when it has started a program, which takes some time until it listens.
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(400));
                    upstream.start();
                });
                let line = run(&ready);
                assert!(line.contains(", ready, ") && line.contains(", up, "), "{line}");
            }
        }
    });
    let answered = load.answered();
    eventually("requests go on", || when(load.answered() > answered + 100, load.answered()));
    assert!(load.end() > 500);
}

#[test]
fn the_documented_line_restarts_one_after_the_other_without_a_loss() {
    restart_one_after_the_other(true);
}

#[test]
fn the_documented_line_loses_nothing_when_the_restart_is_faster_than_pings() {
    restart_one_after_the_other(false);
}

#[test]
fn the_token_comes_from_the_environment() {
    const TOKEN: &str = "0123456789abcdef";
    let upstream = Upstream::well("ok");
    let mut command = lb_command();
    command.env("LB_ADMIN_TOKEN", TOKEN);
    let lb = Lb::spawn(command, &[upstream.url()], &[NO_PINGS]);
    let refused = ctl(&lb, &["reset"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("set LB_ADMIN_TOKEN"), "{}", refused.stderr);
    assert_eq!(ctl_with(&lb, &["reset"], &[("LB_ADMIN_TOKEN", "another-0123456789")]).code, Some(1));
    assert_eq!(ctl_with(&lb, &["reset"], &[("LB_ADMIN_TOKEN", TOKEN)]).code, Some(0));
    assert_eq!(ctl(&lb, &["state"]).code, Some(0), "reading is free");
    let nonsense = ctl_with(&lb, &["reset"], &[("LB_ADMIN_TOKEN", "line\nbreak")]);
    assert_eq!((nonsense.code, nonsense.stderr.contains("LB_ADMIN_TOKEN")), (Some(2), true), "{nonsense:?}");
}

#[test]
fn help_reads_like_a_manual_page() {
    let help = Ended::of(&["ctl", "--help"]);
    assert_eq!((help.code, &help.stderr[..]), (Some(0), ""));
    let verbs = "drain ready maintenance weight add remove policy reload reset log state";
    for word in verbs.split(' ').chain([
        "Examples:",
        "The token:",
        "Exit status:",
        "--admin",
        "[default: http://127.0.0.1:4030]",
    ]) {
        assert!(help.stdout.contains(word), "'{word}' is missing in\n{}", help.stdout);
    }
    assert!(help.stdout.lines().all(|line| line.len() <= 100), "it fits a terminal:\n{}", help.stdout);
    for verb in verbs.split(' ') {
        assert_eq!(Ended::of(&["ctl", verb, "--help"]).code, Some(0), "{verb}");
    }
}
