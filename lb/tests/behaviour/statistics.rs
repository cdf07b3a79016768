//! Whether the counts match the events: each request, each try, each byte, and nothing twice.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::common::{Client, Lb, Metrics, NO_PINGS, Reply, Seen, Upstream, eventually, ok, when};

/// Does what the path of the request says.
fn obliging(seen: &Seen) -> Reply {
    match seen.line() {
        "GET /missing" => Reply::Bytes("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".into()),
        "GET /busy" => Reply::Bytes("HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n".into()),
        "GET /nonsense" => Reply::Last("nonsense\r\n\r\n".into()),
        "GET /short" => Reply::Last("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".into()),
        "GET /stale" if seen.on_connection > 1 => Reply::Last(Vec::new()),
        "GET /silence" => Reply::Silence,
        "GET /slow" => Reply::Take(Box::new(|mut wire| {
            let _ = wire.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nslow");
            let _ = wire.rest();
        })),
        "GET /chat" => Reply::Take(Box::new(|mut wire| {
            let switch = "HTTP/1.1 101 So\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
            let _ = wire.write(switch);
            while let Ok(word) = wire.exactly(4) {
                let _ = wire.write(word);
            }
        })),
        _ => ok("ok"),
    }
}

/// Waits until nothing is in flight.
fn at_rest(lb: &Lb) -> Metrics {
    let metrics = eventually("nothing is in flight", || {
        let metrics = Metrics::of(lb.admin);
        let in_flight = metrics.get("roundabout_requests_in_flight", &[])
            + metrics.sum("roundabout_backend_requests_in_flight", &[]);
        when(in_flight == 0.0, metrics).map_err(|metrics| metrics.text)
    });
    assert_adds_up(&metrics);
    metrics
}

/// Rules for each page while nothing is in flight.
fn assert_adds_up(metrics: &Metrics) {
    let total = |name| metrics.sum(name, &[]);
    assert_eq!(total("roundabout_requests_total"), total("roundabout_responses_total"), "{}", metrics.text);
    for backend in metrics.all("roundabout_backend_up", &[]) {
        let here = [("backend", backend.label("backend"))];
        let sum = |name: &str| metrics.sum(&format!("roundabout_backend_{name}"), &here);
        assert_eq!(
            sum("attempts_total") + sum("retries_total") + sum("reconnects_total"),
            sum("completed_total") + sum("errors_total"),
            "every try has ended in one way: {here:?}\n{}",
            metrics.text
        );
        let phase = |what: &str, phase: &str| {
            let labels = [here[0], ("phase", phase)];
            metrics.sum(&format!("roundabout_backend_request_duration_seconds_{what}"), &labels)
        };
        let counts = ["queue", "head", "body"].map(|name| phase("count", name));
        assert!(phase("count", "upload") <= counts[0], "only what is not sent at once is uploaded");
        assert!(
            counts.is_sorted_by(|a, b| a >= b),
            "a request in a phase has been in the earlier phases: {counts:?}"
        );
        assert_eq!(counts[0], phase("count", "total"));
        let sum = ["queue", "upload", "head", "body"].map(|name| phase("sum", name)).iter().sum::<f64>();
        assert!((sum - phase("sum", "total")).abs() < 1e-6, "{sum} {}", phase("sum", "total"));
        for name in ["queue", "upload", "head", "body", "total"] {
            let labels = [here[0], ("phase", name)];
            let buckets: Vec<_> =
                metrics.all("roundabout_backend_request_duration_seconds_bucket", &labels).collect();
            assert!(buckets.iter().map(|bucket| bucket.value).is_sorted(), "{buckets:?}");
            let last = buckets.last().unwrap();
            assert_eq!((last.label("le"), last.value), ("+Inf", phase("count", name)));
        }
    }
}

fn pairs<const N: usize>(expected: [(&str, u32); N]) -> Vec<(String, f64)> {
    expected.map(|(name, count)| (name.to_owned(), count.into())).into()
}

#[test]
fn every_request_and_every_try_is_counted_once() {
    let (upstream, gone) = (Upstream::new(obliging), Upstream::well("gone"));
    let lb = Lb::start(&[&upstream, &gone], &[NO_PINGS, "--fall=1000"]);
    gone.wait_for_ping();
    gone.stop();
    let (url, gone_url) = (upstream.url(), gone.url());
    let (here, there) = ([("backend", &url[..])], [("backend", &gone_url[..])]);

    // One of the first two goes to the backend that is down, and moves on.
    let mut client = lb.client();
    for path in ["/", "/", "/missing", "/busy", "/stale"] {
        client.get(path);
    }
    let metrics = at_rest(&lb);
    let backend =
        |name: &str, labels: &[(&str, &str)]| metrics.sum(&format!("roundabout_backend_{name}"), labels);
    let errors =
        |labels: &[(&str, &str)]| metrics.nonzero("roundabout_backend_errors_total", labels, "cause");
    assert_eq!(metrics.get("roundabout_requests_total", &[]), 5.0);
    assert_eq!(
        metrics.nonzero("roundabout_responses_total", &[], "code"),
        pairs([("2xx", 3), ("4xx", 1), ("5xx", 1)])
    );
    assert_eq!(metrics.nonzero("roundabout_errors_total", &[], "cause"), [], "no client noticed anything");
    assert_eq!([backend("attempts_total", &there), backend("retries_total", &there)], [1.0, 3.0]);
    assert_eq!(errors(&there), pairs([("connect_refused", 4)]));
    assert_eq!([backend("attempts_total", &here), backend("reconnects_total", &here)], [5.0, 1.0]);
    assert_eq!(errors(&here), pairs([("stale_maybe_sent", 1)]));
    assert_eq!(upstream.count(), 6, "and so many tries reached it");
    assert_eq!(
        metrics.nonzero("roundabout_backend_responses_total", &here, "code"),
        pairs([("2xx", 3), ("4xx", 1), ("5xx", 1)])
    );
    let connections = ["connections_opened_total", "connections_reused_total", "connections_idle"];
    assert_eq!(connections.map(|name| backend(name, &here)), [2.0, 4.0, 1.0]);
    assert_eq!(metrics.get("roundabout_client_connections_accepted_total", &[]), 1.0);
    assert_eq!(metrics.get("roundabout_client_connections_open", &[]), 1.0);
    assert_eq!(
        metrics.get("roundabout_backend_request_duration_seconds_count", &[here[0], ("phase", "body")]),
        5.0
    );
    assert_eq!([backend("up", &here), backend("up", &there)], [1.0, 0.0]);
    assert_eq!([backend("transitions_total", &here), backend("transitions_total", &there)], [0.0, 1.0]);
}

/// A failure of a request for its client: the bytes to send, whether the client leaves, the cause, the blame,
/// the result at the client, and how often the backend is to blame or sees its client leave for this cause.
type Failing = (&'static str, bool, &'static str, &'static str, &'static str, f64);

#[test]
fn every_error_is_counted_by_cause_and_by_blame() {
    const TABLE: [Failing; 11] = [
        ("GET /nonsense HTTP/1.1\r\nHost: h\r\n\r\n", false, "malformed", "backend", "5xx", 1.0),
        ("GET /short HTTP/1.1\r\nHost: h\r\n\r\n", false, "broke_off", "backend", "2xx", 1.0),
        ("GET /silence HTTP/1.1\r\nHost: h\r\n\r\n", true, "client_gone", "client", "none", 1.0),
        ("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n", true, "client_gone", "client", "2xx", 1.0),
        (
            "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\npart",
            true,
            "client_gone",
            "client",
            "none",
            1.0,
        ),
        (
            "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            false,
            "bad_upload",
            "client",
            "4xx",
            1.0,
        ),
        (
            "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1025\r\n\r\n",
            false,
            "refused_body_too_large",
            "client",
            "4xx",
            0.0,
        ),
        ("GET / HTTP/1.1\r\n\r\n", false, "refused_host", "client", "4xx", 0.0),
        ("GET / HTTP/1.1\nHost: h\r\n\r\n", false, "refused_bare_line_feed", "client", "4xx", 0.0),
        ("GET / HTTP/3.0\r\nHost: h\r\n\r\n", false, "refused_version", "client", "5xx", 0.0),
        ("GET /silence HTTP/1.1\r\nHost: h\r\nX: late\r\n\r\n", false, "head_timeout", "backend", "5xx", 1.0),
    ];
    let upstream = Upstream::new(obliging);
    let flags = [NO_PINGS, "--fall=1000", "--max-body=1KiB", "--silence=1h"];
    let lb = Lb::start(&[&upstream], &flags);
    let slow = Lb::start(&[&upstream], &[&flags[..], &["--response-timeout=100ms"]].concat());
    for (request, leaves, cause, blame, code, at_the_backend) in TABLE {
        let lb = if cause == "head_timeout" { &slow } else { &lb };
        let before = at_rest(lb);
        let mut client = lb.client();
        client.send(request);
        if leaves {
            eventually("it is in flight", || {
                let metrics = Metrics::of(lb.admin);
                let begun = code == "none"
                    || metrics.sum("roundabout_responses_total", &[("code", code)])
                        > before.sum("roundabout_responses_total", &[("code", code)]);
                when(begun && metrics.get("roundabout_requests_in_flight", &[]) == 1.0, ())
            });
            client.leave();
        } else {
            let _ = client.try_answer();
        }
        let after = at_rest(lb);
        let more = |name: &str, labels: &[(&str, &str)]| after.sum(name, labels) - before.sum(name, labels);
        let why = [("cause", cause), ("blame", blame)];
        assert_eq!(more("roundabout_requests_total", &[]), 1.0, "{request:?}");
        assert_eq!(more("roundabout_responses_total", &[("code", code)]), 1.0, "{request:?}");
        assert_eq!(more("roundabout_errors_total", &why), 1.0, "{request:?}\n{}", after.text);
        assert_eq!(more("roundabout_errors_total", &[]), 1.0, "{request:?}");
        assert_eq!(more("roundabout_backend_errors_total", &why), at_the_backend, "{request:?}");
        assert_eq!(more("roundabout_backend_errors_total", &[]), at_the_backend, "{request:?}");
    }
    upstream.stop();
    upstream.wait_until_unconnected();
    assert_eq!([lb.get("/").status, lb.get("/").status], [503, 503]);
    let metrics = at_rest(&lb);
    let errors = |cause| metrics.sum("roundabout_errors_total", &[("cause", cause)]);
    assert_eq!(["connect_refused", "no_backend"].map(errors), [1.0, 1.0]);
    assert_eq!(metrics.sum("roundabout_backend_errors_total", &[("cause", "connect_refused")]), 5.0);
    metrics.keep("errors");
    let state = lb.state();
    assert_eq!(state["totals"]["errors"]["connect_refused"], 1);
    assert_eq!(state["totals"]["refused"], 5, "four before the backend, one in its body");
    assert_eq!(
        state["backends"][0]["errors"]["connect_refused"], 5,
        "four tries, and one as the last resort"
    );
}

#[test]
fn every_byte_is_counted_on_both_sides() {
    static RECORDED: AtomicUsize = AtomicUsize::new(0);
    let upstream = Upstream::raw(|wire| {
        let mut wire = wire.recording();
        while let Ok(Some(head)) = wire.head() {
            let body = wire.request_body(&head).unwrap();
            wire.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())).unwrap();
            wire.write(body).unwrap();
        }
        RECORDED.fetch_add(wire.recorded().len(), SeqCst);
    });
    // No question arrives in between, even on a busy machine.
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--silence=1m"]);
    let (mut sent, mut received, mut answered) = (0, 0, 0);
    for size in [0, 1, 1000, 100_000, 3_000_000] {
        let mut client = lb.client();
        let head =
            format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n");
        client.send(&head);
        let mut writing = client.wire.stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || writing.write_all(&vec![b'x'; size]));
        received += client.wire.rest().unwrap().len();
        writer.join().unwrap().unwrap();
        sent += head.len() + size;
        answered += format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").len() + size;
    }
    let bytes = |side: &str| {
        let metrics = Metrics::of(lb.admin);
        ["received", "sent"]
            .map(|way| metrics.get(&format!("roundabout_{side}_{way}_bytes_total"), &[]) as usize)
    };
    eventually("all bytes of clients", || {
        when(bytes("client") == [sent, received], (bytes("client"), sent, received))
    });
    let [from_backend, to_backend] = bytes("backend");
    assert_eq!(from_backend, answered);
    let state = lb.state();
    assert_eq!(
        state["backends"][0]["bytes"],
        serde_json::json!({"received": from_backend, "sent": to_backend})
    );
    drop(lb);
    eventually("the backend's record", || {
        let recorded = RECORDED.load(SeqCst);
        when(recorded == to_backend, (recorded, to_backend))
    });
}

#[test]
fn a_tunnel_is_in_flight_until_it_closes_and_its_bytes_count() {
    let upstream = Upstream::new(obliging);
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let ask = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    let mut client = lb.client();
    let head = client.send(format!("{ask}glue")).head_of_answer().unwrap().text.len();
    assert_eq!(client.wire.exactly(4).unwrap(), b"glue");
    // If this time counted as the time of the answer, it would be visible.
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(client.send("ping").wire.exactly(4).unwrap(), b"ping");
    let metrics = Metrics::of(lb.admin);
    assert_eq!(metrics.get("roundabout_requests_in_flight", &[]), 1.0);
    assert_eq!(metrics.get("roundabout_responses_total", &[("code", "1xx")]), 1.0);
    client.wire.finish();
    assert_eq!(client.wire.rest().unwrap(), b"");
    let metrics = at_rest(&lb);
    let bytes =
        |side: &str, way: &str| metrics.get(&format!("roundabout_{side}_{way}_bytes_total"), &[]) as usize;
    assert_eq!([bytes("client", "received"), bytes("client", "sent")], [ask.len() + 8, head + 8]);
    assert!(bytes("backend", "sent") > ask.len() + 8 && bytes("backend", "received") > 8);
    assert_eq!(metrics.get("roundabout_backend_completed_total", &[]), 1.0);
    let body = metrics.get("roundabout_backend_request_duration_seconds_sum", &[("phase", "body")]);
    assert!(body < 0.1, "it was through when the protocol was switched, and not {body} s later");
}

#[test]
fn phases_are_told_apart() {
    let upstream = Upstream::new(|_| {
        Reply::Take(Box::new(|mut wire| {
            std::thread::sleep(Duration::from_millis(300));
            wire.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n").unwrap();
            std::thread::sleep(Duration::from_millis(600));
            wire.write("ok").unwrap();
        }))
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--backend-limit=1"]);
    // The second one waits for its place until the first has ended.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(lb.get("/").status, 200));
        }
    });
    let metrics = at_rest(&lb);
    let sum = |phase| metrics.get("roundabout_backend_request_duration_seconds_sum", &[("phase", phase)]);
    let [queue, head, body, total] = ["queue", "head", "body", "total"].map(sum);
    assert!(queue >= 0.85 && head >= 0.6 && body >= 1.15 && total >= 2.65, "{queue} {head} {body} {total}");
    let within = |phase, bound| {
        metrics.get("roundabout_backend_request_duration_seconds_bucket", &[("phase", phase), ("le", bound)])
    };
    assert_eq!([within("head", "0.25"), within("body", "0.5"), within("queue", "0.5")], [0.0, 0.0, 1.0]);
}

#[test]
fn the_time_in_each_state_adds_up() {
    let upstreams = [Upstream::well("1"), Upstream::well("2")];
    let lb = Lb::start(&[&upstreams[0], &upstreams[1]], &["--ping-interval=50ms", "--ping-timeout=50ms"]);
    let [steady_url, url] = upstreams.each_ref().map(Upstream::url);
    let here = [("backend", &url[..])];
    let up = || Metrics::of(lb.admin).get("roundabout_backend_up", &here);
    upstreams[1].stop();
    eventually("it is down", || when(up() == 0.0, up()));
    upstreams[1].start();
    eventually("it is up", || when(up() == 1.0, up()));
    let metrics = Metrics::of(lb.admin);
    assert_eq!(metrics.get("roundabout_backend_transitions_total", &here), 2.0);
    assert_eq!(metrics.nonzero("roundabout_backend_state", &here, "state"), pairs([("up", 1)]));
    let times = |name, url| {
        metrics.sum("roundabout_backend_state_seconds_total", &[("state", name), ("backend", url)])
    };
    let (steady, down) = (times("up", &steady_url), times("down", &url));
    assert!(down > 0.04, "it takes two pings to come up: {down}");
    assert!((times("up", &url) + down - steady).abs() < 1e-6, "both have been there for equally long");
    let begun = metrics.get("process_start_time_seconds", &[]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - begun - steady).abs() < 5.0, "{begun} + {steady} is not {now}");
    metrics.keep("states");
}

#[test]
fn basic_statistics_leave_out_what_costs_time() {
    let upstream = Upstream::well("ok");
    let [full, basic] = ["full", "basic"].map(|what| {
        let lb = Lb::start(&[&upstream], &[NO_PINGS, &format!("--statistics={what}")]);
        assert_eq!(lb.get("/").status, 200);
        Metrics::of(lb.admin)
    });
    basic.keep("basic");
    let names = |metrics: &Metrics| -> Vec<_> {
        let lines = metrics.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    let left_out: Vec<_> = names(&full).into_iter().filter(|name| !names(&basic).contains(name)).collect();
    assert!(left_out.iter().all(|name| name.ends_with("bytes_total") || name.ends_with("duration_seconds")));
    assert_eq!(left_out.len(), 5, "{left_out:?}");
    for name in ["roundabout_requests_total", "roundabout_backend_completed_total"] {
        assert_eq!(basic.get(name, &[]), 1.0, "{name}");
    }
}

#[test]
fn the_page_says_what_it_is() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let answer = Client::connect(lb.admin).get("/metrics");
    assert_eq!(answer.head.get("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let metrics = Metrics::of(lb.admin);
    assert_eq!(metrics.get("roundabout_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    assert_eq!(metrics.get("roundabout_draining", &[]), 0.0);
    metrics.keep("fresh");
}
