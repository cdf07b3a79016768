//! A scenario: a simulation in a TOML file, and the policies that meet the same calls.
//!
//! `form.rs` has the keys, `values.rs` their values, `laws.rs` what they say of times, and `read.rs` makes a
//! [`Sim`] of them. `docs/simulator.md` describes the keys for users.

mod form;
mod laws;
mod read;
mod rules;
mod values;

use api::excerpt;
use balance::policy::Kind;
use strum::VariantArray;

use crate::report::Report;
use crate::settings::{Sim, Stop};

use read::Problem;

/// The largest number of events of a run: some minutes on one core.
const MOST_EVENTS: u64 = 500_000_000;

/// The longest line of a file that an error shows, in bytes.
const LONGEST_LINE: usize = 300;

/// The longest message of the parser that an error has in full, in bytes.
const LONGEST_MESSAGE: usize = 1000;

/// The error of a TOML file in words: with the line of the file, unless this line is too long to be read.
pub fn described(text: &str, error: &toml::de::Error) -> String {
    let whole = error.to_string();
    if whole.lines().all(|line| line.len() <= LONGEST_LINE) {
        return whole;
    }
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let message = error.message();
    let message = if message.len() <= LONGEST_MESSAGE { message.into() } else { excerpt(message) };
    format!("line {}: {message}", before.matches('\n').count() + 1)
}

/// A simulation, its end, and the policies to compare.
#[derive(Debug, Clone)]
pub struct Scenario {
    title: String,
    sim: Sim,
    stop: Stop,
    policies: Vec<Kind>,
    /// Whether policies for teaching may be used.
    teaching: bool,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// The line, what is wrong there, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form: form::Form = toml::from_str(text).map_err(|error| described(text, &error))?;
        read::scenario(form).map_err(|Problem { at, what }| match at {
            Some(at) => format!("line {}: {what}", text[..at.min(text.len())].lines().count().max(1)),
            None => what,
        })
    }

    /// The title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The seed of the file.
    pub fn seed(&self) -> u64 {
        self.sim.seed
    }

    /// The policy with this name, for [`Scenario::run`]: one for teaching too, if the scenario allows that.
    ///
    /// # Errors
    /// There is no such policy.
    pub fn policy(name: &str) -> Result<Kind, String> {
        values::named(name)
    }

    /// The policies of the file; all policies if it names none.
    pub fn policies(&self) -> Vec<Kind> {
        if self.policies.is_empty() { Kind::VARIANTS.to_vec() } else { self.policies.clone() }
    }

    /// Runs the scenario under each of these policies, with the same arrivals, sizes and faults.
    ///
    /// # Errors
    /// If a run has more than 500 million events, or lasts for more than 10 years, or if a policy is one for
    /// teaching and the scenario does not allow that.
    pub fn run(&self, policies: &[Kind], seed: u64) -> Result<Vec<Report>, String> {
        policies.iter().try_for_each(|policy| read::allowed(*policy, self.teaching).map(drop))?;
        let reports = self.reports(policies, seed);
        match reports.iter().find(|report| report.is_cut()) {
            Some(cut) => Err(format!(
                "under {}, the run has not ended after {} events and {:.0} s, with {} calls; a run has at most \
                 {MOST_EVENTS} events and 10 years: write fewer requests, a shorter time, or a higher rate",
                cut.policy(),
                cut.events,
                cut.duration().as_secs_f64(),
                cut.calls(),
            )),
            None => Ok(reports),
        }
    }

    fn reports(&self, policies: &[Kind], seed: u64) -> Vec<Report> {
        let sim = Sim { seed, ..self.sim.clone() }.bounded(MOST_EVENTS);
        policies.iter().map(|policy| sim.clone().policy(*policy).run(self.stop)).collect()
    }

    /// The same with the state of the run 4 times a second in each report.
    #[must_use]
    pub fn ticks(self) -> Self {
        Self { sim: self.sim.ticks(), ..self }
    }
}

#[cfg(test)]
mod wrong_values_tests;

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_small_scenario_runs() {
        let scenario = Scenario::parse(SMALL).unwrap();
        let reports = scenario.run(&scenario.policies(), scenario.seed()).unwrap();
        let told: Vec<_> = reports.iter().map(|report| (report.policy(), report.calls())).collect();
        assert_eq!(told, [("random", 100), ("round-robin", 100)]);
    }

    #[test]
    fn a_run_that_does_not_end_is_an_error() {
        // 400 calls at one call in a million seconds are 12.7 years.
        let slow = SMALL.replace("poisson = 10", "even = 0.000001").replace("count = 2", "count = 1");
        let slow = slow.replace("[arrivals]", "[balancer]\nchecks = false\n[arrivals]");
        let scenario = Scenario::parse(&slow.replace("requests = 100", "requests = 400")).unwrap();
        let error = scenario.run(&[Kind::Random], 1).unwrap_err();
        assert!(error.starts_with("under random, the run has not ended after "), "{error}");
        assert!(Scenario::parse(&slow).unwrap().run(&[Kind::Random], 1).is_ok(), "100 calls are 3 years");
        let sim = Scenario::parse(SMALL).unwrap().sim;
        let report = sim.bounded(50).run(Stop::Requests(100));
        assert!(report.is_cut() && report.calls() < 50);
    }

    /// Each change of the small scenario, with the line of the error and words that it must contain.
    #[test]
    fn an_error_names_its_line_and_says_what_to_write_instead() {
        let table = [
            ("requests = 100", "requets = 100", 3, "expected one of `title`"),
            ("requests = 100", "requests = 100\ntime = \"5s\"", 0, "write either requests or time"),
            ("requests = 100", "", 0, "write requests = 100000, or time = \"60s\""),
            ("\"random\"", "\"rnd\"", 4, "write one of round-robin"),
            ("count = 2", "count = 0", 6, "write a whole number from 1 to 100000"),
            ("count = 2", "count = 2\nworkers = 0", 7, "write at least 1, or \"unlimited\""),
            ("count = 2", "count = 2\nworkers = \"many\"", 7, "write a whole number, or \"unlimited\""),
            ("count = 2", "count = 2\nqueue = -1", 7, "write a whole number, or \"unbounded\""),
            ("count = 2", "count = 2\ndiscipline = \"lilo\"", 7, "expected one of `fifo`, `lifo`"),
            ("count = 2", "count = 2\npings = \"SX\"", 5, "write S for an answer and F for a failure"),
            ("poisson = 10", "poisson = 0", 8, "write a number above 0"),
            ("poisson = 10", "", 7, "write one of poisson, even, steps and clients"),
            ("poisson = 10", "poisson = 10\neven = 10", 7, "write one of poisson, even, steps and clients"),
            ("poisson = 10", "poisson = 10\nthink = { fixed = \"1s\" }", 7, "only clients think"),
            ("\"50ms\"", "50", 10, "write \"50ms\" or \"50s\""),
            ("\"50ms\"", "\"fast\"", 10, "such as \"50ms\" or \"2s\""),
            ("exp = \"50ms\"", "", 9, "write one of fixed, exp, lognormal, bimodal and uniform"),
            (
                "exp = \"50ms\"",
                "exp = \"1s\"\n[[fault]]\nat = \"1s\"\nkind = \"slow\"\nbackend = 1",
                11,
                "slow needs times; write times = 10",
            ),
            (
                "exp = \"50ms\"",
                "exp = \"1s\"\n[[fault]]\nat = \"1s\"\nkind = \"latency\"\nbackend = 1",
                11,
                "latency needs adds; write adds = \"400ms\"",
            ),
            (
                "exp = \"50ms\"",
                "exp = \"1s\"\n[[fault]]\nat = \"1s\"\nkind = \"kill\"\nbackend = 3",
                11,
                "there is no backend 3; write a number from 1 to 2",
            ),
            (
                "exp = \"50ms\"",
                "exp = \"1s\"\n[[fault]]\nat = \"1s\"\nkind = \"kill\"\nbackend = 1\ntimes = 3",
                11,
                "kill has no times; remove it",
            ),
        ];
        for (old, new, line, words) in table {
            assert!(SMALL.contains(old));
            let error = Scenario::parse(&SMALL.replace(old, new)).unwrap_err();
            assert!(error.contains(words), "{new}: {error}");
            assert!(line == 0 || error.contains(&format!("line {line}")), "{new}: not line {line}: {error}");
        }
    }
}
