//! A stream without a terminal: a line a second, and one for each event of the log.

use std::time::{Duration, Instant};

use anyhow::Result;
use console::{Lane, Model, View, shown};
use lab::spell::time;

use super::live::EventSource;

/// The time between two lines of figures, in microseconds of the stream.
const SECOND_US: u64 = 1_000_000;

/// Writes lines until the stream ends, the time is up, or a signal ends the process.
pub(super) async fn run(mut source: impl EventSource, until: Option<Duration>) -> Result<()> {
    let began = Instant::now();
    let (mut model, mut seen, mut next) = (Model::default(), 0, 0);
    loop {
        let left = until.map_or(Duration::MAX, |until| until.saturating_sub(began.elapsed()));
        let Ok(Some(event)) = tokio::time::timeout(left, source.next()).await else { return Ok(()) };
        model.apply(&event);
        let (lines, written) = model.log_after(seen);
        for line in lines {
            println!("{:7.2} s  {}", line.t as f64 / 1e6, shown(&line.text));
        }
        seen = written;
        let view = model.view();
        anyhow::ensure!(view.problem.is_none(), "{}", view.problem.unwrap_or_default());
        // The seconds are those of the stream, so a quick replay has as many lines.
        if view.t >= next && view.covers_us > 0 {
            next = (view.t / SECOND_US).saturating_add(1).saturating_mul(SECOND_US);
            println!("{}", figures(&view));
        }
    }
}

/// The figures of a view in one line.
fn figures(view: &View) -> String {
    let totals = &view.totals;
    let lanes = view.lanes.iter().map(lane).collect::<String>();
    format!(
        "{:7.2} s  {}, last {:.0} s: {:.0} rps, {:.0} good, {:.1} errors/s, {:.1} retries/s, in flight {}{lanes}",
        view.t as f64 / 1e6,
        view.policy,
        (view.covers_us.min(view.window_us) as f64 / 1e6).ceil(),
        totals.offered,
        totals.good,
        totals.errors,
        totals.retries,
        totals.in_flight,
    )
}

fn lane(lane: &Lane) -> String {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let good = lane.good.map_or_else(|| "-".to_owned(), percent);
    let mode = if lane.mode == "ready" { String::new() } else { format!(" {}", lane.mode) };
    let faults: String = lane.faults.iter().map(|fault| format!(", {}", shown(fault))).collect();
    let waiting = lane.waiting + lane.server.as_ref().map_or(0, |server| server.queued);
    format!(
        " | {} {}{mode} {}, good {good}, in flight {}, waiting {waiting}, p99 {}{faults}",
        lane.number,
        lane.state.word(),
        percent(lane.share),
        lane.in_flight,
        time(lane.p99_us.map(Duration::from_micros)),
    )
}
