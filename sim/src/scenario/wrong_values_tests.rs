//! Values that a scenario cannot have: each is an error with its line and with what to write instead.

use super::Scenario;

const SMALL: &str = r#"
title = "small"
requests = 100
policies = ["random", "round-robin"]
[[servers]]
count = 2
[arrivals]
poisson = 10
[service]
exp = "50ms"
"#;

/// A part of the small scenario, what replaces it, the line of the error, and words that it contains.
type Row = (&'static str, &'static str, usize, &'static str);

const WRONG: &[Row] = &[
    ("requests = 100", "requests = 100\nwarm_up = 100", 4, "write less than 100, such as 10"),
    ("count = 2", "count = 100001", 6, "100001 is not possible; write a whole number from 1 to 100000"),
    ("count = 2", "count = 60000\n[[servers]]\ncount = 60000", 7, "together at most 100000"),
    ("count = 2", "count = 2\nweight = 4000000000", 7, "write a whole number from 0 to 1000"),
    ("count = 2", "count = 2\nweight = -1", 7, "write a whole number from 0 to 1000"),
    ("count = 2", "count = 2\nlie = 0.5", 5, "write report = true beside it"),
    ("count = 2", "count = 2\nreport = true\nlie = 0", 8, "write a number above 0"),
    (
        "[arrivals]",
        "[balancer]\nremembered_keys = 0\n[arrivals]",
        8,
        "write a whole number from 1 to 1000000",
    ),
    ("count = 2", "count = 2\nweight = 1.5", 7, "write a whole number from 0 to 1000"),
    (
        "count = 2",
        "count = 2\ncollections = { every = \"ever\", lasts = \"1s\" }",
        7,
        "only patience and lasts",
    ),
    (
        "count = 2",
        "count = 2\ncollections = { every = \"1s\", lasts = \"ever\" }",
        7,
        "only patience and lasts",
    ),
    ("[arrivals]", "[balancer]\ncount = 0\n[arrivals]", 8, "write a whole number from 1 to 1000"),
    ("[arrivals]", "[balancer]\npanic_threshold = 12.7\n[arrivals]", 8, "write a whole number from 0 to 100"),
    ("[arrivals]", "[balancer]\nload_factor = 100\n[arrivals]", 8, "write a whole number from 101 to 10000"),
    ("[arrivals]", "[balancer]\nattempts = 0\n[arrivals]", 8, "write a whole number from 1 to 100"),
    ("[arrivals]", "[balancer]\nretries = 101\n[arrivals]", 8, "write a whole number from 0 to 100"),
    ("exp = \"50ms\"", "exp = \"1s\"\n[clients]\nretries = 1001", 12, "write a whole number from 0 to 1000"),
    (
        "\"random\"",
        "\"in-blocks\"",
        4,
        "a policy for teaching, which is wrong on purpose; write teaching = true",
    ),
    ("\"random\"", "\"in-block\"", 4, "write one of round-robin"),
    (
        "[arrivals]",
        "[balancer]\nload_view_delay = \"5s\"\n[arrivals]",
        7,
        "load_view_delay has no effect here; write teaching = true beside it",
    ),
    ("[arrivals]", "[balancer]\nfixed_subsets = true\n[arrivals]", 7, "write subset = 2 beside it"),
    ("[arrivals]", "[balancer]\nsubset = 0\n[arrivals]", 8, "write a whole number from 1 to 100000"),
    ("count = 2", "count = 2\nheld = -1", 7, "write a whole number from 0 to 1000000"),
    ("exp = \"50ms\"", "exp = \"1s\"\n[clients]\nin_turn = true", 11, "write keys = 1000 beside it"),
    ("[arrivals]", "[balancer]\nrise = 0\n[arrivals]", 8, "write a whole number from 1 to 1000"),
    ("[arrivals]", "[balancer]\nfall = 0\n[arrivals]", 8, "write a whole number from 1 to 1000"),
    ("[arrivals]", "[balancer]\nmax_in_flight = 0\n[arrivals]", 8, "write a whole number from 1 to 1000000"),
    ("[arrivals]", "[balancer]\nqueue = 5\n[arrivals]", 7, "queue has no effect here; write max_in_flight"),
    (
        "[arrivals]",
        "[balancer]\nqueue_timeout = \"5s\"\n[arrivals]",
        7,
        "write max_in_flight = 100 beside it",
    ),
    ("[arrivals]", "[balancer]\nejection_time = \"5s\"\n[arrivals]", 7, "write outlier_errors = 5 beside it"),
    (
        "[arrivals]",
        "[balancer]\nping = \"none\"\nping_interval = \"5s\"\n[arrivals]",
        7,
        "write ping = \"tcp\" or \"http\", or remove ping_interval",
    ),
    (
        "[arrivals]",
        "[balancer]\nping = \"none\"\nping_timeout = \"5s\"\n[arrivals]",
        7,
        "write ping = \"tcp\" or \"http\", or remove ping_timeout",
    ),
    ("[arrivals]", "[balancer]\nping_interval = \"0s\"\n[arrivals]", 7, "write at least \"1ms\""),
    (
        "count = 2",
        "count = 20000\n[balancer]\ncount = 501",
        7,
        "501 balancers with 20000 backends each are too many; write count = 500",
    ),
    ("poisson = 10", "poisson = inf", 8, "write a number above 0"),
    ("poisson = 10", "steps = [{ at = \"0s\", rate = inf }]", 8, "write calls a second from 0 to 1000000000"),
    ("poisson = 10", "steps = [{ at = \"0s\", rate = nan }]", 8, "write calls a second from 0 to 1000000000"),
    ("poisson = 10", "steps = [{ at = \"0s\", rate = -1 }]", 8, "write calls a second from 0 to 1000000000"),
    ("poisson = 10", "steps = [{ at = \"ever\", rate = 1 }]", 8, "only patience and lasts"),
    (
        "poisson = 10",
        "steps = [{ at = \"2s\", rate = 1 }, { at = \"1s\", rate = 1 }]",
        7,
        "write them in their order",
    ),
    ("poisson = 10", "clients = 1000001", 8, "write a whole number from 1 to 1000000"),
    ("poisson = 10", "clients = 0", 8, "write a whole number from 1 to 1000000"),
    ("requests = 100", "time = \"ever\"", 3, "only patience and lasts"),
    ("requests = 100", "time = \"25h\"", 3, "write a time of at most \"1day\""),
    ("\"50ms\"", "\"ever\"", 10, "write a time of at most \"1day\""),
    ("\"50ms\"", "\"25h\"", 10, "\"25h\" is too long; write a time of at most \"1day\""),
    ("exp = \"50ms\"", "uniform = { from = \"1s\", to = \"ever\" }", 10, "only patience and lasts"),
    (
        "exp = \"50ms\"",
        "uniform = { from = \"2s\", to = \"1s\" }",
        9,
        "from the shorter time to the longer one",
    ),
    (
        "exp = \"50ms\"",
        "lognormal = { p50 = \"80ms\", p99 = \"20ms\" }",
        9,
        "write such as { p50 = \"20ms\", p99 = \"80ms\" }",
    ),
    ("exp = \"50ms\"", "lognormal = { p50 = \"0s\", p99 = \"20ms\" }", 9, "a p50 above 0"),
    ("exp = \"50ms\"", "exp = \"1s\"\n[clients]\nhot_share = 0.5", 11, "write keys = 40 beside it"),
    ("exp = \"50ms\"", "exp = \"1s\"\n[clients]\nkeys = 1\nhot_share = 0.5", 11, "at least 2"),
    ("exp = \"50ms\"", "exp = \"1s\"\n[clients]\nkeys = 0", 12, "write a whole number from 1 to"),
    ("exp = \"50ms\"", "exp = \"1s\"\n[clients]\npatience = \"25h\"", 12, "at most \"1day\", or \"ever\""),
    (
        "exp = \"50ms\"",
        "exp = \"1s\"\n[[fault]]\nat = \"1s\"\nkind = \"status\"\nbackend = 1\ncode = 7",
        15,
        "7 is not possible; write a whole number from 200 to 599",
    ),
    (
        "exp = \"50ms\"",
        "exp = \"1s\"\n[[fault]]\nat = \"ever\"\nkind = \"kill\"\nbackend = 1",
        12,
        "only patience and lasts",
    ),
];

#[test]
fn a_wrong_value_is_an_error_with_its_line_and_what_to_write() {
    for (old, new, line, words) in WRONG {
        assert!(SMALL.contains(old));
        let error = Scenario::parse(&SMALL.replace(old, new)).expect_err(new);
        assert!(error.contains(words), "{new}: {error}");
        let at = |end| error.contains(&format!("line {line}{end}"));
        assert!(at(':') || at(','), "{new}: not line {line}: {error}");
    }
}

/// The same for mistakes that concern the whole scenario, and so have no line of their own.
#[test]
fn a_scenario_without_a_sense_is_an_error_that_says_what_to_write() {
    for (old, new, words) in [
        ("requests = 100", "requests = 0", "write at least 1, such as 100000"),
        ("requests = 100", "requests = 4000000000", "write at most 100000000"),
        ("requests = 100", "time = \"0s\"", "write a longer time, such as \"60s\""),
        ("requests = 100", "requests = \"many\"", "is no count; write a whole number from 0 on"),
        ("requests = 100", "requests = -1", "-1 is no count"),
        ("requests = 100", "requests = 100\nseed = 1.5", "1.5 is no count"),
        ("[[servers]]\ncount = 2", "", "there are no servers; write [[servers]]"),
        ("[[servers]]\ncount = 2", "servers = []", "there are no servers; write [[servers]]"),
        ("[[servers]]\ncount = 2", "servers = [4]", "expected a table of servers, such as [[servers]]"),
        ("count = 2", "count = 2\nweight = 0", "all servers have the weight 0"),
        (
            "count = 2",
            "count = 2\ncache = { keys = 0, hit = \"1ms\", miss = \"2ms\" }",
            "write keys = 1 or more",
        ),
        ("\"random\", \"round-robin\"", "\"random\", \"random\"", "random is there twice in policies"),
        ("\"random\", \"round-robin\"", "7", "write such as \"round-robin\""),
        ("poisson = 10", "poisson = 1e-300", "write a number above 0, from 0.000001"),
        ("poisson = 10", "poisson = \"fast\"", "\"fast\" is no number; write such as 10"),
        ("poisson = 10", "steps = []", "no call arrives in these steps; write steps"),
        ("poisson = 10", "steps = [{ at = \"0s\", rate = 0 }]", "no call arrives in these steps"),
        ("poisson = 10", "steps = [{ at = \"0s\", rate = 1e-9 }]", "write 0, or at least 0.000001"),
        ("poisson = 10", "steps = [7]", "expected a table such as { at = "),
        (
            "[service]\nexp = \"50ms\"",
            "[clients]\npatience = \"0s\"\n[service]\nexp = \"50ms\"",
            "write patience = \"1s\"",
        ),
        ("exp = \"50ms\"", "exp = { mean = 1 }", "write a number, or a text in quotation marks"),
        (
            "exp = \"50ms\"",
            "bimodal = { short = \"1s\", long = \"10ms\", share = 0.1 }",
            "write such as { short = \"10ms\", long = \"1s\", share = 0.05 }",
        ),
        ("[service]\nexp = \"50ms\"", "", "missing field `service`"),
    ] {
        assert!(SMALL.contains(old), "{old}");
        let error = Scenario::parse(&SMALL.replace(old, new)).expect_err(new);
        assert!(error.contains(words), "{new}: {error}");
        assert!(
            !error.contains("Form") && !error.contains("f64") && !error.contains("u64"),
            "{new}: {error}"
        );
    }
    // A value in the place of a table has to stand before all tables.
    let wrong = format!("service = 5\n{}", SMALL.replace("[service]\nexp = \"50ms\"", ""));
    let error = Scenario::parse(&wrong).unwrap_err();
    assert!(error.contains("expected a table such as { exp = \"50ms\" }"), "{error}");
}

#[test]
fn the_ends_of_each_range_are_possible() {
    for (old, new) in [
        ("count = 2", "count = 100000"),
        ("count = 2", "count = 2\nweight = 1000"),
        ("count = 2", "count = 2\nweight = 0\n[[servers]]\ncount = 1"),
        ("requests = 100", "requests = 100\nwarm_up = 99"),
        ("requests = 100", "requests = 1\nwarm_up = 0"),
        ("requests = 100", "time = \"24h\""),
        ("poisson = 10", "steps = [{ at = \"0s\", rate = 0 }, { at = \"0s\", rate = 1e9 }]"),
        ("poisson = 10", "clients = 1000000"),
        ("exp = \"50ms\"", "uniform = { from = \"1s\", to = \"1s\" }"),
        ("exp = \"50ms\"", "lognormal = { p50 = \"1s\", p99 = \"1s\" }"),
        ("exp = \"50ms\"", "exp = \"1s\"\n[clients]\nkeys = 2\nhot_share = 1\npatience = \"ever\""),
        (
            "exp = \"50ms\"",
            "exp = \"1s\"\n[[fault]]\nat = \"1s\"\nkind = \"slow\"\nbackend = 1\ntimes = 2\nlasts = \"ever\"",
        ),
        (
            "[arrivals]",
            "[balancer]\nload_factor = 101\nremembered_keys = 1\naffinity_gap = 0\npanic_threshold = 100\nattempts = 1\n[arrivals]",
        ),
        ("[arrivals]", "[balancer]\nmax_in_flight = 1\nqueue = 0\nqueue_timeout = \"0s\"\n[arrivals]"),
    ] {
        if let Err(error) = Scenario::parse(&SMALL.replace(old, new)) {
            panic!("{new}: {error}");
        }
    }
}
