//! The last sampled requests: where each of them went, and why.

use std::collections::{BTreeSet, VecDeque};

use api::{Req, Why};
use serde::Serialize;

/// The number of requests that are kept.
const KEPT: usize = 50;

/// One sampled request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// The time of its end, in microseconds since the epoch of the stream.
    pub t: u64,
    /// Its number.
    pub id: u64,
    /// The number of requests that it stands for.
    pub n: u32,
    /// Its method and its target. Clients wrote them: escape them.
    pub line: String,
    /// The backends in order, such as `B1 (connection refused) > B2`.
    pub route: String,
    /// The status that its client got.
    pub status: u16,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// Whether it needed more than one try.
    pub is_retried: bool,
    /// Microseconds until it went to a backend for the last time.
    pub queue_us: u64,
    /// Microseconds in all.
    pub total_us: u64,
    /// The reason for the last choice, as a sentence; empty if it is not known.
    pub because: String,
}

/// The keys of the sampled requests, for policies that use one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Keys {
    /// The number of different keys.
    pub distinct: usize,
    /// The number of requests with a key.
    pub of: usize,
}

/// The last sampled requests, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    requests: VecDeque<Sample>,
    /// The keys of the last requests that have one.
    keys: VecDeque<String>,
    /// Reasons whose request has not been told yet.
    reasons: VecDeque<(u64, String)>,
}

impl Samples {
    pub(super) fn end(&mut self, request: &Req) {
        let reason = self.reasons.iter().position(|(id, _)| *id == request.id);
        let because = reason.and_then(|at| self.reasons.remove(at)).map(|(_, because)| because);
        if let Some(key) = &request.key {
            if self.keys.len() == KEPT {
                self.keys.pop_front();
            }
            self.keys.push_back(key.clone());
        }
        if self.requests.len() == KEPT {
            self.requests.pop_front();
        }
        self.requests.push_back(Sample { because: because.unwrap_or_default(), ..sample(request) });
    }

    pub(super) fn explain(&mut self, why: &Why) {
        let Some(because) = why.decisions.last().map(|decision| decision.because.clone()) else { return };
        if let Some(request) = self.requests.iter_mut().rev().find(|request| request.id == why.id) {
            request.because = because;
            return;
        }
        if self.reasons.len() == KEPT {
            self.reasons.pop_front();
        }
        self.reasons.push_back((why.id, because));
    }

    pub(super) fn all(&self) -> Vec<Sample> {
        self.requests.iter().cloned().collect()
    }

    /// The keys of the last requests that have one.
    pub(super) fn keys(&self) -> Option<Keys> {
        let distinct = self.keys.iter().collect::<BTreeSet<_>>().len();
        (distinct > 0).then_some(Keys { distinct, of: self.keys.len() })
    }
}

fn sample(request: &Req) -> Sample {
    let mut route: Vec<String> =
        request.tried.iter().map(|(backend, reason)| format!("B{backend} ({reason})")).collect();
    let retries = match request.retries {
        0 => String::new(),
        retries => format!(" after {retries} retries"),
    };
    route.extend(request.backend.map(|backend| format!("B{backend}{retries}")));
    Sample {
        t: request.t,
        id: request.id,
        n: request.n,
        line: format!("{} {}", request.method, request.path),
        route: if route.is_empty() { "no backend".to_owned() } else { route.join(" > ") },
        status: request.status,
        failure: request.failure.as_ref().map(ToString::to_string),
        is_retried: request.attempts > 1 || request.retries > 0,
        queue_us: request.queue_us,
        total_us: request.total_us,
        because: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use api::Decision;

    use super::*;

    fn request(id: u64) -> Req {
        Req { id, method: "GET".into(), path: "/busy/20000".into(), status: 200, ..Req::default() }
    }

    fn why(id: u64, because: &str) -> Why {
        let decision = |text: &str| Decision { because: text.into(), ..Decision::default() };
        Why { id, decisions: vec![decision("an earlier choice"), decision(because)] }
    }

    #[test]
    fn a_route_names_the_backends_in_order() {
        for (tried, backend, retries, expected) in [
            (vec![], Some(2), 0, "B2"),
            (vec![(1, "connection refused".into())], Some(2), 0, "B1 (connection refused) > B2"),
            (vec![], Some(3), 2, "B3 after 2 retries"),
            (vec![], None, 0, "no backend"),
        ] {
            let request = Req { tried, backend, retries, ..request(1) };
            assert_eq!(sample(&request).route, expected);
        }
    }

    #[test]
    fn a_reason_finds_its_request_in_both_orders() {
        let mut samples = Samples::default();
        samples.end(&request(1));
        samples.explain(&why(1, "it is the idlest"));
        samples.explain(&why(2, "its turn"));
        samples.end(&request(2));
        samples.end(&request(3));
        let told: Vec<_> = samples.all().into_iter().map(|sample| (sample.id, sample.because)).collect();
        assert_eq!(told, [(1, "it is the idlest".into()), (2, "its turn".into()), (3, String::new())]);
    }

    #[test]
    fn keys_are_counted() {
        let mut samples = Samples::default();
        samples.end(&request(0));
        assert_eq!(samples.keys(), None);
        for key in ["127.0.0.1", "127.0.0.1", "::1"] {
            samples.end(&Req { key: Some(key.into()), ..request(1) });
        }
        assert_eq!(samples.keys(), Some(Keys { distinct: 2, of: 3 }));
        (0..200).for_each(|id| samples.end(&Req { key: Some("same".into()), ..request(id) }));
        assert_eq!(samples.keys(), Some(Keys { distinct: 1, of: KEPT }));
    }

    #[test]
    fn only_the_last_ones_are_kept() {
        let mut samples = Samples::default();
        (0..500).for_each(|id| samples.explain(&why(id, "never told")));
        (1000..1500).for_each(|id| samples.end(&request(id)));
        assert_eq!((samples.all().len(), samples.all()[0].id, samples.reasons.len()), (KEPT, 1450, KEPT));
    }
}
