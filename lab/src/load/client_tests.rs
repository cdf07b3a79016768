//! Tests: clients that try again and think, rates that change, and Little's law, over real sockets.

use std::collections::HashMap;

use super::*;
use crate::load::test_server::{Reply, header_in, id_in, run_whole, serve, server};
use crate::load::{Backoff, Call, Retries, RetryBudget, Think};

#[tokio::test]
async fn all_tries_of_a_request_have_its_id_and_one_entry() {
    // The first two tries of each request get a 503 of backend 7, the third one is answered by backend 8.
    let (address, mut heads) = serve(|head| match header_in(head, "x-lab-try") {
        Some("3") => Reply { headers: "x-backend: 8\r\n".into(), ..Reply::to(head) },
        _ => Reply { status: 503, ..Reply::to(head) },
    })
    .await;
    let load = Load::closed(address, 2).call(Call::post("/", 100)).requests(20);
    let report = run_whole(load.retries(Retries::most(3))).await;
    assert_eq!((report.entries().len(), report.begun()), (20, 20));
    let Summary { requests, errors, retries, answers, .. } = report.summary();
    assert_eq!((requests, errors, retries, answers), (20, 0, 40, [(8, 20)].into()));

    let mut tries = HashMap::<String, Vec<String>>::new();
    while let Ok(head) = heads.try_recv() {
        let number = header_in(&head, "x-lab-try").unwrap().to_owned();
        tries.entry(id_in(&head).to_owned()).or_default().push(number);
    }
    for entry in report.entries() {
        assert_eq!(tries[&report.id(entry)], ["1", "2", "3"]);
        let earlier: Vec<_> =
            entry.earlier.iter().map(|earlier| (&earlier.outcome, earlier.backend)).collect();
        assert_eq!(earlier, [(&Outcome::Answered(503), Some(7)); 2]);
        let mut times = vec![entry.intended, entry.sent];
        times.extend(entry.earlier.iter().flat_map(|earlier| [earlier.sent, earlier.ended]));
        times.extend([entry.last_sent, entry.ended]);
        assert!(times.is_sorted(), "{entry:?}");
        assert_eq!(entry.sent, entry.earlier[0].sent);
    }
}

#[tokio::test]
async fn each_try_keeps_what_its_backend_said() {
    let (address, _heads) = serve(|head| {
        let number = header_in(head, "x-lab-try").unwrap_or("9");
        let said = format!("x-backend: 7\r\nx-lab-service-us: {number}\r\nx-lab-faults: none\r\n");
        let status = if number == "1" { 503 } else { 200 };
        Reply { status, headers: said, ..Reply::to(head) }
    })
    .await;
    let report = run_whole(Load::closed(address, 1).requests(1).retries(Retries::most(1))).await;
    let entry = &report.entries()[0];
    let said = |microseconds| GroundTruth {
        service: Some(Duration::from_micros(microseconds)),
        faults: Some("none".into()),
        ..GroundTruth::default()
    };
    assert_eq!((&entry.earlier[0].truth, &entry.truth), (&said(1), &said(2)));
}

#[tokio::test]
async fn the_patience_is_that_of_each_try() {
    const PATIENCE: Duration = Duration::from_millis(150);
    let (address, _heads) = serve(|head| match header_in(head, "x-lab-try") {
        Some("1") => Reply { after: PATIENCE * 100, ..Reply::to(head) },
        _ => Reply { after: PATIENCE / 10, ..Reply::to(head) },
    })
    .await;
    let retries = Retries { backoff: Backoff::Fixed(PATIENCE / 2), ..Retries::most(1) };
    let report = run_whole(Load::closed(address, 1).patience(PATIENCE).requests(1).retries(retries)).await;
    let entry = &report.entries()[0];
    assert_eq!((entry.is_error(), entry.tries()), (false, 2), "{entry:?}");
    assert!(
        matches!(&entry.earlier[0].outcome, Outcome::Failed(why) if why.contains("within 150ms")),
        "{entry:?}"
    );
    assert!(entry.earlier[0].ended - entry.earlier[0].sent >= PATIENCE, "{entry:?}");
    assert!(entry.last_sent - entry.earlier[0].ended >= PATIENCE / 2, "{entry:?}");
    assert!(entry.latency() >= PATIENCE + PATIENCE / 2, "the latency is that of all tries: {entry:?}");
}

#[tokio::test]
async fn a_budget_bounds_the_retries_of_all_clients() {
    let (address, mut heads) = serve(|head| Reply { status: 503, ..Reply::to(head) }).await;
    let budget = Some(RetryBudget { share: 0.2, floor: 0.0 });
    // Three retries for each of 200 requests; or 0.2 for each, and all within ten seconds.
    for (retries, least, most) in
        [(Retries::most(3), 600, 600), (Retries { budget, ..Retries::most(3) }, 39, 40)]
    {
        let report = run_whole(Load::closed(address, 8).requests(200).retries(retries)).await;
        let summary = report.summary();
        assert_eq!((summary.requests, summary.errors), (200, 200));
        assert!((least..=most).contains(&summary.retries), "{retries:?}: {}", summary.retries);
        let tries = std::iter::from_fn(|| heads.try_recv().ok()).count() as u64;
        assert_eq!(tries, 200 + summary.retries);
    }
}

#[tokio::test]
async fn a_stopped_load_does_not_wait_for_another_try() {
    let (address, mut heads) = serve(|head| Reply { status: 503, ..Reply::to(head) }).await;
    let backoff = Backoff::Fixed(Duration::from_secs(1000));
    let load = Load::closed(address, 1).retries(Retries { backoff, ..Retries::most(1) });
    let running = load.start().unwrap();
    heads.recv().await.unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(5), running.stop()).await;
    let report = stopped.expect("the load waits for its next try").unwrap();
    assert_eq!(report.entries().len(), 1);
    assert_eq!((report.entries()[0].tries(), report.summary().errors), (1, 1));
}

#[tokio::test]
async fn entries_are_in_the_order_of_their_ends_also_after_a_stop() {
    let mut answers = 0;
    let (address, mut heads) = serve(move |head| {
        answers += 1;
        Reply { status: if answers == 1 { 503 } else { 200 }, ..Reply::to(head) }
    })
    .await;
    let backoff = Backoff::Fixed(Duration::from_secs(1000));
    let load = Load::closed(address, 2).retries(Retries { backoff, ..Retries::most(1) });
    let running = load.start().unwrap();
    for _ in 0..50 {
        heads.recv().await.unwrap();
    }
    let report = running.stop().await.unwrap();
    let entries = report.entries();
    assert!(entries.is_sorted_by_key(|entry| entry.ended), "{entries:?}");
    let waited = entries.iter().position(|entry| entry.is_error()).unwrap();
    assert!(waited + 1 < entries.len(), "the others went on");
    assert_eq!(report.summary().requests, report.begun());
}

#[tokio::test]
async fn without_retries_each_request_is_sent_once() {
    let (address, mut heads) = serve(|head| Reply { status: 503, ..Reply::to(head) }).await;
    let report = run_whole(Load::closed(address, 1).requests(3)).await;
    assert_eq!((report.summary().retries, report.summary().errors), (0, 3));
    let heads: Vec<String> = std::iter::from_fn(|| heads.try_recv().ok()).collect();
    assert!(heads.len() == 3 && heads.iter().all(|head| header_in(head, "x-lab-try").is_none()), "{heads:?}");
}

#[tokio::test]
async fn clients_think_between_their_requests() {
    let (address, _heads) = server(Duration::ZERO).await;
    let load = Load::closed(address, 2).seed(3).requests(60);
    for think in [Think::Fixed(Duration::from_millis(12)), Think::Exponential(Duration::from_millis(5))] {
        let report = run_whole(load.clone().think(think)).await;
        for client in 0..2 {
            let mut own: Vec<&Entry> =
                report.entries().iter().filter(|entry| entry.client == client).collect();
            own.sort_by_key(|entry| entry.sent);
            assert_eq!(own[0].late, Duration::ZERO);
            for (pair, answer) in own.windows(2).zip(0..) {
                let thought = think.draw(Seed(3).draws(What::Think { client }, answer));
                let waited = pair[1].sent - pair[0].ended;
                // The rest is the lateness of the timer, and the time to send.
                let rest = waited.checked_sub(thought).expect("a client that thinks for a shorter time");
                assert!(rest + Duration::from_micros(1) >= pair[1].late, "{pair:?}");
                assert!(rest < pair[1].late + Duration::from_millis(20), "{thought:?}: {pair:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_open_loop_does_not_think() {
    let (address, _heads) = server(Duration::ZERO).await;
    let load = Load::open(address).call(Call::get("/").rate(1000.0)).connections(1).requests(50);
    let report = run_whole(load.think(Think::Fixed(Duration::from_millis(200)))).await;
    let last = report.entries().iter().map(|entry| entry.ended).max().unwrap();
    assert!(last < Duration::from_secs(5), "{last:?}");
}

#[tokio::test]
async fn the_rate_changes_while_the_load_runs() {
    let (address, _heads) = server(Duration::ZERO).await;
    let running = Load::open(address).call(Call::get("/").rate(20.0)).start().unwrap();
    let begun = async |least: u64| {
        crate::eventually(Duration::from_secs(5), "more requests", async || {
            anyhow::ensure!(running.begun() >= least, "it has begun {}", running.begun());
            Ok(())
        })
        .await
        .unwrap();
    };
    begun(5).await;
    let before = running.elapsed();
    running.set_rate(1000.0).unwrap();
    let after = running.elapsed();
    begun(200).await;
    running.set_closed(3).unwrap();
    let closed = running.elapsed();
    begun(running.begun() + 200).await;
    running.set_open(0.0).unwrap();
    assert!(running.set_closed(65).is_err() && running.set_rate(-1.0).is_err());
    running.set_rate(1000.0).unwrap();
    begun(running.begun() + 50).await;
    let report = running.stop().await.unwrap();

    let mut entries = report.entries().to_vec();
    entries.sort_by_key(|entry| entry.number);
    let ms = Duration::from_millis;
    let intended: Vec<Duration> = entries.iter().map(|entry| entry.intended).collect();
    let is_slow = |place: usize| intended[place] == ms(50) * u32::try_from(place).unwrap();
    let slow = (0..200).take_while(|place| is_slow(*place)).count();
    assert!(slow >= 5, "{intended:?}");
    // A fiftieth of what was left of a wait of 50 ms, and then one each millisecond.
    let (last, fast) = (intended[slow - 1], &intended[slow..200]);
    let due = |changed: Duration| changed + (ms(50) - (changed - last)) / 50;
    let us = Duration::from_micros(1);
    let expected = due(before.max(last)) - us..=due(after) + us;
    assert!(expected.contains(&fast[0]), "{} is not in {expected:?}, after {last:?}", fast[0].as_secs_f64());
    let distance = |pair: &[Duration]| (pair[1] - pair[0]).as_micros();
    assert!(fast.windows(2).all(|pair| (999..=1001).contains(&distance(pair))), "{fast:?}");
    let by_clients = entries.iter().filter(|entry| entry.sent > closed && entry.intended == entry.sent);
    assert!(by_clients.count() >= 195, "the loop is not closed");
}

#[tokio::test]
async fn in_flight_is_the_rate_times_the_mean_time() {
    // 40 requests a second, each of which takes 100 ms: 4 are in flight.
    let (address, _heads) =
        serve(|head| Reply { after: Duration::from_millis(100), ..Reply::to(head) }).await;
    let running = Load::open(address).call(Call::get("/").rate(40.0)).start().unwrap();
    let until = async |seconds: f64| {
        tokio::time::sleep(Duration::from_secs_f64(seconds).saturating_sub(running.elapsed())).await;
    };
    until(0.5).await;
    running.phase("steady");
    until(3.0).await;
    running.phase("end");
    let report = running.stop().await.unwrap();

    let steady = report.phase("steady").unwrap();
    let (from, to) = report.period("steady").unwrap();
    let times: Vec<f64> = report
        .entries()
        .iter()
        .filter(|entry| (from..to).contains(&entry.ended))
        .map(|entry| entry.uncorrected().as_secs_f64())
        .collect();
    let expected = steady.rate() * times.iter().sum::<f64>() / times.len() as f64;
    let found = report.in_flight_mean("steady", Some(7)).unwrap();
    println!("in flight {found}, rate times mean time {expected}, timers late {:?}", steady.late);
    assert!((found / expected - 1.0).abs() < 0.03, "{found} in flight, not {expected}");
    assert!(found > 3.9, "{found} in flight, and 100 ms is the least time");
    assert_eq!(report.in_flight_mean("steady", None), Some(found));
    assert_eq!(
        (report.in_flight_mean("steady", Some(1)), report.in_flight_mean("never", None)),
        (Some(0.0), None)
    );

    let series = report.in_flight_series(Duration::from_millis(5), Some(7));
    let counts: Vec<f64> = series
        .iter()
        .filter(|(moment, _)| (from..to).contains(moment))
        .map(|(_, count)| *count as f64)
        .collect();
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    assert!((mean / found - 1.0).abs() < 0.03, "{mean} in {} samples, not {found}", counts.len());
}
