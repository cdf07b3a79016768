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

    /// Adds one fault, such as `{"kind": "latency", "fixed": "400ms"}`, and returns its id.
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn add_fault(&self, fault: Value) -> Result<u32> {
        let added = self.ask(Method::POST, "/faults", Some(fault)).await?;
        let id = added["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        id.with_context(|| format!("backend {} gave the fault no id: {added}", self.number))
    }

    /// Changes some fields of the fault with this id, such as `{"percent": 50}`; null removes a field.
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn change_fault(&self, id: u32, changes: Value) -> Result<()> {
        self.ask(Method::PATCH, &format!("/faults/{id}"), Some(changes)).await.map(drop)
    }

    /// Sets the capacity of the server, such as `{"workers": 3, "queue": 20, "work": "100ms"}`. Fields
    /// that are missing get their defaults; docs/faults.md lists all of them.
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn set_capacity(&self, capacity: Value) -> Result<()> {
        self.ask(Method::PUT, "/capacity", Some(capacity)).await.map(drop)
    }

    /// Sends SIGTERM to the worker, which exits at once or as its fault `exit_on_term` says. Does not wait
    /// for its end.
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn terminate(&self) -> Result<()> {
        self.command("/term").await
    }

    /// The presets: commands with a name, as data.
    ///
    /// # Errors
    /// As [`Backend::kill`].
    pub async fn presets(&self) -> Result<Value> {
        self.ask(Method::GET, "/presets", None).await
    }

    /// Back to no faults, the first capacity, and a worker that runs.
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    /// A control port that answers one request with this body, and returns the line and the body of the
    /// request.
    async fn control_port(answer: &'static str) -> (Backend, tokio::task::JoinHandle<(String, Value)>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let control = listener.local_addr().unwrap();
        let request = tokio::spawn(async move {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "{head}");
            }
            let small = head.to_ascii_lowercase();
            let length = small.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
            stream.read_exact(&mut body).await.unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            let line = head.split(" HTTP/1.1").next().unwrap().to_owned();
            (line, serde_json::from_slice(&body).unwrap_or(Value::Null))
        });
        (Backend::new(1, Serving { data: control, control }, None), request)
    }

    #[tokio::test]
    async fn each_command_is_a_request_to_the_control_port() {
        let (backend, request) = control_port(r#"{"id": 7, "applied": true}"#).await;
        let fault = json!({"kind": "reset"});
        assert_eq!(backend.add_fault(fault.clone()).await.unwrap(), 7);
        assert_eq!(request.await.unwrap(), ("POST /faults".to_owned(), fault));

        let (backend, request) = control_port(r#"{"applied": true}"#).await;
        backend.change_fault(7, json!({"percent": 5})).await.unwrap();
        assert_eq!(request.await.unwrap(), ("PATCH /faults/7".to_owned(), json!({"percent": 5})));

        let (backend, request) = control_port(r#"{"applied": true}"#).await;
        backend.set_capacity(json!({"workers": 3})).await.unwrap();
        assert_eq!(request.await.unwrap(), ("PUT /capacity".to_owned(), json!({"workers": 3})));

        let (backend, request) = control_port("{}").await;
        backend.terminate().await.unwrap();
        assert_eq!(request.await.unwrap().0, "POST /term");

        let (backend, request) = control_port(r#"[{"name": "slow"}]"#).await;
        assert_eq!(backend.presets().await.unwrap(), json!([{"name": "slow"}]));
        assert_eq!(request.await.unwrap().0, "GET /presets");
    }
}
