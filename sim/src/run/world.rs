//! Everything that changes during a run.

use std::collections::VecDeque;

use balance::budget::Budget;
use balance::{InFlight, Peer, Waiting};
use slab::Slab;

use crate::balancer::Balancer;
use crate::clock::Nanos;
use crate::draws::Draws;
use crate::events::EventQueue;
use crate::faults::{Step, steps};
use crate::picks::Picks;
use crate::recording::Recorded;
use crate::report::{Counts, End};
use crate::settings::Sim;
use crate::station::Servers;

use super::flow::Flow;

/// A call of a client, with the request that a balancer makes of it.
pub(super) struct Call<'a> {
    pub(super) number: u64,
    pub(super) arrived: Nanos,
    /// When the present try went to its server.
    pub(super) sent: Nanos,
    /// The work of the request.
    pub(super) size: Nanos,
    /// Its time on the way, after the service.
    pub(super) path: Nanos,
    /// Its key, if anything uses keys.
    pub(super) key: Option<u64>,
    /// The running number of the event at which its answer comes back, and the status of the answer.
    pub(super) back: u32,
    pub(super) status: u16,
    pub(super) lease: Option<InFlight<Peer>>,
    pub(super) waiting: Option<Waiting<'a>>,
    pub(super) job: u32,
    /// The running number of the event at which the client gives up.
    pub(super) patience: u32,
    /// The running number of the event that ends the present pause or wait.
    pub(super) limit: u32,
    /// The client in a closed loop.
    pub(super) client: u32,
    /// How often the client has sent the call.
    pub(super) sends: u32,
    /// How often a balancer has sent it to a server.
    pub(super) tries: u32,
    pub(super) balancer: u32,
    /// The server of the last try.
    pub(super) server: u32,
    /// When the client gives up.
    pub(super) deadline: Nanos,
    pub(super) has_place: bool,
    pub(super) in_line: bool,
    /// Whether the call counts, because the warm-up was over when it arrived.
    pub(super) counts: bool,
    pub(super) retry_state: Option<Box<RetryState>>,
}

/// What a client wants with a new call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    /// The number of the call, which names its draws.
    pub(super) number: u64,
    pub(super) client: u32,
    pub(super) size: Nanos,
    pub(super) path: Nanos,
    pub(super) key: Option<u64>,
}

/// What a call remembers when a try has failed.
#[derive(Default)]
pub(super) struct RetryState {
    pub(super) tried: Vec<usize>,
    pub(super) retries: u32,
    pub(super) may_have_run: bool,
    /// When the request leaves a backend that was silent at the start.
    pub(super) grace: Option<Nanos>,
}

/// The places of one backend at one balancer.
#[derive(Default)]
pub(super) struct PlaceQueue {
    pub(super) taken: u32,
    pub(super) waiting: u32,
    /// Calls in their order, each with the running number of its time limit.
    pub(super) calls: VecDeque<(u32, u32)>,
}

/// Everything that changes during a run.
pub(super) struct World<'a> {
    pub(super) sim: &'a Sim,
    pub(super) balancers: &'a [Balancer],
    pub(super) draws: Draws,
    pub(super) event_queue: EventQueue,
    pub(super) now: Nanos,
    pub(super) servers: Servers,
    pub(super) calls: Slab<Call<'a>>,
    /// Calls that a balancer has to advance at this moment.
    pub(super) ready: VecDeque<u32>,
    /// By balancer and backend; empty without limits.
    pub(super) places: Vec<PlaceQueue>,
    /// By balancer and backend, a ping and a question each.
    pub(super) probes: Vec<Probe>,
    pub(super) script: Vec<Step>,
    /// Whether the policy, a cache or the record needs the keys of the calls.
    pub(super) needs_keys: bool,
    pub(super) budget: Budget,
    /// The next turn of each client in a closed loop.
    pub(super) turns: Vec<u64>,
    /// Calls that have arrived.
    pub(super) started: u64,
    pub(super) ended: u64,
    pub(super) counts: Counts,
    pub(super) recorded: Option<Vec<Recorded>>,
    /// When the warm-up ended.
    pub(super) measured_from: Nanos,
    pub(super) events: u64,
    /// Whether the run has ended because of its bounds.
    pub(super) is_cut: bool,
    pub(super) last_tick: Seen,
    /// What a live run counts beside the report.
    pub(super) flow: Flow,
}

/// A ping or a question of one balancer to one backend.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Probe {
    /// The running number of the event at which it has taken too long; `None` if it is not open.
    pub(super) open: Option<u32>,
    /// How many there were.
    pub(super) turn: u32,
}

/// The counts at the last tick, and the ends of calls since then.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) started: u64,
    pub(super) tries: u64,
    pub(super) good: u64,
    pub(super) errors: u64,
    /// The sum of the latencies.
    latency: u128,
}

impl Seen {
    pub(super) fn ends(&mut self, end: End, latency: Nanos) {
        self.latency += u128::from(latency);
        match end.is_good() {
            true => self.good += 1,
            false => self.errors += 1,
        }
    }

    /// The mean latency in milliseconds; 0 without any call.
    pub(super) fn mean_ms(&self) -> f64 {
        self.latency as f64 / 1e6 / (self.good + self.errors).max(1) as f64
    }
}

impl<'a> World<'a> {
    pub(super) fn new(sim: &'a Sim, balancers: &'a [Balancer]) -> Self {
        let pairs = balancers.len() * sim.servers.len();
        let weights = || sim.servers.iter().map(|server| server.weight);
        let picks = sim.explains.then(|| Picks::new(weights()));
        let places = if sim.balancing.places.is_some() { pairs } else { 0 };
        Self {
            sim,
            balancers,
            draws: Draws::new(sim.seed),
            event_queue: EventQueue::default(),
            now: 0,
            servers: Servers::new(&sim.servers),
            calls: Slab::new(),
            ready: VecDeque::new(),
            places: (0..places).map(|_| PlaceQueue::default()).collect(),
            probes: vec![Probe::default(); 2 * pairs],
            script: steps(&sim.script),
            needs_keys: sim.records
                || sim.explains
                || sim.balancing.rules.uses_key()
                || sim.servers.iter().any(|server| server.cache.is_some()),
            budget: Budget::default(),
            turns: vec![0; sim.arrivals.clients().unwrap_or(1) as usize],
            started: 0,
            ended: 0,
            counts: Counts { picks, ..Counts::new(sim.servers.len(), sim.keeps) },
            recorded: sim.records.then(Vec::new),
            measured_from: 0,
            events: 0,
            is_cut: false,
            last_tick: Seen::default(),
            flow: Flow::default(),
        }
    }

    /// The index of a backend of a balancer.
    pub(super) fn pair(&self, balancer: u32, server: u32) -> usize {
        balancer as usize * self.sim.servers.len() + server as usize
    }
}
