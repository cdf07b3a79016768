//! The shared code of the end-to-end tests: a lab in containers that can be disconnected from its network,
//! and [real servers](origins) behind a balancer.
//!
//! Labs of processes come from [`lab::topology`]. Here, testcontainers starts containers, on a separate
//! network for each test, because a test disconnects them from it.

pub mod origins;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::client::Client;
use lab::topology::State;
use testcontainers::core::{ContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::process::Command;

/// The time limit from the start of a container to the line that says it listens.
const STARTUP: Duration = Duration::from_secs(60);

/// A balancer and its backends, each in a container, on a network of their own.
pub struct ContainerLab {
    network: String,
    balancer: ContainerAsync<GenericImage>,
    backends: Vec<ContainerAsync<GenericImage>>,
    address: SocketAddr,
    admin: SocketAddr,
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
        let network = format!("roundabout-{name}-{}", std::process::id());
        let host = |number: usize| format!("{network}-backend{number}");
        let mut backends = Vec::new();
        for number in 1..=count {
            let (id, port) = (number.to_string(), port(number).to_string());
            let command = ["--id", &id, "--port", &port, "--bind", "0.0.0.0", "--control-bind", "0.0.0.0"]
                .map(str::to_owned);
            let container = image("roundabout-backend", &[])
                .with_network(&network)
                .with_container_name(host(number))
                .with_startup_timeout(STARTUP)
                .with_cmd(command)
                .start()
                .await
                .with_context(|| format!("cannot start backend {number}"))?;
            backends.push(container);
        }
        let urls: Vec<_> =
            (1..=count).map(|number| format!("http://{}:{}", host(number), port(number))).collect();
        let balancer = image("roundabout-lb", &[3030, 4030])
            .with_network(&network)
            .with_container_name(format!("{network}-lb"))
            .with_startup_timeout(STARTUP)
            .with_cmd([format!("--backends={}", urls.join(",")), "--admin=0.0.0.0:4030".to_owned()])
            .start()
            .await
            .context("cannot start the balancer")?;
        let published = async |port: u16| -> Result<SocketAddr> {
            Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, balancer.get_host_port_ipv4(port).await?)))
        };
        let (address, admin) = (published(3030).await?, published(4030).await?);
        let lab = Self { network, balancer, backends, address, admin };
        for number in 1..=count {
            lab.until_state(number, "up", Duration::from_secs(10)).await?;
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
        let log = self.balancer.stderr_to_vec().await.unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl ContainerBackend<'_> {
    /// Ends the container's processes with `SIGKILL`.
    ///
    /// # Errors
    /// If Docker fails; the same holds for all commands below.
    pub async fn kill(&self) -> Result<()> {
        docker(&["kill", "--signal", "KILL", self.id()]).await
    }

    /// Starts the container again after [`Self::kill`].
    pub async fn start(&self) -> Result<()> {
        docker(&["start", self.id()]).await
    }

    /// Freezes the container's processes; the kernel continues to accept connections.
    pub async fn pause(&self) -> Result<()> {
        docker(&["pause", self.id()]).await
    }

    /// Continues a frozen container.
    pub async fn unpause(&self) -> Result<()> {
        docker(&["unpause", self.id()]).await
    }

    /// Disconnects the container from the network: packets to it are lost, and its name no longer resolves.
    pub async fn disconnect(&self) -> Result<()> {
        docker(&["network", "disconnect", &self.lab.network, self.id()]).await
    }

    /// Connects the container to the network again, perhaps at another address.
    pub async fn connect(&self) -> Result<()> {
        docker(&["network", "connect", &self.lab.network, self.id()]).await
    }

    fn id(&self) -> &str {
        self.lab.backends[self.number - 1].id()
    }
}

fn image(name: &str, ports: &[u16]) -> GenericImage {
    let image = GenericImage::new(name, "latest").with_wait_for(WaitFor::message_on_stdout("listening on"));
    ports.iter().fold(image, |image, port| image.with_exposed_port(ContainerPort::Tcp(*port)))
}

fn port(number: usize) -> u16 {
    3030 + u16::try_from(number).unwrap_or(u16::MAX)
}

async fn docker(arguments: &[&str]) -> Result<()> {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output().await?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "docker {}: {}", arguments.join(" "), complaint.trim());
    Ok(())
}
