//! The question of a lesson, and the answer of a student.

use std::io::{IsTerminal, stdin};
use std::path::Path;

use anyhow::{Context, Result};
use lessons::{Answer, Lesson};

use crate::print::print;

/// Prints the question with its choices.
pub(crate) fn question(number: &str, lesson: &Lesson) -> Result<()> {
    let mut text = format!("Lesson {number}: {}\n\n{}\n", lesson.title, lesson.question);
    for (index, choice) in lesson.choices.iter().enumerate() {
        text += &format!("  {}  {choice}\n", index + 1);
    }
    print(&format!("{text}\nWatch: {}\n\n", lesson.watch)).map(drop)
}

/// Waits for the number of a choice, for each part of the question. `None` without a terminal.
pub(crate) fn predict(lesson: &Lesson) -> Result<Option<Answer>> {
    if !stdin().is_terminal() {
        return Ok(None);
    }
    let mut numbers = Vec::new();
    let parts: Vec<_> = match &lesson.parts[..] {
        [] => vec!["Your prediction"],
        parts => parts.iter().map(String::as_str).collect(),
    };
    for part in parts {
        match choice(part, lesson)? {
            Some(number) => numbers.push(number),
            None => return Ok(None),
        }
    }
    Ok(Some(Answer::of(numbers, lesson.parts.len())))
}

/// Waits until the student has read the verdicts in virtual time. Without a terminal, it does not wait.
pub(crate) fn pause() -> Result<()> {
    if stdin().is_terminal() {
        print("Press Enter for the same setup on real processes: ")?;
        stdin().read_line(&mut String::new()).context("cannot read your answer")?;
    }
    Ok(())
}

/// Waits for the number of a choice. `None` at the end of the input.
fn choice(part: &str, lesson: &Lesson) -> Result<Option<usize>> {
    loop {
        print(&format!("{part}, 1 to {} (h for a hint): ", lesson.choices.len()))?;
        let mut line = String::new();
        if stdin().read_line(&mut line).context("cannot read your answer")? == 0 {
            return Ok(None);
        }
        match line.trim() {
            "h" => print(&format!("{}\n", lesson.hint)).map(drop)?,
            word => match word.parse::<usize>() {
                Ok(choice) if (1..=lesson.choices.len()).contains(&choice) => return Ok(Some(choice)),
                _ => print("Write the number of a choice.\n").map(drop)?,
            },
        }
    }
}

/// The text after the verdicts: the answer, the reason, the sources, and where to read on.
pub(crate) fn conclusion(lesson: &Lesson, prediction: Option<&Answer>, folder: &Path) -> String {
    let sources = lesson.sources.iter().map(|source| format!("Source: {source}\n")).collect::<String>();
    let (grade, page) = (grade(lesson, prediction), folder.join("README.md"));
    format!("{grade}\n{}\n{sources}More: {}\n", lesson.explain, page.display())
}

/// The answer of the student, and the right one.
fn grade(lesson: &Lesson, prediction: Option<&Answer>) -> String {
    let choice = |number: &usize| lesson.choices.get(number - 1).cloned().unwrap_or_default();
    let right = lesson.answer.numbers();
    if lesson.parts.is_empty() {
        let yours = prediction.and_then(|answer| answer.numbers().first());
        let word = |number: &usize| if *number == right[0] { "right" } else { "wrong" };
        let line = |number: &usize| format!("\nYour prediction is {}: {}", word(number), choice(number));
        let yours = yours.map(line).unwrap_or_default();
        return format!("{yours}\nThe answer: {}\n", choice(&right[0]));
    }
    let mut text = String::from("\n");
    for (index, (part, right)) in lesson.parts.iter().zip(right).enumerate() {
        let yours = prediction.and_then(|answer| answer.numbers().get(index));
        let verdict = match yours {
            None => String::new(),
            Some(yours) if yours == right => " (right)".to_owned(),
            Some(yours) => format!(" (your answer: {})", choice(yours)),
        };
        text += &format!("{part}: {}{verdict}\n", choice(right));
    }
    let points = |answer: &Answer| {
        format!("You have {} of {} right.\n", answer.right(&lesson.answer), lesson.parts.len())
    };
    text + &prediction.map(points).unwrap_or_default()
}
