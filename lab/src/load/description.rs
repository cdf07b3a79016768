//! The description of a load.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

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
/// println!("{:?}", report.phase("afterwards").map(|summary| summary.p99));
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
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    bytes: usize,
    pub(super) rate: f64,
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
    pub(super) fn body(&self, id: &str) -> Bytes {
        let filled = id.bytes().chain(std::iter::repeat(b'x'));
        filled.take(self.bytes).collect()
    }
}
