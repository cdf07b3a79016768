//! Tests of connections to backends: what they accept, how long they are kept, and the fate of a request on a
//! broken one.

use std::cell::RefCell;
use std::rc::Rc;

use http::HeaderValue;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::proxy::downstream::answer::AnswerBody;
use crate::proxy::request::body::ClientBody;
use crate::proxy::request::body::ReplayBody;
use crate::proxy::request::stream::ClientStream;
use crate::proxy::upstream::places::Places;

/// Both sides of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (stream, listener.accept().await.unwrap().0)
}

fn backend(host: &str) -> Backend {
    crate::pool::backend(1, host, 80)
}

fn generation() -> Generation {
    backend("app.test").own.resolved.generation()
}

fn place() -> Place {
    Places::default().try_take().unwrap()
}

/// A connection that its other side has reset.
async fn reset_connection() -> Box<Connection> {
    let (stream, other) = pair().await;
    socket2::SockRef::from(&other).set_linger(Some(Duration::ZERO)).unwrap();
    drop(other);
    // The error itself must stay for the write.
    stream.ready(tokio::io::Interest::ERROR).await.unwrap();
    Connection::new(stream.into(), generation(), Meter::default(), place())
}

#[tokio::test]
async fn the_kernel_knows_of_an_end_before_the_runtime_does() {
    let (stream, other) = pair().await;
    let mut connection = Connection::new(stream.into(), generation(), Meter::default(), place());
    assert!(connection.is_quiet() && connection.is_quiet_by_now());
    drop(other);
    // The runtime has not checked the socket yet.
    assert!(connection.is_quiet() && !connection.is_quiet_by_now());
}

#[tokio::test]
async fn a_connection_is_good_while_its_peer_is_among_the_addresses() {
    let (stream, _other) = pair().await;
    let (peer, elsewhere) = (stream.peer_addr().unwrap(), "127.0.0.9:80".parse().unwrap());
    let app = backend("app.test");
    app.own.resolved.set(vec![peer]);
    let mut connection =
        Connection::new(stream.into(), app.own.resolved.generation(), Meter::default(), place());
    let mut leads_to = |addresses: &[std::net::SocketAddr]| {
        app.own.resolved.set(addresses.to_vec());
        connection.leads_to(&app)
    };
    assert!(leads_to(&[peer]) && leads_to(&[elsewhere, peer]));
    assert!(!leads_to(&[elsewhere]));
    assert!(leads_to(&[peer]), "the name came back before the connection was looked at");
    let namesake = backend("app.test");
    assert!(!connection.leads_to(&namesake), "nothing is known of the addresses of the one that came back");
}

#[tokio::test]
async fn a_connection_rests_for_less_long_than_its_backend_keeps_it() {
    let table = [(None, None), (Some(0), Some(0)), (Some(1), Some(500)), (Some(5), Some(4000))];
    let (stream, _other) = pair().await;
    let mut connection = Connection::new(stream.into(), generation(), Meter::default(), place());
    for (kept_for, idle_for) in table {
        connection.kept_for = kept_for;
        assert_eq!(connection.idle_for(), idle_for.map(Duration::from_millis), "{kept_for:?} s");
    }
}

/// The connection was good when it was taken, and breaks before the first byte of the request is written.
#[tokio::test]
async fn a_request_on_a_dead_connection_counts_as_not_sent() {
    let (from_client, _client) = pair().await;
    let (incoming, _) =
        wire::split::<AnswerBody>(from_client.into(), ROOM, Buffers::default(), Meter::default());
    let body =
        ReplayBody::new(ClientBody::new(ClientStream::Http1(Rc::new(RefCell::new(incoming))), 0), 1024);
    let client = ClientContext::new(HeaderValue::from_static("192.0.2.7"), false);
    let head = RequestHead::default();
    let backend = Address { host: "127.0.0.1".into(), port: 1 };
    for (reused, expected) in [(true, Failure::StaleUnsent), (false, Failure::ClosedUnsent)] {
        let mut connection = reset_connection().await;
        connection.reused = reused;
        let sent = connection.send(&head, &backend, body.for_try(), &client, |_| {}).await;
        assert_eq!(sent.unwrap_err(), expected);
    }
}
