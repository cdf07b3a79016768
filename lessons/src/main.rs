//! The program `lessons`: runs a lesson and checks its claims, or checks that all lessons can fail.

mod ask;
mod course;
mod draw;
mod foreign;
mod grading;
mod hand_in;
mod page;
mod print;
mod progress;
mod run;
mod selftest;
mod selftest_grades;
mod selftest_live;
mod show;
mod tables;
mod watch;

use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use lessons::Outcome;

use self::course::{Found, course, lesson};
use self::print::print;

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
    Run(run::Run),
    /// Check that each claim holds, and that each counter-case breaks its claim.
    Selftest(selftest::Selftest),
    /// Print the hint of a lesson.
    Hint {
        /// The number of the lesson, such as 06.
        number: String,
    },
    Watch(watch::Watch),
    Grade(grading::Grading),
    HandIn(hand_in::HandIn),
    Pictures(draw::Pictures),
    /// Forget all predictions.
    Reset,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(Outcome::Pass) => ExitCode::SUCCESS,
        Ok(Outcome::Fail) => ExitCode::FAILURE,
        Ok(Outcome::Inconclusive) => ExitCode::from(3),
        Err(error) => {
            // Without a standard error, the exit status still says it.
            let _ = writeln!(stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Does what the command line says. Returns the worst outcome of a claim.
fn run(cli: &Cli) -> Result<Outcome> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = cli.lessons.clone().unwrap_or_else(|| own.to_owned());
    let progress = cli.progress.clone().unwrap_or_else(|| own.join("../target/lessons/progress.jsonl"));
    let course = course(&folder)?;
    match &cli.command {
        Command::List => list(&course, &progress).map(|()| Outcome::Pass),
        Command::Run(run) => run.run(lesson(&course, run.number())?, &progress),
        Command::Selftest(selftest) => selftest.run(&course, &folder).map(outcome),
        Command::Hint { number } => hint(lesson(&course, number)?).map(|()| Outcome::Pass),
        Command::Watch(watch) => watch.run(&course).map(|()| Outcome::Pass),
        Command::HandIn(hand_in) => hand_in.run(&course, &progress).map(|()| Outcome::Pass),
        Command::Grade(grading) => grading.run(&course, &progress),
        Command::Pictures(pictures) => pictures.run(&course).map(outcome),
        Command::Reset => progress::reset(&progress).map(|()| Outcome::Pass),
    }
}

fn outcome(is_good: bool) -> Outcome {
    if is_good { Outcome::Pass } else { Outcome::Fail }
}

/// Prints the question and the hint of a lesson.
fn hint(Found { number, lesson, .. }: &Found) -> Result<()> {
    print(&format!("Lesson {number}: {}\n\n{}\n\nHint: {}\n", lesson.title, lesson.question, lesson.hint))
}

/// Prints one line for each lesson, with what became of the last prediction.
fn list(course: &[Found], progress: &Path) -> Result<()> {
    let progress = progress::read(progress)?;
    for Found { number, lesson, .. } in course {
        let done = match progress.last(number) {
            None => "     ",
            Some(entry) if entry.prediction == entry.answer => "right",
            Some(_) => "wrong",
        };
        print(&format!("{number}  {done}  {}: {}\n", lesson.title, lesson.question))?;
    }
    Ok(())
}
