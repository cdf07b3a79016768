//! The explanation of a request whose client asked for it, and how the client gets it.

use std::time::SystemTime;

use api::{Candidate, Decision, Excluded, Explanation, Try};
use balance::Moment;
use balance::explain::Pick;
use balance::verdict::{Blame, Failure};
use http::{HeaderName, HeaderValue};

use crate::clock;
use crate::observe::explain::in_short;
use crate::observe::{Observer, unix_ms};
use crate::proxy::message::head::{Headers, RequestHead};
use crate::proxy::message::request_id::REQUEST_ID;
use crate::proxy::record::details::without_query;

/// The client's wish; and in the answer, the name of the request at the admin port.
const EXPLAIN: HeaderName = HeaderName::from_static("x-lb-explain");
/// The last decision in one line.
const WHY: HeaderName = HeaderName::from_static("x-lb-why");

/// The explanation of a request in progress.
#[derive(Debug)]
pub(crate) struct Explained {
    explanation: Explanation,
    began: Moment,
    /// The client asked for it.
    asked: bool,
}

impl Explained {
    /// Starts an explanation if the client asks for it, or if the request is in the sample. The wish is for
    /// this balancer only, and is not forwarded. `query` says whether the query of the target is shown.
    pub(crate) fn begin(
        head: &mut RequestHead,
        began: Moment,
        query: bool,
        sampled: bool,
    ) -> Option<Box<Self>> {
        let asked = head.headers.get(&EXPLAIN).is_some_and(|value| value == "1");
        head.headers.remove(&EXPLAIN);
        (asked || sampled).then(|| {
            let explanation = Explanation {
                id: name(&head.headers),
                at_unix_ms: unix_ms(SystemTime::now()),
                method: head.method.to_string(),
                path: without_query(head.uri.to_string(), query),
                status: None,
                decisions: Vec::new(),
            };
            Box::new(Self { explanation, began, asked })
        })
    }

    /// A backend was picked, or no backend was available.
    pub(crate) fn decides(&mut self, pick: Pick) {
        let decisions = &mut self.explanation.decisions;
        let attempt = decisions.len() as u32 + 1;
        let hedge = decisions.last().is_some_and(|last| last.tries.is_empty());
        decisions.push(decision(attempt, hedge, pick));
    }

    /// A try at this backend failed.
    pub(crate) fn failed(&mut self, backend: usize, failure: Failure, blame: Blame) {
        self.ended(backend, failure.words(), None, Some(blame.name()));
    }

    /// This backend answered.
    pub(crate) fn answered(&mut self, backend: usize, status: u16) {
        self.ended(backend, "answered", Some(status), None);
    }

    fn ended(
        &mut self,
        backend: usize,
        outcome: &'static str,
        status: Option<u16>,
        blame: Option<&'static str>,
    ) {
        let at_us = clock::now().micros_since(self.began);
        let decision = self.explanation.decisions.iter_mut().rev().find(|one| one.chosen == Some(backend));
        if let Some(decision) = decision {
            let (outcome, blame) = (outcome.into(), blame.map(Into::into));
            decision.tries.push(Try { outcome, status, blame, at_us });
        }
    }

    /// Tells the client, and keeps the explanation for the admin port.
    pub(crate) fn add_header(&mut self, headers: &mut Headers, status: Option<u16>, observer: &Observer) {
        self.explanation.status = status;
        if !self.asked {
            return;
        }
        let told = [(EXPLAIN, self.explanation.id.clone()), (WHY, in_short(&self.explanation))];
        for (name, text) in told {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
        observer.explanations.keep(self.explanation.clone());
    }

    /// Keeps the explanation for the admin port, if the client asked for it, and returns its decisions.
    pub(crate) fn finish(self, observer: &Observer) -> Vec<Decision> {
        if self.asked {
            observer.explanations.keep(self.explanation.clone());
        }
        self.explanation.decisions
    }
}

/// A pick, as the admin port shows it.
fn decision(attempt: u32, hedge: bool, pick: Pick) -> Decision {
    let candidate = |one: balance::explain::Candidate| Candidate {
        backend: one.backend,
        weight: one.weight,
        in_flight: one.in_flight,
        latency_ms: (one.latency_ms * 1000.0).round() / 1000.0,
        score: one.score,
    };
    let excluded = |one: balance::explain::Excluded| Excluded { backend: one.backend, why: one.why };
    Decision {
        attempt,
        hedge,
        policy: pick.policy.into(),
        candidates: pick.candidates.into_iter().map(candidate).collect(),
        excluded: pick.excluded.into_iter().map(excluded).collect(),
        drawn: pick.drawn,
        chosen: pick.chosen,
        rule: <&str>::from(pick.rule).into(),
        because: pick.because,
        tries: Vec::new(),
        left_out: 0,
    }
}

/// The name of the request: the id from its client, if it can be part of a path; otherwise a new name.
fn name(headers: &Headers) -> String {
    let given = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let plain = given.filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(is_plain));
    plain.map_or_else(|| format!("{:016x}", fastrand::u64(..)), str::to_owned)
}
