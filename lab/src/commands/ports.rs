//! The ports that do a command: the control port of a backend, and the admin port of the balancer.

use std::net::SocketAddr;

use api::{BackendState, State};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::error::CommandError;
use crate::client::{Answer, Client, request};

/// The control port of one backend.
#[derive(Debug)]
pub(super) struct ControlPort {
    number: usize,
    address: SocketAddr,
}

impl ControlPort {
    pub(super) fn new(number: usize, address: SocketAddr) -> Self {
        Self { number, address }
    }

    /// Does something with the process, such as `kill`.
    pub(super) async fn process(&self, verb: &str) -> Result<(), CommandError> {
        self.ask(Method::POST, &format!("/{verb}"), None).await.map(drop)
    }

    /// Adds a fault, and returns its id.
    pub(super) async fn add_fault(&self, fault: &Value) -> Result<u64, CommandError> {
        let added = read::<Value>(&self.ask(Method::POST, "/faults", Some(fault)).await?)?;
        added["id"]
            .as_u64()
            .ok_or_else(|| CommandError::failed(format!("B{} gave the fault no id", self.number)))
    }

    /// Removes the faults of a kind, if there are any. A kind that no backend knows is an error.
    pub(super) async fn end_faults(&self, kind: &str) -> Result<(), CommandError> {
        let kinds = read::<Value>(&self.ask(Method::GET, "/kinds", None).await?)?;
        let names: Vec<&str> =
            kinds.as_array().into_iter().flatten().filter_map(|kind| kind["name"].as_str()).collect();
        if !names.contains(&kind) {
            let names = names.join(", ");
            return Err(CommandError::impossible(format!("there is no such fault; write one of {names}")));
        }
        let faults = read::<Value>(&self.ask(Method::GET, "/state", None).await?)?;
        let of_kind = faults["faults"].as_array().into_iter().flatten().filter(|fault| fault["kind"] == kind);
        for id in of_kind.filter_map(|fault| fault["id"].as_u64()) {
            self.ask(Method::DELETE, &format!("/faults/{id}"), None).await?;
        }
        Ok(())
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, CommandError> {
        let who = format!("the control port of B{}", self.number);
        ask(&who, self.address, None, method, path, body).await
    }
}

/// The admin port of the balancer.
#[derive(Debug)]
pub(super) struct AdminPort<'a> {
    address: SocketAddr,
    token: Option<&'a str>,
}

impl<'a> AdminPort<'a> {
    pub(super) fn new(address: SocketAddr, token: Option<&'a str>) -> Self {
        Self { address, token }
    }

    /// Changes a backend: `{"mode": "drain"}` or `{"weight": 5}`.
    pub(super) async fn change(&self, backend: usize, change: &Value) -> Result<(), CommandError> {
        self.ask(Method::PATCH, &format!("/backends/{backend}"), Some(change)).await.map(drop)
    }

    pub(super) async fn set_policy(&self, policy: &str) -> Result<(), CommandError> {
        self.ask(Method::PUT, "/policy", Some(&json!({ "policy": policy }))).await.map(drop)
    }

    pub(super) async fn state(&self) -> Result<State, CommandError> {
        read(&self.ask(Method::GET, "/state", None).await?)
    }

    /// The mode of a backend; `None` if the balancer does not have it.
    pub(super) async fn mode(&self, backend: usize) -> Result<Option<String>, CommandError> {
        let state = self.state().await?;
        let found = state.backends.into_iter().find(|one: &BackendState| one.number == backend);
        Ok(found.map(|backend| backend.mode.into_owned()))
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, CommandError> {
        ask("the balancer", self.address, self.token, method, path, body).await
    }
}

/// Sends one request, and returns the answer if it is a success.
async fn ask(
    who: &str,
    address: SocketAddr,
    token: Option<&str>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, CommandError> {
    let no_answer = |error: anyhow::Error| CommandError::failed(format!("{who} does not answer: {error:#}"));
    let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
    let mut asked = request(method, path, body).map_err(no_answer)?;
    asked.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(token) = token {
        let bearer = HeaderValue::try_from(format!("Bearer {token}"));
        let bearer = bearer
            .map_err(|_| CommandError::impossible("the token of the admin port has invalid characters"))?;
        asked.headers_mut().insert(AUTHORIZATION, bearer);
    }
    let answer = Client::new(address).send(asked).await.map_err(no_answer)?;
    match answer.status {
        status if status.is_success() => Ok(answer),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(CommandError::impossible(format!(
            "{who} refuses changes without its token: set LB_ADMIN_TOKEN for the balancer and for the console ({})",
            reason(&answer)
        ))),
        status => {
            let error = format!("{who} refuses: {}", reason(&answer));
            Err(if status.is_client_error() {
                CommandError::impossible(error)
            } else {
                CommandError::failed(error)
            })
        }
    }
}

/// The reason in an answer: its field `error`, or its text.
fn reason(answer: &Answer) -> String {
    let said: Value = answer.json().unwrap_or_default();
    let text = said["error"].as_str().map_or_else(|| answer.text(), str::to_owned);
    if text.trim().is_empty() { answer.status.to_string() } else { text.trim().to_owned() }
}

fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, CommandError> {
    answer.json().map_err(|error| CommandError::failed(format!("{error:#}")))
}
