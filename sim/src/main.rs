//! The program `sim`: runs a scenario, or the recording of a live stream, under several policies and prints a
//! table. With `--follow`, it runs other policies beside a live stream.

mod draw;
mod print;
mod speed;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, ensure};
use api::Event;
use balance::policy::Kind;
use clap::{Args, Parser, Subcommand};
use sim::scenario::Scenario;
use sim::{Follow, Report, Skipped, StreamRecording, follow, read_line, table};
use strum::VariantArray;

use self::print::{note, print};

/// Run a scenario in virtual time, with the balancer's own decisions.
#[derive(Parser)]
#[command(name = "sim", args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    /// The scenario: a TOML file, such as sim/scenarios/one-slow-server.toml.
    #[arg(required_unless_present = "follow", conflicts_with = "follow")]
    scenario: Option<PathBuf>,
    /// The seed, instead of that of the scenario. The same seed gives the same results.
    #[arg(long)]
    seed: Option<u64>,
    /// Read the events of a live lab as lines of JSON from standard input, run other policies on the same
    /// requests, and print their figures as events `ghost`, four times a second of the stream.
    #[arg(long)]
    follow: bool,
    /// With --follow and --policy: run also the policy in force, and follow its changes.
    #[arg(long, requires = "follow")]
    in_force: bool,
    /// With --follow: the number of workers of each server, instead of what the stream tells.
    #[arg(long, requires = "follow", value_parser = clap::value_parser!(u32).range(1..))]
    workers: Option<u32>,
    /// A policy, instead of those of the scenario, or of the stream; can be repeated.
    #[arg(long, value_parser = Scenario::policy)]
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
    /// Run the recording of a live lab under several policies.
    Replay(Replay),
    Draw(draw::Draw),
    /// Measure the speed of the simulator on this machine.
    #[command(hide = true)]
    Speed(speed::Speed),
}

/// Run the recording of a live lab under several policies.
#[derive(Args)]
struct Replay {
    /// The recording: the events of a stream, one in each line, with all requests.
    recording: PathBuf,
    /// A policy, instead of all; can be repeated.
    #[arg(long)]
    policy: Vec<Kind>,
    /// The number of workers of each server, instead of what the recording tells.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    workers: Option<u32>,
    /// The seed of the policies that draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print all figures as JSON, with the state 4 times a second: one document for each policy. The first is
    /// the recording itself.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Some(Command::Speed(command)) => return command.run(),
        Some(Command::Replay(command)) => return replay(&command),
        Some(Command::Draw(command)) => return command.run(),
        None => {}
    }
    if cli.follow {
        let (policies, in_force) = (cli.policy, cli.in_force);
        if let Some(teaching) = policies.iter().find(|policy| matches!(policy, Kind::Teaching(_))) {
            return Err(anyhow!(
                "{teaching} is a policy for teaching; a ghost has one of the normal policies"
            ));
        }
        let seed = cli.seed.unwrap_or_default();
        let options = Follow { policies, in_force, workers: cli.workers, seed };
        return follow_input(&options);
    }
    let path = cli.scenario.context("no scenario is given")?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let scenario = Scenario::parse(&text).map_err(|why| anyhow!("{}: {why}", path.display()))?;
    let policies = if cli.policy.is_empty() { scenario.policies() } else { cli.policy };
    let seed = cli.seed.unwrap_or_else(|| scenario.seed());
    let reports = scenario.run(&policies, seed).map_err(|why| anyhow!("{}: {why}", path.display()))?;
    let text = if cli.json { documents(&reports)? } else { words(&scenario, seed, &reports, cli.changes) };
    print(&text).map(|_| ())
}

/// Runs ghosts beside the stream on standard input.
fn follow_input(options: &Follow) -> anyhow::Result<()> {
    let mut input = std::io::stdin().lock();
    let (mut unread, mut unprinted) = (Ok(()), Ok(()));
    let read = |line: &mut Vec<u8>| {
        read_line(&mut input, line).unwrap_or_else(|error| {
            unread = Err(error);
            false
        })
    };
    let skipped = follow(options, read, |ghost| {
        let line = serde_json::to_string(&Event::Ghost(ghost)).context("cannot write an event");
        line.and_then(|line| print(&(line + "\n"))).unwrap_or_else(|error| {
            unprinted = Err(error);
            false
        })
    });
    for complaint in complaints(&skipped) {
        note(&complaint);
    }
    unread.context("cannot read standard input")?;
    unprinted?;
    ensure!(skipped.has_begun, "the input has no event `hello`; write the events of a lab to it");
    Ok(())
}

/// What the ghosts could not use, in words.
fn complaints(skipped: &Skipped) -> Vec<String> {
    let mut complaints = Vec::new();
    if let Some(first) = &skipped.first {
        complaints.push(format!("skipped lines that are no events: {}; the first: {first}", skipped.lines));
    }
    for (count, what) in [
        (
            skipped.requests,
            "skipped requests before the first event `hello`, before the first measured service time, or at a \
             change of the backends",
        ),
        (skipped.late, "requests that took so long that they arrived late at the ghosts"),
        (skipped.surplus, "skipped requests because too many were in flight at a ghost"),
    ] {
        if count > 0 {
            complaints.push(format!("{what}: {count}"));
        }
    }
    complaints.extend(skipped.policies.iter().map(|why| format!("the policy in force has no ghost: {why}")));
    complaints.extend(skipped.faults.iter().map(|kind| not_simulated(kind)));
    complaints
}

fn not_simulated(kind: &str) -> String {
    format!("a fault `{kind}` is not simulated")
}

/// Runs a recording under several policies.
fn replay(command: &Replay) -> anyhow::Result<()> {
    let path = command.recording.display();
    let text = std::fs::read(&command.recording).with_context(|| format!("cannot read {path}"))?;
    let recording = StreamRecording::read(&text, command.workers).map_err(|why| anyhow!("{path}: {why}"))?;
    let policies = if command.policy.is_empty() { Kind::VARIANTS } else { &command.policy };
    let recording = if command.json { recording.with_ticks() } else { recording };
    let mut reports = vec![recording.live()];
    reports.extend(policies.iter().map(|policy| recording.replay(*policy, command.seed)));
    if recording.skipped() > 0 {
        note(&format!("skipped lines that are no events: {}", recording.skipped()));
    }
    for kind in recording.unknown_faults() {
        note(&not_simulated(kind));
    }
    let text = if command.json {
        documents(&reports)?
    } else {
        replay_words(&recording, &command.recording, &reports)
    };
    print(&text).map(|_| ())
}

fn replay_words(recording: &StreamRecording, path: &Path, reports: &[Report]) -> String {
    let (path, requests, policy) = (path.display(), recording.requests(), recording.policy());
    let mut text = format!("{path}: {requests} requests under {policy}\n\n{}", table(reports));
    let (live, simulated) = reports.split_at(1);
    if let Some(own) = simulated.iter().find(|report| report.policy() == policy) {
        let off = |of: fn(&Report) -> f64| 100.0 * (of(own) / of(&live[0]).max(1e-9) - 1.0);
        let (mean, p99) = (off(|it| it.mean().as_secs_f64()), off(|it| it.quantile(0.99).as_secs_f64()));
        text += &format!("\n{policy} in the simulation and live: mean {mean:+.1} %, p99 {p99:+.1} %\n");
    }
    text
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
