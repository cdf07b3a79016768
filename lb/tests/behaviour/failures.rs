//! The verdict table over real sockets: each kind of failure of a backend, and its effects.

use serde_json::json;

use crate::common::{Events, Lb, NO_PINGS, Reply, Seen, Upstream};

/// More than the default replay limit.
const BIG: usize = 100_000;

type Script = fn(&Seen) -> Reply;

const FLAGS: [&str; 2] = [NO_PINGS, "--response-timeout=250ms"];

fn closes(_: &Seen) -> Reply {
    Reply::Last(Vec::new())
}

fn resets(_: &Seen) -> Reply {
    Reply::Reset(Vec::new())
}

fn closes_in_the_head(_: &Seen) -> Reply {
    Reply::Last("HTTP/1.1 200 OK\r\nContent-Le".into())
}

fn is_silent(_: &Seen) -> Reply {
    Reply::Silence
}

fn talks_garbage(_: &Seen) -> Reply {
    Reply::Bytes("SSH-2.0-OpenSSH_9.9\r\n\r\n".into())
}

fn contradicts_itself(_: &Seen) -> Reply {
    Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into())
}

fn has_two_lengths(_: &Seen) -> Reply {
    Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc".into())
}

fn knows_other_codings(_: &Seen) -> Reply {
    Reply::Bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".into())
}

/// The visible result of one request: the status at the client, the machine-readable reason, and how often
/// each of the two upstreams saw the request.
type Sight = (u16, &'static str, [usize; 2]);

const WELL: Sight = (200, "", [1, 1]);

/// The name, the behaviour of the backend, and the results: of a `GET`, of a `POST` of 512 bytes, and of a
/// `PUT` above the replay limit, if the other backend is well; then of a `GET` if the other backend does the
/// same.
#[rustfmt::skip]
const TABLE: [(&str, Script, Sight, Sight, Sight); 8] = [
    ("closes",      closes,              WELL,                                    ENDED,    (502, "connection_terminated", [1, 1])),
    ("resets",      resets,              WELL,                                    ENDED,    (502, "connection_terminated", [1, 1])),
    ("half a head", closes_in_the_head,  WELL,                                    ENDED,    (502, "connection_terminated", [1, 1])),
    ("silence",     is_silent,           (504, "http_response_timeout", [1, 0]),  LATE,     LATE),
    ("garbage",     talks_garbage,       BAD,                                     BAD,      BAD),
    ("CL and TE",   contradicts_itself,  BAD,                                     BAD,      BAD),
    ("two lengths", has_two_lengths,     BAD,                                     BAD,      BAD),
    ("gzip",        knows_other_codings, BAD,                                     BAD,      BAD),
];

const ENDED: Sight = (502, "connection_terminated", [1, 0]);
const LATE: Sight = (504, "http_response_timeout", [1, 0]);
const BAD: Sight = (502, "http_protocol_error", [1, 0]);

/// Sends one request to a separate balancer, and checks the result.
fn check(what: &str, upstreams: [&Upstream; 2], line: &str, body: &[u8], expected: Sight) {
    let what = format!("{what}: {line}");
    let lb = Lb::start(&upstreams, &FLAGS);
    let events = lb.events();
    upstreams.iter().for_each(|upstream| upstream.wait_for_ping());
    let answer = lb.request(line, body);
    let tries = upstreams.map(|upstream| upstream.count_of(line));
    assert_eq!((answer.status, answer.proxy_error(), tries), expected, "{what}");

    let record = events.request("/");
    let failures = [1, 2].map(|number| lb.backend(number)["failures"].as_u64().unwrap() as usize);
    if answer.status == 200 {
        assert_eq!((&record["blame"], &record["attempts"]), (&json!(null), &json!(2)), "{what}");
        assert_eq!(failures, [tries[0], 0], "{what}");
    } else {
        assert_eq!(record["blame"], "backend", "{what}");
        assert_eq!(failures, tries, "{what}");
        let last = if tries[1] > 0 { 2 } else { 1 };
        assert_eq!(record["backend"], last, "{what}");
        assert_eq!(record["status"], answer.status, "{what}");
        assert!(
            answer.text().contains(&format!("backend {last}: ")) && answer.body.len() < 200,
            "{}",
            answer.text()
        );
        assert_eq!(answer.head.get("content-type"), Some("text/plain; charset=utf-8"), "{what}");
        assert_eq!(answer.head.get("retry-after"), None, "{what}");
    }
}

#[test]
fn a_get_is_repeated_after_a_lost_connection_and_after_nothing_else() {
    for (what, script, get, _, _) in TABLE {
        check(what, [&Upstream::new(script), &Upstream::well("ok")], "GET /", b"", get);
    }
}

#[test]
fn a_post_that_was_sent_is_never_repeated() {
    for (what, script, _, post, _) in TABLE {
        check(what, [&Upstream::new(script), &Upstream::well("ok")], "POST /", &[b'x'; 512], post);
    }
}

#[test]
fn a_put_too_big_to_be_held_is_never_repeated() {
    for (what, script, _, post, _) in TABLE {
        check(what, [&Upstream::new(script), &Upstream::well("ok")], "PUT /", &[b'x'; BIG], post);
    }
}

#[test]
fn when_all_backends_fail_alike_the_client_learns_how() {
    for (what, script, _, _, spent) in TABLE {
        check(what, [&Upstream::new(script), &Upstream::new(script)], "GET /", b"", spent);
    }
}

/// Two upstreams, of which the first has refused connections since its ping.
fn one_refuses() -> (Upstream, Upstream, Lb, Events) {
    let (gone, well) = (Upstream::well("gone"), Upstream::well("ok"));
    let lb = Lb::start(&[&gone, &well], &FLAGS);
    gone.wait_for_ping();
    gone.stop();
    let events = lb.events();
    (gone, well, lb, events)
}

#[test]
fn a_refused_connection_costs_no_client_an_error() {
    for (line, size) in [("GET /", 0), ("POST /", 512), ("PUT /", BIG), ("POST /", BIG)] {
        let (_gone, well, lb, events) = one_refuses();
        let answer = lb.request(line, &vec![b'x'; size]);
        assert_eq!((answer.status, answer.text()), (200, "ok"), "{line}, {size} bytes");
        assert_eq!((well.count(), well.requests()[0].body.len()), (1, size));

        let record = events.request("/");
        assert_eq!((&record["attempts"], &record["blame"]), (&json!(2), &json!(null)));
        assert_eq!(record["tried"], json!([[1, "connection refused"]]));
        let backend = lb.backend(1);
        assert_eq!([&backend["picks"], &backend["retries"], &backend["failures"]], [1, 3, 4]);
        assert_eq!(backend["cause"], "connection refused, after 3 retries");
    }
}

#[test]
fn when_all_refuse_the_client_is_told_to_come_back() {
    let (one, two) = (Upstream::well("1"), Upstream::well("2"));
    let lb = Lb::start(&[&one, &two], &FLAGS);
    for upstream in [&one, &two] {
        upstream.wait_for_ping();
        upstream.stop();
    }
    let answer = lb.request("POST /", &[b'x'; 512]);
    assert_eq!((answer.status, answer.proxy_error()), (503, "connection_refused"));
    assert!(answer.head.get("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(lb.states(), ["down", "down"]);
    // Either may be back by now: each is tried once, which takes almost no time.
    let tried = || [1, 2].map(|number| lb.backend(number)["failures"].as_u64().unwrap());
    let before = tried();
    let next = lb.get("/");
    assert_eq!((next.status, next.proxy_error()), (503, "destination_unavailable"));
    assert_eq!(lb.state()["totals"]["no_backend"], 1);
    assert_eq!(tried(), before.map(|failures| failures + 1));
}
