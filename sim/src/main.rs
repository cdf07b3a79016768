//! The program `sim`: runs a scenario under several policies, and prints a table.

mod speed;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use balance::policy::Kind;
use clap::{Parser, Subcommand};
use sim::scenario::Scenario;
use sim::{Report, table};

/// Run a scenario in virtual time, with the balancer's own decisions.
#[derive(Parser)]
#[command(name = "sim", args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    /// The scenario: a TOML file, such as sim/scenarios/one-slow-server.toml.
    #[arg(required = true)]
    scenario: Option<PathBuf>,
    /// The seed, instead of that of the scenario. The same seed gives the same results.
    #[arg(long)]
    seed: Option<u64>,
    /// A policy, instead of those of the scenario; can be repeated.
    #[arg(long)]
    policy: Vec<Kind>,
    /// Print all figures as JSON, one document for each policy.
    #[arg(long)]
    json: bool,
    /// Print the changes of state as well.
    #[arg(long)]
    changes: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Measure the speed of the simulator on this machine.
    #[command(hide = true)]
    Speed(speed::Speed),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    if let Some(Command::Speed(command)) = cli.command {
        return command.run();
    }
    let path = cli.scenario.context("no scenario is given")?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let scenario = Scenario::parse(&text).map_err(|why| anyhow!("{}: {why}", path.display()))?;
    let policies = if cli.policy.is_empty() { scenario.policies() } else { cli.policy };
    let seed = cli.seed.unwrap_or_else(|| scenario.seed());
    let reports = scenario.run(&policies, seed);
    let text = if cli.json { documents(&reports)? } else { words(&scenario, seed, &reports, cli.changes) };
    // A reader that has read enough closes the pipe, which is no error.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("cannot print"),
        _ => Ok(()),
    }
}

fn documents(reports: &[Report]) -> anyhow::Result<String> {
    let line = |report: &Report| Ok(serde_json::to_string(&report.figures())? + "\n");
    reports.iter().map(line).collect()
}

fn words(scenario: &Scenario, seed: u64, reports: &[Report], with_changes: bool) -> String {
    let mut text = format!("{} (seed {seed})\n\n{}", scenario.title(), table(reports));
    for report in reports.iter().filter(|report| report.unfinished() > 0) {
        text += &format!("{}: {} calls have not ended\n", report.policy(), report.unfinished());
    }
    for report in reports.iter().filter(|_| with_changes) {
        text += &format!("\n{}\n", report.policy());
        for change in report.changes() {
            let (at, number) = (change.at.as_secs_f64(), change.backend);
            text += &format!("{at:>9.3} s  backend {number} {}: {}\n", change.to, change.cause);
        }
    }
    text
}
