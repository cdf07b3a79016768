//! What lessons need beside the normal policies: mistakes, old loads, keys that move, and subsets.

use sim::Report;
use sim::scenario::Scenario;

/// The reports of a scenario, one for each of these policies.
fn run<const N: usize>(policies: [&str; N], requests: u64, rest: &str) -> [Report; N] {
    let text = format!("title = \"t\"\nseed = 5\nrequests = {requests}\npolicies = {policies:?}\n{rest}");
    let scenario = Scenario::parse(&text).unwrap_or_else(|why| panic!("{text}\n{why}"));
    let reports = scenario.run(&scenario.policies(), scenario.seed()).expect("it ends");
    reports.try_into().expect("one for each policy")
}

/// The mean number of requests at each of ten servers, by Little's law: one request a second for all of them.
fn at_each(report: &Report) -> f64 {
    report.mean().as_secs_f64() / 10.0
}

/// The numbers are from a simulation in another program (Brooker 2012 has the question and similar figures).
#[test]
fn old_loads_make_the_best_of_all_the_worst() {
    let at = |delay| {
        let rest = format!(
            "warm_up = 2000\nservers = [{{ count = 10 }}]\narrivals = {{ poisson = 1 }}\nservice = {{ exp = \"8s\" }}\n\
             balancer = {{ checks = false, teaching = true, load_view_delay = \"{delay}s\" }}"
        );
        run(["least-connections", "two-choices", "best-of-three", "random"], 200_000, &rest)
            .map(|one| at_each(&one))
    };
    for (delay, expected) in
        [(0, [1.09, 1.66, 1.45, 4.0]), (40, [5.83, 2.56, 2.79, 4.0]), (60, [8.5, 2.91, 3.35, 4.0])]
    {
        for (found, expected) in at(delay).into_iter().zip(expected) {
            assert!(
                (found / expected - 1.0).abs() < 0.08,
                "after {delay} s: {found:.2} instead of {expected}"
            );
        }
    }
}

#[test]
fn when_a_server_leaves_modulo_moves_nearly_all_keys_and_a_ring_only_its_own() {
    let rest = "servers = [{ count = 4, workers = \"unlimited\" }]\narrivals = { even = 1000 }\nservice = { fixed = \"1ms\" }\n\
                balancer = { teaching = true, explain = true, checks = false }\nclients = { keys = 10000, in_turn = true }\n\
                fault = [{ at = \"10.0005s\", kind = \"leave\", backend = 2 }]";
    let reports = run(["modulo", "ring", "rendezvous", "maglev"], 20_000, rest);
    let moved = reports.each_ref().map(|report| {
        let picks = report.picks().unwrap();
        assert_eq!((report.errors(), picks.keys()), (0, 10_000));
        let from = |backend| picks.moved(backend).unwrap();
        (from(2), from(1) + from(3) + from(4))
    });
    let all = moved.map(|(own, others)| own + others);
    // 75 % ± 0.43 %, and a quarter of the keys; the limits of the ring are those of its shares.
    assert!(all[0].abs_diff(7500) < 213, "{moved:?}");
    assert!((1650..3550).contains(&all[1]) && all[2].abs_diff(2500) < 213, "{moved:?}");
    assert_eq!((moved[1].1, moved[2].1), (0, 0), "keys of the others stay");
    assert!(moved[3].1 > 0 && moved[3].1 < 40, "the table moves a few: {moved:?}");
}

#[test]
fn a_subset_isolates_and_a_fixed_group_does_not() {
    let lost = |balancer: &str| {
        let rest = format!(
            "servers = [{{ count = 8, workers = \"unlimited\" }}]\narrivals = {{ even = 1000 }}\n\
             service = {{ fixed = \"1ms\" }}\nbalancer = {{ {balancer} }}\nclients = {{ keys = 4000000000 }}\n\
             fault = [{{ at = \"0s\", kind = \"kill\", backend = 1 }}, {{ at = \"0s\", kind = \"kill\", backend = 2 }}]"
        );
        let [report] = run(["two-choices"], 28_000, &rest);
        report.errors()
    };
    // 28,000 ± 151 for a quarter, and 1000 ± 31 for one of 28 pairs; five standard deviations, and the calls
    // before the balancer knows that the two are dead.
    assert_eq!(lost(""), 0);
    assert!(lost("subset = 2").abs_diff(1000) < 155);
    assert!(lost("subset = 2, fixed_subsets = true").abs_diff(7000) < 365);
}

#[test]
fn each_mutant_of_the_exam_has_shares_and_pairs_of_its_own() {
    let held = |held| format!("{{ count = 1, workers = \"unlimited\", held = {held} }}");
    let servers = [0, 10, 20, 30].map(held).join(", ");
    let rest = format!(
        "servers = [{servers}]\narrivals = {{ even = 1000 }}\nservice = {{ fixed = \"100us\" }}\n\
         balancer = {{ checks = false, teaching = true, explain = true }}"
    );
    let reports = run(["mutant-1", "mutant-2", "mutant-3", "mutant-4", "mutant-5"], 40_000, &rest);
    let sixth = 1.0 / 6.0;
    let expected = [
        // The shares, and the pairs 1-2, 1-3 and 1-1.
        ([0.5, 0.3125, 0.1875, 0.0], [0.1875, 0.125, 0.0]),
        ([0.25; 4], [0.0, 0.0, 0.0]),
        ([0.5, 2.0 * sixth, sixth, 0.0], [sixth, sixth, 0.0]),
        ([0.25; 4], [sixth, sixth, 0.0]),
        ([0.4375, 0.3125, 0.1875, 0.0625], [0.125, 0.125, 0.0625]),
    ];
    for (report, (shares, pairs)) in reports.iter().zip(expected) {
        for (backend, expected) in (1..).zip(shares) {
            let share = report.share(backend);
            assert!((share - expected).abs() < 0.0125, "{}: {backend} has {share}", report.policy());
        }
        for ((one, other), expected) in [(1, 2), (1, 3), (1, 1)].into_iter().zip(pairs) {
            let pair = report.picks().unwrap().pair(one, other) as f64 / 40_000.0;
            assert!((pair - expected).abs() < 0.0125, "{}: {one}-{other} {pair}", report.policy());
        }
    }
}

#[test]
fn a_policy_for_teaching_needs_the_permission_of_the_scenario() {
    let text = "title = \"t\"\nrequests = 10\nservers = [{ count = 2 }]\narrivals = { even = 10 }\nservice = { fixed = \"1ms\" }";
    let scenario = Scenario::parse(text).unwrap();
    let kind = Scenario::policy("modulo").unwrap();
    assert!(scenario.run(&[kind], 1).unwrap_err().contains("write teaching = true below [balancer]"));
    assert!(!scenario.policies().contains(&kind), "not among all policies");
    let error = Scenario::policy("modul").unwrap_err();
    assert!(error.contains("rendezvous") && !error.contains("modulo"), "{error}");
}
