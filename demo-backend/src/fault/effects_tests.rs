//! Tests: what each kind does to a request, and the scopes. The expected values are worked out by hand.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// One fault, with the seed 1 and the id 1, in a worker that starts when the fault begins.
struct Alone {
    faults: Faults,
    start: Instant,
}

impl Alone {
    fn new(definition: &Value) -> Self {
        let start = Instant::now();
        let fault = Fault::parse(definition.as_object().unwrap()).unwrap();
        let begins = start + fault.after;
        let until = fault.lasts.map(|lasts| begins + lasts);
        let mut faults = Faults::new(start);
        let lru = Lru::default();
        faults.replace(1, vec![Active { key: 1, id: 1, fault, begins, until, matched: 0, fired: 0, lru }]);
        Self { faults, start }
    }

    /// The plan for a request for `/`, this long after the start.
    fn at(&mut self, age: Duration) -> Plan {
        self.ask("/", &[], age)
    }

    fn ask(&mut self, path: &str, headers: &[(&str, &str)], age: Duration) -> Plan {
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        self.faults.plan(Subject { method: "GET", path, header: &header }, self.start + age)
    }

    /// The delay of a request, this long after the start.
    fn delay(&mut self, age: Duration) -> Duration {
        self.at(age).waits.iter().filter_map(|wait| wait.lasts).sum()
    }

    /// For ten requests, S for one that the fault spares and F for one that it hits.
    fn hits(&mut self) -> String {
        (0..10).map(|_| if self.at(Duration::ZERO).fired.is_empty() { 'S' } else { 'F' }).collect()
    }
}

#[test]
fn a_scope_says_which_requests_are_hit() {
    for (scope, hits) in [
        (json!({}), "FFFFFFFFFF"),
        (json!({"skip": 3}), "SSSFFFFFFF"),
        (json!({"every": 3}), "SSFSSFSSFS"),
        (json!({"skip": 1, "every": 3}), "SSSFSSFSSF"),
        (json!({"first": 2}), "FFSSSSSSSS"),
        (json!({"skip": 2, "every": 2, "first": 2}), "SSSFSFSSSS"),
        (json!({"percent": 0}), "SSSSSSSSSS"),
    ] {
        let mut definition = json!({"kind": "reset"});
        definition.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        assert_eq!(Alone::new(&definition).hits(), hits, "{scope}");
    }
}

#[test]
fn a_fault_begins_after_a_time_and_ends_after_another() {
    let fault = Alone::new(&json!({"kind": "refuse", "after": "2s", "for": "3s"}));
    for (age, refuses, next) in
        [(1999, false, Some(2000)), (2000, true, Some(5000)), (4999, true, Some(5000)), (5000, false, None)]
    {
        let now = fault.start + ms(age);
        assert_eq!(fault.faults.refusing(now).is_some(), refuses, "{age}");
        assert_eq!(fault.faults.next_change(now), next.map(|next| fault.start + ms(next)), "{age}");
    }
    let mut late = Alone::new(&json!({"kind": "ramp", "from": 0, "to": "1s", "over": "1s", "after": "2s"}));
    assert_eq!(late.at(ms(1999)), Plan::default(), "a request before the beginning is not drawn");
    assert_eq!(late.delay(ms(2500)), ms(500), "the ramp counts from the beginning of the fault");
    assert!(fault.faults.on_term(fault.start + ms(2000)).is_none());
}

#[test]
fn a_fault_can_be_for_requests_with_a_header() {
    let matches = json!({"header": {"x-user": "7", "x-plan": "free*"}});
    let mut fault = Alone::new(&json!({"kind": "close_early", "match": matches}));
    for (headers, is_hit) in [
        (&[("x-user", "7"), ("x-plan", "free-2")][..], true),
        (&[("x-user", "70"), ("x-plan", "free")], false),
        (&[("x-user", "7"), ("x-plan", "paid")], false),
        (&[("x-user", "7")], false),
    ] {
        assert_eq!(!fault.ask("/", headers, ms(0)).fired.is_empty(), is_hit, "{headers:?}");
    }
}

#[test]
fn a_cold_worker_reaches_full_speed_in_its_time() {
    let mut cold = Alone::new(&json!({"kind": "cold_start", "from": 10, "over": "10s"}));
    for (age, speed) in [(0, 10.0), (5_000, 55.0), (9_000, 91.0), (10_000, 100.0), (60_000, 100.0)] {
        let plan = cold.at(ms(age));
        assert!((plan.speed() - speed).abs() < 1e-9, "{age}: {}", plan.speed());
        assert_eq!(plan.fired.is_empty(), age >= 10_000, "a warm worker is not hit");
    }
    let plan = Plan { speeds: vec![50.0, 10.0], ..Plan::default() };
    assert!((plan.speed() - 5.0).abs() < 1e-9, "two such faults multiply");
}

#[test]
fn a_cache_forgets_the_least_recently_used_key() {
    let mut cache = Alone::new(&json!({"kind": "cache", "size": 2, "hit": 20, "miss": 120}));
    // a b are new; a is used again, so c takes the place of b; then b takes the place of a.
    for (key, is_hit) in [
        ("/a", false),
        ("/b", false),
        ("/a", true),
        ("/c", false),
        ("/a", true),
        ("/b", false),
        ("/c", false),
    ] {
        let plan = cache.ask(key, &[], ms(0));
        assert_eq!(plan.cache_hit, Some(is_hit), "{key}");
        assert_eq!(plan.waits[0].lasts, Some(ms(if is_hit { 20 } else { 120 })), "{key}");
    }
    let by_header = json!({"kind": "cache", "size": 9, "hit": 0, "miss": 0, "header": "x-prefix"});
    let mut cache = Alone::new(&by_header);
    assert_eq!(cache.ask("/a", &[("x-prefix", "1")], ms(0)).cache_hit, Some(false));
    assert_eq!(
        cache.ask("/b", &[("x-prefix", "1")], ms(0)).cache_hit,
        Some(true),
        "the path is no part of the key"
    );
    assert_eq!(cache.ask("/b", &[("x-prefix", "2")], ms(0)).cache_hit, Some(false));
}

#[test]
fn a_ramp_goes_up_or_down_and_stays() {
    for (from, to, at_half) in [(100, 500, 300), (500, 100, 300), (0, 10, 5)] {
        let mut ramp = Alone::new(&json!({"kind": "ramp", "from": from, "to": to, "over": "30s"}));
        let delays = [0, 15_000, 30_000, 90_000].map(|age| ramp.delay(ms(age)));
        assert_eq!(delays, [from, at_half, to, to].map(ms));
    }
}

#[test]
fn a_pause_of_the_server_delays_to_its_end() {
    let mut gc = Alone::new(&json!({"kind": "gc", "every": "2s", "pause": "200ms"}));
    for (age, delay) in [(0, 200), (50, 150), (199, 1), (200, 0), (1999, 0), (2000, 200), (4150, 50)] {
        assert_eq!(gc.delay(ms(age)), ms(delay), "{age}");
    }
}

#[test]
fn a_pattern_fails_request_by_request_and_a_flap_by_time() {
    let mut pattern = Alone::new(&json!({"kind": "pattern", "pattern": "SSF", "code": 500}));
    assert_eq!(pattern.hits(), "SSFSSFSSFS");
    let failed = Alone::new(&json!({"kind": "pattern", "pattern": "F", "code": 500})).at(ms(0));
    assert_eq!(failed.status, Some(Status { code: 500, retry_after: None }));
    let mut flap = Alone::new(&json!({"kind": "flap", "up": "2s", "down": "1s"}));
    for (age, is_down) in [(0, false), (1999, false), (2000, true), (2999, true), (3000, false), (5000, true)]
    {
        let status = flap.at(ms(age)).status;
        assert_eq!(status, is_down.then_some(Status { code: 503, retry_after: None }), "{age}");
    }
}

#[test]
fn the_reaction_to_sigterm_is_the_first_one() {
    for (how, exit) in [
        (json!({"how": "ignore"}), Exit::Ignore),
        (json!({"how": "immediate"}), Exit::Immediate),
        (json!({"how": "drain"}), Exit::Drain(Duration::from_secs(5))),
        (json!({"how": "drain", "grace": "2s"}), Exit::Drain(Duration::from_secs(2))),
    ] {
        let mut definition = how.clone();
        definition["kind"] = json!("exit_on_term");
        let mut fault = Alone::new(&definition);
        assert_eq!(fault.faults.on_term(fault.start), Some((1, exit)), "{how}");
        assert_eq!(fault.at(ms(0)), Plan::default(), "it hits no request");
    }
}

/// The sorted delays of 20,000 requests in seconds.
fn delays(shape: &str, value: &Value) -> Vec<f64> {
    let mut fault = Alone::new(&json!({"kind": "latency", shape: value}));
    let mut delays: Vec<_> = (0..20_000).map(|_| fault.delay(ms(0)).as_secs_f64()).collect();
    delays.sort_by(f64::total_cmp);
    delays
}

/// The place of a quantile has a standard deviation of sqrt(n q (1 - q)); the band is five of them.
fn assert_quantile(delays: &[f64], quantile: f64, expected: f64) {
    let n = delays.len() as f64;
    let (place, band) = (n * quantile, 5.0 * (n * quantile * (1.0 - quantile)).sqrt());
    let (low, high) =
        (delays[(place - band) as usize], delays[((place + band) as usize).min(delays.len() - 1)]);
    assert!((low..=high).contains(&expected), "{quantile}: {expected} is not in {low}..{high}");
}

#[test]
fn random_delays_have_the_quantiles_of_their_distribution() {
    let lognormal = delays("lognormal", &json!({"p50": "20ms", "p99": "200ms"}));
    assert_quantile(&lognormal, 0.5, 0.020);
    assert_quantile(&lognormal, 0.99, 0.200);
    // The logarithm is normal: its 10th and 90th percentiles are 1.28155 standard deviations from the median.
    let sigma = 10.0f64.ln() / 2.326_35;
    assert_quantile(&lognormal, 0.9, 0.020 * (1.281_55 * sigma).exp());
    assert_quantile(&lognormal, 0.1, 0.020 * (-1.281_55 * sigma).exp());
    // The quantile q of a Pareto distribution is min (1 - q)^(-1/alpha): with 1.5, 1 - 1/8 gives 4 min.
    let pareto = delays("pareto", &json!({"min": "10ms", "alpha": 1.5, "cap": "1s"}));
    assert_quantile(&pareto, 0.875, 0.040);
    assert_quantile(&pareto, 0.992, 0.250);
    assert!(pareto[0] >= 0.010 && pareto[19_999] <= 1.0);
}

#[test]
fn statuses_come_with_their_weights() {
    let mut fault = Alone::new(&json!({"kind": "status", "weighted": {"200": 0.9, "503": 0.1}}));
    let codes: Vec<_> =
        (0..10_000).filter_map(|_| fault.at(ms(0)).status).map(|status| status.code).collect();
    let failed = codes.iter().filter(|code| **code == 503).count() as f64;
    assert_eq!(codes.len(), 10_000);
    // Five standard deviations of a binomial count: 5 sqrt(10000 0.1 0.9) = 150.
    assert!((failed - 1000.0).abs() < 150.0, "{failed}");
}

#[test]
fn a_load_report_says_the_truth_unless_it_lies() {
    assert_eq!(Alone::new(&json!({"kind": "load_report"})).at(ms(0)).load_report, Some(1.0));
    assert_eq!(Alone::new(&json!({"kind": "load_report", "lie": 0.5})).at(ms(0)).load_report, Some(0.5));
}
