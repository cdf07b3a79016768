//! The balancer of a running lab.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::configuration::Configuration;
use super::process::{Log, Process};
use super::{Serving, State};
use crate::binaries::{self, Profile, Progress};
use crate::client::{Answer, Client, Events, request};

/// The balancer of a running lab.
#[derive(Debug)]
pub struct Balancer {
    serving: Serving,
    process: Option<(Process, Launch)>,
}

/// The answer to `GET /policy`.
#[derive(Deserialize)]
struct Policies {
    policy: String,
    known: Vec<String>,
}

/// The needed part of the answer to `POST /backends`.
#[derive(Deserialize)]
struct BackendNumber {
    number: usize,
}

/// The data to start a balancer.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) binary: PathBuf,
    pub(super) args: Vec<String>,
    /// The socket for clients, if the lab holds it.
    pub(super) held: Option<TcpListener>,
    /// The file with its settings, if there is one.
    pub(super) configuration: Option<Configuration>,
    /// A command that runs the binary, with its arguments; empty for the binary itself.
    pub(super) under: Vec<String>,
    /// Whether its log is read.
    pub(super) log: Log,
}

impl Launch {
    async fn run(&self) -> Result<(Process, Serving)> {
        let name = "lb".to_owned();
        match &self.held {
            None => {
                let program = self.binary.display().to_string();
                let mut words = self.under.iter().chain([&program]).chain(&self.args);
                let mut command = Command::new(words.next().unwrap_or(&program));
                Process::spawn(name, command.args(words), self.log).await
            }
            Some(held) => {
                Process::start_with_socket(name, &self.binary, &self.args, held.try_clone()?.into()).await
            }
        }
    }
}

impl Balancer {
    pub(super) async fn start(launch: Launch) -> Result<Self> {
        let (process, serving) = launch.run().await?;
        Ok(Self { serving, process: Some((process, launch)) })
    }

    /// Builds the balancer and starts it on free ports, with these arguments, in front of backends outside
    /// the lab. It ends when it is dropped.
    ///
    /// # Errors
    /// If it does not build or start; has its log.
    pub async fn in_front_of(urls: &[String], args: &[String]) -> Result<Self> {
        let build = || binaries::build(Profile::Dev, Progress::Quiet);
        let binary = tokio::task::spawn_blocking(build).await??.lb;
        let own = ["--port=0".to_owned(), "--bind=127.0.0.1".to_owned()];
        let backends = format!("--backends={}", urls.join(","));
        let args = own.into_iter().chain([backends]).chain(args.iter().cloned()).collect();
        let launch =
            Launch { binary, args, held: None, configuration: None, under: Vec::new(), log: Log::Kept };
        Self::start(launch).await
    }

    pub(super) fn in_container(serving: Serving) -> Self {
        Self { serving, process: None }
    }

    /// The file with its settings.
    pub(super) fn configuration(&self) -> Result<&Configuration> {
        let launch = self.process.as_ref().map(|(_, launch)| launch);
        launch
            .and_then(|launch| launch.configuration.as_ref())
            .context("its settings are not in a file: describe the lab with `settings(..)`")
    }

    /// Lets it drain and end, and starts another one on the same socket.
    pub(super) async fn restart(&mut self, within: Duration) -> Result<()> {
        let (process, launch) = self.process.as_ref().context("this balancer runs in a container")?;
        ensure!(
            launch.held.is_some(),
            "its port would be closed in between: describe the lab with `held_port()`"
        );
        process.terminate()?;
        let status = process.exited(within).await?;
        ensure!(status.success(), "it ended with {status}\n{}", process.log());
        let (next, serving) = launch.run().await?;
        self.serving = serving;
        if let Some((process, _)) = &mut self.process {
            *process = next;
        }
        Ok(())
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.serving.data
    }

    /// The address of its admin port.
    pub fn admin(&self) -> SocketAddr {
        self.serving.control
    }

    /// Sends one GET through the balancer, on a connection of its own.
    ///
    /// # Errors
    /// If no complete answer comes; any answer is `Ok`, whatever its status.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        Client::new(self.address()).get(path).await
    }

    /// The state of the balancer and the backends.
    ///
    /// # Errors
    /// If the admin port does not answer, or with another structure than [`State`].
    pub async fn state(&self) -> Result<State> {
        Client::new(self.admin()).get("/state").await?.ok()?.json()
    }

    /// Its events as they happen: `state` for each change of a backend's state (and one per backend at the
    /// start), `request` for a sample of the requests.
    ///
    /// # Errors
    /// If the admin port does not answer.
    pub async fn events(&self) -> Result<Events> {
        Events::open(self.admin(), "/events").await
    }

    /// Switches to the next policy, in the order of the balancer's list, and returns its name.
    ///
    /// # Errors
    /// If the admin port does not answer, or wants a token.
    pub async fn next_policy(&self) -> Result<String> {
        let mut admin = Client::new(self.admin());
        let Policies { policy, known } = admin.get("/policy").await?.ok()?.json()?;
        let place = known.iter().position(|name| *name == policy).context("an unknown policy is in force")?;
        let next = known[(place + 1) % known.len()].clone();
        self.order(Method::PUT, "/policy", &json!({ "policy": next })).await?;
        Ok(next)
    }

    /// Adds a backend, such as `http://backend.example:80`, and returns its number.
    ///
    /// # Errors
    /// If the admin port does not answer, refuses, or wants a token.
    pub async fn add(&self, url: &str) -> Result<usize> {
        let added: BackendNumber =
            self.order(Method::POST, "/backends", &json!({ "url": url })).await?.json()?;
        Ok(added.number)
    }

    /// Removes a backend.
    ///
    /// # Errors
    /// As [`Balancer::add`].
    pub async fn remove(&self, number: usize) -> Result<()> {
        self.order(Method::DELETE, &format!("/backends/{number}"), &json!({})).await.map(drop)
    }

    async fn order(&self, method: Method, path: &str, said: &Value) -> Result<Answer> {
        let mut order = request(method, path, said.to_string().into())?;
        order.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Client::new(self.admin()).send(order).await?.ok()
    }

    /// The id of its process.
    ///
    /// # Errors
    /// If it runs in a container.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.process()?.pid())
    }

    /// The memory that its process occupies now, in bytes.
    ///
    /// # Errors
    /// If it runs in a container, or has ended.
    pub fn resident(&self) -> Result<u64> {
        crate::memory(self.pid()?, "VmRSS")
    }

    /// Asks it to drain and end (SIGTERM), and returns at once.
    ///
    /// # Errors
    /// If it runs in a container or has already ended.
    pub fn terminate(&self) -> Result<()> {
        self.process()?.terminate()
    }

    /// Asks it to read its configuration again (SIGHUP), and returns at once.
    ///
    /// # Errors
    /// If it runs in a container or has already ended.
    pub fn reload(&self) -> Result<()> {
        self.process()?.hang_up()
    }

    /// Ends it at once (SIGKILL).
    ///
    /// # Errors
    /// If it runs in a container or has already ended.
    pub fn kill(&self) -> Result<()> {
        self.process()?.kill()
    }

    /// Waits until its process has ended.
    ///
    /// # Errors
    /// If it runs in a container, or still runs after this time.
    pub async fn exited(&self, within: Duration) -> Result<ExitStatus> {
        self.process()?.exited(within).await
    }

    /// Its last output; empty if it runs in a container, where [`super::Lab::logs`] has it.
    pub fn log(&self) -> String {
        self.process.as_ref().map(|(process, _)| process.log()).unwrap_or_default()
    }

    fn process(&self) -> Result<&Process> {
        let (process, _) =
            self.process.as_ref().context("this balancer runs in a container: use `docker` to signal it")?;
        Ok(process)
    }
}
