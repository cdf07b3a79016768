//! The events of the lab as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use api::Event;
use axum::body::{Body, Bytes};
use futures_util::stream::unfold;
use lab::stream::StreamReader;
use tokio::time::timeout;

use super::viewers::Viewer;

/// The time without an event after which a comment is sent: a proxy could close a silent connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a browser waits before it connects again, in milliseconds.
const BEGIN: &str = "retry: 1000\n\n";

/// The body of the answer: the events of this reader, for this viewer. A viewer that does not read all
/// requests gets only the sample.
pub(super) fn body(reader: StreamReader, viewer: Viewer, all: bool) -> Body {
    let first = Some(Bytes::from_static(BEGIN.as_bytes()));
    Body::from_stream(unfold((first, reader, viewer), move |(first, mut reader, viewer)| async move {
        let text = match first {
            Some(first) => first,
            None => next(&mut reader, all).await?,
        };
        Some((Ok::<_, Infallible>(text), (None, reader, viewer)))
    }))
}

/// The next event, or a comment; `None` at the end of the stream.
async fn next(reader: &mut StreamReader, all: bool) -> Option<Bytes> {
    loop {
        match timeout(HEARTBEAT, reader.next()).await {
            Err(_) => return Some(Bytes::from_static(b": the lab is quiet\n\n")),
            Ok(None) => return None,
            Ok(Some((_, event))) if !all && !is_sampled(&event) => {}
            Ok(Some((id, event))) => return text(id, &event).map(Bytes::from),
        }
    }
}

/// Whether viewers of the sample get this event.
pub(super) fn is_sampled(event: &Event) -> bool {
    !matches!(event, Event::Req(request) if request.n == 0)
}

/// One event in the format of server-sent events. JSON has no line breaks.
fn text(id: u64, event: &Arc<Event>) -> Option<String> {
    let data = serde_json::to_string(&**event).ok()?;
    Some(format!("id: {id}\nevent: {}\ndata: {data}\n\n", event.name()))
}
