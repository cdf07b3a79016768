//! Tests of the join: what comes from both sides, and what each kind of reader gets.

use super::*;

/// The join of a load with the name `load1`.
fn join() -> Join {
    Join::new(Some(LoadNames { name: "load1".into(), ..LoadNames::default() }))
}

/// A request of the sample, with its id at the balancer and its id at the load.
fn sample(id: u64, request_id: &str, status: u16) -> Event {
    let request_id = Some(request_id.to_owned());
    Event::Req(Box::new(Req { id, n: 3, status, request_id, ..Req::default() }))
}

fn why(id: u64) -> Event {
    Event::Why(Box::new(Why { id, ..Why::default() }))
}

/// The client side of a request.
fn side(number: u64, status: u16) -> ClientSide {
    ClientSide { number, req: Req { status, t: number, service_us: Some(1000 + number), ..Req::default() } }
}

/// Each event as: its readers, its name, the id, and whether a request has its service time.
fn told(events: &[Outgoing]) -> Vec<String> {
    let event = |event: &Event| match event {
        Event::Req(req) if req.id >= FIRST_ID => format!("req L{} n{}", req.id - FIRST_ID, req.n),
        Event::Req(req) => format!("req {} n{} {:?}", req.id, req.n, req.service_us),
        Event::Why(why) => format!("why {}", why.id),
        other => other.name().to_owned(),
    };
    let one = |told: &Outgoing| match told {
        Outgoing::Shared(one) => format!("both {}", event(one)),
        Outgoing::SampleOnly(one) => format!("samples {}", event(one)),
        Outgoing::FullOnly(one) => format!("all {}", event(one)),
    };
    events.iter().map(one).collect()
}

#[test]
fn the_sides_come_in_either_order() {
    let expected = ["samples req 5 n3 Some(1042)", "all req 5 n3 Some(1042)"];
    let mut first = join();
    assert!(first.event(sample(5, "load1-42", 200), 0).is_empty(), "it waits for its client");
    assert!(first.event(why(5), 0).is_empty(), "the reason waits too");
    let both = first.ended(vec![side(41, 200), side(42, 200)], 50_000);
    assert_eq!(told(&both), [expected[0], expected[1], "both why 5"]);
    // The other request is told once, and the joined one is not told again.
    assert_eq!(told(&first.overdue(50_000 + HOLD_US)), ["all req L0 n0"]);
    assert!(first.overdue(10_000_000).is_empty());
    assert_eq!(first.sizes(), (0, 0));

    let mut last = join();
    assert!(last.ended(vec![side(42, 200)], 0).is_empty());
    assert!(last.overdue(HOLD_US - 1).is_empty());
    assert_eq!(told(&last.event(sample(5, "load1-42", 200), HOLD_US - 1)), expected);
    assert_eq!(told(&last.event(why(5), HOLD_US)), ["both why 5"]);
    assert!(last.overdue(10_000_000).is_empty());
}

#[test]
fn a_side_that_waits_too_long_is_told_as_it_is() {
    let mut join = join();
    join.event(sample(5, "load1-42", 200), 0);
    join.event(why(5), 0);
    assert!(join.overdue(HOLD_US - 1).is_empty());
    assert_eq!(told(&join.overdue(HOLD_US)), ["samples req 5 n3 None", "samples why 5"]);
    // Its client comes later: readers of all requests get the request once.
    join.ended(vec![side(42, 200)], 300_000);
    assert_eq!(told(&join.overdue(300_000 + HOLD_US)), ["all req L0 n0"]);
    // Readers of all requests have this one, so only the others get the late sample.
    assert_eq!(told(&join.event(sample(6, "load1-42", 200), 600_000)), ["samples req 6 n3 Some(1042)"]);
}

#[test]
fn what_is_not_of_the_load_is_told_at_once() {
    for (mut join, id) in [(join(), "load9-1"), (join(), "mine"), (Join::default(), "load1-42")] {
        assert_eq!(told(&join.event(sample(5, id, 200), 0)), ["both req 5 n3 None"], "{id}");
        assert_eq!(told(&join.event(why(5), 0)), ["both why 5"]);
    }
    assert_eq!(told(&join().event(Event::Tick(api::Tick::default()), 0)), ["both tick"]);
}

#[test]
fn tries_of_one_request_are_told_apart() {
    let mut join = join();
    join.event(sample(5, "load1-42", 503), 0);
    join.event(sample(6, "load1-42", 200), 0);
    let both = join
        .ended(vec![ClientSide { number: 42, ..side(1, 503) }, ClientSide { number: 42, ..side(2, 200) }], 1);
    let samples: Vec<_> = told(&both).into_iter().filter(|told| told.starts_with("samples")).collect();
    assert_eq!(samples, ["samples req 5 n3 Some(1001)", "samples req 6 n3 Some(1002)"]);
}

#[test]
fn the_memory_has_a_bound_and_nothing_is_lost() {
    let mut join = join();
    let surplus = 10;
    let sides = (0..(MOST_ENDED + surplus) as u64).map(|number| side(number, 200)).collect();
    assert_eq!(join.ended(sides, 0).len(), surplus, "the oldest are told early");
    let flushed: usize = (0..(MOST_SAMPLES + surplus) as u64)
        .map(|id| join.event(sample(id, &format!("load1-{}", 1_000_000 + id), 200), 0).len())
        .sum();
    assert_eq!(flushed, surplus);
    assert_eq!(join.sizes(), (MOST_SAMPLES, MOST_ENDED));
    assert_eq!(join.overdue(HOLD_US).len(), MOST_SAMPLES + MOST_ENDED);
}
