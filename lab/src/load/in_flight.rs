//! How many requests are in flight, over the time?
//!
//! Pure: from the entries of a ledger. A try is in flight from the time at which it was sent to the end of
//! its answer. The mean is an integral over the time. Little's law says what it must be: the rate times the
//! mean time of a request.

use std::time::Duration;

use super::draws::{Seed, What};
use super::ledger::Entry;

/// One try, from its beginning to its end.
type Span = (Duration, Duration);

/// The tries that a backend answered, or all tries.
fn spans<'a>(entries: &'a [Entry], backend: Option<u32>) -> impl Iterator<Item = Span> + 'a {
    let is_wanted = move |answered: Option<u32>| backend.is_none() || answered == backend;
    entries.iter().flat_map(move |entry| {
        let earlier = entry.earlier.iter().map(|earlier| (earlier.sent, earlier.ended, earlier.backend));
        let last = (entry.last_sent, entry.ended, entry.backend);
        let tries = earlier.chain([last]).filter(move |(_, _, answered)| is_wanted(*answered));
        tries.map(|(sent, ended, _)| (sent, ended))
    })
}

/// The mean number of tries in flight in a period; zero for an empty period.
pub(super) fn mean(entries: &[Entry], (from, to): Span, backend: Option<u32>) -> f64 {
    let length = to.saturating_sub(from).as_secs_f64();
    if length == 0.0 {
        return 0.0;
    }
    let inside = spans(entries, backend).map(|(sent, ended)| ended.min(to).saturating_sub(sent.max(from)));
    inside.map(|time| time.as_secs_f64()).sum::<f64>() / length
}

/// One random moment in each stretch of this length, up to the end of the load. Moments at equal distances
/// can go in step with even arrivals, and then find always the same.
pub(super) fn moments(seed: Seed, every: Duration, end: Duration) -> Vec<Duration> {
    if every.is_zero() {
        return Vec::new();
    }
    let moment = |number: u32| {
        let part = seed.draws(What::Moment, number.into()).unit();
        every.checked_mul(number)?.checked_add(every.mul_f64(part))
    };
    (0..).map_while(moment).take_while(|moment| *moment < end).collect()
}

/// The number of tries in flight at each of these moments, which are in ascending order.
pub(super) fn at(entries: &[Entry], moments: &[Duration], backend: Option<u32>) -> Vec<(Duration, usize)> {
    let (mut sent, mut ended): (Vec<Duration>, Vec<Duration>) = spans(entries, backend).unzip();
    sent.sort();
    ended.sort();
    let count = |moment: &Duration| {
        let begun = sent.partition_point(|sent| sent <= moment);
        let over = ended.partition_point(|ended| ended <= moment);
        (*moment, begun.saturating_sub(over))
    };
    moments.iter().map(count).collect()
}

#[cfg(test)]
#[path = "in_flight_tests.rs"]
mod tests;
