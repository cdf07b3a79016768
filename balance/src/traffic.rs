//! The traffic of a backend: waiting requests, latencies and errors. The request path updates them with a few
//! atomics, and the rules of silence and ejection read them. The data for picks is in [`super::load`].

use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::time::Duration;

use crate::Moment;

use super::outlier::SuccessCounts;
use super::silence::{Estimate, TrafficSnapshot};

/// Failures of tries within this time are one observation.
const ONE_OBSERVATION: Duration = Duration::from_millis(100);

/// A question that waits for so long while the backend answers requests is ignored.
const IGNORED: Duration = Duration::from_millis(250);

/// The traffic of a backend. Points in time are stamps: see [`Moment::to_stamp`].
#[derive(Debug)]
pub(super) struct Traffic {
    /// Errors among the answers: those in a row, and those since the last check.
    errors_in_a_row: AtomicU32,
    answers: AtomicU64,
    errors: AtomicU64,
    /// The time of the last failed try that counted as an error.
    failed: AtomicU64,
    unanswered: AtomicU64,
    waiting_since: AtomicU64,
    enough_since: AtomicU64,
    last_sign: AtomicU64,
    /// The backend has sent the head of a response since it was created.
    answers_requests: AtomicBool,
    /// A request failed in a way that makes the balancer ask.
    wants_asking: AtomicBool,
    /// It answered a request while it left a question without an answer.
    ignores_questions: AtomicBool,
    asked: AtomicU64,
    last_asked: AtomicU64,
    mean_us: AtomicU64,
    deviation_us: AtomicU64,
}

impl Traffic {
    /// Traffic without any request.
    pub(super) fn new() -> Self {
        Self {
            errors_in_a_row: AtomicU32::new(0),
            answers: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            waiting_since: AtomicU64::new(0),
            enough_since: AtomicU64::new(0),
            last_sign: AtomicU64::new(0),
            answers_requests: AtomicBool::new(false),
            wants_asking: AtomicBool::new(false),
            ignores_questions: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            last_asked: AtomicU64::new(0),
            mean_us: AtomicU64::new(0),
            deviation_us: AtomicU64::new(0),
        }
    }

    /// One more request waits, sent at `now`. Two requests start the clocks of the rule of silence: the first
    /// since the backend's last byte, and the one that makes `enough`. Returns the round in which the request
    /// is counted.
    pub(super) fn begin_waiting(&self, now: Moment, enough: u32) -> u32 {
        let mut round = 0;
        self.recount(|unanswered| {
            let one_more = unanswered.with_one();
            if one_more.count == 1 {
                self.waiting_since.store(now.to_stamp(), Relaxed);
            }
            if one_more.count == enough {
                self.enough_since.store(now.to_stamp(), Relaxed);
            }
            round = one_more.round;
            Some(one_more)
        });
        round
    }

    /// A request that was counted in `round` no longer waits.
    pub(super) fn end_waiting(&self, round: u32) {
        self.recount(|now| now.without_one_of(round));
    }

    /// Whether requests wait for a first byte.
    pub(super) fn is_waiting(&self) -> bool {
        Unanswered::from(self.unanswered.load(Relaxed)).count != 0
    }

    /// Starts the count of waiting requests again, as after a byte: the backend is up again, and its silence
    /// before says nothing about the present.
    pub(super) fn reset_waiting(&self) {
        self.recount(Unanswered::answered);
    }

    /// A byte came from the backend.
    pub(super) fn on_byte(&self, now: Moment) {
        self.recount(Unanswered::answered);
        self.on_reply(now);
        if let Some(asked) = Moment::from_stamp(self.asked.load(Relaxed))
            && now.since(asked) >= IGNORED
        {
            self.ignores_questions();
        }
    }

    /// The backend sent something in reply to a question or a ping. The waiting requests continue to wait.
    pub(super) fn on_reply(&self, now: Moment) {
        self.last_sign.store(now.to_stamp(), Relaxed);
    }

    /// The backend answered a request while it left a question without an answer.
    pub(super) fn ignores_questions(&self) {
        self.ignores_questions.store(true, Relaxed);
    }

    /// Whether the backend has sent the head of a response since it was created.
    pub(super) fn answers_requests(&self) -> bool {
        self.answers_requests.load(Relaxed)
    }

    /// The time of the open question to the backend; `None`: the last question has ended.
    pub(super) fn set_asked(&self, now: Option<Moment>) {
        let asked = now.map_or(0, Moment::to_stamp);
        self.asked.store(asked, Relaxed);
        if asked != 0 {
            self.last_asked.store(asked, Relaxed);
        }
    }

    /// Whether a question is open.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Relaxed) != 0
    }

    /// A request failed, so the balancer wants to ask the backend.
    pub(super) fn want_asking(&self) {
        self.wants_asking.store(true, Relaxed);
    }

    /// Whether a request failed since the last question.
    pub(super) fn wants_asking(&self) -> bool {
        self.wants_asking.load(Relaxed)
    }

    /// Removes the wish to ask, because the question has been answered. Returns whether there was one.
    pub(super) fn take_wants_asking(&self) -> bool {
        self.wants_asking() && self.wants_asking.swap(false, Relaxed)
    }

    /// A response head came, `latency` after its request was sent. When two threads write at once, one of two
    /// samples may be lost, which is acceptable for an estimate.
    pub(super) fn learn_latency(&self, latency: Duration) {
        let estimate = self.estimate().with(latency);
        self.mean_us.store(estimate.mean_us, Relaxed);
        self.deviation_us.store(estimate.deviation_us, Relaxed);
        if !self.answers_requests() {
            self.answers_requests.store(true, Relaxed);
        }
    }

    /// The mean time of an answer, in microseconds, as it was at the last answer; 0 before the first one.
    pub(super) fn mean_us(&self) -> f64 {
        self.mean_us.load(Relaxed) as f64
    }

    /// A try failed because of the backend. Returns whether it counts as an error: tries that fail within
    /// [`ONE_OBSERVATION`] often have one reason, such as a common time limit, and count once.
    pub(super) fn learn_failure(&self, now: Moment) -> bool {
        let last = Moment::from_stamp(self.failed.load(Relaxed));
        let is_another = last.is_none_or(|last| now.since(last) >= ONE_OBSERVATION);
        if is_another {
            self.failed.store(now.to_stamp(), Relaxed);
        }
        is_another
    }

    /// Counts an answer, which may be an error of the backend, and returns the number of errors in a row.
    pub(super) fn count_answer(&self, is_error: bool) -> u32 {
        self.answers.fetch_add(1, Relaxed);
        if is_error {
            self.errors.fetch_add(1, Relaxed);
            return self.errors_in_a_row.fetch_add(1, Relaxed) + 1;
        }
        // Reading is cheaper than writing where many threads do it.
        if self.errors_in_a_row.load(Relaxed) != 0 {
            self.errors_in_a_row.store(0, Relaxed);
        }
        0
    }

    /// The answers since the last check.
    pub(super) fn take_success_counts(&self) -> SuccessCounts {
        SuccessCounts { answers: self.answers.swap(0, Relaxed), errors: self.errors.swap(0, Relaxed) }
    }

    /// The data for the rule of silence, of a backend whose health says whether it is `up`, or `out` for
    /// another reason than silence, and whether it `answers_questions`.
    pub(super) fn snapshot(&self, up: bool, out: bool, answers_questions: bool) -> TrafficSnapshot {
        let moment = |stamp: &AtomicU64| Moment::from_stamp(stamp.load(Relaxed));
        TrafficSnapshot {
            up,
            out,
            // Acquired before the clock is read: if enough requests are counted, the clock shows their time.
            unanswered: Unanswered::from(self.unanswered.load(Acquire)).count,
            waiting_since: moment(&self.waiting_since),
            enough_since: moment(&self.enough_since),
            last_sign: moment(&self.last_sign),
            asked: moment(&self.asked),
            last_asked: moment(&self.last_asked),
            ignores_questions: self.ignores_questions.load(Relaxed) && !answers_questions,
            answers_questions,
            usual: self.estimate().usual(),
        }
    }

    /// Changes the count of unanswered requests, unless `change` returns that there is nothing to change.
    fn recount(&self, mut change: impl FnMut(Unanswered) -> Option<Unanswered>) {
        let changed = |word| change(Unanswered::from(word)).map(u64::from);
        let _ = self.unanswered.fetch_update(AcqRel, Relaxed, changed);
    }

    fn estimate(&self) -> Estimate {
        Estimate { mean_us: self.mean_us.load(Relaxed), deviation_us: self.deviation_us.load(Relaxed) }
    }
}

/// The number of waiting requests that were sent since the last byte. It shares one atomic word with the
/// number of bytes that ended a count. So a request that ends without an answer knows whether it is still
/// counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unanswered {
    round: u32,
    count: u32,
}

impl Unanswered {
    /// One more request was sent.
    fn with_one(self) -> Self {
        Self { count: self.count + 1, ..self }
    }

    /// One request that was counted in `round` no longer waits. An answer may have removed it from the count
    /// already.
    fn without_one_of(self, round: u32) -> Option<Self> {
        (self.round == round && self.count > 0).then(|| Self { count: self.count - 1, ..self })
    }

    /// A byte came: the count starts again, if there is one.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_one_moment_are_one_observation() {
        let traffic = Traffic::new();
        let counted = [0, 1, 99, 100, 150, 201].map(|ms| {
            let failed_at = Moment::START + Duration::from_millis(ms);
            traffic.learn_failure(failed_at)
        });
        assert_eq!(counted, [true, false, false, true, false, true]);
    }
}
