//! The request of a ping, the part of the answer that counts, and pings that give no evidence.

use std::time::Duration;

use crate::common::{Config, Lb, Reply, Upstream, eventually, tables, throughout, when};

/// Pings so fast that a test does not wait for them.
const FAST: [&str; 2] = ["--ping-interval=50ms", "--ping-timeout=50ms"];

/// The same, with more time for a busy machine.
const PATIENT: [&str; 2] = ["--ping-interval=200ms", "--ping-timeout=200ms"];

fn answer(text: &str) -> Reply {
    Reply::Last(text.as_bytes().to_vec())
}

#[test]
fn an_address_of_ipv6_is_spelled_in_brackets() {
    let strict = Upstream::at("[::1]:0".parse().unwrap(), |seen| {
        match seen.head.get("host").is_some_and(|host| host.starts_with("[::1]:")) {
            true => answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            false => answer("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
        }
    });
    let lb = Lb::start(&[&strict], &[PATIENT[0], PATIENT[1], "--ping-path=/"]);
    eventually("it is pinged", || when(strict.count() > 2, strict.count()));
    assert_eq!(lb.states(), ["up"]);
    assert_eq!(strict.requests()[0].head.get("host"), Some(&*strict.address.to_string()));
}

#[test]
fn a_ping_asks_what_it_is_configured_to_ask() {
    let asked = Upstream::new(|_| answer("HTTP/1.1 302 Found\r\nContent-Length: 13\r\n\r\nall is well.\n"));
    let served = Upstream::well("ok");
    let health = format!(
        "[health]\nping_interval = \"200ms\"\nping_timeout = \"200ms\"\nping_path = \"/live?deep=1\"\n\
         ping_method = \"POST\"\nping_host = \"app.example\"\nping_headers = [\"X-Probe: 1\", \"Accept: a/b\"]\n\
         ping_port = {}\nping_status = [200, \"300-399\"]\nping_body = \"is well\"\n",
        asked.address.port()
    );
    let config = Config::new(&(tables([(&served, "")]) + &health));
    let lb = Lb::configured(&config.path(), &[]);
    eventually("it is pinged", || when(asked.count() > 3, asked.count()));
    assert_eq!((lb.states(), served.accepted()), (vec!["up".to_owned()], 0));
    let ping = &asked.requests()[0];
    assert_eq!(ping.line(), "POST /live?deep=1");
    let said = ping.head.values(["host", "x-probe", "accept", "connection", "content-length"]);
    assert_eq!(said, [Some("app.example"), Some("1"), Some("a/b"), Some("close"), Some("0")]);
    assert_eq!(lb.get("/").text(), "ok");
}

#[test]
fn an_answer_must_be_as_configured() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready";
    let table = [
        ("--ping-status=200,204", ok, "up", ""),
        ("--ping-status=200-399", ok, "up", ""),
        ("--ping-status=204,300-399", ok, "down", "ping: status 200 instead of 204, 300-399"),
        ("--ping-body=ready", ok, "up", ""),
        ("--ping-body=steady", ok, "down", "ping: its answer does not contain 'steady'"),
        (
            "--ping-method=GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nready",
            "down",
            "ping: answer ended early",
        ),
        ("--ping-method=HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "up", ""),
    ];
    for (flag, bytes, state, cause) in table {
        let upstream = Upstream::new(move |_| answer(bytes));
        let lb = Lb::start(&[&upstream], &[PATIENT[0], PATIENT[1], "--ping-path=/", flag]);
        eventually("it is pinged", || when(upstream.count() > 2, upstream.count()));
        lb.wait_for_states(&[state]);
        if state == "down" {
            assert_eq!(lb.backend(1)["cause"], cause, "{flag}");
        }
    }
}

#[test]
fn an_answer_is_read_to_its_end() {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let upstream = Upstream::new(move |_| {
        let tell = tell.lock().unwrap().clone();
        Reply::Take(Box::new(move |mut wire| {
            let body = vec![b'x'; 30_000];
            wire.write("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n").unwrap();
            let wrote = wire.write(&body).and_then(|()| {
                std::thread::sleep(Duration::from_millis(20));
                wire.write(&body)
            });
            // A connection that is closed before all bytes were read ends with an error.
            let _ = tell.send(wrote.and_then(|()| wire.rest()).map(|rest| rest.len()));
        }))
    });
    let _lb = Lb::start(&[&upstream], &["--ping-interval=1s", "--ping-timeout=1s", "--ping-path=/"]);
    for _ in 0..2 {
        let end = told.recv_timeout(crate::common::PATIENCE).unwrap();
        assert_eq!(end.expect("a regular end"), 0);
    }
}

#[test]
fn a_ping_that_cannot_be_sent_says_nothing_about_a_backend() {
    let upstreams = [Upstream::well("a"), Upstream::well("b")];
    let lb = Lb::start(&upstreams.each_ref(), &[FAST[0], FAST[1], "--fall=2"]);
    upstreams.iter().for_each(Upstream::wait_for_ping);
    let events = lb.events();
    lb.allow_descriptors(false);
    lb.wait_for_log("pings cannot be sent: the balancer is out of descriptors or ports");
    throughout(Duration::from_millis(500), || assert_eq!(events.changes(), Vec::<String>::new()));
    lb.allow_descriptors(true);
    let pings = upstreams[0].accepted();
    eventually("it is pinged again", || when(upstreams[0].accepted() > pings + 2, upstreams[0].accepted()));
    assert_eq!(lb.states(), ["up", "up"]);
    assert_eq!(lb.log().matches("pings cannot be sent").count(), 1);
}
