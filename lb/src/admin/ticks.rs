//! The figures in the stream of events, four times a second while there is a reader.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use api::{BackendTick, Event, Tick};
use balance::Moment;
use balance::verdict::Failure;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock;
use crate::observe::stream::Audience;
use crate::observe::{ErrorCause, LatencyMark, Observer};
use crate::pool::{Backend, Pool};

/// The time between two ticks.
const PERIOD: Duration = Duration::from_millis(250);

/// The number of ticks in a second.
const A_SECOND: usize = 4;

/// The largest number of backends in one tick.
const MAX_BACKENDS: usize = 256;

/// Publishes the figures. It never returns.
pub(crate) async fn keep_ticking(pool: Arc<Pool>, observer: Arc<Observer>) -> ! {
    let mut ticks = Ticks::default();
    let mut clock = interval(PERIOD);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        ticks.pass(&pool, &observer, clock::now());
    }
}

/// A backend at the last tick that had it.
#[derive(Debug, Default)]
struct Before {
    /// The backend: another one may have its number by now.
    backend: Weak<Backend>,
    figures: BackendTick,
    mark: Option<LatencyMark>,
}

/// The values at earlier ticks.
#[derive(Debug, Default)]
struct Ticks {
    /// The numbers of requests at the last ticks, the latest one last.
    requests: Vec<u64>,
    /// The backends at the last tick with a reader, by number.
    before: HashMap<usize, Before>,
    /// The number of the last backend in a tick that had no room for all; 0 if there was room.
    last: usize,
}

impl Ticks {
    fn pass(&mut self, pool: &Pool, observer: &Observer, now: Moment) {
        let requests = observer.totals.sum(|counters| &counters.requests);
        observer.stream.adjust(self.rate(requests), now.as_micros());
        if !observer.stream.is_active() {
            self.before.clear();
            return;
        }
        let mut backends = Vec::new();
        // With many busy backends, the next tick goes on after the last one of this tick.
        let all = pool.backends();
        let first = all.partition_point(|backend| backend.number <= self.last);
        self.last = 0;
        for backend in all[first..].iter().chain(&all[..first]) {
            if backends.len() == MAX_BACKENDS {
                self.last = backends.last().map_or(0, |last: &BackendTick| last.backend);
                break;
            }
            let figures = figures(pool, backend, now);
            let before = self.before.entry(backend.number).or_default();
            if before.backend.as_ptr() != Arc::as_ptr(backend) {
                *before = Before { backend: Arc::downgrade(backend), ..Before::default() };
            }
            let is_idle = figures.in_flight == 0 && figures.waiting == 0 && figures.warm.is_none();
            let is_same =
                BackendTick { peak_us: before.figures.peak_us, ..figures.clone() } == before.figures;
            if is_idle && is_same {
                continue;
            }
            before.figures = figures.clone();
            let latency = backend.own.stats.latencies_since(&mut before.mark);
            backends.push(BackendTick { latency, ..figures });
        }
        self.before.retain(|_, before| before.backend.strong_count() > 0);
        let tick = Tick { backends, ..totals(observer, now) };
        observer.stream.publish(now.as_micros(), Audience::Everyone, &Event::Tick(tick));
    }

    /// Requests a second, from the number of requests so far. A load that suddenly rises counts at once.
    fn rate(&mut self, requests: u64) -> u64 {
        self.requests.push(requests);
        if self.requests.len() > A_SECOND + 1 {
            self.requests.remove(0);
        }
        let since = |ticks: usize| {
            let before = self.requests.iter().rev().nth(ticks).or_else(|| self.requests.first());
            requests - before.copied().unwrap_or(requests)
        };
        let (second, projected) = (since(A_SECOND), since(1) * A_SECOND as u64);
        if projected > 2 * second { projected } else { second }
    }
}

/// The figures of now for a new reader: all backends, and no latencies.
pub(super) fn first(pool: &Pool, observer: &Observer, now: Moment) -> Tick {
    let backends = pool.backends();
    let backends = backends.iter().take(MAX_BACKENDS).map(|backend| figures(pool, backend, now));
    Tick { backends: backends.collect(), ..totals(observer, now) }
}

fn totals(observer: &Observer, now: Moment) -> Tick {
    let totals = &observer.totals;
    let class = |class| totals.sum(|counters| counters.responses(class));
    let left: ErrorCause = Failure::ClientGone.into();
    Tick {
        t: now.as_micros(),
        requests: totals.sum(|counters| &counters.requests),
        ended: totals.sum(|counters| &counters.ended),
        good: class(2) + class(3),
        errors: class(5),
        left: totals.sum(|counters| counters.errors(left)),
        in_flight: totals.in_flight(),
        connections: observer.connections.load(Relaxed).try_into().unwrap_or(0),
        one_in: observer.stream.one_in(),
        ..Tick::default()
    }
}

fn figures(pool: &Pool, backend: &Backend, now: Moment) -> BackendTick {
    let counters = &backend.own.stats.counters;
    let warm = backend.is_warming().then(|| backend.warmth(now, pool.rules().slow_start));
    BackendTick {
        backend: backend.number,
        picks: counters.sum(|counters| &counters.requests),
        answers: counters.sum(|counters| &counters.answers),
        errors: counters.sum(|counters| counters.responses(5)),
        failures: counters.sum(|counters| &counters.blamed),
        retries: counters.sum(|counters| &counters.retries),
        hedges: counters.sum(|counters| &counters.hedges),
        in_flight: backend.in_flight(),
        waiting: backend.own.stats.queued.load(Relaxed),
        weight: backend.weight(),
        warm: warm.filter(|warm| *warm < 1.0),
        peak_us: backend.peak_latency(now) as u64,
        ..BackendTick::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_second_unless_it_jumps() {
        let mut ticks = Ticks::default();
        let rates: Vec<u64> =
            [0, 10, 20, 30, 40, 50, 550, 1050].map(|requests| ticks.rate(requests)).to_vec();
        // At first, a second is projected from the part of it that has passed.
        assert_eq!(rates[0], 0);
        assert_eq!(rates[4..], [40, 40, 2000, 1020]);
    }
}
