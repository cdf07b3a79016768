//! `lessons selftest`: each claim holds, and each counter-case breaks its claim, with many seeds.

use std::fmt::Write as _;

use anyhow::{Result, anyhow};
use clap::Args;

use crate::course::Found;
use crate::print::print;

/// Check that each claim holds, and that each counter-case breaks its claim.
#[derive(Args)]
pub(crate) struct Selftest {
    /// The number of seeds for each lesson, from the seed of the lesson on.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,
}

impl Selftest {
    /// Prints a table. Returns whether no claim failed and each counter-case did.
    pub(crate) fn run(&self, course: &[Found]) -> Result<bool> {
        let mut text = String::from(
            "| lesson | claim | value | expected | counter-case | false alarms | caught |\n|---|---|---|---|---|---|---|\n",
        );
        let mut is_good = true;
        for Found { number, lesson, .. } in course {
            let mut counts = vec![(0, 0); lesson.claims.len()];
            let mut first = Vec::new();
            for seed in lesson.seed()..lesson.seed() + u64::from(self.repeat) {
                let reports = lesson.run(seed).map_err(|error| anyhow!("lesson {number}: {error}"))?;
                for (claim, (alarms, caught)) in lesson.claims.iter().zip(&mut counts) {
                    let verdict = claim.verdict(&reports, 1);
                    let counter = claim.counter_verdict(&reports, 1);
                    *alarms += u32::from(!verdict.holds);
                    *caught += u32::from(!counter.holds);
                    if seed == lesson.seed() {
                        first.push((verdict, counter));
                    }
                }
            }
            for ((claim, (alarms, caught)), (verdict, counter)) in lesson.claims.iter().zip(counts).zip(first)
            {
                is_good &= alarms == 0 && caught == self.repeat;
                let [value, counter] = [verdict.value, counter.value].map(lessons::law::number);
                let (says, band, of) = (&claim.says, verdict.band, self.repeat);
                let row = format!(
                    "| {number} | {says} | {value} | {band} | {counter} | {alarms} of {of} | {caught} of {of} |"
                );
                writeln!(text, "{row}")?;
            }
        }
        print(&text)?;
        Ok(is_good)
    }
}
