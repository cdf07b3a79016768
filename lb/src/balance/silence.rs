//! Which backend has fallen silent? It accepts connections, passes every TCP ping, and answers nobody.
//!
//! A stopped or deadlocked process is the failure that pings miss: the kernel completes the handshake for
//! it. Within milliseconds every keep-alive client waits at the silent backend and nothing is served, until
//! some long time-out ends it. So the balancer looks at its own traffic. A backend is silent when
//!
//! 1. at least [`Rule::waiting`] requests wait that were sent to it since its last byte, and they have waited
//!    much longer than its answers usually take, and
//! 2. another backend has answered since then and is not on its way into silence itself.
//!
//! Rule 1 counts only requests sent *after* the last byte. A slow path among fast ones therefore never
//! looks like silence: the fast answers keep coming, and each begins the count anew. Rule 2 tells a silent
//! backend from a balancer that was itself asleep, and from a network that is gone for all.
//!
//! "Usually" is Jacobson's estimate, as TCP uses it for its retransmission timer (RFC 6298): smoothed
//! latency plus four mean deviations. It adapts to a mix of fast and slow answers within a few requests.

use std::time::Duration;

/// When waiting becomes silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Requests that must wait unanswered; at least 1. With fewer, one slow answer would be enough.
    pub waiting: u32,
    /// They must have waited at least this long, however fast the answers usually are.
    pub at_least: Duration,
}

/// How many times longer than usual a wait must last.
const PATIENCE: u32 = 2;

/// What one look at a backend's traffic shows. Times are durations since one common moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    /// It may be suspected: it is up.
    pub up: bool,
    /// Requests that were sent since the last byte and wait for their response head.
    pub unanswered: u32,
    /// When they last became as many as [`Rule::waiting`]; `None` if they never did. It says nothing while
    /// they are fewer.
    pub enough_since: Option<Duration>,
    /// When the last byte came, if ever.
    pub heard: Option<Duration>,
    /// How long its answers usually take.
    pub usual: Duration,
}

impl Glance {
    /// How long [`Rule::waiting`] requests have waited, if there are so many.
    fn waited(&self, now: Duration, rule: Rule) -> Option<Duration> {
        self.enough_since.filter(|_| self.unanswered >= rule.waiting).map(|since| now.saturating_sub(since))
    }

    /// How long that may last.
    fn patience(&self, rule: Rule) -> Duration {
        rule.at_least.max(self.usual * PATIENCE)
    }

    fn overdue(&self, now: Duration, rule: Rule) -> Option<Duration> {
        self.waited(now, rule).filter(|waited| *waited >= self.patience(rule))
    }

    /// Whether it shows that answers can be had. One that has itself been waited for half the time shows
    /// nothing: when all stall together, the first to be overdue must not be judged by the second.
    fn is_witness(&self, now: Duration, rule: Rule) -> bool {
        self.up && self.waited(now, rule).is_none_or(|waited| waited * 2 < self.patience(rule))
    }
}

/// Returns the backends to suspect, as indices into `glances` with how long each has been silent.
///
/// Never returns all that are up: whoever answers last keeps its place.
pub fn silent(glances: &[Glance], now: Duration, rule: Rule) -> Vec<(usize, Duration)> {
    let answers_meanwhile = |silent: &Glance| {
        glances
            .iter()
            .any(|other| other.is_witness(now, rule) && other.heard.is_some() && other.heard >= silent.heard)
    };
    glances
        .iter()
        .enumerate()
        .filter(|(_, glance)| glance.up && answers_meanwhile(glance))
        .filter_map(|(index, glance)| Some((index, glance.overdue(now, rule)?)))
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
mod tests {
    use super::*;

    const RULE: Rule = Rule { waiting: 3, at_least: Duration::from_millis(500) };

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// A backend that answered at 990 ms and has nothing to do.
    fn well() -> Glance {
        Glance { up: true, unanswered: 0, enough_since: None, heard: Some(ms(990)), usual: ms(2) }
    }

    /// A backend whose last byte came at 300 ms, with 8 requests waiting since 310 ms.
    fn stalled() -> Glance {
        Glance { up: true, unanswered: 8, enough_since: Some(ms(310)), heard: Some(ms(300)), usual: ms(2) }
    }

    #[test]
    fn one_silent_among_the_answering_is_suspected() {
        assert_eq!(silent(&[well(), stalled(), well()], ms(1000), RULE), [(1, ms(690))]);
    }

    #[test]
    fn each_condition_is_needed() {
        let table = [
            ("fewer wait than the rule asks", Glance { unanswered: 2, ..stalled() }),
            ("they wait, but not for long", Glance { enough_since: Some(ms(600)), ..stalled() }),
            ("it usually takes that long", Glance { usual: ms(400), ..stalled() }),
            ("it is out already", Glance { up: false, ..stalled() }),
        ];
        for (why_not, glance) in table {
            assert_eq!(silent(&[well(), glance], ms(1000), RULE), [], "{why_not}");
        }
    }

    #[test]
    fn a_backend_that_never_said_a_word_can_be_suspected() {
        let mute = Glance { heard: None, ..stalled() };
        assert_eq!(silent(&[mute, well()], ms(1000), RULE), [(0, ms(690))]);
    }

    #[test]
    fn when_all_are_silent_nobody_is_suspected() {
        assert_eq!(silent(&[stalled(), stalled()], ms(1000), RULE), []);
        // Nor is the first that is overdue, when the others soon will be.
        let soon = Glance { enough_since: Some(ms(700)), heard: Some(ms(690)), ..stalled() };
        assert_eq!(silent(&[stalled(), soon], ms(1000), RULE), []);
        let busy = Glance { enough_since: Some(ms(980)), heard: Some(ms(979)), ..stalled() };
        assert_eq!(silent(&[stalled(), busy], ms(1000), RULE), [(0, ms(690))]);
    }

    #[test]
    fn the_last_alive_backend_is_never_suspected() {
        let dead = Glance { up: false, ..well() };
        assert_eq!(silent(&[stalled(), dead], ms(1000), RULE), []);
    }

    #[test]
    fn others_must_have_answered_since() {
        let quiet = Glance { heard: Some(ms(100)), ..well() };
        assert_eq!(silent(&[stalled(), quiet], ms(1000), RULE), []);
    }

    #[test]
    fn the_estimate_follows_the_latency() {
        let mut estimate = Estimate::default();
        for _ in 0..100 {
            estimate = estimate.with(ms(10));
        }
        assert!(estimate.usual() < ms(11), "{estimate:?}");
        // One answer in fifty takes 5 s: for the next few answers long waits are ordinary.
        assert!(estimate.with(ms(5000)).usual() > ms(5000));
    }
}
