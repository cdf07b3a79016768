//! `lessons grade`: the points of a policy, claim by claim.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use api::excerpt;
use clap::Args;
use lessons::law::number;
use lessons::{Grade, Lesson, Outcome, Verdict, policies};
use serde_json::json;

use crate::course::Found;
use crate::print::print;
use crate::progress::{self, GradeRecord, GradedClaim, Judged};

/// Grade a policy: run it in the setups of some lessons in virtual time, and count points.
#[derive(Args)]
pub(crate) struct Grading {
    /// The name of the policy, such as my-policy.
    policy: String,
    /// Print the results as JSON, one document for each claim and one for the sum, and keep no record.
    #[arg(long)]
    json: bool,
    /// The seed, instead of that of each lesson.
    #[arg(long)]
    seed: Option<u64>,
}

/// A claim about the policy, and what became of it.
struct Row<'a> {
    lesson: &'a str,
    seed: u64,
    grade: &'a Grade,
    /// The verdict, or the words of the policy's panic.
    verdict: Result<Verdict, String>,
}

impl Row<'_> {
    fn points(&self) -> u32 {
        if self.verdict.as_ref().is_ok_and(Verdict::holds) { self.grade.points } else { 0 }
    }

    fn judged(&self) -> Judged {
        match &self.verdict {
            Ok(verdict) => Judged::of(self.grade.says(), "virtual", self.seed, *verdict),
            Err(_) => Judged::crashed(self.grade.says(), self.seed),
        }
    }
}

impl Grading {
    /// Returns whether every claim holds.
    pub(crate) fn run(&self, course: &[Found], progress: &Path) -> Result<Outcome> {
        // Settings have kebab case, and modules snake case; students write both.
        let policy = self.policy.replace('_', "-");
        let known = policies();
        ensure!(
            known.contains(&policy),
            "there is no policy {}; write one of {}, or begin one with `cargo xtask new-policy`",
            excerpt(&policy),
            known.join(", ")
        );
        let mut rows = Vec::new();
        for Found { number, lesson, .. } in course {
            rows.extend(self.rows(number, lesson, &policy)?);
        }
        ensure!(!rows.is_empty(), "no lesson of this folder has [[grade]], so nothing can be graded");
        let (points, most) =
            (rows.iter().map(Row::points).sum(), rows.iter().map(|row| row.grade.points).sum());
        if self.json {
            print(&documents(&policy, &rows, points, most))?;
        } else {
            print(&table(&policy, &rows, points, most))?;
            progress::append(progress, &record(&policy, &rows, points, most))?;
        }
        Ok(if points == most { Outcome::Pass } else { Outcome::Fail })
    }

    /// The claims of one lesson. A policy that panics passes none of them.
    fn rows<'a>(&self, number: &'a str, lesson: &'a Lesson, policy: &str) -> Result<Vec<Row<'a>>> {
        if lesson.grades().is_empty() {
            return Ok(Vec::new());
        }
        let seed = self.seed.unwrap_or_else(|| lesson.seed());
        let verdicts: Vec<Result<Verdict, String>> =
            match catch_unwind(AssertUnwindSafe(|| lesson.grade(policy, seed))) {
                Ok(graded) => {
                    let graded = graded.map_err(|error| anyhow!("lesson {number}: {error}"))?;
                    graded.into_iter().map(Ok).collect()
                }
                Err(panic) => vec![Err(words(&*panic)); lesson.grades().len()],
            };
        let rows = lesson.grades().iter().zip(verdicts);
        Ok(rows.map(|(grade, verdict)| Row { lesson: number, seed, grade, verdict }).collect())
    }
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words").to_owned()
}

/// The claims as a table, the sum, and what to look at.
fn table(policy: &str, rows: &[Row<'_>], points: u32, most: u32) -> String {
    let width = rows.iter().map(|row| row.grade.says().chars().count()).max().unwrap_or_default();
    let mut text = format!("Grade of {policy}, in virtual time:\n\n");
    text += &format!("lesson  {:width$}  {:>9}  {:16}  points\n", "claim", "value", "expected");
    for row in rows {
        let (value, band) = match &row.verdict {
            Ok(verdict) => (number(verdict.value), verdict.band.to_string()),
            Err(_) => ("panic".to_owned(), String::new()),
        };
        let (says, of) = (row.grade.says(), row.grade.points);
        text +=
            &format!("{:6}  {says:width$}  {value:>9}  {band:16}  {:2} of {of}\n", row.lesson, row.points());
    }
    text += &format!("\nSum: {points} of {most}\n");
    let missed: Vec<_> = rows.iter().filter(|row| row.points() == 0).collect();
    if !missed.is_empty() {
        text += "\nWhat to look at:\n";
    }
    let mut last = String::new();
    for row in missed {
        let hint = match &row.verdict {
            Ok(_) => format!("{}: {}\n", row.lesson, row.grade.hint),
            Err(panic) => format!(
                "{}: the policy panicked: {panic}. Run `cargo test -p balance {}`.\n",
                row.lesson,
                policy.replace('-', "_")
            ),
        };
        if hint != last {
            text += &format!("  {hint}");
        }
        last = hint;
    }
    text
}

/// One document for each claim, and one for the sum.
fn documents(policy: &str, rows: &[Row<'_>], points: u32, most: u32) -> String {
    let mut text = String::new();
    for row in rows {
        let Judged { says, verdict, value, least, most, seed, .. } = row.judged();
        let line = json!({
            "policy": policy, "lesson": row.lesson, "claim": says, "verdict": verdict, "seed": seed, "value": value,
            "least": least, "most": most, "measured": row.grade.what(), "points": row.points(),
            "of": row.grade.points, "hint": row.grade.hint, "panic": row.verdict.as_ref().err(),
        });
        text += &format!("{line}\n");
    }
    text + &format!("{}\n", json!({ "policy": policy, "points": points, "of": most }))
}

/// What the file of progress keeps of a grade.
fn record(policy: &str, rows: &[Row<'_>], points: u32, most: u32) -> GradeRecord {
    let claim = |row: &Row<'_>| GradedClaim {
        lesson: row.lesson.to_owned(),
        claim: row.judged(),
        points: row.points(),
        of: row.grade.points,
    };
    GradeRecord {
        graded: policy.to_owned(),
        points,
        of: most,
        claims: rows.iter().map(claim).collect(),
        at: progress::now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_panics_gets_no_points_and_the_command_that_finds_the_reason() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let toml = std::fs::read_to_string(own.join("06-one-slow-server/lesson.toml")).unwrap();
        let lesson = Lesson::parse(&toml).unwrap();
        let panic = catch_unwind(|| Vec::<u8>::new()[3]).unwrap_err();
        let verdict = || Err(words(&*panic));
        let rows: Vec<_> = lesson
            .grades()
            .iter()
            .map(|grade| Row { lesson: "06", seed: 6, grade, verdict: verdict() })
            .collect();
        assert!(rows.len() >= 2 && rows.iter().all(|row| row.points() == 0));
        let text = table("my-policy", &rows, 0, 25);
        assert!(text.contains("the policy panicked: index out of bounds"), "{text}");
        assert_eq!(text.matches("cargo test -p balance my_policy").count(), 1, "{text}");
        let document = documents("my-policy", &rows, 0, 25);
        assert!(document.contains(r#""value":null"#) && document.contains(r#""panic":"index"#), "{document}");
        assert_eq!(record("my-policy", &rows, 0, 25).claims[0].claim.verdict, "fail");
    }
}
