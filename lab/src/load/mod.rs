//! Load on a balancer, with correct numbers and without an unaccounted request.
//!
//! - **Closed loop** ([`Load::closed`]): a number of clients, each of which sends its next request when it
//!   has the answer to the last one. The throughput is the result; a server that stalls gets fewer requests,
//!   and so looks better than it is.
//! - **Open loop** ([`Load::open`]): requests start at fixed times, whatever the server does. Latency counts
//!   from the time at which a request should have started, so it includes the wait for a free connection. A
//!   measurement without this wait makes the mistake known as coordinated omission (Gil Tene, "How NOT to
//!   Measure Latency").
//!
//! Every request has its own `X-Request-Id` and ends as one [`Entry`] of a ledger; an answer to another
//! request is an outcome of its own kind. All figures are calculated from that ledger later, for any period,
//! and [`Report::compare`] compares it with the executions that the backends report.
//!
//! The load runs on a thread of its own, so that it does not disturb other work: one thread sends more than
//! ten thousand requests a second.

mod check;
mod crowd;
mod jobs;
mod ledger;
mod report;
mod run;
mod schedule;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::Method;

use crate::client::request;

pub use crowd::{Crowd, SlowCrowd};
pub use ledger::{Comparison, Entry, Executed, Outcome};
pub use report::{Phase, Report, Summary, summarise};
pub use run::Running;
pub use schedule::Schedule;

/// The description of a load; [`Load::start`] starts it.
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
/// println!("{:?}", report.phase("afterwards").map(|summary| summary.p99));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a load that is only described sends nothing"]
pub struct Load {
    server: SocketAddr,
    open: bool,
    connections: usize,
    calls: Vec<Call>,
    patience: Duration,
    keep: usize,
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

    /// The largest number of connections, opened when they are needed.
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most;
        self
    }

    /// The time limit for an exchange; the default is 30 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Keeps only this number of the latest entries of the ledger, for a load that runs for hours.
    pub fn keep_last(mut self, entries: usize) -> Self {
        self.keep = entries;
        self
    }

    /// Starts the load on a thread of its own.
    ///
    /// # Errors
    /// If a path is invalid, a rate is no positive number, or there is no connection to use.
    pub fn start(mut self) -> Result<Running> {
        if self.calls.is_empty() {
            self.calls.push(Call::get("/"));
        }
        ensure!(self.connections > 0, "a load without connections sends nothing: give it at least one");
        for Call { method, path, rate, .. } in &self.calls {
            ensure!(
                rate.is_finite() && *rate > 0.0,
                "{method} {path} at {rate} a second: a rate is a positive number"
            );
            request(method.clone(), path, Bytes::new())?;
        }
        Running::start(self)
    }
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    method: Method,
    path: String,
    bytes: usize,
    rate: f64,
}

impl Call {
    /// A GET of this path, once a second.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), bytes: 0, rate: 1.0 }
    }

    /// A POST with a body of this size, once a second. The body begins with the request's id, as far as it
    /// fits, so that all bodies are different.
    pub fn post(path: impl Into<String>, bytes: usize) -> Self {
        Self { method: Method::POST, bytes, ..Self::get(path) }
    }

    /// The number of requests a second in open loop. In closed loop, where the server sets the pace, the
    /// rates give the ratio of the calls.
    #[must_use]
    pub fn rate(mut self, per_second: f64) -> Self {
        self.rate = per_second;
        self
    }

    /// The rate.
    pub fn per_second(&self) -> f64 {
        self.rate
    }

    /// The body of the request with this id.
    fn body(&self, id: &str) -> Bytes {
        let filled = id.bytes().chain(std::iter::repeat(b'x'));
        filled.take(self.bytes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_cannot_be_is_refused() {
        let server = SocketAddr::from(([127, 0, 0, 1], 1));
        for (load, reason) in [
            (Load::closed(server, 0), "at least one"),
            (Load::open(server).call(Call::get("/").rate(0.0)), "GET / at 0 a second"),
            (Load::open(server).call(Call::get("/").rate(f64::NAN)), "a positive number"),
            (Load::closed(server, 1).call(Call::get("nowhere at all")), "no path"),
        ] {
            let error = format!("{:#}", load.start().unwrap_err());
            assert!(error.contains(reason), "{error:?} lacks {reason:?}");
        }
    }
}
