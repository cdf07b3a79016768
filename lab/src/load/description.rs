//! The description of a load.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::arrivals::Arrivals;
use super::call::Call;
use super::draws::Seed;
use super::rates::Rates;
use super::retries::Retries;
use super::schedule::Schedule;
use super::think::Think;

/// The description of a load; `start` starts it.
///
/// ```no_run
/// # async fn story(address: std::net::SocketAddr) -> anyhow::Result<()> {
/// use lab::load::{Call, Load};
///
/// let mix = Load::open(address)
///     .call(Call::get("/").rate(200.0))
///     .call(Call::get("/delay/5000").rate(1.0))
///     .connections(64)
///     .start()?;
/// mix.phase("afterwards");
/// let report = mix.stop().await?;
/// println!("{:?}", report.phase("afterwards").map(|summary| summary.latency.p99));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a load that is only described sends nothing"]
pub struct Load {
    pub(super) server: SocketAddr,
    pub(super) open: bool,
    pub(super) connections: usize,
    pub(super) calls: Vec<Call>,
    pub(super) patience: Duration,
    pub(super) keep: usize,
    pub(super) seed: u64,
    pub(super) arrivals: Arrivals,
    pub(super) steps: Vec<(Duration, f64)>,
    pub(super) requests: u64,
    pub(super) retries: Option<Retries>,
    pub(super) think: Think,
}

impl Load {
    /// This number of clients, each with one keep-alive connection, one request after the other.
    pub fn closed(server: SocketAddr, clients: usize) -> Self {
        Self {
            server,
            open: false,
            connections: clients,
            calls: Vec::new(),
            patience: Duration::from_secs(30),
            keep: usize::MAX,
            seed: 0,
            arrivals: Arrivals::Even,
            steps: Vec::new(),
            requests: u64::MAX,
            retries: None,
            think: Think::Fixed(Duration::ZERO),
        }
    }

    /// Requests at the rates of the calls, over at most 64 keep-alive connections.
    pub fn open(server: SocketAddr) -> Self {
        Self { open: true, ..Self::closed(server, 64) }
    }

    /// Adds a kind of request; the default is `GET /`.
    pub fn call(mut self, call: Call) -> Self {
        self.calls.push(call);
        self
    }

    /// The seed of all random numbers of the load; the default is 0. A load does not use the same numbers for
    /// two purposes, and request `n` has the same numbers in each load with this seed.
    ///
    /// The ids of the requests are no part of this: they begin with a name that is new for each load, because
    /// the ledger of a backend may contain several loads.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// When requests arrive in open loop; the default is [`Arrivals::Even`].
    pub fn arrivals(mut self, arrivals: Arrivals) -> Self {
        self.arrivals = arrivals;
        self
    }

    /// Changes the rate of the load in open loop: from each of these times on, this number of requests a
    /// second, which is zero or more. All calls together have this rate, and the ratio of their own rates.
    /// Before the first of these times, each call has its own rate. The times are in ascending order.
    pub fn rate_steps(mut self, steps: impl IntoIterator<Item = (Duration, f64)>) -> Self {
        self.steps = steps.into_iter().collect();
        self
    }

    /// Exactly this number of requests. After the last answer, the load ends by itself:
    /// [`Running::finished`](super::Running::finished) waits for this. By default, a load ends only when it
    /// is stopped.
    pub fn requests(mut self, requests: u64) -> Self {
        self.requests = requests;
        self
    }

    /// The largest number of connections, opened when they are needed.
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most;
        self
    }

    /// The time limit for an exchange, and so for each try of a request; the default is 30 s. Then the client
    /// closes its connection.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Makes the clients repeat requests that failed. All tries of a request have one id, and the header
    /// `x-lab-try` has their number, from 1. A request keeps its place among the connections until its last
    /// try has ended, also while it waits for the next try. After [`Running::stop`](super::Running::stop),
    /// there are no further tries. By default, each request is sent once.
    ///
    /// A client with retries also repeats requests that are not idempotent.
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Makes each client of a closed loop wait between an answer and its next request; by default, it does
    /// not wait. A random time belongs to the seed, the client and the number of its answer. In open loop,
    /// nothing waits.
    pub fn think(mut self, think: Think) -> Self {
        self.think = think;
        self
    }

    /// Keeps only this number of the latest entries of the ledger, for a load that runs for hours.
    pub fn keep_last(mut self, entries: usize) -> Self {
        self.keep = entries;
        self
    }
}

impl Load {
    /// # Errors
    /// If the load sends nothing, or if a rate or a time is invalid. The calls are checked elsewhere.
    pub(super) fn check(&self) -> Result<()> {
        ensure!(self.connections > 0, "a load without connections sends nothing: give it at least one");
        ensure!(self.requests > 0, "a load of 0 requests sends nothing: give it at least one");
        self.arrivals.check()?;
        self.retries.map_or(Ok(()), |retries| retries.check())?;
        self.check_steps()
    }

    fn check_steps(&self) -> Result<()> {
        let is_trace = matches!(self.arrivals, Arrivals::Trace(_));
        ensure!(
            self.steps.is_empty() || !is_trace,
            "a trace has its own times: leave out the steps of the rate"
        );
        ensure!(self.steps.is_empty() || self.open, "a closed loop has no rate: use `Load::open` for steps");
        for (at, rate) in &self.steps {
            ensure!(
                rate.is_finite() && *rate >= 0.0,
                "the step at {at:?} has the rate {rate}: a rate is zero or a positive number"
            );
        }
        let is_sorted = self.steps.is_sorted_by(|before, after| before.0 < after.0);
        ensure!(is_sorted, "the steps of the rate are not in the order of their times: sort them");
        Ok(())
    }

    /// The requests of this load.
    pub(super) fn schedule(&self) -> Schedule {
        let all: f64 = self.calls.iter().map(|call| call.rate).sum();
        let rates = Rates::new(self.steps.iter().map(|(at, rate)| (*at, rate / all)));
        Schedule::new(Seed(self.seed), self.calls.iter().map(|call| call.rate), &self.arrivals, rates)
            .limit(self.requests)
    }
}
