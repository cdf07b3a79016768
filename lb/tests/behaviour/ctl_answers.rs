//! `lb ctl` with a wrong admin address, and in front of a server that is no balancer, or that sends anything.

use serde_json::{Value, json};

use crate::common::{Ended, Reply, Upstream, ok};
use crate::mistakes::expect;

/// Texts of a malicious server.
const EVIL: &str = "\u{1b}[2J\u{9b}31m\nbackend 9: fine\r\u{202e}";

/// Fails if the text controls a terminal, or a text of the server begins a line.
fn assert_harmless(told: &str, what: &str) {
    let acts = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
    assert!(!told.contains(acts), "{what}: {told:?}");
    assert!(!told.lines().any(|line| line.starts_with("backend 9")), "{what}: {told:?}");
}

#[test]
fn what_a_server_says_is_shown_and_not_executed() {
    let backend = json!({
        "number": EVIL, "url": EVIL, "mode": EVIL, "weight": EVIL, "state": EVIL, "cause": EVIL, "in_flight": EVIL,
        "picks": EVIL, EVIL: EVIL
    });
    let document = json!({
        "backends": [backend.clone()], "policy": EVIL, "listen": EVIL, "level": EVIL, "totals": {"requests": EVIL},
        "changed": [EVIL], "after_restart": [EVIL], "warnings": [EVIL], EVIL: [EVIL]
    });
    let texts = json!({"backends": EVIL, "changed": [EVIL], "after_restart": [EVIL], "warnings": [EVIL]});
    let answers = [
        ("200 OK", backend),
        ("200 OK", document),
        ("200 OK", texts),
        ("409 Conflict", json!({"error": EVIL})),
        ("422 Unprocessable", json!({"error": EVIL, "lines": [EVIL, "backend 9: fine"]})),
        ("500 No", json!([EVIL])),
        ("200 OK", json!(EVIL)),
    ];
    for (status, answer) in answers {
        let body = answer.to_string();
        let reply = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let server = Upstream::new(move |_| Reply::Last(reply.clone().into_bytes()));
        let verbs = [
            "drain 1",
            "ready 1 --wait=0s",
            "maintenance 1 --wait=0s",
            "weight 1 5",
            "add http://a:1",
            "remove 1",
            "remove 1 --wait=0s",
            "policy ring",
            "reload",
            "reset",
            "log info",
            "state",
            "state --json",
        ];
        for verb in verbs {
            let words: Vec<_> = verb.split(' ').collect();
            let admin = format!("--admin={}", server.url());
            let ended = Ended::of(&[&["ctl", &admin], &words[..]].concat());
            assert_harmless(&ended.stdout, verb);
            assert_harmless(&ended.stderr, verb);
            if verb == "state --json" && ended.code == Some(0) {
                assert_eq!(
                    serde_json::from_str::<Value>(&ended.stdout).unwrap(),
                    answer,
                    "the same document"
                );
            }
        }
    }
}

#[test]
fn an_answer_that_is_no_balancers_is_told() {
    let other = Upstream::well("ok");
    for verb in
        [&["drain", "1", "--wait=1s"][..], &["state"], &["policy", "ring"], &["reload"], &["remove", "1"]]
    {
        let flag = format!("--admin={}", other.url());
        let ended = Ended::of(&[&["ctl", &flag], verb].concat());
        assert_ne!(ended.code, Some(0), "{verb:?}: {}", ended.stdout);
        assert!(ended.stderr.contains("not the admin port of a balancer"), "{}", ended.stderr);
        assert!(ended.stderr.contains("--admin"), "{}", ended.stderr);
    }
}

/// A server may answer with any document. The commands take only the documents of a balancer.
#[test]
fn a_document_that_is_not_the_expected_one_is_refused() {
    let answers = [
        ("reset", "[5]"),
        ("policy ring", "[\"x\", []]"),
        ("log info", "[\"x\"]"),
        ("state --json", "{}"),
        ("state --json", "{\"error\": \"x\"}"),
        ("state", "[]"),
        ("reload", "[[], [], \"x\", []]"),
    ];
    for (command, answer) in answers {
        let other = Upstream::new(move |_| ok(answer));
        let admin = format!("--admin={}", other.url());
        let ended = Ended::of(&[&["ctl", &admin], &command.split(' ').collect::<Vec<_>>()[..]].concat());
        assert_ne!(ended.code, Some(0), "{command} {answer}: {}", ended.stdout);
        assert_eq!(ended.stdout, "", "{command} {answer}");
        assert!(ended.stderr.contains("of a balancer"), "{command} {answer}: {}", ended.stderr);
    }
}

#[test]
fn an_admin_address_that_is_not_only_an_address_says_what_to_write() {
    expect(&[
        (&["ctl", "state", "--admin=4030"], &["write http://127.0.0.1:4030"]),
        (&["ctl", "state", "--admin=:4030"], &["write http://127.0.0.1:4030"]),
        (&["ctl", "state", "--admin=::1:4030"], &["write http://[::1]:4030"]),
        (
            &["ctl", "state", "--admin=http://127.0.0.1:4030/x"],
            &["has a path", "write http://127.0.0.1:4030\n"],
        ),
        (&["ctl", "state", "--admin=http://[::1]:4030/?x"], &["has a path", "write http://[::1]:4030\n"]),
        (&["ctl", "state", "--admin=http://a/#x"], &["has a path", "write http://a\n"]),
        (
            &["ctl", "state", "--admin=http://user@127.0.0.1:4030"],
            &["names a user", "LB_ADMIN_TOKEN", "write http://127.0.0.1:4030\n"],
        ),
        (&["ctl", "state", "--admin=u:p@127.0.0.1:4030"], &["names a user", "write http://127.0.0.1:4030\n"]),
        (
            &["ctl", "state", "--admin=https://127.0.0.1:4030"],
            &["does not support TLS", "write http://127.0.0.1:4030"],
        ),
    ]);
}
