//! A client that closes its sending side still gets its answer: RFC 9112, section 9.6.

use std::time::Duration;

use serde_json::json;

use crate::common::{Client, Lb, NO_PINGS, Reply, Upstream, chunked, eventually, ok, when};

/// Long enough for the balancer to see that a client sends nothing more.
const PAUSE: Duration = Duration::from_millis(100);

/// A backend that takes a moment for each answer.
fn slow() -> Upstream {
    Upstream::new(|seen| {
        std::thread::sleep(PAUSE);
        ok(&format!("{} {}", seen.line(), seen.body.len()))
    })
}

/// All bytes until the balancer closes the connection.
fn everything(client: &mut Client) -> String {
    String::from_utf8(client.wire.rest().expect("no reset")).unwrap()
}

#[test]
fn a_client_that_sends_no_more_gets_all_answers() {
    let upstream = slow();
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let post = format!("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello{}", get("/after"));
    let pieces = format!(
        "PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}{}",
        chunked(&["one", "two"]),
        get("/after"),
    );
    let three = [get("/1"), get("/2"), get("/3")].concat();
    let table: [(&str, &[&str]); 7] = [
        (&get("/"), &["GET / 0"]),
        // Some clients end a request with an extra empty line.
        (&(get("/") + "\r\n"), &["GET / 0"]),
        ("GET /old HTTP/1.0\r\n\r\n", &["GET /old 0"]),
        ("HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n", &["content-length: 9"]),
        (&post, &["POST /p 5", "GET /after 0"]),
        (&pieces, &["PUT /c 6", "GET /after 0"]),
        (&three, &["GET /1 0", "GET /2 0", "GET /3 0"]),
    ];
    for (bytes, expected) in table {
        // The FIN arrives together with the request, or during the wait for the answer.
        for pause in [Duration::ZERO, PAUSE / 2] {
            let mut client = lb.client();
            client.send(bytes);
            std::thread::sleep(pause);
            client.wire.finish();
            let text = everything(&mut client).to_ascii_lowercase();
            assert_eq!(text.matches("http/1.1 200").count(), expected.len(), "{bytes}{text}");
            let places: Vec<_> = expected.iter().map(|part| text.find(&part.to_ascii_lowercase())).collect();
            assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{bytes}{text}");
        }
    }
    let totals = &lb.state()["totals"];
    assert_eq!((&totals["client_gone"], &totals["status"]["2xx"]), (&json!(0), &json!(22)));
}

#[test]
fn the_last_answer_says_that_the_connection_ends() {
    let upstream = slow();
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    client.ask("GET /1", b"").ask("GET /2", b"");
    client.wire.finish();
    assert_eq!(client.answer().head.get("connection"), None);
    assert_eq!(client.answer().head.get("connection"), Some("close"));
    assert!(client.wire.closes());
}

#[test]
fn an_answer_streams_on_to_a_client_that_sends_no_more() {
    let upstream = Upstream::new(|_| {
        Reply::Take(Box::new(|mut wire| {
            wire.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
            for _ in 0..4 {
                std::thread::sleep(PAUSE / 2);
                wire.write("4\r\npart\r\n").unwrap();
            }
            wire.write("0\r\n\r\n").unwrap();
        }))
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    client.ask("GET /", b"");
    let head = client.head_of_answer().unwrap();
    client.wire.finish();
    assert_eq!(client.wire.answer_body(&head).unwrap(), b"partpartpartpart");
    assert!(client.wire.closes());
}

#[test]
fn a_request_that_ends_in_its_middle_is_refused_and_never_runs() {
    let upstream = slow();
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let events = lb.events();
    let put = |rest: &str| format!("PUT /part HTTP/1.1\r\nHost: a\r\n{rest}");
    let table = [
        put("Content-Length: 100\r\n\r\npart"),
        put("Content-Length: 1\r\n\r\n"),
        put("Content-Length: 200000\r\n\r\n") + &"x".repeat(100_000),
        put("Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"),
        put("Transfer-Encoding: chunked\r\n\r\n4\r\npa"),
        put("Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\n"),
        put("Content-Length: 100\r\n"),
        "GET / HT".to_owned(),
    ];
    for bytes in &table {
        let mut client = lb.client();
        client.send(bytes);
        client.wire.finish();
        let text = everything(&mut client);
        assert!(text.starts_with("HTTP/1.1 400 "), "{bytes:.80}: {text}");
        assert!(text.to_ascii_lowercase().contains("connection: close\r\n"), "{text}");
    }
    let records = eventually("all records", || {
        let records = events.all("req");
        when(records.len() == table.len(), records)
    });
    assert!(records.iter().all(|record| record["blame"] == "client"), "{records:?}");
    upstream.wait_until_unconnected();
    assert_eq!(upstream.count(), 0, "nothing mistook a part for the whole");
    assert_eq!(lb.backend(1)["failures"], 0);
    // After a complete request, an incomplete one does not delay the end.
    let mut client = lb.client();
    client.ask("GET /whole", b"").send(&table[0]);
    client.wire.finish();
    let text = everything(&mut client);
    assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("HTTP/1.1 400 "), "{text}");
    // No bytes at all, or none after a complete request, is no request that has begun.
    let mut silent = lb.client();
    silent.wire.finish();
    assert!(silent.wire.closes());
}

#[test]
fn an_upload_that_ends_in_its_middle_gives_its_place_back() {
    let upstream = Upstream::new(|_| Reply::Silence);
    let flags = [NO_PINGS, "--backend-limit=1", "--queue-timeout=9s"];
    let lb = Lb::start(&[&upstream], &flags);
    let mut holds = lb.client();
    holds.ask("GET /holds", b"");
    eventually("it holds the only place", || when(upstream.count() == 1, ()));
    // The request waits for a place: no backend wants its body yet.
    let mut client = lb.client();
    client.send("PUT /part HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart");
    client.wire.finish();
    assert_eq!(client.answer().status, 400, "long before it is its turn");
    assert_eq!(lb.state()["totals"]["in_flight"], 1);
}

#[test]
fn a_client_that_leaves_after_its_last_byte_is_noticed_by_the_reset() {
    let upstream = Upstream::new(|_| Reply::Silence);
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let events = lb.events();
    let mut client = lb.client();
    client.ask("GET /gone", b"");
    eventually("it waits", || when(upstream.count() == 1, ()));
    client.wire.finish();
    std::thread::sleep(PAUSE);
    assert_eq!(lb.backend(1)["in_flight"], 1, "it may still read");
    client.leave();
    let record = events.request("/gone");
    assert_eq!((&record["status"], &record["blame"]), (&json!(499), &json!("client")));
    upstream.wait_until_unconnected();
    assert_eq!(lb.backend(1)["failures"], 0);
}

#[test]
fn a_client_that_leaves_is_noticed_when_something_is_written() {
    // The first piece finds no client; the reset shows this to the balancer before the next piece.
    let upstream = Upstream::new(|_| {
        Reply::Take(Box::new(|mut wire| {
            wire.write("HTTP/1.1 200 OK\r\n\r\n").unwrap();
            std::thread::sleep(PAUSE);
            wire.write("piece").unwrap();
            assert!(wire.closes());
        }))
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let events = lb.events();
    let mut client = lb.client();
    client.ask("GET /gone", b"").head_of_answer().unwrap();
    drop(client);
    let record = events.request("/gone");
    assert_eq!((&record["status"], &record["blame"]), (&json!(499), &json!("client")));
    upstream.wait_until_unconnected();
    assert_eq!(lb.backend(1)["failures"], 0);
}

#[test]
fn the_end_of_what_a_client_sends_can_be_taken_for_its_end() {
    let upstream = Upstream::new(|seen| if seen.line() == "GET /" { ok("well") } else { Reply::Silence });
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--abort-on-close"]);
    let events = lb.events();
    let mut client = lb.client();
    client.ask("GET /gone", b"");
    eventually("it waits", || when(upstream.count() == 1, ()));
    client.wire.finish();
    assert_eq!(events.request("/gone")["status"], 499);
    assert!(client.wire.closes(), "no answer");
    upstream.wait_until_unconnected();
    assert_eq!(lb.get("/").text(), "well");
}

#[test]
fn clients_that_vanish_without_a_reset_blame_no_backend() {
    let upstreams: Vec<_> = (0..2).map(|_| slow()).collect();
    let flags = ["--ping-interval=50ms", "--ping-timeout=50ms"];
    let lb = Lb::start(&[&upstreams[0], &upstreams[1]], &flags);
    let events = lb.events();
    let mut clients: Vec<_> = (0..64).map(|_| lb.client()).collect();
    for client in &mut clients {
        client.ask("GET /", b"");
    }
    // Their sockets look the same as those of clients that still read.
    drop(clients);
    eventually("all are gone", || {
        let totals = lb.state()["totals"].clone();
        when(totals["in_flight"] == 0 && totals["requests"] == 64, totals)
    });
    assert_eq!(events.changes(), Vec::<String>::new());
    for number in [1, 2] {
        let backend = lb.backend(number);
        assert_eq!((&backend["failures"], &backend["state"]), (&json!(0), &json!("up")));
    }
    assert_eq!(lb.get("/").status, 200);
}
