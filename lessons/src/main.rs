//! The program `lessons`: runs a lesson and checks its claims, or checks that all lessons can fail.

mod ask;
mod course;
mod draw;
mod page;
mod print;
mod progress;
mod selftest;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{Args, Parser, Subcommand};
use lessons::{Lesson, Reports, Verdict};
use serde_json::{Value, json};

use self::ask::{conclusion, predict};
use self::course::{Found, course, lesson};
use self::print::print;
use self::progress::Entry;

/// Lessons that check themselves.
#[derive(Parser)]
#[command(name = "lessons")]
struct Cli {
    /// The folder of the lessons; by default those of the project.
    #[arg(long, global = true, value_name = "DIR")]
    lessons: Option<PathBuf>,
    /// The file of your predictions; by default target/lessons/progress.jsonl of the project.
    #[arg(long, global = true, value_name = "FILE")]
    progress: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the lessons, and say which are done.
    List,
    /// Run one lesson.
    Run(Run),
    /// Check that each claim holds, and that each counter-case breaks its claim.
    Selftest(selftest::Selftest),
    Pictures(draw::Pictures),
    /// Forget all predictions.
    Reset,
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
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = cli.lessons.clone().unwrap_or_else(|| own.to_owned());
    let progress = cli.progress.clone().unwrap_or_else(|| own.join("../target/lessons/progress.jsonl"));
    let course = course(&folder)?;
    match &cli.command {
        Command::List => list(&course, &progress).map(|()| true),
        Command::Run(run) => run.run(lesson(&course, &run.number)?, &progress),
        Command::Selftest(selftest) => selftest.run(&course, &folder),
        Command::Pictures(pictures) => pictures.run(&course),
        Command::Reset => progress::reset(&progress).map(|()| true),
    }
}

/// Prints one line for each lesson, with what became of the last prediction.
fn list(course: &[Found], progress: &Path) -> Result<()> {
    let last = progress::last(progress)?;
    for Found { number, lesson, .. } in course {
        let done = match last.get(number) {
            None => "     ",
            Some(entry) if entry.prediction == entry.answer => "right",
            Some(_) => "wrong",
        };
        print(&format!("{number}  {done}  {}: {}\n", lesson.title, lesson.question))?;
    }
    Ok(())
}

impl Run {
    fn run(&self, Found { number, folder, lesson }: &Found, progress: &Path) -> Result<bool> {
        let first = self.seed.unwrap_or_else(|| lesson.seed());
        let prediction = if self.check || self.json { None } else { predict(number, lesson)? };
        let mut holds = true;
        for seed in first..first.saturating_add(self.repeat.into()) {
            let reports = lesson.run(seed).map_err(|error| anyhow!("lesson {number}: {error}"))?;
            for claim in &lesson.claims {
                let verdict = claim.verdict(&reports, self.repeat);
                holds &= verdict.holds;
                print(&self.line(number, &claim.says, &claim.what, verdict, seed))?;
            }
            if !self.json {
                let reports = reports.iter().map(|(name, report)| (*name, report)).collect();
                print(&chart(lesson, &reports))?;
            }
        }
        if let Some(prediction) = prediction {
            let entry = Entry { lesson: number.clone(), prediction, answer: lesson.answer, holds };
            progress::append(progress, &entry)?;
        }
        if !self.json {
            print(&conclusion(lesson, prediction, folder))?;
        }
        Ok(holds)
    }

    /// The verdict on a claim, in words or as JSON.
    fn line(&self, number: &str, says: &str, what: &str, verdict: Verdict, seed: u64) -> String {
        let word = if verdict.holds { "pass" } else { "FAIL" };
        if !self.json {
            return format!("{word}  {says}\n      {what} = {}, seed {seed}\n", verdict.words());
        }
        let line = json!({
            "lesson": number, "claim": says, "verdict": word.to_lowercase(), "seed": seed,
            "value": finite(verdict.value), "least": finite(verdict.band.least),
            "most": finite(verdict.band.most), "measured": what,
        });
        format!("{line}\n")
    }
}

/// The figure of the picture for each run.
fn chart(lesson: &Lesson, reports: &Reports<'_>) -> String {
    let Some(chart) = &lesson.chart else { return String::new() };
    let figure = |run| format!("      {run:14} {}\n", chart.spell(chart.value(reports, run)));
    format!("\n{}, {}:\n{}", chart.words, chart.what, lesson.runs().map(figure).collect::<String>())
}

/// The value for JSON, which has no infinity.
fn finite(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}
