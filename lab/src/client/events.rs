//! Reads a stream of server-sent events, such as the balancer's `/events`.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use eventsource_stream::{EventStream, Eventsource};
use futures_util::StreamExt;
use http::{HeaderValue, Method};
use http_body_util::{BodyDataStream, BodyExt};
use hyper::body::Incoming;
use serde_json::Value;

use super::{Client, request};

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its id; empty if it has none. [`Events::resume`] continues after it.
    pub id: String,
    /// The type; `message` if the server gives none.
    pub name: String,
    /// The data, read as JSON.
    pub data: Value,
}

/// A stream of events that is being read.
pub struct Events {
    stream: Pin<Box<EventStream<BodyDataStream<Incoming>>>>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    /// Requests the events of a server.
    ///
    /// # Errors
    /// If the server cannot be reached, ends the connection, takes longer than 5 seconds, or answers with an
    /// error.
    pub async fn open(server: SocketAddr, path: &str) -> Result<Self> {
        Self::resume(server, path, "").await
    }

    /// The same, and continues after the event with this id, if the server still has the events after it.
    ///
    /// # Errors
    /// As [`Events::open`]; and if the id has characters that a header cannot have.
    pub async fn resume(server: SocketAddr, path: &str, last: &str) -> Result<Self> {
        let client = Client::new(server);
        let body = tokio::time::timeout(Duration::from_secs(5), client.stream_of(path, last))
            .await
            .unwrap_or_else(|_| Err(anyhow!("no answer within 5 s")))
            .with_context(|| format!("cannot read the events at http://{server}{path}"))?;
        Ok(Self { stream: Box::pin(body.into_data_stream().eventsource()) })
    }

    /// Waits for the next event; `None` when the server has ended the stream.
    ///
    /// # Errors
    /// If the stream ends early or an event's data is no JSON.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        let Some(event) = self.stream.next().await else { return Ok(None) };
        let event = event.map_err(|error| anyhow!("the stream of events ended early: {error}"))?;
        let data = serde_json::from_str(&event.data)
            .with_context(|| format!("event {} with no JSON: {}", event.event, event.data))?;
        Ok(Some(Event { id: event.id, name: event.event, data }))
    }
}

impl Client {
    async fn stream_of(&self, path: &str, last: &str) -> Result<Incoming> {
        let mut request = request(Method::GET, path, Bytes::new())?;
        if !last.is_empty() {
            request.headers_mut().insert("last-event-id", HeaderValue::try_from(last)?);
        }
        let response = self.stream(request).await?;
        ensure!(response.status().is_success(), "answered {}", response.status());
        Ok(response.into_body())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A server whose answer is a stream in these pieces, and then its end.
    async fn server(pieces: Vec<Vec<u8>>) -> SocketAddr {
        server_that_expects("", pieces).await
    }

    /// The same, and the head of the request contains this text.
    async fn server_that_expects(text: &'static str, pieces: Vec<Vec<u8>>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            assert!(stream.read(&mut head).await.unwrap() > 0);
            assert!(String::from_utf8_lossy(&head).contains(text), "{head:?}");
            stream.set_nodelay(true).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
            for piece in pieces {
                let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
                stream.write_all(&chunk).await.unwrap();
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        });
        address
    }

    #[tokio::test]
    async fn events_are_found_however_the_bytes_arrive() {
        let stream = b": hello\n\nevent: state\ndata: {\"backend\":2}\n\ndata: [1,\ndata: 2]\n\nevent: half";
        for size in 1..stream.len() {
            let address = server(stream.chunks(size).map(<[u8]>::to_vec).collect()).await;
            let mut stream = Events::open(address, "/events").await.unwrap();
            let mut events = Vec::new();
            while let Some(event) = stream.next().await.unwrap() {
                events.push((event.name, event.data));
            }
            let expected =
                [("state".to_owned(), json!({"backend": 2})), ("message".to_owned(), json!([1, 2]))];
            assert_eq!(events, expected, "in pieces of {size}");
        }
    }

    #[tokio::test]
    async fn a_reader_that_comes_back_says_what_it_read_last() {
        let pieces = vec![b"id: 8\nevent: tick\ndata: 1\n\n".to_vec(), b"data: 2\n\n".to_vec()];
        let address = server_that_expects("last-event-id: 7\r\n", pieces).await;
        let mut stream = Events::resume(address, "/events", "7").await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().id, "8");
        assert!(Events::resume(address, "/events", "7\r\n").await.is_err(), "no header can have this");
    }

    #[tokio::test]
    async fn data_that_is_no_json_is_an_error() {
        let address = server(vec![b"event: state\ndata: {\n\n".to_vec()]).await;
        assert!(Events::open(address, "/events").await.unwrap().next().await.is_err());
    }
}
