//! What is a backend doing? Requests that wait, latencies, errors: kept up to date by the request path with a few atomics,
//! and read by the rules of silence and ejection. What picks read is in [`super::load`].

use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::time::{Duration, Instant};

use super::Backend;
use super::health::State;
use super::latency::remaining;
use super::load::Epoch;
use super::outlier::Tally;
use super::silence::{Estimate, TrafficSnapshot};

/// Failures of tries within so much time are one observation.
const MOMENT: Duration = Duration::from_millis(100);

/// What a backend is doing.
/// Times are microseconds since `epoch`, plus one so that 0 can mean "never".
#[derive(Debug)]
pub(super) struct Traffic {
    epoch: Epoch,
    /// Errors among its answers, in a row and since the last look.
    errors_in_a_row: AtomicU32,
    answers: AtomicU64,
    errors: AtomicU64,
    /// When the last try failed that is counted as an error.
    failed: AtomicU64,
    unanswered: AtomicU64,
    waiting_since: AtomicU64,
    enough_since: AtomicU64,
    word: AtomicU64,
    /// The backend has answered a question or an HTTP ping since it was made.
    answers_questions: AtomicBool,
    /// It has sent the head of a response since it was made.
    answers_requests: AtomicBool,
    /// A request failed in a way that makes the balancer ask.
    wants_asking: AtomicBool,
    asked: AtomicU64,
    last_asked: AtomicU64,
    mean_us: AtomicU64,
    deviation_us: AtomicU64,
}

impl Backend {
    /// Whether one more byte from it would be news: requests wait for a first one, or it is suspected of silence.
    /// The parts of a long answer ask this before they look at the clock.
    pub fn is_listened_to(&self) -> bool {
        Unanswered::from(self.traffic.unanswered.load(Relaxed)).count != 0 || self.is(State::Suspect)
    }

    /// A byte came from the backend.
    pub fn heard(&self, now: Instant) {
        self.traffic.recount(Unanswered::answered);
        self.traffic.word.store(self.traffic.epoch.stamp(now), Relaxed);
    }

    /// The backend said something to a question or an HTTP ping; `in_http`: it was an answer. The requests that wait go on
    /// waiting.
    pub(super) fn answered_question(&self, in_http: bool, now: Instant) {
        self.traffic.word.store(self.traffic.epoch.stamp(now), Relaxed);
        if in_http {
            self.traffic.answers_questions.store(true, Relaxed);
        }
    }

    /// Whether the backend is known to answer requests, and has never answered a question: it may dislike the question.
    pub(super) fn may_dislike_questions(&self) -> bool {
        let traffic = &self.traffic;
        traffic.answers_requests.load(Relaxed) && !traffic.answers_questions.load(Relaxed)
    }

    /// A question is on its way to the backend since `now`; `None`: the last one has ended.
    pub(super) fn set_asked(&self, now: Option<Instant>) {
        let asked = now.map_or(0, |now| self.traffic.epoch.stamp(now));
        self.traffic.asked.store(asked, Relaxed);
        if asked != 0 {
            self.traffic.last_asked.store(asked, Relaxed);
        }
    }

    /// Whether a question is on its way.
    pub(super) fn is_asked(&self) -> bool {
        self.traffic.asked.load(Relaxed) != 0
    }

    /// A request failed, so the backend is to be asked.
    pub(super) fn want_asking(&self) {
        self.traffic.wants_asking.store(true, Relaxed);
    }

    /// Whether a request failed since the last question.
    pub(super) fn wants_asking(&self) -> bool {
        self.traffic.wants_asking.load(Relaxed)
    }

    /// Takes the wish back: the question is answered. Returns whether there was one.
    pub(super) fn take_wants_asking(&self) -> bool {
        self.wants_asking() && self.traffic.wants_asking.swap(false, Relaxed)
    }

    /// What waits from here on is counted anew, as after a byte: it is up again, and what it left unanswered
    /// before says nothing about it now.
    pub(super) fn begin_anew(&self) {
        self.traffic.recount(Unanswered::answered);
    }

    /// A response head came, `latency` after its request was sent; `failed` if it says that the backend failed. Two
    /// threads may lose one of two samples; an estimate can bear that.
    pub fn learn_latency(&self, latency: Duration, failed: bool, now: Instant) {
        let traffic = &self.traffic;
        let estimate = traffic.estimate().with(latency);
        traffic.mean_us.store(estimate.mean_us, Relaxed);
        traffic.deviation_us.store(estimate.deviation_us, Relaxed);
        let now = traffic.epoch.since(now);
        let peak = self.peak();
        self.set_peak(if failed { peak.with_failure(now) } else { peak.with(latency, now) });
        if !traffic.answers_requests.load(Relaxed) {
            traffic.answers_requests.store(true, Relaxed);
        }
    }

    /// A try failed, and it is the backend's fault. Returns whether it counts as an error: tries that fail within
    /// [`MOMENT`] often have one reason, such as a time limit that all of them met, and count once.
    pub(super) fn learn_failure(&self, now: Instant) -> bool {
        let traffic = &self.traffic;
        self.set_peak(self.peak().with_failure(traffic.epoch.since(now)));
        let (last, now) = (traffic.failed.load(Relaxed), traffic.epoch.stamp(now));
        let is_another = last == 0 || now.saturating_sub(last) >= MOMENT.as_micros() as u64;
        if is_another {
            traffic.failed.store(now, Relaxed);
        }
        is_another
    }

    /// How long an answer takes in the mean, in microseconds; 0 before the first. It halves with every ten seconds
    /// without an answer.
    pub fn mean_latency(&self, now: Instant) -> f64 {
        /// In which all but 1/e is left, when half is left after ten seconds.
        const FORGET: Duration = Duration::from_micros(14_426_950);
        let silence = self.traffic.epoch.since(now).saturating_sub(self.peak().at);
        self.traffic.mean_us.load(Relaxed) as f64 * remaining(silence, FORGET)
    }

    /// Takes in whether an answer was an error of the backend's own, and returns how many of them came in a row.
    pub(super) fn count_answer(&self, is_error: bool) -> u32 {
        let traffic = &self.traffic;
        traffic.answers.fetch_add(1, Relaxed);
        if is_error {
            traffic.errors.fetch_add(1, Relaxed);
            return traffic.errors_in_a_row.fetch_add(1, Relaxed) + 1;
        }
        // Reading is cheaper than writing, where many threads do it.
        if traffic.errors_in_a_row.load(Relaxed) != 0 {
            traffic.errors_in_a_row.store(0, Relaxed);
        }
        0
    }

    /// The answers since the last look.
    pub(super) fn take_tally(&self) -> Tally {
        let traffic = &self.traffic;
        Tally { answers: traffic.answers.swap(0, Relaxed), errors: traffic.errors.swap(0, Relaxed) }
    }

    /// What the silence rule sees now.
    pub fn traffic_snapshot(&self) -> TrafficSnapshot {
        let since_epoch = |stamp: &AtomicU64| stamp.load(Relaxed).checked_sub(1).map(Duration::from_micros);
        TrafficSnapshot {
            up: self.is(State::Up),
            out: (self.is(State::Down) || self.is(State::Ejected)) && !self.is_silent(),
            // Acquired before the clock is read: with enough requests counted, the clock is theirs.
            unanswered: Unanswered::from(self.traffic.unanswered.load(Acquire)).count,
            waiting_since: since_epoch(&self.traffic.waiting_since),
            enough_since: since_epoch(&self.traffic.enough_since),
            word: since_epoch(&self.traffic.word),
            asked: since_epoch(&self.traffic.asked),
            last_asked: since_epoch(&self.traffic.last_asked),
            answers_questions: self.traffic.answers_questions.load(Relaxed),
            usual: self.traffic.estimate().usual(),
        }
    }
}

impl Traffic {
    /// Nothing has happened yet. `epoch` is the moment all of a pool's times count from.
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            errors_in_a_row: AtomicU32::new(0),
            answers: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            waiting_since: AtomicU64::new(0),
            enough_since: AtomicU64::new(0),
            word: AtomicU64::new(0),
            answers_questions: AtomicBool::new(false),
            answers_requests: AtomicBool::new(false),
            wants_asking: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            last_asked: AtomicU64::new(0),
            mean_us: AtomicU64::new(0),
            deviation_us: AtomicU64::new(0),
        }
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
    /// Counts one more request that waits, sent at `now`. The first since the backend's last byte, and the one that makes
    /// `enough`, start the clocks of the silence rule.
    pub fn new(backend: &'a Backend, now: Instant, enough: u32) -> Self {
        let traffic = &backend.traffic;
        let mut round = 0;
        traffic.recount(|unanswered| {
            let one_more = unanswered.with_one();
            if one_more.count == 1 {
                traffic.waiting_since.store(traffic.epoch.stamp(now), Relaxed);
            }
            if one_more.count == enough {
                traffic.enough_since.store(traffic.epoch.stamp(now), Relaxed);
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
    use crate::balance::Address;
    use crate::balance::member::Member;

    fn backend(epoch: Instant) -> Backend {
        let address = Address { host: "127.0.0.1".into(), port: 3031 };
        Backend::new(1, Member::new(address), epoch, epoch)
    }

    #[test]
    fn the_silence_clock_starts_with_enough_requests_after_the_last_byte() {
        let epoch = Instant::now();
        let at = |ms| epoch + Duration::from_millis(ms);
        let backend = backend(epoch);
        let _one = Waiting::new(&backend, at(1), 3);
        let _two = Waiting::new(&backend, at(2), 3);
        assert_eq!(backend.traffic_snapshot().enough_since, None);
        backend.heard(at(3));
        let _three = Waiting::new(&backend, at(4), 3);
        let _four = Waiting::new(&backend, at(5), 3);
        assert_eq!(backend.traffic_snapshot().enough_since, None, "a byte starts the count anew");
        let _five = Waiting::new(&backend, at(6), 3);
        let seen = backend.traffic_snapshot();
        assert_eq!(seen.enough_since, Some(Duration::from_millis(6)));
        assert_eq!(seen.waiting_since, Some(Duration::from_millis(4)));
        assert_eq!(seen.word, Some(Duration::from_millis(3)));
        assert_eq!(seen.unanswered, 3, "only those that were sent since");
    }

    #[test]
    fn failures_of_one_moment_are_one_observation() {
        let epoch = Instant::now();
        let backend = backend(epoch);
        let counted = [0, 1, 99, 100, 150, 201].map(|ms| {
            let failed_at = epoch + Duration::from_millis(ms);
            backend.learn_failure(failed_at)
        });
        assert_eq!(counted, [true, false, false, true, false, true]);
    }

    #[test]
    fn requests_that_ended_are_not_held_against_it() {
        let epoch = Instant::now();
        let at = |ms| epoch + Duration::from_millis(ms);
        let backend = backend(epoch);
        // Three wait when it crashes; it comes back, and three others are sent.
        let waiting = [1, 2, 3].map(|ms| Waiting::new(&backend, at(ms), 3));
        drop(waiting);
        assert_eq!(backend.traffic_snapshot().unanswered, 0);
        let _waiting = [5001, 5002, 5003].map(|ms| Waiting::new(&backend, at(ms), 3));
        let seen = backend.traffic_snapshot();
        assert_eq!((seen.unanswered, seen.enough_since), (3, Some(Duration::from_millis(5003))));
    }

    #[test]
    fn a_request_written_off_by_an_answer_is_not_taken_off_twice() {
        let epoch = Instant::now();
        let backend = backend(epoch);
        let early = Waiting::new(&backend, epoch, 3);
        backend.heard(epoch);
        let _late = Waiting::new(&backend, epoch, 3);
        drop(early);
        assert_eq!(backend.traffic_snapshot().unanswered, 1);
    }
}
