//! Which request starts next, and when should it start?
//!
//! Pure. Each call is a stream of requests at a constant rate. The schedule merges the streams in the order
//! of their times, gives the requests their numbers, and follows the [rates](super::rates) over the time.

use std::sync::Arc;
use std::time::Duration;

use super::arrivals::Arrivals;
use super::draws::{Seed, What};
use super::rates::Rates;

/// One request of the schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Planned {
    /// Its number, from 0, in the order of the schedule.
    pub(super) number: u64,
    /// The place of its call in the list.
    pub(super) call: usize,
    /// The time at which it should start, counted from the beginning of the load.
    pub(super) due: Duration,
}

/// An iterator over the requests of a load.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    seed: Seed,
    streams: Vec<Stream>,
    spacing: Spacing,
    rates: Rates,
    issued: u64,
    limit: u64,
    /// The time of the last request at the constant rates, in seconds.
    last: f64,
}

/// The distances between requests.
#[derive(Clone, Debug)]
enum Spacing {
    Even,
    Poisson,
    /// The streams give only the order of the calls.
    Trace(Arc<[Duration]>),
}

/// The requests of one call.
#[derive(Clone, Debug)]
struct Stream {
    call: usize,
    /// Requests a second.
    rate: f64,
    issued: u64,
    /// The place of its next request, in mean distances from the beginning.
    next: f64,
    /// The request from which on the distances are even: its number in the stream, and its place.
    even_from: (u64, f64),
}

impl Schedule {
    /// A schedule of streams with these rates, in requests a second; each rate is a positive number. The
    /// rates over the time are speeds of this schedule.
    pub(super) fn new(
        seed: Seed,
        call_rates: impl IntoIterator<Item = f64>,
        arrivals: &Arrivals,
        rates: Rates,
    ) -> Self {
        let spacing = match arrivals {
            Arrivals::Even => Spacing::Even,
            Arrivals::Poisson => Spacing::Poisson,
            Arrivals::Trace(times) => Spacing::Trace(times.as_slice().into()),
        };
        let stream = |(call, rate)| Stream { call, rate, issued: 0, next: 0.0, even_from: (0, 0.0) };
        let mut streams: Vec<Stream> = call_rates.into_iter().enumerate().map(stream).collect();
        if matches!(spacing, Spacing::Poisson) {
            streams.iter_mut().for_each(|stream| stream.next = stream.gap(seed));
        }
        Self { seed, streams, spacing, rates, issued: 0, limit: u64::MAX, last: 0.0 }
    }

    /// Ends the schedule after this number of requests.
    pub(super) fn limit(self, requests: u64) -> Self {
        Self { limit: requests, ..self }
    }

    /// From this moment on, this number of requests a second, all calls together; zero or more. Replaces the
    /// steps that come later. What is left of the wait for the next request becomes shorter or longer.
    pub(super) fn set_rate(&mut self, at: Duration, per_second: f64) {
        self.rates.change(at, per_second / self.whole_rate());
    }

    /// Goes on from the last request at this moment, with this number of requests a second.
    pub(super) fn resume(&mut self, at: Duration, per_second: f64) {
        self.rates.resume(at, self.last, per_second / self.whole_rate());
    }

    /// Each call has its first rate again: no rate is zero any more.
    pub(super) fn forget_rates(&mut self) {
        self.rates = Rates::new([]);
    }

    /// The distances behind the next request of each call are even, or exponential.
    pub(super) fn set_random(&mut self, is_random: bool) {
        self.spacing = if is_random { Spacing::Poisson } else { Spacing::Even };
        for stream in &mut self.streams {
            stream.even_from = (stream.issued, stream.next);
        }
    }

    /// Whether the schedule has its own times, which cannot change.
    pub(super) fn is_trace(&self) -> bool {
        matches!(self.spacing, Spacing::Trace(_))
    }

    /// The constant rate of all streams together.
    fn whole_rate(&self) -> f64 {
        self.streams.iter().map(|stream| stream.rate).sum()
    }

    /// Whether there are no more requests, whatever the rate is.
    pub(super) fn has_ended(&self) -> bool {
        let all = match &self.spacing {
            Spacing::Trace(times) => self.limit.min(times.len() as u64),
            Spacing::Even | Spacing::Poisson => self.limit,
        };
        self.streams.is_empty() || self.issued >= all
    }

    /// The next request; `None` if there is none, or if the rate is zero from now on.
    pub(super) fn peek(&self) -> Option<Planned> {
        if self.has_ended() {
            return None;
        }
        let first = self.streams.iter().min_by(|a, b| a.due().total_cmp(&b.due()))?;
        let due = match &self.spacing {
            Spacing::Trace(times) => times.get(usize::try_from(self.issued).ok()?)?.as_secs_f64(),
            Spacing::Even | Spacing::Poisson => first.due(),
        };
        Some(Planned { number: self.issued, call: first.call, due: self.rates.real(due)? })
    }
}

impl Stream {
    /// The time of its next request at its constant rate, in seconds.
    fn due(&self) -> f64 {
        self.next / self.rate
    }

    /// An exponential distance to its next request.
    fn gap(&self, seed: Seed) -> f64 {
        seed.draws(What::Gap { call: self.call }, self.issued).exponential()
    }
}

impl Iterator for Schedule {
    type Item = Planned;

    /// If two requests are due at once, the one whose call is first in the list starts.
    fn next(&mut self) -> Option<Planned> {
        let planned = self.peek()?;
        self.issued += 1;
        let seed = self.seed;
        let stream = self.streams.iter_mut().find(|stream| stream.call == planned.call)?;
        self.last = stream.due();
        stream.issued += 1;
        match self.spacing {
            // A count does not drift, a sum of distances does.
            Spacing::Even | Spacing::Trace(_) => {
                let (number, place) = stream.even_from;
                stream.next = place + (stream.issued - number) as f64;
            }
            Spacing::Poisson => stream.next += stream.gap(seed),
        }
        Some(planned)
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
