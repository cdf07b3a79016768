//! Tests of the requests of a load as events.

use serde_json::json;

use super::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The clock of the lab began 1 s before that of the load.
fn names(hash_by: Option<&str>) -> LoadNames {
    LoadNames { name: "load1".into(), hash_by: hash_by.map(str::to_owned), offset: 1_000_000 }
}

fn line() -> (String, String) {
    ("GET".into(), "/busy/30000".into())
}

/// A request that was due at 100 ms, was sent at 130 ms because the load was late by 5 ms and no connection
/// was free, and was answered at 175 ms, after 30 ms of service and 10 ms in a queue.
fn entry(outcome: Outcome) -> Entry {
    Entry {
        sent: ms(130),
        last_sent: ms(130),
        late: ms(5),
        key: Some(7),
        truth: GroundTruth { queue: Some(ms(10)), service: Some(ms(30)), ..GroundTruth::default() },
        ..Entry::example(42, ms(100), ms(175), outcome, Some(3))
    }
}

#[test]
fn a_request_has_the_times_of_its_client() {
    let tries = names(None).tries(&entry(Outcome::Answered(200)), line());
    let [ClientSide { number: 42, req }] = &tries[..] else { panic!("{tries:?}") };
    assert_eq!((req.t, req.total_us, req.status, req.backend), (1_175_000, 75_000, 200, Some(3)));
    // 25 ms without a connection; the 5 ms of the load and the 45 ms of the try are one.
    assert_eq!((req.queue_us, req.head_us), (25_000, 50_000));
    assert_eq!((req.service_us, req.server_queue_us), (Some(30_000), Some(10_000)));
    assert_eq!((&*req.path, &*req.method, req.n), ("/busy/30000", "GET", 0));
    assert_eq!(req.request_id.as_deref(), Some("load1-42"));
}

#[test]
fn the_key_is_what_the_balancer_takes() {
    for (hash_by, expected) in [
        (Some("header:x-request-id"), "load1-42"),
        (Some("header:X-Request-Id"), "load1-42"),
        (Some("header:x-user"), "7"),
        (None, "127.0.0.1"),
    ] {
        let tries = names(hash_by).tries(&entry(Outcome::Answered(200)), line());
        assert_eq!(tries[0].req.key.as_deref(), Some(expected), "{hash_by:?}");
    }
}

#[test]
fn a_request_without_an_answer_says_why() {
    let failed = |why: &str| Outcome::Failed(why.into());
    for (outcome, status, failure) in [
        (Outcome::Answered(503), 503, None),
        (failed("no complete answer within 30s"), 499, Some("the client left")),
        (failed("connection reset"), 0, Some("connection reset")),
        (Outcome::Mistaken("it is the answer to load1-3".into()), 0, Some("the answer to another request")),
    ] {
        let tries = names(None).tries(&entry(outcome), line());
        assert_eq!((tries[0].req.status, tries[0].req.failure.as_deref()), (status, failure));
    }
}

#[test]
fn each_try_is_a_request() {
    let earlier =
        json!([{"sent_us": 130_000, "ended_us": 140_000, "outcome": {"answered": 503}, "backend": 1}]);
    let entry = Entry {
        earlier: serde_json::from_value(earlier).unwrap(),
        last_sent: ms(160),
        ..entry(Outcome::Answered(200))
    };
    let tries = names(None).tries(&entry, line());
    let told: Vec<_> = tries
        .iter()
        .map(|side| (side.req.t, side.req.status, side.req.backend, side.req.queue_us, side.req.total_us))
        .collect();
    // The wait of the client between its tries belongs to neither of them.
    assert_eq!(told, [(1_140_000, 503, Some(1), 25_000, 40_000), (1_175_000, 200, Some(3), 0, 15_000)]);
}

#[test]
fn only_ids_of_the_load_have_a_number() {
    let names = names(None);
    for (id, number) in
        [("load1-42", Some(42)), ("load1-", None), ("load2-42", None), ("load1-4x", None), ("load1", None)]
    {
        assert_eq!(names.number(Some(id)), number, "{id}");
    }
    assert_eq!((names.number(None), LoadNames::default().number(Some("-4"))), (None, None));
}

#[test]
fn both_sides_of_a_request_are_one() {
    let sample = Req {
        t: 1_174_000,
        id: 9,
        n: 4,
        attempts: 2,
        queue_us: 2000,
        head_us: 41_000,
        body_us: 500,
        total_us: 43_500,
        ..Req::default()
    };
    let client = &names(None).tries(&entry(Outcome::Answered(200)), line())[0].req;
    let joined = both_sides(&sample, client);
    assert_eq!((joined.t, joined.total_us, joined.id, joined.n), (1_175_000, 75_000, 9, 4));
    // 25 ms for a connection and 2 ms at the balancer, then 47.5 ms for the head and 0.5 ms for the body.
    assert_eq!((joined.queue_us, joined.head_us, joined.body_us), (27_000, 47_500, 500));
    assert_eq!((joined.attempts, joined.service_us), (2, Some(30_000)));
    let with_truth = with_truth(&sample, client);
    assert_eq!((with_truth.t, with_truth.total_us, with_truth.head_us), (1_174_000, 43_500, 41_000));
    assert_eq!((with_truth.service_us, with_truth.key.as_deref()), (Some(30_000), Some("127.0.0.1")));
}
