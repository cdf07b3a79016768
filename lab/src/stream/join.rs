//! The join of the balancer's sample with the requests of the load. Pure.
//!
//! The balancer tells a sample of the requests, and the load knows them all. A request of the sample waits at
//! most [`HOLD_US`] for what its client knows, and a request of the load as long for the sample.

use std::collections::VecDeque;

use api::{Event, Req, Why};

use super::requests::{ClientSide, FIRST_ID, LoadNames, both_sides, with_truth};

/// How long one side waits for the other, in microseconds.
pub(super) const HOLD_US: u64 = 200_000;

/// How long a request of the load is remembered, in microseconds: the sample may be late.
const KEEP_US: u64 = 1_000_000;

/// The largest number of requests of the sample that wait.
const MOST_HELD: usize = 1024;

/// The largest number of requests of the load that are remembered.
const MOST_KEPT: usize = 16_384;

/// An event, for the readers who want it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum For {
    /// For all readers.
    Both(Event),
    /// For readers of the sample.
    Samples(Event),
    /// For readers of all requests.
    All(Event),
}

/// What waits for its other side.
#[derive(Debug, Default)]
pub(super) struct Join {
    /// The load; `None` if the lab has none.
    names: Option<LoadNames>,
    /// Requests of the sample without a client side, in the order in which they came.
    held: VecDeque<Sample>,
    /// Requests of the load, in the order in which they came.
    kept: VecDeque<Kept>,
    /// The number of requests of the load that were told with an id of the lab.
    told: u64,
}

/// A request of the sample, with the decisions about it.
#[derive(Debug)]
struct Sample {
    number: u64,
    req: Box<Req>,
    why: Option<Box<Why>>,
    since: u64,
}

/// A request of the load.
#[derive(Debug)]
struct Kept {
    side: ClientSide,
    since: u64,
    /// Readers of all requests have it.
    is_told: bool,
    /// Readers of the sample have it.
    is_joined: bool,
}

impl Join {
    /// A join with the requests of a load.
    pub(super) fn new(names: Option<LoadNames>) -> Self {
        Self { names, ..Self::default() }
    }

    /// An event of the merge, at this time.
    pub(super) fn event(&mut self, event: Event, now: u64) -> Vec<For> {
        match event {
            Event::Req(req) => self.sample(req, now),
            Event::Why(why) => match self.held.iter_mut().rev().find(|held| held.req.id == why.id) {
                Some(held) => {
                    held.why = Some(why);
                    Vec::new()
                }
                None => vec![For::Both(Event::Why(why))],
            },
            other => vec![For::Both(other)],
        }
    }

    /// A request of the sample. A request that is not of the load is told at once.
    fn sample(&mut self, req: Box<Req>, now: u64) -> Vec<For> {
        let number = self.names.as_ref().and_then(|names| names.number(req.request_id.as_deref()));
        let Some(number) = number else { return vec![For::Both(Event::Req(req))] };
        let sample = Sample { number, req, why: None, since: now };
        let side = self.kept.iter_mut().find(|kept| is_pair(&sample, kept));
        if let Some(kept) = side {
            return joined(sample, kept);
        }
        self.held.push_back(sample);
        match self.held.len() > MOST_HELD {
            true => self.held.pop_front().map(alone).unwrap_or_default(),
            false => Vec::new(),
        }
    }

    /// Requests of the load have ended.
    pub(super) fn ended(&mut self, sides: Vec<ClientSide>, now: u64) -> Vec<For> {
        let mut told = Vec::new();
        for side in sides {
            let mut kept = Kept { side, since: now, is_told: false, is_joined: false };
            if let Some(place) = self.held.iter().position(|held| is_pair(held, &kept))
                && let Some(sample) = self.held.remove(place)
            {
                told.extend(joined(sample, &mut kept));
            }
            self.kept.push_back(kept);
        }
        let surplus = self.kept.len().saturating_sub(MOST_KEPT);
        for mut kept in self.kept.drain(..surplus) {
            told.extend(unsampled(&mut kept, &mut self.told));
        }
        told
    }

    /// Time passes: what has waited long enough is told as it is.
    pub(super) fn pass(&mut self, now: u64) -> Vec<For> {
        let mut told = Vec::new();
        let is_over = |since: u64, time: u64| now.saturating_sub(since) >= time;
        while self.held.front().is_some_and(|held| is_over(held.since, HOLD_US)) {
            told.extend(self.held.pop_front().map(alone).unwrap_or_default());
        }
        for kept in self.kept.iter_mut().take_while(|kept| is_over(kept.since, HOLD_US)) {
            told.extend(unsampled(kept, &mut self.told));
        }
        while self.kept.front().is_some_and(|kept| is_over(kept.since, KEEP_US)) {
            self.kept.pop_front();
        }
        told
    }

    /// What waits at most.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.held.len(), self.kept.len())
    }
}

/// Whether the two are the sides of one try. The tries of a request have the same id, so the status tells
/// them apart, as far as it can.
fn is_pair(sample: &Sample, kept: &Kept) -> bool {
    let (one, other) = (sample.req.status, kept.side.req.status);
    kept.side.number == sample.number && !kept.is_joined && (one == other || one == 499 || other == 0)
}

/// A request of the sample that has its client side. Readers of all requests may have the client side
/// already; then they do not get the request again.
fn joined(sample: Sample, kept: &mut Kept) -> Vec<For> {
    let (req, client) = (&sample.req, &kept.side.req);
    let mut told = vec![For::Samples(Event::Req(Box::new(with_truth(req, client))))];
    if !kept.is_told {
        told.push(For::All(Event::Req(Box::new(both_sides(req, client)))));
    }
    told.extend(sample.why.map(|why| match kept.is_told {
        true => For::Samples(Event::Why(why)),
        false => For::Both(Event::Why(why)),
    }));
    (kept.is_joined, kept.is_told) = (true, true);
    told
}

/// A request of the sample whose client side did not come. Readers of all requests get the client side later.
fn alone(sample: Sample) -> Vec<For> {
    let why = sample.why.map(|why| For::Samples(Event::Why(why)));
    std::iter::once(For::Samples(Event::Req(sample.req))).chain(why).collect()
}

/// A request of the load that is not in the sample, unless it was told.
fn unsampled(kept: &mut Kept, count: &mut u64) -> Option<For> {
    if std::mem::replace(&mut kept.is_told, true) {
        return None;
    }
    let req = Req { id: FIRST_ID + *count, ..kept.side.req.clone() };
    *count += 1;
    Some(For::All(Event::Req(Box::new(req))))
}

#[cfg(test)]
#[path = "join_tests.rs"]
mod tests;
