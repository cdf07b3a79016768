//! The part of [`Model`] that calculates a view.

use std::collections::BTreeMap;

use api::LoadTick;

use super::Model;
use super::frame::Frame;
use super::lane::{LaneState, sums_of_all};
use super::latency::{LONG_US, Percentiles};
use super::series::{Moment, POINT_US, Step, StepSums};
use super::view::{Lane, LoadFigures, Totals, Trouble, View};
use super::window::WINDOW_US;
use crate::health::Health;

impl Model {
    /// The name of the policy in force; empty before it is known.
    pub(super) fn policy(&self) -> &str {
        self.hello.as_ref().map_or("", |hello| &hello.policy)
    }

    /// The point of the newest frame, for plots.
    pub(super) fn point(&mut self, load: Option<&LoadTick>) {
        let Some((t, frame)) = self.frames.last() else { return };
        let (t, tick) = (*t, &frame.tick);
        let step = Step {
            balancer: StepSums { offered: tick.requests, good: tick.good, errors: tick.errors },
            load: load.map(|load| StepSums { offered: load.offered, good: load.good, errors: load.errors }),
            tries: frame.tries(),
        };
        let in_flight: BTreeMap<usize, u32> =
            self.lanes.iter().filter_map(|(number, lane)| Some((*number, lane.in_flight()?))).collect();
        let latency = self.latencies.quantiles(t, POINT_US, [0.5, 0.99]);
        let ghost = self.ghosts.moment(self.policy(), self.now);
        self.points.push(t, step, Moment { in_flight, latency }, ghost);
    }

    /// What a screen shows at the time of the newest event.
    pub fn view(&self) -> View {
        let hello = self.hello.clone().unwrap_or_default();
        let all = sums_of_all(&self.frames, self.lanes.keys().copied());
        let times = (self.now, self.noted);
        let lane = |(number, lane): (&usize, &LaneState)| lane.view(*number, times, &self.frames, all);
        let mut lanes: Vec<Lane> = self.lanes.iter().map(lane).collect();
        let worst = lanes.iter().map(|lane| lane.trouble).max().unwrap_or_default();
        for lane in &mut lanes {
            lane.is_worst = worst > Trouble::None && lane.trouble == worst;
        }
        let numbers: Vec<usize> = self.lanes.keys().copied().collect();
        View {
            t: self.now,
            problem: self.problem.clone(),
            version: hello.version,
            listen: hello.listen,
            policy: hello.policy,
            policies: hello.policies,
            seed: hello.seed,
            settings: hello.settings,
            window_us: WINDOW_US,
            covers_us: self.frames.covers(),
            totals: self.totals(&lanes),
            load: self.load_figures(),
            lanes,
            log: self.log.after(0).0.cloned().collect(),
            requests: self.samples.all(),
            keys: self.samples.keys(),
            series: self.points.view(self.now, &numbers),
            marks: self.marks.view(self.now),
            percentiles: Percentiles {
                window_us: LONG_US,
                corrected: self.latencies.curve(self.now),
                uncorrected: self.uncorrected.curve(self.now),
                ghost: self.ghosts.curve(self.policy(), self.now),
            },
            ghost: self.ghosts.view(self.policy(), self.now, self.policy_since, &self.latencies),
            secret: self.secret.clone(),
        }
    }

    fn totals(&self, lanes: &[Lane]) -> Totals {
        let (sums, rate) =
            (&self.frames, |sum: fn(&Frame) -> u64| self.frames.rate(|frame| Some(sum(frame))));
        let increase = |sum: fn(&Frame) -> u64| sums.increase(|frame| Some(sum(frame))).unwrap_or_default().0;
        let requests = increase(|frame| frame.tick.requests);
        let newest = sums.last().map(|(_, frame)| frame.clone()).unwrap_or_default();
        Totals {
            offered: rate(|frame| frame.tick.requests),
            good: rate(|frame| frame.tick.good),
            errors: rate(|frame| frame.tick.errors),
            errors_ever: newest.tick.errors,
            retries: rate(|frame| frame.tries().saturating_sub(frame.tick.requests)),
            retries_ever: newest.tries().saturating_sub(newest.tick.requests),
            hedges: rate(Frame::hedges),
            hedges_ever: newest.hedges(),
            amplification: (requests > 0).then(|| increase(Frame::tries) as f64 / requests as f64),
            imbalance: imbalance(lanes),
            in_flight: newest.tick.in_flight,
            connections: newest.tick.connections,
            one_in: newest.tick.one_in,
            missed: self.missed,
        }
    }

    fn load_figures(&self) -> Option<LoadFigures> {
        let load = self.load.as_ref()?;
        let rate = |sum: fn(&LoadTick) -> u64| self.load_sums.rate(|tick| Some(sum(tick)));
        let newest = self.load_sums.last().map(|(_, tick)| tick.clone()).unwrap_or_default();
        let [p50_us, p99_us] = self.latencies.quantiles(self.now, WINDOW_US, [0.5, 0.99]);
        Some(LoadFigures {
            control: load.control.clone(),
            rate: load.rate,
            clients: load.clients,
            offered: rate(|tick| tick.offered),
            good: rate(|tick| tick.good),
            errors: rate(|tick| tick.errors),
            errors_ever: newest.errors,
            waiting: newest.waiting,
            p50_us,
            p99_us,
        })
    }
}

/// The largest share of picks compared to the average, each divided by its weight, over the backends that can
/// get requests or got some.
fn imbalance(lanes: &[Lane]) -> Option<f64> {
    let can = |lane: &&Lane| lane.share > 0.0 || (lane.state == Health::Up && lane.mode == "ready");
    let shares: Vec<f64> =
        lanes.iter().filter(can).map(|lane| lane.share / f64::from(lane.weight.max(1))).collect();
    let all: f64 = shares.iter().sum();
    let most = shares.iter().copied().fold(0.0, f64::max);
    (all > 0.0).then(|| most * shares.len() as f64 / all)
}
