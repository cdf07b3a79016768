//! The stream of events: what a reader gets, and what it does not cost.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{
    Events, Lb, Load, Metrics, NO_PINGS, Reply, Upstream, eventually, order, throughout, when,
};

/// The time of an event, in microseconds since the start of the balancer.
fn time(event: &Value) -> u64 {
    event["t"].as_u64().unwrap()
}

/// The largest distance between the distributions of two samples: the statistic of Kolmogorov and Smirnov.
fn distance(one: &[u64], other: &[u64]) -> f64 {
    let share = |sample: &[u64], limit: u64| {
        sample.iter().filter(|value| **value <= limit).count() as f64 / sample.len() as f64
    };
    let all = one.iter().chain(other);
    all.map(|limit| (share(one, *limit) - share(other, *limit)).abs()).fold(0.0, f64::max)
}

/// The distance that two samples of one distribution exceed with a probability of 1e-6: Smirnov (1939).
fn limit(one: usize, other: usize) -> f64 {
    let (one, other) = (one as f64, other as f64);
    (-(0.5e-6_f64).ln() / 2.0).sqrt() * ((one + other) / (one * other)).sqrt()
}

#[test]
fn samples_are_spread_over_the_second_and_stand_for_all_requests() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let (all, sampled) = (lb.events(), Events::asked(lb.admin, "/events", ""));
    let load = Load::of(&lb, 4);
    // The first second tells how many requests there are.
    let told = |events: &Events, from: u64, to: u64| -> Vec<Value> {
        events.all("req").into_iter().filter(|one| (from..to).contains(&time(one))).collect()
    };
    let begun = time(&eventually("a request", || all.all("req").first().cloned().ok_or("none")));
    let (from, to) = (begun + 1_500_000, begun + 4_500_000);
    eventually("three seconds of load", || when(all.all("req").last().map(time) > Some(to), ()));
    load.end();
    let (every, some) = (told(&all, from, to), told(&sampled, from, to));
    let in_second = |event: &Value| (time(event) - from) % 1_000_000;
    let (of_all, of_some): (Vec<_>, Vec<_>) =
        (every.iter().map(in_second).collect(), some.iter().map(in_second).collect());
    // One in n requests, where n follows the rate of the last second.
    assert!((50..=300).contains(&some.len()), "{} of {}", some.len(), every.len());
    assert!(every.len() > 3 * some.len(), "the load is too low to be sampled: {}", every.len());
    let found = distance(&of_some, &of_all);
    assert!(found <= limit(some.len(), every.len()), "{found} of {} and {}", some.len(), every.len());
    // The counter-case: the first forty requests of each second.
    let mut seconds = [0; 3];
    let first: Vec<u64> = every
        .iter()
        .filter_map(|event| {
            let second = &mut seconds[((time(event) - from) / 1_000_000) as usize];
            *second += 1;
            (*second <= 40).then(|| in_second(event))
        })
        .collect();
    assert!(distance(&first, &of_all) > limit(first.len(), every.len()), "the test detects nothing");

    let weights: u64 = some.iter().map(|one| one["n"].as_u64().unwrap()).sum();
    let ratio = weights as f64 / every.len() as f64;
    assert!((0.8..1.2).contains(&ratio), "{weights} for {}", every.len());
    let numbers =
        |events: &[Value]| events.iter().map(|one| one["id"].as_u64().unwrap()).collect::<BTreeSet<_>>();
    assert!(numbers(&some).is_subset(&numbers(&every)), "both readers get the same events");
}

#[test]
fn the_first_event_says_what_the_others_refer_to() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--policy=random"]);
    let events = lb.events();
    assert_eq!(events.kinds()[..2], ["hello", "tick"]);
    let hello = &events.all("hello")[0];
    assert_eq!(
        (&hello["schema"], &hello["policy"], &hello["explain"]),
        (&json!(1), &json!("random"), &json!(false))
    );
    assert_eq!(hello["backends"][0]["url"], upstream.url());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64;
    let told = hello["epoch_unix_us"].as_u64().unwrap() + time(hello);
    assert!(told <= now && now - told < 10_000_000, "{told} {now}");
}

#[test]
fn ticks_count_what_happens_between_them() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let events = lb.events();
    // The first tick comes with `hello`; latencies count from the second on.
    eventually("the second tick", || when(events.all("tick").len() > 1, ()));
    (0..20).for_each(|_| assert_eq!(lb.get("/").status, 200));
    let ticks = eventually("a tick with all requests", || {
        let ticks = events.all("tick");
        when(ticks.last().is_some_and(|tick| tick["ended"] == 20), ticks)
    });
    let rows: Vec<&Value> = ticks.iter().flat_map(|tick| tick["backends"].as_array().unwrap()).collect();
    let last = rows.last().unwrap();
    assert_eq!((&last["picks"], &last["answers"], &last["in_flight"]), (&json!(20), &json!(20), &json!(0)));
    let buckets = rows.iter().filter_map(|row| row["latency"].as_array()).flatten();
    assert_eq!(buckets.map(|bucket| bucket[1].as_u64().unwrap()).sum::<u64>(), 20);
    // A backend without requests is left out.
    let before = events.all("tick").len();
    let later =
        eventually("two more ticks", || when(events.all("tick").len() > before + 1, events.all("tick")));
    assert_eq!(later.last().unwrap()["backends"], json!([]));
}

#[test]
fn a_reader_that_comes_back_goes_on_where_it_stopped() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let events = Events::asked(lb.admin, "/events?requests=none", "");
    let policy = |policy: &str| assert_eq!(order(&lb, "PUT /policy", &json!({"policy": policy})).0, 200);
    policy("random");
    let change = |events: &Events| {
        let changes = events.all("control");
        changes.iter().map(|change| change["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    eventually("the first change", || when(change(&events).len() == 1, ()));
    let last = events.last_id();
    drop(events);
    policy("maglev");
    let back = Events::asked(lb.admin, "/events", &format!("Last-Event-ID: {last}\r\n"));
    eventually("the second change", || {
        let changes = change(&back);
        when(changes == ["policy random -> maglev"], changes)
    });
    let new = Events::asked(lb.admin, "/events", "");
    policy("ring");
    eventually("the third change", || {
        let changes = change(&new);
        when(changes == ["policy maglev -> ring"], changes)
    });
}

#[test]
fn each_probe_says_how_far_the_backend_is_on_its_way() {
    let upstream = Upstream::well("ok");
    let flags = ["--ping-interval=50ms", "--ping-timeout=50ms", "--fall=3"];
    let lb = Lb::start(&[&upstream], &flags);
    upstream.wait_for_ping();
    let events = lb.events();
    upstream.stop();
    events.change("1 up -> down");
    let progress: Vec<_> = events
        .all("probe")
        .into_iter()
        .filter(|probe| probe["ok"] == false)
        .map(|probe| (probe["progress"]["towards"].clone(), probe["progress"]["count"].clone()))
        .collect();
    assert_eq!(progress[..2], [(json!("down"), json!(1)), (json!("down"), json!(2))], "{progress:?}");
}

#[test]
fn sampled_requests_are_explained_without_being_asked() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--explain"]);
    let events = Events::asked(lb.admin, "/events", "");
    let answer = lb.get("/");
    assert_eq!(answer.head.get("x-lb-why"), None, "this client has not asked");
    let why = eventually("the explanation", || events.all("why").first().cloned().ok_or("none"));
    let request = events.all("req").remove(0);
    assert_eq!(why["id"], request["id"]);
    let decision = &why["decisions"][0];
    assert_eq!((&decision["chosen"], &decision["tries"][0]["status"]), (&json!(1), &json!(200)));
}

#[test]
fn a_hedge_is_counted_at_the_backend_that_got_it() {
    let slow = Upstream::new(|_| Reply::Silence);
    let quick = Upstream::well("quick");
    let lb = Lb::start(&[&slow, &quick], &[NO_PINGS, "--hedge-after=20ms", "--policy=round-robin"]);
    assert_eq!(lb.get("/slow").text(), "quick");
    assert_eq!((&lb.backend(1)["hedges"], &lb.backend(2)["hedges"]), (&json!(0), &json!(1)));
    let metrics = Metrics::of(lb.admin);
    assert_eq!(metrics.sum("roundabout_backend_hedges_total", &[]), 1.0);
}

#[test]
fn a_backend_that_is_removed_and_added_again_begins_anew() {
    let (upstream, other) = (Upstream::well("ok"), Upstream::well("ok"));
    let lb = Lb::start(&[&upstream, &other], &[NO_PINGS]);
    let events = lb.events();
    eventually("the second tick", || when(events.all("tick").len() > 1, ()));
    (0..20).for_each(|_| assert_eq!(lb.get("/").status, 200));
    // The latencies of a slice that has ended are those of the backend before.
    throughout(Duration::from_secs(6), || assert_eq!(lb.get("/").status, 200));
    order(&lb, "DELETE /backends/2", &json!({}));
    eventually("it is gone", || when(lb.states().len() == 1, lb.states()));
    let (status, added) = order(&lb, "POST /backends", &json!({"url": other.url()}));
    assert_eq!((status, &added["number"]), (201, &json!(2)), "the number is free again");
    let before = events.all("tick").len();
    (0..20).for_each(|_| assert_eq!(lb.get("/").status, 200));
    eventually("ticks go on", || when(events.all("tick").len() > before + 2, events.all("tick").len()));
    eventually("the sums begin anew", || {
        let ticks = events.all("tick");
        let mut rows: Vec<Value> = Vec::new();
        ticks.iter().skip(before).for_each(|tick| rows.extend(tick["backends"].as_array().unwrap().clone()));
        rows.retain(|row| row["backend"] == 2);
        let picks = rows.pop().and_then(|row| row["picks"].as_u64());
        when(picks.is_some_and(|picks| (1..=12).contains(&picks)), picks)
    });
}
