//! A small server for the tests of the load, in the process of the test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::description::Load;
use super::report::Report;
use super::run::Running;

/// The answer to one request; its body is the id of the request.
pub(super) struct Reply {
    pub(super) after: Duration,
    pub(super) status: u16,
    pub(super) id: String,
    /// More headers, each with its line end.
    pub(super) headers: String,
}

impl Reply {
    /// A good answer of backend 7, at once.
    pub(super) fn to(head: &str) -> Self {
        let headers = "x-backend: 7\r\n".into();
        Self { after: Duration::ZERO, status: 200, id: id_in(head).to_owned(), headers }
    }

    fn text(&self) -> String {
        let Self { status, id, headers, .. } = self;
        let length = id.len();
        format!("HTTP/1.1 {status} X\r\n{headers}x-request-id: {id}\r\ncontent-length: {length}\r\n\r\n{id}")
    }
}

/// The id in the head of a request.
pub(super) fn id_in(head: &str) -> &str {
    header_in(head, "x-request-id").expect("a request without an id")
}

/// The value of a header in the head of a request.
pub(super) fn header_in<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Starts a server that answers each request by this function of its head, and reports the heads.
pub(super) async fn serve(
    answer: impl FnMut(&str) -> Reply + Send + 'static,
) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, heads) = mpsc::unbounded_channel();
    let answer = Arc::new(Mutex::new(answer));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tell, answer) = (tell.clone(), answer.clone());
            tokio::spawn(connection(stream, tell, move |head| answer.lock().unwrap()(head)));
        }
    });
    (address, heads)
}

/// Answers the requests of one connection until its client leaves.
async fn connection(stream: TcpStream, tell: mpsc::UnboundedSender<String>, answer: impl Fn(&str) -> Reply) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while stream.read_line(&mut head).await.is_ok_and(|read| read > 0) {
        if head.ends_with("\r\n\r\n") {
            let reply = answer(&head);
            // A test that wants no heads has dropped the receiver.
            drop(tell.send(std::mem::take(&mut head)));
            tokio::time::sleep(reply.after).await;
            if stream.write_all(reply.text().as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// A server whose very first answer comes late.
pub(super) async fn server(first_takes: Duration) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let mut wait = first_takes;
    serve(move |head| Reply { after: std::mem::take(&mut wait), ..Reply::to(head) }).await
}

/// Waits until a load has ended by itself.
pub(super) async fn finished(running: &Running) {
    tokio::time::timeout(Duration::from_secs(10), running.finished()).await.expect("the load does not end");
}

/// Runs a load until it has ended by itself.
pub(super) async fn run_whole(load: Load) -> Report {
    let running = load.start().unwrap();
    finished(&running).await;
    running.stop().await.unwrap()
}
