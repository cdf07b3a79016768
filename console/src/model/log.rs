//! The log: what changed, and when.

use std::collections::VecDeque;

use api::{Event, Fault, Progress};
use serde::Serialize;
use serde_json::Value;

/// The number of lines that are kept.
const KEPT: usize = 200;

/// The kind of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LineKind {
    /// A backend changed its state.
    State,
    /// An operator changed something.
    Control,
    /// A fault began or ended.
    Fault,
    /// The load changed.
    Load,
    /// Events are missing.
    Gap,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// The time, in microseconds since the epoch of the stream.
    pub t: u64,
    /// What it is about.
    pub kind: LineKind,
    /// What happened. It may contain text from outside.
    pub text: String,
}

/// The last lines, oldest first, and the number of all lines so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    lines: VecDeque<LogLine>,
    written: u64,
}

impl Log {
    pub(super) fn write(&mut self, line: LogLine) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
        self.written += 1;
    }

    /// The lines after the first `seen` ones that are still kept, and the number of all lines so far.
    pub(super) fn after(&self, seen: u64) -> (impl Iterator<Item = &LogLine>, u64) {
        let new = usize::try_from(self.written.saturating_sub(seen)).unwrap_or(KEPT);
        (self.lines.iter().skip(self.lines.len().saturating_sub(new)), self.written)
    }
}

/// The line that an event gets at time `now`, if it gets one.
pub(super) fn line(event: &Event, now: u64) -> Option<LogLine> {
    let (t, kind, text) = match event {
        // The first event of each backend only gives its state.
        Event::State(change) if change.from == change.to => return None,
        Event::State(change) => {
            let mut text = format!("B{} {} -> {}: {}", change.backend, change.from, change.to, change.cause);
            if let Some(progress) = &change.progress {
                text += &format!(" ({})", progress_in_words(progress));
            }
            (change.t, LineKind::State, text)
        }
        Event::Control(change) => {
            (change.t, LineKind::Control, format!("{} (by {})", change.what, change.by))
        }
        Event::Fault(fault) => (fault.t, LineKind::Fault, fault_in_words(fault)),
        Event::Load(load) if load.control == "closed" => {
            (load.t, LineKind::Load, format!("load: closed loop, {} clients", load.clients))
        }
        Event::Load(load) => {
            (load.t, LineKind::Load, format!("load: {} loop, {} requests/s", load.control, load.rate))
        }
        Event::Gap(gap) => {
            let missed = gap.missing();
            (now, LineKind::Gap, format!("{missed} events are missing: this reader was too slow"))
        }
        _ => return None,
    };
    Some(LogLine { t, kind, text })
}

/// A progress such as `1/2 up`.
pub(super) fn progress_in_words(progress: &Progress) -> String {
    format!("{}/{} {}", progress.count, progress.of, progress.towards)
}

fn fault_in_words(fault: &Fault) -> String {
    let process = match (fault.id, &*fault.kind, fault.active) {
        (None, "kill", true) => Some("is dead"),
        (None, "kill", false) => Some("runs again"),
        (None, "stop", true) => Some("is stopped"),
        (None, "stop", false) => Some("is not stopped any more"),
        _ => None,
    };
    if let Some(process) = process {
        return format!("B{}: its process {process}", fault.backend);
    }
    let happens = if fault.active { "begins" } else { "ends" };
    let mut text = format!("B{} {} {happens}", fault.backend, fault.kind);
    if fault.active
        && let Value::Object(params) = &fault.params
        && !params.is_empty()
    {
        let word = |(name, value): (&String, &Value)| match value {
            Value::String(word) => format!("{name} {word}"),
            // As all languages write it: 30 and 30.0 are one number.
            Value::Number(number) => format!("{name} {}", number.as_f64().unwrap_or_default()),
            other => format!("{name} {other}"),
        };
        text += &format!(": {}", params.iter().map(word).collect::<Vec<_>>().join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use api::{ControlChange, Gap, Load, StateChange};
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_get_a_line_and_figures_do_not() {
        let state = |from: &'static str, progress| {
            Event::State(StateChange {
                backend: 2,
                from: from.into(),
                to: "down".into(),
                cause: "connection refused".into(),
                progress,
                ..StateChange::default()
            })
        };
        let to_up = Some(Progress { towards: "up".into(), count: 1, of: 2 });
        let fault = |active, params| {
            let (id, kind) = (Some(1), "status".into());
            Event::Fault(Fault { backend: 4, active, id, kind, params, ..Fault::default() })
        };
        let process = |kind: &'static str, active| {
            Event::Fault(Fault { backend: 4, active, kind: kind.into(), ..Fault::default() })
        };
        let load = |control: &'static str| {
            Event::Load(Load { control: control.into(), rate: 100.0, clients: 8, ..Load::default() })
        };
        for (event, expected) in [
            (state("up", None), Some("B2 up -> down: connection refused")),
            (state("up", to_up), Some("B2 up -> down: connection refused (1/2 up)")),
            (state("down", None), None),
            (fault(true, json!({"code": 503, "for": "10s"})), Some("B4 status begins: code 503, for 10s")),
            (fault(true, Value::Null), Some("B4 status begins")),
            (fault(true, json!({"percent": 30.0})), Some("B4 status begins: percent 30")),
            (fault(false, json!({"code": 503})), Some("B4 status ends")),
            (process("kill", true), Some("B4: its process is dead")),
            (process("kill", false), Some("B4: its process runs again")),
            (process("stop", true), Some("B4: its process is stopped")),
            (
                Event::Control(ControlChange {
                    what: "log level info -> debug".into(),
                    ..Default::default()
                }),
                Some("log level info -> debug (by )"),
            ),
            (load("open"), Some("load: open loop, 100 requests/s")),
            (load("closed"), Some("load: closed loop, 8 clients")),
            (Event::Gap(Gap { from: 3, to: 9 }), Some("7 events are missing: this reader was too slow")),
            (
                Event::Gap(Gap { from: 0, to: u64::MAX }),
                Some("18446744073709551615 events are missing: this reader was too slow"),
            ),
            (Event::Probe(Default::default()), None),
            (Event::Tick(Default::default()), None),
        ] {
            assert_eq!(line(&event, 7).map(|line| line.text).as_deref(), expected, "{event:?}");
        }
        assert_eq!(line(&Event::Gap(Gap::default()), 7).map(|line| line.t), Some(7));
    }

    #[test]
    fn a_reader_of_the_log_gets_each_line_once() {
        let mut log = Log::default();
        let line = |n: u64| LogLine { t: n, kind: LineKind::Gap, text: String::new() };
        (0..300).for_each(|n| log.write(line(n)));
        let times = |seen| log.after(seen).0.map(|line| line.t).collect::<Vec<_>>();
        assert_eq!(times(298), [298, 299]);
        assert_eq!((times(300), times(900)), (vec![], vec![]));
        assert_eq!(times(0), (100..300).collect::<Vec<_>>(), "older lines are gone");
        assert_eq!(log.after(0).1, 300);
    }
}
