//! Reads a stream of server-sent events.
//!
//! This supports only the fields that the balancer's `/events` uses: `event` and `data` of
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use super::{Client, request};

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The type; `message` if the server gives none.
    pub name: String,
    /// The data, read as JSON.
    pub data: Value,
}

/// A stream of events that is being read.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    parser: Parser,
}

impl Events {
    /// Requests the events of a server.
    ///
    /// # Errors
    /// If the server cannot be reached, ends the connection, takes longer than 5 seconds, or answers with an
    /// error.
    pub async fn open(server: SocketAddr, path: &str) -> Result<Self> {
        let client = Client::new(server);
        let body = tokio::time::timeout(Duration::from_secs(5), client.stream_of(path))
            .await
            .unwrap_or_else(|_| Err(anyhow!("no answer within 5 s")))
            .with_context(|| format!("cannot read the events at http://{server}{path}"))?;
        Ok(Self { body, parser: Parser::default() })
    }

    /// Waits for the next event; `None` when the server has ended the stream.
    ///
    /// # Errors
    /// If the stream ends early or an event's data is no JSON.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.parser.next_event()? {
                return Ok(Some(event));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.context("the stream of events ended early")?.into_data() {
                        self.parser.feed(&data);
                    }
                }
            }
        }
    }
}

impl Client {
    async fn stream_of(&self, path: &str) -> Result<Incoming> {
        let response = self.stream(request(Method::GET, path, Bytes::new())?).await?;
        ensure!(response.status().is_success(), "answered {}", response.status());
        Ok(response.into_body())
    }
}

/// Splits a stream of bytes, received in any pieces, into events.
#[derive(Debug, Default)]
struct Parser {
    unread: Vec<u8>,
}

impl Parser {
    fn feed(&mut self, piece: &[u8]) {
        self.unread.extend_from_slice(piece);
    }

    /// The next complete event; blocks without data, such as heartbeats, are ignored.
    fn next_event(&mut self) -> Result<Option<Event>> {
        while let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.unread.drain(..end + 2).collect();
            if let Some(event) = parse_block(&String::from_utf8_lossy(&block))? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}

fn parse_block(block: &str) -> Result<Option<Event>> {
    let mut name = "message";
    let mut data = Vec::new();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = value,
            "data" => data.push(value),
            _ => {}
        }
    }
    if data.is_empty() {
        return Ok(None);
    }
    let data = data.join("\n");
    let data = serde_json::from_str(&data).with_context(|| format!("event {name} with no JSON: {data}"))?;
    Ok(Some(Event { name: name.to_owned(), data }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_found_however_the_bytes_arrive() {
        let stream = b": hello\n\nevent: state\ndata: {\"backend\":2}\n\ndata: [1,\ndata: 2]\n\nevent: half";
        for size in 1..stream.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for piece in stream.chunks(size) {
                parser.feed(piece);
                while let Some(event) = parser.next_event().unwrap() {
                    events.push((event.name, event.data));
                }
            }
            let expected =
                [("state".to_owned(), json!({"backend": 2})), ("message".to_owned(), json!([1, 2]))];
            assert_eq!(events, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn data_that_is_no_json_is_an_error() {
        assert!(parse_block("event: state\ndata: {").is_err());
    }
}
