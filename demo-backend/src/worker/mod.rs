//! The worker: how it answers, and how faults are carried out.
//!
//! One thread with one runtime is enough for tens of thousands of small requests a second, and the shared
//! data of the requests is in plain cells. A second thread only waits for the agent's orders.

mod answer;
mod body;
mod demand;
mod faulty;
mod headers;
mod identity;
mod places;
mod report;
mod route;
mod shared;
mod wire;

use std::io::{BufRead, BufReader, Stdin, Write as _, stderr};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use crate::cli::WorkerConfig;
use crate::fault::Exit;
use crate::link::{Orders, Report};
use faulty::sleep_until;
use report::Reporter;
use shared::Shared;
use wire::{AbortHandle, Wire};

/// The number of connections that the kernel holds before the worker accepts them; Linux limits it to
/// `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// The pause after a failed accept. The usual cause is "out of file descriptors".
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The exit status of a worker that SIGTERM ends: 128 and the number of the signal, as shells show it.
const EXIT_ON_TERM: i32 = 128 + 15;

/// During the shutdown, the time for which an idle connection stays open: a client that sends a request
/// meanwhile gets an answer, which says that it is the last one.
const LAST_CHANCE: Duration = Duration::from_millis(250);

/// Answers on the data port until the agent is gone or orders a drain.
///
/// # Errors
/// If this process is not the child of the agent named in `config`, or if the data port cannot be opened.
pub fn run(config: &WorkerConfig) -> Result<ExitCode> {
    die_with(config.agent_pid)?;
    let mut stdin = BufReader::new(std::io::stdin());
    let orders = next_orders(&mut stdin)?.context("the agent went away before its first orders")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let shared = Rc::new(Shared::new(config.clone(), Reporter::new()?));
        spawn_local(places::keep_time(Rc::clone(&shared.places)));
        serve(shared, orders, orders_from(stdin)).await
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(shared: Rc<Shared>, first: Orders, mut orders: mpsc::UnboundedReceiver<Orders>) -> Result<()> {
    // Each connection holds a receiver of `closing`; a change asks the connections to end after their current
    // answers.
    let (closing, _) = watch::channel(());
    let mut port = Port { address: shared.config.data, listener: None };
    let mut version = first.version;
    shared.obey(first);
    let mut terms = signal(SignalKind::terminate())?;
    loop {
        let now = Instant::now();
        let refusing = shared.faulty.refusing(now);
        if port.set_open(refusing.is_none())? {
            closing.send_replace(());
        }
        if let Some(key) = refusing {
            // The kernel does not tell how many connections it refuses; one hit is recorded.
            shared.reporter.note(Report::Drawn { key, matched: 1, fired: 1 });
        }
        shared.reporter.send(Report::Obeyed(version));
        let change = shared.faulty.next_change(now);
        let news = tokio::select! {
            news = accept_until(&port, orders.recv(), &shared, &closing) => news,
            () = sleep_until(change) => continue,
            _ = terms.recv() => match on_term(&shared) {
                Exit::Ignore => continue,
                Exit::Immediate => std::process::exit(EXIT_ON_TERM),
                Exit::Drain(grace) => {
                    let drained = timeout(grace, drain(shared, port, closing)).await;
                    return drained.unwrap_or_else(|_| std::process::exit(EXIT_ON_TERM));
                }
            },
        };
        let Some(news) = news else { return Ok(()) };
        version = news.version;
        if news.drain {
            return drain(shared, port, closing).await;
        }
        shared.obey(news);
    }
}

/// The reaction to SIGTERM: without a fault, the worker exits at once, as a program that handles no signal.
fn on_term(shared: &Shared) -> Exit {
    let Some((key, exit)) = shared.faulty.on_term(Instant::now()) else { return Exit::Immediate };
    // The signals are not counted; one hit is recorded.
    shared.reporter.send(Report::Drawn { key, matched: 1, fired: 1 });
    exit
}

/// Finishes the requests in flight, and tells the clients that it leaves.
async fn drain(shared: Rc<Shared>, port: Port, closing: watch::Sender<()>) -> Result<()> {
    shared.ending.set(true);
    for stream in port.close()? {
        spawn_local(converse(Rc::clone(&shared), stream, closing.subscribe()));
    }
    let _ = timeout(LAST_CHANCE, closing.closed()).await;
    closing.send_replace(());
    closing.closed().await;
    Ok(())
}

/// Accepts connections until news come, and returns the news.
async fn accept_until(
    port: &Port,
    news: impl Future<Output = Option<Orders>>,
    shared: &Rc<Shared>,
    closing: &watch::Sender<()>,
) -> Option<Orders> {
    tokio::pin!(news);
    loop {
        let accepted = tokio::select! {
            news = &mut news => return news,
            accepted = port.accept() => accepted,
        };
        match accepted {
            Ok(stream) => {
                spawn_local(converse(Rc::clone(shared), stream, closing.subscribe()));
            }
            Err(error) => {
                let _ =
                    writeln!(stderr(), "backend {}: cannot accept a connection: {error}", shared.config.id);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection from its first request to its last.
async fn converse(shared: Rc<Shared>, stream: TcpStream, mut closing: watch::Receiver<()>) {
    let handle = AbortHandle::new();
    let io = TokioIo::new(Wire::new(stream, handle.clone()));
    let service = service_fn(move |request| answer::answer(Rc::clone(&shared), handle.clone(), request));
    let connection = http1::Builder::new().half_close(false).serve_connection(io, service).with_upgrades();
    tokio::pin!(connection);
    // Errors are not reported here: a client closed its connection, or a fault broke it; the reports contain
    // both.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = closing.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// The data port: open, or refusing connections.
struct Port {
    address: SocketAddr,
    listener: Option<TcpListener>,
}

impl Port {
    /// Opens or closes the port; true if it was open and is now closed.
    fn set_open(&mut self, open: bool) -> Result<bool> {
        match (&self.listener, open) {
            (None, true) => self.listener = Some(listen(self.address)?),
            (Some(_), false) => {
                self.listener = None;
                return Ok(true);
            }
            _ => {}
        }
        Ok(false)
    }

    /// Closes the port permanently, and returns the connections that the kernel has accepted already:
    /// otherwise they and their requests would be reset. This asks the kernel until it has no more
    /// connections, because the runtime learns of them later.
    fn close(self) -> std::io::Result<Vec<TcpStream>> {
        let Some(listener) = self.listener else { return Ok(Vec::new()) };
        let listener = listener.into_std()?;
        let accept = || listener.accept().ok().map(|(stream, _)| stream);
        let waiting: Vec<_> = std::iter::from_fn(accept).collect();
        drop(listener);
        waiting.into_iter().map(adopt).collect()
    }

    async fn accept(&self) -> std::io::Result<TcpStream> {
        match &self.listener {
            Some(listener) => Ok(listener.accept().await?.0),
            None => std::future::pending().await,
        }
    }
}

/// Registers a connection with the runtime that was accepted without it.
fn adopt(stream: std::net::TcpStream) -> std::io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Listens beside the agent's reservation (see [`crate::agent`]), which requires `SO_REUSEPORT`; with
/// `SO_REUSEADDR` as well, connections in TIME_WAIT do not keep the next agent from the port.
fn listen(address: SocketAddr) -> Result<TcpListener> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        // Connections inherit this: answers are not delayed until there is more to send.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    open().with_context(|| format!("cannot listen on {address}"))
}

/// Makes the kernel kill this process when the agent dies: at once, even while the process is stopped.
///
/// Only Linux can do this. On other systems, the process ends when its standard input closes, which a stopped
/// process cannot see.
fn die_with(agent_pid: i32) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        // The agent starts the worker through /proc/self/exe; without this, lists of processes would show
        // "exe".
        rustix::thread::set_name(c"demo-backend")?;
    }
    // The agent may have died before the line above.
    let parent = rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
    if parent != agent_pid {
        bail!(
            "--worker-of {agent_pid}: that is not my parent ({parent}); start an agent, it starts its worker"
        );
    }
    Ok(())
}

/// Reads the agent's orders in a thread of its own, and ends this process when no more orders can come.
fn orders_from(mut stdin: BufReader<Stdin>) -> mpsc::UnboundedReceiver<Orders> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while let Ok(Some(orders)) = next_orders(&mut stdin) {
            if sender.send(orders).is_err() {
                return;
            }
        }
        std::process::exit(0);
    });
    receiver
}

fn next_orders(stdin: &mut BufReader<Stdin>) -> Result<Option<Orders>> {
    let mut line = String::new();
    if stdin.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    serde_json::from_str(&line).map(Some).context("cannot read the agent's orders")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_clients_are_served_when_the_port_closes() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        // The kernel has accepted the clients as soon as they are connected, even if the runtime does not
        // know it yet.
        let clients = [(); 3].map(|()| std::net::TcpStream::connect(address).unwrap());
        let waiting = Port { address, listener: Some(listener) }.close().unwrap();
        assert_eq!(waiting.len(), clients.len());
        assert!(waiting.iter().all(|stream| stream.nodelay().unwrap()), "answers are not held back");
        assert!(std::net::TcpStream::connect(address).is_err(), "and no other client is accepted");
    }
}
