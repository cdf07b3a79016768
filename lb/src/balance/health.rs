//! When is a backend alive? A small state machine that turns evidence into states, and says why.
//!
//! ```text
//!            fall failures in a row, or a request gave up on it
//!      Up ────────────────────────────────────────────────────► Down
//!      ▲ │  ◄────────────────────────────────────────────────── ▲
//!      │ │            rise pings in a row answered               │ refused pings
//!      │ └──────────────────────► Suspect ───────────────────────┘
//!      └───────────────────────────┘
//!       answers anything     fell silent (see [`super::silence`])
//! ```
//!
//! Active evidence (pings) and passive evidence (real requests) feed the same counter, as HAProxy's
//! `observe` does: what matters is that the backend fails, not who noticed. Nothing here does I/O or
//! reads a clock, so every rule is a line in a test.

use std::borrow::Cow;
use std::time::Instant;

use serde::Serialize;

/// Why something was concluded, as a person would say it.
pub type Cause = Cow<'static, str>;

/// What a backend is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It gets its share of the requests.
    Up,
    /// It failed; it gets nothing until its pings are answered again.
    Down,
    /// It accepts connections and says nothing; it gets nothing until it answers anything at all.
    Suspect,
}

impl State {
    /// The word used in logs and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Suspect => "suspect",
        }
    }
}

/// How much evidence a change of state needs. HAProxy's words and defaults: `rise` 2, `fall` 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Answered pings in a row that bring a backend up; at least 1.
    pub rise: u32,
    /// Failures in a row that take it down; at least 1.
    pub fall: u32,
}

/// One observation of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A TCP ping connected. The kernel does that even for a process that is stopped.
    Connected,
    /// The backend itself has answered a request or an HTTP ping; if it was suspected, it has said anything at all.
    Answered,
    /// A ping failed.
    PingFailed(Cause),
    /// An HTTP ping to a suspect was not answered in time, which is no news.
    StillSilent,
    /// A request failed and the backend is to blame.
    Failed(Cause),
    /// A request failed so often that it left for another backend: enough to take this one down.
    GaveUp(Cause),
    /// Requests wait, nothing comes, and the other backends answer.
    FellSilent(Cause),
}

/// A change of state, to be logged once and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state from now on.
    pub to: State,
    /// Why.
    pub cause: Cause,
}

/// How far a backend has come towards its next state, such as "2 of 3 failures".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The state it is on its way to.
    pub towards: State,
    /// Observations in a row so far.
    pub count: u32,
    /// Observations in a row that it takes.
    pub of: u32,
}

/// What is known about one backend's health.
#[derive(Debug, Clone)]
pub struct Health {
    state: State,
    since: Instant,
    cause: Cause,
    /// Observations in a row that speak against the present state.
    streak: u32,
    /// No evidence yet: the first ping decides alone, so that a backend that was dead all along
    /// does not take its share for `fall` rounds.
    unproven: bool,
}

impl Health {
    /// A backend is taken to be up until the first evidence, so that a balancer serves from its first
    /// moment; a request that meets a dead one is retried elsewhere.
    pub fn new(now: Instant) -> Self {
        Self { state: State::Up, since: now, cause: "assumed at start".into(), streak: 0, unproven: true }
    }

    /// The present state.
    pub fn state(&self) -> State {
        self.state
    }

    /// When the present state began.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Why it is in its present state.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// How far it is on its way to another state, if it is on its way at all.
    pub fn progress(&self, thresholds: Thresholds) -> Option<Progress> {
        let (towards, of) = match self.state {
            State::Up | State::Suspect => (State::Down, thresholds.fall),
            State::Down => (State::Up, thresholds.rise),
        };
        (self.streak > 0).then_some(Progress { towards, count: self.streak, of })
    }

    /// Whether an answer to a request would change anything here. Answers are by far the most common
    /// evidence; the request path asks this first and takes no lock when nothing would change.
    pub fn answer_matters(&self) -> bool {
        self.unproven || self.state == State::Suspect || (self.state == State::Up && self.streak > 0)
    }

    /// Takes one observation in and returns the change of state it caused, if any.
    pub fn step(&mut self, now: Instant, evidence: Evidence, thresholds: Thresholds) -> Option<Transition> {
        let unproven = std::mem::replace(&mut self.unproven, false);
        match (self.state, evidence) {
            (State::Up, Evidence::Connected | Evidence::Answered) => self.reset(),
            (State::Up, Evidence::PingFailed(cause)) if unproven => self.change(now, State::Down, cause),
            (State::Up | State::Suspect, Evidence::PingFailed(cause) | Evidence::Failed(cause)) => {
                self.streak += 1;
                if self.streak < thresholds.fall {
                    return None;
                }
                let cause = match self.streak {
                    1 => cause,
                    n => format!("{cause}, {n} failures in a row").into(),
                };
                self.change(now, State::Down, cause)
            }
            (State::Up | State::Suspect, Evidence::GaveUp(cause)) => self.change(now, State::Down, cause),
            (State::Up, Evidence::FellSilent(cause)) => self.change(now, State::Suspect, cause),

            (State::Suspect, Evidence::Answered) => self.change(now, State::Up, "it answers again".into()),

            (State::Down, Evidence::Connected | Evidence::Answered) => {
                self.streak += 1;
                if self.streak < thresholds.rise {
                    return None;
                }
                let cause = match self.streak {
                    1 => "ping answered".into(),
                    n => format!("{n} pings in a row answered").into(),
                };
                self.change(now, State::Up, cause)
            }
            (State::Down, Evidence::PingFailed(_) | Evidence::Failed(_)) => self.reset(),

            // A stopped process still completes TCP handshakes, and what waits for it stays unanswered:
            // neither says anything new about a suspect. A dead one cannot become deader.
            (State::Suspect, Evidence::Connected | Evidence::StillSilent | Evidence::FellSilent(_))
            | (State::Up, Evidence::StillSilent)
            | (State::Down, Evidence::GaveUp(_) | Evidence::FellSilent(_) | Evidence::StillSilent) => None,
        }
    }

    fn reset(&mut self) -> Option<Transition> {
        self.streak = 0;
        None
    }

    fn change(&mut self, now: Instant, to: State, cause: Cause) -> Option<Transition> {
        let from = std::mem::replace(&mut self.state, to);
        self.since = now;
        self.cause = cause.clone();
        self.streak = 0;
        Some(Transition { from, to, cause })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const THRESHOLDS: Thresholds = Thresholds { rise: 2, fall: 3 };

    fn refused() -> Evidence {
        Evidence::PingFailed("connection refused".into())
    }

    /// Feeds the evidence to a backend that has answered once, and returns the states passed through.
    fn states(evidence: &[Evidence]) -> Vec<State> {
        let now = Instant::now();
        let mut health = Health::new(now);
        health.step(now, Evidence::Connected, THRESHOLDS);
        evidence
            .iter()
            .map(|seen| {
                health.step(now, seen.clone(), THRESHOLDS);
                health.state()
            })
            .collect()
    }

    #[test]
    fn evidence_leads_to_states() {
        use Evidence::{Answered, Connected, StillSilent};
        use State::{Down, Suspect, Up};
        let failed = || Evidence::Failed("reset".into());
        let gave_up = || Evidence::GaveUp("connection refused, after 3 retries".into());
        let silent = || Evidence::FellSilent("silent for 600 ms".into());
        let table = [
            ("three failed pings take it down", vec![refused(), refused(), refused()], vec![Up, Up, Down]),
            ("requests and pings share one counter", vec![failed(), refused(), failed()], vec![Up, Up, Down]),
            (
                "an answer between failures starts the count anew",
                vec![refused(), failed(), Answered, refused(), refused()],
                vec![Up, Up, Up, Up, Up],
            ),
            ("a request that gave up is enough", vec![gave_up()], vec![Down]),
            ("two pings bring it back", vec![gave_up(), Connected, Connected], vec![Down, Down, Up]),
            (
                "the pings must be in a row",
                vec![gave_up(), Connected, refused(), Connected, Connected],
                vec![Down, Down, Down, Down, Up],
            ),
            (
                "a silent backend is suspected, and a TCP ping does not clear it",
                vec![silent(), Connected, Connected, StillSilent, Answered],
                vec![Suspect, Suspect, Suspect, Suspect, Up],
            ),
            (
                "a suspect that refuses connections is down",
                vec![silent(), refused(), refused(), refused()],
                vec![Suspect, Suspect, Suspect, Down],
            ),
            ("silence of the dead is no news", vec![gave_up(), silent()], vec![Down, Down]),
        ];
        for (rule, evidence, expected) in table {
            assert_eq!(states(&evidence), expected, "{rule}");
        }
    }

    #[test]
    fn the_very_first_ping_decides_alone() {
        let now = Instant::now();
        let mut health = Health::new(now);
        let change = health.step(now, refused(), THRESHOLDS).unwrap();
        assert_eq!((change.from, change.to), (State::Up, State::Down));
        assert_eq!(change.cause, "connection refused");
    }

    #[test]
    fn progress_counts_towards_the_next_state() {
        let now = Instant::now();
        let mut health = Health::new(now);
        health.step(now, Evidence::Connected, THRESHOLDS);
        assert_eq!(health.progress(THRESHOLDS), None);
        health.step(now, refused(), THRESHOLDS);
        assert_eq!(health.progress(THRESHOLDS), Some(Progress { towards: State::Down, count: 1, of: 3 }));
    }

    fn any_evidence() -> impl Strategy<Value = Evidence> {
        prop_oneof![
            Just(Evidence::Connected),
            Just(Evidence::Answered),
            Just(Evidence::PingFailed("ping".into())),
            Just(Evidence::StillSilent),
            Just(Evidence::Failed("request".into())),
            Just(Evidence::GaveUp("gave up".into())),
            Just(Evidence::FellSilent("silent".into())),
        ]
    }

    proptest! {
        #[test]
        fn transitions_tell_the_truth(evidence in proptest::collection::vec(any_evidence(), 0..200)) {
            let now = Instant::now();
            let mut health = Health::new(now);
            for seen in evidence {
                let before = health.clone();
                let matters = before.answer_matters();
                let change = health.step(now, seen.clone(), THRESHOLDS);
                match &change {
                    Some(change) => {
                        prop_assert_ne!(change.from, change.to);
                        prop_assert_eq!(change.from, before.state());
                        prop_assert_eq!(change.to, health.state());
                    }
                    None => prop_assert_eq!(before.state(), health.state()),
                }
                if seen == Evidence::Answered && before.state() != State::Down && !matters {
                    prop_assert_eq!(before.streak, health.streak, "an answer said not to matter did");
                }
                prop_assert!(health.streak < THRESHOLDS.fall.max(THRESHOLDS.rise));
            }
        }
    }
}
