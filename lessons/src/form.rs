//! The keys of a `lesson.toml`, as the TOML parser reads them.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Table;

use crate::answer::Answer;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LessonForm {
    pub(crate) title: String,
    pub(crate) question: String,
    pub(crate) choices: Vec<String>,
    /// The parts of the question, each with an answer of its own; none for one question.
    #[serde(default)]
    pub(crate) parts: Vec<String>,
    pub(crate) answer: Answer,
    /// The figures that the student sees before the answer, for each run.
    #[serde(default)]
    pub(crate) sheet: Vec<ChartForm>,
    pub(crate) watch: String,
    pub(crate) hint: String,
    pub(crate) explain: String,
    pub(crate) sources: Vec<String>,
    /// The scenario of all runs, with the keys of docs/simulator.md.
    pub(crate) setup: Table,
    pub(crate) run: Vec<RunForm>,
    pub(crate) claim: Vec<ClaimForm>,
    /// What is asked of a policy that is graded.
    #[serde(default)]
    pub(crate) grade: Vec<GradeForm>,
    /// What differs in live runs; without it, there are none.
    pub(crate) live: Option<LiveForm>,
    /// The figure that the picture of the lesson shows for each run.
    pub(crate) picture: Option<ChartForm>,
}

/// What differs in live runs from the setup.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiveForm {
    #[serde(default)]
    pub(crate) change: Table,
    /// What differs once more if time is short.
    #[serde(default)]
    pub(crate) quick: Table,
}

/// Where a run takes place, or a claim is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In the simulator.
    Virtual,
    /// On real processes.
    Live,
}

impl Place {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Virtual => "virtual",
            Self::Live => "live",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChartForm {
    pub(crate) words: String,
    pub(crate) what: String,
    #[serde(default)]
    pub(crate) unit: String,
    /// What is measured in live runs, if it is something else.
    pub(crate) live: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunForm {
    pub(crate) name: String,
    pub(crate) policy: String,
    /// What differs from the setup.
    #[serde(default)]
    pub(crate) change: Table,
    /// What differs once more in the live run.
    #[serde(default)]
    pub(crate) live: Table,
    /// The one place of the run; by default it takes place in both.
    pub(crate) only: Option<Place>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimForm {
    pub(crate) says: String,
    pub(crate) what: String,
    pub(crate) exact: Option<f64>,
    pub(crate) within: Option<f64>,
    pub(crate) at_least: Option<f64>,
    pub(crate) at_most: Option<f64>,
    pub(crate) binomial: Option<f64>,
    /// The number of draws of `binomial`.
    pub(crate) draws: Option<String>,
    /// Runs that take the place of others, by name. With them, the claim must fail.
    pub(crate) counter: BTreeMap<String, String>,
    /// The one place where the claim is checked; by default it is checked where its runs take place.
    pub(crate) only: Option<Place>,
    /// Whether the value depends on the times of a live run, so that a machine that is late can change it.
    #[serde(default)]
    pub(crate) timed: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GradeForm {
    /// The run whose setup is used, with the graded policy in place of its own.
    pub(crate) run: String,
    /// What differs from the setup of that run.
    #[serde(default)]
    pub(crate) change: Table,
    pub(crate) says: String,
    /// An expression over the run `yours`, and over other runs of the lesson.
    pub(crate) what: String,
    pub(crate) exact: Option<f64>,
    pub(crate) within: Option<f64>,
    pub(crate) at_least: Option<f64>,
    pub(crate) at_most: Option<f64>,
    pub(crate) binomial: Option<f64>,
    pub(crate) draws: Option<String>,
    pub(crate) points: u32,
    /// Help for the author of a policy that fails.
    pub(crate) hint: String,
    /// A policy that passes.
    pub(crate) good: String,
    /// A policy that fails.
    pub(crate) counter: String,
}
