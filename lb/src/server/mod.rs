//! The surroundings of requests: the listener, the workers, and an end that loses no request.
//!
//! One control thread pings backends, watches for silence and serves the admin port. Workers serve the
//! requests: each is a thread with its own runtime and its own backend connections, so the request path
//! shares only a few atomics. One of the workers accepts the connections for all workers.

use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::runtime::LocalOptions;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::admin::{self, Admin};
use crate::asking;
use crate::clock;
use crate::config::Config;
use crate::config::listen::AddressSource;
use crate::control::{Control, Origin};
use crate::log::Log;
use crate::observe::{BackendStats, Observer};
use crate::pool::Pool;
use crate::proxy::settings::Settings;

pub(crate) mod acceptor;
mod clients;
pub(crate) mod handle;
mod listen;
mod task_pool;
pub(crate) mod worker;

use acceptor::Slots;
pub use listen::StartError;
use listen::{inherited, listen};
use worker::Workers;

/// A balancer whose ports are bound and that is ready to run.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<std::net::TcpListener>,
    admin: std::net::TcpListener,
    settings: Arc<ArcSwap<Config>>,
    /// The part of the settings that the workers use.
    proxy_settings: Arc<ArcSwap<Settings>>,
    origin: Origin,
    pool: Arc<Pool>,
    observer: Arc<Observer>,
}

impl Server {
    /// Binds the ports of a configuration that can be read again from its `origin`; if a supervisor passes
    /// sockets for clients, these sockets are used in place of the listeners.
    ///
    /// # Errors
    /// A port is in use, an address does not belong to this machine, or a passed descriptor is not a
    /// listening socket.
    pub fn bind(config: Config, origin: Origin) -> Result<Self, StartError> {
        let listeners = match inherited(config.listeners.len(), config.listeners_from)? {
            Some(listeners) => listeners,
            None => {
                let setting = match config.listeners_from {
                    AddressSource::Sections => "[[listener]]",
                    AddressSource::Listen | AddressSource::FlagsInsteadOfSections(_) => "--port or --bind",
                };
                let each = config.listeners.iter().map(|address| listen(*address, setting));
                each.collect::<Result<_, _>>()?
            }
        };
        let admin = listen(config.admin, "--admin")?;
        let observer = Arc::new(Observer::new(config.access_log));
        let pool = Pool::new(config.members(), config.rules(), Arc::clone(&observer), clock::now());
        let proxy_settings = Arc::new(ArcSwap::from(Arc::clone(&config.proxy)));
        let settings = Arc::new(ArcSwap::from_pointee(config));
        Ok(Self { listeners, admin, settings, proxy_settings, origin, pool: Arc::new(pool), observer })
    }

    /// Prints its addresses on standard output, serves until a signal to stop, and then until all requests
    /// have finished or the drain time is over. With `exit_with_parent`, the end of standard input ends it at
    /// once.
    pub fn run(self, log: Log, exit_with_parent: bool) -> ExitCode {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        let served = runtime.and_then(|runtime| {
            let served = runtime.block_on(self.serve(log, exit_with_parent));
            // Look-ups may hang for long, and their results are no longer needed.
            runtime.shutdown_background();
            served
        });
        served.unwrap_or_else(|error| {
            tracing::error!("the system does not provide a resource that the balancer needs: {error}");
            ExitCode::FAILURE
        })
    }

    async fn serve(self, log: Log, exit_with_parent: bool) -> io::Result<ExitCode> {
        let mut stop = Stop::listen(exit_with_parent)?;
        let hang_up = signal(SignalKind::hangup())?;
        let (reopen, other) = (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?);
        self.observer.write_access_log(log.access());
        let addresses = self.listeners.iter().map(std::net::TcpListener::local_addr);
        let addresses = addresses.collect::<io::Result<Vec<_>>>()?;
        let admin_address = self.admin.local_addr()?;
        let config = self.settings.load_full();
        let descriptors = raise_descriptors();
        let admin_connections = admin_connections(descriptors);
        let affordable = affordable(descriptors, admin_connections, config.workers, config.backends.len());
        let clients = config.max_connections.unwrap_or(affordable);
        let (slots, places) = (Slots::new(clients), places(affordable, clients));
        let workers = Workers::start(
            &config,
            &self.proxy_settings,
            &self.pool,
            &self.observer,
            self.listeners,
            slots,
            places,
        )?;
        let admin = TcpListener::from_std(self.admin)?;
        let (reading, news) = self.origin.watch()?;
        // The one line on standard output tells people, and programs that start this on port 0, that the
        // balancer is ready: from now on, it accepts clients and handles signals.
        let urls = addresses.iter().map(|address| format!("http://{address}")).collect::<Vec<_>>();
        say(format!("listening on {}, admin on http://{admin_address}\n", urls.join(", ")))?;

        let (pool, settings) = (Arc::clone(&self.pool), Arc::clone(&self.settings));
        let settings = (settings, Arc::clone(&self.proxy_settings));
        let control = Rc::new(Control::new(pool, settings, Arc::clone(&self.observer), log, reading));
        let (reloading, heeding, resolving, reopening) =
            (Rc::clone(&control), Rc::clone(&control), Rc::clone(&control), Rc::clone(&control));
        tokio::task::spawn_local(async move { reloading.keep_reloading(news).await });
        tokio::task::spawn_local(async move { heeding.heed_signals(hang_up).await });
        tokio::task::spawn_local(async move { resolving.keep_resolving().await });
        tokio::task::spawn_local(asking::keep_judging(Arc::clone(&self.pool), Arc::clone(&self.settings)));
        tokio::task::spawn_local(async move { reopening.keep_reopening(reopen, other).await });
        tokio::task::spawn_local(rotate_latencies(Arc::clone(&self.pool)));
        tokio::task::spawn_local(admin::keep_ticking(Arc::clone(&self.pool), Arc::clone(&self.observer)));
        let page = Admin::new(Rc::clone(&control), &addresses, admin_address, admin_connections);
        tokio::task::spawn_local(admin::serve(admin, page));

        if stop.asked().await == Why::Orphaned {
            return Ok(ExitCode::FAILURE);
        }
        if let Err(why) = leave(&self.settings, &self.observer, &mut stop).await {
            tracing::warn!("{}: ending at once", why.words());
            return Ok(ExitCode::FAILURE);
        }
        self.observer.begin_draining();
        tracing::info!("draining: no new connections, requests in flight finish");
        let cut_short = tokio::select! {
            () = workers.finish() => {
                tracing::info!("drained");
                return Ok(ExitCode::SUCCESS);
            }
            why = stop.asked() => why.words(),
            () = tokio::time::sleep(self.settings.load().drain_time) => "drain time is over",
        };
        tracing::warn!("{cut_short}: ending with requests in flight");
        Ok(ExitCode::FAILURE)
    }
}

/// Accepts connections for the lame-duck time, so that load balancers that check this balancer have time to
/// send requests elsewhere.
///
/// # Errors
/// A second signal, or the end of the parent process, ends the balancer at once.
async fn leave(settings: &ArcSwap<Config>, observer: &Observer, stop: &mut Stop) -> Result<(), Why> {
    let lame_duck = settings.load().lame_duck;
    if lame_duck.is_zero() {
        return Ok(());
    }
    observer.begin_leaving();
    tracing::info!(
        "lame duck: /readyz says 503, connections are still accepted for {} ms",
        lame_duck.as_millis()
    );
    tokio::select! {
        why = stop.asked() => Err(why),
        () = tokio::time::sleep(lame_duck) => Ok(()),
    }
}

/// Waits for events that end this process.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
    orphaned: Option<oneshot::Receiver<()>>,
}

/// The event that ends this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Signal,
    Orphaned,
}

impl Why {
    fn words(self) -> &'static str {
        match self {
            Self::Signal => "second signal",
            Self::Orphaned => "the parent process has ended",
        }
    }
}

impl Stop {
    fn listen(exit_with_parent: bool) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            orphaned: exit_with_parent.then(stdin_ends),
        })
    }

    async fn asked(&mut self) -> Why {
        let orphaned = async {
            match &mut self.orphaned {
                Some(end) => drop(end.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Why::Signal,
            _ = self.interrupt.recv() => Why::Signal,
            () = orphaned => Why::Orphaned,
        }
    }
}

/// Prints a line on standard output. A separate thread does this, because a pipe without a reader may be
/// full.
fn say(line: String) -> io::Result<()> {
    std::thread::Builder::new().spawn(move || {
        // The balancer serves even if no process reads the line.
        let _ = io::stdout().write_all(line.as_bytes());
    })?;
    Ok(())
}

/// Completes when standard input ends. A separate thread reads it, because a runtime waits for its own
/// threads when it ends, and this one may never end.
fn stdin_ends() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        // The bytes do not matter, only the end.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = ended.send(());
    });
    end
}

/// Raises the limit of descriptors of this process to the allowed maximum, and returns it; `None` for no
/// limit.
fn raise_descriptors() -> Option<u64> {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limits.maximum, maximum: limits.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limits.maximum,
        Err(_) => limits.current,
    }
}

/// Limit of connections to the admin port: enough for people, collectors and readers of events, and less if
/// there are few descriptors.
fn admin_connections(descriptors: Option<u64>) -> usize {
    usize::try_from(descriptors.unwrap_or(u64::MAX) / 16).unwrap_or(usize::MAX).clamp(8, 64)
}

/// The number of clients that this number of descriptors is enough for; a million if there is no limit. Each
/// client may need a second descriptor for a backend. A worker needs some; each ping, each question to a
/// backend and each connection of the admin port needs one; and the rest of the process needs some.
fn affordable(descriptors: Option<u64>, admin: usize, workers: usize, backends: usize) -> usize {
    let descriptors = usize::try_from(descriptors.unwrap_or(u64::MAX)).unwrap_or(usize::MAX).min(2_000_000);
    (descriptors.saturating_sub(24 + admin + 4 * workers + 2 * backends) / 2).max(1)
}

/// Limit of connections to backends, including idle ones, with this number of clients. If more clients are
/// allowed than the descriptors are enough for, clients and backends share the descriptors in order of
/// arrival.
fn places(affordable: usize, clients: usize) -> usize {
    (2 * affordable).saturating_sub(clients).max(affordable)
}

async fn rotate_latencies(pool: Arc<Pool>) -> ! {
    loop {
        tokio::time::sleep(BackendStats::SLICE).await;
        for (backend, n) in pool.backends().iter().zip(1..) {
            backend.own.stats.rotate();
            // With thousands of backends, other tasks must run in between.
            if n % 32 == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_enough_for_clients_and_backends() {
        let table = [
            (Some(96), 8, 24),
            (Some(1024), 64, 460),
            (Some(400), 25, 167),
            (Some(0), 8, 1),
            (None, 64, 999_948),
        ];
        for (descriptors, admin, clients) in table {
            assert_eq!(admin_connections(descriptors), admin, "{descriptors:?}");
            assert_eq!(affordable(descriptors, admin, 2, 4), clients, "{descriptors:?}");
        }
    }

    #[test]
    fn what_clients_do_not_take_is_left_for_backends() {
        for (clients, expected) in [(100, 100), (10, 190), (199, 100), (1000, 100)] {
            assert_eq!(places(100, clients), expected, "{clients} clients");
        }
    }
}
