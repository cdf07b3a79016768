//! The conditions of the backends, as the stream tells them: faults, processes and capacities.
//!
//! A measured service time contains the delays of the faults that hit the request. Under another policy, the
//! request goes to another backend. So these delays are taken off, and the simulated backend adds its own.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use api::{Fault as Told, Tick};
use serde_json::Value;

use crate::faults::Fault;
use crate::station::Process;

use super::MOST_BACKENDS;
use super::call::LiveCall;

/// The fields of a fault that the simulator knows. A fault with another field hits only some requests, and
/// the stream does not say which.
const KNOWN_FIELDS: [&str; 6] = ["fixed", "code", "retry_after", "percent", "after", "for"];

/// How long a condition that is over is remembered, in microseconds: requests that it hit may end later.
const REMEMBERED: u64 = 120_000_000;

/// Bounds for a stream that is no stream of a lab: faults at a time, and kinds that are not simulated.
const MOST_ACTIVE: usize = 10_000;
const MOST_KINDS: usize = 64;

/// A change of a condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Change {
    /// When, in microseconds of the stream. 0 for a condition from before the stream.
    pub(super) at: u64,
    pub(super) fault: Fault,
    /// The fault ends.
    pub(super) ends: bool,
    /// The end of a fault has the name of its beginning.
    pub(super) name: u32,
}

/// A delay of a fault.
#[derive(Debug, Clone, Copy)]
struct DelaySpan {
    name: u32,
    backend: usize,
    from: u64,
    to: u64,
    adds: u64,
}

/// A fault that is active.
#[derive(Debug, Clone, Copy)]
struct Active {
    name: u32,
    fault: Fault,
    /// When it ends by itself.
    until: u64,
}

/// What is known of one backend.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    process: Option<Process>,
    capacity: Option<[Option<u32>; 2]>,
}

/// The conditions of all backends so far.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// The number of workers of each server, instead of what the stream tells.
    workers: Option<u32>,
    backends: HashMap<usize, Known>,
    /// Active faults, by backend and id.
    active: HashMap<(usize, u64), Active>,
    delays: Vec<DelaySpan>,
    names: u32,
    /// The work of the last request, in microseconds.
    last_work: Option<u64>,
    /// Faults that are not simulated.
    pub(super) unknown: BTreeSet<String>,
}

impl Conditions {
    /// Nothing is known yet. `workers` replaces what the stream tells of the capacities.
    pub(super) fn new(workers: Option<u32>) -> Self {
        Self { workers, ..Self::default() }
    }

    /// The changes that a tick shows. The first tick tells conditions from before the stream.
    pub(super) fn tick(&mut self, tick: &Tick) -> Vec<Change> {
        let mut changes = Vec::new();
        let servers =
            tick.backends.iter().filter_map(|backend| Some((backend.backend, backend.server.as_ref()?)));
        for (number, server) in servers.filter(|(number, _)| (1..=MOST_BACKENDS).contains(number)) {
            let known = self.backends.get(&number).copied().unwrap_or_default();
            let process = match &*server.process {
                "running" => Some(Process::Running),
                "stopped" => Some(Process::Stopped),
                "dead" => Some(Process::Dead),
                _ => None,
            };
            if let Some(process) = process {
                let at = if known.process.is_none() { 0 } else { tick.t };
                self.process(number, process, at, &mut changes);
            }
            let workers = self.workers.or(server.workers);
            let capacity = Some([workers, server.queue]);
            if known.capacity != capacity {
                let at = if known.capacity.is_none() { 0 } else { tick.t };
                self.backends.entry(number).or_default().capacity = capacity;
                changes
                    .push(self.change(at, Fault::Capacity { backend: number, workers, queue: server.queue }));
            }
        }
        changes
    }

    /// The changes that an event `fault` tells.
    pub(super) fn fault(&mut self, told: &Told) -> Vec<Change> {
        let mut changes = Vec::new();
        if !(1..=MOST_BACKENDS).contains(&told.backend) {
            return changes;
        }
        let process = match (&*told.kind, told.active) {
            ("kill", true) => Some(Process::Dead),
            ("stop", true) => Some(Process::Stopped),
            ("kill" | "stop", false) => Some(Process::Running),
            _ => None,
        };
        match (told.id, process) {
            (None, Some(process)) => self.process(told.backend, process, told.t, &mut changes),
            (Some(id), _) if told.active => self.begin(told, id, &mut changes),
            (Some(id), _) => self.end(told, id, &mut changes),
            (None, None) => {}
        }
        changes
    }

    fn begin(&mut self, told: &Told, id: u64, changes: &mut Vec<Change>) {
        let Some(fault) = simulated(told) else {
            if self.unknown.len() < MOST_KINDS {
                self.unknown.insert(told.kind.chars().take(64).collect());
            }
            return;
        };
        if self.active.len() >= MOST_ACTIVE || self.delays.len() >= MOST_ACTIVE {
            return;
        }
        let change = self.change(told.t, fault);
        changes.push(change);
        if let Some(until) = told.until {
            changes.push(Change { at: until, ends: true, ..change });
        }
        let until = told.until.unwrap_or(u64::MAX);
        self.active.insert((told.backend, id), Active { name: change.name, fault, until });
        if let Fault::Latency { adds, .. } = fault {
            self.delays.push(DelaySpan {
                name: change.name,
                backend: told.backend,
                from: told.t,
                to: until,
                adds: u64::try_from(adds.as_micros()).unwrap_or(u64::MAX),
            });
        }
    }

    fn end(&mut self, told: &Told, id: u64, changes: &mut Vec<Change>) {
        let Some(Active { name, fault, .. }) = self.active.remove(&(told.backend, id)) else { return };
        changes.push(Change { at: told.t, fault, ends: true, name });
        if let Some(delay) = self.delays.iter_mut().find(|delay| delay.name == name) {
            delay.to = delay.to.min(told.t);
        }
    }

    /// A process has changed, or is the same as before.
    fn process(&mut self, backend: usize, now: Process, at: u64, changes: &mut Vec<Change>) {
        let known = self.backends.entry(backend).or_default();
        let before = known.process.replace(now).unwrap_or(Process::Running);
        let faults: &[Fault] = match (before, now) {
            (Process::Running, Process::Stopped) => &[Fault::Stop { backend }],
            (Process::Dead, Process::Stopped) => &[Fault::Start { backend }, Fault::Stop { backend }],
            (Process::Running | Process::Stopped, Process::Dead) => &[Fault::Kill { backend }],
            (Process::Dead, Process::Running) => &[Fault::Start { backend }],
            (Process::Stopped, Process::Running) => &[Fault::Continue { backend }],
            _ => &[],
        };
        for fault in faults {
            changes.push(self.change(at, *fault));
        }
    }

    fn change(&mut self, at: u64, fault: Fault) -> Change {
        let name = self.names;
        self.names = self.names.wrapping_add(1);
        Change { at, fault, ends: false, name }
    }

    /// Forgets what was over long before this time.
    pub(super) fn forget(&mut self, now: u64) {
        let is_needed = |end: u64| end.saturating_add(REMEMBERED) > now;
        self.delays.retain(|delay| is_needed(delay.to));
        self.active.retain(|_, active| is_needed(active.until));
    }

    /// The work of a call in microseconds, without the delays of faults. A call without a measured service
    /// has the work of the call before it; `None` if there is none.
    pub(super) fn work(&mut self, call: &LiveCall) -> Option<u64> {
        let Some(service) = call.service else { return self.last_work };
        let began = call.ended.saturating_sub(service);
        let mut work = service;
        for delay in &self.delays {
            // A delay that is longer than the service did not hit the request.
            let is_hit = Some(delay.backend) == call.backend && (delay.from..delay.to).contains(&began);
            work = if is_hit { work.checked_sub(delay.adds).unwrap_or(work) } else { work };
        }
        self.last_work = Some(work);
        self.last_work
    }
}

/// A fault as the simulator knows it.
fn simulated(told: &Told) -> Option<Fault> {
    let backend = told.backend;
    let field = |name: &str| told.params.get(name);
    let fields = told.params.as_object();
    if fields.is_some_and(|fields| fields.keys().any(|name| !KNOWN_FIELDS.contains(&&**name))) {
        return None;
    }
    let percent = field("percent").map_or(Some(100.0), Value::as_f64)?.clamp(0.0, 100.0);
    let lasts = Duration::MAX;
    match &*told.kind {
        "latency" => Some(Fault::Latency { backend, adds: duration(field("fixed")?)?, percent, lasts }),
        "status" => {
            let code = u16::try_from(field("code")?.as_u64()?).ok()?;
            Some(Fault::Status { backend, code, percent, takes: None, lasts })
        }
        _ => None,
    }
}

/// A duration as a backend writes it: a number of milliseconds, or a text such as `400ms`.
fn duration(value: &Value) -> Option<Duration> {
    match value {
        Value::Number(number) => Duration::try_from_secs_f64(number.as_f64()? / 1e3).ok(),
        Value::String(text) => humantime::parse_duration(text).ok(),
        _ => None,
    }
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
