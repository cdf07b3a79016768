//! When is a backend alive? A small state machine turns evidence into states, and gives the reasons.
//!
//! ```text
//!            fall failed checks in a row, or no request can connect
//!      Up ────────────────────────────────────────────────────► Down
//!      ▲ │  ◄────────────────────────────────────────────────── ▲
//!      │ │       rise pings in a row answered, or a trial        │ refused pings
//!      │ └──────────────────────► Suspect ───────────────────────┘
//!      └───────────────────────────┘
//!  answers anything, or a trial     fell silent (see [`super::silence`])
//! ```
//!
//! A backend that is up or suspected can also be *ejected* because it answers with too many errors (see
//! [`super::outlier`]). After a limited time it is up again, or down if its checks fail.
//!
//! The failure of a request is no evidence here, because a client may have caused it. The failure makes the
//! balancer ask the backend at once, and the answer of the backend is the evidence (see
//! [`super::questions`]). The exception is a backend to which no connection can be made: the content of a
//! request cannot cause this.
//!
//! A connection that the kernel accepts proves nothing about the process behind it. So a TCP ping that
//! connects undoes only failures to connect. But some backends serve requests and answer no questions. A
//! backend that is out because it answered no question would never come back. So after some time it is
//! due for a *trial*: then connections count again, and it gets requests. If it fails the trial, the next
//! one is due after twice the time (see [`super::trial`]).
//!
//! Nothing here does I/O or reads a clock, so every rule is one line in a test.

use std::time::Duration;

use crate::Moment;
use crate::state::{Cause, Progress, State, Thresholds, Transition};
use crate::trial::trial_after;

/// One observation of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A TCP ping connected. The kernel accepts connections for a stopped process, too.
    Connected,
    /// The backend itself has answered a request or an HTTP ping. For a suspect, any byte counts.
    Answered,
    /// A ping failed: no connection, no answer in time, or the wrong answer.
    PingFailed(Cause),
    /// A ping found that the port refuses connections. This may change at any moment, and another try costs
    /// little.
    PingRefused(Cause),
    /// The backend accepted a connection and closed it without an answer, or its answer is not HTTP.
    NotHttp(Cause),
    /// A suspect did not answer an HTTP ping in time, which is nothing new.
    StillSilent,
    /// A request could not connect in all its tries, which is enough to take the backend down.
    CannotConnect {
        /// The failure, and the number of tries.
        cause: Cause,
        /// Whether the port refused all connections.
        refused: bool,
    },
    /// A request waits, the backend does not answer a question, and another backend sends something.
    FellSilent(Cause),
    /// The backend is new, or comes back from drain or maintenance: it must answer a ping before it gets
    /// requests.
    Returned(Cause),
    /// The backend answers with too many errors. It is ejected for this long.
    Outlier(Cause, Duration),
    /// Time has passed: if the ejection of the backend is over, the backend gets requests again.
    TimePassed,
}

/// The end of the last connection to a backend. It says how much time another one costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contact {
    /// The port refused or accepted it at once: little.
    Quick,
    /// The port accepted it, and the backend closed it without an HTTP answer: little, but the request may
    /// have run.
    Closed,
    /// It was not made in time, or there was no answer in time: much.
    Slow,
}

/// The health of one backend.
#[derive(Debug, Clone)]
pub struct Health {
    state: State,
    since: Moment,
    cause: Cause,
    /// Observations in a row that contradict the present state.
    streak: u32,
    /// One of these observations was a connection without an HTTP answer. So only an HTTP answer is evidence
    /// for the backend.
    must_answer: bool,
    contact: Contact,
    /// The backend has answered a question or an HTTP ping.
    answers_questions: bool,
    /// Trials since the last answer.
    trials: u32,
    /// The backend is down or ejected, and the requests that still wait at it get no answer.
    silent_while_out: bool,
    /// The number of ejections, minus those that were forgiven; and the end of the present ejection.
    ejections: u32,
    ejected_until: Option<Moment>,
    /// There is no evidence yet. So the first ping decides alone: a backend that was dead from the start does
    /// not get requests for `fall` rounds.
    unproven: bool,
}

impl Health {
    /// A backend counts as up until the first evidence, so that a balancer serves from its first moment. A
    /// request that meets a dead backend is retried at another backend.
    pub fn new(now: Moment) -> Self {
        Self {
            state: State::Up,
            since: now,
            cause: "assumed at start".into(),
            streak: 0,
            must_answer: false,
            contact: Contact::Quick,
            answers_questions: false,
            trials: 0,
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
    pub fn since(&self) -> Moment {
        self.since
    }

    /// The reason for the present state.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The progress towards another state, if there is any.
    pub fn progress(&self, thresholds: Thresholds) -> Option<Progress> {
        let (towards, of) = match self.state {
            State::Up | State::Suspect | State::Ejected => (State::Down, thresholds.fall),
            State::Down => (State::Up, thresholds.rise),
        };
        (self.streak > 0).then_some(Progress { towards, count: self.streak, of })
    }

    /// The number of ejections, minus those that were forgiven.
    pub fn ejections(&self) -> u32 {
        self.ejections
    }

    /// The backend had no errors for one interval: its next ejection is shorter.
    pub fn forgive(&mut self) {
        self.ejections = self.ejections.saturating_sub(1);
    }

    /// Whether only an HTTP answer is evidence for the backend, and an accepted connection is not.
    pub fn must_answer(&self, now: Moment) -> bool {
        (self.must_answer || self.state == State::Suspect) && !self.is_due_for_trial(now)
    }

    /// Whether the backend is out because it answered no question, and has been out for so long that it gets
    /// requests again when its port accepts connections.
    fn is_due_for_trial(&self, now: Moment) -> bool {
        let answers_nothing = self.state == State::Suspect || (self.state == State::Down && self.must_answer);
        answers_nothing && now.since(self.since) >= trial_after(self.trials, self.answers_questions)
    }

    /// Whether the backend has answered a question or an HTTP ping.
    pub fn answers_questions(&self) -> bool {
        self.answers_questions
    }

    /// The backend has answered a question or an HTTP ping.
    pub(crate) fn question_answered(&mut self) {
        self.answers_questions = true;
    }

    /// Whether a request without another backend may try this one although it is down: its port refused
    /// connections, which may be over by now and costs little to find out; or it answered a ping since then.
    pub fn is_last_resort(&self) -> bool {
        self.state == State::Down && self.contact == Contact::Quick
    }

    /// The same for a backend that accepts connections and closes them: it may close only those of questions.
    pub fn may_serve_requests_only(&self) -> bool {
        self.state == State::Down && self.contact == Contact::Closed
    }

    /// Whether requests at this backend get no answer: it is a suspect, or it is out and also silent.
    pub fn is_silent(&self) -> bool {
        self.state == State::Suspect || self.silent_while_out
    }

    /// Whether there was any evidence since the backend was added, or returned from drain or maintenance.
    pub fn is_proven(&self) -> bool {
        !self.unproven
    }

    /// Whether an answer to a request would change anything here. Answers are the most frequent evidence by
    /// far. The request path calls this first, and takes no lock if nothing would change.
    pub fn answer_matters(&self) -> bool {
        let disproves = match self.state {
            State::Suspect => true,
            State::Down => self.must_answer,
            State::Up | State::Ejected => self.streak > 0 || self.trials > 0,
        };
        self.unproven || disproves
    }

    /// Takes in one observation. Returns the change of state, if there is one.
    pub fn step(&mut self, now: Moment, evidence: Evidence, thresholds: Thresholds) -> Option<Transition> {
        // The passing of time is no evidence.
        let unproven = self.unproven;
        self.unproven &= evidence == Evidence::TimePassed;
        self.note_contact(&evidence);
        if let Evidence::Returned(cause) = evidence {
            (self.unproven, self.must_answer) = (true, false);
            (self.contact, self.trials) = (Contact::Quick, 0);
            return self.change(now, State::Down, cause);
        }
        match self.state {
            State::Up => self.step_up(now, evidence, thresholds.fall, unproven),
            State::Suspect => self.step_suspect(now, evidence, thresholds.fall),
            State::Ejected => self.step_ejected(now, evidence, thresholds.fall),
            State::Down => self.step_down(now, evidence, thresholds.rise, unproven),
        }
    }

    fn step_up(&mut self, now: Moment, evidence: Evidence, fall: u32, unproven: bool) -> Option<Transition> {
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
            Evidence::Outlier(cause, lasts) => self.eject(now, cause, lasts),
            Evidence::StillSilent | Evidence::Returned(_) | Evidence::TimePassed => None,
        }
    }

    /// A stopped process still completes TCP handshakes, and requests to it get no answer. Neither is new
    /// evidence about a suspect.
    fn step_suspect(&mut self, now: Moment, evidence: Evidence, fall: u32) -> Option<Transition> {
        match evidence {
            Evidence::Answered => self.change(now, State::Up, "it answers again".into()),
            Evidence::PingFailed(cause) | Evidence::PingRefused(cause) | Evidence::NotHttp(cause) => {
                self.fail(now, cause, fall)
            }
            Evidence::CannotConnect { cause, .. } => self.change(now, State::Down, cause),
            Evidence::Outlier(cause, lasts) => self.eject(now, cause, lasts),
            Evidence::Connected if self.is_due_for_trial(now) => self.begin_trial(now),
            Evidence::Connected
            | Evidence::StillSilent
            | Evidence::FellSilent(_)
            | Evidence::Returned(_)
            | Evidence::TimePassed => None,
        }
    }

    fn step_ejected(&mut self, now: Moment, evidence: Evidence, fall: u32) -> Option<Transition> {
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
            Evidence::StillSilent | Evidence::Outlier(..) | Evidence::Returned(_) | Evidence::TimePassed => {
                None
            }
        }
    }

    fn step_down(
        &mut self,
        now: Moment,
        evidence: Evidence,
        rise: u32,
        unproven: bool,
    ) -> Option<Transition> {
        match evidence {
            Evidence::Connected if self.is_due_for_trial(now) => self.begin_trial(now),
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
            Evidence::StillSilent | Evidence::Outlier(..) | Evidence::Returned(_) | Evidence::TimePassed => {
                None
            }
        }
    }

    /// One more failure in a row; [`Thresholds::fall`] of them take the backend down.
    fn fail(&mut self, now: Moment, cause: Cause, fall: u32) -> Option<Transition> {
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

    fn eject(&mut self, now: Moment, cause: Cause, lasts: Duration) -> Option<Transition> {
        self.ejections += 1;
        self.ejected_until = Some(now + lasts);
        self.change(now, State::Ejected, cause)
    }

    /// The port accepts connections, and it has been long since the backend answered no question: requests
    /// show whether it serves.
    fn begin_trial(&mut self, now: Moment) -> Option<Transition> {
        self.trials = self.trials.saturating_add(1);
        (self.must_answer, self.contact) = (false, Contact::Quick);
        self.change(now, State::Up, "on trial: it accepts connections, and may serve requests only".into())
    }

    /// The backend is out already. The requests that still wait at it learn that it is also silent.
    fn fall_silent(&mut self) -> Option<Transition> {
        (self.silent_while_out, self.contact) = (true, Contact::Slow);
        None
    }

    /// Records what an observation says about connections to the backend.
    fn note_contact(&mut self, evidence: &Evidence) {
        match evidence {
            Evidence::Answered => {
                (self.must_answer, self.contact) = (false, Contact::Quick);
                (self.silent_while_out, self.trials) = (false, 0);
            }
            Evidence::NotHttp(_) => (self.must_answer, self.contact) = (true, Contact::Closed),
            Evidence::Connected if self.must_answer => {}
            Evidence::Connected | Evidence::PingRefused(_) => self.contact = Contact::Quick,
            Evidence::CannotConnect { refused, .. } => {
                self.contact = if *refused { Contact::Quick } else { Contact::Slow };
            }
            Evidence::PingFailed(_) => self.contact = Contact::Slow,
            Evidence::StillSilent
            | Evidence::FellSilent(_)
            | Evidence::Returned(_)
            | Evidence::Outlier(..)
            | Evidence::TimePassed => {}
        }
    }

    fn reset(&mut self) -> Option<Transition> {
        self.streak = 0;
        None
    }

    fn change(&mut self, now: Moment, to: State, cause: Cause) -> Option<Transition> {
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
