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
//! Besides, one that is up or suspected is *ejected* when it answers worse than it should (see [`super::outlier`]). It
//! is up again when its time is over, or down if it fails as the others do.
//!
//! Active evidence (pings) and passive evidence (real requests) feed the same counter, as HAProxy's
//! `observe` does: what matters is that the backend fails, not who noticed. Nothing here does I/O or
//! reads a clock, so every rule is a line in a test.

use std::borrow::Cow;
use std::time::{Duration, Instant};

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
    /// It answers, but with errors; it gets nothing for a while.
    Ejected,
}

impl State {
    /// The word used in logs and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Suspect => "suspect",
            Self::Ejected => "ejected",
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
    /// It answers worse than it should, and is ejected for so long.
    StoodOut(Cause, Duration),
    /// Time has passed: if it is ejected and its time is over, it gets another chance.
    TimePassed,
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
    /// How often it was ejected, less the times it was forgiven; and until when it is.
    ejections: u32,
    ejected_until: Option<Instant>,
    /// No evidence yet: the first ping decides alone, so that a backend that was dead all along
    /// does not take its share for `fall` rounds.
    unproven: bool,
}

impl Health {
    /// A backend is taken to be up until the first evidence, so that a balancer serves from its first
    /// moment; a request that meets a dead one is retried elsewhere.
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::Up,
            since: now,
            cause: "assumed at start".into(),
            streak: 0,
            ejections: 0,
            ejected_until: None,
            unproven: true,
        }
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
            State::Up | State::Suspect | State::Ejected => (State::Down, thresholds.fall),
            State::Down => (State::Up, thresholds.rise),
        };
        (self.streak > 0).then_some(Progress { towards, count: self.streak, of })
    }

    /// How often it was ejected, less the times it was forgiven.
    pub fn ejections(&self) -> u32 {
        self.ejections
    }

    /// It did well for a while: the next ejection will be shorter.
    pub fn forgive(&mut self) {
        self.ejections = self.ejections.saturating_sub(1);
    }

    /// Whether an answer to a request would change anything here. Answers are by far the most common
    /// evidence; the request path asks this first and takes no lock when nothing would change.
    pub fn answer_matters(&self) -> bool {
        self.unproven || self.state == State::Suspect || (self.state != State::Down && self.streak > 0)
    }

    /// Takes one observation in and returns the change of state it caused, if any.
    pub fn step(&mut self, now: Instant, evidence: Evidence, thresholds: Thresholds) -> Option<Transition> {
        // That time passes is no evidence.
        let unproven = self.unproven;
        self.unproven &= evidence == Evidence::TimePassed;
        match (self.state, evidence) {
            (State::Up | State::Ejected, Evidence::Connected | Evidence::Answered) => self.reset(),
            (State::Up, Evidence::PingFailed(cause)) if unproven => self.change(now, State::Down, cause),
            (
                State::Up | State::Suspect | State::Ejected,
                Evidence::PingFailed(cause) | Evidence::Failed(cause),
            ) => {
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
            (State::Up | State::Suspect | State::Ejected, Evidence::GaveUp(cause)) => {
                self.change(now, State::Down, cause)
            }
            (State::Up, Evidence::FellSilent(cause)) => self.change(now, State::Suspect, cause),
            (State::Up | State::Suspect, Evidence::StoodOut(cause, lasts)) => {
                self.ejections += 1;
                self.ejected_until = Some(now + lasts);
                self.change(now, State::Ejected, cause)
            }
            (State::Ejected, Evidence::TimePassed) if self.ejected_until.is_none_or(|until| now >= until) => {
                self.change(now, State::Up, "its ejection is over".into())
            }

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
            // neither says anything new about a suspect. A dead one cannot become deader, and who is ejected gets
            // too little to be judged by.
            (State::Suspect, Evidence::Connected | Evidence::StillSilent | Evidence::FellSilent(_))
            | (State::Up, Evidence::StillSilent)
            | (
                State::Ejected,
                Evidence::StillSilent
                | Evidence::FellSilent(_)
                | Evidence::StoodOut(..)
                | Evidence::TimePassed,
            )
            | (State::Up | State::Down | State::Suspect, Evidence::TimePassed)
            | (
                State::Down,
                Evidence::GaveUp(_)
                | Evidence::FellSilent(_)
                | Evidence::StillSilent
                | Evidence::StoodOut(..),
            ) => None,
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
#[path = "health_tests.rs"]
mod tests;
