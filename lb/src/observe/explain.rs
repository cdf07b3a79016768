//! Explains why a request went to its backend: the decision for each attempt, with all facts at that time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use api::{Decision, Explanation};

/// The last decision in one line, for clients that see only headers.
pub(crate) fn in_short(explanation: &Explanation) -> String {
    let Some(decision) = explanation.decisions.last() else { return "no backend was tried".to_owned() };
    let Decision { attempt, policy, because, .. } = decision;
    let candidates: Vec<_> =
        decision.candidates.iter().map(|candidate| candidate.backend.to_string()).collect();
    let chosen = decision.chosen.map_or_else(|| "none".to_owned(), |number| number.to_string());
    let of = if candidates.is_empty() { "none".to_owned() } else { candidates.join(" ") };
    format!("attempt {attempt}: {policy} chose {chosen} of {of}: {because}")
}

/// The latest explanations.
#[derive(Debug, Default)]
pub(crate) struct Explanations(Mutex<VecDeque<Explanation>>);

impl Explanations {
    /// The number of explanations that are kept.
    pub(crate) const KEPT: usize = 256;

    /// Keeps an explanation, in place of an earlier one of the same request.
    pub(crate) fn keep(&self, explanation: Explanation) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.id != explanation.id);
        if kept.len() == Self::KEPT {
            kept.pop_front();
        }
        kept.push_back(explanation);
    }

    /// The explanation of the request with this id.
    pub(crate) fn find(&self, id: &str) -> Option<Explanation> {
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
