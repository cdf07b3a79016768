//! Why did a request go where it went? Its decisions, one for each attempt, with all that was known when they were made.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use balance::explain::Pick;
use serde::Serialize;

/// How one request was decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// What the request is called: its `X-Request-Id`, or a number drawn for it.
    pub id: String,
    /// When it came, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Its method.
    pub method: String,
    /// Its target, as the client wrote it.
    pub path: String,
    /// The status the client was sent, once it was.
    pub status: Option<u16>,
    /// One for each backend that was picked, in their order.
    pub decisions: Vec<Decision>,
}

/// How one backend was picked, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// The request is still at the backend of the attempt before, which takes long.
    pub hedge: bool,
    /// How it was picked.
    #[serde(flatten)]
    pub pick: Pick,
    /// What came of it, try by try.
    pub tries: Vec<Try>,
}

/// One try at a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Try {
    /// What came of it: `answered`, or how it failed.
    pub outcome: &'static str,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Whose fault it was, if it failed.
    pub blame: Option<&'static str>,
    /// Microseconds since the request came.
    pub at_us: u64,
}

impl Explanation {
    /// The last decision in one line, for whoever sees only headers.
    pub fn in_short(&self) -> String {
        let Some(decision) = self.decisions.last() else { return "no backend was tried".to_owned() };
        let Decision { attempt, pick, .. } = decision;
        let Pick { policy, because, .. } = pick;
        let candidates: Vec<_> =
            pick.candidates.iter().map(|candidate| candidate.backend.to_string()).collect();
        let chosen = pick.chosen.map_or_else(|| "none".to_owned(), |number| number.to_string());
        let of = if candidates.is_empty() { "none".to_owned() } else { candidates.join(" ") };
        format!("attempt {attempt}: {policy} chose {chosen} of {of}: {because}")
    }
}

/// The explanations given last.
#[derive(Debug, Default)]
pub struct Explanations(Mutex<VecDeque<Explanation>>);

impl Explanations {
    /// How many are kept.
    pub const KEPT: usize = 256;

    /// Keeps one more, in the place of what was said of the same request before.
    pub fn keep(&self, explanation: Explanation) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.id != explanation.id);
        if kept.len() == Self::KEPT {
            kept.pop_front();
        }
        kept.push_back(explanation);
    }

    /// What was said of the request of this name.
    pub fn find(&self, id: &str) -> Option<Explanation> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|explanation| explanation.id == id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explanation(id: &str, status: u16) -> Explanation {
        Explanation {
            id: id.into(),
            at_unix_ms: 0,
            method: "GET".into(),
            path: "/".into(),
            status: Some(status),
            decisions: Vec::new(),
        }
    }

    #[test]
    fn the_last_ones_are_kept() {
        let kept = Explanations::default();
        kept.keep(explanation("first", 200));
        kept.keep(explanation("first", 502));
        assert_eq!(kept.find("first").and_then(|found| found.status), Some(502));
        (0..Explanations::KEPT).for_each(|n| kept.keep(explanation(&n.to_string(), 200)));
        assert_eq!(kept.find("first"), None);
        assert!(kept.find("0").is_some());
    }
}
