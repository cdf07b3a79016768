//! How is the worker process started, killed, stopped and continued?
//!
//! Whether it runs, is stopped or is dead is never remembered but asked of the kernel, because others can send
//! signals too: `docker pause`, a lesson, the kernel when memory runs out.

use std::cell::{Cell, RefCell};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Mutex, watch};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::desk::Desk;
use super::inbox::{Inbox, SharedLedger, lock};
use crate::cli::AgentConfig;
use crate::link::Orders;

/// A worker that does not serve after this long never will.
const START_TIME: Duration = Duration::from_secs(10);

/// A running worker that has not obeyed after this long is told of later: it may be stopped from outside.
const OBEY_TIME: Duration = Duration::from_secs(3);

/// How often we look whether the kernel has done what we asked.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Whether a worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It runs.
    Running,
    /// It exists, but SIGSTOP holds it.
    Stopped,
    /// There is none.
    Dead,
}

/// Looks after one worker at a time.
pub(super) struct Keeper {
    config: AgentConfig,
    /// The faults that stand.
    pub(super) desk: RefCell<Desk>,
    ledger: SharedLedger,
    worker: RefCell<Option<Rc<Worker>>>,
    /// Held by the command that is being carried out: one at a time.
    command: Mutex<()>,
    starts: Cell<u64>,
    last_exit: RefCell<Option<String>>,
}

/// One worker process.
struct Worker {
    pid: Pid,
    inbox: Arc<Inbox>,
    orders: watch::Sender<Orders>,
    obeyed: watch::Receiver<u64>,
    /// True once it is reaped and everything it reported is in the ledger.
    ended: watch::Receiver<bool>,
}

/// A command makes no sense now; says why, and what would.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Impossible(&'static str);

impl Keeper {
    pub(super) fn new(config: AgentConfig) -> Self {
        Self {
            desk: RefCell::new(Desk::new(config.seed)),
            config,
            ledger: SharedLedger::default(),
            worker: RefCell::new(None),
            command: Mutex::new(()),
            starts: Cell::new(0),
            last_exit: RefCell::new(None),
        }
    }

    /// The flags this agent was started with; ports are those that were really opened.
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
        self.kill_now().await
    }

    /// Kills the worker, if there is one, and starts another.
    pub(super) async fn restart(self: &Rc<Self>) -> Result<()> {
        let _command = self.command.lock().await;
        self.kill_now().await?;
        self.launch().await
    }

    /// Stops the worker with SIGSTOP; returns when the kernel has.
    pub(super) async fn stop(&self) -> Result<()> {
        let _command = self.command.lock().await;
        let Some(worker) = self.worker().filter(|worker| worker.life() != Life::Dead) else {
            return Err(Impossible("the worker is dead, so it cannot be stopped; POST /start first").into());
        };
        kill_process(worker.pid, Signal::STOP)?;
        while worker.life() == Life::Running {
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Lets a stopped worker run on with SIGCONT; returns when it obeys all that was ordered meanwhile.
    pub(super) async fn r#continue(&self) -> Result<()> {
        let _command = self.command.lock().await;
        let Some(worker) = self.worker().filter(|worker| worker.life() != Life::Dead) else {
            return Err(Impossible("the worker is dead, so it cannot go on; POST /start").into());
        };
        kill_process(worker.pid, Signal::CONT)?;
        while worker.life() == Life::Stopped {
            sleep(LOOK_AGAIN).await;
        }
        worker.obeys(worker.orders.borrow().version).await;
        Ok(())
    }

    /// No faults, the first seed, a running worker.
    pub(super) async fn reset(self: &Rc<Self>) -> Result<()> {
        let now = Instant::now();
        self.ledger(|ledger| self.desk.borrow_mut().reseed(self.config.seed, ledger));
        self.desk.borrow_mut().replace(Vec::new(), now)?;
        self.tell().await;
        match self.life() {
            Life::Running => Ok(()),
            Life::Stopped => self.r#continue().await,
            Life::Dead => self.start().await,
        }
    }

    /// Tells the worker what stands on the desk. True once a running worker obeys; false if there is none now:
    /// then the next one is told, or this one when it goes on.
    pub(super) async fn tell(&self) -> bool {
        let orders = self.orders();
        let Some(worker) = self.worker() else { return false };
        let version = orders.version;
        worker.orders.send_replace(orders);
        worker.obeys(version).await
    }

    /// Asks the worker to finish what is in flight and exit; waits for that no longer than `patience`.
    pub(super) async fn drain(&self, patience: Duration) {
        let Some(worker) = self.worker().filter(|worker| worker.life() == Life::Running) else { return };
        worker.orders.send_replace(Orders { drain: true, ..self.orders() });
        let _ = timeout(patience, worker.ended()).await;
    }

    /// Looks at, or changes, the ledger, which then holds everything that was reported up to now.
    pub(super) fn ledger<T>(&self, look: impl FnOnce(&mut crate::ledger::Ledger) -> T) -> T {
        if let Some(worker) = self.worker() {
            worker.inbox.drain();
        }
        look(&mut lock(&self.ledger))
    }

    /// The worker as people see it.
    pub(super) fn worker_view(&self) -> Value {
        let (state, pid) = match (self.life(), self.worker()) {
            (Life::Running, Some(worker)) => ("running", Some(worker.pid)),
            (Life::Stopped, Some(worker)) => ("stopped", Some(worker.pid)),
            _ => ("dead", None),
        };
        json!({
            "state": state,
            "pid": pid.map(|pid| pid.as_raw_nonzero().get()),
            "starts": self.starts.get(),
            "last_exit": *self.last_exit.borrow(),
        })
    }

    fn worker(&self) -> Option<Rc<Worker>> {
        self.worker.borrow().clone()
    }

    fn life(&self) -> Life {
        self.worker().map_or(Life::Dead, |worker| worker.life())
    }

    fn orders(&self) -> Orders {
        self.ledger(|ledger| {
            let desk = self.desk.borrow();
            ledger.keep_draws(|key| desk.has_key(key));
            desk.orders(ledger, Instant::now())
        })
    }

    async fn kill_now(&self) -> Result<()> {
        let Some(worker) = self.worker() else { return Ok(()) };
        // It may be a zombie already, or be reaped since; then there is nothing left to kill.
        let _ = kill_process(worker.pid, Signal::KILL);
        worker.ended().await;
        Ok(())
    }

    async fn launch(self: &Rc<Self>) -> Result<()> {
        if let Some(dying) = self.worker() {
            dying.ended().await;
        }
        let orders = self.orders();
        let version = orders.version;
        let worker = self.spawn(orders)?;
        let mut obeyed = worker.obeyed.clone();
        let failure = tokio::select! {
            _ = obeyed.wait_for(|obeyed| *obeyed >= version) => return Ok(()),
            () = worker.ended() => {
                let exit = self.last_exit.borrow().clone().unwrap_or_default();
                anyhow!("the worker ended before it served ({exit}); its reason is on standard error")
            }
            () = sleep(START_TIME) => anyhow!("the worker does not serve after {START_TIME:?}"),
        };
        self.kill_now().await?;
        Err(failure)
    }

    fn spawn(self: &Rc<Self>, orders: Orders) -> Result<Rc<Worker>> {
        let mut child = self.command_line()?.spawn().context("cannot start a process")?;
        let pid = child.id().and_then(|id| Pid::from_raw(id as i32)).context("the process has no id")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stdout = stdout.context("the process has no standard output")?.into_owned_fd()?;
        let (inbox, obeyed) = Inbox::open(stdout, Arc::clone(&self.ledger))?;
        let (orders, news) = watch::channel(orders);
        if let Some(stdin) = stdin {
            spawn_local(deliver(news, stdin));
        }
        let (has_ended, ended) = watch::channel(false);
        let worker = Rc::new(Worker { pid, inbox, orders, obeyed, ended });
        *self.worker.borrow_mut() = Some(Rc::clone(&worker));
        self.starts.set(self.starts.get() + 1);
        spawn_local(Rc::clone(self).see_off(child, has_ended));
        Ok(worker)
    }

    fn command_line(&self) -> Result<Command> {
        // A path to the running program itself: it stays right when a new build replaces the file.
        #[cfg(target_os = "linux")]
        let program = "/proc/self/exe";
        #[cfg(not(target_os = "linux"))]
        let program = std::env::current_exe()?;
        let data = self.config.data;
        let mut command = std::process::Command::new(program);
        command
            .arg0("demo-backend")
            .args(["--id", &self.config.id.to_string()])
            .args(["--port", &data.port().to_string()])
            .args(["--bind", &data.ip().to_string()])
            .args(["--worker-of", &std::process::id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own: Ctrl-C on a terminal reaches the agent only, which then ends it politely.
            .process_group(0);
        let mut command = Command::from(command);
        command.kill_on_drop(true);
        Ok(command)
    }

    /// Waits for the end of a worker, whoever brings it about, and settles its accounts.
    async fn see_off(self: Rc<Self>, mut child: Child, has_ended: watch::Sender<bool>) {
        // Between the end of this wait and the next line nobody else runs: no signal can hit a reused id.
        let exit = child.wait().await;
        let worker = self.worker.borrow_mut().take();
        if let Some(worker) = worker {
            worker.inbox.drain();
        }
        lock(&self.ledger).worker_died();
        let exit = exit.map_or_else(|error| error.to_string(), |status| status.to_string());
        eprintln!("backend {}: its worker ended, {exit}", self.config.id);
        *self.last_exit.borrow_mut() = Some(exit);
        has_ended.send_replace(true);
    }
}

impl Worker {
    fn life(&self) -> Life {
        let looking = WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let options = looking | WaitIdOptions::EXITED | WaitIdOptions::STOPPED;
        match waitid(WaitId::Pid(self.pid), options) {
            Ok(None) => Life::Running,
            Ok(Some(status)) if status.stopped() => Life::Stopped,
            _ => Life::Dead,
        }
    }

    /// Waits until orders of this version hold; false if the worker is dead or stopped, or does not react.
    async fn obeys(&self, version: u64) -> bool {
        let mut obeyed = self.obeyed.clone();
        let deadline = Instant::now() + OBEY_TIME;
        while self.life() == Life::Running && Instant::now() < deadline {
            // Short waits, because it may be stopped at any time.
            if let Ok(Ok(_)) = timeout(50 * LOOK_AGAIN, obeyed.wait_for(|obeyed| *obeyed >= version)).await {
                return true;
            }
        }
        *self.obeyed.borrow() >= version
    }

    async fn ended(&self) {
        // An error means that nobody is left to tell, which is an end too.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }
}

/// Writes orders into a worker's standard input, the newest ones whenever there are newer ones.
async fn deliver(mut news: watch::Receiver<Orders>, mut stdin: ChildStdin) {
    news.mark_changed();
    while news.changed().await.is_ok() {
        let Ok(mut line) = serde_json::to_vec(&*news.borrow_and_update()) else { continue };
        line.push(b'\n');
        if stdin.write_all(&line).await.is_err() {
            return;
        }
    }
}
