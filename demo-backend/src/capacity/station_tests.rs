//! Tests of the station: tables with times worked out by hand, and properties.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Capacity, Discipline, OnDisconnect, Reason, SLACK, Station, Step};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A simulation in milliseconds from its beginning: it drives a station as the worker does.
struct Run {
    station: Station,
    epoch: Instant,
    work: Vec<u64>,
    /// What happened: "b1@5" for the begin of request 1 at 5 ms, "e1" for an end, "full3" for a drop.
    log: Vec<String>,
    waited: Vec<Option<Duration>>,
    most_serving: usize,
}

impl Run {
    fn new(capacity: Capacity) -> Self {
        let epoch = Instant::now();
        let station = Station::new(capacity, epoch);
        Self { station, epoch, work: Vec::new(), log: Vec::new(), waited: Vec::new(), most_serving: 0 }
    }

    fn of(workers: u32, discipline: Discipline) -> Self {
        Self::new(Capacity { workers: Some(workers), discipline, ..Capacity::default() })
    }

    /// Passes time up to this moment, with a timer that is never late.
    fn to(&mut self, now: u64) {
        while let Some(next) = self.station.next_event() {
            let next = (next - self.epoch).as_millis() as u64;
            if next > now {
                break;
            }
            self.wake(next);
        }
        self.wake(now);
    }

    /// Passes time up to this moment at once.
    fn wake(&mut self, now: u64) {
        while let Some(step) = self.station.pass_time(self.epoch + ms(now)) {
            match step {
                Step::Begin { id, at } => {
                    self.station.occupy(id, Some(at + ms(self.work[id as usize])));
                    self.log.push(format!("b{id}@{}", (at - self.epoch).as_millis()));
                }
                Step::End { id, waited, .. } => {
                    self.waited[id as usize] = Some(waited);
                    self.log.push(format!("e{id}"));
                }
                Step::Drop { id, reason, .. } => self.log.push(format!("{}{id}", reason.word())),
            }
            self.most_serving = self.most_serving.max(self.station.serving());
        }
    }

    /// The next request arrives.
    fn arrive(&mut self, now: u64, work: u64, patience: Option<u64>) {
        self.to(now);
        let id = self.work.len() as u64;
        self.work.push(work);
        self.waited.push(None);
        let (now_at, patience) = (self.epoch + ms(now), patience.map(ms));
        if let Err(reason) = self.station.arrive(id, now_at, patience, ms(work)) {
            self.log.push(format!("{}{id}", reason.word()));
        }
        self.to(now);
    }

    fn leave(&mut self, now: u64, id: u64) {
        if self.station.leave(id, self.epoch + ms(now)) {
            self.log.push(format!("l{id}"));
        }
        self.to(now);
    }

    fn log(mut self) -> String {
        self.to(100_000);
        self.log.join(" ")
    }
}

#[test]
fn disciplines_serve_and_drop_as_their_names_say() {
    for (discipline, expected) in [
        (Discipline::Fifo, "b0@0 e0 b1@50 e1 b2@100 e2 b3@150 e3"),
        (Discipline::Lifo, "b0@0 e0 b3@50 e3 b2@100 e2 b1@150 e1"),
        // The deadlines are at 91 (request 1), 142 (request 2) and 93 (request 3). Request 2 begins at 100 in
        // time, and ends too late.
        (Discipline::DropExpired, "b0@0 e0 b1@50 expired3 e1 b2@100 e2"),
        // At 50, request 1 would end at 100, after 91. Request 2 ends at 100, before 142.
        (Discipline::DropHopeless, "b0@0 e0 hopeless1 b2@50 e2 hopeless3"),
    ] {
        let mut run = Run::of(1, discipline);
        run.arrive(0, 50, None);
        run.arrive(1, 50, Some(90));
        run.arrive(2, 50, Some(140));
        run.arrive(3, 50, Some(90));
        assert_eq!(run.log(), expected, "{discipline:?}");
    }
}

#[test]
fn one_place_serves_three_requests_one_after_the_other() {
    let mut run = Run::of(1, Discipline::Fifo);
    (0..3).for_each(|_| run.arrive(0, 50, None));
    run.to(1000);
    assert_eq!(run.waited, [Some(ms(0)), Some(ms(50)), Some(ms(100))]);
}

#[test]
fn a_queue_has_a_bound_and_a_server_sheds() {
    for (queue, shed, expected) in [
        (Some(0), None, "b0@0 full1 full2 full3 e0"),
        (Some(2), None, "b0@0 full3 e0 b1@50 e1 b2@100 e2"),
        (None, Some(1), "b0@0 shed2 shed3 e0 b1@50 e1"),
        (Some(1), Some(2), "b0@0 full2 full3 e0 b1@50 e1"),
    ] {
        let mut run = Run::new(Capacity { workers: Some(1), queue, shed, ..Capacity::default() });
        (0..4).for_each(|_| run.arrive(0, 50, None));
        assert_eq!(run.log(), expected, "{queue:?} {shed:?}");
    }
}

#[test]
fn a_server_without_limits_serves_all_at_once() {
    let mut run = Run::new(Capacity { queue: Some(0), ..Capacity::default() });
    (0..3).for_each(|_| run.arrive(7, 50, None));
    assert_eq!(run.log(), "b0@7 b1@7 b2@7 e0 e1 e2");
}

#[test]
fn a_request_without_its_client_goes_on_or_stops() {
    for (on_disconnect, expected) in [
        (OnDisconnect::Continue, "b0@0 e0 b1@50 e1 b2@100 e2"),
        // Request 0 frees its place at 10. Request 2 leaves the queue.
        (OnDisconnect::Cancel, "b0@0 l0 b1@10 l2 e1"),
    ] {
        let mut run = Run::new(Capacity { workers: Some(1), on_disconnect, ..Capacity::default() });
        (0..3).for_each(|_| run.arrive(0, 50, None));
        run.leave(10, 0);
        run.leave(20, 2);
        assert_eq!(run.log(), expected, "{on_disconnect:?}");
    }
}

#[test]
fn a_late_timer_costs_no_capacity_and_a_stopped_process_does() {
    let late = |lateness: u64| {
        let mut run = Run::of(1, Discipline::Fifo);
        (0..2).for_each(|_| run.arrive(0, 50, None));
        run.wake(50 + lateness);
        run.log.join(" ")
    };
    assert_eq!(late(3), "b0@0 e0 b1@50");
    let slack = SLACK.as_millis() as u64;
    assert_eq!(late(5000), format!("b0@0 e0 b1@{}", 5050 - slack));
}

#[test]
fn an_end_that_comes_early_frees_the_place() {
    let mut run = Run::of(1, Discipline::Fifo);
    run.arrive(0, 50, None);
    run.arrive(0, 50, None);
    run.to(10);
    run.station.finish(0, run.epoch + ms(10));
    run.station.finish(9, run.epoch + ms(10));
    run.to(30);
    run.station.finish(1, run.epoch + ms(500));
    run.to(60);
    assert_eq!(run.log.join(" "), "b0@0 e0 b1@10 e1", "an end that is known is never put off");
}

#[test]
fn other_settings_hold_from_the_next_step() {
    let mut run = Run::of(1, Discipline::Fifo);
    (0..4).for_each(|_| run.arrive(0, 50, None));
    let two = Capacity { workers: Some(2), queue: Some(0), ..Capacity::default() };
    run.station.change(two, run.epoch + ms(10));
    run.to(10);
    assert_eq!(run.log.join(" "), "b0@0 b1@10", "the second place is used, and the queue stays");
    run.arrive(11, 50, None);
    assert_eq!(run.log(), "b0@0 b1@10 full4 e0 b2@50 e1 b3@60 e2 e3");
}

#[test]
fn the_load_is_the_share_of_the_places_that_are_in_use() {
    let mut run = Run::of(4, Discipline::Fifo);
    // Two of four places are always in use: every 50 ms, two requests of 50 ms begin.
    for turn in 0..200 {
        (0..2).for_each(|_| run.arrive(turn * 50, 50, None));
    }
    let load = run.station.load();
    assert!((load.utilization.unwrap() - 0.5).abs() < 0.001, "{load:?}");
    // 40 ends per second; the average of an impulse every 50 ms ripples by a few percent.
    assert!((load.rate - 40.0).abs() < 2.0, "{load:?}");
    // After one time constant without requests, a share of 1/e is left.
    run.to(199 * 50 + 50 + 1000);
    let later = run.station.load().utilization.unwrap();
    assert!((later - 0.5 * (-1.0f64).exp()).abs() < 0.001, "{later}");
    let unlimited = Run::new(Capacity::default()).station.load();
    assert_eq!(unlimited.utilization, None);
    assert!(unlimited.header(1.0).starts_with("TEXT rps_fractional=0.00,"), "no share of any number");
}

#[test]
fn a_report_in_words_can_lie() {
    let mut run = Run::of(1, Discipline::Fifo);
    run.arrive(0, 60_000, None);
    run.arrive(0, 1, None);
    run.to(30_000);
    let load = run.station.load();
    assert_eq!(
        load.header(0.5),
        "TEXT cpu_utilization=0.5000,rps_fractional=0.00,named_metrics.serving=1.000,named_metrics.waiting=1"
    );
    assert!(load.header(1.0).contains("cpu_utilization=1.0000,"));
}

#[test]
fn every_reason_has_words() {
    for reason in [Reason::Full, Reason::Shed, Reason::Expired, Reason::Hopeless] {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.word());
        assert!(reason.sentence().contains("the "), "{reason:?}");
    }
}

fn disciplines() -> impl Strategy<Value = Discipline> {
    prop_oneof![
        Just(Discipline::Fifo),
        Just(Discipline::Lifo),
        Just(Discipline::DropExpired),
        Just(Discipline::DropHopeless),
    ]
}

/// Requests: the time since the one before, the work, and the patience, in milliseconds.
fn requests() -> impl Strategy<Value = Vec<(u64, u64, Option<u64>)>> {
    prop::collection::vec((0..60u64, 0..80u64, prop::option::of(0..200u64)), 1..60)
}

proptest! {
    #[test]
    fn no_request_is_lost_and_no_place_serves_two(
        workers in 1..4u32,
        queue in prop::option::of(0..6u32),
        discipline in disciplines(),
        cancels: bool,
        requests in requests(),
        leaves in prop::collection::vec((0..60u64, 0..100u64), 0..20),
    ) {
        let on_disconnect = if cancels { OnDisconnect::Cancel } else { OnDisconnect::Continue };
        let capacity =
            Capacity { workers: Some(workers), queue, discipline, on_disconnect, ..Capacity::default() };
        let (mut run, mut now, mut leaves) = (Run::new(capacity), 0, leaves.into_iter());
        for &(gap, work, patience) in &requests {
            now += gap;
            run.arrive(now, work, patience);
            if let Some((request, after)) = leaves.next() {
                run.leave(now + after.min(gap), request);
            }
            prop_assert!(queue.is_none_or(|queue| run.station.waiting() <= queue as usize));
            now += gap;
        }
        run.to(100_000);
        prop_assert!(run.most_serving <= workers as usize);
        prop_assert_eq!((run.station.waiting(), run.station.serving()), (0, 0));
        let ids = |prefixes: &[&str]| -> Vec<u64> {
            let id = |entry: &String| {
                let prefix = prefixes.iter().find(|prefix| entry.starts_with(**prefix))?;
                entry[prefix.len()..].split('@').next()?.parse().ok()
            };
            run.log.iter().filter_map(id).collect()
        };
        // Each request ends in exactly one way.
        let ends = ids(&["full", "shed", "expired", "hopeless", "e", "l"]);
        prop_assert_eq!(ends.len(), requests.len());
        prop_assert_eq!(ends.iter().collect::<BTreeSet<_>>().len(), requests.len());
        if discipline != Discipline::Lifo {
            prop_assert!(ids(&["b"]).is_sorted(), "the oldest begins first: {:?}", run.log);
        }
    }

    /// Lindley's recursion for one place and FIFO ("The theory of queues with a single server", 1952): the
    /// wait of a request is the wait of the one before, plus its service, minus the time between the two.
    #[test]
    fn waits_follow_the_recursion_of_lindley(requests in requests(), looks in prop::collection::vec(1..15u64, 50)) {
        let (mut run, mut now, mut looks) = (Run::of(1, Discipline::Fifo), 0, looks.into_iter().cycle());
        for &(gap, work, _) in &requests {
            // The timer wakes late, but never so late that the process seems to have been stopped.
            let arrival = now + gap;
            while let Some(look) = looks.next().filter(|look| now + look < arrival) {
                now += look;
                run.wake(now);
            }
            now = arrival;
            run.wake(now);
            run.arrive(now, work, None);
        }
        while run.waited.iter().any(Option::is_none) {
            now += looks.next().unwrap_or(1);
            run.wake(now);
        }
        let mut wait: u64 = 0;
        for (place, waited) in run.waited.iter().enumerate() {
            if place > 0 {
                wait = (wait + requests[place - 1].1).saturating_sub(requests[place].0);
            }
            prop_assert_eq!(*waited, Some(ms(wait)), "request {}", place);
        }
    }
}
