//! A run whose calls and faults are given while it runs.
//!
//! A [`Stage`] has what a run needs, and a [`Live`] run borrows it.

use std::time::Duration;

use api::{BackendTick, LoadTick, ServerTick, Tick};
use balance::change::{Change, Update};
use balance::policy::Kind;
use balance::{Peer, Rules};

use crate::balancer::Balancer;
use crate::clock::{NEVER, moment, nanos};
use crate::events::EventKind;
use crate::faults::{Fault, Step};
use crate::recording::RecordedCall;
use crate::report::End;
use crate::settings::Sim;
use crate::station::{Process, Station};

use super::flow::{BackendFlow, Flow};
use super::world::{Demand, World};

/// The servers and the balancer of a live run.
#[derive(Debug)]
pub(crate) struct Stage {
    sim: Sim,
    balancers: Vec<Balancer>,
}

impl Stage {
    /// The servers and the first balancer of a simulation. Its arrivals, sizes, keys and ticks are not used.
    pub(crate) fn new(sim: Sim) -> Self {
        let balancers = vec![Balancer::new(&sim.balancing, &sim.servers)];
        Self { sim, balancers }
    }

    /// A run that begins now.
    pub(crate) fn live(&self) -> Live<'_> {
        let mut world = World::new(&self.sim, &self.balancers);
        world.flow = Flow::new(self.sim.servers.len());
        for index in 0..world.script.len() {
            world.event_queue.enter(world.script[index].at, EventKind::Script, index as u32);
        }
        world.open_checks();
        world.open_servers();
        Live { world, calls: 0 }
    }
}

/// The largest number of calls that are in flight in a live run. It bounds the memory of a run whose servers
/// cannot serve what arrives.
const MOST_IN_FLIGHT: usize = 50_000;

/// A run whose calls and faults are given while it runs.
pub(crate) struct Live<'a> {
    world: World<'a>,
    /// The calls so far.
    calls: u64,
}

impl Live<'_> {
    /// Takes everything that happens up to this time since the beginning of the run.
    pub(crate) fn advance(&mut self, to: Duration) {
        let to = nanos(to);
        while let Some(event) = self.world.event_queue.next_until(to) {
            self.world.now = event.at;
            self.world.events += 1;
            self.world.take(event, NEVER);
            self.world.settle();
        }
        self.world.now = self.world.now.max(to);
    }

    /// A call arrives at its time, or now if its time is over. The run advances to that time. Returns false,
    /// and leaves the call out, if too many calls are in flight.
    pub(crate) fn arrive(&mut self, call: &RecordedCall) -> bool {
        self.advance(call.at);
        if self.world.calls.len() >= MOST_IN_FLIGHT {
            return false;
        }
        let (size, path) = (nanos(call.takes), nanos(call.path));
        let demand = Demand { number: self.calls, client: 0, size, path, key: call.key };
        self.calls += 1;
        self.world.begin_call(demand);
        self.world.settle();
        true
    }

    /// From now on, the balancer has this policy. The counts and the calls in flight stay.
    pub(crate) fn set_policy(&mut self, policy: Kind) {
        let pool = &self.world.balancers[0].pool;
        pool.set_rules(Rules { policy, ..pool.rules() });
    }

    /// From now on, a backend has this weight. A backend with the weight 0 finishes what it has.
    pub(crate) fn set_weight(&mut self, number: usize, weight: u32) {
        let balancer = &self.world.balancers[0];
        let pool = &balancer.pool;
        let index = balancer.peers.iter().position(|peer| peer.number == number);
        if let Some(member) = index.and_then(|index| pool.specs().into_iter().nth(index)) {
            let update = Update { weight: Some(weight), ..Update::of(member.address) };
            pool.change(vec![Change::Update(update)], moment(self.world.now));
        }
    }

    /// A fault begins, or ends, at a time that is not over, or now. The end has the name of the beginning.
    pub(crate) fn step(&mut self, at: Duration, fault: Fault, ends: bool, name: u32) {
        let at = nanos(at).max(self.world.now);
        let index = self.world.script.len() as u32;
        self.world.script.push(Step { at, fault, ends, name });
        self.world.event_queue.enter(at, EventKind::Script, index);
    }

    /// The figures of now. Its time is that since the beginning of the run, in microseconds.
    pub(crate) fn tick(&mut self) -> Tick {
        let world = &mut self.world;
        // A live run has no report, and may last for weeks.
        world.counts.changes.clear();
        let now = moment(world.now);
        let (mut errors, mut left) = (0, 0);
        for (end, count) in &world.counts.bad {
            match end {
                End::Answered(status) => errors += if *status >= 500 { *count } else { 0 },
                End::TimedOut => left += count,
            }
        }
        let counts = &world.counts;
        let load = LoadTick {
            offered: world.started,
            sent: world.started,
            done: world.ended,
            good: counts.good,
            errors: counts.ends - counts.good,
            retries: counts.resends,
            waiting: world.started - world.ended,
            latency: world.flow.take_latencies(),
            ..LoadTick::default()
        };
        let slow_start = world.sim.balancing.rules.slow_start;
        let sides =
            world.balancers[0].peers.iter().zip(&world.servers.stations).zip(&mut world.flow.backends);
        let backends = sides.map(|((peer, station), flow)| BackendTick {
            answers: counts.backends[peer.number - 1].answers,
            errors: counts.backends[peer.number - 1].errors,
            waiting: world.places.get(peer.number - 1).map_or(0, |line| line.waiting),
            warm: peer.is_warming().then(|| peer.warmth(now, slow_start)).filter(|warm| *warm < 1.0),
            peak_us: peer.peak_latency(now) as u64,
            ..side(peer, station, flow)
        });
        Tick {
            t: now.as_micros(),
            requests: world.started,
            ended: world.ended,
            good: counts.good,
            errors,
            left,
            in_flight: world.calls.len() as u64,
            backends: backends.collect(),
            load: Some(load),
            ..Tick::default()
        }
    }
}

/// What the balancer and the server count at one backend.
fn side(peer: &Peer, station: &Station, flow: &mut BackendFlow) -> BackendTick {
    let ([busy, queued], [workers, queue]) = (station.occupancy(), station.capacity());
    let process = match station.process {
        Process::Running => "running",
        Process::Stopped => "stopped",
        Process::Dead => "dead",
    };
    let server = ServerTick { process: process.into(), busy, workers, queued, queue, faults: Vec::new() };
    BackendTick {
        backend: peer.number,
        picks: flow.picks,
        failures: flow.failures,
        retries: flow.retries,
        in_flight: peer.in_flight(),
        weight: peer.weight(),
        latency: flow.take_latencies(),
        server: Some(server),
        ..BackendTick::default()
    }
}
