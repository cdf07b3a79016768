//! What surrounds a request: the listener, the workers, and an end that loses nobody.
//!
//! One control thread accepts connections, pings backends, watches for silence and serves the admin port.
//! Requests are served by workers: a thread each, with a runtime and backend connections of its own, so that
//! the request path shares nothing but a few atomics.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::balance::ServerPool;
use crate::balance::policy::RoundRobin;
use crate::config::Config;
use crate::observe::{BackendStats, Observer};
use crate::{admin, ping};

mod worker;

use worker::Crew;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// How often the control thread looks for silent backends.
const LOOK: Duration = Duration::from_millis(50);

/// How long accepting rests when there are no descriptors left; the field's usual second is far longer than
/// it takes a connection to end.
const REST: Duration = Duration::from_millis(100);

/// A balancer whose ports are bound and that is ready to run.
#[derive(Debug)]
pub struct Server {
    listener: std::net::TcpListener,
    admin: std::net::TcpListener,
    config: Arc<Config>,
    pool: Arc<ServerPool>,
    observer: Arc<Observer>,
}

/// Why the balancer cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else has the port.
    #[error("port {port} is taken; stop the program that holds it, or choose another with {flag}")]
    Taken {
        /// The port.
        port: u16,
        /// The flag that chooses it.
        flag: &'static str,
    },
    /// The address cannot be had for another reason.
    #[error("cannot listen on {address}: {source}; choose another address with {flag}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The flag that chooses it.
        flag: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl Server {
    /// Binds the ports.
    ///
    /// # Errors
    /// A port is taken, or an address is not this machine's.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        let listener = listen(config.listen, "--port or --bind")?;
        let admin = listen(config.admin, "--admin")?;
        let observer = Arc::new(Observer::new(config.access_log));
        let pool = ServerPool::new(
            config.backends.clone(),
            || Box::new(RoundRobin::default()),
            config.thresholds,
            config.silence,
            Arc::clone(&observer),
            Instant::now(),
        );
        Ok(Self { listener, admin, config: Arc::new(config), pool: Arc::new(pool), observer })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.config.listen)
    }

    /// Where state and events can be seen.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.local_addr().unwrap_or(self.config.admin)
    }

    /// Serves until a signal says to stop, and then until all is finished or the drain time is over. With
    /// `exit_with_parent`, the end of standard input ends it at once.
    pub fn run(self, exit_with_parent: bool) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let served = runtime.and_then(|runtime| {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, self.serve(exit_with_parent))
        });
        served.unwrap_or_else(|error| {
            eprintln!("error: the system refuses what a server needs: {error}");
            ExitCode::FAILURE
        })
    }

    async fn serve(self, exit_with_parent: bool) -> io::Result<ExitCode> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut stop = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let orphaned = async {
            match exit_with_parent {
                true => stdin_ends().await,
                false => std::future::pending().await,
            }
        };

        let crew = Crew::start(&self.config, &self.pool, &self.observer)?;
        for backend in self.pool.backends() {
            let random = fastrand::Rng::new();
            let pings = ping::keep_pinging(
                Arc::clone(&self.pool),
                Arc::clone(backend),
                Arc::clone(&self.config),
                random,
            );
            tokio::task::spawn_local(pings);
        }
        tokio::task::spawn_local(watch_for_silence(Arc::clone(&self.pool)));
        tokio::task::spawn_local(rotate_latencies(Arc::clone(&self.pool)));
        let address = self.address();
        let admin_page = admin::Admin::new(&self.config, address, &self.pool, &self.observer);
        tokio::task::spawn_local(admin::serve(TcpListener::from_std(self.admin)?, admin_page));

        let listener = TcpListener::from_std(self.listener)?;
        tokio::select! {
            never = accept(&listener, &crew) => never,
            () = stop() => {}
            () = orphaned => return Ok(ExitCode::FAILURE),
        }

        self.observer.begin_draining();
        tracing::info!("draining: accepting no more, finishing what is in flight");
        // Whoever completed the handshake believes to be connected; closing the listener would reset him.
        while let Ok(Ok((stream, _))) = tokio::time::timeout(Duration::ZERO, listener.accept()).await {
            crew.take(stream);
        }
        drop(listener);
        tokio::select! {
            () = crew.finish() => {
                tracing::info!("drained");
                Ok(ExitCode::SUCCESS)
            }
            () = stop() => {
                tracing::warn!("second signal: ending with requests in flight");
                Ok(ExitCode::FAILURE)
            }
            () = tokio::time::sleep(self.config.drain_time) => {
                tracing::warn!("drain time is over: ending with requests in flight");
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

fn listen(address: SocketAddr, flag: &'static str) -> Result<std::net::TcpListener, StartError> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of an earlier run that linger in TIME_WAIT shall not keep this one from starting.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    bind().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::Taken { port: address.port(), flag },
        _ => StartError::Bind { address, flag, source },
    })
}

/// Waits for the end of standard input. A thread of its own reads it, because a runtime would wait for its
/// threads when it ends, and this one may never.
async fn stdin_ends() {
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Whatever is written there, only the end matters.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = ended.send(());
    });
    let _ = end.await;
}

/// Accepts connections for ever.
async fn accept(listener: &TcpListener, crew: &Crew) -> ! {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => crew.take(stream),
            // The client has gone before it was its turn: that concerns nobody else.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!("cannot accept connections for the moment: {error}");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Looks for silent backends, for ever.
async fn watch_for_silence(pool: Arc<ServerPool>) -> ! {
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = Instant::now();
        // If this thread was asleep, the workers were too, and what the backends said meanwhile lies unread.
        let overslept = now.duration_since(last) > LOOK * 4;
        last = now;
        if !overslept {
            pool.judge_silence(now);
        }
    }
}

async fn rotate_latencies(pool: Arc<ServerPool>) -> ! {
    loop {
        tokio::time::sleep(BackendStats::SLICE).await;
        for backend in pool.backends() {
            backend.stats.rotate();
        }
    }
}
