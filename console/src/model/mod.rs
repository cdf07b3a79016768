//! The one reducer: it makes the state of a lab from its events, for the terminal, recordings and tests.
//!
//! [`Model::apply`] takes one event after the other, and [`Model::view`] calculates what a screen shows. Both
//! are pure: all times are those of the events. Rates come from the sums of two ticks, so a tick that was
//! missed does not change them. No sequence of events is an error: what does not fit is left out.

mod frame;
mod lane;
mod latency;
mod log;
mod samples;
mod timeline;
mod view;
mod window;

use std::collections::BTreeMap;

use api::{Change, Event, Hello, HelloBackend, Load, LoadTick, SCHEMA, Tick};
use serde::{Serialize, Serializer};

use self::frame::{Frame, Sums};
use self::lane::{LaneState, sums_of_all};
use self::latency::Latencies;
use self::log::Log;
pub use self::log::{LineKind, LogLine};
pub use self::samples::Sample;
use self::samples::Samples;
pub use self::timeline::{CELLS, Cell};
pub use self::view::{Lane, LastProbe, LoadFigures, Server, Totals, Trouble, View};
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
    load_latencies: Latencies,
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
        match event {
            Event::Hello(_) => {}
            Event::Tick(tick) => self.tick(tick),
            Event::State(change) => {
                self.noted = self.noted.max(change.t);
                self.lane(change.backend).change(change);
            }
            Event::Probe(probe) => self.lane(probe.backend).probed(probe),
            Event::Fault(fault) => self.lane(fault.backend).fault(fault),
            Event::Control(control) => self.control(control.change.as_ref()),
            Event::Load(load) => self.load = Some(load.clone()),
            Event::Req(request) => self.samples.end(request),
            Event::Why(why) => self.samples.explain(why),
            // A ghost has lanes of its own.
            Event::Ghost(_) => {}
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
        self.lanes.retain(|number, _| hello.backends.iter().any(|backend| backend.backend == *number));
        for HelloBackend { backend, url, weight, mode, state, cause } in &hello.backends {
            let lane = self.lane(*backend);
            (lane.url, lane.weight, lane.mode) = (url.clone(), *weight, mode.clone());
            (lane.state, lane.cause) = (Health::read(state), cause.clone());
        }
        self.hello = Some(hello.clone());
    }

    fn control(&mut self, change: Option<&Change>) {
        match change {
            Some(Change::Policy { policy }) => {
                if let Some(hello) = &mut self.hello {
                    hello.policy = policy.clone();
                }
            }
            Some(Change::Mode { backend, mode }) => self.lane(*backend).mode = mode.clone(),
            Some(Change::Weight { backend, weight }) => self.lane(*backend).weight = *weight,
            Some(Change::Added { backend, url }) => self.lane(*backend).url.clone_from(url),
            Some(Change::Removed { backend }) => self.lane(*backend).mode = "removed".into(),
            // They change no lane.
            Some(Change::Ghost { .. } | Change::Reset | Change::Secret { .. } | Change::Revealed { .. })
            | None => {}
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
        let mut frame = Frame { tick: tick.clone(), lanes: BTreeMap::new() };
        frame.lanes.extend(tick.backends.iter().map(|backend| (backend.backend, Sums::of(backend))));
        let again = before.as_ref().is_some_and(|before| frame.begins_again(before));
        if again {
            self.frames.clear();
        }
        let before = before.filter(|_| !again).unwrap_or_default();
        for backend in &tick.backends {
            let bad = before
                .lanes
                .get(&backend.backend)
                .map_or(0, |sums| backend.errors.saturating_add(backend.failures).saturating_sub(sums.bad()));
            self.lane(backend.backend).tick(tick.t, backend, bad);
        }
        for (number, lane) in &mut self.lanes {
            if !frame.lanes.contains_key(number) {
                lane.rest(tick.t);
            }
        }
        for (number, sums) in before.lanes {
            frame.lanes.entry(number).or_insert(sums);
        }
        frame.tick.backends.clear();
        self.frames.push(tick.t, frame);
    }

    fn load_tick(&mut self, t: u64, load: &LoadTick) {
        match self.load_sums.last() {
            Some((last, _)) if t <= *last => return,
            Some((_, before)) if load.offered < before.offered || load.done < before.done => {
                self.load_sums.clear();
            }
            _ => {}
        }
        self.load_latencies.push(t, &load.latency);
        let sums = LoadTick { latency: Vec::new(), uncorrected: Vec::new(), ..load.clone() };
        self.load_sums.push(t, sums);
    }

    /// The lines of the log after the first `seen` lines, and the number of all lines so far.
    pub fn log_after(&self, seen: u64) -> (impl Iterator<Item = &LogLine>, u64) {
        self.log.after(seen)
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
        View {
            t: self.now,
            problem: self.problem.clone(),
            version: hello.version,
            listen: hello.listen,
            policy: hello.policy,
            policies: hello.policies,
            seed: hello.seed,
            window_us: WINDOW_US,
            covers_us: self.frames.covers(),
            totals: self.totals(&lanes),
            load: self.load_figures(),
            lanes,
            log: self.log.after(0).0.cloned().collect(),
            requests: self.samples.all(),
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
        let [p50_us, p99_us] = self.load_latencies.quantiles(self.now, [0.5, 0.99]);
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

impl Serialize for Model {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.view().serialize(serializer)
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

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "properties_tests.rs"]
mod properties;
