//! `GET /events`: server-sent events about requests and changes at the moment they happen.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use api::Event;
use bytes::Bytes;
use http_body_util::channel::Sender;
use tokio::time::interval;

use crate::clock;
use crate::observe::Observer;
use crate::observe::stream::{Cursor, Requests};

/// Interval of comments in the stream, so that both sides detect a dead connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A reader of the stream. It leaves when this value is dropped.
struct Reader {
    observer: Arc<Observer>,
    cursor: Cursor,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.observer.stream.leave(&self.cursor, clock::now().as_micros());
    }
}

/// The requests that a query asks for.
///
/// # Errors
/// What the query may say.
pub(super) fn requests(query: Option<&str>) -> Result<Requests, String> {
    match query.unwrap_or_default() {
        "" | "requests=sampled" => Ok(Requests::Sampled),
        "requests=all" => Ok(Requests::All),
        "requests=none" => Ok(Requests::None),
        other => Err(format!(
            "there is no query `{other}`: write requests=sampled, requests=all, requests=none, or nothing"
        )),
    }
}

/// Sends events to one reader until the reader leaves: first these, and then all that happen after `joined`.
pub(super) async fn tell(
    first: Vec<Event>,
    observer: Arc<Observer>,
    cursor: Cursor,
    mut sender: Sender<Bytes>,
) {
    let mut reader = Reader { observer, cursor };
    for event in &first {
        let data = serde_json::to_string(event).unwrap_or_default();
        let message = format!("event: {}\ndata: {data}\n\n", event.name());
        if sender.send_data(message.into()).await.is_err() {
            return;
        }
    }
    let mut heartbeat = interval(HEARTBEAT);
    loop {
        let stream = &reader.observer.stream;
        // Registered before the look into the ring, so that no event is missed in between.
        let mut news = pin!(stream.news());
        news.as_mut().enable();
        let mut message = stream.read(&mut reader.cursor);
        if message.is_empty() {
            message = tokio::select! {
                () = news => continue,
                _ = heartbeat.tick() => Bytes::from_static(b": still here\n\n"),
            };
        }
        if sender.send_data(message).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_says_which_requests_it_wants() {
        for (query, expected) in [
            (None, Ok(Requests::Sampled)),
            (Some("requests=sampled"), Ok(Requests::Sampled)),
            (Some("requests=all"), Ok(Requests::All)),
            (Some("requests=none"), Ok(Requests::None)),
        ] {
            assert_eq!(requests(query), expected);
        }
        assert!(requests(Some("request=all")).unwrap_err().contains("write requests=sampled"));
    }
}
