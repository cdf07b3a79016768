//! The plan of a setup, and the setups that cannot run live.

use serde_json::json;

use super::*;
use crate::live::script::Action;

fn plan(setup: &str) -> Result<Plan, String> {
    Plan::read(toml::from_str(setup).unwrap(), "least-connections")
}

const SMALL: &str = r#"
requests = 400
servers = [{ count = 2, workers = 3 }]
arrivals = { even = 100 }
service = { fixed = "10ms" }
"#;

#[test]
fn a_setup_says_what_is_started() {
    let plan = plan(
        r#"
seed = 7
time = "8s"
servers = [{ count = 1, workers = 3, queue = 20, discipline = "drop-expired", on_disconnect = "continue", weight = 5 },
           { count = 1, workers = "unlimited", cache = { keys = 12, hit = "20ms", miss = "120ms" }, pings = "SF" }]
balancer = { ping = "http", fall = 1, panic_threshold = 50, retry_on_errors = true, budget_percent = 20, silence = "2s",
             subset = 1, teaching = true, load_view_delay = "3s", explain = true }
arrivals = { clients = 16, think = { fixed = "1ms" } }
service = { fixed = "100ms" }
clients = { keys = 40, hot_share = 0.6 }
lb = { hedging = { after = "50ms" } }
"#,
    )
    .unwrap();
    assert_eq!((plan.seed(), plan.end, plan.length()), (7, End::Time(s(8)), Some(s(8))));
    assert_eq!(
        plan.capacities,
        [
            json!({
                "workers": 3, "work": "100000us", "queue": 20, "discipline": "drop_expired",
                "on_disconnect": "continue",
            }),
            json!({"workers": "unlimited"}),
        ]
    );
    assert_eq!(plan.weights, [5, 1]);
    let cache =
        json!({"kind": "cache", "size": 12, "hit": "20000us", "miss": "120000us", "header": "x-lab-key"});
    let pings = json!({"kind": "pattern", "pattern": "SF", "match": {"path": "/healthz"}});
    assert_eq!(plan.faults, [(2, pings), (2, cache)]);
    let settings: Table = toml::from_str(&plan.settings).unwrap();
    let expected: Table = toml::from_str(
        r#"
balance = { policy = "least-connections", explain = true, hash_by = "header:x-lab-key", panic_threshold = "50%", subset = 1, teaching = true, load_view_delay = "3s" }
health = { ping_path = "/healthz", ping_headers = ["X-Lab-Work: 0"], fall = 1, silence = "2s" }
retries = { on = [500, 502, 503, 504], budget = "20%" }
hedging = { after = "50ms" }
"#,
    )
    .unwrap();
    assert_eq!(settings, expected);
    let address = "127.0.0.1:1".parse().unwrap();
    assert_eq!(plan.load(address, 7).1, Shape { is_open: false, rate: 0.0, clients: 16 });
}

#[test]
fn faults_of_the_beginning_are_there_before_the_first_request() {
    let plan = plan(&format!(
        r#"{SMALL}
fault = [
  {{ at = "3s", kind = "start", backend = 1 }},
  {{ at = "0s", kind = "slow", backend = 1, times = 4 }},
  {{ at = "0s", kind = "status", backend = 2, code = 500, takes = "1ms" }},
  {{ at = "1s", kind = "kill", backend = 1 }},
  {{ at = "2s", kind = "pings", backend = 2, percent = 30, lasts = "4s" }},
]"#
    ))
    .unwrap();
    assert_eq!(plan.capacities[0]["speed"], 25.0);
    assert_eq!(plan.capacities[1]["work"], "1000us");
    assert_eq!(plan.faults, [(2, json!({"kind": "status", "code": 500, "match": {"path": "/"}}))]);
    let pings = json!({
        "kind": "status", "code": 503, "match": {"path": "/healthz"}, "percent": 30.0, "for": "4000000us",
    });
    let steps: Vec<_> =
        plan.script.iter().map(|(at, step)| (at.as_secs(), step.backend, &step.action)).collect();
    assert_eq!(steps, [(1, 1, &Action::Kill), (2, 2, &Action::Fault(pings)), (3, 1, &Action::Start)]);
}

#[test]
fn the_length_of_a_run_follows_from_its_rate() {
    assert_eq!(plan(SMALL).unwrap().length(), Some(s(4)));
    let closed = SMALL.replace("even = 100", "clients = 4");
    assert_eq!(plan(&closed).unwrap().length(), None);
}

#[test]
fn what_cannot_run_live_is_said() {
    for (from, to, expected) in [
        ("count = 2", "count = 17", "write 1 to 16"),
        ("requests = 400", "requests = 6001", "write fewer"),
        ("requests = 400", "time = \"61s\"", "at most 60s"),
        ("requests = 400", "", "either requests or time"),
        ("even = 100", "steps = []", "unknown field `steps`"),
        ("even = 100", "even = 1, poisson = 1", "one of even, poisson and clients"),
        ("fixed = \"10ms\"", "fixed = 10", "10 is no time; write a number with a unit"),
        ("fixed = \"10ms\"", "fixed = \"10\"", "write a number with a unit"),
        ("fixed = \"10ms\"", "", "write one law"),
        ("[{ count", "[{ collections = {}, count", "unknown field `collections`"),
        ("arrivals", "balancer = { count = 2 }\narrivals", "unknown field `count`"),
        ("arrivals", "balancer = { ping = \"udp\" }\narrivals", "write tcp, http or none"),
        ("arrivals", "lb = { hedging = 3 }\narrivals", "lb.hedging: write a table"),
        ("arrivals", "fault = [{ at = \"0s\", kind = \"kill\", backend = 3 }]\narrivals", "write 1 to 2"),
        (
            "arrivals",
            "fault = [{ at = \"1s\", kind = \"slow\", backend = 1, times = 2 }]\narrivals",
            "at = \"0s\"",
        ),
        (
            "arrivals",
            "fault = [{ at = \"1s\", kind = \"status\", backend = 1, takes = \"1ms\" }]\narrivals",
            "takes only with",
        ),
    ] {
        let error = plan(&SMALL.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
