//! The figures of one lesson as tables: one of its claims, and one of its runs.

use lessons::law::number;
use lessons::{Lesson, Place, Reports};

/// The row of each claim of a place, for one run of the lesson.
pub(crate) fn rows(lesson: &Lesson, place: Place, reports: &Reports<'_>) -> Vec<String> {
    let row = |claim: &&lessons::Claim| {
        let (verdict, counter) = (claim.verdict(reports, 1), claim.counter_verdict(reports, 1));
        let [value, counter] = [verdict.value, counter.value].map(number);
        format!("| {} | {value} | {} | {counter} |", claim.says, verdict.band)
    };
    lesson.claims(place).iter().map(row).collect()
}

/// The tables for the page of a lesson.
pub(crate) fn figures(lesson: &Lesson, place: Place, reports: &Reports<'_>) -> String {
    let mut text = String::from("| claim | value | expected | counter-case |\n|---|---|---|---|\n");
    text += &rows(lesson, place, reports).iter().map(|row| format!("{row}\n")).collect::<String>();
    if let Some(chart) = &lesson.chart {
        text += &format!("\n| run | {} |\n|---|---|\n", chart.words);
        for run in lesson.runs(place) {
            text += &format!("| {run} | {} |\n", chart.spell(chart.value(place, reports, run)));
        }
    }
    text.trim_end().to_owned()
}
