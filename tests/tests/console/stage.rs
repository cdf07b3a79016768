//! A lab under load with its page, on a thread of its own: what a test does never delays it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use console::Reporter;
use console::web::{PageServer, Site, TOKEN_HEADER};
use http::{Method, Request};
use lab::client::{Answer, Client};
use lab::commands::{CommandRunner, usual_load};
use lab::load::{Call, Load};
use lab::stream::{LabStream, Shape, Sources, Traffic};
use lab::topology::{Lab, State};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::tab::PATIENCE;

/// The seed of the lab.
const SEED: u64 = 42;

/// The backends of the lab.
pub(super) const BACKENDS: usize = 4;

/// What a lab is like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// That of the demo.
    Usual,
    /// Many requests are at the backends, and they cost nothing but time.
    Crowded,
}

impl Scene {
    /// How many requests a backend serves at once, and how many wait there.
    fn backend_args(self) -> [&'static str; 2] {
        match self {
            Self::Usual => ["--workers=2", "--queue=50"],
            Self::Crowded => ["--workers=16", "--queue=1000"],
        }
    }

    fn load(self, balancer: SocketAddr) -> (Load, Shape) {
        match self {
            Self::Usual => usual_load(balancer, SEED),
            Self::Crowded => (
                Load::open(balancer).call(Call::get("/").rate(100.0)).connections(1024).keep_last(10_000),
                Shape { is_open: true, rate: 100.0, clients: 8 },
            ),
        }
    }
}

/// What a test asks of the thread of the lab.
enum Ask {
    /// End the balancer, and start another one.
    Restart(oneshot::Sender<Result<SocketAddr>>),
}

/// A lab that runs, and its page.
pub(super) struct Stage {
    pub(super) url: String,
    page: SocketAddr,
    token: String,
    admin: SocketAddr,
    balancer: u32,
    asks: Option<mpsc::UnboundedSender<Ask>>,
    thread: Option<JoinHandle<()>>,
}

/// Where the lab is.
struct Places {
    page: SocketAddr,
    url: String,
    token: String,
    admin: SocketAddr,
    balancer: u32,
}

impl Stage {
    /// Starts a lab with four backends, its usual load, and its page.
    ///
    /// # Errors
    /// If a part of it does not start.
    pub(super) fn start() -> Result<Self> {
        Self::with(Scene::Usual)
    }

    /// The same with requests that cost nothing but time, for high rates and for many requests at once.
    ///
    /// # Errors
    /// As [`Stage::start`].
    pub(super) fn crowded() -> Result<Self> {
        Self::with(Scene::Crowded)
    }

    fn with(scene: Scene) -> Result<Self> {
        let (asks, asked) = mpsc::unbounded_channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.send(Err(error.into()))),
            };
            runtime.block_on(async {
                if let Err(error) = play(scene, asked, &tell).await {
                    let _ = tell.send(Err(error));
                }
            });
        });
        let Places { page, url, token, admin, balancer } =
            told.recv().context("the thread of the lab has ended")??;
        Ok(Self { url, page, token, admin, balancer, asks: Some(asks), thread: Some(thread) })
    }

    /// Sends a command, and checks that it is done.
    ///
    /// # Errors
    /// What the server says against it.
    pub(super) async fn command(&self, command: Value) -> Result<()> {
        let origin = format!("http://{}", self.page);
        let answer =
            self.post(&command, &[("origin", &origin), (TOKEN_HEADER.as_str(), &self.token)]).await?;
        ensure!(answer.status == 200, "{command}: {} {}", answer.status, answer.text());
        Ok(())
    }

    /// Sends a command with these headers.
    ///
    /// # Errors
    /// If the server does not answer.
    pub(super) async fn post(&self, command: &Value, headers: &[(&str, &str)]) -> Result<Answer> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/commands")
            .header("host", self.page.to_string())
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Client::new(self.page).send(request.body(Bytes::from(command.to_string()))?).await
    }

    /// An answer of the server of the page.
    ///
    /// # Errors
    /// If it is none, or no good one.
    pub(super) async fn get(&self, path: &str) -> Result<Answer> {
        let request = Request::builder().uri(path).header("host", self.page.to_string()).body(Bytes::new())?;
        Client::new(self.page).patience(Duration::from_secs(10)).send(request).await?.ok()
    }

    /// The process id of the first balancer of the lab.
    pub(super) fn balancer(&self) -> u32 {
        self.balancer
    }

    /// The address of the server of the page.
    pub(super) fn address(&self) -> SocketAddr {
        self.page
    }

    /// The server's own model of the lab.
    ///
    /// # Errors
    /// If the server does not answer.
    pub(super) async fn model(&self) -> Result<Value> {
        self.get("/model").await?.json()
    }

    /// What the balancer says of itself.
    ///
    /// # Errors
    /// If it does not answer.
    pub(super) async fn state(&self) -> Result<State> {
        Client::new(self.admin).get("/state").await?.ok()?.json()
    }

    /// Brings the lab back to its beginning, and waits until all backends are up.
    ///
    /// # Errors
    /// If it is not back in time.
    pub(super) async fn reset(&self) -> Result<()> {
        self.command(json!({"do": "reset"})).await?;
        lab::eventually(PATIENCE, "all backends to be up", async || {
            let state = self.state().await?;
            let down: Vec<usize> =
                state.backends.iter().filter(|one| one.state != "up").map(|one| one.number).collect();
            ensure!(down.is_empty(), "these are not: {down:?}");
            Ok(())
        })
        .await
    }

    /// Ends the balancer, and starts another one.
    ///
    /// # Errors
    /// If it does not start.
    pub(super) async fn restart_balancer(&mut self) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        let asks = self.asks.as_ref().context("the lab has ended")?;
        asks.send(Ask::Restart(answer)).map_err(|_| anyhow!("the lab has ended"))?;
        self.admin = answered.await.context("the lab has ended")??;
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs the lab until no test asks for anything more.
async fn play(
    scene: Scene,
    mut asked: mpsc::UnboundedReceiver<Ask>,
    tell: &std::sync::mpsc::Sender<Result<Places>>,
) -> Result<()> {
    let setup = Lab::processes()
        .backends(BACKENDS)
        .held_port()
        .lb_arg("--explain")
        .lb_arg("--hash-by=header:x-request-id")
        .lb_arg(format!("--seed={SEED}"))
        .backend_arg(format!("--seed={SEED}"));
    let setup = scene.backend_args().into_iter().fold(setup, |setup, arg| setup.backend_arg(arg));
    let mut lab = setup.start().await?;
    let (load, shape) = scene.load(lab.balancer().address());
    let traffic = Arc::new(Traffic::start(load, shape)?);
    let sources = Sources { traffic: Some(traffic.clone()), seed: Some(SEED), ..Sources::of(&lab)? };
    let stream = Arc::new(LabStream::start(sources.clone()).await?);
    let runner = CommandRunner::new(stream.clone(), &sources, None).await?;
    let reporter = Reporter::start(&stream);
    let site = Site::new(stream.clone(), Arc::new(runner)).report(move || reporter.write());
    let server = PageServer::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), site).await?;
    let _ = tell.send(Ok(Places {
        page: server.address(),
        url: server.url(),
        token: server.token().text().to_owned(),
        admin: lab.balancer().admin()?,
        balancer: lab.balancer().pid()?,
    }));
    while let Some(Ask::Restart(answer)) = asked.recv().await {
        let restarted = restart(&mut lab, &stream).await;
        let _ = answer.send(restarted);
    }
    drop(server);
    drop(stream);
    lab.stop();
    Ok(())
}

async fn restart(lab: &mut Lab, stream: &LabStream) -> Result<SocketAddr> {
    lab.restart_balancer(Duration::from_secs(20)).await?;
    let admin = lab.balancer().admin()?;
    stream.balancer_moved(admin);
    Ok(admin)
}
