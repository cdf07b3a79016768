//! Which events the merged stream has. Pure: what the sources tell goes in, events come out.

use std::collections::BTreeMap;

use api::{
    BackendTick, Change, ControlChange, Event, Fault, Hello, HelloBackend, Load, LoadTick, StateChange, Tick,
    Word,
};

use super::clock::{distance, shift};
use super::faults::{BackendSeen, differences};
use super::figures::add;
use super::secret::Secret;

/// The origin of changes that the lab itself finds.
const BY: &str = "lab";

/// A balancer that runs sends a tick each 250 ms. After this time without one, the lab sends its own.
const LATE_US: u64 = 600_000;

/// The time between two ticks of the lab.
const PERIOD_US: u64 = 250_000;

/// What the merge knows of its sources.
#[derive(Debug, Default)]
pub(super) struct Merge {
    epoch_unix_us: u64,
    seed: Option<u64>,
    presets: Vec<Word>,
    /// The last `hello` of the balancer, as the lab tells it, and the epoch of that balancer.
    hello: Option<(Hello, u64)>,
    is_lost: bool,
    /// The last tick of the balancer, without its backends, and the sums of each of them.
    tick: Tick,
    sums: BTreeMap<usize, BackendTick>,
    /// The time of the next tick of the lab, if none of the balancer comes before.
    next_own: u64,
    states: BTreeMap<usize, StateChange>,
    /// What the backends say, as readers see it, and with the secret.
    backends: BTreeMap<usize, BackendSeen>,
    unhidden: BTreeMap<usize, BackendSeen>,
    /// Since when readers know of each active fault: by backend, id and kind.
    since: BTreeMap<FaultKey, u64>,
    /// The fault that readers must not see, if there is one.
    pub(super) secret: Option<Secret>,
    load: Option<Load>,
    load_tick: Option<LoadTick>,
}

impl Merge {
    /// A merge for a lab whose clock begins at `epoch_unix_us`.
    pub(super) fn new(epoch_unix_us: u64, seed: Option<u64>, presets: Vec<Word>) -> Self {
        Self { epoch_unix_us, seed, presets, ..Self::default() }
    }

    /// Whether the balancer has told anything.
    pub(super) fn has_begun(&self) -> bool {
        self.hello.is_some()
    }

    /// The names of all policies; none before `hello`.
    pub(super) fn policies(&self) -> &[Word] {
        self.hello.as_ref().map_or(&[], |(hello, _)| &hello.policies)
    }

    /// An event of the balancer.
    pub(super) fn balancer(&mut self, mut event: Event) -> Vec<Event> {
        if let Event::Hello(hello) = event {
            return self.hello(*hello);
        }
        let Some((hello, epoch)) = &mut self.hello else { return Vec::new() };
        shift(&mut event, distance(*epoch, self.epoch_unix_us));
        match event {
            Event::Tick(tick) => return vec![self.balancer_tick(tick)],
            Event::State(ref change) => {
                let now = StateChange { from: change.to.clone(), ..change.clone() };
                self.states.insert(change.backend, now);
            }
            Event::Control(ControlChange { change: Some(ref change), .. }) => note(hello, change),
            // Its ids are those of the balancer.
            Event::Gap(gap) => {
                let missing = gap.missing();
                let what = format!("{missing} events of the balancer are missing");
                return vec![found(self.tick.t, what)];
            }
            _ => {}
        }
        vec![event]
    }

    fn hello(&mut self, hello: Hello) -> Vec<Event> {
        let epoch = hello.epoch_unix_us;
        let before = self.hello.as_ref().map(|(_, before)| *before);
        let mut event = Event::Hello(Box::new(Hello {
            epoch_unix_us: self.epoch_unix_us,
            seed: self.seed,
            presets: self.presets.clone(),
            ..hello
        }));
        shift(&mut event, distance(epoch, self.epoch_unix_us));
        let Event::Hello(ref hello) = event else { return Vec::new() };
        let t = hello.t;
        self.hello = Some(((**hello).clone(), epoch));
        // Its first tick follows. A tick of the lab before it would have sums of another process.
        self.next_own = self.next_own.max(t.saturating_add(LATE_US));
        let is_lost = std::mem::take(&mut self.is_lost);
        match before {
            Some(before) if before != epoch => {
                self.sums.clear();
                self.states.clear();
                vec![event, found(t, "the balancer has started again".to_owned())]
            }
            _ if is_lost => vec![event, found(t, "the balancer tells its events again".to_owned())],
            _ => vec![event],
        }
    }

    fn balancer_tick(&mut self, mut tick: Tick) -> Event {
        let mut latencies = BTreeMap::new();
        // A backend that is left out has no requests, and the same sums as before.
        for sums in self.sums.values_mut() {
            (sums.in_flight, sums.waiting, sums.warm) = (0, 0, None);
        }
        for mut backend in tick.backends.drain(..) {
            latencies.insert(backend.backend, std::mem::take(&mut backend.latency));
            self.sums.insert(backend.backend, backend);
        }
        self.next_own = tick.t.saturating_add(LATE_US);
        self.tick = tick;
        self.full_tick(latencies)
    }

    /// The last tick with all backends, what they say of themselves, and the load.
    fn full_tick(&mut self, mut latencies: BTreeMap<usize, api::Buckets>) -> Event {
        let backend = |(number, sums): (&usize, &BackendTick)| BackendTick {
            latency: latencies.remove(number).unwrap_or_default(),
            server: self.backends.get(number).map(|seen| seen.server.clone()),
            ..sums.clone()
        };
        let backends = self.sums.iter().map(backend).collect();
        let load = self.load_tick.clone();
        // Latencies are told once.
        if let Some(load) = &mut self.load_tick {
            load.latency.clear();
            load.uncorrected.clear();
        }
        Event::Tick(Tick { backends, load, ..self.tick.clone() })
    }

    /// The balancer does not tell its events any more.
    pub(super) fn lost(&mut self, t: u64, why: &str) -> Vec<Event> {
        if !self.has_begun() || std::mem::replace(&mut self.is_lost, true) {
            return Vec::new();
        }
        vec![found(t, format!("the balancer tells no events: {why}"))]
    }

    /// The state of a backend, or `None` if its control port does not answer.
    pub(super) fn backend(&mut self, t: u64, number: usize, seen: Option<BackendSeen>) -> Vec<Event> {
        let seen = seen.unwrap_or_else(|| BackendSeen::unknown(self.unhidden.get(&number)));
        let after =
            self.secret.as_ref().map_or_else(|| seen.clone(), |secret| secret.without_secret(number, &seen));
        let events = differences(self.backends.get(&number), &after, number, t);
        for fault in events.iter().filter_map(as_fault) {
            match fault.active {
                true => drop(self.since.insert(key(fault), t)),
                false => drop(self.since.remove(&key(fault))),
            }
        }
        self.backends.insert(number, after);
        self.unhidden.insert(number, seen);
        events
    }

    /// The last state of a backend, with the secret.
    pub(super) fn seen(&self, number: usize) -> Option<&BackendSeen> {
        self.unhidden.get(&number)
    }

    /// The figures of the load. The next tick tells them.
    pub(super) fn load(&mut self, load: Load, mut tick: LoadTick) -> Vec<Event> {
        if let Some(before) = self.load_tick.take() {
            add(&mut tick.latency, before.latency);
            add(&mut tick.uncorrected, before.uncorrected);
        }
        self.load_tick = Some(tick);
        let is_new = self.load.as_ref().is_none_or(|before| Load { t: before.t, ..load.clone() } != *before);
        if !is_new {
            return Vec::new();
        }
        self.load = Some(load.clone());
        vec![Event::Load(load)]
    }

    /// Time passes. If the balancer is late with its tick, the lab repeats the last one with its own figures.
    pub(super) fn pass(&mut self, t: u64) -> Vec<Event> {
        if !self.has_begun() || t < self.next_own {
            return Vec::new();
        }
        self.next_own = t.saturating_add(PERIOD_US);
        self.tick.t = self.tick.t.max(t);
        vec![self.full_tick(BTreeMap::new())]
    }

    /// The present state, for a new reader.
    pub(super) fn snapshot(&self, t: u64) -> Vec<Event> {
        let Some((hello, _)) = &self.hello else { return Vec::new() };
        let backend = |(number, sums): (&usize, &BackendTick)| BackendTick {
            server: self.backends.get(number).map(|seen| seen.server.clone()),
            ..sums.clone()
        };
        let tick = Tick { backends: self.sums.iter().map(backend).collect(), ..self.tick.clone() };
        let mut events = vec![Event::Hello(Box::new(Hello { t, ..hello.clone() }))];
        events.extend(self.load.clone().map(Event::Load));
        events.push(Event::Tick(tick));
        events.extend(self.states.values().cloned().map(Event::State));
        let faults = self.backends.iter().flat_map(|(number, seen)| differences(None, seen, *number, t));
        events.extend(faults.map(|event| self.with_its_beginning(event)));
        events.extend(self.secret.as_ref().and_then(|secret| secret.event(t, BY)));
        events
    }

    /// The event of a fault that is active, with the time at which it began.
    fn with_its_beginning(&self, event: Event) -> Event {
        match event {
            Event::Fault(fault) => {
                let t = self.since.get(&key(&fault)).copied().unwrap_or(fault.t);
                Event::Fault(Fault { t, ..fault })
            }
            other => other,
        }
    }
}

/// The backend, the id and the kind of a fault.
type FaultKey = (usize, Option<u64>, Word);

fn key(fault: &Fault) -> FaultKey {
    (fault.backend, fault.id, fault.kind.clone())
}

fn as_fault(event: &Event) -> Option<&Fault> {
    match event {
        Event::Fault(fault) => Some(fault),
        _ => None,
    }
}

/// Keeps what a new reader has to know of a change.
fn note(hello: &mut Hello, change: &Change) {
    let mut backend = |number: usize, set: &dyn Fn(&mut HelloBackend)| {
        hello.backends.iter_mut().filter(|backend| backend.backend == number).for_each(set);
    };
    match change {
        Change::Policy { policy } => hello.policy = policy.clone(),
        Change::Mode { backend: number, mode } => backend(*number, &|one| one.mode = mode.clone()),
        Change::Weight { backend: number, weight } => backend(*number, &|one| one.weight = *weight),
        _ => {}
    }
}

fn found(t: u64, what: String) -> Event {
    Event::Control(ControlChange { t, what, by: BY.to_owned(), change: None })
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
