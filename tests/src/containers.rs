//! A lab in containers, on a network of its own: a test disconnects containers from it.
//!
//! The command `docker` does all of it, as for the images. A client library would be a third of all code that
//! the workspace compiles.

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::client::Client;
use lab::image::{BACKEND, BALANCER};
use lab::topology::State;
use tokio::process::Command;

/// The time limit from the start of the balancer's container until the balancer reports that a backend is up.
const STARTUP: Duration = Duration::from_secs(60);

/// A balancer and its backends, each in a container, on a network of their own. Dropping it removes them all.
pub struct ContainerLab {
    network: Network,
    address: SocketAddr,
    admin: SocketAddr,
}

/// A network with its containers. Dropping it removes them, also when a test fails in the middle.
struct Network {
    name: String,
    /// The names of its containers.
    containers: Vec<String>,
}

/// A backend's container.
pub struct ContainerBackend<'a> {
    lab: &'a ContainerLab,
    number: usize,
}

impl ContainerLab {
    /// Starts `count` backends and a balancer in front of them; `name` distinguishes this lab from others at
    /// the same time.
    ///
    /// # Errors
    /// If Docker fails, or if not all backends are up in time.
    pub async fn start(name: &str, count: usize) -> Result<Self> {
        let mut network = Network::create(format!("roundabout-{name}-{}", std::process::id())).await?;
        for number in 1..=count {
            let (id, port) = (number.to_string(), port(number).to_string());
            let flags = ["--id", &id, "--port", &port, "--bind=0.0.0.0", "--control-bind=0.0.0.0"];
            network
                .run(network.backend(number), &[], BACKEND, &flags)
                .await
                .with_context(|| format!("cannot start backend {number}"))?;
        }
        let urls: Vec<_> = (1..=count)
            .map(|number| format!("http://{}:{}", network.backend(number), port(number)))
            .collect();
        let balancer = network.balancer();
        // Docker picks free ports of the loopback address.
        let ports = ["--publish=127.0.0.1::3030", "--publish=127.0.0.1::4030"];
        let flags = [&*format!("--backends={}", urls.join(",")), "--admin=0.0.0.0:4030"];
        network.run(balancer.clone(), &ports, BALANCER, &flags).await.context("cannot start the balancer")?;
        let (address, admin) = (published(&balancer, "3030").await?, published(&balancer, "4030").await?);
        let lab = Self { network, address, admin };
        for number in 1..=count {
            lab.until_state(number, "up", STARTUP).await?;
        }
        Ok(lab)
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A backend's container, by number.
    pub fn backend(&self, number: usize) -> ContainerBackend<'_> {
        ContainerBackend { lab: self, number }
    }

    /// The balancer's state, from its admin port.
    ///
    /// # Errors
    /// If the admin port does not answer.
    pub async fn state(&self) -> Result<State> {
        Client::new(self.admin).get("/state").await?.ok()?.json()
    }

    /// Waits until the balancer reports that a backend is in a state.
    ///
    /// # Errors
    /// If the time is up: has the last state, and the balancer's log.
    pub async fn until_state(&self, number: usize, state: &str, within: Duration) -> Result<()> {
        let what = format!("backend {number} to be {state}");
        let reached = lab::eventually(within, &what, async || {
            let report = self.state().await?;
            let backend = report.backend(number).context("the balancer does not know it")?;
            ensure!(backend.state == state, "it is {}: {}", backend.state, backend.cause);
            Ok(())
        });
        match reached.await {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(format!("the balancer's log:\n{}", self.log().await))),
        }
    }

    async fn log(&self) -> String {
        let output = command(&["logs", &self.network.balancer()]).output().await;
        output.map_or_else(|error| error.to_string(), |output| said(&output.stderr))
    }
}

impl Network {
    async fn create(name: String) -> Result<Self> {
        docker(&["network", "create", &name]).await?;
        Ok(Self { name, containers: Vec::new() })
    }

    /// The name of a backend's container, which is also its name for the balancer.
    fn backend(&self, number: usize) -> String {
        format!("{}-backend{number}", self.name)
    }

    fn balancer(&self) -> String {
        format!("{}-lb", self.name)
    }

    /// Starts a container of an image on this network.
    async fn run(&mut self, name: String, options: &[&str], image: &str, flags: &[&str]) -> Result<()> {
        let start = ["run", "--detach", "--network", &self.name, "--name", &name];
        let whole = [&start[..], options, &[image], flags].concat();
        let started = docker(&whole).await.map(drop);
        // Docker may have made the container although it could not start it.
        self.containers.push(name);
        started
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let remove = |arguments: &[&str]| {
            let _ = std::process::Command::new("docker").args(arguments).output();
        };
        let containers: Vec<_> = self.containers.iter().map(String::as_str).collect();
        remove(&[&["rm", "--force", "--volumes"], &containers[..]].concat());
        remove(&["network", "rm", &self.name]);
    }
}

impl ContainerBackend<'_> {
    /// Ends the container's processes with `SIGKILL`.
    ///
    /// # Errors
    /// If Docker fails; the same holds for all commands below.
    pub async fn kill(&self) -> Result<()> {
        docker(&["kill", "--signal", "KILL", &self.container()]).await.map(drop)
    }

    /// Starts the container again after [`Self::kill`].
    pub async fn start(&self) -> Result<()> {
        docker(&["start", &self.container()]).await.map(drop)
    }

    /// Freezes the container's processes; the kernel continues to accept connections.
    pub async fn pause(&self) -> Result<()> {
        docker(&["pause", &self.container()]).await.map(drop)
    }

    /// Continues a frozen container.
    pub async fn unpause(&self) -> Result<()> {
        docker(&["unpause", &self.container()]).await.map(drop)
    }

    /// Disconnects the container from the network: packets to it are lost, and its name no longer resolves.
    pub async fn disconnect(&self) -> Result<()> {
        docker(&["network", "disconnect", &self.lab.network.name, &self.container()]).await.map(drop)
    }

    /// Connects the container to the network again, perhaps at another address.
    pub async fn connect(&self) -> Result<()> {
        docker(&["network", "connect", &self.lab.network.name, &self.container()]).await.map(drop)
    }

    fn container(&self) -> String {
        self.lab.network.backend(self.number)
    }
}

fn port(number: usize) -> u16 {
    3030 + u16::try_from(number).unwrap_or(u16::MAX)
}

/// The address of this machine that leads to a port of a container.
async fn published(container: &str, port: &str) -> Result<SocketAddr> {
    let output = docker(&["port", container, port]).await?;
    let address = output.lines().next().unwrap_or_default();
    address.parse().with_context(|| format!("docker port says {output:?}"))
}

/// Runs a command of Docker and returns its output.
async fn docker(arguments: &[&str]) -> Result<String> {
    let Output { status, stdout, stderr } = command(arguments).output().await.context("cannot run docker")?;
    ensure!(status.success(), "docker {}: {}", arguments.join(" "), said(&stderr).trim());
    Ok(said(&stdout))
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments).stdin(Stdio::null());
    command
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
