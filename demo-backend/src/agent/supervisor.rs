//! Which commands are possible in which state, and what does each guarantee?
//!
//! Commands run one at a time; each returns when its promise holds.

use std::cell::{Cell, RefCell};
use std::io::{Write as _, stderr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use tokio::process::Child;
use tokio::sync::{Mutex, watch};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::process::{Life, Worker};
use super::registry::FaultRegistry;
use super::report_reader::{SharedLedger, lock};
use crate::cli::AgentConfig;
use crate::ledger::Ledger;
use crate::link::Orders;

/// The time for a worker to finish its requests in flight, after the agent was told to end.
pub(super) const DRAIN_TIME: Duration = Duration::from_secs(5);

/// The time in which a worker must start to serve.
const START_TIME: Duration = Duration::from_secs(10);

/// Manages one worker at a time.
pub(super) struct Supervisor {
    config: AgentConfig,
    /// The active faults.
    pub(super) registry: RefCell<FaultRegistry>,
    ledger: SharedLedger,
    worker: RefCell<Option<Rc<Worker>>>,
    /// Held by the running command, so that there is one at a time.
    command: Mutex<()>,
    starts: Cell<u64>,
    last_exit: RefCell<Option<String>>,
}

/// A command is not possible now; the text gives the reason and an alternative.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Impossible(&'static str);

impl Supervisor {
    pub(super) fn new(config: AgentConfig) -> Self {
        Self {
            registry: RefCell::new(FaultRegistry::new(config.seed, config.capacity)),
            config,
            ledger: SharedLedger::default(),
            worker: RefCell::new(None),
            command: Mutex::new(()),
            starts: Cell::new(0),
            last_exit: RefCell::new(None),
        }
    }

    /// The flags of this agent, with the ports that were actually opened.
    pub(super) fn config(&self) -> &AgentConfig {
        &self.config
    }

    /// Starts a worker unless one runs; returns when it serves.
    pub(super) async fn start(self: &Rc<Self>) -> Result<()> {
        let _command = self.command.lock().await;
        match self.life() {
            Life::Running => Ok(()),
            Life::Stopped => Err(Impossible("the worker is stopped, not dead; POST /continue").into()),
            Life::Dead => self.launch().await,
        }
    }

    /// Kills the worker, if there is one, with SIGKILL; returns when it is reaped.
    pub(super) async fn kill(&self) -> Result<()> {
        let _command = self.command.lock().await;
        self.kill_now().await;
        Ok(())
    }

    /// Lets the worker, if there is one, finish its requests in flight, and kills it after [`DRAIN_TIME`];
    /// returns when it is gone.
    pub(super) async fn finish(&self) -> Result<()> {
        let _command = self.command.lock().await;
        self.drain(DRAIN_TIME).await;
        self.kill_now().await;
        Ok(())
    }

    /// Kills the worker, if there is one, and starts another.
    pub(super) async fn restart(self: &Rc<Self>) -> Result<()> {
        let _command = self.command.lock().await;
        self.kill_now().await;
        self.launch().await
    }

    /// Stops the worker with SIGSTOP; returns when the kernel has stopped it.
    pub(super) async fn stop(&self) -> Result<()> {
        let _command = self.command.lock().await;
        let Some(worker) = self.living() else {
            return Err(Impossible("the worker is dead, so it cannot be stopped; POST /start first").into());
        };
        worker.stop().await
    }

    /// Sends SIGTERM to the worker, which reacts as the fault `exit_on_term` says. Does not wait for its end.
    pub(super) async fn term(&self) -> Result<()> {
        let _command = self.command.lock().await;
        let Some(worker) = self.living() else {
            return Err(Impossible("the worker is dead, so it gets no signal; POST /start first").into());
        };
        worker.term()
    }

    /// Continues a stopped worker with SIGCONT; returns when it obeys all orders that were given meanwhile.
    pub(super) async fn r#continue(&self) -> Result<()> {
        let _command = self.command.lock().await;
        let Some(worker) = self.living() else {
            return Err(Impossible("the worker is dead, so it cannot go on; POST /start").into());
        };
        worker.r#continue().await
    }

    /// Back to no faults, the first seed, the first capacity, and a running worker.
    pub(super) async fn reset(self: &Rc<Self>) -> Result<()> {
        let now = Instant::now();
        self.ledger(|ledger| self.registry.borrow_mut().reseed(self.config.seed, ledger));
        self.registry.borrow_mut().replace(Vec::new(), now)?;
        self.registry.borrow_mut().set_capacity(self.config.capacity);
        self.tell().await;
        match self.life() {
            Life::Running => Ok(()),
            Life::Stopped => self.r#continue().await,
            Life::Dead => self.start().await,
        }
    }

    /// Tells the worker the active faults. True when a running worker obeys; false if none runs now: then the
    /// next worker gets them, or this one when it continues.
    pub(super) async fn tell(&self) -> bool {
        let orders = self.orders();
        let Some(worker) = self.worker() else { return false };
        let version = orders.version;
        worker.tell(orders);
        worker.obeys(version).await
    }

    /// Asks the worker to finish its requests in flight and exit; waits at most `patience`.
    pub(super) async fn drain(&self, patience: Duration) {
        let Some(worker) = self.worker().filter(|worker| worker.life() == Life::Running) else { return };
        worker.tell(Orders { drain: true, ..self.orders() });
        let _ = timeout(patience, worker.ended()).await;
    }

    /// Reads or changes the ledger, which then contains everything that was reported up to now.
    pub(super) fn ledger<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        if let Some(worker) = self.worker() {
            worker.read_reports();
        }
        look(&mut lock(&self.ledger))
    }

    /// The state of the worker for people.
    pub(super) fn worker_view(&self) -> Value {
        let (state, pid) = match (self.life(), self.worker()) {
            (Life::Running, Some(worker)) => ("running", Some(worker.pid())),
            (Life::Stopped, Some(worker)) => ("stopped", Some(worker.pid())),
            _ => ("dead", None),
        };
        json!({
            "state": state,
            "pid": pid,
            "starts": self.starts.get(),
            "last_exit": *self.last_exit.borrow(),
        })
    }

    fn worker(&self) -> Option<Rc<Worker>> {
        self.worker.borrow().clone()
    }

    fn living(&self) -> Option<Rc<Worker>> {
        self.worker().filter(|worker| worker.life() != Life::Dead)
    }

    fn life(&self) -> Life {
        self.worker().map_or(Life::Dead, |worker| worker.life())
    }

    fn orders(&self) -> Orders {
        self.ledger(|ledger| {
            let registry = self.registry.borrow();
            ledger.keep_draws(|key| registry.has_key(key));
            registry.orders(ledger, Instant::now())
        })
    }

    async fn kill_now(&self) {
        if let Some(worker) = self.worker() {
            worker.kill().await;
        }
    }

    async fn launch(self: &Rc<Self>) -> Result<()> {
        if let Some(dying) = self.worker() {
            dying.ended().await;
        }
        let orders = self.orders();
        let version = orders.version;
        let (worker, child, has_ended) = Worker::spawn(&self.config, orders, Arc::clone(&self.ledger))?;
        let worker = Rc::new(worker);
        *self.worker.borrow_mut() = Some(Rc::clone(&worker));
        self.starts.set(self.starts.get() + 1);
        spawn_local(Rc::clone(self).see_off(child, has_ended));
        let failure = tokio::select! {
            () = worker.has_obeyed(version) => return Ok(()),
            () = worker.ended() => {
                let exit = self.last_exit.borrow().clone().unwrap_or_default();
                anyhow!("the worker ended before it served ({exit}); its reason is on standard error")
            }
            () = sleep(START_TIME) => anyhow!("the worker does not serve after {START_TIME:?}"),
        };
        self.kill_now().await;
        Err(failure)
    }

    /// Waits for the end of a worker, for whatever reason, and completes its counts.
    async fn see_off(self: Rc<Self>, mut child: Child, has_ended: watch::Sender<bool>) {
        // Between the end of this wait and the next line no other code runs: no signal can hit a reused
        // process id.
        let exit = child.wait().await;
        let worker = self.worker.borrow_mut().take();
        if let Some(worker) = worker {
            worker.read_reports();
        }
        lock(&self.ledger).worker_died();
        let exit = exit.map_or_else(|error| error.to_string(), |status| status.to_string());
        let _ = writeln!(stderr(), "backend {}: its worker ended, {exit}", self.config.id);
        *self.last_exit.borrow_mut() = Some(exit);
        has_ended.send_replace(true);
    }
}
