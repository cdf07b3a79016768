//! The requests that wait at a backend, and the methods of a backend that read and change its traffic.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed},
};
use std::time::Duration;

use crate::Moment;

use super::backend::Backend;
use super::health::{Evidence, Health, State};
use super::latency::remaining;
use super::outlier::SuccessCounts;
use super::silence::TrafficSnapshot;
use super::traffic::Unanswered;

/// Failures of tries within this time are one observation.
const ONE_OBSERVATION: Duration = Duration::from_millis(100);

/// A question that waits for so long while the backend answers requests is ignored.
const IGNORED: Duration = Duration::from_millis(250);

impl Backend {
    /// Whether one more byte from the backend is of interest: requests wait for a first byte, or the backend
    /// is suspected of silence. The parts of a long answer check this before they read the clock.
    pub fn is_listened_to(&self) -> bool {
        Unanswered::from(self.traffic.unanswered.load(Relaxed)).count != 0 || self.is(State::Suspect)
    }

    /// A byte came from the backend. Returns the evidence for the pool, if there is any: for a suspect, any
    /// byte is evidence, and for the other states a complete answer is, because the answer may still end
    /// early.
    #[must_use]
    pub fn on_byte(&self, now: Moment) -> Option<Evidence> {
        self.traffic.recount(Unanswered::answered);
        self.traffic.last_sign.store(now.to_stamp(), Relaxed);
        if let Some(asked) = Moment::from_stamp(self.traffic.asked.load(Relaxed))
            && now.since(asked) >= IGNORED
        {
            self.traffic.ignores_questions.store(true, Relaxed);
        }
        self.is(State::Suspect).then(|| {
            // It has left a question without an answer.
            self.traffic.ignores_questions.store(true, Relaxed);
            Evidence::Answered
        })
    }

    /// The backend sent something in reply to a question or an HTTP ping; `in_http`: it was an HTTP answer.
    /// The waiting requests continue to wait.
    pub(super) fn answered_question(&self, in_http: bool, now: Moment) {
        self.traffic.last_sign.store(now.to_stamp(), Relaxed);
        if in_http && !self.answers_questions() {
            self.with_health(Health::question_answered);
        }
    }

    /// Whether the backend is known to answer requests, and has never answered a question: it may reject
    /// questions only.
    pub(super) fn may_dislike_questions(&self) -> bool {
        self.traffic.answers_requests.load(Relaxed) && !self.answers_questions()
    }

    /// The time of the open question to the backend; `None`: the last question has ended.
    pub(super) fn set_asked(&self, now: Option<Moment>) {
        let asked = now.map_or(0, Moment::to_stamp);
        self.traffic.asked.store(asked, Relaxed);
        if asked != 0 {
            self.traffic.last_asked.store(asked, Relaxed);
        }
    }

    /// Whether a question is open.
    pub(super) fn is_asked(&self) -> bool {
        self.traffic.asked.load(Relaxed) != 0
    }

    /// A request failed, so the balancer wants to ask the backend.
    pub(super) fn want_asking(&self) {
        self.traffic.wants_asking.store(true, Relaxed);
    }

    /// Whether a request failed since the last question.
    pub(super) fn wants_asking(&self) -> bool {
        self.traffic.wants_asking.load(Relaxed)
    }

    /// Removes the wish to ask, because the question has been answered. Returns whether there was one.
    pub(super) fn take_wants_asking(&self) -> bool {
        self.wants_asking() && self.traffic.wants_asking.swap(false, Relaxed)
    }

    /// Starts the count of waiting requests again, as after a byte: the backend is up again, and its silence
    /// before says nothing about the present.
    pub(super) fn reset_waiting(&self) {
        self.traffic.recount(Unanswered::answered);
    }

    /// A response head came, `latency` after its request was sent; `failed` if its status says that the
    /// backend failed. When two threads write at once, one of two samples may be lost, which is acceptable
    /// for an estimate.
    pub fn learn_latency(&self, latency: Duration, failed: bool, now: Moment) {
        let traffic = &self.traffic;
        let estimate = traffic.estimate().with(latency);
        traffic.mean_us.store(estimate.mean_us, Relaxed);
        traffic.deviation_us.store(estimate.deviation_us, Relaxed);
        let peak = self.peak();
        self.set_peak(if failed { peak.with_failure(now) } else { peak.with(latency, now) });
        if !traffic.answers_requests.load(Relaxed) {
            traffic.answers_requests.store(true, Relaxed);
        }
    }

    /// A try failed because of the backend. Returns whether it counts as an error: tries that fail within
    /// [`ONE_OBSERVATION`] often have one reason, such as a common time limit, and count once.
    pub(super) fn learn_failure(&self, now: Moment) -> bool {
        let traffic = &self.traffic;
        self.set_peak(self.peak().with_failure(now));
        let last = Moment::from_stamp(traffic.failed.load(Relaxed));
        let is_another = last.is_none_or(|last| now.since(last) >= ONE_OBSERVATION);
        if is_another {
            traffic.failed.store(now.to_stamp(), Relaxed);
        }
        is_another
    }

    /// The mean time of an answer, in microseconds; 0 before the first answer. It halves with every ten
    /// seconds without an answer.
    pub fn mean_latency(&self, now: Moment) -> f64 {
        /// The time after which 1/e is left, when a half is left after ten seconds.
        const FORGET: Duration = Duration::from_micros(14_426_950);
        let silence = now.since(self.peak().at);
        self.traffic.mean_us.load(Relaxed) as f64 * remaining(silence, FORGET)
    }

    /// Counts an answer, which may be an error of the backend, and returns the number of errors in a row.
    pub(super) fn count_answer(&self, is_error: bool) -> u32 {
        let traffic = &self.traffic;
        traffic.answers.fetch_add(1, Relaxed);
        if is_error {
            traffic.errors.fetch_add(1, Relaxed);
            return traffic.errors_in_a_row.fetch_add(1, Relaxed) + 1;
        }
        // Reading is cheaper than writing where many threads do it.
        if traffic.errors_in_a_row.load(Relaxed) != 0 {
            traffic.errors_in_a_row.store(0, Relaxed);
        }
        0
    }

    /// The answers since the last check.
    pub(super) fn take_success_counts(&self) -> SuccessCounts {
        let traffic = &self.traffic;
        SuccessCounts { answers: traffic.answers.swap(0, Relaxed), errors: traffic.errors.swap(0, Relaxed) }
    }

    /// The data for the rule of silence.
    pub fn traffic_snapshot(&self) -> TrafficSnapshot {
        let moment = |stamp: &AtomicU64| Moment::from_stamp(stamp.load(Relaxed));
        let answers_questions = self.answers_questions();
        TrafficSnapshot {
            up: self.is(State::Up),
            out: (self.is(State::Down) || self.is(State::Ejected)) && !self.is_silent(),
            // Acquired before the clock is read: if enough requests are counted, the clock shows their time.
            unanswered: Unanswered::from(self.traffic.unanswered.load(Acquire)).count,
            waiting_since: moment(&self.traffic.waiting_since),
            enough_since: moment(&self.traffic.enough_since),
            last_sign: moment(&self.traffic.last_sign),
            asked: moment(&self.traffic.asked),
            last_asked: moment(&self.traffic.last_asked),
            ignores_questions: self.traffic.ignores_questions.load(Relaxed) && !answers_questions,
            answers_questions,
            usual: self.traffic.estimate().usual(),
        }
    }
}

/// While this value exists, a request waits for its response head.
#[derive(Debug)]
pub struct Waiting<'a> {
    backend: &'a Backend,
    round: u32,
}

impl<'a> Waiting<'a> {
    /// Counts one more request that waits, sent at `now`. Two requests start the clocks of the rule of
    /// silence: the first since the backend's last byte, and the one that makes `enough`.
    pub fn new(backend: &'a Backend, now: Moment, enough: u32) -> Self {
        let traffic = &backend.traffic;
        let mut round = 0;
        traffic.recount(|unanswered| {
            let one_more = unanswered.with_one();
            if one_more.count == 1 {
                traffic.waiting_since.store(now.to_stamp(), Relaxed);
            }
            if one_more.count == enough {
                traffic.enough_since.store(now.to_stamp(), Relaxed);
            }
            round = one_more.round;
            Some(one_more)
        });
        Self { backend, round }
    }
}

impl Drop for Waiting<'_> {
    /// However the request ended, it no longer waits. Without this, requests that a crash cut off would count
    /// against the backend when it is up again.
    fn drop(&mut self) {
        self.backend.traffic.recount(|now| now.without_one_of(self.round));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::member::Member;

    fn backend() -> Backend {
        let address = Address { host: "127.0.0.1".into(), port: 3031 };
        Backend::new(1, Member::new(address), Moment::START)
    }

    #[test]
    fn the_silence_clock_starts_with_enough_requests_after_the_last_byte() {
        let at = |ms| Moment::START + Duration::from_millis(ms);
        let backend = backend();
        let _one = Waiting::new(&backend, at(1), 3);
        let _two = Waiting::new(&backend, at(2), 3);
        assert_eq!(backend.traffic_snapshot().enough_since, None);
        let _ = backend.on_byte(at(3));
        let _three = Waiting::new(&backend, at(4), 3);
        let _four = Waiting::new(&backend, at(5), 3);
        assert_eq!(backend.traffic_snapshot().enough_since, None, "a byte starts the count anew");
        let _five = Waiting::new(&backend, at(6), 3);
        let seen = backend.traffic_snapshot();
        assert_eq!(seen.enough_since, Some(at(6)));
        assert_eq!(seen.waiting_since, Some(at(4)));
        assert_eq!(seen.last_sign, Some(at(3)));
        assert_eq!(seen.unanswered, 3, "only those that were sent since");
    }

    #[test]
    fn failures_of_one_moment_are_one_observation() {
        let backend = backend();
        let counted = [0, 1, 99, 100, 150, 201].map(|ms| {
            let failed_at = Moment::START + Duration::from_millis(ms);
            backend.learn_failure(failed_at)
        });
        assert_eq!(counted, [true, false, false, true, false, true]);
    }

    #[test]
    fn requests_that_ended_are_not_held_against_it() {
        let at = |ms| Moment::START + Duration::from_millis(ms);
        let backend = backend();
        // Three requests wait when the backend crashes; it comes up again, and three others are sent.
        let waiting = [1, 2, 3].map(|ms| Waiting::new(&backend, at(ms), 3));
        drop(waiting);
        assert_eq!(backend.traffic_snapshot().unanswered, 0);
        let _waiting = [5001, 5002, 5003].map(|ms| Waiting::new(&backend, at(ms), 3));
        let seen = backend.traffic_snapshot();
        assert_eq!((seen.unanswered, seen.enough_since), (3, Some(at(5003))));
    }

    #[test]
    fn a_request_written_off_by_an_answer_is_not_taken_off_twice() {
        let backend = backend();
        let early = Waiting::new(&backend, Moment::START, 3);
        let _ = backend.on_byte(Moment::START);
        let _late = Waiting::new(&backend, Moment::START, 3);
        drop(early);
        assert_eq!(backend.traffic_snapshot().unanswered, 1);
    }

    #[test]
    fn a_backend_that_answers_requests_and_no_question_ignores_questions() {
        let at = |ms| Moment::START + Duration::from_millis(ms);
        let backend = backend();
        backend.set_asked(Some(at(1000)));
        let _ = backend.on_byte(at(1249));
        assert!(!backend.traffic_snapshot().ignores_questions, "the answer may be on its way");
        let _ = backend.on_byte(at(1250));
        assert!(backend.traffic_snapshot().ignores_questions);
        backend.answered_question(true, at(1300));
        assert!(!backend.traffic_snapshot().ignores_questions);
    }
}
