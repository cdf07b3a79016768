//! The traffic of a backend: waiting requests, latencies and errors. The request path updates them with a few
//! atomics, and the rules of silence and ejection read them. The data for picks is in [`super::load`].

use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Relaxed},
};

use super::silence::Estimate;

/// The traffic of a backend. Points in time are stamps: see [`Moment::to_stamp`].
#[derive(Debug)]
pub(super) struct Traffic {
    /// Errors among the answers: those in a row, and those since the last check.
    pub(super) errors_in_a_row: AtomicU32,
    pub(super) answers: AtomicU64,
    pub(super) errors: AtomicU64,
    /// The time of the last failed try that counted as an error.
    pub(super) failed: AtomicU64,
    pub(super) unanswered: AtomicU64,
    pub(super) waiting_since: AtomicU64,
    pub(super) enough_since: AtomicU64,
    pub(super) last_sign: AtomicU64,
    /// The backend has sent the head of a response since it was created.
    pub(super) answers_requests: AtomicBool,
    /// A request failed in a way that makes the balancer ask.
    pub(super) wants_asking: AtomicBool,
    /// It answered a request while it left a question without an answer.
    pub(super) ignores_questions: AtomicBool,
    pub(super) asked: AtomicU64,
    pub(super) last_asked: AtomicU64,
    pub(super) mean_us: AtomicU64,
    pub(super) deviation_us: AtomicU64,
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

    /// Changes the count of unanswered requests, unless `change` returns that there is nothing to change.
    pub(super) fn recount(&self, mut change: impl FnMut(Unanswered) -> Option<Unanswered>) {
        let changed = |word| change(Unanswered::from(word)).map(u64::from);
        let _ = self.unanswered.fetch_update(AcqRel, Relaxed, changed);
    }

    pub(super) fn estimate(&self) -> Estimate {
        Estimate { mean_us: self.mean_us.load(Relaxed), deviation_us: self.deviation_us.load(Relaxed) }
    }
}

/// The number of waiting requests that were sent since the last byte. It shares one atomic word with the
/// number of bytes that ended a count. So a request that ends without an answer knows whether it is still
/// counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unanswered {
    pub(super) round: u32,
    pub(super) count: u32,
}

impl Unanswered {
    /// One more request was sent.
    pub(super) fn with_one(self) -> Self {
        Self { count: self.count + 1, ..self }
    }

    /// One request that was counted in `round` no longer waits. An answer may have removed it from the count
    /// already.
    pub(super) fn without_one_of(self, round: u32) -> Option<Self> {
        (self.round == round && self.count > 0).then(|| Self { count: self.count - 1, ..self })
    }

    /// A byte came: the count starts again, if there is one.
    pub(super) fn answered(self) -> Option<Self> {
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
