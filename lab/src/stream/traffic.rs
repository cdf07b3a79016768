//! A load that can be changed while it runs, and its figures.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use api::LoadTick;

use super::figures::Ended;
use crate::load::{Entry, Load, Report, Running, Summary};

/// The rates of a load in open loop, in requests a second. A higher rate would fill the memory with requests
/// that are due, and leave no time for anything else.
const RATES: RangeInclusive<f64> = 0.01..=100_000.0;

/// What can be changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Whether requests start at their own times (open loop), or when a client is free (closed loop).
    pub is_open: bool,
    /// Requests a second in open loop.
    pub rate: f64,
    /// Clients in closed loop.
    pub clients: usize,
}

/// The sums of a load since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficSums {
    /// Requests that ended.
    pub done: u64,
    /// Requests that ended without an answer below 400.
    pub errors: u64,
}

/// A load that can be changed.
#[derive(Debug)]
pub struct Traffic {
    load: Running,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    shape: Shape,
    ended: Ended,
    /// The number of ended requests that are counted.
    counted: u64,
    /// Up to this time, the requests that were due are counted.
    upto: Duration,
    /// Requests that were due in open loop, and those that a closed loop has begun.
    due: f64,
    begun: u64,
}

impl Traffic {
    /// Starts a load, and gives it this shape.
    ///
    /// # Errors
    /// As [`Load::start`] and [`Traffic::change`].
    pub fn start(load: Load, shape: Shape) -> Result<Self> {
        let load = load.start()?;
        let state =
            State { shape, ended: Ended::default(), upto: Duration::ZERO, counted: 0, due: 0.0, begun: 0 };
        let traffic = Self { load, state: Mutex::new(state) };
        traffic.change(shape)?;
        Ok(traffic)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shape in force.
    pub fn shape(&self) -> Shape {
        self.state().shape
    }

    /// Changes the load. Requests in flight are not disturbed.
    ///
    /// # Errors
    /// If the rate is neither 0 nor from 0.01 to 100,000 requests a second, or there are no clients or more
    /// than connections. Then the load goes on as before.
    pub fn change(&self, shape: Shape) -> Result<()> {
        ensure!(
            !shape.is_open || shape.rate == 0.0 || RATES.contains(&shape.rate),
            "the rate is {:e} requests a second; write 0, or a number from {} to {}",
            shape.rate,
            RATES.start(),
            RATES.end()
        );
        let mut state = self.state();
        state.count(&self.load);
        if shape.is_open {
            self.load.set_open(shape.rate)?;
        } else {
            self.load.set_closed(shape.clients)?;
        }
        state.shape = shape;
        Ok(())
    }

    /// The sums so far, and the latencies since the last call.
    pub(super) fn figures(&self) -> LoadTick {
        let mut state = self.state();
        state.count(&self.load);
        let sent = self.load.begun();
        let (latency, uncorrected) = state.ended.take_latencies();
        let Ended { done, good, errors, retries, .. } = state.ended;
        LoadTick {
            offered: (state.due as u64).max(sent),
            sent,
            done,
            good,
            errors,
            retries,
            waiting: sent.saturating_sub(done),
            latency,
            uncorrected,
        }
    }

    /// The load itself.
    pub(super) fn load(&self) -> &Running {
        &self.load
    }

    /// The requests that have ended after the first `counted` ones, and the number of all that have ended: as
    /// [`Running::ended_after`].
    pub(super) fn ended_after(&self, counted: u64) -> (Vec<Entry>, u64) {
        self.load.ended_after(counted)
    }

    /// The figures of the last period of this length, as far as its requests are kept: as
    /// [`Running::recent`].
    pub fn recent(&self, stretch: Duration) -> Summary {
        self.load.recent(stretch)
    }

    /// Waits until a load with a number of requests has ended by itself: as [`Running::finished`].
    pub async fn finished(&self) {
        self.load.finished().await;
    }

    /// Begins no new request, waits for the requests in flight, and reports: as [`Running::end`].
    ///
    /// # Errors
    /// If the load's own thread panicked.
    pub async fn end(&self) -> Result<Report> {
        self.load.end().await
    }

    /// The time since the start of the load.
    pub fn elapsed(&self) -> Duration {
        self.load.elapsed()
    }

    /// The sums so far.
    pub fn sums(&self) -> TrafficSums {
        let mut state = self.state();
        state.count(&self.load);
        TrafficSums { done: state.ended.done, errors: state.ended.errors }
    }
}

impl State {
    /// Counts what has happened since the last call.
    fn count(&mut self, load: &Running) {
        let (now, begun) = (load.elapsed(), load.begun());
        self.due += match self.shape.is_open {
            true => self.shape.rate * now.saturating_sub(self.upto).as_secs_f64(),
            false => begun.saturating_sub(self.begun) as f64,
        };
        self.begun = begun;
        let (entries, counted) = load.ended_after(self.counted);
        entries.iter().for_each(|entry| self.ended.count(entry));
        (self.counted, self.upto) = (counted, now);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;
    use crate::load::Call;

    /// A server that answers each request with its id, and every tenth one with 503.
    async fn server() -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut stream, mut head) = (BufReader::new(stream), String::new());
                    while stream.read_line(&mut head).await.is_ok_and(|read| read > 0) {
                        if !head.ends_with("\r\n\r\n") {
                            continue;
                        }
                        let id = head.split("x-request-id: ").nth(1).unwrap().split('\r').next().unwrap();
                        let status = if id.ends_with('9') { "503 Busy" } else { "200 OK" };
                        let answer =
                            format!("HTTP/1.1 {status}\r\nx-request-id: {id}\r\ncontent-length: 0\r\n\r\n");
                        head.clear();
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn the_sums_are_those_of_all_loads() {
        let address = server().await;
        let open = Shape { is_open: true, rate: 200.0, clients: 2 };
        let traffic = Traffic::start(Load::open(address).call(Call::get("/")), open).unwrap();
        let mut latencies = 0;
        let mut look = |least: u64| {
            let figures = traffic.figures();
            latencies += figures.latency.iter().map(|(_, count)| count).sum::<u64>();
            ensure!(figures.done >= least, "{figures:?}");
            Ok(figures.done)
        };
        let done = crate::eventually(Duration::from_secs(5), "requests", async || look(20)).await.unwrap();
        traffic.change(Shape { is_open: false, ..open }).unwrap();
        assert!(!traffic.shape().is_open);
        crate::eventually(Duration::from_secs(5), "more requests", async || look(done + 50)).await.unwrap();
        traffic.change(Shape { is_open: true, rate: 1.0, clients: 1 }).unwrap();
        let settled = crate::eventually(Duration::from_secs(5), "all answers", async || {
            let figures = traffic.figures();
            latencies += figures.latency.iter().map(|(_, count)| count).sum::<u64>();
            ensure!(figures.waiting == 0 && figures.sent == figures.done, "{figures:?}");
            Ok(figures)
        });
        let figures = settled.await.unwrap();
        assert_eq!((figures.good + figures.errors, latencies), (figures.done, figures.done));
        assert!(figures.errors > 0 && figures.errors < figures.done / 2, "{figures:?}");
        let sums = traffic.sums();
        assert!(sums.done >= figures.done, "{sums:?}");
    }

    #[tokio::test]
    async fn a_load_that_cannot_be_changes_nothing() {
        let address = server().await;
        let shape = Shape { is_open: true, rate: 50.0, clients: 1 };
        let traffic = Traffic::start(Load::open(address).call(Call::get("/")), shape).unwrap();
        for rate in [-1.0, 1e-300, 100_001.0, 1e9, f64::INFINITY, f64::NAN] {
            let error = traffic.change(Shape { rate, ..shape }).unwrap_err().to_string();
            assert!(error.contains("write 0, or a number from 0.01 to 100000"), "{rate}: {error}");
            assert_eq!(traffic.shape(), shape);
        }
        for rate in [0.0, 0.01, 50.0] {
            assert!(traffic.change(Shape { rate, ..shape }).is_ok(), "{rate}");
        }
    }
}
