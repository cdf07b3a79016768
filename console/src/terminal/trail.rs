//! What a screen remembers from one drawing to the next: the backends whose state has just changed. Pure.

use std::collections::BTreeMap;

use crate::health::Health;
use crate::model::View;

/// The drawings for which a row pulses.
const PULSES: u8 = 4;

/// The state, the mode and the process of a backend.
type Known = (Health, String, String);

/// What a screen remembers.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// Each backend, and the drawings for which it still pulses.
    lanes: BTreeMap<usize, (Known, u8)>,
}

impl Trail {
    /// Takes in what the next drawing shows.
    pub fn note(&mut self, view: &View) {
        self.lanes.retain(|number, _| view.lanes.iter().any(|lane| lane.number == *number));
        for lane in &view.lanes {
            let process = lane.server.as_ref().map(|server| server.process.to_string()).unwrap_or_default();
            let now = (lane.state, lane.mode.to_string(), process);
            let pulses = match self.lanes.get(&lane.number) {
                None => 0,
                Some((before, _)) if *before != now => PULSES,
                Some((_, pulses)) => pulses.saturating_sub(1),
            };
            self.lanes.insert(lane.number, (now, pulses));
        }
    }

    /// The drawings for which the row of a backend still pulses.
    pub(super) fn pulse(&self, number: usize) -> u8 {
        self.lanes.get(&number).map_or(0, |(_, pulses)| *pulses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Lane, Model};

    fn view(state: Health) -> View {
        View { lanes: vec![Lane { number: 2, state, ..Lane::default() }], ..Model::default().view() }
    }

    #[test]
    fn a_row_pulses_for_four_drawings_after_a_change() {
        let mut trail = Trail::default();
        let states =
            [Health::Up, Health::Up, Health::Down, Health::Down, Health::Down, Health::Down, Health::Down];
        let pulses = states.map(|state| {
            trail.note(&view(state));
            trail.pulse(2)
        });
        assert_eq!(pulses, [0, 0, 4, 3, 2, 1, 0]);
        assert_eq!(trail.pulse(7), 0, "there is no such backend");
    }
}
