//! The commands to a running lab: what a key of the terminal, a button of the page and `curl` do.
//!
//! A [`CommandRunner`] does each [`Command`] at the place that can do it: the control port of a backend, the
//! admin port of the balancer, the load, or the stream. The runner tells as an event `control` what the
//! balancer and the load do not tell themselves.

mod error;
mod ports;
mod reset;
mod usual_load;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use api::{Command, LoadModel};
use serde_json::{Value, json};
use tokio::sync::Mutex;

pub use self::error::CommandError;
use self::ports::{AdminPort, ControlPort};
use self::reset::Beginning;
pub use self::usual_load::usual_load;
use crate::stream::{LabStream, Shape, Sources, Traffic};

/// Runs the commands to one lab.
pub struct CommandRunner {
    stream: Arc<LabStream>,
    controls: Vec<SocketAddr>,
    traffic: Option<Arc<Traffic>>,
    token: Option<String>,
    beginning: Beginning,
    /// Held by commands about the whole lab, so that they come one after the other.
    whole: Mutex<()>,
}

impl std::fmt::Debug for CommandRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandRunner").field("controls", &self.controls).finish_non_exhaustive()
    }
}

impl CommandRunner {
    /// A runner for the lab with these sources. It keeps the present policy, modes, weights and load for
    /// [`Command::Reset`]. The token is that of the admin port, if it needs one for changes.
    ///
    /// # Errors
    /// If the balancer does not tell its state.
    pub async fn new(stream: Arc<LabStream>, sources: &Sources, token: Option<String>) -> Result<Self> {
        let beginning =
            Beginning::read(AdminPort::new(stream.admin(), None), sources.traffic.as_deref()).await?;
        Ok(Self {
            stream,
            controls: sources.controls.clone(),
            traffic: sources.traffic.clone(),
            token,
            beginning,
            whole: Mutex::default(),
        })
    }

    /// Runs a command, and returns in words what was done. `by` is the origin of the command. The stream
    /// shows it.
    ///
    /// A command that has begun must not be dropped: it can have several steps.
    ///
    /// # Errors
    /// If the lab cannot do this, or if one of its parts does not answer.
    pub async fn run(&self, command: &Command, by: &str) -> Result<String, CommandError> {
        match command {
            Command::Kill { backend } => self.process(*backend, "kill", by).await,
            Command::Start { backend } => self.process(*backend, "start", by).await,
            Command::Stop { backend } => self.process(*backend, "stop", by).await,
            Command::Continue { backend } => self.process(*backend, "continue", by).await,
            Command::Heal { backend } => self.heal(*backend, by).await,
            Command::Drain { backend } => self.mode(*backend, "drain").await,
            Command::Ready { backend } => self.mode(*backend, "ready").await,
            Command::Fault { backend, fault } => self.fault(*backend, fault, by).await,
            Command::EndFault { backend, kind } => {
                self.control(*backend)?.end_faults(kind).await?;
                Ok(self.tell(format!("no {kind} at B{backend}"), by))
            }
            Command::Weight { backend, weight } => {
                self.admin().change(*backend, &json!({ "weight": weight })).await?;
                Ok(format!("weight {weight} of B{backend}"))
            }
            Command::Policy { policy } => {
                self.admin().set_policy(policy).await?;
                Ok(format!("policy {policy}"))
            }
            Command::Load(model) => self.load(*model),
            Command::Ghost { policy } => self.ghost(policy.as_deref(), by),
            Command::Secret { backend, fault } => self.secret(*backend, fault, by).await,
            Command::Reveal => {
                let _alone = self.whole.lock().await;
                match self.stream.reveal(by) {
                    Some(revealed) => Ok(revealed),
                    None => Err(CommandError::impossible(
                        "there is no secret fault: start one with the command secret",
                    )),
                }
            }
            Command::Reset => {
                let _alone = self.whole.lock().await;
                self.reset(by).await
            }
        }
    }

    /// Tells what was done, and returns it.
    fn tell(&self, what: String, by: &str) -> String {
        self.stream.tell(what.clone(), by);
        what
    }

    fn admin(&self) -> AdminPort<'_> {
        AdminPort::new(self.stream.admin(), self.token.as_deref())
    }

    /// The control port of a backend.
    fn control(&self, backend: usize) -> Result<ControlPort, CommandError> {
        if self.controls.is_empty() {
            let error = "the control ports of the backends are not known here: start the console with \
                         --backend and the URL of each control port";
            return Err(CommandError::impossible(error));
        }
        let address = backend.checked_sub(1).and_then(|index| self.controls.get(index));
        let address = address.ok_or_else(|| {
            let last = self.controls.len();
            CommandError::impossible(format!(
                "there is no backend {backend}: write a number from 1 to {last}"
            ))
        })?;
        Ok(ControlPort::new(backend, *address))
    }

    async fn process(&self, backend: usize, verb: &str, by: &str) -> Result<String, CommandError> {
        self.control(backend)?.process(verb).await?;
        Ok(self.tell(format!("{verb} B{backend}"), by))
    }

    async fn mode(&self, backend: usize, mode: &str) -> Result<String, CommandError> {
        self.admin().change(backend, &json!({ "mode": mode })).await?;
        Ok(format!("{mode} B{backend}"))
    }

    async fn heal(&self, backend: usize, by: &str) -> Result<String, CommandError> {
        self.control(backend)?.process("reset").await?;
        if self.admin().mode(backend).await?.is_some_and(|mode| mode != "ready") {
            self.mode(backend, "ready").await?;
        }
        Ok(self.tell(format!("heal B{backend}"), by))
    }

    async fn fault(&self, backend: usize, fault: &Value, by: &str) -> Result<String, CommandError> {
        self.control(backend)?.add_fault(fault).await?;
        let kind = fault["kind"].as_str().unwrap_or_default();
        Ok(self.tell(format!("{kind} at B{backend}"), by))
    }

    /// Adds a fault that the stream hides from its first moment on.
    async fn secret(&self, backend: usize, fault: &Value, by: &str) -> Result<String, CommandError> {
        let _alone = self.whole.lock().await;
        let control = self.control(backend)?;
        let kind = fault["kind"].as_str().unwrap_or_default();
        if !self.stream.begin_secret(backend, kind) {
            return Err(CommandError::impossible("there is a secret fault already: reveal it first"));
        }
        match control.add_fault(fault).await {
            Ok(id) => {
                self.stream.confirm_secret(id, by);
                Ok("a secret fault".to_owned())
            }
            Err(error) => {
                self.stream.cancel_secret();
                Err(error)
            }
        }
    }

    fn load(&self, model: LoadModel) -> Result<String, CommandError> {
        let traffic = self.traffic.as_ref().ok_or_else(|| {
            CommandError::impossible(
                "this lab has no load of its own: start the console with --load and a URL",
            )
        })?;
        let shape = match model {
            LoadModel::Open { rate } => Shape { is_open: true, rate, ..traffic.shape() },
            LoadModel::Closed { clients } => Shape { is_open: false, clients, ..traffic.shape() },
        };
        traffic.change(shape).map_err(|error| CommandError::impossible(format!("{error:#}")))?;
        Ok(match model {
            LoadModel::Open { rate } => format!("load: open loop, {rate} requests a second"),
            LoadModel::Closed { clients } => format!("load: closed loop, {clients} clients"),
        })
    }

    fn ghost(&self, policy: Option<&str>, by: &str) -> Result<String, CommandError> {
        let set = self.stream.ghost().set(policy, by);
        set.map_err(|error| CommandError::impossible(format!("{error:#}")))?;
        Ok(format!("ghost {}", policy.unwrap_or("off")))
    }
}
