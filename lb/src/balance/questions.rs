//! Whom does the pool ask, and what does an answer say? A failed or waiting request makes the balancer ask its backend; this
//! is the part of the pool that keeps account of the questions.

use std::sync::Arc;
use std::time::Instant;

use super::health::{Cause, Evidence, State};
use super::silence::{self, TrafficSnapshot};
use super::{Backend, ServerPool};

/// What came of a question to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// This says something about the backend.
    Evidence(Evidence),
    /// The backend accepted the connection and said nothing in time.
    None,
    /// The question was not asked: this balancer lacks something, or no longer needs to know.
    Unasked,
}

/// What a failed request teaches about its backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lesson {
    /// Nothing: the failure is the client's or the balancer's, or it happens to sound backends too.
    Nothing,
    /// The backend may have failed, or the request may be at fault: the backend is asked.
    Ask,
    /// No connection can be made to the backend: it is down.
    Down {
        /// The failure, and how often the request tried.
        cause: Cause,
        /// Whether the port refused the connections.
        refused: bool,
    },
}

impl ServerPool {
    /// Takes in what a failed request teaches about its backend.
    pub fn teach(&self, backend: &Backend, lesson: Lesson, now: Instant) {
        match lesson {
            Lesson::Nothing => {}
            // A backend that is down is pinged until it is back.
            Lesson::Ask if backend.is(State::Down) => {}
            Lesson::Ask => backend.want_asking(),
            Lesson::Down { cause, refused } => {
                self.learn(backend, Evidence::CannotConnect { cause, refused }, now);
            }
        }
    }

    /// The backends to ask now, because a request has waited for long or has failed. Each counts as asked until
    /// [`ServerPool::asked`] is told what came of it.
    pub fn to_ask(&self, now: Instant) -> Vec<Arc<Backend>> {
        let fleet = self.fleet.load();
        let members = &fleet.members;
        let mut ask = silence::to_ask(&snapshots(members), self.since_epoch(now), self.rules().silence);
        for (index, backend) in members.iter().enumerate() {
            if backend.wants_asking() && !backend.is_asked() && !ask.contains(&index) {
                ask.push(index);
            }
        }
        let asked = ask.into_iter().map(|index| Arc::clone(&members[index]));
        asked.inspect(|backend| backend.set_asked(Some(now))).collect()
    }

    /// A question to a backend has ended. Returns whether to ask it again: nothing is decided yet.
    pub fn asked(&self, backend: &Backend, answer: Reply, now: Instant) -> bool {
        // A request that failed meanwhile had its answer as well.
        let after_failure = backend.take_wants_asking();
        match answer {
            Reply::Evidence(evidence) if backend.is(State::Down) => {
                self.asked_while_down(backend, evidence, now);
            }
            // Without a request that failed or waits, pings find out whether the backend is there; it is enough to know
            // that the process runs. And a backend that answers requests may dislike the question alone.
            Reply::Evidence(Evidence::NotHttp(_)) if !after_failure || backend.may_dislike_questions() => {
                backend.answered_question(false, now);
            }
            Reply::Evidence(Evidence::PingRefused(_) | Evidence::PingFailed(_))
                if !after_failure && backend.traffic_snapshot().unanswered == 0 => {}
            Reply::Evidence(evidence) => {
                let failed = !matches!(evidence, Evidence::Answered);
                self.pinged(backend, evidence, now);
                // The backend is either well or down in the end, and requests should not have to wait for that.
                if failed && after_failure && backend.is_in_use() {
                    backend.want_asking();
                }
            }
            // The rule of silence decides about that, while a request waits.
            Reply::None if !backend.is_silent() && backend.traffic_snapshot().unanswered > 0 => return true,
            Reply::None | Reply::Unasked => {}
        }
        backend.set_asked(None);
        false
    }

    /// A question to a backend that is down has ended. Its pings decide when it is up again; the question was asked for the
    /// requests that still wait there.
    fn asked_while_down(&self, backend: &Backend, evidence: Evidence, now: Instant) {
        match evidence {
            Evidence::Answered | Evidence::NotHttp(_) => {
                backend.answered_question(evidence == Evidence::Answered, now);
            }
            // An answer would have to come from a host that is gone.
            Evidence::PingFailed(cause) | Evidence::PingRefused(cause) => {
                self.learn(backend, Evidence::FellSilent(cause), now);
            }
            _ => {}
        }
    }

    /// Looks at all backends' traffic and suspects those that have fallen silent.
    pub fn judge_silence(&self, now: Instant) {
        let fleet = self.fleet.load();
        let all = snapshots(&fleet.members);
        for (index, silent) in silence::silent(&all, self.since_epoch(now), self.rules().silence) {
            let waiting = match all[index].unanswered {
                0 => "it is asked".to_owned(),
                1 => "1 request waits".to_owned(),
                n => format!("{n} requests wait"),
            };
            let cause = format!("silent for {} ms while {waiting}", silent.as_millis());
            self.learn(&fleet.members[index], Evidence::FellSilent(cause.into()), now);
        }
    }
}

fn snapshots(members: &[Arc<Backend>]) -> Vec<TrafficSnapshot> {
    members.iter().map(|backend| backend.traffic_snapshot()).collect()
}

#[cfg(test)]
#[path = "questions_tests.rs"]
mod tests;
