//! `lessons watch`: the live runs of a lesson on the screen, without its question and its claims.

use anyhow::{Result, ensure};
use clap::Args;
use lessons::Place;

use crate::course::{Found, lesson};
use crate::show::Show;

/// Show the live runs of a lesson, without its question and its claims.
#[derive(Args)]
pub(crate) struct Watch {
    /// The number of the lesson, such as 06.
    number: String,
    /// The seed, instead of that of the lesson.
    #[arg(long)]
    seed: Option<u64>,
    /// Make the runs short.
    #[arg(long)]
    quick: bool,
    /// Do not serve the page on port 4000.
    #[arg(long)]
    no_page: bool,
}

impl Watch {
    /// Does the runs one after the other, and ends.
    pub(crate) fn run(&self, course: &[Found]) -> Result<()> {
        let Found { number, lesson, .. } = lesson(course, &self.number)?;
        let is_live = |found: &&Found| !found.lesson.runs(Place::Live).is_empty();
        let others = || course.iter().filter(is_live).map(|found| found.number.as_str()).collect::<Vec<_>>();
        ensure!(
            !lesson.runs(Place::Live).is_empty(),
            "lesson {number} has no live runs; write one of {}",
            others().join(", ")
        );
        let show = Show { is_quiet: false, has_page: !self.no_page, is_quick: self.quick };
        show.live(lesson, self.seed.unwrap_or_else(|| lesson.seed())).map(drop)
    }
}
