//! A stream without a screen: a line a second, and one for each event of the log.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::{Instant, timeout_at};

use super::say::say;
use super::source::EventSource;
use super::text::{percent, rate, us};
use crate::model::{Lane, Model, View};
use crate::shown;

/// The time between two lines of figures, in microseconds of the stream.
const SECOND_US: u64 = 1_000_000;

/// About a hundred years: no end.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Writes lines until the stream ends, the time is up, or the reader of the lines has gone.
///
/// # Errors
/// If the lines cannot be written, or the stream has a format that this program does not know.
pub async fn plain(mut source: impl EventSource, until: Option<Duration>) -> Result<()> {
    let end = Instant::now() + until.unwrap_or(FOREVER);
    let mut report = Lines::default();
    let mut noted = None;
    while let Ok(Some(event)) = timeout_at(end, source.next()).await {
        report.model.apply(&event);
        let mut lines = report.next()?;
        let note = source.note();
        if note != noted {
            lines.extend(note.iter().map(|note| shown(note)));
            noted = note;
        }
        for line in lines {
            if !say(&line)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The lines that a stream gives.
#[derive(Default)]
struct Lines {
    model: Model,
    /// The lines of the log that are written.
    seen: u64,
    /// The time from which on the figures are due.
    due: u64,
}

impl Lines {
    /// The lines that are due after an event.
    fn next(&mut self) -> Result<Vec<String>> {
        let (lines, written) = self.model.log_after(self.seen);
        let mut due: Vec<String> =
            lines.map(|line| format!("{:7.2} s  {}", line.t as f64 / 1e6, shown(&line.text))).collect();
        self.seen = written;
        let view = self.model.view();
        ensure!(view.problem.is_none(), "{}", shown(&view.problem.unwrap_or_default()));
        // The seconds are those of the stream, so a quick replay has as many lines. The clock of another
        // stream can begin again.
        let again = self.due > view.t.saturating_add(2 * SECOND_US);
        if (view.t >= self.due || again) && view.covers_us > 0 {
            self.due = (view.t / SECOND_US).saturating_add(1).saturating_mul(SECOND_US);
            due.push(figures(&view));
        }
        Ok(due)
    }
}

/// The figures of a view in one line.
fn figures(view: &View) -> String {
    let totals = &view.totals;
    let lanes = view.lanes.iter().map(lane).collect::<String>();
    format!(
        "{:7.2} s  {}, last {:.0} s: {} rps, {} good, {} errors/s, {} retries/s, in flight {}{lanes}",
        view.t as f64 / 1e6,
        shown(&view.policy),
        (view.covers_us.min(view.window_us) as f64 / 1e6).ceil(),
        rate(totals.offered),
        rate(totals.good),
        rate(totals.errors),
        rate(totals.retries),
        totals.in_flight,
    )
}

fn lane(lane: &Lane) -> String {
    let mode = if lane.mode == "ready" { String::new() } else { format!(" {}", shown(&lane.mode)) };
    let faults: String = lane.faults.iter().map(|fault| format!(", {}", shown(fault))).collect();
    format!(
        " | B{} {}{mode} {}, good {}, in flight {}, waiting {}, p99 {}{faults}",
        lane.number,
        lane.state.word(),
        percent(Some(lane.share)),
        percent(lane.good),
        lane.in_flight,
        super::columns::waiting(lane),
        us(lane.p99_us),
    )
}

#[cfg(test)]
mod tests {
    use api::{ControlChange, Event, Hello, HelloBackend, SCHEMA, Tick};

    use super::*;

    fn lines(events: &[Event]) -> Result<Vec<String>> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for event in events {
            lines.model.apply(event);
            all.extend(lines.next()?);
        }
        Ok(all)
    }

    fn hello(schema: u32) -> Event {
        let backend = HelloBackend {
            backend: 1,
            mode: "m\u{1b}[2J".into(),
            state: "up".into(),
            ..HelloBackend::default()
        };
        let policy = "p\u{7}".into();
        Event::Hello(Box::new(Hello { schema, policy, backends: vec![backend], ..Hello::default() }))
    }

    fn tick(ms: u64) -> Event {
        Event::Tick(Tick { t: ms * 1000, ..Tick::default() })
    }

    #[test]
    fn a_second_has_one_line_and_no_name_reaches_the_terminal_as_it_is() {
        let change = Event::Control(ControlChange {
            t: 300_000,
            what: "a\u{1b}c".into(),
            by: String::new(),
            ..Default::default()
        });
        let ticks = [0, 250, 500, 1250, 1500, 2000].map(tick);
        let events = [vec![hello(SCHEMA), change], ticks.to_vec()].concat();
        let all = lines(&events).unwrap();
        let times: Vec<&str> = all.iter().map(|line| line.split(" s  ").next().unwrap().trim()).collect();
        assert_eq!(times, ["0.30", "0.30", "1.25", "2.00"], "{all:#?}");
        assert!(all.iter().all(|line| !line.contains(char::is_control)), "{all:#?}");
        assert!(all[1].contains("  p?, last 1 s: 0 rps") && all[1].contains("| B1 up m?[2J 0 %"), "{all:#?}");
    }

    #[test]
    fn a_stream_that_cannot_be_read_is_an_error() {
        assert!(lines(&[hello(SCHEMA + 1)]).unwrap_err().to_string().contains("format"));
    }
}
