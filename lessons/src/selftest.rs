//! `lessons selftest`: each claim holds, and each counter-case breaks its claim, with many seeds.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use lessons::Place;

use crate::course::{Found, chosen};
use crate::page::{at, part, read, write_part};
use crate::print::print;
use crate::tables::{figures, rows};
use crate::{selftest_grades, selftest_live};

/// Check that each claim holds, and that each counter-case breaks its claim.
#[derive(Args)]
pub(crate) struct Selftest {
    /// The number of seeds for each lesson, from the seed of the lesson on.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,
    /// Write the table into the page of the lessons, and the figures of each lesson into its README.md.
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Compare the pages with the first seed of each lesson.
    #[arg(long)]
    check: bool,
    /// Check the claims of live runs instead, with the quick plans.
    #[arg(long, conflicts_with = "check")]
    live: bool,
    /// With --live, the number of lessons that run side by side.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    jobs: u16,
    /// The numbers of the lessons; all by default.
    #[arg(value_name = "NUMBER", conflicts_with_all = ["write", "check"])]
    numbers: Vec<String>,
    /// Check what is asked of a policy that is graded instead, and count the points of all policies.
    #[arg(long, conflicts_with = "live")]
    grades: bool,
    /// The page with the table; by default docs/lessons.md next to the folder of the lessons.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

/// What the seeds of one lesson showed.
struct Tested {
    /// One row of the table for each claim, without its end.
    rows: Vec<String>,
    /// The end of each row: false alarms, and counter-cases that broke their claim.
    ends: Vec<String>,
    /// The figures of the first seed, for the README.md of the lesson.
    figures: String,
    is_good: bool,
}

const HEAD: &str = "| lesson | claim | value | expected | counter-case | false alarms | caught |\n\
                    |---|---|---|---|---|---|---|\n";

impl Selftest {
    /// Prints a table. Returns whether no claim failed, each counter-case did, and the pages agree.
    pub(crate) fn run(&self, course: &[Found], folder: &Path) -> Result<bool> {
        let chosen = chosen(course, &self.numbers)?;
        let page = self.page.clone().unwrap_or_else(|| folder.join("../docs/lessons.md"));
        if self.live {
            let (table, is_good) = selftest_live::run(&chosen, self.repeat, self.jobs.into())?;
            if self.write {
                write_part(&page, "selftest-live", &table)?;
            }
            return Ok(is_good);
        }
        if self.grades {
            return self.grades(&chosen, &page);
        }
        let (mut table, mut is_good, mut differences) = (String::from(HEAD), true, Vec::new());
        let mut expected = Vec::new();
        for found in chosen.into_iter().filter(|found| !found.lesson.claims(Place::Virtual).is_empty()) {
            let tested = test(found, self.repeat)?;
            is_good &= tested.is_good;
            for (row, end) in tested.rows.iter().zip(&tested.ends) {
                writeln!(table, "{row}{end}")?;
            }
            expected.extend(tested.rows);
            let readme = found.folder.join("README.md");
            if self.write {
                write_part(&readme, "figures", &tested.figures)?;
            } else if self.check
                && part(&read(&readme)?, "figures").with_context(at(&readme))? != tested.figures
            {
                differences.push(format!("{} has other figures", readme.display()));
            }
        }
        print(&table)?;
        if self.write {
            write_part(&page, "selftest", &table)?;
        } else if self.check {
            let text = read(&page)?;
            differences.extend(compare(part(&text, "selftest").with_context(at(&page))?, &expected));
        }
        for difference in &differences {
            print(&format!("{difference}; run `lessons selftest --repeat 20 --write`\n"))?;
        }
        Ok(is_good && differences.is_empty())
    }
}

impl Selftest {
    /// The same for what is asked of a policy.
    fn grades(&self, course: &[&Found], page: &Path) -> Result<bool> {
        let tested = selftest_grades::test(course, self.repeat)?;
        print(&format!("{}\n{}", tested.claims, tested.points))?;
        let mut differences = Vec::new();
        if self.write {
            write_part(page, "grades", &tested.claims)?;
            write_part(page, "points", &tested.points)?;
        } else if self.check {
            let text = read(page)?;
            differences.extend(compare(part(&text, "grades").with_context(at(page))?, &tested.rows));
            if part(&text, "points").with_context(at(page))? != tested.points.trim_end() {
                differences.push("the page has other points".to_owned());
            }
        }
        for difference in &differences {
            print(&format!("{difference}; run `lessons selftest --grades --repeat 20 --write`\n"))?;
        }
        Ok(tested.is_good && differences.is_empty())
    }
}

fn test(Found { number: lesson_number, lesson, .. }: &Found, repeat: u32) -> Result<Tested> {
    let claims = lesson.claims(Place::Virtual);
    let mut counts = vec![(0, 0); claims.len()];
    let mut tested = Tested { rows: Vec::new(), ends: Vec::new(), figures: String::new(), is_good: true };
    for seed in lesson.seed()..lesson.seed() + u64::from(repeat) {
        let reports = lesson.run(seed).map_err(|error| anyhow!("lesson {lesson_number}: {error}"))?;
        for (claim, (alarms, caught)) in claims.iter().zip(&mut counts) {
            let (verdict, counter) = (claim.verdict(&reports, 1), claim.counter_verdict(&reports, 1));
            *alarms += u32::from(!verdict.holds());
            *caught += u32::from(!counter.holds());
        }
        if seed == lesson.seed() {
            tested.figures = figures(lesson, Place::Virtual, &reports);
            let rows = rows(lesson, Place::Virtual, &reports);
            tested.rows = rows.into_iter().map(|row| format!("| {lesson_number} {row}")).collect();
        }
    }
    for (alarms, caught) in counts {
        tested.is_good &= alarms == 0 && caught == repeat;
        tested.ends.push(format!(" {alarms} of {repeat} | {caught} of {repeat} |"));
    }
    Ok(tested)
}

/// The lines of a page that differ from these rows, or that report a failure.
fn compare(table: &str, expected: &[String]) -> Vec<String> {
    let rows: Vec<_> = table.lines().skip(2).collect();
    let mut differences = Vec::new();
    if rows.len() != expected.len() {
        differences.push(format!("the page has {} rows instead of {}", rows.len(), expected.len()));
    }
    for (row, expected) in rows.iter().zip(expected) {
        let end = row.strip_prefix(expected.as_str());
        let is_good = end.is_some_and(|end| {
            let ends = end.trim_matches([' ', '|']).split_once(" | ");
            ends.is_some_and(|(alarms, caught)| {
                alarms.starts_with("0 of ")
                    && caught.split_once(" of ").is_some_and(|(some, all)| some == all)
            })
        });
        if !is_good {
            differences.push(format!("the page has `{row}`, and the lesson gives `{expected}`"));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_with_another_value_or_a_failure_differs() {
        let expected = ["| 01 | a | 1 | 1 | 2 |".to_owned()];
        let page = |row: &str| format!("{HEAD}{row}");
        assert_eq!(compare(&page("| 01 | a | 1 | 1 | 2 | 0 of 20 | 20 of 20 |"), &expected), [""; 0]);
        for row in [
            "| 01 | a | 3 | 1 | 2 | 0 of 20 | 20 of 20 |",
            "| 01 | a | 1 | 1 | 2 | 1 of 20 | 20 of 20 |",
            "| 01 | a | 1 | 1 | 2 | 0 of 20 | 19 of 20 |",
            "",
        ] {
            assert_eq!(compare(&page(row), &expected).len(), 1, "{row}");
        }
    }
}
