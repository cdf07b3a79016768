//! One backend: what is known of it, and its part of a view.

use std::collections::BTreeMap;

use api::{BackendTick, Fault, Probe, Progress, StateChange, Word};

use super::frame::{Frame, Sums};
use super::latency::Latencies;
use super::log::progress_in_words;
use super::timeline::Timeline;
use super::view::{Lane, LastProbe, Server, Trouble};
use super::window::{WINDOW_US, Window};
use crate::health::Health;

/// Below this share of good ends, a backend does harm.
const HARM: f64 = 0.5;

/// What is known of one backend.
#[derive(Clone, Debug, Default)]
pub(super) struct LaneState {
    pub(super) url: String,
    pub(super) mode: Word,
    pub(super) weight: u32,
    pub(super) state: Health,
    pub(super) cause: Word,
    progress: Option<Progress>,
    warm: Option<f64>,
    in_flight: u32,
    waiting: u32,
    server: Option<Server>,
    /// By the id of the fault; those of the process have none.
    faults: BTreeMap<(Option<u64>, Word), String>,
    /// What the backend itself says of its faults; it replaces the list above.
    told_faults: Option<Vec<String>>,
    probe: Option<LastProbe>,
    pub(super) latencies: Latencies,
    timeline: Timeline,
}

impl LaneState {
    pub(super) fn tick(&mut self, t: u64, tick: &BackendTick, bad: u64) {
        (self.in_flight, self.waiting, self.weight) = (tick.in_flight, tick.waiting, tick.weight);
        self.warm = tick.warm;
        self.latencies.push(t, &tick.latency);
        if let Some(server) = &tick.server {
            self.told_faults = Some(server.faults.clone());
            self.server = Some(Server {
                process: server.process.clone(),
                busy: server.busy,
                workers: server.workers,
                queued: server.queued,
                queue: server.queue,
            });
        }
        self.timeline.note(t, self.state, bad);
    }

    /// A tick that leaves this backend out: it has no requests, and had none since the tick before.
    pub(super) fn rest(&mut self, t: u64) {
        (self.in_flight, self.waiting, self.warm) = (0, 0, None);
        self.timeline.note(t, self.state, 0);
    }

    pub(super) fn change(&mut self, change: &StateChange) {
        // The moment belongs to both states; the first event of a backend has only one.
        self.timeline.note(change.t, Health::read(&change.from), 0);
        self.state = Health::read(&change.to);
        self.cause = change.cause.clone();
        self.progress = change.progress.clone();
        self.timeline.note(change.t, self.state, 0);
    }

    pub(super) fn probed(&mut self, probe: &Probe) {
        self.progress = probe.progress.clone();
        let Probe { t, ok, took_us, .. } = *probe;
        self.probe = Some(LastProbe { t, ok, what: probe.what.clone(), took_us });
    }

    pub(super) fn fault(&mut self, fault: &Fault) {
        let key = (fault.id, fault.kind.clone());
        if fault.active {
            self.faults.insert(key, fault.kind.to_string());
        } else {
            self.faults.remove(&key);
        }
        // Until the backend says so itself, in the next tick.
        self.told_faults = None;
    }

    /// The requests that are there now; `None` after a removed backend has answered its last request.
    pub(super) fn in_flight(&self) -> Option<u32> {
        (self.mode != "removed" || self.in_flight > 0).then_some(self.in_flight)
    }

    /// The lane of backend `number` at the time `now`, with a timeline that ends at the time `noted`. `all`
    /// has the picks and the good answers of all backends.
    pub(super) fn view(
        &self,
        number: usize,
        (now, noted): (u64, u64),
        frames: &Window<Frame>,
        all: (u64, u64),
    ) -> Lane {
        let of = |frame: &Frame| frame.lanes.get(&number).copied();
        let increase = |sum: fn(&Sums) -> u64| {
            frames.increase(|frame| of(frame).as_ref().map(sum)).map_or(0, |(increase, _)| increase)
        };
        let rate = |sum: fn(&Sums) -> u64| frames.rate(|frame| of(frame).as_ref().map(sum));
        let share = |part: u64, all: u64| if all > 0 { part as f64 / all as f64 } else { 0.0 };
        let (good, ended) =
            (increase(Sums::good), increase(|sums| sums.answers.saturating_add(sums.failures)));
        let [p50_us, p99_us] = self.latencies.quantiles(now, WINDOW_US, [0.5, 0.99]);
        let lane = Lane {
            number,
            url: self.url.clone(),
            state: self.state,
            cause: self.cause.clone(),
            progress: self.progress.as_ref().map(progress_in_words).unwrap_or_default(),
            mode: self.mode.clone(),
            weight: self.weight,
            warm: self.warm,
            trouble: Trouble::None,
            is_worst: false,
            rate: rate(|sums| sums.answers),
            share: share(increase(|sums| sums.picks), all.0),
            good_share: share(good, all.1),
            good: (ended > 0).then(|| share(good, ended)),
            in_flight: self.in_flight,
            waiting: self.waiting,
            unanswered: self.in_flight.saturating_add(self.waiting),
            errors: rate(|sums| sums.errors),
            failures: rate(|sums| sums.failures),
            retries: rate(|sums| sums.retries),
            hedges: rate(|sums| sums.hedges),
            is_quiet: increase(|sums| sums.answers) == 0,
            p50_us,
            p99_us,
            faults: self.told_faults.clone().unwrap_or_else(|| self.faults.values().cloned().collect()),
            server: self.server.clone(),
            probe: self.probe.clone(),
            cells: self.timeline.cells(noted),
        };
        Lane { trouble: trouble(&lane), ..lane }
    }
}

/// The picks and the good answers of all backends in the window.
pub(super) fn sums_of_all(frames: &Window<Frame>, numbers: impl Iterator<Item = usize>) -> (u64, u64) {
    numbers.fold((0, 0), |(picks, good), number| {
        let increase = |sum: fn(&Sums) -> u64| {
            frames.increase(|frame| frame.lanes.get(&number).map(sum)).map_or(0, |(increase, _)| increase)
        };
        (picks + increase(|sums| sums.picks), good + increase(Sums::good))
    })
}

fn trouble(lane: &Lane) -> Trouble {
    let runs = lane.server.as_ref().is_none_or(|server| server.process == "running");
    match lane.good {
        _ if lane.state == Health::Down || lane.state == Health::Ejected => Trouble::Out,
        Some(good) if good < HARM => Trouble::Harm,
        _ if lane.state != Health::Up || !runs => Trouble::Out,
        Some(good) if good < 1.0 => Trouble::Some,
        _ if !lane.faults.is_empty() => Trouble::Some,
        _ => Trouble::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_that_answers_with_errors_is_worse_than_one_that_gets_no_requests() {
        let server = |process: &'static str| Some(Server { process: process.into(), ..Server::default() });
        let fault = || vec!["latency 400 ms".to_owned()];
        for (state, good, server, faults, expected) in [
            (Health::Up, None, None, vec![], Trouble::None),
            (Health::Up, Some(1.0), server("running"), vec![], Trouble::None),
            (Health::Up, Some(1.0), server("running"), fault(), Trouble::Some),
            (Health::Up, Some(0.99), None, vec![], Trouble::Some),
            (Health::Up, Some(0.49), server("running"), fault(), Trouble::Harm),
            (Health::Up, Some(0.0), server("stopped"), vec![], Trouble::Harm),
            (Health::Up, Some(1.0), server("stopped"), vec![], Trouble::Out),
            (Health::Suspect, Some(1.0), None, vec![], Trouble::Out),
            (Health::Down, Some(0.0), server("dead"), vec![], Trouble::Out),
            (Health::Ejected, Some(0.0), server("running"), fault(), Trouble::Out),
        ] {
            let lane = Lane { state, good, server, faults, ..Lane::default() };
            assert_eq!(trouble(&lane), expected, "{lane:?}");
        }
        assert!(
            Trouble::Harm > Trouble::Out && Trouble::Out > Trouble::Some && Trouble::Some > Trouble::None
        );
    }
}
