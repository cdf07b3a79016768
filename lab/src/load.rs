//! How does one load a balancer so that the numbers are true and no request is unaccounted for?
//!
//! - **Closed loop** ([`Load::closed`]): so many clients, each sends its next request when it has the answer to
//!   the last. Throughput is what comes out; a server that stalls is asked less, and looks better than it is.
//! - **Open loop** ([`Load::open`]): requests start at set times, whatever the server does. Latency is counted
//!   from the time a request should have started, so that waiting for a free connection is in it. Leaving it
//!   out is the mistake known as coordinated omission (Gil Tene, "How NOT to Measure Latency").
//!
//! Every request carries an `X-Request-Id` of its own and ends as one [`Entry`] of a ledger; an answer that is not the
//! one to its request is an outcome of its own kind. All figures are drawn from that ledger afterwards, for any
//! stretch of time, and [`Report::compare`] holds it against what the backends say they executed.
//!
//! The load runs on a thread of its own and disturbs nobody: one thread sends more than ten thousand requests
//! a second.

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

/// A load that is being described; [`Load::start`] sets it off.
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
    /// This many clients, each on one keep-alive connection, one request after the other.
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

    /// Requests at the times that the calls' rates say, over at most 64 keep-alive connections.
    pub fn open(server: SocketAddr) -> Self {
        Self { open: true, ..Self::closed(server, 64) }
    }

    /// Adds a kind of request; without any, it is `GET /`.
    pub fn call(mut self, call: Call) -> Self {
        self.calls.push(call);
        self
    }

    /// How many connections there are at the most, opened when first needed.
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most;
        self
    }

    /// How long an exchange may take before it counts as failed; 30 s unless told otherwise.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Keeps only the last so many entries of the ledger, for a load that runs for hours.
    pub fn keep_last(mut self, entries: usize) -> Self {
        self.keep = entries;
        self
    }

    /// Sets it off on a thread of its own.
    ///
    /// # Errors
    /// When a path is no path, a rate no positive number, or there is no connection to use.
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

    /// A POST of a body of so many bytes, once a second. The body begins with the request's id, as far as it fits, so
    /// that no two are alike.
    pub fn post(path: impl Into<String>, bytes: usize) -> Self {
        Self { method: Method::POST, bytes, ..Self::get(path) }
    }

    /// How many a second there are in open loop. In closed loop, where the pace is the server's, the rates
    /// say how often one call is made as compared with the others.
    #[must_use]
    pub fn rate(mut self, per_second: f64) -> Self {
        self.rate = per_second;
        self
    }

    /// The rate.
    pub fn per_second(&self) -> f64 {
        self.rate
    }

    /// The body of the request of this id.
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
