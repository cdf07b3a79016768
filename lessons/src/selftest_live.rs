//! `lessons selftest --live`: the claims of live runs hold, and their counter-cases break them.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use anyhow::{Context, Result};
use lessons::law::number;
use lessons::{Outcome, Place, Verdict};

use crate::course::Found;
use crate::print::print;
use crate::show::Show;

pub(crate) const HEAD: &str = "| lesson | claim | value | expected | counter-case | false alarms | inconclusive | caught |\n\
     |---|---|---|---|---|---|---|---|\n";

/// What became of one claim in all runs.
#[derive(Clone, Debug, Default, PartialEq)]
struct Counts {
    /// The value, the band and the value of the counter-case in the first run.
    first: Option<(Verdict, f64)>,
    runs: u32,
    alarms: u32,
    inconclusive: u32,
    /// Counter-cases that were judged, and those that broke the claim.
    judged: u32,
    caught: u32,
}

impl Counts {
    /// Counts a run. The counter-case of an inconclusive claim says nothing either.
    fn add(&mut self, verdict: Verdict, counter: Verdict) {
        self.first.get_or_insert((verdict, counter.value));
        self.runs += 1;
        match verdict.outcome {
            Outcome::Inconclusive => {
                self.inconclusive += 1;
                return;
            }
            Outcome::Fail => self.alarms += 1,
            Outcome::Pass => {}
        }
        self.judged += 1;
        self.caught += u32::from(!counter.holds());
    }

    fn is_good(&self) -> bool {
        self.alarms == 0 && self.caught == self.judged
    }

    fn row(&self, lesson: &str, says: &str) -> String {
        let Some((verdict, counter)) = self.first else { return String::new() };
        let [value, counter] = [verdict.value, counter].map(number);
        let Self { runs, alarms, inconclusive, judged, caught, .. } = self;
        format!(
            "| {lesson} | {says} | {value} | {} | {counter} | {alarms} of {runs} | {inconclusive} of {runs} | {caught} of {judged} |\n",
            verdict.band
        )
    }
}

/// Runs all lessons live, so many times each, and prints a row for each claim. `jobs` lessons run side by
/// side. Returns the table, and whether no claim failed and each counter-case did.
pub(crate) fn run(course: &[&Found], repeat: u32, jobs: usize) -> Result<(String, bool)> {
    print(HEAD)?;
    let next = AtomicUsize::new(0);
    let job = || {
        let mut done = Vec::new();
        while let Some(found) = course.get(next.fetch_add(1, Relaxed)) {
            done.push((found.number.as_str(), lesson(found, repeat)?));
        }
        Ok(done)
    };
    let done: Result<Vec<_>> = thread::scope(|scope| {
        let jobs: Vec<_> = (0..jobs).map(|_| scope.spawn(job)).collect();
        let results = jobs.into_iter().map(|job| job.join().unwrap_or_else(|panic| resume_unwind(panic)));
        results.collect()
    });
    let mut done: Vec<_> = done?.into_iter().flatten().collect();
    done.sort_by_key(|(number, _)| *number);
    let rows = done.iter().map(|(_, (rows, _))| rows.as_str());
    let table = [HEAD].into_iter().chain(rows).collect();
    Ok((table, done.iter().all(|(_, (_, is_good))| *is_good)))
}

/// The rows of one lesson, and whether they are good.
fn lesson(Found { number, lesson, .. }: &Found, repeat: u32) -> Result<(String, bool)> {
    let show = Show { is_quiet: true, has_page: false, is_quick: true };
    let claims = lesson.claims(Place::Live);
    if claims.is_empty() {
        return Ok((String::new(), true));
    }
    let mut counts = vec![Counts::default(); claims.len()];
    for seed in lesson.seed()..lesson.seed() + u64::from(repeat) {
        let (reports, lateness) = show.live(lesson, seed).with_context(|| format!("lesson {number}"))?;
        for (claim, counts) in claims.iter().zip(&mut counts) {
            let verdict = claim.live_verdict(&reports, 1, lateness.is_late());
            counts.add(verdict, claim.counter_verdict(&reports, 1));
        }
    }
    let rows = claims.iter().zip(&counts).map(|(claim, counts)| counts.row(number, &claim.says));
    let rows: String = rows.collect();
    print(&rows)?;
    Ok((rows, counts.iter().all(Counts::is_good)))
}

#[cfg(test)]
mod tests {
    use lessons::law::Band;

    use super::*;

    #[test]
    fn an_inconclusive_claim_is_no_alarm_and_proves_nothing() {
        let verdict = |outcome| Verdict { outcome, value: 1.0, band: Band { least: 0.0, most: 2.0 } };
        let (pass, fail) = (verdict(Outcome::Pass), verdict(Outcome::Fail));
        let mut counts = Counts::default();
        counts.add(pass, fail);
        counts.add(verdict(Outcome::Inconclusive), pass);
        assert!(counts.is_good());
        assert_eq!(counts.row("01", "c"), "| 01 | c | 1 | 0 to 2 | 1 | 0 of 2 | 1 of 2 | 1 of 1 |\n");
        for (verdict, counter) in [(pass, pass), (fail, fail)] {
            let mut bad = counts.clone();
            bad.add(verdict, counter);
            assert!(!bad.is_good(), "{verdict:?}, {counter:?}");
        }
    }
}
