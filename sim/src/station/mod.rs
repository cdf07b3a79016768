//! A server while it runs: its workers, its queue, and its speed.
//!
//! A job has work, which is a time at the usual speed. When the speed changes, the work that is done so far
//! is taken off, and the rest continues at the new speed.

mod meter;
mod servers;

use balance::LoadReport;

use crate::clock::{Nanos, nanos};
use crate::draws::{Draws, Stream, unit};
use crate::gauge::Gauge;
use crate::jobs::{At, IncomingRequest, Job, List};
use crate::server::{Discipline, OnDisconnect, Probes, Queue, Server};

use meter::Meter;
pub(crate) use servers::Servers;

/// The process of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process {
    Running,
    Stopped,
    Dead,
}

/// A fault that changes statuses, while it is active.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Statuses {
    /// The step that began it.
    pub(crate) step: u32,
    pub(crate) code: u16,
    /// From 0 to 1.
    pub(crate) share: f64,
    pub(crate) takes: Option<Nanos>,
}

/// A fault that adds to the time of service, while it is active.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Delay {
    /// The step that began it.
    pub(crate) step: u32,
    /// From 0 to 1.
    pub(crate) share: f64,
    pub(crate) adds: Nanos,
}

/// A server while it runs.
#[derive(Debug)]
pub(crate) struct Station {
    workers: u32,
    bound: u32,
    discipline: Discipline,
    on_disconnect: OnDisconnect,
    pub(crate) process: Process,
    /// The process has answered a request since its start.
    pub(crate) has_answered: bool,
    serving: List,
    queue: List,
    backlog: List,
    /// The present speed: 1 for the usual speed.
    speed: f64,
    /// Requests in flight, as all balancers together count them.
    pub(crate) in_flight: Gauge,
    /// Requests in the queue, and in the kernel's backlog.
    pub(crate) waiting: Gauge,
    /// Jobs that found all workers busy.
    pub(crate) waited: u64,
    /// The answers since the last tick.
    pub(crate) ticked: (u32, u32),
    /// What the server knows of its load, if it reports it.
    meter: Option<Box<Meter>>,
    rest: Box<Rest>,
}

/// What changes seldom.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) settings: Server,
    /// The steps of the active slow faults, with their factors.
    pub(crate) slow: Vec<(u32, f64)>,
    /// From 0 to 1; 1 for a warm server.
    pub(crate) warmth: f64,
    /// A ramp: the warmth at its beginning, when it began, and its length.
    pub(crate) ramp: Option<(f64, Nanos, Nanos)>,
    /// A pause of [`crate::server::Collections`].
    pub(crate) paused: bool,
    pub(crate) statuses: Vec<Statuses>,
    pub(crate) delays: Vec<Delay>,
    /// The steps of active faults of probes, with the shares that fail.
    pub(crate) probes: Vec<(u32, f64)>,
    /// Keys, the one that was used last at the end.
    cached: Vec<u64>,
}

impl Station {
    /// A server that has just started.
    pub(crate) fn new(settings: &Server) -> Self {
        Self {
            workers: settings.workers,
            bound: match settings.queue {
                Queue::Unbounded => u32::MAX,
                Queue::Bound(bound) => bound,
            },
            discipline: settings.discipline,
            on_disconnect: settings.on_disconnect,
            process: Process::Running,
            has_answered: false,
            serving: List::EMPTY,
            queue: List::EMPTY,
            backlog: List::EMPTY,
            speed: 1.0,
            in_flight: Gauge::default(),
            waiting: Gauge::default(),
            waited: 0,
            ticked: (0, 0),
            meter: settings.report.map(|_| Box::default()),
            rest: Box::new(Rest {
                settings: settings.clone(),
                slow: Vec::new(),
                warmth: 1.0,
                ramp: None,
                paused: false,
                statuses: Vec::new(),
                delays: Vec::new(),
                probes: Vec::new(),
                cached: Vec::new(),
            }),
        }
    }

    /// Requests in service, and requests that wait, in the queue and in the kernel's backlog.
    pub(crate) fn occupancy(&self) -> [u32; 2] {
        [self.serving.len(), self.queue.len() + self.backlog.len()]
    }

    /// The number of requests in service is about to change.
    #[inline]
    fn pass(&mut self, now: Nanos) {
        if let Some(meter) = &mut self.meter {
            meter.pass(now, self.serving.len());
        }
    }

    /// A request in service ends.
    #[inline]
    fn ends(&mut self, now: Nanos) {
        self.pass(now);
        if let Some(meter) = &mut self.meter {
            meter.end();
        }
    }

    /// What the server reports of its load now; `None` if it does not report.
    pub(crate) fn report(&mut self, now: Nanos) -> Option<LoadReport> {
        let factor = self.rest.settings.report?;
        self.pass(now);
        self.meter.as_ref().map(|meter| meter.report(self.workers, factor))
    }

    /// Sets the number of workers and the bound of the queue; `None` for any number. Then [`Servers::fill`]
    /// is due.
    pub(crate) fn set_capacity(&mut self, workers: Option<u32>, queue: Option<u32>) {
        (self.workers, self.bound) = (workers.unwrap_or(u32::MAX).max(1), queue.unwrap_or(u32::MAX));
    }

    /// The number of workers and the bound of the queue; `None` for any number.
    pub(crate) fn capacity(&self) -> [Option<u32>; 2] {
        [self.workers, self.bound].map(|number| Some(number).filter(|number| *number != u32::MAX))
    }

    /// What changes seldom. After a change, [`Servers::refresh`] is due.
    pub(crate) fn rest(&mut self) -> &mut Rest {
        &mut self.rest
    }

    /// How it answers pings.
    pub(crate) fn probes(&self) -> &Probes {
        &self.rest.settings.probes
    }

    /// The part of the pings that the active faults let fail.
    pub(crate) fn failing_probes(&self) -> f64 {
        1.0 - self.rest.probes.iter().fold(1.0, |well, (_, share)| well * (1.0 - share))
    }

    /// The process is stopped or dead, or in a pause.
    fn stands_still(&self) -> bool {
        self.process != Process::Running || self.rest.paused
    }

    fn present_speed(&self) -> f64 {
        if self.stands_still() {
            return 0.0;
        }
        self.rest.slow.iter().fold(self.rest.warmth, |speed, (_, times)| speed / times)
    }

    /// The time that the active faults add to the service of a request.
    fn delay(&self, incoming: &IncomingRequest, draws: &Draws) -> Nanos {
        let delays = self.rest.delays.iter().filter(|fault| hits(fault.step, fault.share, incoming, draws));
        delays.fold(0, |sum, fault| sum.saturating_add(fault.adds))
    }

    /// The work and the status of a request, by the active faults.
    fn task(&self, incoming: &IncomingRequest, draws: &Draws) -> (Nanos, u16) {
        for fault in &self.rest.statuses {
            if hits(fault.step, fault.share, incoming, draws) {
                return (fault.takes.unwrap_or(incoming.size), fault.code);
            }
        }
        (incoming.size, 200)
    }

    /// The work of a job with the cache, which remembers its key.
    fn look_up(&mut self, job: &Job) -> Nanos {
        let Some(cache) = self.rest.settings.cache.filter(|_| job.status == 200) else { return job.work };
        let Some(key) = job.key else { return nanos(cache.miss) };
        let cached = &mut self.rest.cached;
        let known = cached.iter().position(|other| *other == key);
        if let Some(index) = known {
            cached.remove(index);
        } else if cached.len() >= cache.keys && !cached.is_empty() {
            cached.remove(0);
        }
        if cache.keys > 0 {
            cached.push(key);
        }
        nanos(if known.is_some() { cache.hit } else { cache.miss })
    }

    fn has_room(&self) -> bool {
        // A process in a pause may have free workers and a queue.
        let places = u64::from(self.workers) + u64::from(self.bound);
        self.queue.len() < self.bound
            || u64::from(self.serving.len()) + u64::from(self.queue.len()) < places
            || self.discipline == Discipline::ForgetRest
    }

    fn list(&mut self, at: At) -> &mut List {
        match at {
            At::Worker => &mut self.serving,
            At::Queue => &mut self.queue,
            At::Backlog => &mut self.backlog,
        }
    }

    fn count_waiting(&mut self, now: Nanos) {
        self.waiting.set(self.queue.len() + self.backlog.len(), now);
    }
}

/// Whether a fault with this share hits a request.
fn hits(step: u32, share: f64, incoming: &IncomingRequest, draws: &Draws) -> bool {
    let index = (u64::from(step) << 32) | u64::from(incoming.tries);
    unit(draws.bits_of(Stream::Fault, incoming.number, index + 1)) < share
}
