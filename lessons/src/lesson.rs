//! A lesson: a question, runs in virtual time, and claims about them.

use std::collections::BTreeMap;

use sim::Report;
use sim::scenario::Scenario;
use toml::{Table, Value};

use crate::chart::Chart;
use crate::claim::Claim;
use crate::form::{LessonForm, RunForm};

/// A lesson that can be run.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Its title.
    pub title: String,
    /// The question that it answers.
    pub question: String,
    /// The answers from which a student chooses.
    pub choices: Vec<String>,
    /// The number of the right answer; the first is 1.
    pub answer: usize,
    /// What to look at during the run.
    pub watch: String,
    /// Help for a student who does not know how to begin.
    pub hint: String,
    /// Why the right answer is right.
    pub explain: String,
    /// Where the facts come from.
    pub sources: Vec<String>,
    runs: Vec<(String, Scenario)>,
    /// The claims.
    pub claims: Vec<Claim>,
    /// The figure that its picture shows.
    pub chart: Option<Chart>,
}

impl Lesson {
    /// Reads a `lesson.toml`.
    ///
    /// # Errors
    /// What is wrong, where, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form: LessonForm = toml::from_str(text).map_err(|error| error.to_string())?;
        if !(1..=form.choices.len()).contains(&form.answer) {
            let most = form.choices.len();
            return Err(format!("answer = {}: write the number of a choice, from 1 to {most}", form.answer));
        }
        if form.claim.is_empty() {
            return Err("a lesson without [[claim]] checks nothing; write at least one".to_owned());
        }
        let mut runs: Vec<(String, Scenario)> = Vec::new();
        for run in form.run {
            if runs.iter().any(|(name, _)| *name == run.name) {
                return Err(format!("two runs have the name {}; each run needs its own", run.name));
            }
            let scenario = scenario(&form.title, &form.setup, &run)?;
            runs.push((run.name, scenario));
        }
        let names: Vec<&str> = runs.iter().map(|(name, _)| name.as_str()).collect();
        let claims =
            form.claim.into_iter().map(|claim| Claim::read(claim, &names)).collect::<Result<_, _>>()?;
        Ok(Self {
            title: form.title,
            question: form.question,
            choices: form.choices,
            answer: form.answer,
            watch: form.watch,
            hint: form.hint,
            explain: form.explain,
            sources: form.sources,
            runs,
            claims,
            chart: form.picture.map(Chart::read).transpose()?,
        })
    }

    /// The seed of its setup.
    pub fn seed(&self) -> u64 {
        self.runs.first().map_or(0, |(_, scenario)| scenario.seed())
    }

    /// The names of its runs, in the order of the lesson.
    pub fn runs(&self) -> impl Iterator<Item = &str> {
        self.runs.iter().map(|(name, _)| name.as_str())
    }

    /// Runs everything with this seed. The reports have the names of their runs.
    ///
    /// # Errors
    /// If a run does not end within the bounds of the simulator.
    pub fn run(&self, seed: u64) -> Result<BTreeMap<&str, Report>, String> {
        let mut reports = BTreeMap::new();
        for (name, scenario) in &self.runs {
            let of_run =
                scenario.run(&scenario.policies(), seed).map_err(|error| format!("run {name}: {error}"))?;
            reports.extend(of_run.into_iter().next().map(|report| (name.as_str(), report)));
        }
        Ok(reports)
    }
}

/// The scenario of one run: the setup with its changes and its policy.
fn scenario(title: &str, setup: &Table, run: &RunForm) -> Result<Scenario, String> {
    let mut table = setup.clone();
    merge(&mut table, &run.change);
    table.insert("title".to_owned(), Value::String(title.to_owned()));
    table.insert("policies".to_owned(), Value::Array(vec![Value::String(run.policy.clone())]));
    let text = toml::to_string(&table).map_err(|error| format!("run {}: {error}", run.name))?;
    let scenario = Scenario::parse(&text).map_err(|error| format!("run {}: {error}", run.name))?;
    Ok(scenario.ticks())
}

/// Puts the keys of a change into a table. A table in both is merged in the same way; any other value is
/// replaced. Each element of a list of tables that a change has as one table gets its keys.
fn merge(into: &mut Table, change: &Table) {
    for (key, value) in change {
        match (into.get_mut(key), value) {
            (Some(Value::Table(inner)), Value::Table(change)) => merge(inner, change),
            (Some(Value::Array(list)), Value::Table(change)) => {
                for element in list.iter_mut().filter_map(Value::as_table_mut) {
                    merge(element, change);
                }
            }
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
title = "Small"
question = "?"
choices = ["a", "b"]
answer = 1
watch = "w"
hint = "h"
explain = "e"
sources = []
[setup]
requests = 400
servers = [{ count = 4, workers = 1 }]
arrivals = { even = 10 }
service = { fixed = "10ms" }
[[run]]
name = "rr"
policy = "round-robin"
[[run]]
name = "random"
policy = "random"
[[claim]]
says = "each backend gets 100"
what = "most_picks(rr) - fewest_picks(rr)"
exact = 0
counter = { rr = "random" }
"#;

    #[test]
    fn a_lesson_runs_and_its_counter_case_fails() {
        let lesson = Lesson::parse(SMALL).unwrap();
        let reports = lesson.run(lesson.seed()).unwrap();
        let verdict = lesson.claims[0].verdict(&reports, 1);
        assert!(verdict.holds, "{verdict:?}");
        assert!(!lesson.claims[0].counter_verdict(&reports, 1).holds);
    }

    #[test]
    fn an_error_says_what_to_write() {
        for (from, to, expected) in [
            ("answer = 1", "answer = 3", "from 1 to 2"),
            ("name = \"random\"", "name = \"rr\"", "two runs have the name rr"),
            ("most_picks(rr)", "most_picks(lc)", "there is no run lc; write one of rr, random"),
            ("counter = { rr = \"random\" }", "counter = {}", "needs a counter-case"),
            ("counter = { rr = \"random\" }", "counter = { rr = \"lc\" }", "there is no run lc"),
            ("counter = { rr = \"random\" }", "counter = { rr = \"rr\" }", "replaces rr by itself"),
            ("counter = { rr = \"random\" }", "counter = { random = \"rr\" }", "does not measure random"),
            ("exact = 0", "", "write one of exact, at_least, at_most and binomial"),
            ("exact = 0", "exact = 0\nat_most = 1", "write one of exact, at_least, at_most and binomial"),
            ("exact = 0", "binomial = 0.5", "binomial needs draws"),
            ("policy = \"random\"", "policy = \"rnd\"", "run random: "),
            ("even = 10", "even = 0", "run rr: "),
            ("[setup]", "[picture]\nwords = \"w\"\nwhat = \"mean(rr)\"\n[setup]", "write run instead of rr"),
            ("[setup]", "[picture]\nwords = \"w\"\nwhat = \"3\"\n[setup]", "such as mean(run)"),
        ] {
            let error = Lesson::parse(&SMALL.replace(from, to)).unwrap_err();
            assert!(error.contains(expected), "{from} -> {to}: {error}");
        }
    }

    #[test]
    fn a_chart_measures_each_run_in_turn() {
        let chart = "[picture]\nwords = \"w\"\nwhat = \"2 * calls(run)\"\nunit = \"calls\"\n[setup]";
        let lesson = Lesson::parse(&SMALL.replace("[setup]", chart)).unwrap();
        let reports = lesson.run(lesson.seed()).unwrap();
        let reports = reports.iter().map(|(name, report)| (*name, report)).collect();
        let chart = lesson.chart.as_ref().unwrap();
        let figures: Vec<_> = lesson.runs().map(|run| chart.spell(chart.value(&reports, run))).collect();
        assert_eq!(figures, ["800 calls", "800 calls"]);
        assert_eq!(chart.spell(chart.value(&reports, "missing")), "no number");
    }

    #[test]
    fn a_change_is_merged_into_the_setup() {
        let mut table: Table =
            toml::from_str("a = 1\nlist = [{ x = 1 }, { x = 2 }]\n[deep]\nb = 1\nc = 2").unwrap();
        merge(&mut table, &toml::from_str("a = 3\nlist = { y = 5 }\n[deep]\nc = 4").unwrap());
        let expected: Table =
            toml::from_str("a = 3\nlist = [{ x = 1, y = 5 }, { x = 2, y = 5 }]\n[deep]\nb = 1\nc = 4")
                .unwrap();
        assert_eq!(table, expected);
    }
}
