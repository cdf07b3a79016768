//! Starts a lab: the order of its programs, and the condition for being ready.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use api::State;

use super::backend::Backend;
use super::balancer::Balancer;
use super::compose::{self, Containers};
use super::configuration::Configuration;
use super::handle::{BalancerHandle, Launch};
use super::lab::Lab;
use super::peers::{OtherBalancer, StartOptions};
use super::ports;
use super::process::{Log, Process};
use super::serving::{BALANCER_PORT, Serving, fixed_port};
use crate::binaries::{self, Binaries, CargoOutput, Profile};
use crate::client::Client;
use crate::{eventually, image};

/// The time limit until the balancer reports all backends as up.
const READY_TIME: Duration = Duration::from_secs(15);

/// The number of client connections for which a balancer of another project is configured.
const CONNECTIONS: usize = 2048;

/// The description of a lab, from [`Lab::processes`] or [`Lab::compose`]; [`Setup::start`] starts it.
#[derive(Clone, Debug)]
#[must_use = "a lab that is only described does not run"]
pub struct Setup {
    in_containers: bool,
    balancer: Balancer,
    backends: usize,
    fixed_ports: bool,
    held_port: bool,
    lb_args: Vec<String>,
    lb_under: Vec<String>,
    lb_log: Log,
    settings: Option<String>,
    backend_args: Vec<String>,
    progress: CargoOutput,
}

impl Lab {
    /// A lab of processes, by default with free ports, so that many labs can run side by side.
    pub fn processes() -> Setup {
        Setup {
            in_containers: false,
            balancer: Balancer::Own,
            backends: 4,
            fixed_ports: false,
            held_port: false,
            lb_args: Vec::new(),
            lb_under: Vec::new(),
            lb_log: Log::Kept,
            settings: None,
            backend_args: Vec::new(),
            progress: CargoOutput::Quiet,
        }
    }

    /// A lab in containers, as `docker-compose.yml` describes it: four backends, fixed ports.
    pub fn compose() -> Setup {
        Setup { in_containers: true, fixed_ports: true, ..Self::processes() }
    }
}

impl Setup {
    /// The balancer in front of the backends; the default is ours. Processes only. A balancer of another
    /// project has a configuration of its own, so it takes none of the arguments and settings below.
    pub fn balancer(mut self, balancer: Balancer) -> Self {
        self.balancer = balancer;
        self
    }

    /// The number of backends; the default is 4.
    pub fn backends(mut self, count: usize) -> Self {
        self.backends = count;
        self
    }

    /// Use the well-known ports: 3030 for the balancer, 3031 and up for the backends, each control port 1000
    /// higher. By default, free ports are used.
    pub fn fixed_ports(mut self) -> Self {
        self.fixed_ports = true;
        self
    }

    /// The lab holds the socket for clients and passes it to the balancer, so that another balancer can
    /// replace it: [`Lab::restart_balancer`]. Processes only.
    pub fn held_port(mut self) -> Self {
        self.held_port = true;
        self
    }

    /// Gives the balancer one more argument, such as `--workers=2`. Processes only.
    pub fn lb_arg(mut self, arg: impl Into<String>) -> Self {
        self.lb_args.push(arg.into());
        self
    }

    /// Starts the balancer by another command, such as one that gives it a file system of its own: the words
    /// of the command come before those of the balancer. The command has to become the balancer (exec).
    /// Processes only, and not with [`Setup::held_port`].
    pub fn lb_under(mut self, command: impl IntoIterator<Item = String>) -> Self {
        self.lb_under = command.into_iter().collect();
        self
    }

    /// Leaves the balancer's standard error unread, so that the pipe becomes full. Error messages do not
    /// contain its log then. Processes only, and not with [`Setup::held_port`].
    pub fn unread_log(mut self) -> Self {
        self.lb_log = Log::Unread;
        self
    }

    /// Writes the balancer's backends and these settings (TOML) into a file that can be changed while it
    /// runs: [`Lab::configure`]. Processes only.
    pub fn settings(mut self, settings: impl Into<String>) -> Self {
        self.settings = Some(settings.into());
        self
    }

    /// Gives every backend one more argument, such as `--seed=7`. Processes only.
    pub fn backend_arg(mut self, arg: impl Into<String>) -> Self {
        self.backend_args.push(arg.into());
        self
    }

    /// Whether cargo's progress is visible during the build; the default is [`CargoOutput::Quiet`].
    pub fn progress(mut self, progress: CargoOutput) -> Self {
        self.progress = progress;
        self
    }

    /// Builds and starts everything, and returns when the balancer answers and, if it can, reports every
    /// backend as up.
    ///
    /// # Errors
    /// If something does not build or start, if a fixed port is taken (names the process that holds it), or
    /// if the backends are not up in time (has the logs). In these cases, no process is left running.
    pub async fn start(self) -> Result<Lab> {
        ensure!(
            self.balancer == Balancer::Own || !self.describes_own(),
            "{} has a configuration of its own: arguments, settings, ports and logs can be chosen for our balancer",
            self.balancer.name()
        );
        let lab =
            if self.in_containers { self.start_containers().await? } else { self.start_processes().await? };
        if lab.balancer().capabilities().state.is_none() {
            self.answers(&lab).await?;
            return Ok(lab);
        }
        lab.until(READY_TIME, "the balancer to find its backends up", |state| all_up(state, self.backends))
            .await?;
        Ok(lab)
    }

    async fn start_processes(&self) -> Result<Lab> {
        let progress = self.progress;
        let binaries = tokio::task::spawn_blocking(move || binaries::build(Profile::Dev, progress)).await??;
        if self.fixed_ports {
            ports::must_be_free(self.fixed_addresses())?;
        }
        let mut backends = Vec::new();
        for number in 1..=self.backends {
            backends.push(self.start_backend(&binaries, number).await?);
        }
        let balancer = match self.balancer {
            Balancer::Own => self.start_own(&binaries, &backends).await?,
            Balancer::Other(other) => self.start_other(other, &backends)?,
            Balancer::Running(address) => BalancerHandle::running(address),
        };
        Ok(Lab { balancer, backends, containers: None })
    }

    async fn start_backend(&self, binaries: &Binaries, number: usize) -> Result<Backend> {
        let port = if self.fixed_ports { fixed_port(number) } else { 0 };
        let mut args = vec![format!("--id={number}"), format!("--port={port}"), "--bind=127.0.0.1".into()];
        args.extend(self.backend_args.iter().cloned());
        let name = format!("backend {number}");
        let (process, serving) = Process::start(name, &binaries.demo_backend, &args).await?;
        Ok(Backend::new(number, serving, Some(process)))
    }

    async fn start_own(&self, binaries: &Binaries, backends: &[Backend]) -> Result<BalancerHandle> {
        let port = if self.fixed_ports { BALANCER_PORT } else { 0 };
        let mut args = vec![format!("--port={port}"), "--bind=127.0.0.1".into()];
        let configuration = match &self.settings {
            None => {
                let urls: Vec<_> = backends.iter().map(Backend::url).collect();
                args.push(format!("--backends={}", urls.join(",")));
                None
            }
            Some(settings) => {
                let configuration = Configuration::new()?;
                configuration.write(settings, backends)?;
                args.push(format!("--config={}", configuration.path().display()));
                Some(configuration)
            }
        };
        args.extend(self.lb_args.iter().cloned());
        let held = if self.held_port { Some(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?) } else { None };
        let (under, log) = (self.lb_under.clone(), self.lb_log);
        BalancerHandle::start(Launch { binary: binaries.lb.clone(), args, held, configuration, under, log })
            .await
    }

    fn start_other(&self, other: &OtherBalancer, backends: &[Backend]) -> Result<BalancerHandle> {
        let Some(program) = other.locate() else {
            bail!("{} is not installed: {}", other.name, other.install);
        };
        let port = if self.fixed_ports { BALANCER_PORT } else { ports::free()? };
        let folder = tempfile::tempdir().context("no place for its files")?;
        let backends: Vec<u16> = backends.iter().map(|backend| backend.address().port()).collect();
        let options =
            StartOptions { port, backends: &backends, connections: CONNECTIONS, folder: folder.path() };
        let args = other.prepare(&options)?;
        BalancerHandle::other(other.name, &program, &args, (Ipv4Addr::LOCALHOST, port).into(), folder)
    }

    /// Waits until a balancer that does not report its state passes on a request.
    async fn answers(&self, lab: &Lab) -> Result<()> {
        let what = format!("{} to answer", self.balancer.name());
        eventually(READY_TIME, &what, async || match lab.balancer().still_runs() {
            // It will not answer any more, so there is nothing to wait for.
            Err(ended) => Ok(Err(ended)),
            Ok(()) => lab.balancer().get("/").await?.ok().map(|_| Ok(())),
        })
        .await?
    }

    /// Whether something is described that only our balancer understands.
    fn describes_own(&self) -> bool {
        let has_words = !self.lb_args.is_empty() || !self.lb_under.is_empty();
        has_words || self.settings.is_some() || self.held_port || self.lb_log == Log::Unread
    }

    async fn start_containers(&self) -> Result<Lab> {
        ensure!(
            self.backends == compose::BACKENDS,
            "docker-compose.yml describes {} backends, not {}",
            compose::BACKENDS,
            self.backends
        );
        ensure!(
            !self.describes_own() && self.backend_args.is_empty() && self.balancer == Balancer::Own,
            "in containers the arguments and ports are those of docker-compose.yml"
        );
        tokio::task::spawn_blocking(image::build).await??;
        ports::must_be_free(self.fixed_addresses())?;
        let containers = Containers::start().await?;
        let backends: Vec<Backend> = (1..=self.backends)
            .map(|number| Backend::new(number, Serving::fixed(fixed_port(number)), None))
            .collect();
        let lab = Lab {
            balancer: BalancerHandle::in_container(Serving::fixed(BALANCER_PORT)),
            backends,
            containers: Some(containers),
        };
        for backend in lab.backends() {
            // A published port accepts connections before there is a program behind it.
            let what = format!("the container of backend {} to answer", backend.number());
            eventually(READY_TIME, &what, async || {
                Client::new(backend.control()).get("/healthz").await?.ok()
            })
            .await?;
        }
        Ok(lab)
    }

    /// All addresses of a lab with fixed ports.
    fn fixed_addresses(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        let own = (!matches!(self.balancer, Balancer::Running(_))).then_some(BALANCER_PORT);
        let all = own.into_iter().chain((1..=self.backends).map(fixed_port));
        all.map(Serving::fixed).flat_map(|serving| [serving.data, serving.control])
    }
}

/// Whether this number of backends is up.
fn all_up(state: &State, backends: usize) -> Result<()> {
    for number in 1..=backends {
        let backend = state.backend(number).with_context(|| format!("backend {number} is unknown"))?;
        ensure!(backend.state == "up", "backend {number} is {} ({})", backend.state, backend.cause);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::peers::NGINX;
    use super::*;

    #[test]
    fn fixed_ports_are_those_in_the_readme() {
        let addresses: Vec<String> =
            Lab::processes().backends(2).fixed_addresses().map(|address| address.to_string()).collect();
        assert_eq!(
            addresses,
            [
                "127.0.0.1:3030",
                "127.0.0.1:4030",
                "127.0.0.1:3031",
                "127.0.0.1:4031",
                "127.0.0.1:3032",
                "127.0.0.1:4032"
            ]
        );
    }

    #[tokio::test]
    async fn a_lab_that_cannot_be_is_refused_before_anything_starts() {
        for (setup, reason) in [
            (Lab::compose().backends(3), "describes 4 backends, not 3"),
            (Lab::compose().lb_arg("--workers=2"), "those of docker-compose.yml"),
            (Lab::compose().settings(""), "those of docker-compose.yml"),
            (Lab::compose().held_port(), "those of docker-compose.yml"),
            (Lab::compose().balancer(Balancer::Other(&NGINX)), "those of docker-compose.yml"),
            (
                Lab::processes().balancer(Balancer::Other(&NGINX)).lb_arg("--workers=2"),
                "nginx has a configuration",
            ),
        ] {
            let error = format!("{:#}", setup.start().await.unwrap_err());
            assert!(error.contains(reason), "{error:?} lacks {reason:?}");
        }
    }
}
