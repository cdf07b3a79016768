//! Tests: loads over real sockets, on a small server.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use super::*;
use crate::load::test_server::{Reply, finished, id_in, serve, server};
use crate::load::{Arrivals, Call, Keys, Sizes};
use tokio::net::TcpListener;

/// Runs a load until it has begun this number of requests.
async fn run_until(running: Running, begun: u64) -> Report {
    crate::eventually(Duration::from_secs(5), "the load to get going", async || {
        anyhow::ensure!(running.begun() >= begun, "it has begun {}", running.begun());
        Ok(())
    })
    .await
    .unwrap();
    running.stop().await.unwrap()
}

#[tokio::test]
async fn every_request_has_an_id_of_its_own_and_one_entry() {
    let (address, mut heads) = server(Duration::ZERO).await;
    let load = Load::closed(address, 4).call(Call::get("/a").rate(3.0)).call(Call::get("/b"));
    let running = load.start().unwrap();
    running.phase("only");
    let report = run_until(running, 400).await;
    assert_eq!(report.errors(), []);
    assert_eq!(report.begun(), report.entries().len() as u64);

    let mut asked = HashSet::new();
    while let Ok(head) = heads.try_recv() {
        let id = id_in(&head);
        assert!(asked.insert(id.to_owned()), "{id} came twice");
    }
    let entered: HashSet<String> = report.entries().iter().map(|entry| report.id(entry)).collect();
    assert_eq!(entered, asked);
    let summary = report.phase("only").unwrap();
    assert_eq!((summary.errors, summary.share(7)), (0, 1.0));
    let first_call = report.entries().iter().filter(|entry| entry.call == 0).count();
    assert!(
        (first_call as f64 / entered.len() as f64 - 0.75).abs() < 0.02,
        "{first_call} of {}",
        entered.len()
    );
}

#[tokio::test]
async fn in_open_loop_waiting_for_a_slow_server_counts() {
    let (address, _heads) = server(Duration::from_millis(300)).await;
    let load = Load::open(address).call(Call::get("/").rate(100.0)).connections(1);
    let report = run_until(load.start().unwrap(), 60).await;
    // On the only connection, requests that were due during the first answer waited for the rest of that
    // time. A load that waits with its client would report a millisecond.
    let first = report.entries().iter().find(|entry| entry.number == 0).unwrap();
    assert!(first.latency() >= Duration::from_millis(300), "{first:?}");
    let due = report.entries().iter().filter(|entry| (1..30).contains(&entry.number));
    for entry in due.clone() {
        assert_eq!(entry.intended, Duration::from_millis(10) * u32::try_from(entry.number).unwrap());
        assert!(entry.ended >= first.ended, "{entry:?} did not wait for {first:?}");
    }
    assert_eq!(due.count(), 29);
    // They were sent late because the connection was busy, and not because the load was late.
    let second = report.entries().iter().find(|entry| entry.number == 1).unwrap();
    assert!(second.sent >= first.ended && second.sent - second.intended >= Duration::from_millis(280));
    assert!(second.late < second.sent - first.ended + Duration::from_millis(1), "{second:?}");
    let Summary { latency, uncorrected, .. } = report.between(Duration::ZERO, second.ended * 2);
    assert!(latency.p99 > uncorrected.p50 * 10, "{latency:?} {uncorrected:?}");
}

#[tokio::test]
async fn in_open_loop_requests_start_on_time() {
    let (address, _heads) = server(Duration::ZERO).await;
    let report = run_until(Load::open(address).call(Call::get("/").rate(200.0)).start().unwrap(), 50).await;
    for entry in report.entries() {
        assert_eq!(entry.intended, Duration::from_millis(5) * u32::try_from(entry.number).unwrap());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_each_time() {
    let closed_port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let report = run_until(Load::closed(closed_port, 2).start().unwrap(), 4).await;
    assert_eq!(report.summary().errors, report.summary().requests);
    assert!(report.errors()[0].0.contains("cannot connect"), "{:?}", report.errors());
}

#[tokio::test]
async fn an_answer_to_another_request_is_an_error() {
    let (address, _heads) = serve(|head| Reply { id: format!("{}0", id_in(head)), ..Reply::to(head) }).await;
    let running = Load::closed(address, 2).start().unwrap();
    let report = run_until(running, 4).await;
    for entry in report.entries() {
        assert!(matches!(entry.outcome, Outcome::Mistaken(_)), "{entry:?}");
        assert!(entry.is_error() && entry.backend == Some(7), "{entry:?}");
    }
}

#[tokio::test]
async fn an_endless_load_keeps_only_the_last_entries() {
    let (address, _heads) = server(Duration::ZERO).await;
    let report = run_until(Load::closed(address, 1).keep_last(10).start().unwrap(), 100).await;
    assert_eq!(report.entries().len(), 10);
    assert!(report.entries()[0].number >= 90);
}

#[tokio::test]
async fn a_report_knows_when_it_began() {
    let unix = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64;
    let (address, _heads) = server(Duration::ZERO).await;
    let before = unix();
    let running = Load::closed(address, 1).seed(77).requests(1).start().unwrap();
    let after = unix();
    finished(&running).await;
    let report = running.stop().await.unwrap();
    assert!(
        (before..=after).contains(&report.epoch_unix_us()),
        "{before} {} {after}",
        report.epoch_unix_us()
    );
    assert_eq!(report.seed(), 77);
}

#[tokio::test]
async fn a_load_of_402_requests_sends_402() {
    let (address, mut heads) = server(Duration::ZERO).await;
    let mut mix = Load::open(address).call(Call::get("/a").rate(3000.0)).call(Call::get("/b").rate(1000.0));
    mix = mix.arrivals(Arrivals::Poisson).connections(16);
    for load in [Load::closed(address, 16), mix] {
        let running = load.requests(402).start().unwrap();
        finished(&running).await;
        let asked = std::iter::from_fn(|| heads.try_recv().ok()).count();
        let ended = running.elapsed();
        let report = running.stop().await.unwrap();
        assert_eq!((report.begun(), report.unsent(), report.entries().len(), asked), (402, 0, 402, 402));
        let numbers: HashSet<u64> = report.entries().iter().map(|entry| entry.number).collect();
        assert!(numbers.into_iter().all(|number| number < 402));
        assert!(report.summary().duration <= ended, "the time after the end counts");
    }
}

#[tokio::test]
async fn two_loads_with_one_seed_send_the_same_requests() {
    let (address, mut heads) = server(Duration::ZERO).await;
    let call = Call::get("/busy/{size}")
        .sizes(Sizes::Exponential(Duration::from_millis(50)))
        .keys(Keys::Uniform { keys: 1000 })
        .header_from_key("x-user")
        .rate(2000.0);
    let mut sent = Vec::new();
    // The number of connections, and so the order of the answers, is different.
    for (seed, connections) in [(1, 1), (1, 16), (2, 16)] {
        let load = Load::open(address).call(call.clone()).arrivals(Arrivals::Poisson);
        let running = load.connections(connections).seed(seed).requests(100).start().unwrap();
        finished(&running).await;
        let report = running.stop().await.unwrap();
        let heads: HashMap<String, String> = std::iter::from_fn(|| heads.try_recv().ok())
            .map(|head| (id_in(&head).to_owned(), head))
            .collect();
        let mut entries: Vec<Entry> = report.entries().to_vec();
        entries.sort_by_key(|entry| entry.number);
        for entry in &entries {
            let head = &heads[&report.id(entry)];
            let (key, size) = (entry.key.unwrap(), entry.size.unwrap().as_micros());
            assert!(head.starts_with(&format!("GET /busy/{size} HTTP/1.1\r\n")), "{head} {entry:?}");
            assert!(head.contains(&format!("\r\nx-user: {key}\r\n")), "{head} {entry:?}");
        }
        let mut recording = Vec::new();
        report.write(&mut recording).unwrap();
        assert_eq!(Report::read(recording.as_slice()).unwrap(), report);
        let drawn = entries.iter().map(|entry| (entry.number, entry.intended, entry.key, entry.size));
        sent.push(drawn.collect::<Vec<_>>());
    }
    assert_eq!(sent[0].len(), 100);
    assert_eq!(sent[0], sent[1]);
    assert_ne!(sent[1], sent[2]);
}

#[tokio::test]
async fn a_trace_ends_with_its_last_request() {
    let (address, _heads) = server(Duration::ZERO).await;
    let times = [0, 3, 3, 40].map(Duration::from_millis);
    let running = Load::open(address).arrivals(Arrivals::Trace(times.into())).start().unwrap();
    finished(&running).await;
    let report = running.stop().await.unwrap();
    let mut starts: Vec<Duration> = report.entries().iter().map(|entry| entry.intended).collect();
    starts.sort();
    assert_eq!(starts, times);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_requests_that_are_not_due() {
    let (address, _heads) = server(Duration::ZERO).await;
    let running = Load::open(address).call(Call::get("/").rate(0.001)).requests(2).start().unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(5), run_until(running, 1)).await;
    assert_eq!(stopped.expect("the load waits for its next request").unsent(), 0);
}

#[test]
fn a_load_that_cannot_be_is_refused() {
    let server = SocketAddr::from(([127, 0, 0, 1], 1));
    let s = Duration::from_secs;
    let trace = Arrivals::Trace(vec![s(1)]);
    for (load, reason) in [
        (Load::closed(server, 0), "at least one"),
        (Load::open(server).call(Call::get("/").rate(0.0)), "GET / at 0 a second"),
        (Load::closed(server, 1).call(Call::get("nowhere at all")), "no path"),
        (Load::closed(server, 1).requests(0), "0 requests sends nothing"),
        (Load::open(server).arrivals(Arrivals::Trace(vec![])), "at least one time"),
        (Load::open(server).arrivals(trace).rate_steps([(s(1), 1.0)]), "a trace has its own times"),
        (Load::closed(server, 1).rate_steps([(s(1), 1.0)]), "a closed loop has no rate"),
        (Load::open(server).rate_steps([(s(1), -1.0)]), "the step at 1s has the rate -1"),
        (Load::open(server).rate_steps([(s(2), 1.0), (s(1), 1.0)]), "sort them"),
    ] {
        let error = format!("{:#}", load.start().unwrap_err());
        assert!(error.contains(reason), "{error:?} lacks {reason:?}");
    }
}
