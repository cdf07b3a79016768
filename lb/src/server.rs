//! What surrounds a request: the listener, the workers, and an end that loses nobody.
//!
//! One control thread pings backends, watches for silence and serves the admin port. Requests are served by
//! workers: a thread each, with a runtime and backend connections of its own, so that the request path shares
//! nothing but a few atomics. One of the workers accepts the connections for all of them.

use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::runtime::LocalOptions;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::admin::{self, Admin};
use crate::asking;
use crate::config::Config;
use crate::control::{Control, Origin};
use crate::log::Log;
use crate::observe::{BackendStats, Observer};
use crate::pool::Pool;

pub(crate) mod door;
mod listen;
mod spare;
pub(crate) mod worker;

use door::Slots;
pub use listen::StartError;
use listen::{inherited, listen};
use worker::Crew;

/// A balancer whose ports are bound and that is ready to run.
#[derive(Debug)]
pub struct Server {
    listener: std::net::TcpListener,
    admin: std::net::TcpListener,
    settings: Arc<ArcSwap<Config>>,
    origin: Origin,
    pool: Arc<Pool>,
    observer: Arc<Observer>,
}

impl Server {
    /// Binds the ports of a configuration that can be read again from its `origin`; or takes the socket for clients from whoever started this process and hands it one.
    ///
    /// # Errors
    /// A port is taken, an address is not this machine's, or what was handed over is no listening socket.
    pub fn bind(config: Config, origin: Origin) -> Result<Self, StartError> {
        let listener = match inherited()? {
            Some(listener) => listener,
            None => listen(config.listen, "--port or --bind")?,
        };
        let admin = listen(config.admin, "--admin")?;
        let observer = Arc::new(Observer::new(config.access_log));
        let pool = Pool::new(config.members(), config.rules(), Arc::clone(&observer), Instant::now());
        let settings = Arc::new(ArcSwap::from_pointee(config));
        Ok(Self { listener, admin, settings, origin, pool: Arc::new(pool), observer })
    }

    /// Says on standard output where it listens, serves until a signal says to stop, and then until all is
    /// finished or the drain time is over. With `exit_with_parent`, the end of standard input ends it at once.
    pub fn run(self, log: Log, exit_with_parent: bool) -> ExitCode {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        let served = runtime.and_then(|runtime| {
            let served = runtime.block_on(self.serve(log, exit_with_parent));
            // Look-ups may hang for long; nobody waits for what they find.
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
        let (address, admin_address) = (self.listener.local_addr()?, self.admin.local_addr()?);
        let config = self.settings.load_full();
        let descriptors = raise_descriptors();
        let admin_connections = admin_connections(descriptors);
        let affordable = affordable(descriptors, admin_connections, config.workers, config.backends.len());
        let clients = config.max_connections.unwrap_or(affordable);
        let (slots, places) = (Slots::new(clients), places(affordable, clients));
        let crew = Crew::start(&self.settings, &self.pool, &self.observer, self.listener, slots, places)?;
        let admin = TcpListener::from_std(self.admin)?;
        let (reading, news) = self.origin.watch()?;
        // The one line on standard output tells people, and whoever started this on port 0, that it is ready:
        // clients are accepted from now on, and signals are heeded.
        say(format!("listening on http://{address}, admin on http://{admin_address}\n"))?;

        let (pool, settings) = (Arc::clone(&self.pool), Arc::clone(&self.settings));
        let control = Rc::new(Control::new(pool, settings, Arc::clone(&self.observer), log, reading));
        let (reloading, heeding, resolving, reopening) =
            (Rc::clone(&control), Rc::clone(&control), Rc::clone(&control), Rc::clone(&control));
        tokio::task::spawn_local(async move { reloading.keep_reloading(news).await });
        tokio::task::spawn_local(async move { heeding.heed_signals(hang_up).await });
        tokio::task::spawn_local(async move { resolving.keep_resolving().await });
        tokio::task::spawn_local(asking::keep_judging(Arc::clone(&self.pool), Arc::clone(&self.settings)));
        tokio::task::spawn_local(async move { reopening.keep_reopening(reopen, other).await });
        tokio::task::spawn_local(rotate_latencies(Arc::clone(&self.pool)));
        let page = Admin::new(Rc::clone(&control), address, admin_address, admin_connections);
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
            () = crew.finish() => {
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

/// Goes on to accept connections for the lame-duck time, so that whoever asks whether this balancer is ready has time to
/// send requests elsewhere.
///
/// # Errors
/// Somebody asks to end at once.
async fn leave(settings: &ArcSwap<Config>, observer: &Observer, stop: &mut Stop) -> Result<(), Why> {
    let lame_duck = settings.load().lame_duck;
    if lame_duck.is_zero() {
        return Ok(());
    }
    observer.begin_leaving();
    tracing::info!("lame duck: /readyz says 503, connections are still accepted for {} ms", lame_duck.as_millis());
    tokio::select! {
        why = stop.asked() => Err(why),
        () = tokio::time::sleep(lame_duck) => Ok(()),
    }
}

/// Listens for whatever may ask this process to end.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
    orphaned: Option<oneshot::Receiver<()>>,
}

/// Who asked this process to end.
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

/// Says something on standard output. A thread of its own does so, because a pipe without a reader may be full.
fn say(line: String) -> io::Result<()> {
    std::thread::Builder::new().spawn(move || {
        // It serves whether its line is read or not.
        let _ = io::stdout().write_all(line.as_bytes());
    })?;
    Ok(())
}

/// Tells when standard input ends. A thread of its own reads it, because a runtime would wait for its threads
/// when it ends, and this one may never.
fn stdin_ends() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        // Whatever is written there, only the end matters.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = ended.send(());
    });
    end
}

/// Claims as many descriptors as this process may have, and returns how many these are; `None` for no limit.
fn raise_descriptors() -> Option<u64> {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limits.maximum, maximum: limits.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limits.maximum,
        Err(_) => limits.current,
    }
}

/// How many connections the admin port may have at a time: enough for people, collectors and readers of the events, and
/// few where there are few descriptors.
fn admin_connections(descriptors: Option<u64>) -> usize {
    usize::try_from(descriptors.unwrap_or(u64::MAX) / 16).unwrap_or(usize::MAX).clamp(8, 64)
}

/// How many clients so many descriptors are enough for; without a limit, for a million. Each may need one more for
/// a backend. A worker needs some, a ping and a question to a backend one each, the admin port one for each of its
/// connections, and the rest of the process has its own.
fn affordable(descriptors: Option<u64>, admin: usize, workers: usize, backends: usize) -> usize {
    let descriptors = usize::try_from(descriptors.unwrap_or(u64::MAX)).unwrap_or(usize::MAX).min(2_000_000);
    (descriptors.saturating_sub(24 + admin + 4 * workers + 2 * backends) / 2).max(1)
}

/// How many connections to backends there may be, kept ones included, beside so many clients. If there may be more clients
/// than are affordable, they share what there is with the backends as they come.
fn places(affordable: usize, clients: usize) -> usize {
    (2 * affordable).saturating_sub(clients).max(affordable)
}

async fn rotate_latencies(pool: Arc<Pool>) -> ! {
    loop {
        tokio::time::sleep(BackendStats::SLICE).await;
        for (backend, n) in pool.backends().iter().zip(1..) {
            backend.own.stats.rotate();
            // With thousands of backends, others shall have their turn in between.
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
