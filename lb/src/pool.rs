//! The pool of `balance`, with the clock of the machine. It publishes changes in the statistics, in the log
//! and in the stream of events.
//!
//! Changes of state are rare. Each is made and published under one lock, so that all readers see the changes
//! in the same order.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use api::{Probe, Progress, StateChange};
use balance::change::Change;
use balance::health::{Evidence, Health};
use balance::member::Member;
use balance::state::{State, Thresholds};
use balance::verdict::{Failure, Limits, Verdict};
use balance::{Moment, Reply, Rules, ServerPool, Transition};

use crate::clock::{self, instant};
use crate::observe::{BackendStats, Observer};
use crate::resolved::Resolved;

/// The data that the balancer keeps for each backend.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The addresses of its host name.
    pub resolved: Resolved,
    /// Its statistics.
    pub stats: BackendStats,
}

impl Endpoint {
    /// The data of a backend without any evidence.
    pub(crate) fn new(member: &Member, now: Moment) -> Self {
        let stats = BackendStats::new(State::Up.name(), instant(now));
        Self { resolved: Resolved::new(member.address.literal()), stats }
    }
}

/// A backend of the balancer.
pub(crate) type Backend = balance::Peer<Endpoint>;

/// One view of the balancer's pool.
pub(crate) type Fleet = balance::Fleet<Endpoint>;

/// A request is in flight at a backend while this value lives.
pub(crate) type InFlight = balance::InFlight<Backend>;

/// The backend with this number and address, without any evidence.
#[cfg(test)]
pub(crate) fn backend(number: usize, host: &str, port: u16) -> Backend {
    let member = Member::new(balance::Address { host: host.into(), port });
    let now = clock::now();
    let own = Endpoint::new(&member, now);
    Backend::new(number, member, own, now)
}

/// How far a backend is on its way to another state, as the admin port shows it.
pub(crate) fn progress(health: &Health, thresholds: Thresholds) -> Option<Progress> {
    health.progress(thresholds).map(|progress| Progress {
        towards: progress.towards.name().into(),
        count: progress.count,
        of: progress.of,
    })
}

/// The backends behind one address, and the observer of their changes.
#[derive(Debug)]
pub(crate) struct Pool {
    pool: ServerPool<Endpoint>,
    observer: Arc<Observer>,
    /// Held from before a change is made until it is published.
    publishing: Mutex<()>,
}

impl Deref for Pool {
    type Target = ServerPool<Endpoint>;

    fn deref(&self) -> &ServerPool<Endpoint> {
        &self.pool
    }
}

impl Pool {
    /// A pool of backends, which all count as up until there is evidence.
    pub(crate) fn new(members: Vec<Member>, rules: Rules, observer: Arc<Observer>, now: Moment) -> Self {
        let pool = ServerPool::new(members, rules, Endpoint::new, now);
        Self { pool, observer, publishing: Mutex::default() }
    }

    /// Makes a change that may change the state of a backend, and publishes it.
    fn publish<T: IntoIterator<Item = Transition>>(&self, change: impl FnOnce(&ServerPool<Endpoint>) -> T) {
        let _in_order = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        for Transition { backend: number, from, to, cause } in change(&self.pool) {
            if let Some(backend) = self.pool.fleet().backend(number) {
                backend.own.stats.state_changed(to.name(), Instant::now());
            }
            let (t, from, to) = (clock::now().as_micros(), from.name().into(), to.name().into());
            let change = StateChange { t, backend: number, from, to, cause, progress: None };
            self.observer.state_changed(t, change);
        }
    }

    /// See [`ServerPool::pinged`].
    pub(crate) fn pinged(&self, backend: &Backend, evidence: Evidence, now: Moment) {
        self.publish(|pool| pool.pinged(backend, evidence, now));
    }

    /// Tells the readers of events, if there are any, that a probe of the backend ended, and how far the
    /// backend is on its way to another state.
    pub(crate) fn publish_probe(
        &self,
        backend: &Backend,
        ok: bool,
        what: String,
        began: Moment,
        now: Moment,
    ) {
        if !self.observer.stream.is_active() {
            return;
        }
        let progress = progress(&backend.health(), self.pool.rules().thresholds);
        let (backend, took_us) = (backend.number, now.micros_since(began));
        let what = what.into();
        let t = now.as_micros();
        self.observer.probed(t, Probe { t, backend, ok, what, took_us, progress });
    }

    /// See [`ServerPool::learn`].
    pub(crate) fn learn(&self, backend: &Backend, evidence: Evidence, now: Moment) {
        self.publish(|pool| pool.learn(backend, evidence, now));
    }

    /// A byte of an answer arrived from the backend.
    pub(crate) fn on_byte(&self, backend: &Backend, now: Moment) {
        if let Some(evidence) = backend.on_byte(now) {
            self.learn(backend, evidence, now);
        }
    }

    /// The backend has given a complete answer. The clock is read only if that changes anything.
    pub(crate) fn answered(&self, backend: &Backend, now: impl FnOnce() -> Moment) {
        if let Some(evidence) = backend.answered() {
            self.learn(backend, evidence, now());
        }
    }

    /// The backend has given an answer, which may be an error; the backend is ejected if it is now an
    /// outlier.
    pub(crate) fn count_result(&self, backend: &Backend, is_error: bool, now: Moment) {
        if let Some(why) = self.pool.count_result(backend, is_error) {
            self.publish(|pool| pool.eject(backend, why, now));
        }
    }

    /// A try at the backend failed during its answer, and the client is not to blame.
    pub(crate) fn broke_off(&self, backend: &Backend, now: Moment) {
        if let Some(why) = self.pool.count_failure(backend, now) {
            self.publish(|pool| pool.eject(backend, why, now));
        }
        self.pool.ask_soon(backend);
    }

    /// See [`ServerPool::apply_verdict`].
    pub(crate) fn apply_verdict(
        &self,
        failure: Failure,
        verdict: Verdict,
        backend: &Backend,
        limits: Limits,
        now: Moment,
    ) {
        self.publish(|pool| pool.apply_verdict(failure, verdict, backend, limits, now));
    }

    /// A question to a backend has ended. Returns whether to ask again.
    pub(crate) fn asked(&self, backend: &Backend, reply: Reply, now: Moment) -> bool {
        let mut again = false;
        self.publish(|pool| {
            let asked = pool.asked(backend, reply, now);
            again = asked.again;
            asked.transition
        });
        again
    }

    /// See [`ServerPool::judge_silence`].
    pub(crate) fn judge_silence(&self, now: Moment) {
        self.publish(|pool| pool.judge_silence(now));
    }

    /// See [`ServerPool::pass_time`].
    pub(crate) fn pass_time(&self, now: Moment) {
        self.publish(|pool| pool.pass_time(now));
    }

    /// See [`ServerPool::change`].
    pub(crate) fn change(&self, changes: Vec<Change>, now: Moment) {
        self.publish(|pool| pool.change(changes, now));
    }
}
