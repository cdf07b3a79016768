//! One backend of a running lab, and the commands for it.
//!
//! All commands go through the backend's control port: its agent kills, stops and continues the worker
//! process that answers requests. So crashes and stalls are real, and the same in a container.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use http::Method;
use serde_json::Value;

use super::process::Process;
use super::serving::Serving;
use crate::client::{Client, request};
use crate::load::Executed;

/// One backend of a running lab.
#[derive(Debug)]
pub struct Backend {
    number: usize,
    serving: Serving,
    process: Option<Process>,
}

impl Backend {
    pub(super) fn new(number: usize, serving: Serving, process: Option<Process>) -> Self {
        Self { number, serving, process }
    }

    /// Its number; the first is 1.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The address for requests.
    pub fn address(&self) -> SocketAddr {
        self.serving.data
    }

    /// The same as a URL, as in the balancer's settings.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The address for commands.
    pub fn control(&self) -> SocketAddr {
        self.serving.control
    }

    /// Kills the worker (SIGKILL) and returns when it is gone: connections break, new ones are refused.
    ///
    /// # Errors
    /// For all commands here: if the control port does not answer, or refuses with a reason.
    pub async fn kill(&self) -> Result<()> {
        self.command("/kill").await
    }

    /// Lets the worker finish its requests in flight, tell its clients that it is leaving, and end; returns
    /// when it is gone.
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn drain(&self) -> Result<()> {
        self.command("/drain").await
    }

    /// Starts a worker and returns when it accepts connections.
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn start(&self) -> Result<()> {
        self.command("/start").await
    }

    /// Stalls the worker (SIGSTOP): connections are accepted, no request is answered.
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn stall(&self) -> Result<()> {
        self.command("/stop").await
    }

    /// Continues a stalled worker (SIGCONT).
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn resume(&self) -> Result<()> {
        self.command("/continue").await
    }

    /// Kills the worker and starts another one.
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn restart(&self) -> Result<()> {
        self.command("/restart").await
    }

    /// Replaces the worker's faults by these, an array. docs/faults.md lists the kinds and their fields.
    ///
    /// ```no_run
    /// # async fn story(backend: &lab::topology::Backend) -> anyhow::Result<()> {
    /// let fault = serde_json::json!({"kind": "status", "code": 503, "percent": 30, "for": "10s"});
    /// backend.faults([fault].into()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn faults(&self, faults: Value) -> Result<()> {
        self.ask(Method::PUT, "/faults", Some(faults)).await.map(drop)
    }

    /// Removes all faults.
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn heal(&self) -> Result<()> {
        self.command("/reset").await
    }

    /// The state of the backend: its worker, faults and counters.
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn state(&self) -> Result<Value> {
        self.ask(Method::GET, "/state", None).await
    }

    /// How often it executed each request.
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn ledger(&self) -> Result<Executed> {
        let ledger = self.ask(Method::GET, "/ledger", None).await?;
        Executed::from_ledger(&ledger)
            .with_context(|| format!("backend {} has an invalid ledger", self.number))
    }

    /// Empties its ledger.
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn clear_ledger(&self) -> Result<()> {
        self.ask(Method::DELETE, "/ledger", None).await.map(drop)
    }

    /// Its last output; empty if it runs in a container, where [`super::Lab::logs`] has it.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    async fn command(&self, path: &str) -> Result<()> {
        self.ask(Method::POST, path, None).await.map(drop)
    }

    /// Sends one request to the control port and reads the JSON of the answer, null for an empty answer.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let what = format!("backend {}: {method} {path}", self.number);
        let mut request =
            request(method, path, body.map(|body| body.to_string()).unwrap_or_default().into())?;
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert(http::header::CONTENT_TYPE, json);
        let answer = Client::new(self.control()).send(request).await;
        let answer = answer.and_then(crate::client::Answer::ok).context(what)?;
        if answer.body.is_empty() { Ok(Value::Null) } else { answer.json() }
    }
}
