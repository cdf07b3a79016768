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
const MOST_SAMPLES: usize = 1024;

/// The largest number of requests of the load that are remembered.
const MOST_ENDED: usize = 16_384;

/// An event, and the readers that get it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outgoing {
    /// For readers of the sample and for readers of all requests.
    Shared(Event),
    /// Only for readers of the sample.
    SampleOnly(Event),
    /// Only for readers of all requests.
    FullOnly(Event),
}

/// What waits for its other side.
#[derive(Debug, Default)]
pub(super) struct Join {
    /// The load; `None` if the lab has none.
    names: Option<LoadNames>,
    /// Requests of the sample that wait for their client side, in the order in which they came.
    samples: VecDeque<Sample>,
    /// Requests of the load, in the order in which they ended.
    ended: VecDeque<EndedRequest>,
    /// The number of requests of the load that have got an id of the lab.
    numbered: u64,
}

/// A request of the sample, with the decisions about it.
#[derive(Debug)]
struct Sample {
    number: u64,
    req: Box<Req>,
    why: Option<Box<Why>>,
    since: u64,
}

/// A request of the load that has ended.
#[derive(Debug)]
struct EndedRequest {
    side: ClientSide,
    since: u64,
    /// Whether readers of all requests have it.
    is_in_full: bool,
    /// Whether readers of the sample have it.
    is_in_sample: bool,
}

impl Join {
    /// A join with the requests of a load.
    pub(super) fn new(names: Option<LoadNames>) -> Self {
        Self { names, ..Self::default() }
    }

    /// An event of the merge, at this time.
    pub(super) fn event(&mut self, event: Event, now: u64) -> Vec<Outgoing> {
        match event {
            Event::Req(req) => self.sample(req, now),
            Event::Why(why) => match self.samples.iter_mut().rev().find(|sample| sample.req.id == why.id) {
                Some(sample) => {
                    sample.why = Some(why);
                    Vec::new()
                }
                None => vec![Outgoing::Shared(Event::Why(why))],
            },
            other => vec![Outgoing::Shared(other)],
        }
    }

    /// A request of the sample. A request that is not of the load is told at once.
    fn sample(&mut self, req: Box<Req>, now: u64) -> Vec<Outgoing> {
        let number = self.names.as_ref().and_then(|names| names.number(req.request_id.as_deref()));
        let Some(number) = number else { return vec![Outgoing::Shared(Event::Req(req))] };
        let sample = Sample { number, req, why: None, since: now };
        if let Some(ended) = self.ended.iter_mut().find(|ended| is_pair(&sample, ended)) {
            return joined(sample, ended);
        }
        self.samples.push_back(sample);
        match self.samples.len() > MOST_SAMPLES {
            true => self.samples.pop_front().map(without_client).unwrap_or_default(),
            false => Vec::new(),
        }
    }

    /// Requests of the load have ended.
    pub(super) fn ended(&mut self, sides: Vec<ClientSide>, now: u64) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        for side in sides {
            let mut ended = EndedRequest { side, since: now, is_in_full: false, is_in_sample: false };
            if let Some(place) = self.samples.iter().position(|sample| is_pair(sample, &ended))
                && let Some(sample) = self.samples.remove(place)
            {
                outgoing.extend(joined(sample, &mut ended));
            }
            self.ended.push_back(ended);
        }
        let surplus = self.ended.len().saturating_sub(MOST_ENDED);
        for mut ended in self.ended.drain(..surplus) {
            outgoing.extend(without_sample(&mut ended, &mut self.numbered));
        }
        outgoing
    }

    /// Returns what has waited long enough for its other side, without that side.
    pub(super) fn overdue(&mut self, now: u64) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        let is_over = |since: u64, time: u64| now.saturating_sub(since) >= time;
        while self.samples.front().is_some_and(|sample| is_over(sample.since, HOLD_US)) {
            outgoing.extend(self.samples.pop_front().map(without_client).unwrap_or_default());
        }
        for ended in self.ended.iter_mut().take_while(|ended| is_over(ended.since, HOLD_US)) {
            outgoing.extend(without_sample(ended, &mut self.numbered));
        }
        while self.ended.front().is_some_and(|ended| is_over(ended.since, KEEP_US)) {
            self.ended.pop_front();
        }
        outgoing
    }

    /// The numbers of waiting samples and of remembered requests of the load.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.samples.len(), self.ended.len())
    }
}

/// Whether the two are the sides of one try. The tries of a request have the same id, so the status tells
/// them apart, as far as it can.
fn is_pair(sample: &Sample, ended: &EndedRequest) -> bool {
    let (one, other) = (sample.req.status, ended.side.req.status);
    ended.side.number == sample.number && !ended.is_in_sample && (one == other || one == 499 || other == 0)
}

/// A request of the sample that has its client side. Readers of all requests may have the client side
/// already; then they do not get the request again.
fn joined(sample: Sample, ended: &mut EndedRequest) -> Vec<Outgoing> {
    let (req, client) = (&sample.req, &ended.side.req);
    let mut outgoing = vec![Outgoing::SampleOnly(Event::Req(Box::new(with_truth(req, client))))];
    if !ended.is_in_full {
        outgoing.push(Outgoing::FullOnly(Event::Req(Box::new(both_sides(req, client)))));
    }
    outgoing.extend(sample.why.map(|why| match ended.is_in_full {
        true => Outgoing::SampleOnly(Event::Why(why)),
        false => Outgoing::Shared(Event::Why(why)),
    }));
    (ended.is_in_sample, ended.is_in_full) = (true, true);
    outgoing
}

/// A request of the sample whose client side did not come. Readers of all requests get the client side later.
fn without_client(sample: Sample) -> Vec<Outgoing> {
    let why = sample.why.map(|why| Outgoing::SampleOnly(Event::Why(why)));
    std::iter::once(Outgoing::SampleOnly(Event::Req(sample.req))).chain(why).collect()
}

/// A request of the load without its sample, with an id of the lab. `None` if readers of all requests have
/// it.
fn without_sample(ended: &mut EndedRequest, numbered: &mut u64) -> Option<Outgoing> {
    if std::mem::replace(&mut ended.is_in_full, true) {
        return None;
    }
    let req = Req { id: FIRST_ID + *numbered, ..ended.side.req.clone() };
    *numbered += 1;
    Some(Outgoing::FullOnly(Event::Req(Box::new(req))))
}

#[cfg(test)]
#[path = "join_tests.rs"]
mod tests;
