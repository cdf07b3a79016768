//! `lessons hand-in`: one page with everything that a student did.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use console::report::{Page, Table};
use lessons::law::{Band, number};
use lessons::{Answer, Lesson};

use crate::course::Found;
use crate::print::print;
use crate::progress::{self, Entry, GradeRecord, Judged, Progress};

/// What the title of each page begins with. A file with another title is not overwritten.
const TITLE: &str = "Hand-in: ";

/// The longest name of a student, in letters.
const LONGEST: usize = 200;

/// Write one page of HTML with your predictions, the results of the runs, and the grades of your policies.
#[derive(Args)]
pub(crate) struct HandIn {
    /// Your name.
    #[arg(long)]
    name: String,
    /// The page; by default hand-in.html beside the file of predictions.
    #[arg(value_name = "FILE.html")]
    file: Option<PathBuf>,
}

impl HandIn {
    pub(crate) fn run(&self, course: &[Found], progress: &Path) -> Result<()> {
        let name = self.name.trim();
        ensure!(!name.is_empty(), "--name is empty; write your name, such as --name \"A. Student\"");
        let letters = name.chars().count();
        ensure!(letters <= LONGEST, "--name has {letters} letters; write at most {LONGEST}");
        let file = self.file.clone().unwrap_or_else(|| progress.with_file_name("hand-in.html"));
        let done = progress::read(progress)?;
        if done.predictions.is_empty() && done.grades.is_empty() {
            bail!("{} has nothing to hand in; run a lesson first, such as `lesson 01`", progress.display());
        }
        may_write(&file)?;
        fs::write(&file, page(name, course, &done, &progress::now()))
            .with_context(|| format!("cannot write {}", file.display()))?;
        print(&format!("{}\n", file.display()))
    }
}

/// Whether this file may be written: it does not exist, or it is a page of before.
fn may_write(file: &Path) -> Result<()> {
    let shown = file.display();
    let is_html = file.extension().is_some_and(|extension| extension == "html" || extension == "htm");
    ensure!(is_html, "{shown} is no name of a page; write one that ends with .html");
    if !file.exists() {
        return Ok(());
    }
    let old = fs::read(file).with_context(|| format!("cannot read {shown}"))?;
    let is_page = String::from_utf8_lossy(&old).contains(&format!("<title>{TITLE}"));
    ensure!(is_page, "{shown} exists, and is no page of `lessons hand-in`; write another name");
    Ok(())
}

/// The page.
fn page(name: &str, course: &[Found], done: &Progress, now: &str) -> String {
    let title = format!("{TITLE}{name}");
    let mut page = Page::default();
    page.title(&title);
    summary(&mut page, name, course, done, now);
    for (number, entries) in &done.predictions {
        let found = course.iter().find(|found| found.number == *number);
        lesson(&mut page, number, found.map(|found| &found.lesson), entries);
    }
    for (index, record) in last_grades(&done.grades).into_iter().enumerate() {
        grade(&mut page, index, record);
    }
    page.finish(&title)
}

/// The last grade of each policy, in the order in which they were first graded.
fn last_grades(grades: &[GradeRecord]) -> Vec<&GradeRecord> {
    let mut last: Vec<&GradeRecord> = Vec::new();
    for record in grades {
        match last.iter_mut().find(|known| known.graded == record.graded) {
            Some(known) => *known = record,
            None => last.push(record),
        }
    }
    last
}

fn summary(page: &mut Page, name: &str, course: &[Found], done: &Progress, now: &str) {
    let first = done.predictions.values().filter_map(|entries| entries.first());
    let right = first.filter(|entry| entry.prediction == entry.answer).count();
    let best = done.grades.iter().max_by_key(|record| record.points);
    let best = best.map(|record| format!("{} of {}, for {}", record.points, record.of, record.graded));
    page.section("summary", "Summary");
    page.facts(&[
        ("name", name.to_owned()),
        ("written", now.to_owned()),
        ("lessons with a prediction", format!("{} of {}", done.predictions.len(), course.len())),
        ("right at the first prediction", format!("{right} of {}", done.predictions.len())),
        ("best grade of a policy", best.unwrap_or_else(|| "no policy was graded".to_owned())),
        ("version of the lessons", env!("CARGO_PKG_VERSION").to_owned()),
    ]);
    if done.predictions.is_empty() {
        return;
    }
    let mut table = Table::new(
        "All lessons with a prediction",
        &["lesson", "first prediction", "last prediction", "predictions", "claims that held", "last run"],
    );
    for (number, entries) in &done.predictions {
        let found = course.iter().find(|found| found.number == *number);
        let title = found.map(|found| found.lesson.title.clone()).unwrap_or_default();
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { continue };
        table.row(vec![
            format!("{number} {title}").trim_end().to_owned(),
            right_or_wrong(first),
            right_or_wrong(last),
            entries.len().to_string(),
            held(last),
            or_unknown(&last.at),
        ]);
    }
    page.table(&table);
}

fn right_or_wrong(entry: &Entry) -> String {
    let all = entry.answer.numbers().len();
    match entry.prediction.right(&entry.answer) {
        right if right == all => "right".to_owned(),
        right if all > 1 => format!("{right} of {all} right"),
        _ => "wrong".to_owned(),
    }
}

/// How many claims held.
fn held(entry: &Entry) -> String {
    if entry.claims.is_empty() {
        // The lines of earlier versions say no more.
        return if entry.holds { "all".to_owned() } else { "not all".to_owned() };
    }
    let held = entry.claims.iter().filter(|claim| claim.verdict == "pass").count();
    format!("{held} of {}", entry.claims.len())
}

fn lesson(page: &mut Page, number: &str, lesson: Option<&Lesson>, entries: &[Entry]) {
    let Some(last) = entries.last() else { return };
    let title = lesson.map_or("not in this course", |lesson| &lesson.title);
    page.section(&format!("lesson-{number}"), &format!("{number} {title}"));
    if let Some(lesson) = lesson {
        page.words(&lesson.question);
    }
    page.facts(&[
        ("right answer", words(&last.answer, lesson)),
        ("last run", or_unknown(&last.at)),
        ("version of the lessons", or_unknown(&last.version)),
    ]);
    let mut table = Table::new("Predictions", &["number", "time", "prediction", "verdict"]);
    for (entry, number) in entries.iter().zip(1..) {
        let prediction = words(&entry.prediction, lesson);
        table.row(vec![number.to_string(), or_unknown(&entry.at), prediction, right_or_wrong(entry)]);
    }
    page.table(&table);
    if last.claims.is_empty() {
        return page.words("The last run was made with an earlier version, which kept no claims.");
    }
    let mut table = Table::new("Claims of the last run", &["claim", "where", "outcome", "value", "seed"]);
    for claim in &last.claims {
        let Judged { says, place, verdict, seed, .. } = claim;
        let [says, place, verdict] = [says, place, verdict].map(Clone::clone);
        table.row(vec![says, place, verdict, value(claim), seed.to_string()]);
    }
    page.table(&table);
}

fn grade(page: &mut Page, index: usize, record: &GradeRecord) {
    page.section(&format!("grade-{index}"), &format!("Grade of the policy {}", record.graded));
    page.facts(&[
        ("points", format!("{} of {}", record.points, record.of)),
        ("graded", record.at.clone()),
        ("version of the lessons", record.version.clone()),
    ]);
    let heads = ["lesson", "claim", "outcome", "value", "points", "seed"];
    let mut table = Table::new("Claims about the policy, in virtual time", &heads);
    for graded in &record.claims {
        table.row(vec![
            graded.lesson.clone(),
            graded.claim.says.clone(),
            graded.claim.verdict.clone(),
            value(&graded.claim),
            format!("{} of {}", graded.points, graded.of),
            graded.claim.seed.to_string(),
        ]);
    }
    page.table(&table);
}

/// An answer in words; in numbers if the lesson has no such choice any more.
fn words(answer: &Answer, lesson: Option<&Lesson>) -> String {
    let word = |index: usize, choice: &usize| {
        let text = lesson.and_then(|lesson| lesson.choices.get(choice.checked_sub(1)?).cloned());
        let text = text.unwrap_or_else(|| format!("choice {choice}"));
        match lesson.and_then(|lesson| lesson.parts.get(index)) {
            Some(part) => format!("{part}: {text}"),
            None => text,
        }
    };
    let words = answer.numbers().iter().enumerate().map(|(index, choice)| word(index, choice));
    words.collect::<Vec<_>>().join("; ")
}

/// The value with the band, in one cell: a browser breaks the lines of narrow cells inside of numbers.
fn value(claim: &Judged) -> String {
    let band =
        Band { least: claim.least.unwrap_or(f64::NEG_INFINITY), most: claim.most.unwrap_or(f64::INFINITY) };
    format!("{} (expected {band})", number(claim.value.unwrap_or(f64::NAN)))
}

/// A time or a version; lines of earlier versions have none.
fn or_unknown(text: &str) -> String {
    if text.is_empty() { "unknown".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use lessons::{Outcome, Verdict};

    use super::*;

    fn course() -> Vec<Found> {
        crate::course::course(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn claim(outcome: Outcome, value: f64) -> Judged {
        let band = Band { least: 2.0, most: f64::INFINITY };
        Judged::of("a < b", "live", 99, Verdict { outcome, value, band })
    }

    fn entry(lesson: &str, prediction: usize, claims: Vec<Judged>) -> Entry {
        Entry {
            lesson: lesson.to_owned(),
            prediction: Answer::One(prediction),
            answer: Answer::One(2),
            holds: true,
            claims,
            at: format!("2026-01-0{prediction}T00:00:00Z"),
            version: "7.8.9".to_owned(),
        }
    }

    fn done() -> Progress {
        let mut done = Progress::default();
        let claims = vec![claim(Outcome::Pass, 4.5), claim(Outcome::Inconclusive, f64::NAN)];
        done.predictions.insert("06".to_owned(), vec![entry("06", 1, Vec::new()), entry("06", 2, claims)]);
        let graded = GradeRecord {
            graded: "<mine>".to_owned(),
            points: 3,
            of: 8,
            claims: Vec::new(),
            at: "2026-02-03T00:00:00Z".to_owned(),
            version: "7.8.9".to_owned(),
        };
        done.grades = vec![GradeRecord { points: 5, ..graded.clone() }, graded];
        done
    }

    #[test]
    fn the_page_has_everything_that_the_file_keeps() {
        let html = page("A. Student", &course(), &done(), "2026-03-04T00:00:00Z");
        for part in [
            "<title>Hand-in: A. Student</title>",
            "2026-03-04T00:00:00Z",
            "06 One slow server",
            "One of four servers is a hundred times as slow.",
            // The first prediction counts, and all are shown with their times.
            "<dt>right at the first prediction</dt><dd>0 of 1</dd>",
            "round robin hides it; the 50th percentile shows it</td><td>wrong</td>",
            "least connections hides it; the 95th percentile shows it</td><td>right</td>",
            "2026-01-01T00:00:00Z",
            "2026-01-02T00:00:00Z",
            "a &lt; b</th><td>live</td><td>pass</td><td>4.5 (expected at least 2)</td><td>99</td>",
            "inconclusive</td><td>no number (expected at least 2)",
            "<td>1 of 2</td>",
            "7.8.9",
            "<dt>best grade of a policy</dt><dd>5 of 8, for &lt;mine&gt;</dd>",
            "Grade of the policy &lt;mine&gt;",
            "<dt>points</dt><dd>3 of 8</dd>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert_eq!(html.matches("Grade of the policy").count(), 1, "the last grade of each policy");
    }

    #[test]
    fn a_name_is_only_text_and_the_page_loads_nothing() {
        let html = page("<script>alert(1)</script> & \"A\"", &course(), &done(), "now");
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;A&quot;"), "{html}");
        for forbidden in ["<script", "<link", "<img", "<iframe", "src=", "@import", "url("] {
            assert!(!html.contains(forbidden), "{forbidden} is in {html}");
        }
        assert!(html.contains("default-src 'none'"), "{html}");
    }

    #[test]
    fn a_lesson_that_is_gone_and_an_answer_of_parts_have_words() {
        let answer = Answer::Parts(vec![2, 1]);
        assert_eq!(words(&answer, None), "choice 2; choice 1");
        assert_eq!(words(&Answer::One(9), Some(&course()[0].lesson)), "choice 9");
        assert_eq!(words(&Answer::One(0), Some(&course()[0].lesson)), "choice 0");
        let half = Entry { prediction: Answer::Parts(vec![2, 2]), answer, ..entry("25", 1, Vec::new()) };
        assert_eq!(right_or_wrong(&half), "1 of 2 right");
        let mut done = Progress::default();
        done.predictions.insert("77".to_owned(), vec![half]);
        assert!(page("A", &course(), &done, "now").contains("77 not in this course"));
    }

    #[test]
    fn no_other_file_is_overwritten() {
        let folder = std::env::temp_dir().join(format!("lessons-hand-in-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let progress = folder.join("progress.jsonl");
        let hand_in = |name: &str, file: &str| {
            let command = HandIn { name: name.to_owned(), file: Some(folder.join(file)) };
            command.run(&course(), &progress).map_err(|error| format!("{error:#}"))
        };
        assert!(hand_in("A", "a.html").unwrap_err().contains("run a lesson first"));
        progress::append(&progress, &entry("06", 2, Vec::new())).unwrap();
        fs::write(folder.join("other.html"), "<title>My diary</title>").unwrap();
        for (name, file, expected) in [
            (" ", "a.html", "write your name"),
            (&"x".repeat(201), "a.html", "write at most 200"),
            ("A", "lesson.toml", "ends with .html"),
            ("A", "other.html", "write another name"),
        ] {
            assert!(hand_in(name, file).unwrap_err().contains(expected), "{name} {file}");
        }
        assert_eq!(fs::read_to_string(folder.join("other.html")).unwrap(), "<title>My diary</title>");
        hand_in("A", "a.html").unwrap();
        hand_in("B", "a.html").unwrap();
        assert!(fs::read_to_string(folder.join("a.html")).unwrap().contains("<title>Hand-in: B</title>"));
        fs::remove_dir_all(folder).unwrap();
    }
}
