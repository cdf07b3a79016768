//! The running balancer of a lab.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::{BackendSummary, PolicyInForce, State};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::balancer::Capabilities;
use super::configuration::Configuration;
use super::process::{Log, Process};
use super::serving::Serving;
use crate::binaries::{self, CargoOutput, Profile};
use crate::client::{Answer, Client, Events, request};

/// The running balancer of a lab.
#[derive(Debug)]
pub struct BalancerHandle {
    name: String,
    address: SocketAddr,
    capabilities: Capabilities,
    process: Option<Process>,
    /// The data to start it again, if that is possible.
    launch: Option<Launch>,
    /// Its files, if they are not those of its [`Launch`].
    _folder: Option<TempDir>,
}

/// The data to start our balancer.
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

impl BalancerHandle {
    pub(super) async fn start(launch: Launch) -> Result<Self> {
        let (process, serving) = launch.run().await?;
        Ok(Self { process: Some(process), launch: Some(launch), ..Self::in_container(serving) })
    }

    /// Starts a program of another project. It may not answer yet.
    pub(super) fn other(
        name: &str,
        program: &Path,
        args: &[String],
        address: SocketAddr,
        folder: TempDir,
    ) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            address,
            capabilities: Capabilities::default(),
            process: Some(Process::foreign(name.to_owned(), program, args)?),
            launch: None,
            _folder: Some(folder),
        })
    }

    /// A balancer that runs already, and that the lab does not end.
    pub(super) fn running(address: SocketAddr) -> Self {
        Self {
            name: "the balancer".to_owned(),
            address,
            capabilities: Capabilities::default(),
            process: None,
            launch: None,
            _folder: None,
        }
    }

    /// Builds the balancer and starts it on free ports, with these arguments, in front of backends outside
    /// the lab. It ends when it is dropped.
    ///
    /// # Errors
    /// If it does not build or start; has its log.
    pub async fn in_front_of(urls: &[String], args: &[String]) -> Result<Self> {
        let build = || binaries::build(Profile::Dev, CargoOutput::Quiet);
        let binary = tokio::task::spawn_blocking(build).await??.lb;
        let own = ["--port=0".to_owned(), "--bind=127.0.0.1".to_owned()];
        let backends = format!("--backends={}", urls.join(","));
        let args = own.into_iter().chain([backends]).chain(args.iter().cloned()).collect();
        let launch =
            Launch { binary, args, held: None, configuration: None, under: Vec::new(), log: Log::Kept };
        Self::start(launch).await
    }

    pub(super) fn in_container(Serving { data, control }: Serving) -> Self {
        Self {
            name: "lb".to_owned(),
            address: data,
            capabilities: Capabilities::all(control),
            process: None,
            launch: None,
            _folder: None,
        }
    }

    /// What it takes as the key of a request, such as `header:x-user`, if an argument says so. Without it,
    /// the key is the address of the client.
    pub fn hash_by(&self) -> Option<&str> {
        let args = &self.launch.as_ref()?.args;
        args.iter().rev().find_map(|arg| arg.strip_prefix("--hash-by="))
    }

    /// What it reports and accepts besides requests.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The address for one of its capabilities.
    pub(super) fn can(&self, what: &str, capability: Option<SocketAddr>) -> Result<SocketAddr> {
        capability.with_context(|| format!("{} cannot {what}", self.name))
    }

    /// The file with its settings.
    pub(super) fn configuration(&self) -> Result<&Configuration> {
        let launch = self.launch.as_ref();
        launch
            .and_then(|launch| launch.configuration.as_ref())
            .context("its settings are not in a file: describe the lab with `settings(..)`")
    }

    /// Lets it drain and end, and starts another one on the same socket.
    pub(super) async fn restart(&mut self, within: Duration) -> Result<()> {
        let launch = self.launch.as_ref().context("the lab cannot start this balancer again")?;
        ensure!(
            launch.held.is_some(),
            "its port would be closed in between: describe the lab with `held_port()`"
        );
        let process = self.process()?;
        process.terminate()?;
        let status = process.exited(within).await?;
        ensure!(status.success(), "it ended with {status}\n{}", process.log());
        let (next, serving) = launch.run().await?;
        self.address = serving.data;
        self.capabilities = Capabilities::all(serving.control);
        self.process = Some(next);
        Ok(())
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its admin port.
    ///
    /// # Errors
    /// If it has none, because it is a balancer of another project.
    pub fn admin(&self) -> Result<SocketAddr> {
        self.can("report its state", self.capabilities.state)
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
    /// If it cannot report its state, or if the admin port does not answer, or with another structure than
    /// [`State`].
    pub async fn state(&self) -> Result<State> {
        Client::new(self.admin()?).get("/state").await?.ok()?.json()
    }

    /// Its events as they happen: `state` for each change of a backend's state (and one per backend at the
    /// start), `request` for a sample of the requests.
    ///
    /// # Errors
    /// If it cannot report events, or if the admin port does not answer.
    pub async fn events(&self) -> Result<Events> {
        Events::open(self.can("report events", self.capabilities.events)?, "/events").await
    }

    /// Switches to the next policy, in the order of the balancer's list, and returns its name.
    ///
    /// # Errors
    /// If it cannot change its policy, or if the admin port does not answer, or wants a token.
    pub async fn next_policy(&self) -> Result<String> {
        let port = self.can("change its policy", self.capabilities.policies)?;
        let PolicyInForce { policy, known } = Client::new(port).get("/policy").await?.ok()?.json()?;
        let place = known.iter().position(|name| *name == policy).context("an unknown policy is in force")?;
        let next = known[(place + 1) % known.len()].to_string();
        order(port, Method::PUT, "/policy", &json!({ "policy": next })).await?;
        Ok(next)
    }

    /// Adds a backend, such as `http://backend.example:80`, and returns its number.
    ///
    /// # Errors
    /// If it cannot add backends, or if the admin port does not answer, refuses, or wants a token.
    pub async fn add(&self, url: &str) -> Result<usize> {
        let port = self.can("add backends", self.capabilities.members)?;
        let added: BackendSummary =
            order(port, Method::POST, "/backends", &json!({ "url": url })).await?.json()?;
        Ok(added.number)
    }

    /// Removes a backend.
    ///
    /// # Errors
    /// As [`BalancerHandle::add`].
    pub async fn remove(&self, number: usize) -> Result<()> {
        let port = self.can("remove backends", self.capabilities.members)?;
        order(port, Method::DELETE, &format!("/backends/{number}"), &json!({})).await.map(drop)
    }

    /// Changes the weight of a backend, 0 to 1000, which becomes valid with the next pick.
    ///
    /// # Errors
    /// As [`BalancerHandle::add`].
    pub async fn set_weight(&self, number: usize, weight: u32) -> Result<()> {
        self.change(number, &json!({ "weight": weight })).await
    }

    /// Changes the mode of a backend: `ready`, `drain` or `maintenance`.
    ///
    /// # Errors
    /// As [`BalancerHandle::add`].
    pub async fn set_mode(&self, number: usize, mode: &str) -> Result<()> {
        self.change(number, &json!({ "mode": mode })).await
    }

    async fn change(&self, number: usize, change: &Value) -> Result<()> {
        let port = self.can("change backends", self.capabilities.members)?;
        order(port, Method::PATCH, &format!("/backends/{number}"), change).await.map(drop)
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
        crate::resources::resident(self.pid()?)
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

    /// Fails with its log if its process, which the lab started, has ended.
    pub(super) fn still_runs(&self) -> Result<()> {
        self.process.as_ref().map_or(Ok(()), Process::still_runs)
    }

    /// Its last output; empty if it runs in a container, where [`super::Lab::logs`] has it.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    fn process(&self) -> Result<&Process> {
        self.process.as_ref().context("the lab has not started this balancer: signal it where it runs")
    }
}

/// Asks an admin port for a change.
async fn order(port: SocketAddr, method: Method, path: &str, body: &Value) -> Result<Answer> {
    let mut order = request(method, path, body.to_string().into())?;
    order.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Client::new(port).send(order).await?.ok()
}
