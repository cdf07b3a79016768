//! One backend: its address, its settings and its health. Its load is in [`super::load`] and its traffic in
//! [`super::traffic`].

use crate::Moment;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use xxhash_rust::xxh3::xxh3_64;

use super::address::Address;
use super::health::{Evidence, Health};
use super::latency::remaining;
use super::load::{Load, LoadWatch};
use super::member::Member;
use super::reports::{LoadReport, Reports};
use super::silence::TrafficSnapshot;
use super::state::State;
use super::traffic::Traffic;

/// One of the servers that share the requests.
#[derive(Debug)]
pub struct Backend {
    /// The number of the backend in logs and events. Backends are counted from 1, in the order in which the
    /// pool first saw them. An address that comes back gets the number that it had, if that number is
    /// free.
    pub number: usize,
    /// A hash of the address: the same on every machine and in every run.
    pub id: u64,
    /// The address of the backend.
    pub address: Address,
    /// The latest settings of the backend.
    spec: ArcSwap<Member>,
    /// The backend was removed from the pool, and finishes the requests that it has.
    leaving: AtomicBool,
    /// The source of truth for health. It is written on a change or while failures are counted, which are
    /// both rare. The request path reads the pool's list of available backends instead.
    health: RwLock<Health>,
    /// Copies of [`Health::answer_matters`], [`Health::state`], [`Health::is_silent`] and
    /// [`Health::answers_questions`], so that they can be read without the lock.
    answer_matters: AtomicBool,
    state: AtomicU8,
    silent: AtomicBool,
    answers_questions: AtomicBool,
    pub(super) load: Load,
    pub(super) traffic: Traffic,
    pub(super) reports: Reports,
}

impl Backend {
    /// A backend without any evidence yet.
    pub fn new(number: usize, member: Member, now: Moment) -> Self {
        let health = Health::new(now);
        let address = member.address.clone();
        Self {
            number,
            id: xxh3_64(address.authority().as_bytes()),
            load: Load::new(&member),
            leaving: AtomicBool::new(false),
            spec: ArcSwap::from_pointee(member),
            address,
            answer_matters: AtomicBool::new(health.answer_matters()),
            state: AtomicU8::new(health.state() as u8),
            silent: AtomicBool::new(false),
            answers_questions: AtomicBool::new(health.answers_questions()),
            health: RwLock::new(health),
            traffic: Traffic::new(),
            reports: Reports::default(),
        }
    }

    /// Reads the health. A lock poisoned by a panic elsewhere still holds the last consistent state.
    pub fn health(&self) -> RwLockReadGuard<'_, Health> {
        self.health.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the health, and afterwards refreshes the copies that are read without the lock.
    pub(crate) fn with_health<T>(&self, change: impl FnOnce(&mut Health) -> T) -> T {
        let mut health: RwLockWriteGuard<'_, Health> =
            self.health.write().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut health);
        self.answer_matters.store(health.answer_matters(), Relaxed);
        self.state.store(health.state() as u8, Relaxed);
        self.silent.store(health.is_silent(), Relaxed);
        self.answers_questions.store(health.answers_questions(), Relaxed);
        result
    }

    /// The backend has given a complete answer. Returns the evidence for the pool, if there is any.
    #[must_use]
    pub fn answered(&self) -> Option<Evidence> {
        self.answer_matters.load(Relaxed).then_some(Evidence::Answered)
    }

    /// Whether the backend is in this state.
    pub fn is(&self, state: State) -> bool {
        self.state.load(Relaxed) == state as u8
    }

    /// Whether requests wait at the backend without an answer; see [`Health::is_silent`].
    pub fn is_silent(&self) -> bool {
        self.silent.load(Relaxed)
    }

    /// Whether the backend has answered a question or an HTTP ping.
    pub(super) fn answers_questions(&self) -> bool {
        self.answers_questions.load(Relaxed)
    }

    /// Whether the backend's health allows requests: it is up, or only ejected for a limited time.
    pub(super) fn is_in_use(&self) -> bool {
        self.is(State::Up) || self.is(State::Ejected)
    }

    /// The latest settings of the backend.
    pub fn spec(&self) -> Arc<Member> {
        self.spec.load_full()
    }

    /// Replaces the load, the latency and the load reports by those of another backend, and tells the watch.
    pub(super) fn see_load_of(&self, other: &Self) {
        self.load.see(&other.load);
        self.reports.see(&other.reports);
        self.load.changed(self.number);
    }

    /// The backend is up, after this state. Its silence before says nothing about the present, and neither do
    /// the load reports of a process that was down.
    pub(super) fn comes_up(&self, from: State) {
        self.traffic.reset_waiting();
        if from == State::Down {
            self.reports.forget();
        }
    }

    /// Replaces the settings of the backend.
    pub(super) fn set_spec(&self, member: Member) {
        self.load.set_spec(&member);
        self.spec.store(Arc::new(member));
    }

    /// Whether the backend was removed from the pool. It finishes the requests that it has.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    pub(super) fn set_leaving(&self, leaving: bool) {
        self.leaving.store(leaving, Relaxed);
    }
}

/// What the load and the traffic of a backend show.
impl Backend {
    /// The share in relation to the other backends: 0 to [`Member::MAX_WEIGHT`].
    pub fn weight(&self) -> u32 {
        self.load.weight()
    }

    /// The limit of requests in flight; `None` for no limit.
    pub fn limit(&self) -> Option<u32> {
        self.load.limit()
    }

    /// Whether the number of requests in flight has reached the limit.
    pub fn is_full(&self) -> bool {
        self.load.is_full()
    }

    /// Requests that were sent to this backend and are not finished: the last byte of the answer is still
    /// missing.
    pub fn in_flight(&self) -> u32 {
        self.load.in_flight()
    }

    /// The load with one more request, divided by the weight: the value that policies compare. Infinite
    /// without a weight.
    pub fn load(&self) -> f64 {
        self.load.per_weight()
    }

    /// Sets the only watch that is told whenever [`Self::load`] changes.
    pub(super) fn watch(&self, watch: Option<Arc<Arc<dyn LoadWatch>>>) {
        self.load.set_watch(watch);
    }

    /// Whether this is the watch of the backend.
    pub(super) fn is_watched_by(&self, watch: &Arc<Arc<dyn LoadWatch>>) -> bool {
        self.load.is_watched_by(watch)
    }

    /// Whether the backend came up recently and warms up.
    pub fn is_warming(&self) -> bool {
        self.load.is_warming()
    }

    /// The part of its share that the backend may take while it warms up within `window`, from a tenth to all
    /// of it.
    pub fn warmth(&self, now: Moment, window: Duration) -> f64 {
        self.load.warmth(now, window)
    }

    /// The expected time of an answer, in microseconds, with a pessimistic estimate: see
    /// [`super::latency::Peak`].
    pub fn peak_latency(&self, now: Moment) -> f64 {
        self.load.peak().value_at(now)
    }

    /// The mean time of an answer, in microseconds; 0 before the first answer. It halves with every ten
    /// seconds without an answer.
    pub fn mean_latency(&self, now: Moment) -> f64 {
        /// The time after which 1/e is left, when a half is left after ten seconds.
        const FORGET: Duration = Duration::from_micros(14_426_950);
        let silence = now.since(self.load.peak().at);
        self.traffic.mean_us() * remaining(silence, FORGET)
    }

    /// A response head came, `latency` after its request was sent; `failed` if its status says that the
    /// backend failed.
    pub fn learn_latency(&self, latency: Duration, failed: bool, now: Moment) {
        self.traffic.learn_latency(latency);
        let peak = self.load.peak();
        self.load.set_peak(if failed { peak.with_failure(now) } else { peak.with(latency, now) });
    }

    /// A request left the backend before its answer began, after it had waited for `waited`: its client has
    /// gone, or another backend has answered it. Finagle's "peak EWMA" measures such requests too.
    ///
    /// This is no evidence. It changes no state, and neither the rule of silence nor that of outliers knows
    /// of it. A client can only raise the expected latency to the time that it has really waited here, as it
    /// can with a request that is answered late.
    #[cold]
    pub fn learn_wait(&self, waited: Duration, now: Moment) {
        self.load.set_peak(self.load.peak().with_wait(waited, now));
    }

    /// The backend reports its load; `None` if the report is malformed. Reports that are malformed or
    /// impossible are counted and ignored.
    pub fn learn_report(&self, report: Option<LoadReport>, now: Moment) {
        self.reports.learn(report, now);
    }

    /// The weight that follows from the reports, in answers a second; `None` while there is none: before the
    /// first report, for the time of [`super::reports::BLACKOUT`] after it, and after
    /// [`super::reports::EXPIRES`] without a report.
    pub fn reported_weight(&self, now: Moment) -> Option<f64> {
        self.reports.weight(now)
    }

    /// The number of reports that were ignored because they were malformed or impossible.
    pub fn ignored_reports(&self) -> u64 {
        self.reports.ignored()
    }

    /// A try failed because of the backend. Returns whether it counts as an error: see
    /// [`Traffic::learn_failure`].
    pub(super) fn learn_failure(&self, now: Moment) -> bool {
        self.load.set_peak(self.load.peak().with_failure(now));
        self.traffic.learn_failure(now)
    }

    /// Whether one more byte from the backend is of interest: requests wait for a first byte, or the backend
    /// is suspected of silence. The parts of a long answer check this before they read the clock.
    pub fn is_listened_to(&self) -> bool {
        self.traffic.is_waiting() || self.is(State::Suspect)
    }

    /// A byte came from the backend. Returns the evidence for the pool, if there is any: for a suspect, any
    /// byte is evidence, and for the other states a complete answer is, because the answer may still end
    /// early.
    #[must_use]
    pub fn on_byte(&self, now: Moment) -> Option<Evidence> {
        self.traffic.on_byte(now);
        self.is(State::Suspect).then(|| {
            // It has left a question without an answer.
            self.traffic.ignores_questions();
            Evidence::Answered
        })
    }

    /// The backend sent something in reply to a question or an HTTP ping; `in_http`: it was an HTTP answer.
    pub(super) fn answered_question(&self, in_http: bool, now: Moment) {
        self.traffic.on_reply(now);
        if in_http && !self.answers_questions() {
            self.with_health(Health::question_answered);
        }
    }

    /// Whether the backend is known to answer requests, and has never answered a question: it may reject
    /// questions only.
    pub(super) fn may_dislike_questions(&self) -> bool {
        self.traffic.answers_requests() && !self.answers_questions()
    }

    /// The data for the rule of silence.
    pub fn traffic_snapshot(&self) -> TrafficSnapshot {
        let out = (self.is(State::Down) || self.is(State::Ejected)) && !self.is_silent();
        self.traffic.snapshot(self.is(State::Up), out, self.answers_questions())
    }
}

/// A member of a pool: a backend, and the data that the pool's user keeps for each backend.
#[derive(Debug)]
pub struct Peer<X = ()> {
    backend: Arc<Backend>,
    /// The data that the pool's user keeps for this backend, such as counters.
    pub own: X,
}

impl<X> Peer<X> {
    /// A member without any evidence yet.
    pub fn new(number: usize, member: Member, own: X, now: Moment) -> Self {
        Self { backend: Arc::new(Backend::new(number, member, now)), own }
    }

    /// The part that decisions use.
    pub(super) fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }
}

impl AsRef<Self> for Backend {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl<X> AsRef<Backend> for Peer<X> {
    fn as_ref(&self) -> &Backend {
        &self.backend
    }
}

impl<X> Deref for Peer<X> {
    type Target = Backend;

    fn deref(&self) -> &Backend {
        &self.backend
    }
}
