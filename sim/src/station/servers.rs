//! All servers, and the requests in them.

use slab::Slab;

use crate::clock::Nanos;
use crate::draws::Draws;
use crate::events::{EventKind, EventQueue};
use crate::jobs::{At, IncomingRequest, Job, List, NONE, Reception};
use crate::server::{Discipline, OnDisconnect, Server};

use super::{Process, Station};

/// All servers and the requests in them.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) stations: Vec<Station>,
    jobs: Slab<Job>,
    /// The calls whose requests a server has dropped: it answers 503.
    pub(crate) dropped: Vec<u32>,
}

impl Servers {
    /// Servers that have just started.
    pub(crate) fn new(servers: &[Server]) -> Self {
        Self { stations: servers.iter().map(Station::new).collect(), jobs: Slab::new(), dropped: Vec::new() }
    }

    /// A request comes to a server.
    pub(crate) fn receive(
        &mut self,
        server: u32,
        incoming: &IncomingRequest,
        draws: &Draws,
        event_queue: &mut EventQueue,
        now: Nanos,
    ) -> Reception {
        let station = &mut self.stations[server as usize];
        let (work, status) = station.task(incoming, draws);
        let mut job = Job::new(incoming.call, server, work, status);
        (job.deadline, job.key, job.delay) =
            (incoming.deadline, incoming.key, station.delay(incoming, draws));
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
                self.admit(server, index, event_queue, now);
                Reception::Accepted(index)
            }
            Process::Running => Reception::Full,
        }
    }

    /// A running server takes a request that has room.
    fn admit(&mut self, server: u32, index: u32, event_queue: &mut EventQueue, now: Nanos) {
        let station = &mut self.stations[server as usize];
        // A process that stands still may have a free worker and a queue.
        if station.serving.len() < station.workers && station.queue.len() == 0 {
            self.start(server, index, event_queue, now);
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
            job.event = event_queue.enter(now, EventKind::Done, oldest);
        }
    }

    /// A worker begins with a request.
    fn start(&mut self, server: u32, index: u32, event_queue: &mut EventQueue, now: Nanos) {
        let station = &mut self.stations[server as usize];
        station.pass(now);
        station.serving.push(&mut self.jobs, index);
        let job = &mut self.jobs[index as usize];
        job.work = station.look_up(job).saturating_add(job.delay);
        (job.at, job.since) = (At::Worker, now);
        job.event = match time_of(job.work, station.speed) {
            Some(time) => event_queue.enter(now.saturating_add(time), EventKind::Done, index),
            None => 0,
        };
    }

    /// Free workers take requests of the queue, after a change of their number.
    pub(crate) fn fill(&mut self, server: u32, event_queue: &mut EventQueue, now: Nanos) {
        loop {
            let station = &self.stations[server as usize];
            let is_free = !station.stands_still() && station.serving.len() < station.workers;
            if !is_free || station.queue.len() == 0 {
                return;
            }
            self.next(server, event_queue, now);
        }
    }

    /// A process may go on: it drops what has expired, and its free workers take requests of the queue.
    pub(crate) fn wake(&mut self, server: u32, event_queue: &mut EventQueue, now: Nanos) {
        self.refresh(server, event_queue, now);
        let station = &mut self.stations[server as usize];
        if station.stands_still() {
            return;
        }
        if station.discipline == Discipline::DropExpired {
            let mut queue = station.queue.all(&self.jobs);
            queue.retain(|index| now >= self.jobs[*index as usize].deadline);
            for index in queue {
                self.drop_waiting(server, index, now);
            }
        }
        self.fill(server, event_queue, now);
    }

    /// The server drops a request of its queue.
    fn drop_waiting(&mut self, server: u32, index: u32, now: Nanos) {
        let station = &mut self.stations[server as usize];
        station.queue.remove(&mut self.jobs, index);
        station.count_waiting(now);
        let Job { call, .. } = self.jobs.remove(index as usize);
        self.dropped.extend((call != NONE).then_some(call));
    }

    /// A worker takes the next request of the queue, if it is free and the process does not stand still.
    /// Requests that the server drops are in [`Self::dropped`] afterwards.
    fn next(&mut self, server: u32, event_queue: &mut EventQueue, now: Nanos) {
        loop {
            let station = &mut self.stations[server as usize];
            if station.stands_still() || station.serving.len() >= station.workers {
                return;
            }
            let next = match station.discipline {
                Discipline::Lifo => station.queue.last(),
                _ => station.queue.first(),
            };
            let Some(index) = next else { return };
            let job = &self.jobs[index as usize];
            let drops = match station.discipline {
                Discipline::DropExpired => now >= job.deadline,
                Discipline::DropHopeless => time_of(job.work, station.speed)
                    .is_none_or(|time| now.saturating_add(time) > job.deadline),
                _ => false,
            };
            if drops {
                self.drop_waiting(server, index, now);
                continue;
            }
            station.queue.remove(&mut self.jobs, index);
            station.count_waiting(now);
            self.start(server, index, event_queue, now);
            return;
        }
    }

    /// A job is done, if this is its event. Returns its server, its call and its status.
    #[inline]
    pub(crate) fn done(
        &mut self,
        index: u32,
        event: u32,
        event_queue: &mut EventQueue,
        now: Nanos,
    ) -> Option<(u32, u32, u16)> {
        let job = *self.jobs.get(index as usize).filter(|job| job.event == event && job.at == At::Worker)?;
        let station = &mut self.stations[job.server as usize];
        station.ends(now);
        station.serving.remove(&mut self.jobs, index);
        station.has_answered = true;
        self.jobs.remove(index as usize);
        self.next(job.server, event_queue, now);
        Some((job.server, job.call, job.status))
    }

    /// The client of a job, or the balancer, has closed the connection.
    pub(crate) fn leave(&mut self, index: u32, event_queue: &mut EventQueue, now: Nanos) {
        let Job { server, at, deadline, .. } = self.jobs[index as usize];
        let station = &mut self.stations[server as usize];
        let expires = station.discipline == Discipline::DropExpired
            && at == At::Queue
            && now >= deadline
            && !station.stands_still();
        if station.on_disconnect == OnDisconnect::Continue && !expires {
            self.jobs[index as usize].call = NONE;
            return;
        }
        station.pass(now);
        station.list(at).remove(&mut self.jobs, index);
        station.count_waiting(now);
        self.jobs.remove(index as usize);
        if at == At::Worker {
            self.next(server, event_queue, now);
        }
    }

    /// The speed of a server may have changed.
    pub(crate) fn refresh(&mut self, server: u32, event_queue: &mut EventQueue, now: Nanos) {
        let station = &mut self.stations[server as usize];
        let speed = station.present_speed();
        let before = std::mem::replace(&mut station.speed, speed);
        for index in station.serving.all(&self.jobs) {
            let job = &mut self.jobs[index as usize];
            let done = libm::round((now - job.since) as f64 * before) as Nanos;
            (job.work, job.since) = (job.work.saturating_sub(done), now);
            job.event = match time_of(job.work, station.speed) {
                Some(time) => event_queue.enter(now.saturating_add(time), EventKind::Done, index),
                None => 0,
            };
        }
    }

    /// The process ends. Returns the calls that it had.
    pub(crate) fn kill(&mut self, server: u32, now: Nanos) -> Vec<u32> {
        let station = &mut self.stations[server as usize];
        station.pass(now);
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
    pub(crate) fn resume(&mut self, server: u32, event_queue: &mut EventQueue, now: Nanos) {
        self.stations[server as usize].process = Process::Running;
        self.wake(server, event_queue, now);
        let backlog = std::mem::replace(&mut self.stations[server as usize].backlog, List::EMPTY);
        for index in backlog.all(&self.jobs) {
            if self.stations[server as usize].has_room() {
                self.admit(server, index, event_queue, now);
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
