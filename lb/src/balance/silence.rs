//! Which backend has fallen silent? It accepts connections, passes every TCP ping, and answers no request.
//!
//! A stopped or deadlocked process is the failure that pings miss: the kernel completes the handshake for
//! it. Within milliseconds every keep-alive client waits at the silent backend and nothing is served, until
//! some long time-out ends it. But a request that waits proves nothing by itself: its path may be slow. So the balancer
//! asks before it judges: one HTTP exchange on a fresh connection, to which any answer counts.
//!
//! 1. A request has waited for half of [`Rule::at_least`] without a word from the backend, and longer than answers
//!    usually take or a second: the balancer **asks** the backend. An answer is a word, and the wait counts from it.
//! 2. The question is not answered in time, and the requests have waited for [`Rule::at_least`] and twice as long as
//!    usual, or the question for three times [`Rule::at_least`]: the backend is **silent**, if another backend has said a word since the question was asked.
//!
//! 3. A backend that gets no requests, because the policy prefers others, cannot be waited for. While the pool is in use,
//!    it is asked when it has not said a word for a second, and is silent if it has answered a question before and this one
//!    stays unanswered for twice [`Rule::at_least`]. So a stopped process is found before a request meets it.
//!
//! Requests may still wait at a backend that is **down** by its pings, or ejected. It is asked for them, by the same rule: if
//! it answers, they go on waiting; if it is silent, those that may be repeated leave it.
//!
//! A slow path is therefore never taken for silence: the backend answers the question. The other backend's word tells a
//! silent backend from a balancer that was itself asleep, and from a network that is gone for all. When there is too
//! little traffic for such a word, the balancer asks other backends as well.
//!
//! A backend that serves one request at a time and is busy with a long one cannot answer the question either. It is taken
//! for silent: it gets no new requests until it answers. A longer
//! [`Rule::at_least`] is the remedy.
//!
//! "Usually" is Jacobson's estimate, as TCP uses it for its retransmission timer (RFC 6298): smoothed
//! latency plus four mean deviations. It adapts to a mix of fast and slow answers within a few requests.

use std::time::Duration;

/// When waiting becomes silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Waiting requests that make a short question enough; at least 1. With fewer, the backend has four times as long
    /// to answer the question.
    pub waiting: u32,
    /// The requests must have waited at least this long, however fast the answers usually are.
    pub at_least: Duration,
}

/// How many times longer than usual a wait must last.
const TIMES_USUAL: u32 = 2;

/// How many times [`Rule::at_least`] a question may stay unanswered, even by a backend whose answers usually take long.
const UNANSWERED: u32 = 3;

/// Backends that are asked beside one that does not answer, so that their answers can speak against it.
const WITNESSES: usize = 2;

/// A backend that answered a question and still has requests waiting, or that gets none, is asked again after this time.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// After this time at work, each backend is asked once: if it answers, its silence on later questions means something.
const FIRST_QUESTION: Duration = Duration::from_secs(5);

/// A pool is in use if it got a request within this time.
const IN_USE: Duration = Duration::from_secs(3);

/// What one look at a backend's traffic shows. Times are durations since one common moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrafficSnapshot {
    /// It is up.
    pub up: bool,
    /// It is down or ejected, and not known to be silent as well.
    pub out: bool,
    /// Requests that were sent since the last byte and wait for their response head.
    pub unanswered: u32,
    /// When the first of them was sent. It means nothing while there are none.
    pub waiting_since: Option<Duration>,
    /// When they last became as many as [`Rule::waiting`]; `None` if they never did. It means nothing while they are
    /// fewer.
    pub enough_since: Option<Duration>,
    /// When the backend last said anything: a byte of a response, or an answer to a question. `None` for never.
    pub word: Option<Duration>,
    /// Since when a question waits for its answer; `None` if none does.
    pub asked: Option<Duration>,
    /// When the last question was sent, if ever.
    pub last_asked: Option<Duration>,
    /// The backend has answered a question before, so that silence on one means something.
    pub answers_questions: bool,
    /// How long its answers usually take.
    pub usual: Duration,
}

impl TrafficSnapshot {
    /// How long a request has waited since the backend's last word, if one waits.
    fn waited(&self, now: Duration) -> Option<Duration> {
        let since = self.waiting_since.filter(|_| self.unanswered > 0)?;
        Some(now.saturating_sub(self.word.map_or(since, |word| word.max(since))))
    }

    /// Whether requests may wait there in vain, as far as is known.
    fn may_be_silent(&self) -> bool {
        self.up || self.out
    }

    /// Whether a request waits that was already waiting when the backend answered the last question.
    fn answered_a_question(&self) -> bool {
        self.word.is_some() && self.word >= self.waiting_since
    }

    /// Whether it is time to ask.
    fn wants_asking(&self, now: Duration, rule: Rule) -> bool {
        let after = (rule.at_least / 2).max(self.usual.min(ASK_AGAIN));
        let after = if self.answered_a_question() { after.max(ASK_AGAIN) } else { after };
        self.may_be_silent() && self.asked.is_none() && self.waited(now).is_some_and(|waited| waited >= after)
    }

    /// Whether it gets no requests and has not said a word for long.
    fn is_quiet(&self, now: Duration) -> bool {
        let last = self.word.max(self.last_asked);
        let quiet_for = last.map_or(now, |last| now.saturating_sub(last));
        self.up && self.asked.is_none() && self.unanswered == 0 && quiet_for >= ASK_AGAIN
    }

    /// Whether it was never asked, although the pool has been at work for a while.
    fn is_unknown(&self, now: Duration) -> bool {
        self.up && self.last_asked.is_none() && !self.answers_questions && now >= FIRST_QUESTION
    }

    /// How long the backend has been silent, if the question has waited long enough for an answer.
    fn overdue(&self, now: Duration, rule: Rule) -> Option<Duration> {
        let asked_for = now.saturating_sub(self.asked?);
        let Some(waited) = self.waited(now) else {
            let means_something = self.up && self.answers_questions;
            return (means_something && asked_for >= rule.at_least * 2).then_some(asked_for);
        };
        let patience = rule.at_least.max(self.usual * TIMES_USUAL);
        let many = self.unanswered >= rule.waiting
            && self.enough_since.is_some_and(|since| now.saturating_sub(since) >= patience);
        let question = if many { rule.at_least / 2 } else { rule.at_least * 2 };
        // However long answers usually take, a question that stays unanswered for so long is answer enough.
        let waited_enough = waited >= patience || asked_for >= rule.at_least * UNANSWERED;
        (self.may_be_silent() && waited_enough && asked_for >= question).then_some(waited)
    }
}

/// Returns the backends to ask now, as indices into `all`: those at which a request has waited for long, and others whose
/// word could speak against a backend that has not answered yet.
pub fn to_ask(all: &[TrafficSnapshot], now: Duration, rule: Rule) -> Vec<usize> {
    let mut ask: Vec<_> = (0..all.len()).filter(|index| all[*index].wants_asking(now, rule)).collect();
    let in_use =
        all.iter().any(|one| one.waiting_since.is_some_and(|since| now.saturating_sub(since) < IN_USE));
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
    let has_witness = all.iter().any(|one| one.up && one.word >= all[unanswered].asked);
    if !has_witness {
        let others = (1..all.len()).map(|step| (unanswered + step) % all.len());
        let free =
            others.filter(|index| all[*index].up && all[*index].asked.is_none() && !ask.contains(index));
        let free: Vec<_> = free.take(WITNESSES).collect();
        ask.extend(free);
    }
    ask
}

/// Returns the backends to suspect, as indices into `all` with how long each has been silent.
///
/// Never returns all that are up: the backend that said the last word stays.
pub fn silent(all: &[TrafficSnapshot], now: Duration, rule: Rule) -> Vec<(usize, Duration)> {
    let last_word = all.iter().filter(|one| one.up).filter_map(|one| one.word).max();
    all.iter()
        .enumerate()
        .filter(|(_, one)| last_word.is_some() && last_word >= one.asked && last_word > one.word)
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

    /// A wait that is still ordinary.
    pub fn usual(self) -> Duration {
        Duration::from_micros(self.mean_us.saturating_add(self.deviation_us.saturating_mul(4)))
    }
}

#[cfg(test)]
#[path = "silence_tests.rs"]
mod tests;
