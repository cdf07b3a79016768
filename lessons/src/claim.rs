//! A claim of a lesson, its verdict, and the counter-case that must break it.

use std::collections::BTreeMap;

use api::excerpt;

use crate::expression::Expression;
use crate::figures::Reports;
use crate::form::{ClaimForm, Place};
use crate::law::{Band, Law, number};

/// A claim about the runs of a lesson.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The claim in words.
    pub says: String,
    /// What is measured, as the lesson writes it.
    pub what: String,
    expression: Expression,
    law: LawForm,
    /// The runs that take the place of others in the counter-case.
    counter: BTreeMap<String, String>,
    only: Option<Place>,
    is_timed: bool,
}

/// A law whose number of draws is measured.
#[derive(Clone, Debug)]
enum LawForm {
    Fixed(Law),
    Binomial { share: f64, draws: Expression },
}

/// How a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The value is in the band.
    Pass,
    /// It is not.
    Fail,
    /// It is not, and the machine was too late to say why.
    Inconclusive,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// The measured value.
    pub value: f64,
    /// The values with which the claim holds.
    pub band: Band,
}

impl Verdict {
    /// Whether the value is in the band.
    pub fn holds(&self) -> bool {
        self.outcome == Outcome::Pass
    }

    /// The outcome in a word.
    pub fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Pass => "pass",
            Outcome::Fail => "FAIL",
            Outcome::Inconclusive => "inconclusive",
        }
    }

    /// The value and the band in words.
    pub fn words(&self) -> String {
        format!("{} (expected {})", number(self.value), self.band)
    }
}

impl Claim {
    /// Reads a claim of a lesson whose runs have these names.
    pub(crate) fn read(form: ClaimForm, runs: &[&str]) -> Result<Self, String> {
        let wrong = |error: String| format!("claim \"{}\": {error}", excerpt(&form.says));
        let expression = read_expression(&form.what, runs).map_err(wrong)?;
        let law = law(&form, runs).map_err(wrong)?;
        if form.counter.is_empty() {
            return Err(wrong("it needs a counter-case; write counter = { run = \"other run\" }".to_owned()));
        }
        for (run, other) in &form.counter {
            if !expression.runs().contains(&run.as_str()) {
                return Err(wrong(format!(
                    "the claim does not measure {}, so replacing it changes nothing",
                    excerpt(run)
                )));
            }
            known(other, runs).map_err(wrong)?;
            if other == run {
                return Err(wrong(format!("the counter-case replaces {run} by itself; name another run")));
            }
        }
        Ok(Self {
            says: form.says,
            what: form.what,
            expression,
            law,
            counter: form.counter,
            only: form.only,
            is_timed: form.timed,
        })
    }

    /// Whether it measures this run.
    pub(crate) fn measures(&self, run: &str) -> bool {
        let draws = match &self.law {
            LawForm::Fixed(_) => Vec::new(),
            LawForm::Binomial { draws, .. } => draws.runs(),
        };
        self.expression.runs().contains(&run) || draws.contains(&run)
    }

    /// Whether the claim can be checked at this place, where these runs take place.
    pub(crate) fn is_checked(&self, place: Place, runs: &[&str]) -> bool {
        let is_there = |run: &str| runs.contains(&run);
        self.only.is_none_or(|only| only == place)
            && self.expression.runs().into_iter().all(is_there)
            && self.counter.values().all(|run| is_there(run))
    }

    /// The names of the runs that it measures.
    pub fn runs(&self) -> Vec<&str> {
        self.expression.runs()
    }

    /// The verdict on these live runs. If the machine is late, the value of a claim about times says nothing,
    /// so such a claim does not fail there.
    pub fn live_verdict(&self, reports: &Reports<'_>, comparisons: u32, is_late: bool) -> Verdict {
        let verdict = self.verdict(reports, comparisons);
        if verdict.outcome == Outcome::Fail && self.is_timed && is_late {
            return Verdict { outcome: Outcome::Inconclusive, ..verdict };
        }
        verdict
    }

    /// The verdict on these runs, if so many claims share the probability of a false alarm.
    pub fn verdict(&self, reports: &Reports<'_>, comparisons: u32) -> Verdict {
        self.judge(reports, comparisons)
    }

    /// The verdict on the counter-case, which must not hold.
    pub fn counter_verdict(&self, reports: &Reports<'_>, comparisons: u32) -> Verdict {
        let other = |name: &str| self.counter.get(name).map_or_else(|| name.to_owned(), Clone::clone);
        let replaced =
            reports.keys().filter_map(|name| Some((*name, reports.get(other(name).as_str())?.clone())));
        self.judge(&replaced.collect(), comparisons)
    }

    fn judge(&self, reports: &Reports<'_>, comparisons: u32) -> Verdict {
        let value = self.expression.value(reports);
        let law = match &self.law {
            LawForm::Fixed(law) => *law,
            LawForm::Binomial { share, draws } => {
                Law::Binomial { share: *share, draws: draws.value(reports).max(0.0) as u64 }
            }
        };
        let band = law.band(comparisons);
        let outcome = if band.has(value) { Outcome::Pass } else { Outcome::Fail };
        Verdict { outcome, value, band }
    }
}

fn known(run: &str, runs: &[&str]) -> Result<(), String> {
    if runs.contains(&run) {
        return Ok(());
    }
    Err(format!("there is no run {}; write one of {}", excerpt(run), runs.join(", ")))
}

fn read_expression(text: &str, runs: &[&str]) -> Result<Expression, String> {
    let expression = Expression::read(text)?;
    for run in expression.runs() {
        known(run, runs)?;
    }
    Ok(expression)
}

fn law(form: &ClaimForm, runs: &[&str]) -> Result<LawForm, String> {
    if form.within.is_some() && form.exact.is_none() {
        return Err("within belongs to exact; write exact = 100 and within = 1".to_owned());
    }
    match (form.exact, form.at_least, form.at_most, form.binomial) {
        (Some(value), None, None, None) => {
            Ok(LawForm::Fixed(Law::Exact { value, within: form.within.unwrap_or(0.0) }))
        }
        (None, Some(least), None, None) => Ok(LawForm::Fixed(Law::AtLeast(least))),
        (None, None, Some(most), None) => Ok(LawForm::Fixed(Law::AtMost(most))),
        (None, None, None, Some(share)) if (0.0..=1.0).contains(&share) => {
            let draws =
                form.draws.as_deref().ok_or("binomial needs draws, such as draws = \"calls(random)\"")?;
            Ok(LawForm::Binomial { share, draws: read_expression(draws, runs)? })
        }
        (None, None, None, Some(share)) => Err(format!("binomial = {share}: write a number from 0 to 1")),
        _ => Err("write one of exact, at_least, at_most and binomial".to_owned()),
    }
}
