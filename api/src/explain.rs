//! Why a request went to its backends: `GET /explain/ID`, and the event `why`.

use serde::{Deserialize, Serialize};

use crate::Word;

/// The decisions about one request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation {
    /// The id of the request: its `X-Request-Id`, or a random number.
    pub id: String,
    /// The time of its arrival, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Its method.
    pub method: String,
    /// Its target, as the client wrote it.
    pub path: String,
    /// The status that the client got; `None` until then.
    pub status: Option<u16>,
    /// The decisions, in order: one for each backend that was picked.
    pub decisions: Vec<Decision>,
}

/// How one backend was picked, and the result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decision {
    /// The number of the attempt; the first is 1.
    pub attempt: u32,
    /// Whether this is a hedge: the request is still at the backend of the previous attempt, which is slow.
    pub hedge: bool,
    /// The policy in force.
    pub policy: Word,
    /// The backends that could be picked.
    pub candidates: Vec<Candidate>,
    /// The backends that could not be picked, with the reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Excluded>,
    /// The numbers of the backends that the policy drew or compared, if it draws.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drawn: Vec<usize>,
    /// The number of the backend that was picked, if any.
    pub chosen: Option<usize>,
    /// The kind of rule that chose: `turn`, `draw`, `better_of_two`, `lowest_score`, `key`, `cookie`,
    /// `last_resort` or `no_backend`.
    pub rule: Word,
    /// The reason for this choice, as a sentence.
    pub because: String,
    /// The result of each try.
    pub tries: Vec<Try>,
    /// The number of candidates and excluded backends that are left out, because there are many.
    #[serde(skip_serializing_if = "crate::is_zero")]
    pub left_out: usize,
}

impl Decision {
    /// The largest number of candidates, and of excluded backends, in a short decision.
    pub const SHORT: usize = 8;

    /// The decision with at most [`Self::SHORT`] candidates and as many excluded backends. The chosen backend
    /// stays, and so do the backends that were drawn.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        let before = self.candidates.len() + self.excluded.len();
        if self.candidates.len() > Self::SHORT {
            let is_important =
                |one: &Candidate| self.chosen == Some(one.backend) || self.drawn.contains(&one.backend);
            // The sort keeps the order of the others.
            self.candidates.sort_by_key(|one| !is_important(one));
            self.candidates.truncate(Self::SHORT);
            self.candidates.sort_by_key(|one| one.backend);
        }
        self.excluded.truncate(Self::SHORT);
        self.left_out = before - self.candidates.len() - self.excluded.len();
        self
    }
}

/// A backend that could be picked, with its values at that moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Candidate {
    /// The number of the backend.
    pub backend: usize,
    /// The weight of the backend.
    pub weight: u32,
    /// The requests in flight at the backend.
    pub in_flight: u32,
    /// The expected time of an answer, with a pessimistic estimate, in milliseconds.
    pub latency_ms: f64,
    /// The value that the policy compares (lower is better), if it compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

/// A backend that could not be picked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Excluded {
    /// The number of the backend.
    pub backend: usize,
    /// The reason.
    pub why: Word,
}

/// One try at a backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Try {
    /// The result: `answered`, or the failure.
    pub outcome: Word,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// The party to blame for a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blame: Option<Word>,
    /// Microseconds since the request arrived.
    pub at_us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_decision_keeps_the_backends_that_decided() {
        let candidate = |backend| Candidate { backend, ..Candidate::default() };
        let decision = Decision {
            candidates: (1..=100).map(candidate).collect(),
            excluded: (101..=120).map(|backend| Excluded { backend, why: "it is down".into() }).collect(),
            drawn: vec![40, 70],
            chosen: Some(70),
            ..Decision::default()
        };
        let short = decision.clone().shortened();
        let kept: Vec<_> = short.candidates.iter().map(|one| one.backend).collect();
        assert_eq!(kept, [1, 2, 3, 4, 5, 6, 40, 70]);
        assert_eq!((short.excluded.len(), short.left_out), (8, 104));
        let few = Decision { candidates: vec![candidate(2), candidate(1)], ..decision };
        assert_eq!(few.clone().shortened().candidates, few.candidates);
    }
}
