//! The chart of a lesson: one figure, measured in each of its runs.

use api::excerpt;

use crate::expression::Expression;
use crate::figures::Reports;
use crate::form::{ChartForm, Place};
use crate::law::number;

/// One figure of each run of a lesson.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What the figure is, in words.
    pub words: String,
    /// What is measured, as the lesson writes it; `run` stands for each run in turn.
    pub what: String,
    unit: String,
    expression: Expression,
    live: Expression,
}

/// The word that stands for each run in the expression of a chart.
const EACH: &str = "run";

impl Chart {
    /// Reads `[picture]` or a `[[sheet]]` of a lesson.
    pub(crate) fn read(form: ChartForm, table: &str) -> Result<Self, String> {
        let read = |key, what: &str| read(&format!("{table} {key} = \"{}\"", excerpt(what)), what);
        let expression = read("what", &form.what)?;
        let live = form.live.as_deref().map_or_else(|| Ok(expression.clone()), |what| read("live", what))?;
        Ok(Self { words: form.words, what: form.what, unit: form.unit, expression, live })
    }

    /// The figure in the run with this name. Not a number if the run has no such figure.
    pub fn value(&self, place: Place, reports: &Reports<'_>, run: &str) -> f64 {
        let one = reports.get(run).map(|report| (EACH, report.clone())).into_iter().collect();
        match place {
            Place::Virtual => self.expression.value(&one),
            Place::Live => self.live.value(&one),
        }
    }

    /// A figure with its unit.
    pub fn spell(&self, value: f64) -> String {
        let number = number(value);
        if self.unit.is_empty() || !value.is_finite() { number } else { format!("{number} {}", self.unit) }
    }
}

/// Reads an expression that measures each run in turn. `place` is its place in the lesson.
fn read(place: &str, what: &str) -> Result<Expression, String> {
    let wrong = |error: String| format!("{place}: {error}");
    let expression = Expression::read(what).map_err(wrong)?;
    match expression.runs().iter().find(|run| **run != EACH) {
        Some(run) => Err(wrong(format!(
            "a picture measures each run in turn; write {EACH} instead of {}, such as mean({EACH})",
            excerpt(run)
        ))),
        None if expression.runs().is_empty() => {
            Err(wrong(format!("it measures no run; write a measure such as mean({EACH})")))
        }
        None => Ok(expression),
    }
}
