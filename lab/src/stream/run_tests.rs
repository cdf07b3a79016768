//! Tests of the merged stream with a balancer that this file plays.

use api::{Hello, SCHEMA};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

use super::*;

/// A balancer that tells `hello` with each of these epochs, and ends its stream when it is notified. It
/// reports the head of each request.
async fn balancer(epochs: Vec<u64>, end: Arc<Notify>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, heads) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for (n, epoch) in epochs.into_iter().enumerate() {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            tell.send(String::from_utf8_lossy(&head[..length]).into_owned()).unwrap();
            let hello = Hello { schema: SCHEMA, epoch_unix_us: epoch, ..Hello::default() };
            let hello = serde_json::to_string(&Event::Hello(Box::new(hello))).unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\n\r\nid: {}\nevent: hello\ndata: {hello}\n\n", n + 5);
            stream.write_all(answer.as_bytes()).await.unwrap();
            end.notified().await;
        }
    });
    (address, heads)
}

fn sources(admin: SocketAddr) -> Sources {
    Sources { admin, controls: Vec::new(), traffic: None, seed: Some(7), hash_by: None }
}

/// The next text of a change that the stream tells.
async fn next_change(reader: &mut StreamReader) -> String {
    loop {
        if let Event::Control(change) = &*reader.next().await.unwrap().1 {
            return change.what.clone();
        }
    }
}

#[tokio::test]
async fn a_balancer_that_starts_again_is_found_and_told() {
    let end = Arc::new(Notify::new());
    let (address, mut heads) = balancer(vec![1_000, 9_000], end.clone()).await;
    let stream = LabStream::start(sources(address)).await.unwrap();
    let mut reader = stream.read();
    let (_, first) = reader.next().await.unwrap();
    let Event::Hello(hello) = &*first else { panic!("{first:?}") };
    assert_eq!(hello.seed, Some(7));
    end.notify_one();
    let read = async {
        assert!(next_change(&mut reader).await.starts_with("the balancer tells no events: "));
        assert_eq!(next_change(&mut reader).await, "the balancer has started again");
    };
    timeout(Duration::from_secs(5), read).await.unwrap();
    assert!(!heads.recv().await.unwrap().contains("last-event-id"));
    assert!(heads.recv().await.unwrap().contains("last-event-id: 5\r\n"));
}

#[tokio::test]
async fn what_the_lab_does_is_an_event() {
    let (address, _heads) = balancer(vec![1_000], Arc::default()).await;
    let stream = LabStream::start(sources(address)).await.unwrap();
    let mut reader = stream.read();
    stream.tell("kill backend 2", "a test");
    let read = timeout(Duration::from_secs(5), next_change(&mut reader)).await.unwrap();
    assert_eq!(read, "kill backend 2");
}

#[tokio::test]
async fn a_stream_without_a_balancer_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = format!("{:#}", LabStream::start(sources(address)).await.unwrap_err());
    assert!(error.contains("the balancer to tell its state"), "{error}");
}
