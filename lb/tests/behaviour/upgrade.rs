//! Switching protocols: after a 101, both sides send any bytes, and no client gets a 101 without asking for
//! it.

use std::time::{Duration, Instant};

use crate::common::{Lb, NO_PINGS, Reply, Upstream, Wire, eventually, ok, throughout, when};

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Switches, sends a greeting in the same segment, and repeats the bytes that it gets until the other side
/// has finished.
fn chat(mut wire: Wire) {
    wire.write(format!("{SWITCH}hello")).unwrap();
    while let Ok(word) = wire.exactly(4) {
        wire.write(word).unwrap();
    }
    // The other side may have closed.
    let _ = wire.write("bye");
}

fn chatting(flags: &[&str]) -> (Upstream, Lb) {
    let upstream = Upstream::new(|seen| match seen.head.get("upgrade") {
        Some("websocket") => Reply::Take(Box::new(chat)),
        _ => ok("no upgrade asked for"),
    });
    let lb = Lb::start(&[&upstream], &[&[NO_PINGS], flags].concat());
    (upstream, lb)
}

#[test]
fn an_upgraded_connection_passes_bytes_both_ways() {
    let (upstream, lb) = chatting(&[]);
    let mut client = lb.client();
    let head = client.send(format!("{ASK}glue")).head_of_answer().unwrap();
    assert_eq!(head.first_line(), "HTTP/1.1 101 Switching Protocols");
    assert_eq!(head.values(["connection", "upgrade"]), [Some("upgrade"), Some("websocket")]);
    assert_eq!(client.wire.exactly(9).unwrap(), b"helloglue", "what was glued to either head comes first");
    assert_eq!(client.send("ping").wire.exactly(4).unwrap(), b"ping");
    let seen = &upstream.requests()[0].head;
    assert_eq!(seen.values(["connection", "upgrade"]), [Some("upgrade"), Some("websocket")]);
    assert_eq!(lb.backend(1)["in_flight"], 1);

    client.wire.finish();
    assert_eq!(client.wire.rest().unwrap(), b"bye", "one side may finish before the other");
    eventually("the tunnel is closed", || when(lb.backend(1)["in_flight"] == 0, ()));
    assert_eq!(lb.state()["totals"]["status"]["1xx"], 1);
}

#[test]
fn a_tunnel_ends_when_either_side_goes() {
    let (upstream, lb) = chatting(&[]);
    let events = lb.events();
    let mut client = lb.client();
    client.send(ASK).head_of_answer().unwrap();
    assert_eq!(client.wire.exactly(5).unwrap(), b"hello");
    upstream.close_connections();
    assert!(client.wire.closes(), "the client is told");
    drop(client);
    let record = events.request("/chat");
    assert_eq!((&record["status"], &record["blame"]), (&101.into(), &serde_json::Value::Null));
    assert_eq!(lb.backend(1)["failures"], 0);
}

#[test]
fn an_upgrade_that_is_not_asked_for_properly_is_not_passed_on() {
    let (_upstream, lb) = chatting(&[]);
    let requests = [
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
    ];
    for request in requests {
        assert_eq!(lb.client().send(request).answer().text(), "no upgrade asked for", "{request}");
    }
}

#[test]
fn an_upgrade_to_http_itself_is_taken_off_the_list() {
    let upstream = Upstream::new(|seen| ok(&seen.head.all("upgrade").join("|")));
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let table = [
        ("Upgrade: foo, h2c", "foo"),
        ("Upgrade: h2c, foo/1", "foo/1"),
        ("Upgrade: foo\r\nUpgrade: H2C", "foo"),
        ("Upgrade: h2c\r\nUpgrade: foo, bar", "foo, bar"),
        ("Upgrade: ,h2c,", ""),
        ("Upgrade: h2c-14,HTTP/2.0,h2", ""),
        ("Upgrade: websocket", "websocket"),
    ];
    for (lines, expected) in table {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\n{lines}\r\nHTTP2-Settings: x\r\n\r\n"
        );
        assert_eq!(lb.client().send(request).answer().text(), expected, "{lines}");
    }
}

#[test]
fn a_switch_to_what_was_taken_off_the_list_is_a_malformed_answer() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let upstream = Upstream::new(move |_| Reply::Bytes(switch.into()));
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: foo, h2c\r\n\r\n";
    assert_eq!(lb.client().send(request).answer().status, 502);
}

#[test]
fn a_backend_may_decline_an_upgrade() {
    let upstream = Upstream::well("no");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    assert_eq!(client.send(ASK).answer().text(), "no");
    assert_eq!(client.get("/").text(), "no", "and the connection goes on");
}

#[test]
fn a_switch_without_a_request_for_it_is_a_malformed_answer() {
    let upstream = Upstream::new(|_| Reply::Bytes(SWITCH.into()));
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let answer = lb.get("/");
    assert_eq!((answer.status, answer.proxy_error()), (502, "http_protocol_error"));
    let backend = lb.backend(1);
    assert_eq!((&backend["failures"], upstream.count()), (&1.into(), 1));
}

#[test]
fn a_silent_tunnel_is_closed_in_time() {
    let (_upstream, lb) = chatting(&["--tunnel-timeout=500ms"]);
    let mut client = lb.client();
    client.send(ASK).head_of_answer().unwrap();
    assert_eq!(client.wire.exactly(5).unwrap(), b"hello");
    let mut spoken = Instant::now();
    // A client that sends bytes now and then keeps the tunnel open.
    throughout(Duration::from_millis(1000), || {
        spoken = Instant::now();
        assert_eq!(client.send("ping").wire.exactly(4).unwrap(), b"ping");
    });
    assert!(client.wire.closes());
    assert!(spoken.elapsed() >= Duration::from_millis(500), "{:?}", spoken.elapsed());
    eventually("the tunnel is closed", || when(lb.backend(1)["in_flight"] == 0, ()));
}

#[test]
fn a_body_passes_before_the_tunnel() {
    // It switches as soon as it has the head.
    let upstream = Upstream::raw(|mut wire| {
        // A ping has no bytes.
        let Ok(Some(head)) = wire.head() else { return };
        wire.write(format!("{SWITCH}hello")).unwrap();
        let Ok(body) = wire.request_body(&head) else { return };
        wire.write(format!("{} bytes;", body.len())).unwrap();
        let rest = wire.rest().unwrap();
        wire.write(rest).unwrap();
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--stall-timeout=1s"]);
    let events = lb.events();
    let ask = |framing: &str| {
        format!(
            "POST /chat HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n{framing}\r\n\r\n"
        )
    };
    let table = [
        ("Content-Length: 10", "0123456789"),
        ("Transfer-Encoding: chunked", "a\r\n0123456789\r\n0\r\n\r\n"),
        ("Content-Length: 10\r\nExpect: 100-continue", "0123456789"),
    ];
    for (framing, body) in table {
        for early in [false, true] {
            let mut client = lb.client();
            client.send(ask(framing));
            if early {
                client.send(format!("{body}glue"));
            }
            let mut head = client.head_of_answer().unwrap();
            while head.status() == 100 {
                head = client.head_of_answer().unwrap();
            }
            assert_eq!(head.status(), 101, "{framing}");
            if !early {
                client.send(format!("{body}glue"));
            }
            client.wire.finish();
            assert_eq!(client.wire.rest().unwrap(), b"hello10 bytes;glue", "{framing}");
            assert_eq!(events.request("/chat")["status"], 101);
        }
    }
    // A client that never sends the rest gets no tunnel.
    for leaves in [false, true] {
        let mut client = lb.client();
        client.send(ask("Content-Length: 10")).send("0123");
        assert_eq!(client.head_of_answer().unwrap().status(), 101);
        if leaves {
            client.wire.finish();
        }
        client.wire.rest().unwrap();
    }
    let records = eventually("all records", || {
        let records = events.all("req");
        when(records.len() == 8, records)
    });
    assert!(records[6..].iter().all(|record| record["blame"] == "client"), "{records:?}");
    assert_eq!(lb.backend(1)["failures"], 0);
}

#[test]
fn a_backend_may_require_an_upgrade() {
    let upstream = Upstream::new(|_| {
        let head =
            "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade, X-Mine\r\nUpgrade: websocket\r\nX-Mine: 1";
        Reply::Bytes(format!("{head}\r\nUpgrade: foo/2\r\nContent-Length: 2\r\n\r\nno").into())
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.text()), (426, "no"));
        let head = answer.head;
        assert_eq!(
            head.values(["connection", "upgrade", "x-mine"]),
            [Some("upgrade"), Some("websocket, foo/2"), None]
        );
    }
}
