//! A load that can be changed while it runs.
//!
//! A change starts a new load, and the one before ends after its last answer. The sums are those of all of
//! them.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use api::LoadTick;

use super::figures::Ended;
use crate::load::{Entry, Load, Report, Running};

/// An entry is written shortly after the end of its request. After this time, it is there.
const LATEST_ENTRY: Duration = Duration::from_secs(1);

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
pub struct Traffic {
    describe: Box<dyn Fn(Shape) -> Load + Send + Sync>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    shape: Shape,
    running: Option<Run>,
    ended: Ended,
    /// Requests that earlier loads should have sent, and that they sent.
    offered: u64,
    sent: u64,
}

/// One load, and what was counted of it.
#[derive(Debug)]
struct Run {
    shape: Shape,
    load: Running,
    counted: Counted,
}

/// The requests of one load that have been counted.
#[derive(Debug, Default)]
struct Counted {
    upto: Duration,
    numbers: HashSet<u64>,
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traffic").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Traffic {
    /// Starts a load of this shape, which `describe` describes.
    ///
    /// # Errors
    /// As [`Load::start`].
    pub fn start(shape: Shape, describe: impl Fn(Shape) -> Load + Send + Sync + 'static) -> Result<Self> {
        let running = Run::start(shape, describe(shape))?;
        let state = State { shape, running: Some(running), ended: Ended::default(), offered: 0, sent: 0 };
        Ok(Self { describe: Box::new(describe), state: Arc::new(Mutex::new(state)) })
    }

    /// The shape in force.
    pub fn shape(&self) -> Shape {
        locked(&self.state).shape
    }

    /// Changes the load. Requests in flight are not disturbed. It must be called in a Tokio runtime.
    ///
    /// # Errors
    /// As [`Load::start`]; then the load before goes on.
    pub fn change(&self, shape: Shape) -> Result<()> {
        let next = Run::start(shape, (self.describe)(shape))?;
        let mut state = locked(&self.state);
        state.shape = shape;
        let before = state.running.replace(next);
        if let Some(before) = before {
            let counted = state.retire(&before);
            tokio::spawn(end(self.state.clone(), before, counted));
        }
        Ok(())
    }

    /// The sums so far, and the latencies since the last call.
    pub(super) fn figures(&self) -> LoadTick {
        let mut state = locked(&self.state);
        let (mut offered, mut sent) = (state.offered, state.sent);
        if let Some(mut run) = state.running.take() {
            run.counted.count(&run.load, &mut state.ended);
            offered += run.offered();
            sent += run.load.begun();
            state.running = Some(run);
        }
        let latency = state.ended.take_latency();
        let Ended { done, good, errors, .. } = state.ended;
        LoadTick {
            offered: offered.max(sent),
            sent,
            done,
            good,
            errors,
            waiting: sent.saturating_sub(done),
            latency,
            ..LoadTick::default()
        }
    }

    /// The sums so far.
    pub fn sums(&self) -> TrafficSums {
        let mut state = locked(&self.state);
        if let Some(mut run) = state.running.take() {
            run.counted.count(&run.load, &mut state.ended);
            state.running = Some(run);
        }
        TrafficSums { done: state.ended.done, errors: state.ended.errors }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Keeps the sums of a load that is being replaced, and returns how many of its requests it counted.
    fn retire(&mut self, run: &Run) -> u64 {
        let begun = run.load.begun();
        self.offered += run.offered();
        self.sent += begun;
        begun
    }
}

/// Waits for the last answers of a load that was replaced, of which `begun` requests are counted as sent.
async fn end(state: Arc<Mutex<State>>, run: Run, begun: u64) {
    let Run { load, counted, .. } = run;
    // A panic of the load's thread has printed its reason.
    let Ok(report) = load.stop().await else { return };
    let mut state = locked(&state);
    // Requests that it sent while it was being replaced.
    state.sent += report.begun().saturating_sub(begun);
    counted.rest(&report, &mut state.ended);
}

impl Run {
    fn start(shape: Shape, load: Load) -> Result<Self> {
        Ok(Self { shape, load: load.start()?, counted: Counted::default() })
    }

    /// Requests that were due so far.
    fn offered(&self) -> u64 {
        if !self.shape.is_open {
            return self.load.begun();
        }
        (self.load.elapsed().as_secs_f64() * self.shape.rate) as u64
    }
}

impl Counted {
    /// Counts the requests that have ended since the last call.
    fn count(&mut self, load: &Running, ended: &mut Ended) {
        let now = load.elapsed();
        let from = self.upto.saturating_sub(LATEST_ENTRY);
        let entries = load.since(from);
        self.add(&entries, ended);
        // Older ones do not come again.
        self.numbers = entries.iter().map(|entry| entry.number).collect();
        self.upto = now;
    }

    /// Counts all other requests of a load that has ended.
    fn rest(&self, report: &Report, ended: &mut Ended) {
        let from = self.upto.saturating_sub(LATEST_ENTRY);
        let entries = report.entries();
        let first = entries.iter().position(|entry| entry.ended >= from).unwrap_or(entries.len());
        self.add(&entries[first..], ended);
    }

    fn add(&self, entries: &[Entry], ended: &mut Ended) {
        entries.iter().filter(|entry| !self.numbers.contains(&entry.number)).for_each(|one| ended.count(one));
    }
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;
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
        let traffic = Traffic::start(open, move |shape| match shape.is_open {
            true => Load::open(address).call(Call::get("/").rate(shape.rate)),
            false => Load::closed(address, shape.clients).call(Call::get("/")),
        })
        .unwrap();
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
        let traffic =
            Traffic::start(shape, move |shape| Load::open(address).call(Call::get("/").rate(shape.rate)))
                .unwrap();
        assert!(traffic.change(Shape { rate: 0.0, ..shape }).is_err());
        assert_eq!(traffic.shape(), shape);
    }
}
