//! The requests that a report shows: those that were retried, the slowest, and the last ones.

use std::collections::VecDeque;

use api::{Req, Why};

/// The number of requests of each kind that are kept.
const KEPT: usize = 100;

/// The number of slowest requests that are kept.
const SLOWEST: usize = 20;

/// The longest text of a client that is kept, in characters.
const LONGEST: usize = 200;

/// A request, and the decisions about it if they were told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) request: Req,
    pub(super) why: Option<Why>,
}

/// Some requests of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    /// Oldest first.
    last: VecDeque<Told>,
    /// Oldest first.
    retried: VecDeque<Told>,
    /// Slowest first.
    slowest: Vec<Told>,
    /// Decisions whose request has not been told yet.
    reasons: VecDeque<Why>,
}

impl Requests {
    /// A request has ended.
    pub(super) fn end(&mut self, request: &Req) {
        let cut = |text: &str| text.chars().take(LONGEST).collect();
        let request = Req { method: cut(&request.method), path: cut(&request.path), ..request.clone() };
        let at = self.reasons.iter().position(|why| why.id == request.id);
        let why = at.and_then(|at| self.reasons.remove(at));
        let told = Told { request, why };
        if is_retried(&told.request) {
            push(&mut self.retried, told.clone());
        }
        let place = self.slowest.partition_point(|one| one.request.total_us >= told.request.total_us);
        if place < SLOWEST {
            self.slowest.insert(place, told.clone());
            self.slowest.truncate(SLOWEST);
        }
        push(&mut self.last, told);
    }

    /// The decisions about a request, which may come before its end is told.
    pub(super) fn explain(&mut self, why: &Why) {
        let lists = self.last.iter_mut().rev().chain(self.retried.iter_mut().rev()).chain(&mut self.slowest);
        let mut is_known = false;
        for told in lists.filter(|told| told.request.id == why.id) {
            told.why = Some(why.clone());
            is_known = true;
        }
        if !is_known {
            push(&mut self.reasons, why.clone());
        }
    }

    /// Up to so many requests that needed more than one try, newest first.
    pub(super) fn retried(&self, most: usize) -> impl Iterator<Item = &Told> {
        self.retried.iter().rev().take(most)
    }

    /// The same for the slowest ones, slowest first.
    pub(super) fn slowest(&self, most: usize) -> impl Iterator<Item = &Told> {
        self.slowest.iter().take(most)
    }

    /// The same for the last ones, newest first.
    pub(super) fn last(&self, most: usize) -> impl Iterator<Item = &Told> {
        self.last.iter().rev().take(most)
    }

    /// About how many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        // A decision has at most 8 candidates and 8 exclusions, and a request has a decision for each backend
        // that it met.
        let of_why = |why: &Why| 64 + 2_000 * why.decisions.len();
        let of = |told: &Told| {
            let texts = told.request.method.len() + told.request.path.len() + 64 * told.request.tried.len();
            size_of::<Told>() + texts + told.why.as_ref().map_or(0, of_why)
        };
        let told = self.last.iter().chain(&self.retried).chain(&self.slowest);
        told.map(of).sum::<usize>() + self.reasons.iter().map(of_why).sum::<usize>()
    }
}

fn push<T>(list: &mut VecDeque<T>, one: T) {
    if list.len() == KEPT {
        list.pop_front();
    }
    list.push_back(one);
}

fn is_retried(request: &Req) -> bool {
    request.attempts > 1 || request.retries > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: u64, total_us: u64) -> Req {
        Req { id, total_us, attempts: 1, path: "/x".repeat(500), ..Req::default() }
    }

    fn ids<'a>(told: impl Iterator<Item = &'a Told>) -> Vec<u64> {
        told.map(|told| told.request.id).collect()
    }

    #[test]
    fn the_slowest_the_retried_and_the_last_ones_are_kept() {
        let mut requests = Requests::default();
        (0..1000).for_each(|id| requests.end(&request(id, if id == 7 { 9_000 } else { id })));
        requests.end(&Req { attempts: 2, ..request(1000, 5) });
        requests.end(&Req { retries: 1, ..request(1001, 5) });
        assert_eq!(ids(requests.slowest(3)), [7, 999, 998]);
        assert_eq!(ids(requests.last(2)), [1001, 1000]);
        assert_eq!(ids(requests.retried(9)), [1001, 1000]);
        assert_eq!((requests.last.len(), requests.slowest.len()), (KEPT, SLOWEST));
        assert_eq!(requests.last[0].request.path.len(), LONGEST);
    }

    #[test]
    fn a_reason_finds_its_request_in_both_orders() {
        let mut requests = Requests::default();
        requests.explain(&Why { id: 1, decisions: vec![] });
        requests.end(&Req { attempts: 2, ..request(1, 5) });
        requests.end(&Req { attempts: 2, ..request(2, 5) });
        requests.explain(&Why { id: 2, decisions: vec![] });
        for told in requests.last(9).chain(requests.retried(9)).chain(requests.slowest(9)) {
            assert_eq!(told.why.as_ref().map(|why| why.id), Some(told.request.id));
        }
        (10..1000).for_each(|id| requests.explain(&Why { id, decisions: vec![] }));
        assert_eq!(requests.reasons.len(), KEPT);
        let bytes = requests.bytes();
        assert!((KEPT * 64..200_000).contains(&bytes), "{bytes}");
    }
}
