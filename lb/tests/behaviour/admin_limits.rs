//! The admin port has limits of connections, time and descriptors, so it cannot harm clients.

use std::io::Read;
use std::process::Command;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::common::{
    Client, Config, Lb, NO_PINGS, Upstream, eventually, in_maintenance, tables, throughout, when, within,
};

/// Half of a head.
const HALF: &[u8] = b"GET /state HTTP/1.1\r\nHost: a";

/// How long a connection may be silent, and how long a head may take.
const PATIENCE_OF_THE_PORT: Duration = Duration::from_secs(10);

/// A balancer with this limit of descriptors.
fn with_descriptors(limit: usize, upstream: &Upstream) -> Lb {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_lb")]);
    Lb::spawn(shell, &[upstream.url()], &[NO_PINGS])
}

fn half_written(lb: &Lb, n: usize) -> Vec<Client> {
    (0..n)
        .map(|_| {
            let mut client = Client::connect(lb.admin);
            // A connection that must make room for others may be closed before its half is sent.
            let _ = client.wire.write(HALF);
            client
        })
        .collect()
}

/// Connections of the port that are still open.
fn open(clients: &mut [Client]) -> usize {
    let is_open = |client: &mut Client| {
        let stream = &mut client.wire.stream;
        stream.set_nonblocking(true).unwrap();
        match stream.read(&mut [0; 4096]) {
            Ok(read) => read > 0,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    };
    clients.iter_mut().map(is_open).filter(|open| *open).count()
}

#[test]
fn half_written_heads_keep_neither_clients_nor_the_port_from_being_served() {
    let upstream = Upstream::well("ok");
    let lb = with_descriptors(256, &upstream);
    let mut halves = half_written(&lb, 400);
    for n in 0..60 {
        assert_eq!(lb.get("/").status, 200, "client {n}");
    }
    let begun = Instant::now();
    for path in ["/healthz", "/readyz", "/state", "/metrics"] {
        assert_eq!(Client::connect(lb.admin).get(path).status, 200, "{path}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // A sixteenth of the descriptors.
    eventually("few of them are kept", || {
        let open = open(&mut halves);
        when(open <= 16, open)
    });
    lb.wait_for_log("all 16 connections of the admin port are in use");
    within(PATIENCE_OF_THE_PORT * 2, "none is kept for long", || {
        let open = open(&mut halves);
        when(open == 0, open)
    });
}

#[test]
fn a_connection_that_says_nothing_or_little_at_a_time_is_closed() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut silent = Client::connect(lb.admin);
    let mut used = Client::connect(lb.admin);
    assert_eq!(used.get("/healthz").status, 200);
    let mut slow = Client::connect(lb.admin);
    slow.send(HALF);
    let begun = Instant::now();
    let mut clients = [silent.wire.stream, used.wire.stream, slow.wire.stream.try_clone().unwrap()]
        .map(|stream| Client { wire: crate::common::Wire::new(stream) });
    within(PATIENCE_OF_THE_PORT * 2, "all are closed", || {
        // Single bytes do not extend the time.
        let _ = slow.wire.write("a");
        std::thread::sleep(Duration::from_millis(100));
        let open = open(&mut clients);
        when(open == 0, open)
    });
    assert!(begun.elapsed() > PATIENCE_OF_THE_PORT / 2, "{:?}", begun.elapsed());
    silent = Client::connect(lb.admin);
    assert_eq!(silent.get("/healthz").status, 200);
}

/// Whether the process at this port has not closed its connection to the other port. The kernel may still
/// send the rest of the data of a closed connection.
fn is_established(port: u16, other: u16) -> bool {
    // Columns: number, local address, remote address, state; in hexadecimal. The state 01 is "established".
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let (port, other) = (format!(":{port:04X}"), format!(":{other:04X}"));
    table.lines().any(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        columns[1].ends_with(&port) && columns[2].ends_with(&other) && columns[3] == "01"
    })
}

#[test]
fn a_connection_is_closed_if_its_client_does_not_read_a_page() {
    let upstream = Upstream::well("ok");
    // A page that does not fit into the kernel's buffers; the receive buffer is kept small.
    let config = Config::new(&format!("{}{}", tables([(&upstream, "")]), in_maintenance(4_000)));
    let lb = Lb::configured(&config.path(), &[NO_PINGS]);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&lb.admin.into()).unwrap();
    let mut reader = Client { wire: crate::common::Wire::new(socket.into()) };
    let (port, other) = (lb.admin.port(), reader.wire.stream.local_addr().unwrap().port());
    let begun = Instant::now();
    reader.ask("GET /metrics", b"");
    throughout(PATIENCE_OF_THE_PORT / 2, || {
        assert!(is_established(port, other), "its client gets time to read")
    });
    within(PATIENCE_OF_THE_PORT * 2, "the connection is closed", || {
        when(!is_established(port, other), begun.elapsed())
    });
    assert_eq!(Client::connect(lb.admin).get("/healthz").status, 200);
}

#[test]
fn readers_of_the_events_leave_places_for_others() {
    let upstream = Upstream::well("ok");
    let lb = with_descriptors(256, &upstream);
    let mut readers: Vec<_> = (0..8)
        .map(|_| {
            let mut reader = Client::connect(lb.admin);
            assert_eq!(reader.ask("GET /events", b"").head_of_answer().unwrap().status(), 200);
            reader
        })
        .collect();
    let refused = Client::connect(lb.admin).get("/events");
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("close one of them"), "{}", refused.text());
    let _halves = half_written(&lb, 100);
    throughout(Duration::from_millis(300), || {
        assert_eq!(Client::connect(lb.admin).get("/healthz").status, 200);
    });
    assert_eq!(open(&mut readers), 8, "who is told something keeps its place");
    readers.pop();
    eventually("another may read", || {
        let status = {
            let mut reader = Client::connect(lb.admin);
            reader.ask("GET /events", b"").head_of_answer().unwrap().status()
        };
        when(status == 200, status)
    });
}
