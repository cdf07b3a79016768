//! Which request starts next, and when should it start?

use std::time::Duration;

/// Merges streams of requests, each with its own constant rate, into one stream in the order of their starts.
///
/// A pure value: request `n` of a stream with `rate` requests a second starts `n / rate` seconds after the
/// beginning, the first one at once.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    streams: Vec<Stream>,
}

#[derive(Clone, Debug)]
struct Stream {
    rate: f64,
    issued: u64,
}

impl Stream {
    /// The time of its next request, in seconds after the beginning.
    fn due(&self) -> f64 {
        self.issued as f64 / self.rate
    }
}

impl Schedule {
    /// A schedule of streams with these rates, in requests a second; each rate is a positive number.
    pub(super) fn new(rates: impl IntoIterator<Item = f64>) -> Self {
        Self { streams: rates.into_iter().map(|rate| Stream { rate, issued: 0 }).collect() }
    }
}

impl Iterator for Schedule {
    /// The start time of the next request, counted from the beginning, and the place of its stream in the
    /// list.
    type Item = (Duration, usize);

    /// Never ends, unless there are no streams. If two are due at once, the first in the list starts.
    fn next(&mut self) -> Option<(Duration, usize)> {
        let by_due = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1);
        let (next, due) = self.streams.iter().map(Stream::due).enumerate().min_by(by_due)?;
        self.streams[next].issued += 1;
        Some((Duration::try_from_secs_f64(due).unwrap_or(Duration::MAX), next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stream_is_even_and_does_not_drift() {
        let starts: Vec<Duration> = Schedule::new([8.0]).map(|(at, _)| at).take(8001).collect();
        assert_eq!(starts[..3], [0, 125, 250].map(Duration::from_millis));
        assert_eq!(starts[8000], Duration::from_secs(1000));
    }

    #[test]
    fn streams_keep_their_own_rates() {
        let first_ten_seconds: Vec<(Duration, usize)> =
            Schedule::new([200.0, 1.0, 0.5]).take_while(|(at, _)| *at < Duration::from_secs(10)).collect();
        let count = |stream| first_ten_seconds.iter().filter(|(_, which)| *which == stream).count();
        assert_eq!([count(0), count(1), count(2)], [2000, 10, 5]);
        assert!(first_ten_seconds.is_sorted_by_key(|(at, _)| *at));
    }

    #[test]
    fn as_a_mix_it_is_spread_as_evenly_as_it_can_be() {
        let picks: Vec<usize> = Schedule::new([3.0, 1.0]).map(|(_, which)| which).take(8).collect();
        assert_eq!(picks, [0, 1, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn nothing_is_scheduled_without_streams() {
        assert_eq!(Schedule::new([]).next(), None);
    }
}
