//! The defaults of the simulated balancers are those of the program `lb`, as `lb.example.toml` shows them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sim::{Balancing, Pings, Places};

/// The settings of `lb.example.toml`.
struct Example(toml::Table);

impl Example {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lb.example.toml");
        Self(fs::read_to_string(path).expect("the example is there").parse().expect("the example is TOML"))
    }

    fn value(&self, section: &str, key: &str) -> &toml::Value {
        &self.0[section][key]
    }

    fn number(&self, section: &str, key: &str) -> u32 {
        self.value(section, key)
            .as_integer()
            .and_then(|number| number.try_into().ok())
            .expect("it is a number")
    }

    fn percent(&self, section: &str, key: &str) -> u32 {
        self.value(section, key)
            .as_str()
            .and_then(|text| text.strip_suffix('%')?.parse().ok())
            .expect("it is a percentage")
    }

    fn time(&self, section: &str, key: &str) -> Duration {
        let text = self.value(section, key).as_str().unwrap_or_default();
        humantime::parse_duration(text).expect("it is a time")
    }

    fn is_off(&self, section: &str, key: &str) -> bool {
        self.value(section, key).as_str() == Some("off")
    }
}

#[test]
fn the_tries_of_a_request_are_those_of_the_program() {
    let (example, Balancing { limits, rules, retry_on_errors, .. }) = (Example::read(), Balancing::default());
    assert_eq!(limits.retries, example.number("retries", "retries"));
    assert_eq!(limits.retry_delay, example.time("retries", "retry_delay"));
    assert_eq!(limits.attempts, example.number("retries", "attempts"));
    assert_eq!(retry_on_errors, !example.value("retries", "on").as_array().unwrap().is_empty());
    assert_eq!(rules.retry_budget.is_none(), example.is_off("retries", "budget"));
}

#[test]
fn the_queue_for_a_place_is_that_of_the_program() {
    let (example, places) = (Example::read(), Places::new(7));
    assert_eq!((places.limit, Balancing::default().places), (7, None));
    assert!(example.is_off("queues", "backend_limit"));
    assert_eq!(places.queue, example.number("queues", "queue"));
    assert_eq!(places.timeout, example.time("queues", "queue_timeout"));
}

#[test]
fn the_pings_are_those_of_the_program() {
    let (example, pings) = (Example::read(), Pings::default());
    assert_eq!(Balancing::default().pings, Some(pings));
    assert_eq!(pings.interval, example.time("health", "ping_interval"));
    assert_eq!(pings.timeout, example.time("health", "ping_timeout"));
    assert_eq!(pings.http, example.0["health"].get("ping_path").is_some());
}

#[test]
fn the_rules_are_those_of_the_program() {
    let (example, rules) = (Example::read(), Balancing::default().rules);
    assert_eq!(rules.policy.name(), example.value("balance", "policy").as_str().unwrap());
    assert_eq!(rules.load_factor, example.percent("balance", "load_factor"));
    assert_eq!(u32::from(rules.panic_threshold), example.percent("balance", "panic_threshold"));
    assert_eq!(rules.slow_start, example.time("balance", "slow_start"));
    assert_eq!(rules.thresholds.rise, example.number("health", "rise"));
    assert_eq!(rules.thresholds.fall, example.number("health", "fall"));
    assert_eq!(rules.silence.at_least, example.time("health", "silence"));
    assert_eq!(rules.silence.waiting, example.number("health", "silence_waiting"));
    assert_eq!(rules.outlier.consecutive_errors, example.number("outlier", "consecutive_errors"));
    assert_eq!(rules.outlier.success_rate, example.value("outlier", "success_rate").as_bool().unwrap());
    assert_eq!(rules.outlier.ejection_time, example.time("outlier", "ejection_time"));
}

/// Two times are no settings. The balancer has them as constants.
#[test]
fn the_times_of_looks_and_questions_are_those_of_the_program() {
    let read = |path| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (program, simulated) = (read("../lb/src/asking.rs"), read("src/balancer.rs"));
    for (theirs, ours) in [
        ("const LOOK: Duration = Duration::from_millis(50);", "const TRAFFIC_CHECK: Duration = ms(50);"),
        ("const QUESTION: Duration = Duration::from_secs(2);", "const QUESTION: Duration = s(2);"),
    ] {
        assert!(program.contains(theirs) && simulated.contains(ours), "{theirs}, and {ours}");
    }
}
