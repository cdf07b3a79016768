//! Which backends does the pool ask, and what does an answer mean? A failed or waiting request makes the
//! balancer ask its backend. This part of the pool keeps account of the questions.

use crate::Moment;
use std::sync::Arc;
use std::time::Duration;

use super::backend::{Backend, Peer};
use super::health::Evidence;
use super::pool::{ServerPool, Transition};
use super::silence::{self, TrafficSnapshot};
use super::state::State;

/// The end of a question to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Evidence about the backend.
    Evidence(Evidence),
    /// The backend accepted the connection and sent nothing in time.
    None,
    /// The question was not sent: the balancer is out of resources, or the answer is no longer needed.
    Unasked,
}

/// The result of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Nothing is decided yet: ask the backend again.
    pub again: bool,
    /// The change of state, if there is one.
    pub transition: Option<Transition>,
}

impl<X> ServerPool<X> {
    /// A request failed in a way that may be the fault of its backend: the pool asks the backend soon. A
    /// backend that is down is pinged until it is up again.
    pub fn ask_soon(&self, backend: &Backend) {
        if !backend.is(State::Down) {
            backend.traffic.want_asking();
        }
    }

    /// The backends to ask now, because a request has waited for long or has failed. Each of them counts as
    /// asked until [`ServerPool::asked`] gets the result.
    pub fn to_ask(&self, now: Moment) -> Vec<Arc<Peer<X>>> {
        let fleet = self.fleet();
        let members = &fleet.members;
        let mut ask = silence::to_ask(&snapshots(members), now, self.rules().silence);
        for (index, backend) in members.iter().enumerate() {
            if backend.traffic.wants_asking() && !backend.traffic.is_asked() && !ask.contains(&index) {
                ask.push(index);
            }
        }
        let asked = ask.into_iter().map(|index| Arc::clone(&members[index]));
        asked.inspect(|backend| backend.traffic.set_asked(Some(now))).collect()
    }

    /// A question to a backend has ended.
    pub fn asked(&self, backend: &Backend, answer: Reply, now: Moment) -> Asked {
        let mut transition = None;
        // This answer also covers a request that failed meanwhile.
        let after_failure = backend.traffic.take_wants_asking();
        match answer {
            Reply::Evidence(evidence) if backend.is(State::Down) => {
                transition = self.asked_while_down(backend, evidence, now);
            }
            // Without a failed or waiting request, pings check whether the backend is there, and the question
            // only checks that the process runs. And a backend that answers requests may reject only this
            // question.
            Reply::Evidence(Evidence::NotHttp(_)) if !after_failure || backend.may_dislike_questions() => {
                backend.answered_question(false, now);
            }
            Reply::Evidence(Evidence::PingRefused(_) | Evidence::PingFailed(_))
                if !after_failure && backend.traffic_snapshot().unanswered == 0 => {}
            Reply::Evidence(evidence) => {
                let failed = !matches!(evidence, Evidence::Answered);
                transition = self.pinged(backend, evidence, now);
                // Further questions bring the backend up or down soon, and requests should not have to wait
                // for the next pings.
                if failed && after_failure && backend.is_in_use() {
                    backend.traffic.want_asking();
                }
            }
            // The rule of silence decides about this case while a request waits.
            Reply::None if !backend.is_silent() && backend.traffic_snapshot().unanswered > 0 => {
                return Asked { again: true, transition: None };
            }
            Reply::None | Reply::Unasked => {}
        }
        backend.traffic.set_asked(None);
        Asked { again: false, transition }
    }

    /// A question to a backend that is down has ended. Pings decide when the backend is up again. The
    /// question was sent for the requests that still wait at the backend.
    fn asked_while_down(&self, backend: &Backend, evidence: Evidence, now: Moment) -> Option<Transition> {
        match evidence {
            Evidence::Answered | Evidence::NotHttp(_) => {
                backend.answered_question(evidence == Evidence::Answered, now);
                None
            }
            // A host that is gone cannot send an answer.
            Evidence::PingFailed(cause) | Evidence::PingRefused(cause) => {
                self.learn(backend, Evidence::FellSilent(cause), now)
            }
            _ => None,
        }
    }

    /// Looks at all backends' traffic and suspects those that have fallen silent.
    pub fn judge_silence(&self, now: Moment) -> Vec<Transition> {
        let fleet = self.fleet();
        let all = snapshots(&fleet.members);
        let suspect = |(index, silent): (usize, Duration)| {
            let waiting = match all[index].unanswered {
                0 => "a question waits for its answer".to_owned(),
                1 => "1 request waits".to_owned(),
                n => format!("{n} requests wait"),
            };
            let cause = format!("silent for {} ms while {waiting}", silent.as_millis());
            self.learn(&fleet.members[index], Evidence::FellSilent(cause.into()), now)
        };
        silence::silent(&all, now, self.rules().silence).into_iter().filter_map(suspect).collect()
    }
}

fn snapshots<X>(members: &[Arc<Peer<X>>]) -> Vec<TrafficSnapshot> {
    members.iter().map(|backend| backend.traffic_snapshot()).collect()
}

#[cfg(test)]
#[path = "questions_tests.rs"]
mod tests;
