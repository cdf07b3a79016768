//! The result of a request is no evidence against a backend: the balancer asks the backend, and its answer
//! decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use balance::policy::Kind;
use strum::VariantArray;

use crate::common::{Answer, Lb, NO_PINGS, Reply, Seen, Upstream, eventually, ok, throughout, when, within};

/// Answers at once, except `/slow`, which takes this long.
fn slow_at_one_path(name: &'static str, takes: Duration) -> Upstream {
    Upstream::new(move |seen| {
        if seen.line().contains(" /slow") {
            std::thread::sleep(takes);
        }
        ok(name)
    })
}

/// How often the upstreams together have read a request.
fn runs(upstreams: &[Upstream], line: &str) -> usize {
    upstreams.iter().map(|upstream| upstream.count_of(line)).sum()
}

fn start(upstreams: &[Upstream], flags: &[&str]) -> Lb {
    Lb::start(&upstreams.iter().collect::<Vec<_>>(), flags)
}

/// Sends quick requests in parallel until `what` has ended. Each must be answered, and run once.
fn beside_quick_requests<T>(lb: &Lb, upstreams: &[Upstream], what: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let quick = scope.spawn(|| {
            let mut client = lb.client();
            let mut count = 0;
            while !over.load(SeqCst) {
                assert_eq!(client.get(&format!("/quick{count}")).status, 200);
                count += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            count
        });
        let result = what();
        over.store(true, SeqCst);
        for n in 0..quick.join().unwrap() {
            assert_eq!(runs(upstreams, &format!("GET /quick{n}")), 1, "the quick request {n} ran once");
        }
        result
    })
}

#[test]
fn a_request_that_breaks_backends_meets_two_of_them_and_takes_none_down() {
    let closes_at_die =
        |seen: &Seen| if seen.line().contains(" /die") { Reply::Last(Vec::new()) } else { ok("ok") };
    for (count, flags) in [(2, &[][..]), (3, &[NO_PINGS]), (4, &["--fall=1"])] {
        let upstreams: Vec<_> = (0..count).map(|_| Upstream::new(closes_at_die)).collect();
        let lb = start(&upstreams, flags);
        let events = lb.events();
        beside_quick_requests(&lb, &upstreams, || {
            for n in 0..8 {
                assert_eq!(lb.get(&format!("/die{n}")).status, 502);
                assert_eq!(lb.request(&format!("POST /die{n}"), b"body").status, 502);
                let seen =
                    [runs(&upstreams, &format!("GET /die{n}")), runs(&upstreams, &format!("POST /die{n}"))];
                assert_eq!(seen, [2, 1], "{count} backends");
            }
            throughout(Duration::from_millis(300), || assert!(lb.states().iter().all(|state| state == "up")));
        });
        assert_eq!(events.changes(), Vec::<String>::new(), "{count} backends");
        assert!(runs(&upstreams, "OPTIONS *") > 0, "the backends were asked");
    }
}

#[test]
fn a_kept_connection_that_a_request_breaks_counts_as_its_first_run() {
    let upstreams = [0, 1, 2].map(|_| {
        Upstream::new(|seen| if seen.line() == "GET /die" { Reply::Last(Vec::new()) } else { ok("ok") })
    });
    let lb = start(&upstreams, &[NO_PINGS]);
    // A kept connection to each.
    for _ in 0..6 {
        assert_eq!(lb.get("/").status, 200);
    }
    assert_eq!(lb.get("/die").status, 502);
    assert_eq!(runs(&upstreams, "GET /die"), 2);
    assert_eq!(lb.states(), ["up"; 3]);
}

#[test]
fn strange_answers_take_no_backend_down_that_answers_otherwise() {
    let headers: String = (0..101).map(|n| format!("X-{n}: y\r\n")).collect();
    let table = [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{headers}\r\n"),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok".to_owned(),
        "SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Len".to_owned(),
    ];
    for bytes in table {
        let strange = bytes.clone();
        let upstream = Upstream::new(move |seen| match seen.line() {
            "GET /strange" => Reply::Last(strange.clone().into()),
            _ => ok("ok"),
        });
        let lb = Lb::start(&[&upstream], &["--fall=1"]);
        let events = lb.events();
        for _ in 0..6 {
            assert_eq!(lb.get("/strange").status, 502);
        }
        eventually("it is asked", || when(upstream.count_of("OPTIONS *") > 0, ()));
        throughout(Duration::from_millis(200), || assert_eq!(lb.get("/").status, 200));
        assert_eq!(events.changes(), Vec::<String>::new(), "{bytes:?}");
    }
}

#[test]
fn quiet_streams_that_end_at_a_time_limit_take_no_backend_down() {
    let streams = |seen: &Seen| match seen.line() {
        "GET /events" => Reply::Take(Box::new(|mut wire| {
            let _ = wire.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
            let _ = wire.rest();
        })),
        _ => ok("ok"),
    };
    for pings in ["--ping-path=/ping", "--ping-interval=200ms"] {
        let upstreams = [0, 1, 2].map(|_| Upstream::new(streams));
        let lb = start(&upstreams, &["--stall-timeout=400ms", "--ping-timeout=200ms", pings]);
        let events = lb.events();
        beside_quick_requests(&lb, &upstreams, || {
            let mut clients: Vec<_> = (0..12).map(|_| lb.client()).collect();
            for client in &mut clients {
                assert_eq!(client.ask("GET /events", b"").head_of_answer().unwrap().status(), 200);
            }
            for client in &mut clients {
                assert!(client.wire.rest().is_ok_and(|rest| !rest.ends_with(b"0\r\n\r\n")), "no clean end");
            }
            throughout(Duration::from_millis(400), || assert_eq!(lb.states(), ["up"; 3]));
        });
        assert_eq!(events.changes(), Vec::<String>::new());
    }
}

#[test]
fn requests_slower_than_the_time_limit_take_no_backend_down() {
    let upstreams = ["1", "2", "3"].map(|name| slow_at_one_path(name, Duration::from_millis(1200)));
    let lb = start(&upstreams, &["--response-timeout=400ms"]);
    let events = lb.events();
    beside_quick_requests(&lb, &upstreams, || {
        std::thread::scope(|scope| {
            let posts: Vec<_> = (0..24)
                .map(|n| {
                    scope.spawn({
                        let lb = &lb;
                        move || lb.request(&format!("POST /slow{n}"), b"body").status
                    })
                })
                .collect();
            for post in posts {
                assert_eq!(post.join().unwrap(), 504);
            }
        });
        throughout(Duration::from_millis(400), || assert_eq!(lb.states(), ["up"; 3]));
    });
    assert_eq!(events.changes(), Vec::<String>::new());
}

/// Sends all of these at once, and returns the answers.
fn at_once(lb: &Lb, paths: &[String]) -> Vec<Answer> {
    std::thread::scope(|scope| {
        let all: Vec<_> = paths.iter().map(|path| scope.spawn(|| lb.get(path))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn a_slow_path_is_not_silence_however_little_else_there_is() {
    let upstreams = ["1", "2", "3"].map(|name| slow_at_one_path(name, Duration::from_secs(3)));
    for quick_every in [Duration::from_millis(100), Duration::from_millis(900)] {
        let lb = start(&upstreams, &[]);
        let events = lb.events();
        let paths: Vec<_> = (0..30).map(|n| format!("/slow/{}/{n}", quick_every.as_millis())).collect();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    assert_eq!(lb.get("/").status, 200);
                    std::thread::sleep(quick_every);
                }
            });
            assert!(at_once(&lb, &paths).iter().all(|answer| answer.status == 200));
            over.store(true, SeqCst);
        });
        assert_eq!(events.changes(), Vec::<String>::new());
        for path in &paths {
            assert_eq!(runs(&upstreams, &format!("GET {path}")), 1, "{path}");
        }
    }
}

#[test]
fn long_polls_at_one_backend_are_not_silence() {
    for flags in [
        &["--policy=ring", "--hash-by=header:x-key"][..],
        &["--policy=maglev", "--hash-by=header:x-key", "--ping-path=/"],
    ] {
        let upstreams = ["1", "2"].map(|name| slow_at_one_path(name, Duration::from_secs(3)));
        let lb = start(&upstreams, flags);
        let events = lb.events();
        let get = |path: &str, key: usize| {
            let mut client = lb.client();
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\n\r\n"));
            client.answer()
        };
        let served_by = |name: &str| (0..100).find(|key| get("/", *key).text() == name).unwrap();
        let (polled, quick) = (served_by("1"), served_by("2"));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    assert_eq!(get("/", quick).text(), "2");
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            let polls: Vec<_> = (0..4)
                .map(|n| {
                    scope.spawn({
                        let get = &get;
                        move || get(&format!("/slow{n}"), polled)
                    })
                })
                .collect();
            for poll in polls {
                assert_eq!(poll.join().unwrap().text(), "1");
            }
            over.store(true, SeqCst);
        });
        assert_eq!(events.changes(), Vec::<String>::new());
        for n in 0..4 {
            assert_eq!(runs(&upstreams, &format!("GET /slow{n}")), 1);
        }
    }
}

/// One client sends `GET`s one after the other while one of two backends stops; `Err` describes the failure.
fn stop_one_of_two(policy: &str) -> Result<(), String> {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    let one = Upstream::new(move |_| if flag.load(SeqCst) { Reply::Silence } else { ok("1") });
    let two = Upstream::well("2");
    let lb = Lb::start(&[&one, &two], &[&format!("--policy={policy}"), "--hash-by=path"]);
    let mut client = lb.client();
    for n in 0..20 {
        client.get(&format!("/before{n}"));
    }
    stopped.store(true, SeqCst);
    let begun = Instant::now();
    for n in 0.. {
        let asked = Instant::now();
        let status = client.get(&format!("/{n}")).status;
        if status != 200 || asked.elapsed() > Duration::from_millis(2500) {
            return Err(format!("{policy}: status {status} after {:?}", asked.elapsed()));
        }
        if lb.states()[0] == "suspect" {
            return Ok(());
        }
        if begun.elapsed() > Duration::from_secs(15) {
            return Err(format!("{policy}: not found in {n} requests"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

#[test]
fn a_stopped_backend_is_found_under_every_policy_by_one_client() {
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> =
            Kind::VARIANTS.iter().map(|policy| scope.spawn(|| stop_one_of_two(policy.name()))).collect();
        runs.into_iter().filter_map(|run| run.join().unwrap().err()).collect()
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_backend_that_closes_every_connection_is_down_until_it_answers() {
    let broken = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&broken);
    let one = Upstream::new(move |_| if flag.load(SeqCst) { Reply::Last(Vec::new()) } else { ok("1") });
    let two = Upstream::well("2");
    let lb = Lb::start(&[&one, &two], &["--ping-interval=100ms", "--ping-timeout=100ms"]);
    let events = lb.events();
    for _ in 0..2 {
        assert_eq!(lb.get("/").text(), "2");
    }
    let change = within(Duration::from_secs(2), "down", || events.changes().first().cloned().ok_or(()));
    assert!(change.starts_with("1 up -> down: ") && change.ends_with(", 3 failures in a row"), "{change}");
    // Its port accepts connections all the time, and pings detect that.
    throughout(Duration::from_millis(600), || assert_eq!(lb.states(), ["down", "up"]));
    broken.store(false, SeqCst);
    lb.wait_for_states(&["up", "up"]);
}

#[test]
fn backends_that_were_killed_one_after_the_other_serve_as_soon_as_they_are_back() {
    let upstreams = ["1", "2", "3", "4"].map(Upstream::well);
    let lb = start(&upstreams, &[NO_PINGS]);
    upstreams.iter().for_each(Upstream::wait_for_ping);
    // At most one is dead at a time, and no ping detects that the others are back.
    for dead in upstreams.iter().chain(&upstreams) {
        dead.stop();
        for n in 0..8 {
            let method = if n % 2 == 0 { "GET /" } else { "POST /" };
            assert_eq!(lb.request(method, b"").status, 200, "{:?}", lb.states());
        }
        dead.start();
    }
    assert_eq!(lb.states(), ["down"; 4], "only pings bring a backend back");
}

#[test]
fn a_backend_that_is_known_to_be_unwell_is_no_last_resort() {
    let upstream = Upstream::new(|seen| match seen.line() {
        "GET /health" => Reply::Bytes("HTTP/1.1 503 Unwell\r\nContent-Length: 0\r\n\r\n".into()),
        _ => ok("ok"),
    });
    let lb = Lb::start(&[&upstream], &["--ping-path=/health"]);
    lb.wait_for_states(&["down"]);
    let answer = lb.get("/");
    assert_eq!((answer.status, answer.proxy_error()), (503, "destination_unavailable"));
}

#[test]
fn a_backend_that_dislikes_the_question_stays_up() {
    let dislikes = |seen: &Seen| match seen.line() {
        "OPTIONS *" | "GET /close" => Reply::Last(Vec::new()),
        _ => ok("ok"),
    };
    for flags in [&[][..], &["--fall=1"], &["--ping-path=/ok"]] {
        let upstreams = [0, 1].map(|_| Upstream::new(dislikes));
        let lb = start(&upstreams, flags);
        let events = lb.events();
        for _ in 0..4 {
            assert_eq!(lb.get("/").status, 200);
        }
        for _ in 0..3 {
            assert_eq!(lb.get("/close").status, 502);
        }
        throughout(Duration::from_millis(400), || assert_eq!(lb.get("/").status, 200));
        assert_eq!(events.changes(), Vec::<String>::new(), "{flags:?}");
    }
}
