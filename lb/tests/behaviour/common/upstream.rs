//! Backends that do as they are told, down to the byte, the reset and the closed port.

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
    /// Which request on its connection this is, from 1.
    pub(crate) on_connection: usize,
    /// Which request at this upstream this is, from 1.
    pub(crate) number: usize,
}

impl Seen {
    /// Method and target.
    pub(crate) fn line(&self) -> &str {
        self.head.first_line().trim_end_matches(" HTTP/1.1")
    }
}

/// What an upstream does with a request that it has read.
pub(crate) enum Reply {
    /// Writes this and waits for the next request.
    Bytes(Vec<u8>),
    /// Writes this and closes.
    Last(Vec<u8>),
    /// Writes this and resets the connection.
    Reset(Vec<u8>),
    /// Never says anything, until the other side closes.
    Silence,
    /// Anything else: has the connection to itself.
    Take(Box<dyn FnOnce(Wire) + Send>),
}

/// An answer with a length and a body.
pub(crate) fn ok(body: &str) -> Reply {
    Reply::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

type Serve = dyn Fn(TcpStream, &Shared) + Send + Sync;

/// A server on a port of its own, which it keeps even while it is stopped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    serve: Arc<Serve>,
    /// Bound and never listening: nobody else is given the port while the upstream is stopped.
    _reserved: Socket,
    listener: Mutex<Option<Arc<TcpListener>>>,
    /// Connections that wait in its queue for ever.
    waiting: Mutex<Vec<Socket>>,
}

#[derive(Default)]
struct Shared {
    accepted: AtomicUsize,
    count: AtomicUsize,
    keeps_log: AtomicBool,
    requests: Mutex<Vec<Seen>>,
    /// By the number of the connection.
    open: Mutex<HashMap<usize, TcpStream>>,
}

impl Upstream {
    /// Answers each request as the script says.
    pub(crate) fn new(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::hasty(|_| Vec::new(), script)
    }

    /// The same, but says something to each request as soon as it has read its head.
    pub(crate) fn hasty(
        early: impl Fn(&Head) -> Vec<u8> + Send + Sync + 'static,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serving(move |stream, shared| converse(stream, shared, &early, &script))
    }

    /// Answers every request with its name.
    pub(crate) fn well(name: &'static str) -> Self {
        Self::new(move |_| ok(name))
    }

    /// Leaves each connection to `serve`, from its first byte. Connections that say nothing, as pings are,
    /// come here as well.
    pub(crate) fn raw(serve: impl Fn(Wire) + Send + Sync + 'static) -> Self {
        Self::serving(move |stream, _| serve(Wire::new(stream)))
    }

    /// The same at another address of this machine; the port 0 takes a free one.
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

    /// Counts requests, except the balancer's own questions, and forgets them: for tests that send very many.
    pub(crate) fn counting_only(self) -> Self {
        self.shared.keeps_log.store(false, SeqCst);
        self
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Listens, if it did not.
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

    /// Refuses connections from now on, and closes those it has.
    pub(crate) fn stop(&self) {
        self.refuse();
        self.close_connections();
    }

    /// Accepts no more connections: the kernel lets a few wait. Those it has go on.
    pub(crate) fn stop_accepting(&self) {
        self.refuse();
        // The kernel adds one.
        self.listen(1);
    }

    /// The same, with its queue full: the kernel answers no handshake any more.
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

    /// Closes the connections it has.
    pub(crate) fn close_connections(&self) {
        for stream in self.shared.open.lock().unwrap().values() {
            // Those that are closed already cannot be shut down.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Connections it has accepted, pings included.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(SeqCst)
    }

    /// Waits until all its connections are closed, and the kernel has told so to their other sides, which on a
    /// busy machine may be a while later.
    pub(crate) fn wait_until_unconnected(&self) {
        eventually("no connection", || {
            let open = self.shared.open.lock().unwrap().len();
            // The kernel's table may be long, so it is asked last.
            let untold = if open == 0 { established_with(self.address) } else { 0 };
            when(open == 0 && untold == 0, (open, untold))
        });
    }

    /// Requests it has read.
    pub(crate) fn count(&self) -> usize {
        self.shared.count.load(SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Requests it has read with this method and target.
    pub(crate) fn count_of(&self, line: &str) -> usize {
        self.requests().iter().filter(|seen| seen.line() == line).count()
    }

    /// Waits until it has been pinged, so that no later ping interferes when there is only one.
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

/// Sockets of this machine that believe to be connected to the address.
fn established_with(address: SocketAddr) -> usize {
    let host = match address {
        SocketAddr::V4(address) => format!("{:08X}", u32::from_ne_bytes(address.ip().octets())),
        SocketAddr::V6(_) => String::new(),
    };
    established(&format!("{host}:{:04X}", address.port()), 2).len()
}

/// For each established socket whose local (1) or remote (2) address ends like this, whether the kernel asks its other
/// side while it is silent.
fn established(ending: &str, column: usize) -> Vec<bool> {
    // Columns: number, local address, remote address, state, queues, timer; in hexadecimal. The state 01 stands for
    // established, and the timer 02 for that question.
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let sockets = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let of_these = sockets.filter(|columns| columns[column].ends_with(ending) && columns[3] == "01");
    of_these.map(|columns| columns[5].starts_with("02:")).collect()
}

/// Whether the kernel watches each connection to this port, and then each from it.
pub(crate) fn watched(port: u16) -> [Vec<bool>; 2] {
    let ending = format!(":{port:04X}");
    [established(&ending, 2), established(&ending, 1)]
}

fn socket(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket
}

/// Reads requests and replies to them, until either side has enough.
fn converse(
    stream: TcpStream,
    shared: &Shared,
    early: &impl Fn(&Head) -> Vec<u8>,
    script: &impl Fn(&Seen) -> Reply,
) {
    let mut wire = Wire::new(stream);
    // The other side may keep an idle connection for as long as it likes.
    wire.stream.set_read_timeout(None).unwrap();
    for on_connection in 1.. {
        let Ok(Some(head)) = wire.head() else { return };
        // What has no body is whole before anybody hears of it, and must be noted before that.
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
                // Closing alone may come late: a process that is just being started holds copies of all
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
