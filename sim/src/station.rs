//! A server while it runs: its workers, its queue, and its speed.
//!
//! A job has work, which is a time at the usual speed. When the speed changes, the work that is done so far
//! is taken off, and the rest continues at the new speed.

use slab::Slab;

use crate::clock::{Nanos, nanos};
use crate::draws::{Draws, Stream, unit};
use crate::events::{Agenda, Happening};
use crate::gauge::Gauge;
use crate::jobs::{At, Coming, Job, List, NONE, Reception};
use crate::server::{Discipline, OnDisconnect, Probes, Queue, Server};

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
            rest: Box::new(Rest {
                settings: settings.clone(),
                slow: Vec::new(),
                warmth: 1.0,
                ramp: None,
                paused: false,
                statuses: Vec::new(),
                probes: Vec::new(),
                cached: Vec::new(),
            }),
        }
    }

    /// What changes seldom. After a change, [`Yard::refresh`] is due.
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

    fn present_speed(&self) -> f64 {
        if self.process != Process::Running || self.rest.paused {
            return 0.0;
        }
        self.rest.slow.iter().fold(self.rest.warmth, |speed, (_, times)| speed / times)
    }

    /// The work and the status of a request, by the active faults.
    fn task(&self, coming: &Coming, draws: &Draws) -> (Nanos, u16) {
        for fault in &self.rest.statuses {
            let index = (u64::from(fault.step) << 32) | u64::from(coming.tries);
            if unit(draws.bits_of(Stream::Fault, coming.number, index + 1)) < fault.share {
                return (fault.takes.unwrap_or(coming.size), fault.code);
            }
        }
        (coming.size, 200)
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
        self.serving.len() < self.workers
            || self.queue.len() < self.bound
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

/// All servers and the requests in them.
#[derive(Debug)]
pub(crate) struct Yard {
    pub(crate) stations: Vec<Station>,
    jobs: Slab<Job>,
    /// The calls whose requests a server has dropped: it answers 503.
    pub(crate) dropped: Vec<u32>,
}

impl Yard {
    /// Servers that have just started.
    pub(crate) fn new(servers: &[Server]) -> Self {
        Self { stations: servers.iter().map(Station::new).collect(), jobs: Slab::new(), dropped: Vec::new() }
    }

    /// A request comes to a server.
    pub(crate) fn receive(
        &mut self,
        server: u32,
        coming: &Coming,
        draws: &Draws,
        agenda: &mut Agenda,
        now: Nanos,
    ) -> Reception {
        let station = &mut self.stations[server as usize];
        let (work, status) = station.task(coming, draws);
        let mut job = Job::new(coming.call, server, work, status);
        (job.deadline, job.key) = (coming.deadline, coming.key);
        match station.process {
            Process::Dead => Reception::Refused,
            Process::Stopped => {
                job.at = At::Backlog;
                let index = self.jobs.insert(job) as u32;
                station.backlog.push(&mut self.jobs, index);
                station.count_waiting(now);
                Reception::Accepted(index)
            }
            Process::Running if station.has_room() => {
                let index = self.jobs.insert(job) as u32;
                self.admit(server, index, agenda, now);
                Reception::Accepted(index)
            }
            Process::Running => Reception::Full,
        }
    }

    /// A running server takes a request that has room.
    fn admit(&mut self, server: u32, index: u32, agenda: &mut Agenda, now: Nanos) {
        let station = &mut self.stations[server as usize];
        if station.serving.len() < station.workers {
            self.start(server, index, agenda, now);
            return;
        }
        station.waited += 1;
        self.jobs[index as usize].at = At::Queue;
        station.queue.push(&mut self.jobs, index);
        station.count_waiting(now);
        if station.discipline == Discipline::ForgetRest
            && let Some(oldest) = station.serving.first()
        {
            let job = &mut self.jobs[oldest as usize];
            job.event = agenda.enter(now, Happening::Done, oldest);
        }
    }

    /// A worker begins with a request.
    fn start(&mut self, server: u32, index: u32, agenda: &mut Agenda, now: Nanos) {
        let station = &mut self.stations[server as usize];
        station.serving.push(&mut self.jobs, index);
        let job = &mut self.jobs[index as usize];
        job.work = station.look_up(job);
        (job.at, job.since) = (At::Worker, now);
        job.event = match time_of(job.work, station.speed) {
            Some(time) => agenda.enter(now.saturating_add(time), Happening::Done, index),
            None => 0,
        };
    }

    /// A free worker takes the next request of the queue.
    fn next(&mut self, server: u32, agenda: &mut Agenda, now: Nanos) {
        loop {
            let station = &mut self.stations[server as usize];
            let next = match station.discipline {
                Discipline::Lifo => station.queue.last(),
                _ => station.queue.first(),
            };
            let Some(index) = next else { return };
            station.queue.remove(&mut self.jobs, index);
            station.count_waiting(now);
            let job = &self.jobs[index as usize];
            let drops = match station.discipline {
                Discipline::DropExpired => now >= job.deadline,
                Discipline::DropHopeless => time_of(job.work, station.speed)
                    .is_none_or(|time| now.saturating_add(time) > job.deadline),
                _ => false,
            };
            if !drops {
                self.start(server, index, agenda, now);
                return;
            }
            if job.call != NONE {
                self.dropped.push(job.call);
            }
            self.jobs.remove(index as usize);
        }
    }

    /// A job is done, if this is its event. Returns its server, its call and its status.
    #[inline]
    pub(crate) fn done(
        &mut self,
        index: u32,
        event: u32,
        agenda: &mut Agenda,
        now: Nanos,
    ) -> Option<(u32, u32, u16)> {
        let job = *self.jobs.get(index as usize).filter(|job| job.event == event && job.at == At::Worker)?;
        let station = &mut self.stations[job.server as usize];
        station.serving.remove(&mut self.jobs, index);
        station.has_answered = true;
        self.jobs.remove(index as usize);
        self.next(job.server, agenda, now);
        Some((job.server, job.call, job.status))
    }

    /// The client of a job, or the balancer, has closed the connection.
    pub(crate) fn leave(&mut self, index: u32, agenda: &mut Agenda, now: Nanos) {
        let Job { server, at, .. } = self.jobs[index as usize];
        let station = &mut self.stations[server as usize];
        if station.on_disconnect == OnDisconnect::Continue {
            self.jobs[index as usize].call = NONE;
            return;
        }
        station.list(at).remove(&mut self.jobs, index);
        station.count_waiting(now);
        self.jobs.remove(index as usize);
        if at == At::Worker {
            self.next(server, agenda, now);
        }
    }

    /// The speed of a server may have changed.
    pub(crate) fn refresh(&mut self, server: u32, agenda: &mut Agenda, now: Nanos) {
        let station = &mut self.stations[server as usize];
        let speed = station.present_speed();
        let before = std::mem::replace(&mut station.speed, speed);
        for index in station.serving.all(&self.jobs) {
            let job = &mut self.jobs[index as usize];
            let done = libm::round((now - job.since) as f64 * before) as Nanos;
            (job.work, job.since) = (job.work.saturating_sub(done), now);
            job.event = match time_of(job.work, station.speed) {
                Some(time) => agenda.enter(now.saturating_add(time), Happening::Done, index),
                None => 0,
            };
        }
    }

    /// The process ends. Returns the calls that it had.
    pub(crate) fn kill(&mut self, server: u32, now: Nanos) -> Vec<u32> {
        let station = &mut self.stations[server as usize];
        let mut lost = Vec::new();
        for at in [At::Worker, At::Queue, At::Backlog] {
            let list = std::mem::replace(station.list(at), List::EMPTY);
            for index in list.all(&self.jobs) {
                lost.push(self.jobs.remove(index as usize).call);
            }
        }
        lost.retain(|call| *call != NONE);
        station.count_waiting(now);
        (station.process, station.has_answered) = (Process::Dead, false);
        station.rest.cached.clear();
        (station.rest.warmth, station.rest.ramp) = (1.0, None);
        lost
    }

    /// A stopped process continues: it takes the requests that have waited in the kernel. Those without room
    /// are in [`Self::dropped`] afterwards.
    pub(crate) fn resume(&mut self, server: u32, agenda: &mut Agenda, now: Nanos) {
        self.stations[server as usize].process = Process::Running;
        self.refresh(server, agenda, now);
        let backlog = std::mem::replace(&mut self.stations[server as usize].backlog, List::EMPTY);
        for index in backlog.all(&self.jobs) {
            if self.stations[server as usize].has_room() {
                self.admit(server, index, agenda, now);
            } else {
                let Job { call, .. } = self.jobs.remove(index as usize);
                self.dropped.extend((call != NONE).then_some(call));
            }
        }
        self.stations[server as usize].count_waiting(now);
    }
}

/// The time for some work at a speed; `None` if the server stands still.
fn time_of(work: Nanos, speed: f64) -> Option<Nanos> {
    if speed == 1.0 {
        return Some(work);
    }
    (speed > 0.0).then(|| libm::round(work as f64 / speed) as Nanos)
}
