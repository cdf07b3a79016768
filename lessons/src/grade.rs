//! What a lesson asks of a policy that is graded: a claim about a run with this policy, and points.

use std::collections::BTreeMap;
use std::rc::Rc;

use toml::Table;

use crate::claim::{Claim, Verdict};
use crate::figures::{Figures, Reports};
use crate::form::{ClaimForm, GradeForm};

/// The name of the run with the graded policy, in expressions.
pub(crate) const YOURS: &str = "yours";

/// The name of the run with the policy that must fail.
pub(crate) const COUNTER: &str = "counter";

/// A claim about a policy, and its points.
#[derive(Clone, Debug)]
pub struct Grade {
    /// The points of a policy that passes.
    pub points: u32,
    /// Help for the author of a policy that fails.
    pub hint: String,
    /// The name of a policy that passes.
    pub good: String,
    /// The name of a policy that fails.
    pub counter: String,
    claim: Claim,
    setup: Table,
}

impl Grade {
    /// Reads a claim about a policy, with the setup of its run. The lesson has runs with these names.
    pub(crate) fn read(form: &GradeForm, runs: &[&str], setup: Table) -> Result<Self, String> {
        if form.points == 0 {
            return Err("points = 0: write at least 1".to_owned());
        }
        if form.good == form.counter {
            return Err(format!("{} cannot both pass and fail; name another counter", form.good));
        }
        let claim = ClaimForm {
            says: form.says.clone(),
            what: form.what.clone(),
            exact: form.exact,
            within: form.within,
            at_least: form.at_least,
            at_most: form.at_most,
            binomial: form.binomial,
            draws: form.draws.clone(),
            counter: BTreeMap::from([(YOURS.to_owned(), COUNTER.to_owned())]),
            only: None,
            timed: false,
        };
        let claim = Claim::read(claim, &[runs, &[YOURS, COUNTER]].concat())?;
        if claim.measures(COUNTER) {
            return Err(format!("`what` measures {COUNTER}; measure {YOURS} and runs of the lesson"));
        }
        Ok(Self {
            points: form.points,
            hint: form.hint.clone(),
            good: form.good.clone(),
            counter: form.counter.clone(),
            claim,
            setup,
        })
    }

    /// The claim in words.
    pub fn says(&self) -> &str {
        &self.claim.says
    }

    /// What is measured, as the lesson writes it.
    pub fn what(&self) -> &str {
        &self.claim.what
    }

    /// The setup of its run.
    pub(crate) fn setup(&self) -> &Table {
        &self.setup
    }

    /// Whether it measures this run.
    pub(crate) fn measures(&self, run: &str) -> bool {
        self.claim.measures(run)
    }

    /// The verdict on a run with the graded policy, beside other runs of the lesson.
    pub(crate) fn verdict(&self, others: &Reports<'_>, yours: &Rc<dyn Figures>) -> Verdict {
        let mut reports = others.clone();
        reports.insert(YOURS, Rc::clone(yours));
        self.claim.verdict(&reports, 1)
    }
}
