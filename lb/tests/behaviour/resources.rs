//! Limits: of time, of backends, of descriptors.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{Client, Lb, NO_PINGS, Reply, Upstream, eventually, ok, when};

/// Time within which a client must get the answer if no backend is available.
const AT_ONCE: Duration = Duration::from_millis(50);

#[test]
fn with_all_backends_down_a_client_is_told_at_once_to_come_back() {
    let upstreams = [Upstream::well("1"), Upstream::well("2")];
    upstreams.iter().for_each(Upstream::stop);
    let flags = ["--ping-interval=200ms", "--ping-timeout=200ms"];
    let lb = Lb::start(&[&upstreams[0], &upstreams[1]], &flags);
    lb.wait_for_states(&["down", "down"]);
    let events = lb.events();
    // The best of several, because a busy machine may delay any of them.
    let fastest = (0..5).map(|_| {
        let begun = Instant::now();
        let answer = lb.request("POST /", &[b'x'; 512]);
        let took = begun.elapsed();
        assert_eq!((answer.status, answer.proxy_error()), (503, "destination_unavailable"));
        assert_eq!(answer.head.get("retry-after"), Some("1"));
        assert!(answer.text().contains("no backend is available"), "{}", answer.text());
        took
    });
    let fastest = fastest.min().unwrap();
    assert!(fastest < AT_ONCE, "{fastest:?}");
    let record = events.request("/");
    assert_eq!((&record["blame"], &record["failure"]), (&json!("none"), &json!("no backend is available")));

    upstreams[1].start();
    let answer = eventually("it is served again", || {
        let answer = lb.get("/");
        when(answer.status == 200, answer)
    });
    assert_eq!(answer.text(), "2");
}

#[test]
fn an_upload_that_finds_no_backend_still_gets_its_answer() {
    let upstream = Upstream::well("1");
    upstream.stop();
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    lb.wait_for_states(&["down"]);
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\npart");
    assert_eq!(client.answer().status, 503);
    assert!(client.wire.closes(), "the rest of the body must not be taken for a request");
}

#[test]
fn the_total_time_holds_over_all_tries() {
    let upstream = Upstream::new(|_| Reply::Silence);
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--total-timeout=300ms"]);
    let begun = Instant::now();
    let answer = lb.get("/");
    assert_eq!((answer.status, answer.proxy_error()), (504, "http_response_timeout"));
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(295) && took < Duration::from_secs(5), "{took:?}");

    let gone = Upstream::well("gone");
    let lb =
        Lb::start(&[&gone], &[NO_PINGS, "--total-timeout=300ms", "--retries=100", "--retry-delay=100ms"]);
    gone.wait_for_ping();
    gone.stop();
    assert_eq!(lb.get("/").status, 503);
    let tries = lb.backend(1)["failures"].as_u64();
    assert!((Some(2)..=Some(4)).contains(&tries), "{tries:?} tries");
}

#[test]
fn an_answer_may_take_longer_than_the_time_for_its_head() {
    let upstream = Upstream::new(|_| {
        Reply::Take(Box::new(|mut wire| {
            wire.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlo").unwrap();
            std::thread::sleep(Duration::from_millis(400));
            wire.write("ng").unwrap();
        }))
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--total-timeout=200ms", "--response-timeout=200ms"]);
    assert_eq!(lb.get("/").text(), "long");
}

#[test]
fn a_request_that_still_connects_leaves_a_backend_that_is_found_to_be_down() {
    let (full, well) = (Upstream::well("full"), Upstream::well("ok"));
    let flags = ["--ping-interval=200ms", "--ping-timeout=200ms", "--connect-timeout=9s"];
    let lb = Lb::start(&[&full, &well], &flags);
    full.wait_for_ping();
    full.choke();
    let events = lb.events();
    let begun = Instant::now();
    for line in ["POST /1", "POST /2"] {
        assert_eq!(lb.request(line, b"body").status, 200, "{line}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let records = ["/1", "/2"].map(|path| events.request(path)["tried"].clone());
    assert!(records.contains(&json!([[1, "it went down while the request waited"]])), "{records:?}");
    assert_eq!(lb.backend(1)["failures"], 0, "it was the pings' to judge");
}

#[test]
fn a_connection_that_takes_too_long_sends_any_request_elsewhere() {
    let (full, well) = (Upstream::well("full"), Upstream::well("ok"));
    let flags = [NO_PINGS, "--connect-timeout=150ms"];
    let both = Lb::start(&[&full, &well], &flags);
    let alone = Lb::start(&[&full], &flags);
    eventually("both have pinged it", || when(full.accepted() == 2, full.accepted()));
    full.choke();
    let events = both.events();
    for line in ["POST /1", "GET /2", "GET /3"] {
        assert_eq!(both.request(line, b"body").status, 200, "{line}");
    }
    let tried = json!([[1, "connecting took too long"]]);
    assert_eq!(events.request("/1")["tried"], tried);
    assert_eq!(both.backend(1)["retries"], 0, "once is long enough");
    assert_eq!(events.request("/1")["blame"], json!(null));

    let answer = alone.request("POST /", b"body");
    assert_eq!((answer.status, answer.proxy_error()), (504, "connection_timeout"));
    assert_eq!(alone.backend(1)["failures"], 1);
}

#[test]
fn clients_beyond_the_limit_wait_for_their_turn() {
    let upstream = Upstream::well("ok");
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 77; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_lb")]);
    // Its descriptors are enough for 17.
    let lb = Lb::spawn(shell, &[upstream.url()], &[NO_PINGS, "--workers=2"]);
    let mut clients: Vec<_> = (0..40).map(|_| lb.client()).collect();
    for client in &mut clients {
        client.ask("GET /", b"");
    }
    lb.wait_for_log("all 17 connections are in use: further clients wait (--max-connections)");
    for client in &mut clients[..17] {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!((&lb.state()["connections"], upstream.count()), (&json!(17), 17));
    for mut client in clients.drain(..17) {
        assert_eq!(client.get("/").status, 200, "none of them is disturbed");
    }
    for mut client in clients {
        assert_eq!(client.answer().status, 200, "as soon as another has left");
    }
}

#[test]
fn a_balancer_claims_the_descriptors_that_it_may_have() {
    let upstream = Upstream::well("ok");
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -Sn 48; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_lb")]);
    let lb = Lb::spawn(shell, &[upstream.url()], &[NO_PINGS, "--max-connections=1000"]);
    let mut clients: Vec<_> = (0..64).map(|_| lb.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn a_balancer_out_of_descriptors_blames_no_backend_and_recovers() {
    let upstreams: Vec<_> = (0..2).map(|_| Upstream::new(|_| ok("ok"))).collect();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 48; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_lb")]);
    let urls: Vec<_> = upstreams.iter().map(Upstream::url).collect();
    // With more clients than its descriptors are enough for.
    let lb = Lb::spawn(shell, &urls, &[NO_PINGS, "--access-log", "--max-connections=1000"]);
    upstreams.iter().for_each(Upstream::wait_for_ping);
    let events = lb.events();
    let mut admin = Client::connect(lb.admin);
    admin.get("/healthz");

    // More connections than it has descriptors: the accepted ones leave none for the backends.
    let mut clients: Vec<_> = (0..64).map(|_| lb.client()).collect();
    lb.wait_for_log("cannot accept connections for the moment");
    let answer = clients[0].get("/refused");
    assert_eq!((answer.status, answer.proxy_error()), (503, "connection_limit_reached"));
    let record = events.request("/refused");
    assert_eq!(record["blame"], "balancer");

    drop(clients);
    eventually("it serves again", || {
        let answer = lb.get("/");
        when(answer.status == 200, answer)
    });
    for backend in lb.state()["backends"].as_array().unwrap() {
        assert_eq!((&backend["failures"], &backend["state"]), (&json!(0), &json!("up")));
    }
    assert_eq!(events.changes(), Vec::<String>::new());
}
