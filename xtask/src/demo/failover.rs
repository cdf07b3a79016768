//! `--scenario failover`: the main scenario of the lab, without keys.
//!
//! 32 keep-alive clients send requests without a pause while one backend is killed and started again, and
//! another one is stopped and continued. Every request takes 20 ms at its backend, so that every machine is
//! fast enough for the load, and the table shows the behaviour of the balancer.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::claims::failover::{CLAIMS, FailoverRun, STALL_GRACE};
use lab::claims::{ensure_all_hold, judge};
use lab::load::{Call, Load, Report, Running};
use lab::spell::time;
use lab::topology::{Lab, Setup};

use crate::print::line;
use crate::table::Table;

const CLIENTS: usize = 32;
const PATH: &str = "/delay/20";
const KILLED: usize = 2;
const STOPPED: usize = 3;

/// The shortest duration of each phase.
const PHASE: Duration = Duration::from_secs(4);

/// The longest wait for the balancer to notice something. It is longer than any promise, so that a broken
/// promise is measured.
const PATIENCE: Duration = Duration::from_secs(8);

/// The times of events, by the load's clock.
struct Moment {
    phase: &'static str,
    at: Duration,
    /// The time until the balancer noticed; `None` if there is nothing to notice.
    noticed: Option<Duration>,
}

/// Runs the scenario and judges it.
pub(super) async fn run(setup: Setup) -> Result<()> {
    let lab = setup.start().await?;
    line(format!("{CLIENTS} clients, GET {PATH}, 4 backends behind {}\n", lab.balancer().address()))?;
    let load = Load::closed(lab.balancer().address(), CLIENTS).call(Call::get(PATH)).start()?;

    let (killed, stopped) = (lab.backend(KILLED), lab.backend(STOPPED));
    let mut story = Vec::new();
    story.push(act(&lab, &load, "steady", None, async { Ok(()) }).await?);
    story.push(act(&lab, &load, "kill 2", Some((KILLED, false)), killed.kill()).await?);
    story.push(act(&lab, &load, "start 2", Some((KILLED, true)), killed.start()).await?);
    story.push(act(&lab, &load, "stop 3", Some((STOPPED, false)), stopped.stall()).await?);
    story.push(act(&lab, &load, "continue 3", Some((STOPPED, true)), stopped.resume()).await?);

    let report = load.stop().await?;
    let lost = report.compare(&lab.ledger().await?).lost;
    line(format!("\n{}", table(&report, &story, lab.backends().len()).plain().trim_end()))?;
    let verdicts = judge(&CLAIMS, &measured(&report, &story, lost.len())?);
    line("")?;
    verdicts.iter().try_for_each(line)?;
    for (error, count) in report.errors() {
        line(format!("{count} times: {error}"))?;
    }
    ensure_all_hold(&verdicts, || lab.logs())?;
    lab.stop();
    Ok(())
}

/// Runs one phase: does something, waits until the balancer sees a backend up (or no longer up), and lets the
/// phase run for its time.
async fn act(
    lab: &Lab,
    load: &Running,
    phase: &'static str,
    expect: Option<(usize, bool)>,
    deed: impl Future<Output = Result<()>>,
) -> Result<Moment> {
    let at = load.elapsed();
    load.phase(phase);
    deed.await?;
    let mut noticed = None;
    if let Some((number, up)) = expect {
        let what = format!("the balancer to see backend {number} {}", if up { "up" } else { "not up" });
        lab.until(PATIENCE, &what, |state| {
            let backend = state.backend(number).context("it is unknown")?;
            ensure!((backend.state == "up") == up, "it is {} ({})", backend.state, backend.cause);
            Ok(())
        })
        .await?;
        noticed = Some(load.elapsed().saturating_sub(at));
    }
    let took = load.elapsed().saturating_sub(at);
    match noticed {
        Some(took) => line(format!("{phase:<11} the balancer saw it after {}", time(Some(took))))?,
        None => line(phase)?,
    }
    tokio::time::sleep(PHASE.saturating_sub(took)).await;
    Ok(Moment { phase, at, noticed })
}

/// Calculates the figures for the promises from the ledger.
fn measured(report: &Report, story: &[Moment], lost: usize) -> Result<FailoverRun> {
    let at = |name: &str| story.iter().find(|moment| moment.phase == name).map(|moment| moment.at);
    let [steady, kill, start, stop, resume] =
        ["steady", "kill 2", "start 2", "stop 3", "continue 3"].map(|name| at(name).unwrap_or_default());
    let serves = |backend: usize, after: Duration| {
        let first = report.first_answer(u32::try_from(backend).ok()?, after)?;
        Some(first.ended.saturating_sub(after))
    };
    ensure!(stop + STALL_GRACE < resume, "backend {STOPPED} was stopped for too short a time to be measured");
    Ok(FailoverRun {
        errors: report.summary().errors,
        slowest_around_kill: report.between(kill, start).latency.max,
        serves_after_start: serves(KILLED, start),
        errors_in_stall: report.between(stop, resume).errors,
        rates: (report.between(steady, kill).rate(), report.between(stop + STALL_GRACE, resume).rate()),
        serves_after_continue: serves(STOPPED, resume),
        lost: lost as u64,
    })
}

/// The figures of each phase.
fn table(report: &Report, story: &[Moment], backends: usize) -> Table {
    let to_each = (1..=backends).map(|number| format!("to {number}"));
    let head = ["phase", "requests", "errors", "rps"].map(str::to_owned).into_iter().chain(to_each);
    let mut table = Table::new(head.chain(["p50", "p99", "slowest", "seen"].map(str::to_owned)));
    for moment in story {
        let Some(summary) = report.phase(moment.phase) else { continue };
        let counts = [
            moment.phase.to_owned(),
            summary.requests.to_string(),
            summary.errors.to_string(),
            format!("{:.0}", summary.rate()),
        ];
        let shares = (1..).take(backends).map(|number| format!("{:.0} %", summary.share(number) * 100.0));
        let times =
            [Some(summary.latency.p50), Some(summary.latency.p99), Some(summary.latency.max), moment.noticed]
                .map(time);
        table.row(counts.into_iter().chain(shares).chain(times));
    }
    table
}
