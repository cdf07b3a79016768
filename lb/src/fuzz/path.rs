//! A stream of requests through the whole balancer: a strict backend must read each request as the balancer
//! did.
//!
//! A worker, its client and its backend share one thread and one runtime. So only the kernel adds randomness,
//! and a stream takes well under a millisecond. Each stream gets a separate balancer.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use balance::Address;
use balance::member::Member;
use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::{JoinHandle, spawn_local, yield_now};
use tokio::time::timeout;

use super::strict;
use crate::cli::Cli;
use crate::config::Config;
use crate::observe::Observer;
use crate::pool::Pool;
use crate::proxy::upstream::queue::Queues;
use crate::server::handle::{Accepted, WorkerHandle};
use crate::server::worker::work;

/// Time limit of each step. It is reached only if something hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often all other tasks run before a client concludes that no more bytes will arrive.
const TURNS: usize = 32;

/// The configuration, without the backend.
static USUAL: LazyLock<Config> = LazyLock::new(|| {
    let cli = Cli::try_parse_from(["lb", "--backends=http://localhost:1", "--name=lb-1"]);
    cli.expect("flags").load().expect("a configuration").config
});

/// Target: a stream of requests through the whole balancer.
pub fn whole_path(stream: &[u8]) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let taken_through = async {
        timeout(PATIENCE, serve_request(stream)).await.expect("every exchange ends in time");
    };
    runtime.expect("a runtime").block_on(taken_through);
}

async fn serve_request(stream: &[u8]) {
    let backend = Backend::start();
    let lb = Balancer::start(backend.address);

    let mut client = lb.client().await;
    client.stream.write_all(stream).await.expect("the balancer reads the bytes, if only to discard them");
    client.read_what_comes().await;
    let _ = client.stream.shutdown().await;
    client.read_to_the_end().await;
    let (answered, seen) = (client.answers(), backend.seen());
    // One exchange may have been in progress when the client left.
    assert!(answered.len() <= seen.len() && seen.len() <= answered.len() + 1, "{answered:?} of {seen:?}");
    assert!(seen.starts_with(&answered), "{answered:?} are not the answers to {seen:?}");
    assert!(are_in(stream, &seen), "{seen:?} are not what a strict reader finds");

    let mut client = lb.client().await;
    client.stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    client.read_to_the_end().await;
    assert_eq!(client.answers().len(), 1, "later requests are answered");
    assert_eq!(lb.failures(), 0, "no backend is blamed");
    while backend.open() != lb.kept() {
        yield_now().await;
    }
    lb.stop().await;
}

/// A worker with its surroundings.
struct Balancer {
    listener: TcpListener,
    handle: WorkerHandle,
    worker: JoinHandle<()>,
    pool: Arc<Pool>,
}

impl Balancer {
    fn start(backend: SocketAddr) -> Self {
        let address = Address { host: backend.ip().to_string(), port: backend.port() };
        let config = Arc::new(Config { backends: vec![Member::new(address)], ..USUAL.clone() });
        let observer = Arc::new(Observer::new(false));
        let pool =
            Arc::new(Pool::new(config.members(), config.rules(), Arc::clone(&observer), crate::clock::now()));
        let queues = Arc::new(Queues::default());
        let (handle, inbox) = WorkerHandle::new();
        let random = fastrand::Rng::with_seed(1);
        let settings = Arc::new(ArcSwap::from(Arc::clone(&config.proxy)));
        let shared = (Arc::clone(&pool), observer, settings, queues);
        let worker = spawn_local(work(1, shared, random, inbox, None));
        Self { listener: CLIENTS.with(listen), handle, worker, pool }
    }

    async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
        let (accepted, client_address) = self.listener.accept().await.unwrap();
        let accepted = Accepted { stream: accepted.into_std().unwrap(), client_address, slot: None };
        self.handle.give(accepted);
        Client { stream, read: Vec::new() }
    }

    /// Failures that the balancer blames on the backend.
    fn failures(&self) -> u64 {
        self.pool.backends()[0].own.stats.counters.sum(|counters| &counters.blamed)
    }

    /// Idle connections that are kept for the next request.
    fn kept(&self) -> usize {
        let kept = self.pool.backends()[0]
            .own
            .stats
            .counters
            .left(|counters| &counters.kept, |counters| &counters.taken);
        usize::try_from(kept).expect("a number of connections")
    }

    /// Waits until all its connections have ended.
    async fn stop(self) {
        drop(self.handle);
        self.worker.await.expect("no panic");
    }
}

thread_local! {
    // Kept for all streams: with thousands of connections, the kernel takes long to find a free port.
    static CLIENTS: std::net::TcpListener = bind();
    static BACKEND: std::net::TcpListener = bind();
}

fn bind() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener to wait for");
    listener
}

fn listen(listener: &std::net::TcpListener) -> TcpListener {
    listener.try_clone().and_then(TcpListener::from_std).expect("a listener")
}

/// A client, and the bytes that it has read.
struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    /// Reads until no more bytes will arrive.
    async fn read_what_comes(&mut self) {
        let mut quiet = 0;
        while quiet < TURNS {
            match self.stream.try_read_buf(&mut self.read) {
                Ok(1..) => quiet = 0,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => quiet += 1,
                _ => return,
            }
            yield_now().await;
        }
    }

    async fn read_to_the_end(&mut self) {
        while self.stream.read_buf(&mut self.read).await.is_ok_and(|read| read > 0) {}
    }

    /// The answers of the backend that the client has read completely.
    fn answers(&self) -> Vec<Exchange> {
        let (mut bytes, mut answers) = (&self.read[..], Vec::new());
        while let Some((head, rest)) = strict::answer(bytes).unwrap() {
            let status: u16 = std::str::from_utf8(head.first[1]).unwrap().parse().unwrap();
            let why = head.all("proxy-status").concat();
            let fine = status < 500 || why.windows(19).any(|word| word == b"error=http_request_");
            assert!(fine, "{status} for something else than the request: {}", why.escape_ascii());
            // After the balancer's own answer to HEAD comes the next answer, at any content length.
            let body = match rest.starts_with(b"HTTP/1.1 ") {
                true => Some((Vec::new(), rest)),
                false => strict::body(&head, rest).unwrap(),
            };
            let Some((body, rest)) = body else { break };
            if let [request] = head.all("x-request")[..] {
                answers.push((String::from_utf8_lossy(request).into_owned(), body));
            }
            bytes = rest;
        }
        answers
    }
}

/// The method and target of a request, and the body of the request and of the answer.
type Exchange = (String, Vec<u8>);

fn exchange(head: &strict::Head<'_>, body: Vec<u8>) -> Exchange {
    let [method, target, _] = head.first.map(String::from_utf8_lossy);
    // An answer to HEAD has no body.
    let body = if method == "HEAD" { Vec::new() } else { body };
    (format!("{method} {target}"), body)
}

/// Whether a strict reader finds these requests in a stream, in this order. After bytes that are not the
/// plainest HTTP/1.1 it finds nothing, and any requests may follow.
fn are_in(stream: &[u8], seen: &[Exchange]) -> bool {
    let (mut rest, mut seen) = (stream, seen.iter().peekable());
    loop {
        match strict::request(rest) {
            Ok(Some(((head, body), behind))) => {
                let found = exchange(&head, body);
                seen.next_if(|seen| **seen == found);
                rest = behind;
            }
            Ok(None) => return seen.next().is_none(),
            Err(_) => return true,
        }
    }
}

/// A backend that accepts only the plainest requests, and answers each with its body.
struct Backend {
    address: SocketAddr,
    notes: Rc<RefCell<Notes>>,
}

/// The notes of a backend.
#[derive(Default)]
struct Notes {
    seen: Vec<Exchange>,
    /// Errors in requests.
    flaws: Vec<String>,
    /// Open connections.
    open: usize,
}

impl Backend {
    fn start() -> Self {
        let (listener, notes) = (BACKEND.with(listen), Rc::<RefCell<Notes>>::default());
        let address = listener.local_addr().expect("an address");
        let noted = Rc::clone(&notes);
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let notes = Rc::clone(&noted);
                notes.borrow_mut().open += 1;
                spawn_local(async move {
                    converse(stream, &notes).await;
                    notes.borrow_mut().open -= 1;
                });
            }
        });
        Self { address, notes }
    }

    /// The requests that it has read completely.
    fn seen(&self) -> Vec<Exchange> {
        let notes = self.notes.borrow();
        assert_eq!(notes.flaws, Vec::<String>::new());
        notes.seen.clone()
    }

    fn open(&self) -> usize {
        self.notes.borrow().open
    }
}

/// Reads requests and answers them, until one side ends the connection.
async fn converse(mut stream: TcpStream, notes: &RefCell<Notes>) {
    let mut unread = Vec::new();
    loop {
        let read = match strict::request(&unread) {
            Ok(read) => read.map(|((head, body), rest)| {
                let seen = exchange(&head, body);
                let answer = answer(&head, &seen);
                notes.borrow_mut().seen.push(seen);
                (answer, rest.len())
            }),
            Err(flaw) => return notes.borrow_mut().flaws.push(flaw),
        };
        let Some((answer, left)) = read else {
            match stream.read_buf(&mut unread).await {
                Ok(1..) => continue,
                // An incomplete request is cut off, which is allowed.
                _ => return,
            }
        };
        unread.drain(..unread.len() - left);
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// The answer to a request, which sends its body back with the same framing.
fn answer(head: &strict::Head<'_>, (request, body): &Exchange) -> Vec<u8> {
    let length = body.len();
    let mut answer = format!("HTTP/1.1 200 OK\r\nX-Request: {request}\r\n").into_bytes();
    if head.all("transfer-encoding").is_empty() || body.is_empty() {
        answer.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
        answer.extend_from_slice(body);
    } else {
        answer.extend_from_slice(format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n").as_bytes());
        answer.extend_from_slice(body);
        answer.extend_from_slice(b"\r\n0\r\n\r\n");
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::super::damage::damaged;
    use super::*;

    /// Streams sent on each run. `STREAMS=100000 cargo test -p lb damaged_streams` sends more.
    const STREAMS: u64 = 1_000;

    #[test]
    fn damaged_streams_mean_the_same_to_a_strict_backend() {
        let streams = std::env::var("STREAMS").map_or(STREAMS, |number| number.parse().expect("a number"));
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        std::thread::scope(|scope| {
            for first in 0..threads {
                scope.spawn(move || {
                    for seed in (first..streams).step_by(threads as usize) {
                        let stream = damaged(&mut fastrand::Rng::with_seed(seed));
                        let passed = std::panic::catch_unwind(|| whole_path(&stream));
                        assert!(passed.is_ok(), "stream {seed}: {}", stream.escape_ascii());
                    }
                });
            }
        });
    }
}
