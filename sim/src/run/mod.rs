//! A run: one loop that takes the event that is due first.
//!
//! - `world.rs`: everything that changes.
//! - `calls.rs`: the clients. Calls arrive, wait, give up, come again, and end.
//! - `tries.rs`: the balancers. A call gets a backend, a place and a server, and a failed try gets a verdict.
//! - `checks.rs`: what the balancers find out themselves, by pings, questions and looks at the traffic.
//! - `script.rs`: what breaks, and the ticks.
//! - `live.rs`: a run whose calls and faults are given while it runs, with the counts in `flow.rs`.
//!
//! The decisions are those of the crate `balance`. This module calls them in the order in which the program
//! `lb` calls them.

mod calls;
mod checks;
mod flow;
mod live;
mod script;
mod tries;
mod world;

use crate::balancer::Balancer;
use crate::clock::{NEVER, Nanos, nanos};
use crate::events::{Event, EventKind};
use crate::jobs::NONE;
use crate::recording::Recorded;
use crate::report::Report;
use crate::settings::{Sim, Stop};

pub(crate) use live::{Live, Stage};
use world::World;

/// A run that counts calls ends when no event has advanced a call for 60 s.
const STANDSTILL: Nanos = 60_000_000_000;

/// The longest run that has an end: ten years.
const LONGEST: Nanos = 10 * 365 * 24 * 3600 * 1_000_000_000;

/// Runs a simulation. Returns its figures and, if it is recorded, its calls.
pub(crate) fn run(sim: &Sim, stop: Stop) -> (Report, Option<Vec<Recorded>>) {
    let balancers: Vec<_> =
        (0..sim.balancing.balancers.max(1)).map(|_| Balancer::new(&sim.balancing, &sim.servers)).collect();
    let mut world = World::new(sim, &balancers);
    world.open(stop);
    world.until(stop);
    world.close()
}

impl World<'_> {
    /// Enters the first events.
    fn open(&mut self, stop: Stop) {
        // A step of the script comes before everything else of its time.
        for index in 0..self.script.len() {
            self.event_queue.enter(self.script[index].at, EventKind::Script, index as u32);
        }
        if stop != Stop::Requests(0) {
            for client in 0..self.turns.len() as u32 {
                self.next_arrival(client, self.now);
            }
        }
        self.open_checks();
        self.open_servers();
        if self.sim.ticks {
            self.event_queue.enter(nanos(script::TICK), EventKind::Tick, 0);
        }
    }

    /// Takes events until the run is over.
    fn until(&mut self, stop: Stop) {
        let (calls, time) = match stop {
            Stop::Requests(calls) => (calls, NEVER),
            Stop::Time(time) => (u64::MAX, nanos(time)),
        };
        let mut last_move = 0;
        while self.ended < calls {
            let Some(event) = self.event_queue.next_until(time) else {
                if !self.event_queue.is_empty() {
                    self.now = time;
                }
                return;
            };
            if self.events >= self.sim.most_events || event.at > LONGEST {
                self.is_cut = true;
                return;
            }
            self.now = event.at;
            self.events += 1;
            if event.what.moves_calls() {
                last_move = event.at;
            } else if time == NEVER && !self.event_queue.has_moves() && event.at - last_move > STANDSTILL {
                return;
            }
            self.take(event, calls);
            self.settle();
        }
    }

    /// Advances the calls that are ready.
    fn settle(&mut self) {
        while let Some(call) = self.ready.pop_front() {
            self.advance(call);
        }
    }

    fn take(&mut self, event: Event, calls: u64) {
        let Event { what, about, number, .. } = event;
        match what {
            EventKind::Arrival if self.started < calls => self.arrive(about),
            EventKind::Arrival => {}
            EventKind::Done => {
                let done = self.servers.done(about, number, &mut self.event_queue, self.now);
                if let Some((server, call, status)) = done {
                    self.done(server, call, status);
                }
            }
            EventKind::Patience => self.patience_ends(about, number),
            EventKind::Again => self.begin_try(about),
            EventKind::Pause => {
                if self.calls.get(about as usize).is_some_and(|call| call.limit == number) {
                    self.ready.push_back(about);
                }
            }
            EventKind::Limit => self.limit_ends(about, number),
            EventKind::Back => self.comes_back(about, number),
            EventKind::Ping => self.ping(about),
            EventKind::ProbeEnd => self.probe_ends(about, number),
            EventKind::Look => self.look(about),
            EventKind::Tick => self.tick(),
            EventKind::Script => self.step(about),
            EventKind::Warm => self.warm(about),
            EventKind::Collect => self.collect(about),
        }
    }

    /// A worker has finished a job.
    #[inline]
    fn done(&mut self, server: u32, call: u32, status: u16) {
        self.answered_by(server, status);
        if call != NONE {
            self.come_back(call, status);
        }
        self.answer_dropped();
    }

    /// Answers the calls that a server has dropped.
    fn answer_dropped(&mut self) {
        while let Some(call) = self.servers.dropped.pop() {
            self.come_back(call, 503);
        }
    }

    fn close(mut self) -> (Report, Option<Vec<Recorded>>) {
        for (index, station) in self.servers.stations.iter().enumerate() {
            self.counts.backends[index].waited = station.waited;
            let gauges = [&station.in_flight, &station.waiting];
            self.counts.gauges(index, gauges, self.measured_from, self.now);
        }
        let report = Report {
            policy: self.sim.balancing.rules.policy.name(),
            seed: self.sim.seed,
            counts: self.counts,
            from: self.measured_from,
            to: self.now,
            unfinished: self.started - self.ended,
            events: self.events,
            is_cut: self.is_cut,
        };
        (report, self.recorded)
    }
}
