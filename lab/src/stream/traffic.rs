//! A load that changes while it runs, and its figures.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use api::LoadTick;

use super::figures::Ended;
use crate::load::{Load, Running};

/// What can be changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Whether requests start at their own times (open loop), or when a client is free (closed loop).
    pub is_open: bool,
    /// Requests a second in open loop, zero or more.
    pub rate: f64,
    /// Clients in closed loop, from 1 to the number of the load's connections.
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
    due: Due,
    ended: Ended,
    /// The number of requests that ended and are in `ended`.
    counted: u64,
}

/// The number of requests that were due.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    /// Those before the last change.
    before: f64,
    /// The time of the last change, on the clock of the load.
    since: Duration,
}

impl Traffic {
    /// Starts a load in this shape. The calls of the load keep the ratio of their rates.
    ///
    /// # Errors
    /// As [`Load::start`] and [`Traffic::change`].
    pub fn start(shape: Shape, load: Load) -> Result<Self> {
        let load = load.start()?;
        shape.apply(&load)?;
        let state = State { shape, due: Due::default(), ended: Ended::default(), counted: 0 };
        Ok(Self { load, state: Mutex::new(state) })
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
    /// If the rate is negative, if there are no clients or more than the load has connections, or if the
    /// arrivals of the load are a trace. Then nothing changes.
    pub fn change(&self, shape: Shape) -> Result<()> {
        let mut state = self.state();
        let now = self.load.elapsed();
        let due = state.due.number(state.shape, now).max(self.load.begun() as f64);
        shape.apply(&self.load)?;
        state.due = Due { before: due, since: now };
        state.shape = shape;
        Ok(())
    }

    /// The sums so far, and the latencies since the last call.
    pub(super) fn figures(&self) -> LoadTick {
        let mut state = self.state();
        state.count(&self.load);
        // A request begins before it ends, so the number of the begun ones comes last.
        let sent = self.load.begun();
        let due = state.due.number(state.shape, self.load.elapsed()) as u64;
        let (latency, uncorrected) = state.ended.take_latencies();
        let Ended { done, good, errors, retries, .. } = state.ended;
        LoadTick {
            offered: due.max(sent),
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

    /// The sums so far.
    pub fn sums(&self) -> TrafficSums {
        let mut state = self.state();
        state.count(&self.load);
        TrafficSums { done: state.ended.done, errors: state.ended.errors }
    }
}

impl State {
    /// Counts the requests that have ended since the last call.
    fn count(&mut self, load: &Running) {
        let (entries, ended) = load.ended_after(self.counted);
        entries.iter().for_each(|entry| self.ended.count(entry));
        self.counted = ended;
    }
}

impl Shape {
    fn apply(self, load: &Running) -> Result<()> {
        if self.is_open { load.set_open(self.rate) } else { load.set_closed(self.clients) }
    }
}

impl Due {
    /// The number at this time, if the load has had this shape since the last change. In closed loop, only
    /// those before the change were due at their own times.
    fn number(self, shape: Shape, now: Duration) -> f64 {
        let rate = if shape.is_open { shape.rate } else { 0.0 };
        self.before + now.saturating_sub(self.since).as_secs_f64() * rate
    }
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;
    use crate::load::{Call, Retries};

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

    /// A load that has eight connections.
    fn load(address: std::net::SocketAddr) -> Load {
        Load::open(address).connections(8).call(Call::get("/").rate(200.0))
    }

    #[tokio::test]
    async fn the_sums_continue_over_all_shapes() {
        let open = Shape { is_open: true, rate: 200.0, clients: 2 };
        let retries = Retries::most(1);
        let traffic = Traffic::start(open, load(server().await).retries(retries)).unwrap();
        let (mut latencies, mut uncorrected) = (0, 0);
        let mut look = |least: u64| {
            let figures = traffic.figures();
            latencies += figures.latency.iter().map(|(_, count)| count).sum::<u64>();
            uncorrected += figures.uncorrected.iter().map(|(_, count)| count).sum::<u64>();
            ensure!(figures.done >= least, "{figures:?}");
            Ok(figures)
        };
        let seen = crate::eventually(Duration::from_secs(5), "requests", async || look(20)).await.unwrap();
        traffic.change(Shape { is_open: false, ..open }).unwrap();
        assert!(!traffic.shape().is_open);
        let least = seen.done + 50;
        crate::eventually(Duration::from_secs(5), "more requests", async || look(least)).await.unwrap();
        traffic.change(Shape { is_open: true, rate: 0.0, clients: 1 }).unwrap();
        let settled = crate::eventually(Duration::from_secs(5), "all answers", async || {
            let figures = look(0)?;
            ensure!(figures.waiting == 0 && figures.sent == figures.done, "{figures:?}");
            Ok(figures)
        });
        let figures = settled.await.unwrap();
        assert_eq!(figures.good + figures.errors, figures.done);
        assert_eq!((latencies, uncorrected), (figures.done, figures.done));
        assert!(figures.errors > 0 && figures.errors < figures.done / 2, "{figures:?}");
        // Each request that fails has one retry, which fails too: the server judges by the id.
        assert_eq!(figures.retries, figures.errors);
        let sums = traffic.sums();
        assert_eq!((sums.done, sums.errors), (figures.done, figures.errors));
    }

    #[tokio::test]
    async fn a_shape_that_cannot_be_changes_nothing() {
        let shape = Shape { is_open: true, rate: 50.0, clients: 1 };
        let traffic = Traffic::start(shape, load(server().await)).unwrap();
        for wrong in [
            Shape { rate: -1.0, ..shape },
            Shape { is_open: false, clients: 0, ..shape },
            Shape { is_open: false, clients: 9, ..shape },
        ] {
            assert!(traffic.change(wrong).is_err(), "{wrong:?}");
            assert_eq!(traffic.shape(), shape);
        }
    }

    #[test]
    fn the_number_of_due_requests_follows_the_shape() {
        let due = Due { before: 30.0, since: Duration::from_secs(10) };
        let number = |is_open, rate, seconds| {
            due.number(Shape { is_open, rate, clients: 4 }, Duration::from_secs(seconds))
        };
        assert_eq!(number(true, 20.0, 13), 90.0);
        assert_eq!(number(true, 0.0, 13), 30.0);
        assert_eq!(number(false, 20.0, 13), 30.0);
        assert_eq!(number(true, 20.0, 9), 30.0);
    }
}
