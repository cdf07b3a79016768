//! Marks for the plots: the moments at which something was done to the lab.

use std::collections::VecDeque;

use api::{Change, ControlChange, Event, Fault, Load};
use serde::Serialize;

use super::series::SPAN_US;

/// The largest number of marks.
const KEPT: usize = 100;

/// The kind of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MarkKind {
    /// A fault began or ended.
    Fault,
    /// Another policy is in force.
    Policy,
    /// The load changed.
    Load,
    /// Something else was changed.
    Control,
}

/// A moment at which something was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// The time, in microseconds since the epoch of the stream.
    pub t: u64,
    /// What it is about.
    pub kind: MarkKind,
    /// What was done, in a few words. It may contain text from outside.
    pub text: String,
    /// The number of the backend, if it is about one.
    pub backend: Option<usize>,
}

/// The last marks, in the order of their events.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    marks: VecDeque<Mark>,
}

impl Marks {
    pub(super) fn note(&mut self, event: &Event) {
        let Some(mark) = mark(event) else { return };
        if self.marks.len() == KEPT {
            self.marks.pop_front();
        }
        self.marks.push_back(mark);
    }

    /// The marks of the last [`SPAN_US`].
    pub(super) fn view(&self, now: u64) -> Vec<Mark> {
        self.marks.iter().filter(|mark| mark.t.saturating_add(SPAN_US) > now).cloned().collect()
    }
}

fn mark(event: &Event) -> Option<Mark> {
    match event {
        Event::Fault(Fault { t, backend, active, kind, .. }) => {
            let text = format!("B{backend} {kind}{}", if *active { "" } else { " ends" });
            Some(Mark { t: *t, kind: MarkKind::Fault, text, backend: Some(*backend) })
        }
        Event::Load(load) => {
            Some(Mark { t: load.t, kind: MarkKind::Load, text: load_in_words(load), backend: None })
        }
        Event::Control(control) => Some(of_control(control)),
        _ => None,
    }
}

fn of_control(control: &ControlChange) -> Mark {
    let ControlChange { t, what, change, .. } = control;
    let mark = |kind, text, backend| Mark { t: *t, kind, text, backend };
    match change {
        Some(Change::Policy { policy }) => mark(MarkKind::Policy, format!("policy {policy}"), None),
        Some(
            Change::Mode { backend, .. }
            | Change::Weight { backend, .. }
            | Change::Added { backend, .. }
            | Change::Removed { backend }
            | Change::Revealed { backend, .. },
        ) => mark(MarkKind::Control, what.clone(), Some(*backend)),
        Some(Change::Ghost { .. } | Change::Reset | Change::Secret { .. }) | None => {
            mark(MarkKind::Control, what.clone(), None)
        }
    }
}

fn load_in_words(load: &Load) -> String {
    if load.control == "closed" {
        format!("closed, {} clients", load.clients)
    } else {
        format!("{}, {}/s", load.control, load.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_marked() {
        let fault = |active| {
            Event::Fault(Fault { t: 5, backend: 2, active, kind: "kill".into(), ..Fault::default() })
        };
        let control = |change| {
            Event::Control(ControlChange { t: 5, what: "words".into(), change, ..ControlChange::default() })
        };
        let load = |control: &'static str| {
            Event::Load(Load { t: 5, control: control.into(), rate: 120.0, clients: 8 })
        };
        for (event, kind, text, backend) in [
            (fault(true), MarkKind::Fault, "B2 kill", Some(2)),
            (fault(false), MarkKind::Fault, "B2 kill ends", Some(2)),
            (control(None), MarkKind::Control, "words", None),
            (control(Some(Change::Policy { policy: "ring".into() })), MarkKind::Policy, "policy ring", None),
            (control(Some(Change::Removed { backend: 3 })), MarkKind::Control, "words", Some(3)),
            (load("open"), MarkKind::Load, "open, 120/s", None),
            (load("closed"), MarkKind::Load, "closed, 8 clients", None),
        ] {
            assert_eq!(mark(&event), Some(Mark { t: 5, kind, text: text.into(), backend }));
        }
        assert_eq!(mark(&Event::Tick(api::Tick::default())), None);
    }

    #[test]
    fn a_minute_is_kept() {
        let mut marks = Marks::default();
        for second in 0..300 {
            marks.note(&Event::Load(Load { t: second * 1_000_000, ..Load::default() }));
        }
        let found = marks.view(299_000_000);
        assert_eq!((found.len(), found[0].t), (60, 240_000_000));
        assert_eq!(marks.marks.len(), KEPT);
    }
}
