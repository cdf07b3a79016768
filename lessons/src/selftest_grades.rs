//! `lessons selftest --grades`: what is asked of a policy holds for a good one and fails for a bad one, and
//! the points of all known policies.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, anyhow};
use lessons::law::number;
use lessons::{Grade, Lesson, Verdict, policies};

use crate::course::Found;

const HEAD: &str = "| lesson | claim | points | expected | a policy that passes | a policy that fails | false alarms | caught |\n\
     |---|---|---|---|---|---|---|---|\n";

/// What the seeds showed.
pub(crate) struct GradesTested {
    /// The table of claims, with the numbers of seeds at the end of each row.
    pub(crate) claims: String,
    /// The rows of this table without these numbers.
    pub(crate) rows: Vec<String>,
    /// The table of the points of all policies.
    pub(crate) points: String,
    /// Whether each good policy passed, and each bad one failed, with each seed.
    pub(crate) is_good: bool,
}

/// Checks the claims of all lessons with so many seeds.
pub(crate) fn test(course: &[&Found], repeat: u32) -> Result<GradesTested> {
    let mut tested =
        GradesTested { claims: HEAD.to_owned(), rows: Vec::new(), points: String::new(), is_good: true };
    for Found { number, lesson, .. } in course {
        for (row, alarms, caught) in claims(number, lesson, repeat)? {
            tested.is_good &= alarms == 0 && caught == repeat;
            writeln!(tested.claims, "{row} {alarms} of {repeat} | {caught} of {repeat} |")?;
            tested.rows.push(row);
        }
    }
    tested.points = points(course)?;
    Ok(tested)
}

/// The row of each claim of a lesson, its false alarms, and the times at which the bad policy was caught.
fn claims(number: &str, lesson: &Lesson, repeat: u32) -> Result<Vec<(String, u32, u32)>> {
    let grades = lesson.grades();
    let mut rows: Vec<(String, u32, u32)> = Vec::new();
    for seed in lesson.seed()..lesson.seed() + u64::from(repeat) {
        let mut of_policy: BTreeMap<&str, Vec<Verdict>> = BTreeMap::new();
        for policy in grades.iter().flat_map(|grade| [&grade.good, &grade.counter]) {
            if !of_policy.contains_key(policy.as_str()) {
                of_policy.insert(policy, graded(number, lesson, policy, seed)?);
            }
        }
        for (index, grade) in grades.iter().enumerate() {
            let [good, bad] = [&grade.good, &grade.counter].map(|policy| of_policy[policy.as_str()][index]);
            if seed == lesson.seed() {
                rows.push((row(number, grade, good, bad), 0, 0));
            }
            rows[index].1 += u32::from(!good.holds());
            rows[index].2 += u32::from(!bad.holds());
        }
    }
    Ok(rows)
}

fn row(lesson: &str, grade: &Grade, good: Verdict, bad: Verdict) -> String {
    let [of_good, of_bad] = [good.value, bad.value].map(number);
    let Grade { points, good: passes, counter: fails, .. } = grade;
    let (says, band) = (grade.says(), good.band);
    format!("| {lesson} | {says} | {points} | {band} | `{passes}`: {of_good} | `{fails}`: {of_bad} |")
}

/// The points of all policies, for each lesson and in all.
fn points(course: &[&Found]) -> Result<String> {
    let graded_lessons: Vec<_> = course.iter().filter(|found| !found.lesson.grades().is_empty()).collect();
    let numbers: String = graded_lessons.iter().map(|found| format!(" {} |", found.number)).collect();
    let most: u32 =
        graded_lessons.iter().flat_map(|found| found.lesson.grades()).map(|grade| grade.points).sum();
    let mut table =
        format!("| policy |{numbers} of {most} |\n|---|{}---|\n", "---|".repeat(graded_lessons.len()));
    for policy in policies() {
        let mut sum = 0;
        write!(table, "| `{policy}` |")?;
        for Found { number, lesson, .. } in &graded_lessons {
            let verdicts = graded(number, lesson, &policy, lesson.seed())?;
            let passed = lesson.grades().iter().zip(verdicts).filter(|(_, verdict)| verdict.holds());
            let points: u32 = passed.map(|(grade, _)| grade.points).sum();
            write!(table, " {points} |")?;
            sum += points;
        }
        writeln!(table, " {sum} |")?;
    }
    Ok(table)
}

fn graded(number: &str, lesson: &Lesson, policy: &str, seed: u64) -> Result<Vec<Verdict>> {
    lesson.grade(policy, seed).map_err(|error| anyhow!("lesson {number}: {error}"))
}
