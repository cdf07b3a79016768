//! The runner: each task of the lab is one `cargo xtask` command in one file.

mod bench;
mod budget;
mod callgrind;
mod console;
mod demo;
mod fuzz;
mod image;
mod lesson;
mod new_policy;
mod pictures;
mod print;
mod program;
mod record;
mod replay;
mod sim;
mod soak;
mod table;
mod tidy;

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Run, show, package and measure the load-balancing lab.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Image(image::BuildImages),
    Bench(bench::Bench),
    Budget(budget::CompareBudget),
    Console(console::AttachConsole),
    Fuzz(fuzz::Fuzz),
    Grade(lesson::Grade),
    Lesson(lesson::Lesson),
    Lessons(lesson::Lessons),
    NewPolicy(new_policy::NewPolicy),
    Pictures(pictures::Pictures),
    Record(record::Record),
    Replay(replay::Replay),
    Sim(sim::Simulate),
    Soak(soak::Soak),
    Tidy(tidy::Tidy),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(command) => command.run(),
        Command::Image(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Budget(command) => command.run(),
        Command::Console(command) => command.run(),
        Command::Fuzz(command) => command.run(),
        Command::Grade(command) => command.run(),
        Command::Lesson(command) => command.run(),
        Command::Lessons(command) => command.run(),
        Command::NewPolicy(command) => command.run(),
        Command::Pictures(command) => command.run(),
        Command::Record(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Sim(command) => command.run(),
        Command::Soak(command) => command.run(),
        Command::Tidy(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be said if the reader of the errors has gone too.
            let _ = writeln!(stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
