//! The one reducer: it makes the state of a lab from its events, for the terminal, recordings and tests.
//!
//! [`Model::apply`] takes one event after the other, and [`Model::view`] calculates what a screen shows. Both
//! are pure: all times are those of the events. Rates come from the sums of two ticks, so a tick that was
//! missed does not change them. No sequence of events is an error: what does not fit is left out.

mod figures;
mod frame;
mod ghost;
mod lane;
mod latency;
mod log;
mod mark;
mod samples;
mod series;
mod timeline;
mod view;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use api::{Change, ControlChange, Event, Hello, HelloBackend, Load, LoadTick, SCHEMA, Tick};
use serde::{Serialize, Serializer};

use self::frame::Frame;
use self::ghost::Ghosts;
pub use self::ghost::{Ghost, GhostLane, GhostTotals};
use self::lane::LaneState;
use self::latency::Latencies;
pub use self::latency::{Curve, LONG_US, Percentiles};
use self::log::Log;
pub use self::log::{LineKind, LogLine};
use self::mark::Marks;
pub use self::mark::{Mark, MarkKind};
use self::samples::Samples;
pub use self::samples::{Keys, Sample};
use self::series::Points;
pub use self::series::{POINT_US, POINTS, Point, SPAN_US, STEP_US, Series};
pub use self::timeline::{CELLS, Cell};
pub use self::view::{Lane, LastProbe, LoadFigures, Revealed, Secret, Server, Totals, Trouble, View};
pub use self::window::WINDOW_US;
use self::window::Window;
use crate::health::Health;

/// What is known of a lab from its events so far. As JSON, it is its [`View`].
#[derive(Clone, Debug, Default)]
pub struct Model {
    now: u64,
    /// The newest time that the timelines know: they end with its second.
    noted: u64,
    hello: Option<Hello>,
    problem: Option<String>,
    lanes: BTreeMap<usize, LaneState>,
    frames: Window<Frame>,
    load: Option<Load>,
    load_sums: Window<LoadTick>,
    /// As clients see them; without a load, those of the backends.
    latencies: Latencies,
    uncorrected: Latencies,
    points: Points,
    marks: Marks,
    ghosts: Ghosts,
    /// The policy in force is so since this time.
    policy_since: u64,
    secret: Option<Secret>,
    log: Log,
    samples: Samples,
    missed: u64,
}

impl Model {
    /// Takes in the next event of the stream.
    pub fn apply(&mut self, event: &Event) {
        if let Event::Hello(hello) = event {
            self.hello(hello);
        }
        if self.problem.is_some() {
            return;
        }
        if let Some(t) = event.time() {
            self.now = self.now.max(t);
        }
        if let Some(line) = log::line(event, self.now) {
            self.log.write(line);
        }
        self.marks.note(event);
        match event {
            Event::Hello(_) => {}
            Event::Tick(tick) => self.tick(tick),
            Event::State(change) => {
                self.noted = self.noted.max(change.t);
                self.lane(change.backend).change(change);
            }
            Event::Probe(probe) => self.lane(probe.backend).probed(probe),
            Event::Fault(fault) => self.lane(fault.backend).fault(fault),
            Event::Control(control) => self.control(control),
            Event::Load(load) => self.load = Some(load.clone()),
            // Only the sample stands for all requests.
            Event::Req(request) if request.n == 0 => {}
            Event::Req(request) => self.samples.end(request),
            Event::Why(why) => self.samples.explain(why),
            Event::Ghost(ghost) => self.ghosts.tick(ghost, self.now),
            Event::Gap(gap) => {
                self.missed = self.missed.saturating_add(gap.missing());
            }
        }
    }

    fn lane(&mut self, number: usize) -> &mut LaneState {
        self.lanes.entry(number).or_default()
    }

    fn hello(&mut self, hello: &Hello) {
        self.problem = (hello.schema != SCHEMA).then(|| {
            let found = hello.schema;
            format!("the events have format {found}, and this console reads format {SCHEMA}: use programs of one version")
        });
        // Times of another epoch cannot be compared with the times so far.
        if self.hello.as_ref().is_some_and(|before| before.epoch_unix_us != hello.epoch_unix_us) {
            let problem = self.problem.take();
            *self = Self { problem, ..Self::default() };
        }
        self.now = self.now.max(hello.t);
        if self.hello.as_ref().is_some_and(|before| before.policy != hello.policy) {
            self.policy_since = hello.t;
        }
        self.lanes.retain(|number, _| hello.backends.iter().any(|backend| backend.backend == *number));
        for HelloBackend { backend, url, weight, mode, state, cause } in &hello.backends {
            let lane = self.lane(*backend);
            (lane.url, lane.weight, lane.mode) = (url.clone(), *weight, mode.clone());
            (lane.state, lane.cause) = (Health::read(state), cause.clone());
        }
        self.hello = Some(hello.clone());
    }

    fn control(&mut self, control: &ControlChange) {
        match &control.change {
            Some(Change::Policy { policy }) => {
                if let Some(hello) = &mut self.hello {
                    hello.policy = policy.clone();
                }
                self.policy_since = control.t;
            }
            Some(Change::Mode { backend, mode }) => self.lane(*backend).mode = mode.clone(),
            Some(Change::Weight { backend, weight }) => self.lane(*backend).weight = *weight,
            Some(Change::Added { backend, url }) => self.lane(*backend).url.clone_from(url),
            Some(Change::Removed { backend }) => self.lane(*backend).mode = "removed".into(),
            Some(Change::Ghost { policy }) => self.ghosts.ask(policy.as_ref()),
            Some(Change::Secret { since }) => self.secret = Some(Secret { since: *since, revealed: None }),
            Some(Change::Revealed { backend, fault, after_us }) => {
                let before = control.t.saturating_sub(*after_us);
                let since = self.secret.as_ref().map_or(before, |one| one.since);
                let revealed =
                    Some(Revealed { backend: *backend, fault: fault.clone(), after_us: *after_us });
                self.secret = Some(Secret { since, revealed });
            }
            Some(Change::Reset) => {
                self.ghosts.ask(None);
                self.secret = None;
            }
            None => {}
        }
    }

    fn tick(&mut self, tick: &Tick) {
        if let Some(load) = &tick.load {
            self.load_tick(tick.t, load);
        }
        let before = self.frames.last().cloned();
        if before.as_ref().is_some_and(|(last, _)| tick.t <= *last) {
            return;
        }
        self.noted = self.noted.max(tick.t);
        let before = before.map(|(_, frame)| frame);
        let frame = Frame::next(before.as_ref(), tick);
        let again = before.as_ref().is_some_and(|before| frame.begins_again(before));
        if again {
            self.frames.clear();
            self.points.begin_again();
        }
        let before = before.filter(|_| !again).unwrap_or_default();
        for backend in &tick.backends {
            let bad = before
                .lanes
                .get(&backend.backend)
                .map_or(0, |sums| backend.errors.saturating_add(backend.failures).saturating_sub(sums.bad()));
            self.lane(backend.backend).tick(tick.t, backend, bad);
        }
        let told: BTreeSet<usize> = tick.backends.iter().map(|backend| backend.backend).collect();
        for (_, lane) in self.lanes.iter_mut().filter(|(number, _)| !told.contains(number)) {
            lane.rest(tick.t);
        }
        if self.load_sums.last().is_none() {
            let latencies = tick.backends.iter().flat_map(|backend| backend.latency.iter().copied());
            self.latencies.push(tick.t, &latencies.collect());
        }
        self.frames.push(tick.t, frame);
        self.point(tick.load.as_ref());
    }

    fn load_tick(&mut self, t: u64, load: &LoadTick) {
        match self.load_sums.last() {
            Some((last, _)) if t <= *last => return,
            Some((_, before)) if load.offered < before.offered || load.done < before.done => {
                self.load_sums.clear();
            }
            _ => {}
        }
        if self.load_sums.last().is_none() {
            // Those of the backends so far are other ones.
            self.latencies = Latencies::default();
        }
        self.latencies.push(t, &load.latency);
        self.uncorrected.push(t, &load.uncorrected);
        let sums = LoadTick { latency: Vec::new(), uncorrected: Vec::new(), ..load.clone() };
        self.load_sums.push(t, sums);
    }

    /// The lines of the log after the first `seen` lines, and the number of all lines so far.
    pub fn log_after(&self, seen: u64) -> (impl Iterator<Item = &LogLine>, u64) {
        self.log.after(seen)
    }
}

impl Serialize for Model {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.view().serialize(serializer)
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "properties_tests.rs"]
mod properties;
