//! The question of a lesson, and the answer of a student.

use std::io::{IsTerminal, stdin};
use std::path::Path;

use anyhow::{Context, Result};
use lessons::Lesson;

use crate::print::print;

/// Asks the question, and waits for the number of a choice. `None` without a terminal.
pub(crate) fn predict(number: &str, lesson: &Lesson) -> Result<Option<usize>> {
    let mut text = format!("Lesson {number}: {}\n\n{}\n", lesson.title, lesson.question);
    for (index, choice) in lesson.choices.iter().enumerate() {
        text += &format!("  {}  {choice}\n", index + 1);
    }
    print(&format!("{text}\nWatch: {}\n\n", lesson.watch))?;
    if !stdin().is_terminal() {
        return Ok(None);
    }
    loop {
        print(&format!("Your prediction, 1 to {} (h for a hint): ", lesson.choices.len()))?;
        let mut line = String::new();
        if stdin().read_line(&mut line).context("cannot read your answer")? == 0 {
            return Ok(None);
        }
        match line.trim() {
            "h" => print(&format!("{}\n", lesson.hint))?,
            word => match word.parse::<usize>() {
                Ok(choice) if (1..=lesson.choices.len()).contains(&choice) => return Ok(Some(choice)),
                _ => print("Write the number of a choice.\n")?,
            },
        }
    }
}

/// The text after the verdicts: the answer, the reason, the sources, and where to read on.
pub(crate) fn conclusion(lesson: &Lesson, prediction: Option<usize>, folder: &Path) -> String {
    let choice = |number: usize| lesson.choices.get(number - 1).cloned().unwrap_or_default();
    let yours = prediction.map(|number| format!("\nYour prediction: {}", choice(number))).unwrap_or_default();
    let sources = lesson.sources.iter().map(|source| format!("Source: {source}\n")).collect::<String>();
    let (answer, page) = (choice(lesson.answer), folder.join("README.md"));
    format!("{yours}\nThe answer: {answer}\n\n{}\n{sources}More: {}\n", lesson.explain, page.display())
}
