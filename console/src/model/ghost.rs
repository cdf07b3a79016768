//! Ghosts: other policies on the same requests.
//!
//! A lab sends the figures of the ghost that a user chose, and of the ghost of the policy in force. The
//! second one says how far a ghost can be trusted: it should be as the real lab is.

use std::collections::BTreeMap;

use api::{BackendTick, Ghost as GhostTick, Word};
use serde::Serialize;

use super::frame::{Frame, Sums};
use super::latency::{Curve, LONG_US, Latencies};
use super::series::{Moment, POINT_US};
use super::window::{WINDOW_US, Window};

/// After this time without a tick, in microseconds, a ghost is not shown any more.
const GONE_US: u64 = 3_000_000;

/// The least number of answers from which an agreement is calculated.
const LEAST: f64 = 20.0;

/// The ghost that is shown. Rates are per second.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ghost {
    /// The name of its policy.
    pub policy: Word,
    /// Its backends, by number.
    pub lanes: Vec<GhostLane>,
    /// All of them together.
    pub totals: GhostTotals,
    /// How well the ghost of the policy in force agrees with the real lab, in per cent: 100 means that the
    /// means of their latencies are equal. `None` while too little is known.
    pub agreement: Option<f64>,
    /// The period of the agreement, in microseconds; at most 30 s.
    pub covers_us: u64,
}

/// One backend of a ghost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GhostLane {
    /// Its number.
    pub number: usize,
    /// Requests that would be there now.
    pub in_flight: u32,
    /// Those of them that would wait in its queue.
    pub queued: u32,
    /// Its share of all picks, from 0 to 1.
    pub share: f64,
    /// Answers, as a rate.
    pub rate: f64,
    /// The median latency, in microseconds; `None` without answers.
    pub p50_us: Option<u64>,
    /// The 99th percentile of the same.
    pub p99_us: Option<u64>,
}

/// All requests of a ghost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GhostTotals {
    /// Good answers, as a rate.
    pub good: f64,
    /// Errors, as a rate.
    pub errors: f64,
    /// Requests that would be in flight now.
    pub in_flight: u64,
    /// The median latency from the time at which a request was due, in microseconds; `None` without answers.
    pub p50_us: Option<u64>,
    /// The 99th percentile of the same.
    pub p99_us: Option<u64>,
}

/// All ghosts.
#[derive(Clone, Debug, Default)]
pub(super) struct Ghosts {
    /// By the name of the policy.
    all: BTreeMap<Word, State>,
    /// The policy that was asked for, if that is known.
    asked: Option<Word>,
}

/// One ghost.
#[derive(Clone, Debug, Default)]
struct State {
    /// The times of its first and its last tick.
    first: u64,
    last: u64,
    frames: Window<Frame>,
    lanes: BTreeMap<usize, GhostLaneState>,
    latencies: Latencies,
}

#[derive(Clone, Debug, Default)]
struct GhostLaneState {
    in_flight: u32,
    queued: u32,
    latencies: Latencies,
}

impl Ghosts {
    /// Another ghost was asked for, or none.
    pub(super) fn ask(&mut self, policy: Option<&Word>) {
        self.asked = policy.cloned();
        if policy.is_none() {
            self.all.clear();
        }
    }

    /// Takes in a tick of a ghost at time `now`.
    pub(super) fn tick(&mut self, ghost: &GhostTick, now: u64) {
        self.all.retain(|_, state| state.last.saturating_add(GONE_US) > now);
        self.all.entry(ghost.policy.clone()).or_default().tick(ghost);
    }

    /// The ghost that is shown: the one that was asked for; otherwise the first one of another policy than
    /// that in force.
    fn shown(&self, in_force: &str, now: u64) -> Option<(&Word, &State)> {
        let is_shown = |(policy, state): &(&Word, &State)| {
            let is_right = self.asked.as_ref().map_or(**policy != in_force, |asked| asked == *policy);
            is_right && state.last.saturating_add(GONE_US) > now
        };
        self.all.iter().find(is_shown)
    }

    /// The ghost that is shown, for a point.
    pub(super) fn moment(&self, in_force: &str, now: u64) -> Option<Moment> {
        let (_, state) = self.shown(in_force, now)?;
        let in_flight = state.lanes.iter().map(|(number, lane)| (*number, lane.in_flight)).collect();
        Some(Moment { in_flight, latency: state.latencies.quantiles(state.last, POINT_US, [0.5, 0.99]) })
    }

    /// The percentiles of the ghost that is shown.
    pub(super) fn curve(&self, in_force: &str, now: u64) -> Curve {
        self.shown(in_force, now).map(|(_, state)| state.latencies.curve(now)).unwrap_or_default()
    }

    /// The ghost that is shown. `real` has the latencies of the lab, and the policy in force is so since the
    /// time `since`.
    pub(super) fn view(&self, in_force: &str, now: u64, since: u64, real: &Latencies) -> Option<Ghost> {
        let (policy, state) = self.shown(in_force, now)?;
        let (agreement, covers_us) =
            self.all.get(in_force).map(|own| own.agreement(since, real)).unwrap_or_default();
        let [p50_us, p99_us] = state.latencies.quantiles(now, WINDOW_US, [0.5, 0.99]);
        let rate = |sum: fn(&Frame) -> u64| state.frames.rate(|frame| Some(sum(frame)));
        let totals = GhostTotals {
            good: rate(|frame| frame.tick.good),
            errors: rate(|frame| frame.tick.errors),
            in_flight: state.frames.last().map_or(0, |(_, frame)| frame.tick.in_flight),
            p50_us,
            p99_us,
        };
        Some(Ghost { policy: policy.clone(), lanes: state.lanes(now), totals, agreement, covers_us })
    }
}

impl State {
    fn tick(&mut self, ghost: &GhostTick) {
        let tick = &ghost.tick;
        let before = self.frames.last().map(|(t, frame)| (*t, frame.clone()));
        if before.as_ref().is_some_and(|(t, _)| tick.t <= *t) {
            return;
        }
        let before = before.map(|(_, frame)| frame);
        let frame = Frame::next(before.as_ref(), tick);
        if before.as_ref().is_none_or(|before| frame.begins_again(before)) {
            *self = Self { first: tick.t, ..Self::default() };
        }
        self.last = tick.t;
        for lane in self.lanes.values_mut() {
            (lane.in_flight, lane.queued) = (0, 0);
        }
        for backend in &tick.backends {
            self.lanes.entry(backend.backend).or_default().tick(tick.t, backend);
        }
        if let Some(load) = &tick.load {
            self.latencies.push(tick.t, &load.latency);
        }
        self.frames.push(tick.t, frame);
    }

    fn lanes(&self, now: u64) -> Vec<GhostLane> {
        let increase = |number: usize, sum: fn(&Sums) -> u64| {
            let of = |frame: &Frame| frame.lanes.get(&number).map(sum);
            self.frames.increase(of).map_or(0, |(increase, _)| increase)
        };
        let picks =
            self.lanes.keys().fold(0_u64, |all, lane| all.saturating_add(increase(*lane, |sums| sums.picks)));
        let lane = |(&number, lane): (&usize, &GhostLaneState)| {
            let [p50_us, p99_us] = lane.latencies.quantiles(now, WINDOW_US, [0.5, 0.99]);
            let share = increase(number, |sums| sums.picks) as f64 / picks as f64;
            GhostLane {
                number,
                in_flight: lane.in_flight,
                queued: lane.queued,
                share: if picks > 0 { share } else { 0.0 },
                rate: self.frames.rate(|frame| frame.lanes.get(&number).map(|sums| sums.answers)),
                p50_us,
                p99_us,
            }
        };
        self.lanes.iter().map(lane).collect()
    }

    /// How well this ghost agrees with the real lab, and the period for which both are known.
    fn agreement(&self, since: u64, real: &Latencies) -> (Option<f64>, u64) {
        let after = self.first.max(self.last.saturating_sub(LONG_US)).max(since);
        let mean = |latencies: &Latencies| {
            let (count, sum) = latencies.sum(after, self.last);
            (count >= LEAST && sum > 0.0).then(|| sum / count)
        };
        let agreement = |(own, real): (f64, f64)| (100.0 - (own - real).abs() / real * 100.0).max(0.0);
        let means = mean(&self.latencies).zip(mean(real));
        (means.map(agreement), self.last.saturating_sub(after))
    }
}

impl GhostLaneState {
    fn tick(&mut self, t: u64, tick: &BackendTick) {
        self.in_flight = tick.in_flight;
        self.queued = tick.server.as_ref().map_or(tick.waiting, |server| server.queued);
        self.latencies.push(t, &tick.latency);
    }
}

#[cfg(test)]
#[path = "ghost_tests.rs"]
mod tests;
