//! What a screen remembers from one drawing to the next: the rates of the last minute, and the backends whose
//! state has just changed. Pure.

use std::collections::{BTreeMap, VecDeque};

use crate::health::Health;
use crate::model::View;

/// The seconds of the sparkline.
pub(super) const SECONDS: usize = 60;

/// The drawings for which a row pulses.
const PULSES: u8 = 4;

/// Microseconds in a second.
const SECOND: u64 = 1_000_000;

/// The state, the mode and the process of a backend.
type Known = (Health, String, String);

/// What a screen remembers.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// Requests a second, for each second.
    rates: VecDeque<(u64, f64)>,
    /// Each backend, and the drawings for which it still pulses.
    lanes: BTreeMap<usize, (Known, u8)>,
}

impl Trail {
    /// Takes in what the next drawing shows.
    pub fn note(&mut self, view: &View) {
        let second = view.t / SECOND;
        if self.rates.back().is_some_and(|(newest, _)| *newest > second) {
            // Another stream, whose clock began again.
            *self = Self::default();
        }
        match self.rates.back_mut() {
            Some((newest, rate)) if *newest == second => *rate = view.totals.offered,
            _ => self.rates.push_back((second, view.totals.offered)),
        }
        while self.rates.front().is_some_and(|(first, _)| first + SECONDS as u64 <= second) {
            self.rates.pop_front();
        }
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

    /// Requests a second in each of the last [`SECONDS`] seconds, oldest first; 0 where nothing is known.
    pub(super) fn rates(&self) -> Vec<u64> {
        let newest = self.rates.back().map_or(0, |(second, _)| *second);
        let of = |age: usize| {
            let second = newest.checked_sub(age as u64)?;
            self.rates.iter().find(|(known, _)| *known == second).map(|(_, rate)| rate.round() as u64)
        };
        (0..SECONDS).rev().map(|age| of(age).unwrap_or_default()).collect()
    }

    /// The drawings for which the row of a backend still pulses.
    pub(super) fn pulse(&self, number: usize) -> u8 {
        self.lanes.get(&number).map_or(0, |(_, pulses)| *pulses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Lane, Model, Totals};

    fn view(t: u64, offered: f64, state: Health) -> View {
        let lane = Lane { number: 2, state, ..Lane::default() };
        View {
            t,
            totals: Totals { offered, ..Totals::default() },
            lanes: vec![lane],
            ..Model::default().view()
        }
    }

    #[test]
    fn a_row_pulses_for_four_drawings_after_a_change() {
        let mut trail = Trail::default();
        let states =
            [Health::Up, Health::Up, Health::Down, Health::Down, Health::Down, Health::Down, Health::Down];
        let pulses = states.map(|state| {
            trail.note(&view(0, 0.0, state));
            trail.pulse(2)
        });
        assert_eq!(pulses, [0, 0, 4, 3, 2, 1, 0]);
        assert_eq!(trail.pulse(7), 0, "there is no such backend");
    }

    #[test]
    fn each_second_has_one_rate_and_a_missing_second_has_none() {
        let mut trail = Trail::default();
        for (ms, rate) in [(0, 9.0), (61_000, 10.0), (61_250, 20.0), (63_000, 30.4)] {
            trail.note(&view(ms * 1000, rate, Health::Up));
        }
        let rates = trail.rates();
        assert_eq!((rates.len(), &rates[57..]), (SECONDS, &[20, 0, 30][..]));
        assert!(rates[..57].iter().all(|rate| *rate == 0), "the first one is more than a minute old");
        trail.note(&view(1_000_000, 5.0, Health::Up));
        assert_eq!(trail.rates()[58..], [0, 5], "the clock began again");
    }
}
