//! The calls of a run, so that another policy meets the same ones: arrivals, sizes, keys and backends.

use std::sync::Arc;
use std::time::Duration;

use balance::policy::Kind;

use crate::arrivals::Arrivals;
use crate::client::{Clients, Keys};
use crate::clock::Nanos;
use crate::jobs::NONE;
use crate::report::Report;
use crate::service::Service;
use crate::settings::{Sim, Stop};

/// A call of a simulated run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recorded {
    pub(crate) number: u64,
    pub(crate) at: Nanos,
    pub(crate) takes: Nanos,
    pub(crate) path: Nanos,
    pub(crate) key: Option<u64>,
    pub(crate) server: u32,
}

/// A call of a run, simulated or live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedCall {
    /// When it arrived, since the start of the run.
    pub at: Duration,
    /// The work of its request: the measured time of service, without waits.
    pub takes: Duration,
    /// Its time on the way, beside waits and service: see [`Sim::path`].
    pub path: Duration,
    /// Its key, if it has one.
    pub key: Option<u64>,
    /// The backend that answered it, counted from 1.
    pub backend: Option<usize>,
}

/// The calls of a run, in the order in which they arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recording {
    calls: Vec<RecordedCall>,
}

impl Recording {
    /// A recording of these calls, in any order.
    pub fn new(mut calls: Vec<RecordedCall>) -> Self {
        calls.sort_by_key(|call| call.at);
        Self { calls }
    }

    /// The calls of a simulated run.
    pub(crate) fn of(mut recorded: Vec<Recorded>) -> Self {
        recorded.sort_unstable_by_key(|call| (call.at, call.number));
        let call = |call: Recorded| RecordedCall {
            at: Duration::from_nanos(call.at),
            takes: Duration::from_nanos(call.takes),
            path: Duration::from_nanos(call.path),
            key: call.key,
            backend: (call.server != NONE).then_some(call.server as usize + 1),
        };
        Self { calls: recorded.into_iter().map(call).collect() }
    }

    /// The calls, in the order in which they arrived.
    pub fn calls(&self) -> &[RecordedCall] {
        &self.calls
    }

    /// Runs these calls under another policy, with the servers, balancers, clients and faults of `sim`.
    pub fn replay(&self, sim: &Sim, policy: Kind) -> Report {
        let times: Arc<[_]> = self.calls.iter().map(|call| call.at).collect();
        let sizes: Arc<[_]> = self.calls.iter().map(|call| call.takes).collect();
        let paths: Arc<[_]> = self.calls.iter().map(|call| call.path).collect();
        let keys: Arc<[_]> = self.calls.iter().map(|call| call.key).collect();
        let clients = Clients { keys: Keys::Trace(keys), ..sim.clients.clone() };
        let sim = sim.clone().arrivals(Arrivals::Trace(times)).service(Service::Trace(sizes));
        let sim = sim.path(Service::Trace(paths)).clients(clients);
        sim.policy(policy).run(Stop::Requests(self.calls.len() as u64))
    }
}

/// A run that can be repeated under another policy.
#[derive(Debug, Clone)]
pub struct Trace {
    pub(crate) sim: Sim,
    pub(crate) recording: Recording,
}

impl Trace {
    /// The calls of the run.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The same arrivals, sizes and faults under another policy.
    pub fn replay(&self, policy: Kind) -> Report {
        self.recording.replay(&self.sim, policy)
    }
}
