//! The admin port: sums that are right, events in order, and answers to wrong requests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::common::{Client, Lb, NO_PINGS, Reply, Upstream, eventually, ok, throughout, when};

/// Whether a document has exactly these members; `?` after a name says that it may be null or missing.
fn assert_members(document: &Value, members: &str) {
    let found: Vec<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
    let known: Vec<_> = members.split(' ').map(|name| name.trim_end_matches('?')).collect();
    let unknown: Vec<_> = found.iter().filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?} in {document:#}");
    for name in members.split(' ') {
        assert!(
            name.ends_with('?') || !document[name].is_null(),
            "'{name}' is missing or null in {document:#}"
        );
    }
}

#[test]
fn the_state_has_the_shape_that_others_rely_on() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let answer = Client::connect(lb.admin).get("/state");
    assert_eq!(
        answer.head.values(["content-type", "cache-control"]),
        [Some("application/json"), Some("no-store")]
    );
    let nothing_yet = lb.backend(1)["latency_us"].clone();
    assert_eq!(nothing_yet, json!({"p50": null, "p90": null, "p99": null}));
    assert_eq!(lb.get("/").status, 200);

    let state = lb.state();
    assert_members(
        &state,
        "version listen policy workers draining uptime_ms counting_ms connections log_lines_dropped events_missed totals backends",
    );
    assert_members(&state["totals"], "requests no_backend client_gone refused in_flight status errors bytes");
    assert_members(&state["totals"]["status"], "1xx 2xx 3xx 4xx 5xx");
    let backend = &state["backends"][0];
    assert_members(
        backend,
        "number url weight priority backup mode leaving state cause since_unix_ms for_ms progress? in_flight picks answers failures retries reconnects hedges \
         reported_weight? ignored_reports status errors bytes connections transitions states_ms latency_us",
    );
    assert_members(&backend["latency_us"], "p50 p90 p99");
    assert_eq!(backend["connections"], json!({"opened": 1, "reused": 0, "idle": 1}));
    assert_eq!(
        [&state["version"], &state["listen"], &state["policy"], &state["workers"], &state["draining"]],
        [
            &json!(env!("CARGO_PKG_VERSION")),
            &json!(lb.address.to_string()),
            &json!("round-robin"),
            &json!(2),
            &json!(false)
        ]
    );
    assert_eq!((&backend["number"], &backend["url"]), (&json!(1), &json!(upstream.url())));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let (since, lasts) = (backend["since_unix_ms"].as_u64().unwrap(), backend["for_ms"].as_u64().unwrap());
    assert!(now.abs_diff(since + lasts) < 5_000, "{since} + {lasts} is not {now}");
}

#[test]
fn the_numbers_add_up_with_what_was_sent() {
    let upstreams = [1, 2].map(|_| {
        Upstream::new(|seen| match seen.line() {
            "GET /missing" => Reply::Bytes("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".into()),
            "GET /moved" => Reply::Bytes("HTTP/1.1 301 So\r\nContent-Length: 0\r\n\r\n".into()),
            "GET /nonsense" => Reply::Last("nonsense\r\n\r\n".into()),
            _ => ok("ok"),
        })
    });
    let lb = Lb::start(&[&upstreams[0], &upstreams[1]], &[NO_PINGS, "--fall=1000"]);
    let mut client = lb.client();
    let paths = ["/", "/", "/", "/missing", "/moved", "/nonsense", "/", "/missing", "/", "/"];
    for path in paths {
        client.get(path);
    }
    let state = lb.state();
    let totals = &state["totals"];
    assert_eq!(
        (&totals["requests"], &totals["client_gone"], &totals["no_backend"]),
        (&json!(10), &json!(0), &json!(0))
    );
    assert_eq!(totals["status"], json!({"1xx": 0, "2xx": 6, "3xx": 1, "4xx": 2, "5xx": 1}));
    let sum =
        |member: &str| [0, 1].map(|n| state["backends"][n][member].as_u64().unwrap()).iter().sum::<u64>();
    assert_eq!((sum("picks"), sum("answers"), sum("failures"), sum("retries")), (10, 9, 1, 0));
    assert_eq!(sum("in_flight"), 0);
    for (n, upstream) in upstreams.iter().enumerate() {
        let connections = &state["backends"][n]["connections"];
        let used = connections["opened"].as_u64().unwrap() + connections["reused"].as_u64().unwrap();
        assert_eq!(used, upstream.count() as u64, "every request had a connection");
    }
}

#[test]
fn latencies_are_those_of_the_backend() {
    let upstream = Upstream::new(|_| {
        std::thread::sleep(Duration::from_millis(20));
        ok("ok")
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    for _ in 0..5 {
        lb.get("/");
    }
    let latency = lb.backend(1)["latency_us"].clone();
    let quantiles = ["p50", "p90", "p99"].map(|name| latency[name].as_u64().unwrap());
    assert!(quantiles[0] >= 20_000 && quantiles.is_sorted(), "{latency}");
}

#[test]
fn events_begin_with_every_backends_state() {
    let upstreams = [Upstream::well("1"), Upstream::well("2")];
    upstreams[1].stop();
    let lb = Lb::start(&[&upstreams[0], &upstreams[1]], &["--ping-interval=50ms", "--ping-timeout=50ms"]);
    lb.wait_for_states(&["up", "down"]);
    let events = lb.events();
    eventually("both states", || when(events.all("state").len() >= 2, events.kinds()));
    let states: Vec<_> = events.all("state").iter().take(2).cloned().collect();
    for (state, expected) in states.iter().zip([(1, "up"), (2, "down")]) {
        assert_members(state, "event t backend from to cause");
        assert_eq!(
            (&state["backend"], &state["from"], &state["to"]),
            (&json!(expected.0), &json!(expected.1), &json!(expected.1))
        );
    }
    assert_eq!(states[1]["cause"], "ping: connection refused");

    upstreams[1].start();
    assert_eq!(events.change("2 down -> up"), "2 down -> up: 2 pings in a row answered");
    lb.get("/seen?by=all");
    let request = events.request("/seen?by=all");
    assert_members(
        &request,
        "event t id n method path status backend attempts queue_us upload_us? head_us body_us? total_us",
    );
    assert_eq!(
        (&request["method"], &request["status"], &request["attempts"]),
        (&json!("GET"), &json!(200), &json!(1))
    );
    let parts = ["queue_us", "upload_us", "head_us", "body_us"]
        .map(|name| request[name].as_u64().unwrap_or(0))
        .iter()
        .sum::<u64>();
    assert!(parts.abs_diff(request["total_us"].as_u64().unwrap()) <= 3, "{request}");
}

#[test]
fn a_reader_that_does_not_read_holds_nothing_up() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut reader = Client::connect(lb.admin);
    reader.ask("GET /events", b"").head_of_answer().unwrap();
    let mut client = lb.client();
    for _ in 0..1500 {
        assert_eq!(client.get("/").status, 200);
    }
    throughout(Duration::from_millis(50), || assert_eq!(lb.state()["totals"]["requests"], 1500));
}

#[test]
fn health_is_asked_for_at_healthz() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut admin = Client::connect(lb.admin);
    let answer = admin.get("/healthz");
    assert_eq!((answer.status, answer.text()), (200, "ok\n"));
    assert_eq!(admin.request("HEAD /healthz", b"").status, 200);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn wrong_questions_get_clear_answers() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut admin = Client::connect(lb.admin);
    for path in ["/state", "/events", "/metrics", "/healthz"] {
        for method in ["POST", "PUT", "DELETE"] {
            let answer = admin.request(&format!("{method} {path}"), b"");
            assert_eq!((answer.status, answer.head.get("allow").is_some()), (405, true), "{method} {path}");
            assert!(answer.head.get("allow").unwrap().contains("GET"), "{}", answer.head.text);
        }
    }
    for path in ["/", "/State", "/state/", "/nothing"] {
        let answer = admin.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("GET /state"), "it names what there is: {}", answer.text());
    }
    assert_eq!(admin.get("/state?pretty=1").status, 200);
    assert_eq!(lb.client().get("/state").text(), "ok", "the clients' port knows no admin pages");
}
