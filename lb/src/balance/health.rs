//! When is a backend alive? A small state machine that turns evidence into states, and says why.
//!
//! ```text
//!            fall failed checks in a row, or no request can connect
//!      Up ────────────────────────────────────────────────────► Down
//!      ▲ │  ◄────────────────────────────────────────────────── ▲
//!      │ │            rise pings in a row answered               │ refused pings
//!      │ └──────────────────────► Suspect ───────────────────────┘
//!      └───────────────────────────┘
//!       answers anything     fell silent (see [`super::silence`])
//! ```
//!
//! Besides, a backend that is up or suspected is *ejected* when it answers worse than it should (see [`super::outlier`]).
//! It is up again when its time is over, or down if its checks fail.
//!
//! A request that fails is no evidence here: a client may have provoked the failure. The failure makes the balancer
//! ask the backend at once, and what the backend answers is the evidence (see [`super::questions`]). The exception is a
//! backend to which no connection can be made: no request is involved in that.
//!
//! A connection that the kernel accepts proves nothing about the process behind it. So a TCP ping that connects undoes
//! failures to connect, and nothing else. Nothing here does I/O or reads a clock, so every rule is a line in a test.

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
    /// A ping failed: no connection, no answer in time, or the wrong answer.
    PingFailed(Cause),
    /// A ping found that the port refuses connections. This may change at any moment, and another try costs little.
    PingRefused(Cause),
    /// The backend accepted a connection, and closed it without an answer or answered with something that is not HTTP.
    NotHttp(Cause),
    /// An HTTP ping to a suspect was not answered in time, which is no news.
    StillSilent,
    /// A request could not connect, however often it tried: enough to take the backend down. `refused`: the port
    /// refused each connection.
    CannotConnect {
        /// The failure, and how often the request tried.
        cause: Cause,
        /// Whether the port refused the connections.
        refused: bool,
    },
    /// A request waits, the backend was asked and says nothing, and another backend answers.
    FellSilent(Cause),
    /// The backend is new, or comes back from drain or maintenance: it must answer a ping before it gets requests.
    Returned(Cause),
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
    /// One of these observations was a connection without an HTTP answer, so that only an HTTP answer speaks for the
    /// backend.
    must_answer: bool,
    /// Nothing is known that would make another connection slow or useless: the port refused the last one, or accepted
    /// it.
    may_be_tried: bool,
    /// It is down or ejected, and the requests that still wait there wait in vain.
    silent_while_out: bool,
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
            must_answer: false,
            may_be_tried: true,
            silent_while_out: false,
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

    /// Whether only an HTTP answer speaks for the backend, and an accepted connection does not.
    pub fn must_answer(&self) -> bool {
        self.must_answer || self.state == State::Suspect
    }

    /// Whether a request for which no other backend is left may try this one, although it is down: its port refused
    /// connections, which may be over by now and costs next to nothing to find out; or a ping was answered since.
    pub fn is_last_resort(&self) -> bool {
        self.state == State::Down && self.may_be_tried
    }

    /// Whether requests that were sent to it wait in vain: it is suspected, or it is out and says nothing either.
    pub fn is_silent(&self) -> bool {
        self.state == State::Suspect || self.silent_while_out
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
        self.note_contact(&evidence);
        if let Evidence::Returned(cause) = evidence {
            self.unproven = true;
            self.may_be_tried = true;
            return self.change(now, State::Down, cause);
        }
        match self.state {
            State::Up => self.step_up(now, evidence, thresholds.fall, unproven),
            State::Suspect => self.step_suspect(now, evidence, thresholds.fall),
            State::Ejected => self.step_ejected(now, evidence, thresholds.fall),
            State::Down => self.step_down(now, evidence, thresholds.rise, unproven),
        }
    }

    fn step_up(&mut self, now: Instant, evidence: Evidence, fall: u32, unproven: bool) -> Option<Transition> {
        match evidence {
            Evidence::Connected if self.must_answer => None,
            Evidence::Connected | Evidence::Answered => self.reset(),
            Evidence::PingFailed(cause) | Evidence::PingRefused(cause) if unproven => {
                self.change(now, State::Down, cause)
            }
            Evidence::PingFailed(cause) | Evidence::PingRefused(cause) | Evidence::NotHttp(cause) => {
                self.fail(now, cause, fall)
            }
            Evidence::CannotConnect { cause, .. } => self.change(now, State::Down, cause),
            Evidence::FellSilent(cause) => self.change(now, State::Suspect, cause),
            Evidence::StoodOut(cause, lasts) => self.eject(now, cause, lasts),
            Evidence::StillSilent | Evidence::Returned(_) | Evidence::TimePassed => None,
        }
    }

    /// A stopped process still completes TCP handshakes, and what waits for it stays unanswered: neither says anything new
    /// about a suspect.
    fn step_suspect(&mut self, now: Instant, evidence: Evidence, fall: u32) -> Option<Transition> {
        match evidence {
            Evidence::Answered => self.change(now, State::Up, "it answers again".into()),
            Evidence::PingFailed(cause) | Evidence::PingRefused(cause) | Evidence::NotHttp(cause) => {
                self.fail(now, cause, fall)
            }
            Evidence::CannotConnect { cause, .. } => self.change(now, State::Down, cause),
            Evidence::StoodOut(cause, lasts) => self.eject(now, cause, lasts),
            Evidence::Connected
            | Evidence::StillSilent
            | Evidence::FellSilent(_)
            | Evidence::Returned(_)
            | Evidence::TimePassed => None,
        }
    }

    fn step_ejected(&mut self, now: Instant, evidence: Evidence, fall: u32) -> Option<Transition> {
        match evidence {
            Evidence::Connected if self.must_answer => None,
            Evidence::Connected | Evidence::Answered => self.reset(),
            Evidence::PingFailed(cause) | Evidence::PingRefused(cause) | Evidence::NotHttp(cause) => {
                self.fail(now, cause, fall)
            }
            Evidence::CannotConnect { cause, .. } => self.change(now, State::Down, cause),
            Evidence::FellSilent(_) => self.fall_silent(),
            Evidence::TimePassed if self.ejected_until.is_none_or(|until| now >= until) => {
                self.change(now, State::Up, "its ejection is over".into())
            }
            Evidence::StillSilent | Evidence::StoodOut(..) | Evidence::Returned(_) | Evidence::TimePassed => {
                None
            }
        }
    }

    fn step_down(
        &mut self,
        now: Instant,
        evidence: Evidence,
        rise: u32,
        unproven: bool,
    ) -> Option<Transition> {
        match evidence {
            Evidence::Connected if self.must_answer => None,
            Evidence::Connected | Evidence::Answered => {
                self.streak += 1;
                if self.streak < rise && !unproven {
                    return None;
                }
                let cause = match self.streak {
                    1 => "ping answered".into(),
                    n => format!("{n} pings in a row answered").into(),
                };
                self.change(now, State::Up, cause)
            }
            Evidence::PingFailed(_)
            | Evidence::PingRefused(_)
            | Evidence::NotHttp(_)
            | Evidence::CannotConnect { .. } => self.reset(),
            Evidence::FellSilent(_) => self.fall_silent(),
            Evidence::StillSilent | Evidence::StoodOut(..) | Evidence::Returned(_) | Evidence::TimePassed => {
                None
            }
        }
    }

    /// One more failure in a row; [`Thresholds::fall`] of them take the backend down.
    fn fail(&mut self, now: Instant, cause: Cause, fall: u32) -> Option<Transition> {
        self.streak += 1;
        if self.streak < fall {
            return None;
        }
        let cause = match self.streak {
            1 => cause,
            n => format!("{cause}, {n} failures in a row").into(),
        };
        self.change(now, State::Down, cause)
    }

    fn eject(&mut self, now: Instant, cause: Cause, lasts: Duration) -> Option<Transition> {
        self.ejections += 1;
        self.ejected_until = Some(now + lasts);
        self.change(now, State::Ejected, cause)
    }

    /// It is out already. The requests that still wait there learn that it is silent as well.
    fn fall_silent(&mut self) -> Option<Transition> {
        (self.silent_while_out, self.may_be_tried) = (true, false);
        None
    }

    /// Notes what an observation says about connections to the backend.
    fn note_contact(&mut self, evidence: &Evidence) {
        match evidence {
            Evidence::Answered => {
                (self.must_answer, self.may_be_tried) = (false, true);
                self.silent_while_out = false;
            }
            Evidence::NotHttp(_) => (self.must_answer, self.may_be_tried) = (true, false),
            Evidence::Connected => self.may_be_tried = !self.must_answer,
            Evidence::PingRefused(_) => self.may_be_tried = true,
            Evidence::CannotConnect { refused, .. } => self.may_be_tried = *refused,
            Evidence::PingFailed(_) => self.may_be_tried = false,
            Evidence::StillSilent
            | Evidence::FellSilent(_)
            | Evidence::Returned(_)
            | Evidence::StoodOut(..)
            | Evidence::TimePassed => {}
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
        self.silent_while_out = false;
        (from != to).then_some(Transition { from, to, cause })
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
