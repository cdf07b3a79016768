//! Scripted backends, down to single bytes, resets and closed ports.

use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::{Head, Wire, eventually, when};

/// A request as it reached an upstream.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// The number of this request on its connection, from 1.
    pub(crate) on_connection: usize,
    /// The number of this request at this upstream, from 1.
    pub(crate) number: usize,
}

impl Seen {
    /// Method and target.
    pub(crate) fn line(&self) -> &str {
        self.head.first_line().trim_end_matches(" HTTP/1.1")
    }
}

/// The reaction of an upstream to a request that it has read.
pub(crate) enum Reply {
    /// Writes this and waits for the next request.
    Bytes(Vec<u8>),
    /// Writes this and closes.
    Last(Vec<u8>),
    /// Writes this and resets the connection.
    Reset(Vec<u8>),
    /// Sends nothing until the other side closes.
    Silence,
    /// Anything else: the function gets the connection.
    Take(Box<dyn FnOnce(Wire) + Send>),
}

/// An answer with a length and a body.
pub(crate) fn ok(body: &str) -> Reply {
    Reply::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

type Serve = dyn Fn(TcpStream, &Shared) + Send + Sync;

/// A server on its own port, which it keeps even while it is stopped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    serve: Arc<Serve>,
    /// Bound and never listening: no other process gets the port while the upstream is stopped.
    _reserved: Socket,
    listener: Mutex<Option<Arc<TcpListener>>>,
    /// Connections that wait in its queue without end.
    waiting: Mutex<Vec<Socket>>,
}

#[derive(Default)]
struct Shared {
    accepted: AtomicUsize,
    count: AtomicUsize,
    keeps_log: AtomicBool,
    requests: Mutex<Vec<Seen>>,
    /// Open connections, by number.
    open: Mutex<HashMap<usize, TcpStream>>,
}

impl Upstream {
    /// Replies to each request as the script says.
    pub(crate) fn new(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::hasty(|_| Vec::new(), script)
    }

    /// The same, but sends some bytes as soon as it has read the head of a request.
    pub(crate) fn hasty(
        early: impl Fn(&Head) -> Vec<u8> + Send + Sync + 'static,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serving(move |stream, shared| converse(stream, shared, &early, &script))
    }

    /// Answers each request with its name.
    pub(crate) fn well(name: &'static str) -> Self {
        Self::new(move |_| ok(name))
    }

    /// Gives each connection to `serve`, from its first byte. Connections without bytes, such as pings,
    /// arrive there too.
    pub(crate) fn raw(serve: impl Fn(Wire) + Send + Sync + 'static) -> Self {
        Self::serving(move |stream, _| serve(Wire::new(stream)))
    }

    /// The same at another address of this machine; port 0 chooses a free port.
    pub(crate) fn at(address: SocketAddr, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::serving_at(address, move |stream, shared| converse(stream, shared, &|_| Vec::new(), &script))
    }

    fn serving(serve: impl Fn(TcpStream, &Shared) + Send + Sync + 'static) -> Self {
        Self::serving_at(SocketAddr::from(([127, 0, 0, 1], 0)), serve)
    }

    fn serving_at(address: SocketAddr, serve: impl Fn(TcpStream, &Shared) + Send + Sync + 'static) -> Self {
        let reserved = socket(address);
        reserved.bind(&address.into()).unwrap();
        let address = reserved.local_addr().unwrap().as_socket().unwrap();
        let shared = Arc::new(Shared { keeps_log: true.into(), ..Shared::default() });
        let upstream = Self {
            address,
            shared,
            serve: Arc::new(serve),
            _reserved: reserved,
            listener: Mutex::default(),
            waiting: Mutex::default(),
        };
        upstream.start();
        upstream
    }

    /// Counts requests, except the balancer's own questions, and does not store them: for tests with very
    /// many requests.
    pub(crate) fn counting_only(self) -> Self {
        self.shared.keeps_log.store(false, SeqCst);
        self
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Listens, if it does not listen already.
    pub(crate) fn start(&self) {
        let listener = self.listen(128);
        let (shared, serve) = (Arc::clone(&self.shared), Arc::clone(&self.serve));
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let number = shared.accepted.fetch_add(1, SeqCst);
                shared.open.lock().unwrap().insert(number, stream.try_clone().unwrap());
                let (shared, serve) = (Arc::clone(&shared), Arc::clone(&serve));
                std::thread::spawn(move || {
                    serve(stream, &shared);
                    shared.open.lock().unwrap().remove(&number);
                });
            }
        });
    }

    fn listen(&self, backlog: i32) -> Arc<TcpListener> {
        let socket = socket(self.address);
        socket.bind(&self.address.into()).unwrap();
        socket.listen(backlog).unwrap();
        let listener = Arc::new(TcpListener::from(socket));
        *self.listener.lock().unwrap() = Some(Arc::clone(&listener));
        listener
    }

    /// Refuses connections from now on, and closes its connections.
    pub(crate) fn stop(&self) {
        self.refuse();
        self.close_connections();
    }

    /// Accepts no more connections: the kernel lets a few wait. Open connections continue.
    pub(crate) fn stop_accepting(&self) {
        self.refuse();
        // The kernel adds one.
        self.listen(1);
    }

    /// The same with a full queue: the kernel answers no more handshakes.
    pub(crate) fn choke(&self) {
        self.stop_accepting();
        loop {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            match socket.connect_timeout(&self.address.into(), Duration::from_millis(100)) {
                Ok(()) => self.waiting.lock().unwrap().push(socket),
                Err(_) => return,
            }
        }
    }

    fn refuse(&self) {
        if let Some(listener) = self.listener.lock().unwrap().take() {
            SockRef::from(&*listener).shutdown(Shutdown::Both).unwrap();
            eventually("the port refuses connections", || match TcpStream::connect(self.address) {
                Ok(_) => Err("it accepts"),
                Err(_) => Ok(()),
            });
        }
    }

    /// Closes its connections.
    pub(crate) fn close_connections(&self) {
        for stream in self.shared.open.lock().unwrap().values() {
            // Connections that are already closed cannot be shut down.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// The number of accepted connections, including pings.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(SeqCst)
    }

    /// Waits until all its connections are closed, and the kernel has told the other sides, which may take
    /// longer on a busy machine.
    pub(crate) fn wait_until_unconnected(&self) {
        eventually("no connection", || {
            let open = self.shared.open.lock().unwrap().len();
            // The kernel's table may be long, so it is read last.
            let untold = if open == 0 { established_with(self.address) } else { 0 };
            when(open == 0 && untold == 0, (open, untold))
        });
    }

    /// The number of requests that it has read.
    pub(crate) fn count(&self) -> usize {
        self.shared.count.load(SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The number of requests with this method and target that it has read.
    pub(crate) fn count_of(&self, line: &str) -> usize {
        self.requests().iter().filter(|seen| seen.line() == line).count()
    }

    /// Waits for the first ping, so that no later ping interferes if there is only one.
    pub(crate) fn wait_for_ping(&self) {
        eventually("a ping", || when(self.accepted() > 0, self.accepted()));
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.lock().unwrap().take() {
            let _ = SockRef::from(&*listener).shutdown(Shutdown::Both);
        }
        self.close_connections();
    }
}

/// The number of sockets of this machine that count as connected to the address.
fn established_with(address: SocketAddr) -> usize {
    let host = match address {
        SocketAddr::V4(address) => format!("{:08X}", u32::from_ne_bytes(address.ip().octets())),
        SocketAddr::V6(_) => String::new(),
    };
    established(&format!("{host}:{:04X}", address.port()), 2).len()
}

/// For each established socket whose local (1) or remote (2) address ends like this: whether the kernel sends
/// keep-alive probes on it.
fn established(ending: &str, column: usize) -> Vec<bool> {
    // Columns: number, local address, remote address, state, queues, timer; in hexadecimal. State 01 means
    // established, and timer 02 means keep-alive probes.
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let sockets = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let of_these = sockets.filter(|columns| columns[column].ends_with(ending) && columns[3] == "01");
    of_these.map(|columns| columns[5].starts_with("02:")).collect()
}

/// Whether the kernel probes each connection to this port, and then each from it.
pub(crate) fn watched(port: u16) -> [Vec<bool>; 2] {
    let ending = format!(":{port:04X}");
    [established(&ending, 2), established(&ending, 1)]
}

fn socket(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket
}

/// Reads requests and replies to them, until one side ends the connection.
fn converse(
    stream: TcpStream,
    shared: &Shared,
    early: &impl Fn(&Head) -> Vec<u8>,
    script: &impl Fn(&Seen) -> Reply,
) {
    let mut wire = Wire::new(stream);
    // The other side may keep an idle connection without limit.
    wire.stream.set_read_timeout(None).unwrap();
    for on_connection in 1.. {
        let Ok(Some(head)) = wire.head() else { return };
        // A request without a body is complete before the early bytes are sent, and must be noted before
        // that.
        let (early, later) = match early(&head) {
            said if head.has_body() => (said, Vec::new()),
            said => (Vec::new(), said),
        };
        if wire.write(early).is_err() {
            return;
        }
        let Ok(body) = wire.request_body(&head) else { return };
        let mut seen = Seen { head, body, on_connection, number: 0 };
        let keeps_log = shared.keeps_log.load(SeqCst);
        if keeps_log || seen.line() != "OPTIONS *" {
            seen.number = shared.count.fetch_add(1, SeqCst) + 1;
        }
        if keeps_log {
            shared.requests.lock().unwrap().push(seen.clone());
        }
        if wire.write(later).is_err() {
            return;
        }
        match script(&seen) {
            Reply::Bytes(bytes) => {
                if wire.write(bytes).is_err() {
                    return;
                }
            }
            Reply::Last(bytes) => {
                let _ = wire.write(bytes);
                // Closing alone may take effect late: a process that is just being started has copies of all
                // descriptors for a moment.
                let _ = wire.stream.shutdown(Shutdown::Both);
                return;
            }
            Reply::Reset(bytes) => {
                let _ = wire.write(bytes);
                return wire.reset_at_end();
            }
            Reply::Silence => {
                let _ = wire.rest();
                return;
            }
            Reply::Take(take) => return take(wire),
        }
    }
}
