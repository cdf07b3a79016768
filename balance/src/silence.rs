//! Which backend has fallen silent? Such a backend accepts connections, passes every TCP ping, and answers no
//! request.
//!
//! Pings do not notice a stopped or deadlocked process, because the kernel completes the handshake for it.
//! Within milliseconds, every keep-alive client waits at the silent backend and nothing is served, until some
//! long time limit ends the wait. But a request that waits proves nothing by itself: its path may be slow. So
//! the balancer asks before it judges. The question is one HTTP exchange on a new connection, and any answer
//! counts.
//!
//! 1. A request has waited for half of [`Rule::at_least`] without a byte from the backend, and longer than
//!    answers usually take, or than a second: the balancer **asks** the backend. An answer counts as a byte,
//!    and the wait starts again.
//! 2. The backend does not answer the question in time. And the requests have waited for [`Rule::at_least`]
//!    and twice as long as usual, or the question for three times [`Rule::at_least`]. Then the backend is
//!    **silent**, if another backend has sent something since the question.
//!
//! 3. Requests cannot show the silence of a backend that gets none, because the policy prefers others. While
//!    the pool is in use, the balancer asks such a backend when it has sent nothing for a second. It is
//!    silent if it has answered a question before and does not answer this one for twice [`Rule::at_least`].
//!    So the balancer finds a stopped process before a request meets it.
//!
//! Requests may still wait at a backend that is **down** by its pings, or ejected. The balancer asks it for
//! them by the same rule: if it answers, they continue to wait; if it is silent, those that may be repeated
//! leave it.
//!
//! A backend may leave every question without an answer and serve requests. The balancer notices this when an
//! answer to a request arrives while a question waits. From then on, silence on questions says nothing about
//! the backend.
//!
//! So a slow path never counts as silence, because the backend answers the question. The byte from another
//! backend distinguishes a silent backend from a balancer that was itself suspended, and from a network that
//! fails for all. When there is too little traffic for this, the balancer asks other backends as well.
//!
//! A backend that serves one request at a time and is busy with a long one cannot answer the question either.
//! It counts as silent: it gets no new requests until it answers. The remedy is a longer [`Rule::at_least`].
//!
//! "Usually" is Jacobson's estimate, as in the retransmission timer of TCP (RFC 6298): smoothed latency plus
//! four mean deviations. It adapts to a mix of fast and slow answers within a few requests.

use std::time::Duration;

use crate::Moment;

/// The conditions for silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The number of waiting requests that makes a short question enough; at least 1. With fewer, the backend
    /// has four times as long to answer the question.
    pub waiting: u32,
    /// The shortest wait of the requests, even if answers are usually fast.
    pub at_least: Duration,
}

/// The shortest wait, as a multiple of the usual time.
const TIMES_USUAL: u32 = 2;

/// The longest wait of a question, as a multiple of [`Rule::at_least`], even for a backend that usually
/// answers slowly.
const UNANSWERED: u32 = 3;

/// The number of other backends to ask beside one that does not answer. Their answers are evidence against
/// it.
const WITNESSES: usize = 2;

/// The time until the next question to a backend that answered and still has waiting requests, or that gets
/// none.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// While the pool is in use, the balancer asks each backend once, at the earliest this long after the start
/// of the clock: if the backend answers, later silence is evidence.
const FIRST_QUESTION: Duration = Duration::from_secs(5);

/// A pool is in use if it got a request within this time.
const IN_USE: Duration = Duration::from_secs(3);

/// The result of one look at a backend's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrafficSnapshot {
    /// The backend is up.
    pub up: bool,
    /// The backend is down or ejected, and not known to be silent as well.
    pub out: bool,
    /// Requests that were sent since the last byte and wait for their response head.
    pub unanswered: u32,
    /// The time when the first of them was sent. It means nothing while there are none.
    pub waiting_since: Option<Moment>,
    /// The time when their number last reached [`Rule::waiting`]; `None` if it never did. It means nothing
    /// while there are fewer.
    pub enough_since: Option<Moment>,
    /// The time of the backend's last sign of life: a byte of a response, or an answer to a question. `None`
    /// for never.
    pub last_sign: Option<Moment>,
    /// The time when the open question was sent; `None` if no question is open.
    pub asked: Option<Moment>,
    /// The time of the last question, if there was one.
    pub last_asked: Option<Moment>,
    /// The backend answered a request while it left a question without an answer, and has never answered one.
    pub ignores_questions: bool,
    /// The backend has answered a question before, so that later silence is evidence.
    pub answers_questions: bool,
    /// The usual time of an answer.
    pub usual: Duration,
}

impl TrafficSnapshot {
    /// The time that a request has waited since the backend's last sign of life, if a request waits.
    fn waited(&self, now: Moment) -> Option<Duration> {
        let since = self.waiting_since.filter(|_| self.unanswered > 0)?;
        Some(now.since(self.last_sign.map_or(since, |sign| sign.max(since))))
    }

    /// Whether requests may wait at the backend without an answer, as far as is known.
    fn may_be_silent(&self) -> bool {
        self.up || self.out
    }

    /// Whether a request waits that already waited when the backend answered the last question.
    fn answered_a_question(&self) -> bool {
        self.last_sign.is_some() && self.last_sign >= self.waiting_since
    }

    /// Whether to ask the backend now.
    fn wants_asking(&self, now: Moment, rule: Rule) -> bool {
        let after = (rule.at_least / 2).max(self.usual.min(ASK_AGAIN));
        let after = if self.answered_a_question() { after.max(ASK_AGAIN) } else { after };
        self.may_be_silent() && self.asked.is_none() && self.waited(now).is_some_and(|waited| waited >= after)
    }

    /// Whether the backend gets no requests and has sent nothing for long.
    fn is_quiet(&self, now: Moment) -> bool {
        let last = self.last_sign.max(self.last_asked);
        let quiet_for = now.since(last.unwrap_or_default());
        self.up && self.asked.is_none() && self.unanswered == 0 && quiet_for >= ASK_AGAIN
    }

    /// Whether the backend was never asked, although the clock started some time ago.
    fn is_unknown(&self, now: Moment) -> bool {
        self.up
            && self.last_asked.is_none()
            && !self.answers_questions
            && now.since(Moment::START) >= FIRST_QUESTION
    }

    /// The time that the backend has been silent, if the question has waited long enough for an answer.
    fn overdue(&self, now: Moment, rule: Rule) -> Option<Duration> {
        let asked_for = now.since(self.asked?);
        let Some(waited) = self.waited(now) else {
            let means_something = self.up && self.answers_questions;
            return (means_something && asked_for >= rule.at_least * 2).then_some(asked_for);
        };
        if self.ignores_questions {
            return None;
        }
        // A question from before the wait says nothing about the time before it.
        let asked_for = asked_for.min(waited);
        let timeout = rule.at_least.max(self.usual * TIMES_USUAL);
        let many = self.unanswered >= rule.waiting
            && self.enough_since.is_some_and(|since| now.since(since) >= timeout);
        let question = if many { rule.at_least / 2 } else { rule.at_least * 2 };
        // Even if answers usually take long, a question without an answer for this time is enough.
        let waited_enough = waited >= timeout || asked_for >= rule.at_least * UNANSWERED;
        (self.may_be_silent() && waited_enough && asked_for >= question).then_some(waited)
    }
}

/// Returns the backends to ask now, as indices into `all`: those at which a request has waited for long, and
/// others whose answers would be evidence against a backend that has not answered yet.
pub fn to_ask(all: &[TrafficSnapshot], now: Moment, rule: Rule) -> Vec<usize> {
    let mut ask: Vec<_> = (0..all.len()).filter(|index| all[*index].wants_asking(now, rule)).collect();
    let in_use = all.iter().any(|one| one.waiting_since.is_some_and(|since| now.since(since) < IN_USE));
    if in_use && all.iter().filter(|one| one.up).count() > 1 {
        ask.extend((0..all.len()).filter(|index| all[*index].is_quiet(now) || all[*index].is_unknown(now)));
        ask.sort_unstable();
        ask.dedup();
    }
    let Some(unanswered) =
        all.iter().position(|one| one.may_be_silent() && one.unanswered > 0 && one.asked.is_some())
    else {
        return ask;
    };
    let has_witness = all.iter().any(|one| one.up && one.last_sign >= all[unanswered].asked);
    if !has_witness {
        let others = (1..all.len()).map(|step| (unanswered + step) % all.len());
        let free =
            others.filter(|index| all[*index].up && all[*index].asked.is_none() && !ask.contains(index));
        let free: Vec<_> = free.take(WITNESSES).collect();
        ask.extend(free);
    }
    ask
}

/// Returns the backends to suspect, as indices into `all`, each with the duration of its silence.
///
/// Never returns all backends that are up: the backend with the last sign of life stays.
pub fn silent(all: &[TrafficSnapshot], now: Moment, rule: Rule) -> Vec<(usize, Duration)> {
    let latest_sign = all.iter().filter(|one| one.up).filter_map(|one| one.last_sign).max();
    all.iter()
        .enumerate()
        .filter(|(_, one)| latest_sign.is_some() && latest_sign >= one.asked && latest_sign > one.last_sign)
        .filter_map(|(index, one)| Some((index, one.overdue(now, rule)?)))
        .collect()
}

/// Smoothed latency and its mean deviation: RFC 6298, section 2, with its gains of 1/8 and 1/4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Smoothed latency in microseconds; 0 before the first sample.
    pub mean_us: u64,
    /// Smoothed deviation from it in microseconds.
    pub deviation_us: u64,
}

impl Estimate {
    /// The estimate after one more answer.
    #[must_use]
    pub fn with(self, sample: Duration) -> Self {
        let sample = u64::try_from(sample.as_micros()).unwrap_or(u64::MAX >> 3).max(1);
        if self.mean_us == 0 {
            return Self { mean_us: sample, deviation_us: sample / 2 };
        }
        let deviation_us = (3 * self.deviation_us + self.mean_us.abs_diff(sample)) / 4;
        Self { mean_us: (7 * self.mean_us + sample) / 8, deviation_us }
    }

    /// The longest usual wait.
    pub fn usual(self) -> Duration {
        Duration::from_micros(self.mean_us.saturating_add(self.deviation_us.saturating_mul(4)))
    }
}

#[cfg(test)]
#[path = "silence_tests.rs"]
mod tests;
