//! The scenarios that come with the simulator: each can be read, says what it shows, and shows it.

use std::fs;
use std::path::Path;

use sim::Report;
use sim::scenario::Scenario;

fn read(name: &str) -> (String, Scenario) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let scenario = Scenario::parse(&text).map_err(|why| format!("{name}: {why}"));
    (text, scenario.expect("each scenario can be read"))
}

fn run(name: &str) -> Vec<Report> {
    let (_, scenario) = read(name);
    scenario.run(&scenario.policies(), scenario.seed()).expect("each scenario ends")
}

fn of<'a>(reports: &'a [Report], policy: &str) -> &'a Report {
    reports.iter().find(|report| report.policy() == policy).expect("the scenario has the policy")
}

fn errors(report: &Report) -> f64 {
    report.errors() as f64 / report.calls() as f64
}

#[test]
fn each_scenario_begins_with_a_question_a_hint_and_a_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let (text, _) = read(&name);
        for (line, word) in text.lines().zip(["# Question: ", "# Look at: ", "# Source: "]) {
            assert!(line.starts_with(word) && line.ends_with(['.', '?']), "{name}: {line}");
        }
        count += 1;
    }
    assert!(count >= 6, "{count} scenarios");
}

#[test]
fn a_black_hole_is_worst_for_the_policies_that_look_at_loads() {
    let reports = run("black-hole.toml");
    assert!(errors(of(&reports, "least-connections")) > 0.8 && errors(of(&reports, "peak-ewma")) < 0.02);
}

#[test]
fn a_server_stays_dead_after_a_stop() {
    let reports = run("metastable.toml");
    assert!(errors(of(&reports, "round-robin")) > 0.7);
}

#[test]
fn no_call_is_lost_in_a_failover() {
    for report in run("failover.toml") {
        assert_eq!(report.errors(), 0, "{}", report.policy());
        let told: Vec<_> = report.changes().iter().map(|change| (change.backend, change.to)).collect();
        assert_eq!(told, [(2, "down"), (2, "up"), (3, "suspect"), (3, "up")], "{}", report.policy());
    }
}

#[test]
fn a_slow_server_is_hidden_by_policies_that_count() {
    let reports = run("one-slow-server.toml");
    assert!(errors(of(&reports, "round-robin")) > 0.24 && errors(of(&reports, "least-connections")) < 0.03);
}
