//! Tests: which addresses are tried, and which failure is reported.

use std::time::Instant;

use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

use super::*;

/// The address of the other side.
fn peer(stream: Stream) -> SocketAddr {
    let Stream::Plain(stream) = stream;
    stream.peer_addr().unwrap()
}

const LIMIT: Duration = Duration::from_secs(5);

fn list(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// An address at which connections get no answer, because its queue is full.
struct Hole {
    _listener: Socket,
    _waiting: Vec<Socket>,
    address: SocketAddr,
}

impl Hole {
    fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut waiting = Vec::new();
        loop {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            match socket.connect_timeout(&address.into(), Duration::from_millis(100)) {
                Ok(()) => waiting.push(socket),
                Err(_) => return Self { _listener: listener, _waiting: waiting, address },
            }
        }
    }
}

/// A server, and an address without a server.
async fn server() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn refusing() -> SocketAddr {
    server().await.1
}

#[tokio::test]
async fn an_address_that_says_nothing_does_not_hold_up_the_next() {
    let (hole, other, (_listener, address)) = (Hole::new(), Hole::new(), server().await);
    for addresses in [vec![hole.address, address], vec![hole.address, other.address, address]] {
        let begun = Instant::now();
        let stream = connect_to_any(&addresses, LIMIT).await.unwrap();
        assert_eq!(peer(stream), address);
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn an_address_that_refuses_does_not_cost_a_pause() {
    let (_listener, address) = server().await;
    let refusing = refusing().await;
    let long = Duration::from_secs(3600);
    let stream = timeout(LIMIT, race(vec![refusing, refusing, address], long)).await;
    assert_eq!(peer(stream.expect("at once").unwrap()), address);
}

#[tokio::test]
async fn an_address_that_answers_late_may_still_be_the_first() {
    let (refusing, (_listener, address)) = (refusing().await, server().await);
    let stream = race(vec![address, refusing], Duration::ZERO).await.unwrap();
    assert_eq!(peer(stream), address);
}

#[tokio::test]
async fn if_no_address_answers_the_error_comes_after_the_last_failure() {
    let refusing = refusing().await;
    assert_eq!(connect_to_any(&[], LIMIT).await.unwrap_err(), Failure::Unresolved);
    for addresses in [vec![refusing], vec![refusing; 3]] {
        assert_eq!(connect_to_any(&addresses, LIMIT).await.unwrap_err(), Failure::ConnectRefused);
    }
}

#[test]
fn every_address_has_its_turn() {
    let ms = Duration::from_millis;
    let table = [
        (2, ms(1000), ms(250)),
        (2, ms(500), ms(500) / 3),
        (3, ms(500), ms(125)),
        (9, ms(1000), ms(100)),
        (1000, ms(500), ms(10)),
    ];
    for (addresses, limit, expected) in table {
        assert_eq!(pace(addresses, limit), expected, "{addresses} in {limit:?}");
    }
}

#[test]
fn the_kinds_of_addresses_take_turns() {
    let table: [(&[&str], &[&str]); 3] = [
        (&["1.0.0.1:1", "1.0.0.2:1"], &["1.0.0.1:1", "1.0.0.2:1"]),
        (&["[::1]:1", "[::2]:1", "1.0.0.1:1"], &["[::1]:1", "1.0.0.1:1", "[::2]:1"]),
        (&["1.0.0.1:1", "[::1]:1", "[::2]:1", "[::3]:1"], &["1.0.0.1:1", "[::1]:1", "[::2]:1", "[::3]:1"]),
    ];
    for (given, expected) in table {
        assert_eq!(interleaved(&list(given)), list(expected));
    }
}

#[test]
fn connect_errors_decide_who_is_to_blame() {
    let here: SocketAddr = "127.0.0.1:9".parse().unwrap();
    // Many machines have no route to this address: the network is reserved for examples.
    let nowhere: SocketAddr = "[2001:db8::1]:9".parse().unwrap();
    let table = [
        (io::ErrorKind::ConnectionRefused.into(), Failure::ConnectRefused),
        (io::ErrorKind::TimedOut.into(), Failure::ConnectTimeout),
        // All ports are in use.
        (io::ErrorKind::AddrNotAvailable.into(), Failure::OutOfResources),
        (io::ErrorKind::HostUnreachable.into(), Failure::Unreachable),
        (io::Error::from_raw_os_error(24), Failure::OutOfResources),
    ];
    for (error, failure) in table {
        assert_eq!(connect_failure(&error, here), failure, "{error}");
    }
    if !has_way_to(nowhere) {
        let none: io::Error = io::ErrorKind::AddrNotAvailable.into();
        assert_eq!(connect_failure(&none, nowhere), Failure::Unreachable);
    }
}

#[test]
fn an_answer_of_an_address_is_more_important_than_a_local_error() {
    use Failure::{ConnectRefused, OutOfResources, Unreachable};
    assert_eq!(graver(None, OutOfResources), OutOfResources);
    assert_eq!(graver(Some(ConnectRefused), OutOfResources), ConnectRefused);
    assert_eq!(graver(Some(OutOfResources), ConnectRefused), ConnectRefused);
    assert_eq!(graver(Some(ConnectRefused), Unreachable), Unreachable);
}

/// A backend of this name, whose look-ups have never ended.
#[tokio::test]
async fn a_look_up_that_hangs_blocks_only_requests_without_a_known_address() {
    let (_listener, address) = server().await;
    let (_until, hangs) = std::sync::mpsc::channel::<()>();
    let hangs = std::sync::Mutex::new(hangs);
    let resolver = Resolver::new(move |_| {
        let _ = hangs.lock().map(|hangs| hangs.recv());
        Ok(Vec::new())
    });
    let backend = crate::pool::backend(1, "app.test", address.port());
    let short = Duration::from_millis(50);
    assert_eq!(reach(&backend, None, short, &resolver).await.unwrap_err(), Failure::Unresolved);
    backend.own.resolved.set(vec![address]);
    assert!(reach(&backend, None, LIMIT, &resolver).await.is_ok());
    let refusing = refusing().await.port();
    let elsewhere = reach(&backend, Some(refusing), LIMIT, &resolver).await;
    assert_eq!(elsewhere.unwrap_err(), Failure::ConnectRefused, "a port of its own");
}
