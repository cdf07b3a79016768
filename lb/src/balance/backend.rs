//! One backend: where it is, how it is, and what it is doing.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::health::{Health, State};
use super::silence::{Estimate, Glance};
use crate::observe::BackendStats;

/// A backend's address, as in `http://localhost:3031`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

impl Address {
    /// What stands for it in `Host`, such as `localhost:3031`.
    pub fn authority(&self) -> String {
        let Self { host, port } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The socket address, when the host is an IP address and needs no look-up.
    pub fn literal(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(std::net::IpAddr::from_str(&self.host).ok()?, self.port))
    }
}

/// One of the servers requests are shared among.
#[derive(Debug)]
pub struct Backend {
    /// Its place in the list of backends, counted from 1, as people count.
    pub number: usize,
    /// Where it is.
    pub address: Address,
    /// What its host name stands for; empty until it was looked up, the last good answer ever after.
    pub resolved: ArcSwap<Vec<SocketAddr>>,
    /// What it did so far.
    pub stats: BackendStats,
    /// The source of truth for health. Written on a change or while failures are being counted, both rare;
    /// the request path reads the pool's alive list instead.
    health: RwLock<Health>,
    /// [`Health::answer_matters`] and [`Health::state`], copied here so that the request path can ask without
    /// taking the lock.
    answer_matters: AtomicBool,
    state: AtomicU8,
    traffic: Traffic,
}

/// What the silence rule needs to see, kept up to date by the request path with a few relaxed atomics.
/// Times are microseconds since `epoch`, plus one so that 0 can mean "never".
#[derive(Debug)]
struct Traffic {
    epoch: Instant,
    in_flight: AtomicU32,
    unanswered: AtomicU64,
    enough_since: AtomicU64,
    heard: AtomicU64,
    mean_us: AtomicU64,
    deviation_us: AtomicU64,
}

impl Backend {
    /// A backend nobody has heard of yet. `epoch` is the moment all of a pool's times count from.
    pub fn new(number: usize, address: Address, epoch: Instant) -> Self {
        let health = Health::new(epoch);
        Self {
            number,
            resolved: ArcSwap::from_pointee(address.literal().into_iter().collect()),
            address,
            stats: BackendStats::default(),
            answer_matters: AtomicBool::new(health.answer_matters()),
            state: AtomicU8::new(health.state() as u8),
            health: RwLock::new(health),
            traffic: Traffic {
                epoch,
                in_flight: AtomicU32::new(0),
                unanswered: AtomicU64::new(0),
                enough_since: AtomicU64::new(0),
                heard: AtomicU64::new(0),
                mean_us: AtomicU64::new(0),
                deviation_us: AtomicU64::new(0),
            },
        }
    }

    /// Reads the health. A lock poisoned by a panic elsewhere still holds the last consistent state.
    pub fn health(&self) -> RwLockReadGuard<'_, Health> {
        self.health.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the health, and afterwards refreshes the copies that are read without the lock.
    pub(super) fn with_health<T>(&self, change: impl FnOnce(&mut Health) -> T) -> T {
        let mut health: RwLockWriteGuard<'_, Health> =
            self.health.write().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut health);
        self.answer_matters.store(health.answer_matters(), Relaxed);
        self.state.store(health.state() as u8, Relaxed);
        result
    }

    /// Whether an answer would change the health; see [`Health::answer_matters`].
    pub fn answer_matters(&self) -> bool {
        self.answer_matters.load(Relaxed)
    }

    /// Whether it is in this state.
    pub fn is(&self, state: State) -> bool {
        self.state.load(Relaxed) == state as u8
    }

    /// Requests that were sent here and are not finished: the answer's last byte has not come yet.
    pub fn in_flight(&self) -> u32 {
        self.traffic.in_flight.load(Relaxed)
    }

    /// Whether one more byte from it would be news: requests wait for a first one, or it is suspected of silence.
    /// The parts of a long answer ask this before they look at the clock.
    pub fn is_listened_to(&self) -> bool {
        Unanswered::from(self.traffic.unanswered.load(Relaxed)).count != 0 || self.is(State::Suspect)
    }

    /// A byte came from the backend.
    pub fn heard(&self, now: Instant) {
        self.traffic.recount(Unanswered::answered);
        self.traffic.heard.store(self.traffic.stamp(now), Relaxed);
    }

    /// What waits from here on is counted anew, as after a byte: it is up again, and what it left unanswered
    /// before says nothing about it now.
    pub(super) fn begin_anew(&self) {
        self.traffic.recount(Unanswered::answered);
    }

    /// A response head came, `latency` after its request was sent. Two threads may lose one of two samples;
    /// an estimate can bear that.
    pub fn learn_latency(&self, latency: Duration) {
        let estimate = self.traffic.estimate().with(latency);
        self.traffic.mean_us.store(estimate.mean_us, Relaxed);
        self.traffic.deviation_us.store(estimate.deviation_us, Relaxed);
    }

    /// What the silence rule sees now.
    pub fn glance(&self) -> Glance {
        let since_epoch = |stamp: u64| stamp.checked_sub(1).map(Duration::from_micros);
        Glance {
            up: self.is(State::Up),
            // Acquired before the clock is read: with enough requests counted, the clock is theirs.
            unanswered: Unanswered::from(self.traffic.unanswered.load(Acquire)).count,
            enough_since: since_epoch(self.traffic.enough_since.load(Relaxed)),
            heard: since_epoch(self.traffic.heard.load(Relaxed)),
            usual: self.traffic.estimate().usual(),
        }
    }
}

impl Traffic {
    fn stamp(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch).as_micros();
        u64::try_from(since).map_or(u64::MAX, |us| us.saturating_add(1))
    }

    /// Changes the count of unanswered requests, unless `change` says that there is nothing to change.
    fn recount(&self, mut change: impl FnMut(Unanswered) -> Option<Unanswered>) {
        let changed = |word| change(Unanswered::from(word)).map(u64::from);
        let _ = self.unanswered.fetch_update(AcqRel, Relaxed, changed);
    }

    fn estimate(&self) -> Estimate {
        Estimate { mean_us: self.mean_us.load(Relaxed), deviation_us: self.deviation_us.load(Relaxed) }
    }
}

/// A request is in flight at a backend for as long as this lives: from the pick to the answer's last byte,
/// or to whatever ends it earlier.
#[derive(Debug)]
pub struct InFlight(Arc<Backend>);

impl InFlight {
    /// Counts one more request at `backend`.
    pub fn new(backend: Arc<Backend>) -> Self {
        backend.traffic.in_flight.fetch_add(1, Relaxed);
        Self(backend)
    }

    /// Where the request is.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.traffic.in_flight.fetch_sub(1, Relaxed);
    }
}

/// How many requests wait that were sent since the last byte. It is kept in one atomic word, with the number
/// of bytes heard that ended a count: so a request that ends unanswered knows whether it is still counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unanswered {
    round: u32,
    count: u32,
}

impl Unanswered {
    /// One more was sent.
    fn with_one(self) -> Self {
        Self { count: self.count + 1, ..self }
    }

    /// One that was counted in `round` waits no longer. It may have been written off by an answer since.
    fn without_one_of(self, round: u32) -> Option<Self> {
        (self.round == round && self.count > 0).then(|| Self { count: self.count - 1, ..self })
    }

    /// A byte came: the count begins anew, if there is one.
    fn answered(self) -> Option<Self> {
        (self.count > 0).then(|| Self { round: self.round.wrapping_add(1), count: 0 })
    }
}

impl From<u64> for Unanswered {
    fn from(word: u64) -> Self {
        Self { round: (word >> 32) as u32, count: word as u32 }
    }
}

impl From<Unanswered> for u64 {
    fn from(Unanswered { round, count }: Unanswered) -> Self {
        (Self::from(round) << 32) | Self::from(count)
    }
}

/// A request waits for its response head for as long as this lives.
#[derive(Debug)]
pub struct Waiting<'a> {
    backend: &'a Backend,
    round: u32,
}

impl<'a> Waiting<'a> {
    /// Counts one more request that waits, sent at `now`. The one that makes `enough` since the backend's
    /// last byte starts the clock of the silence rule.
    pub fn new(backend: &'a Backend, now: Instant, enough: u32) -> Self {
        let traffic = &backend.traffic;
        let mut round = 0;
        traffic.recount(|unanswered| {
            let one_more = unanswered.with_one();
            if one_more.count == enough {
                traffic.enough_since.store(traffic.stamp(now), Relaxed);
            }
            round = one_more.round;
            Some(one_more)
        });
        Self { backend, round }
    }
}

impl Drop for Waiting<'_> {
    /// However it ended, it does not wait any longer. Without this, the requests that a crash cut off would
    /// be held against the backend when it is back.
    fn drop(&mut self) {
        self.backend.traffic.recount(|now| now.without_one_of(self.round));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(epoch: Instant) -> Backend {
        Backend::new(1, Address { host: "127.0.0.1".into(), port: 3031 }, epoch)
    }

    #[test]
    fn the_silence_clock_starts_with_enough_requests_after_the_last_byte() {
        let epoch = Instant::now();
        let at = |ms| epoch + Duration::from_millis(ms);
        let backend = backend(epoch);
        let _one = Waiting::new(&backend, at(1), 3);
        let _two = Waiting::new(&backend, at(2), 3);
        assert_eq!(backend.glance().enough_since, None);
        backend.heard(at(3));
        let _three = Waiting::new(&backend, at(4), 3);
        let _four = Waiting::new(&backend, at(5), 3);
        assert_eq!(backend.glance().enough_since, None, "a byte starts the count anew");
        let _five = Waiting::new(&backend, at(6), 3);
        let glance = backend.glance();
        assert_eq!(glance.enough_since, Some(Duration::from_millis(6)));
        assert_eq!(glance.heard, Some(Duration::from_millis(3)));
        assert_eq!(glance.unanswered, 3, "only those that were sent since");
    }

    #[test]
    fn requests_that_ended_are_not_held_against_it() {
        let epoch = Instant::now();
        let at = |ms| epoch + Duration::from_millis(ms);
        let backend = backend(epoch);
        // Three wait when it crashes; it comes back, and three others are sent.
        let waiting = [1, 2, 3].map(|ms| Waiting::new(&backend, at(ms), 3));
        drop(waiting);
        assert_eq!(backend.glance().unanswered, 0);
        let _waiting = [5001, 5002, 5003].map(|ms| Waiting::new(&backend, at(ms), 3));
        let glance = backend.glance();
        assert_eq!((glance.unanswered, glance.enough_since), (3, Some(Duration::from_millis(5003))));
    }

    #[test]
    fn a_request_written_off_by_an_answer_is_not_taken_off_twice() {
        let epoch = Instant::now();
        let backend = backend(epoch);
        let early = Waiting::new(&backend, epoch, 3);
        backend.heard(epoch);
        let _late = Waiting::new(&backend, epoch, 3);
        drop(early);
        assert_eq!(backend.glance().unanswered, 1);
    }

    #[test]
    fn counts_go_back_whatever_ends_the_request() {
        let backend = Arc::new(backend(Instant::now()));
        let lease = InFlight::new(Arc::clone(&backend));
        assert_eq!(backend.in_flight(), 1);
        drop(lease);
        assert_eq!(backend.in_flight(), 0);
    }

    #[test]
    fn addresses_read_as_people_write_them() {
        let v6 = Address { host: "::1".into(), port: 80 };
        assert_eq!(v6.to_string(), "http://[::1]:80");
        assert!(v6.literal().is_some());
        assert_eq!(Address { host: "localhost".into(), port: 80 }.literal(), None);
    }
}
