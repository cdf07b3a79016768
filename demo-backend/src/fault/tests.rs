//! Tests of the faults: which requests they hit, what they do together, and which definitions are refused.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fields::InvalidDefinition;

fn parse(definition: Value) -> Result<Fault, InvalidDefinition> {
    Fault::parse(definition.as_object().unwrap())
}

/// Faults with the ids 1, 2, 3, ... and a tenth of their ids as key.
fn faults(seed: u64, definitions: &[Value]) -> Faults {
    let active = definitions.iter().zip(1..).map(|(definition, id)| active(id, definition)).collect();
    let mut faults = Faults::new(Instant::now());
    faults.replace(seed, active);
    faults
}

fn active(id: u32, definition: &Value) -> Active {
    let fault = parse(definition.clone()).unwrap();
    Active {
        key: u64::from(id) * 10,
        id,
        fault,
        begins: Instant::now(),
        until: None,
        matched: 0,
        fired: 0,
        lru: Lru::default(),
    }
}

/// A request without headers.
fn request<'a>(method: &'a str, path: &'a str) -> Subject<'a> {
    Subject { method, path, header: &|_| None }
}

/// The numbers of the requests (of `requests` in total) that fault `id` hits.
fn hits(faults: &mut Faults, id: u32, requests: u32) -> BTreeSet<u32> {
    let now = Instant::now();
    (0..requests).filter(|_| faults.plan(request("GET", "/"), now).fired.contains(&id)).collect()
}

proptest! {
    #[test]
    fn a_share_of_the_requests_is_hit(seed: u64, percent in 0.0..=100.0f64) {
        let requests = 4000.0;
        let mut faults = faults(seed, &[json!({"kind": "close_early", "percent": percent})]);
        let hit = hits(&mut faults, 1, requests as u32).len() as f64;
        let share = percent / 100.0;
        // Six standard deviations: this fails by chance less than once in 500 million runs.
        let tolerance = 6.0 * (requests * share * (1.0 - share)).sqrt() + 1.0;
        prop_assert!((hit - requests * share).abs() <= tolerance, "{hit} hits at {percent} percent");
    }

    #[test]
    fn the_same_seed_hits_the_same_requests(seed: u64) {
        let definition = json!({"kind": "latency", "uniform": ["10ms", "1s"], "percent": 40});
        let (mut one, mut two) = (faults(seed, std::slice::from_ref(&definition)), faults(seed, &[definition]));
        let now = Instant::now();
        for _ in 0..200 {
            prop_assert_eq!(one.plan(request("GET", "/"), now), two.plan(request("GET", "/"), now));
        }
    }

    #[test]
    fn a_second_fault_does_not_change_which_requests_the_first_one_hits(
        seed: u64,
        number in 0..KINDS.len(),
        percent in 0..=100u32,
    ) {
        let first = json!({"kind": "status", "code": 500, "percent": 30, "skip": 3, "every": 2});
        let row = &KINDS[number];
        let mut second: Value = serde_json::from_str(row.example).unwrap();
        if row.scope.iter().any(|field| field.name == "percent") {
            second["percent"] = json!(percent);
        }
        let alone = hits(&mut faults(seed, std::slice::from_ref(&first)), 1, 200);
        prop_assert_eq!(hits(&mut faults(seed, &[first, second]), 1, 200), alone);
    }

    #[test]
    fn other_requests_do_not_change_which_requests_a_fault_hits(seed: u64, others in 0..5u32) {
        let definition = json!({"kind": "reset", "percent": 30, "match": {"path": "/a"}});
        let mut alone = faults(seed, std::slice::from_ref(&definition));
        let mut among_others = faults(seed, &[definition]);
        let now = Instant::now();
        for _ in 0..100 {
            for _ in 0..others {
                prop_assert_eq!(among_others.plan(request("GET", "/b"), now), Plan::default());
            }
            prop_assert_eq!(among_others.plan(request("GET", "/a"), now), alone.plan(request("GET", "/a"), now));
        }
    }

    #[test]
    fn exactly_the_first_n_are_hit(first in 1..50u64) {
        let mut faults = faults(1, &[json!({"kind": "garbage", "first": first})]);
        let expected: BTreeSet<_> = (0..first as u32).collect();
        prop_assert_eq!(hits(&mut faults, 1, 100), expected);
    }

    #[test]
    fn latencies_stay_in_their_bounds(seed: u64) {
        let latency = |shape: &str, value: Value| {
            let mut faults = faults(seed, &[json!({"kind": "latency", shape: value})]);
            faults.plan(request("GET", "/"), Instant::now()).waits[0].lasts.unwrap()
        };
        let ms = Duration::from_millis;
        prop_assert_eq!(latency("fixed", json!("1s 5ms")), ms(1005));
        prop_assert!((ms(10)..=ms(20)).contains(&latency("uniform", json!([10, "20ms"]))));
        prop_assert!(latency("exponential", json!("60s")) <= MAX_LATENCY);
        let bimodal = latency("bimodal", json!({"fast": 1, "slow": 9, "slow_percent": 50}));
        prop_assert!(bimodal == ms(1) || bimodal == ms(9));
    }

    #[test]
    fn no_definition_makes_the_parser_panic(text in "\\PC{0,40}", number: f64) {
        for name in ["kind", "code", "percent", "first", "for", "match", "at", "uniform", "bimodal", "bytes"] {
            for value in [json!(text), json!(number), json!([text, number]), json!({"path": text})] {
                for kind in ["latency", "status", "drip", "truncate"] {
                    let mut definition = json!({"kind": kind});
                    definition[name] = value.clone();
                    let _ = parse(definition);
                }
            }
        }
    }
}

#[test]
fn the_mean_of_exponential_latencies_is_as_asked() {
    let mut faults = faults(7, &[json!({"kind": "latency", "exponential": "100ms"})]);
    let now = Instant::now();
    let total: Duration =
        (0..10_000).map(|_| faults.plan(request("GET", "/"), now).waits[0].lasts.unwrap()).sum();
    let mean = total / 10_000;
    assert!((Duration::from_millis(95)..Duration::from_millis(105)).contains(&mean), "{mean:?}");
}

#[test]
fn faults_act_in_the_order_of_the_table() {
    let mut faults = faults(
        1,
        &[
            json!({"kind": "reset", "at": "mid"}),
            json!({"kind": "drip", "bytes": 2, "every": 5}),
            json!({"kind": "status", "code": 503, "retry_after": 2}),
            json!({"kind": "stall", "hold": 30}),
            json!({"kind": "latency", "fixed": 10}),
        ],
    );
    let plan = faults.plan(request("GET", "/"), Instant::now());
    assert_eq!(plan.fired, [4, 5, 3, 2, 1]);
    let lasts = |ms| Some(Duration::from_millis(ms));
    assert_eq!(plan.waits, [Wait { key: 40, lasts: lasts(30) }, Wait { key: 50, lasts: lasts(10) }]);
    assert_eq!(plan.status, Some(Status { code: 503, retry_after: Some(2) }));
    assert_eq!(plan.drip, Some((20, Drip { bytes: 2, every: Duration::from_millis(5) })));
    assert_eq!(plan.cuts, [Cut { after: None, act: Act::Break(Break::Reset) }]);
    assert_eq!(plan.instead, None);
}

#[test]
fn of_two_faults_of_a_kind_only_the_first_one_fires() {
    for kind in [
        json!({"kind": "status", "code": 500}),
        json!({"kind": "drip"}),
        json!({"kind": "truncate"}),
        json!({"kind": "stall", "at": "mid"}),
        json!({"kind": "reset"}),
        json!({"kind": "garbage"}),
    ] {
        let mut faults = faults(1, &[kind.clone(), kind]);
        let plan = faults.plan(request("GET", "/"), Instant::now());
        assert_eq!(plan.fired, [1]);
        assert_eq!(plan.drawn, [(10, 1, 1), (20, 1, 0)]);
    }
}

#[test]
fn a_fault_is_for_the_requests_it_matches() {
    for (matches, method, path, covered) in [
        (json!({}), "GET", "/", true),
        (json!({"path": "/a"}), "GET", "/a", true),
        (json!({"path": "/a"}), "GET", "/a/b", false),
        (json!({"path": "/a*"}), "GET", "/a/b", true),
        (json!({"path": "/a/*"}), "GET", "/a", false),
        (json!({"path": "/*"}), "GET", "/", true),
        (json!({"method": "POST"}), "GET", "/", false),
        (json!({"method": "POST", "path": "/a"}), "POST", "/a", true),
        (json!({"method": "POST", "path": "/a"}), "POST", "/b", false),
    ] {
        let mut faults = faults(1, &[json!({"kind": "reset", "match": matches})]);
        assert_eq!(
            faults.plan(request(method, path), Instant::now()).fired == [1],
            covered,
            "{matches} {method} {path}"
        );
    }
}

#[test]
fn a_fault_expires_when_its_time_is_over() {
    let now = Instant::now();
    let end = now + Duration::from_secs(10);
    let timed = |id, kind| Active { until: Some(end), ..active(id, &json!({"kind": kind})) };
    let mut faults = Faults::new(Instant::now());
    faults.replace(1, vec![timed(1, "reset"), timed(2, "refuse")]);
    let before = end - Duration::from_nanos(1);
    assert_eq!(faults.plan(request("GET", "/"), before).fired, [1]);
    assert_eq!(faults.refusing(before), Some(20));
    assert_eq!(faults.standing(10, before), Some(Some(end)));
    assert_eq!(faults.next_change(before), Some(end));
    assert_eq!(faults.plan(request("GET", "/"), end), Plan::default());
    assert_eq!(faults.refusing(end), None);
    assert_eq!(faults.standing(10, end), None);
    assert_eq!(faults.next_change(end), None);
}

#[test]
fn a_fault_that_is_replaced_by_itself_keeps_its_counts() {
    let definition = json!({"kind": "reset", "first": 2});
    let mut faults = faults(1, std::slice::from_ref(&definition));
    faults.plan(request("GET", "/"), Instant::now());
    faults.replace(1, vec![active(1, &definition), active(2, &json!({"kind": "drip"}))]);
    assert_eq!(faults.plan(request("GET", "/"), Instant::now()).drawn, [(20, 1, 1), (10, 2, 2)]);
    assert_eq!(faults.plan(request("GET", "/"), Instant::now()).fired, [2], "the first fault has hit twice");
}
