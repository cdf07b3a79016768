//! A backend that accepts connections and never answers is suspected; a slow path is not silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::common::{Lb, Reply, Seen, Upstream, eventually, ok, throughout, when, within};

const PINGS: [&str; 2] = ["--ping-interval=100ms", "--ping-timeout=100ms"];

/// Sends nothing while it is stalled, at any request.
fn stallable(name: &'static str) -> (Upstream, Arc<AtomicBool>) {
    let stalled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stalled);
    let script = move |_: &Seen| if flag.load(SeqCst) { Reply::Silence } else { ok(name) };
    (Upstream::new(script), stalled)
}

/// Sends `GET`s one after the other over `clients` connections until `stop`, and expects an answer to each.
/// Returns their number, and the time of the slowest.
fn traffic(lb: &Lb, clients: usize, stop: &AtomicBool) -> (usize, Duration) {
    std::thread::scope(|scope| {
        let run = || {
            let mut client = lb.client();
            let (mut count, mut slowest) = (0, Duration::ZERO);
            while !stop.load(SeqCst) {
                let begun = Instant::now();
                assert_eq!(client.get("/").status, 200);
                slowest = slowest.max(begun.elapsed());
                count += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            (count, slowest)
        };
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(run)).collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap());
        results.fold((0, Duration::ZERO), |all, one| (all.0 + one.0, all.1.max(one.1)))
    })
}

#[test]
fn a_silent_backend_is_suspected_left_and_taken_back_when_it_answers() {
    let (silent, stalled) = stallable("silent");
    let others = [Upstream::well("2"), Upstream::well("3")];
    // Longer than a busy machine delays an answer.
    let lb = Lb::start(&[&silent, &others[0], &others[1]], &[PINGS[0], PINGS[1], "--silence=1s"]);
    let events = lb.events();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let gets = scope.spawn(|| traffic(&lb, 12, &stop));
        eventually("all are at work", || when(silent.count() > 20, ()));
        stalled.store(true, SeqCst);
        let change =
            within(Duration::from_secs(3), "suspicion", || events.changes().first().cloned().ok_or(()));
        assert!(change.starts_with("1 up -> suspect: silent for "), "{change}");
        assert!(change.ends_with(" requests wait"), "{change}");
        eventually("those that waited have moved on", || {
            let in_flight = lb.backend(1)["in_flight"].clone();
            when(in_flight == 0, in_flight)
        });
        let left_alone = silent.requests().iter().filter(|seen| seen.line() == "GET /").count();
        throughout(Duration::from_millis(400), || {
            let gets = silent.requests().iter().filter(|seen| seen.line() == "GET /").count();
            assert_eq!((gets, &lb.states()[0][..]), (left_alone, "suspect"), "only pings go there");
        });
        assert!(silent.count_of("OPTIONS *") > 0, "it is asked whether it speaks");

        stalled.store(false, SeqCst);
        assert_eq!(events.change("1 suspect -> up"), "1 suspect -> up: it answers again");
        eventually("it has its share again", || when(silent.count_of("GET /") > left_alone + 10, ()));
        stop.store(true, SeqCst);
        let (_, slowest) = gets.join().unwrap();
        assert!(slowest < Duration::from_secs(3), "the slowest answer took {slowest:?}");
    });
    assert_eq!(events.changes().len(), 2, "{:?}", events.changes());
}

#[test]
fn what_may_be_repeated_leaves_a_silent_backend_once_and_what_may_not_stays() {
    let (silent, stalled) = stallable("silent");
    let well = Upstream::well("ok");
    let lb = Lb::start(&[&silent, &well], &[PINGS[0], PINGS[1], "--response-timeout=2500ms"]);
    for _ in 0..2 {
        assert_eq!(lb.get("/").status, 200);
    }
    stalled.store(true, SeqCst);
    let events = lb.events();
    // Every second request goes to the silent one.
    let mut clients: Vec<_> = (0..6).map(|_| lb.client()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        match n / 2 {
            0 | 1 => client.ask(&format!("GET /get{n}"), b""),
            _ => client.ask(&format!("POST /post{n}"), b"body"),
        };
        eventually("it has arrived", || when(silent.count() + well.count() == n + 3, ()));
    }
    let status: Vec<_> = clients.iter_mut().map(|client| client.answer().status).collect();
    let posts = [4, 5].map(|n| silent.count_of(&format!("POST /post{n}")));
    assert_eq!(posts.iter().sum::<usize>(), 1, "one of them had the silent one's turn");
    let expected =
        [200, 200, 200, 200, if posts[0] == 1 { 504 } else { 200 }, if posts[1] == 1 { 504 } else { 200 }];
    assert_eq!(status, expected);
    assert_eq!(well.requests().iter().filter(|seen| seen.line().starts_with("POST")).count(), 1);

    let moved: Vec<_> = (0..4).filter(|n| silent.count_of(&format!("GET /get{n}")) == 1).collect();
    assert_eq!(moved.len(), 2);
    for n in moved {
        let record = events.request(&format!("/get{n}"));
        assert_eq!(record["tried"], json!([[1, "fell silent"]]));
        assert_eq!((&record["attempts"], well.count_of(&format!("GET /get{n}"))), (&json!(2), 1));
    }
}

#[test]
fn a_slow_path_among_fast_ones_is_not_silence() {
    let slow_path = |name: &'static str| {
        Upstream::new(move |seen| {
            if seen.line().starts_with("GET /slow") {
                std::thread::sleep(Duration::from_secs(2));
            }
            ok(name)
        })
    };
    let upstreams = [slow_path("1"), slow_path("2")];
    let lb = Lb::start(&[&upstreams[0], &upstreams[1]], &PINGS);
    let events = lb.events();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let gets = scope.spawn(|| traffic(&lb, 4, &stop));
        let slow: Vec<_> = (0..10)
            .map(|n| {
                scope.spawn({
                    let lb = &lb;
                    move || lb.get(&format!("/slow{n}")).status
                })
            })
            .collect();
        for one in slow {
            assert_eq!(one.join().unwrap(), 200);
        }
        stop.store(true, SeqCst);
        assert!(gets.join().unwrap().0 > 100);
    });
    assert_eq!(events.changes(), Vec::<String>::new());
    for n in 0..10 {
        let line = format!("GET /slow{n}");
        let times: usize = upstreams.iter().map(|upstream| upstream.count_of(&line)).sum();
        assert_eq!(times, 1, "{line} was executed once");
    }
}

#[test]
fn the_last_alive_backend_is_never_suspected() {
    let (silent, stalled) = stallable("silent");
    let dead = Upstream::well("dead");
    dead.stop();
    let lb = Lb::start(&[&silent, &dead], &[PINGS[0], PINGS[1], "--silence=100ms"]);
    lb.wait_for_states(&["up", "down"]);
    assert_eq!(lb.get("/").status, 200);
    stalled.store(true, SeqCst);
    let mut clients: Vec<_> = (0..8).map(|_| lb.client()).collect();
    for client in &mut clients {
        client.ask("GET /waits", b"");
    }
    eventually("all wait", || when(silent.count_of("GET /waits") == 8, ()));
    throughout(Duration::from_millis(700), || assert_eq!(lb.states(), ["up", "down"]));
    assert_eq!(lb.backend(1)["in_flight"], 8);
}

#[test]
fn when_all_are_silent_no_backend_is_suspected() {
    let pairs = [stallable("1"), stallable("2")];
    let lb = Lb::start(&[&pairs[0].0, &pairs[1].0], &[PINGS[0], PINGS[1], "--silence=1s"]);
    let mut clients: Vec<_> = (0..8).map(|_| lb.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    for (_, stalled) in &pairs {
        stalled.store(true, SeqCst);
    }
    for client in &mut clients {
        client.ask("GET /waits", b"");
    }
    eventually("all wait", || when(pairs.iter().all(|(silent, _)| silent.count_of("GET /waits") == 4), ()));
    throughout(Duration::from_millis(1500), || assert_eq!(lb.states(), ["up", "up"]));
}

/// HTTP pings that take a backend down before the rule of silence finds it.
const STRICT: [&str; 4] = ["--ping-path=/health", "--ping-interval=50ms", "--ping-timeout=50ms", "--fall=2"];

#[test]
fn what_waits_at_a_stopped_backend_moves_on_although_pings_took_it_down() {
    let (silent, stalled) = stallable("silent");
    let well = Upstream::well("ok");
    let lb = Lb::start(&[&silent, &well], &STRICT);
    lb.wait_for_states(&["up", "up"]);
    let events = lb.events();
    stalled.store(true, SeqCst);
    let mut clients = [lb.client(), lb.client()];
    for client in &mut clients {
        client.ask("GET /waits", b"");
    }
    events.change("1 up -> down");
    let begun = Instant::now();
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "a request waited for {:?}", begun.elapsed());
    assert_eq!((silent.count_of("GET /waits"), well.count_of("GET /waits")), (1, 2));
    throughout(Duration::from_millis(200), || assert_eq!(lb.states(), ["down", "up"], "pings bring it back"));
}

#[test]
fn what_panic_mode_sends_to_a_silent_backend_leaves_it() {
    let (silent, stalled) = stallable("silent");
    let well = Upstream::well("ok");
    let lb = Lb::start(&[&silent, &well], &["--panic-threshold=60%"]);
    lb.wait_for_states(&["up", "up"]);
    stalled.store(true, SeqCst);
    let mut client = lb.client();
    for n in 0..6 {
        let begun = Instant::now();
        assert_eq!(client.get(&format!("/{n}")).status, 200);
        assert!(begun.elapsed() < Duration::from_secs(4), "request {n} waited for {:?}", begun.elapsed());
    }
    assert_eq!(lb.states()[0], "suspect");
}

#[test]
fn what_waits_at_a_slow_path_stays_although_pings_took_the_backend_down() {
    let pairs = [0, 1].map(|_| {
        let unwell = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&unwell);
        let upstream = Upstream::new(move |seen| match seen.line() {
            "GET /slow" => {
                std::thread::sleep(Duration::from_secs(3));
                ok("slow")
            }
            "GET /health" if flag.load(SeqCst) => {
                Reply::Bytes(b"HTTP/1.1 503 Unwell\r\nContent-Length: 0\r\n\r\n".to_vec())
            }
            _ => ok("quick"),
        });
        (upstream, unwell)
    });
    let lb = Lb::start(&[&pairs[0].0, &pairs[1].0], &STRICT);
    lb.wait_for_states(&["up", "up"]);
    let events = lb.events();
    let mut client = lb.client();
    client.ask("GET /slow", b"");
    let runs = || pairs.each_ref().map(|(upstream, _)| upstream.count_of("GET /slow"));
    eventually("it has arrived", || when(runs().contains(&1), ()));
    let at = usize::from(runs()[1] == 1);
    pairs[at].1.store(true, SeqCst);
    events.change(&format!("{} up -> down", at + 1));
    assert_eq!(client.answer().text(), "slow");
    assert_eq!(runs()[at] + runs()[1 - at], 1, "it ran once");
}

#[test]
fn a_crash_is_not_held_against_a_backend_that_is_back() {
    let (returning, stalled) = stallable("1");
    let others = [Upstream::well("2"), Upstream::well("3")];
    let flags = [PINGS[0], PINGS[1], "--silence=1s"];
    let lb = Lb::start(&[&returning, &others[0], &others[1]], &flags);
    let events = lb.events();
    let waiting = |line: &str| {
        // Every third request goes to it.
        let mut clients: Vec<_> = (0..9).map(|_| lb.client()).collect();
        for client in &mut clients {
            client.ask(line, b"");
        }
        eventually("three wait there", || when(returning.count_of(line) == 3, returning.count_of(line)));
        clients
    };
    stalled.store(true, SeqCst);
    let cut_off = waiting("POST /before");
    returning.stop();
    events.change("1 up -> down");
    drop(cut_off);
    // So long that they would count as silence, if they still counted.
    std::thread::sleep(Duration::from_millis(1200));
    returning.start();
    events.change("1 down -> up");
    // It answers slowly at first: three requests wait, though not for long.
    let clients = waiting("POST /after");
    throughout(Duration::from_millis(200), || assert_eq!(lb.states(), ["up", "up", "up"]));
    drop(clients);
    assert_eq!(events.changes().len(), 2, "{:?}", events.changes());
}

#[test]
fn a_balancer_that_was_asleep_blames_no_backend() {
    let slow = |name: &'static str| {
        Upstream::new(move |_| {
            std::thread::sleep(Duration::from_millis(100));
            ok(name)
        })
    };
    let upstreams = [slow("1"), slow("2")];
    let lb = Lb::start(&[&upstreams[0], &upstreams[1]], &PINGS);
    let events = lb.events();
    let mut clients: Vec<_> = (0..12).map(|_| lb.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    for client in &mut clients {
        client.ask("GET /waits", b"");
    }
    eventually("all are on their way", || {
        when(upstreams.iter().map(|upstream| upstream.count_of("GET /waits")).sum::<usize>() == 12, ())
    });
    lb.signal(Signal::STOP);
    // Much longer than requests and pings may wait.
    std::thread::sleep(Duration::from_millis(1500));
    lb.signal(Signal::CONT);
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(events.changes(), Vec::<String>::new());
    let executed: usize = upstreams.iter().map(|upstream| upstream.count_of("GET /waits")).sum();
    assert_eq!(executed, 12, "and repeats nothing");
}
