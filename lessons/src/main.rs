//! The program `lessons`: runs a lesson and checks its claims, or checks that all lessons can fail.

mod course;
mod print;
mod selftest;

use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Parser, Subcommand};
use lessons::Lesson;
use serde_json::{Value, json};

use self::course::{Found, course, lesson};
use self::print::print;

/// Lessons that check themselves.
#[derive(Parser)]
#[command(name = "lessons")]
struct Cli {
    /// The folder of the lessons; by default those of the project.
    #[arg(long, global = true, value_name = "DIR")]
    lessons: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the lessons.
    List,
    /// Run one lesson.
    Run(Run),
    /// Check that each claim holds, and that each counter-case breaks its claim.
    Selftest(selftest::Selftest),
}

/// Run one lesson.
#[derive(Args)]
struct Run {
    /// Its number, such as 06.
    number: String,
    /// Ask no question: run, and check the claims.
    #[arg(long)]
    check: bool,
    /// Print the results as JSON; implies --check.
    #[arg(long)]
    json: bool,
    /// The seed, instead of that of the lesson.
    #[arg(long)]
    seed: Option<u64>,
    /// Run with this number of seeds, one after the other.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether all claims hold.
fn run(cli: &Cli) -> Result<bool> {
    let folder = cli.lessons.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    let course = course(&folder)?;
    match &cli.command {
        Command::List => {
            for Found { number, lesson, .. } in &course {
                print(&format!("{number}  {}: {}\n", lesson.title, lesson.question))?;
            }
            Ok(true)
        }
        Command::Run(run) => run.run(lesson(&course, &run.number)?),
        Command::Selftest(selftest) => selftest.run(&course),
    }
}

impl Run {
    fn run(&self, Found { number, folder, lesson }: &Found) -> Result<bool> {
        let first = self.seed.unwrap_or_else(|| lesson.seed());
        let prediction = if self.check || self.json { None } else { predict(number, lesson)? };
        let mut holds = true;
        for seed in first..first.saturating_add(self.repeat.into()) {
            let reports = lesson.run(seed).map_err(|error| anyhow!("lesson {number}: {error}"))?;
            for claim in &lesson.claims {
                let verdict = claim.verdict(&reports, self.repeat);
                holds &= verdict.holds;
                let word = if verdict.holds { "pass" } else { "FAIL" };
                if self.json {
                    let line = json!({
                        "lesson": number, "claim": claim.says, "verdict": word.to_lowercase(), "seed": seed,
                        "value": finite(verdict.value), "least": finite(verdict.band.least),
                        "most": finite(verdict.band.most), "measured": claim.what,
                    });
                    print(&format!("{line}\n"))?;
                } else {
                    let (says, words) = (&claim.says, verdict.words());
                    print(&format!("{word}  {says}\n      {} = {words}, seed {seed}\n", claim.what))?;
                }
            }
        }
        if !self.json {
            print(&farewell(lesson, prediction, folder))?;
        }
        Ok(holds)
    }
}

/// The value for JSON, which has no infinity.
fn finite(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}

/// Asks the question, and waits for the number of a choice. `None` without a terminal.
fn predict(number: &str, lesson: &Lesson) -> Result<Option<usize>> {
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

/// What follows the verdicts: the answer, the reason, the sources, and where to read on.
fn farewell(lesson: &Lesson, prediction: Option<usize>, folder: &Path) -> String {
    let choice = |number: usize| lesson.choices.get(number - 1).cloned().unwrap_or_default();
    let yours = prediction.map(|number| format!("\nYour prediction: {}", choice(number))).unwrap_or_default();
    let sources = lesson.sources.iter().map(|source| format!("Source: {source}\n")).collect::<String>();
    let (answer, page) = (choice(lesson.answer), folder.join("README.md"));
    format!("{yours}\nThe answer: {answer}\n\n{}\n{sources}More: {}\n", lesson.explain, page.display())
}
