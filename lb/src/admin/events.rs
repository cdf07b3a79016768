//! `GET /events`: server-sent events about requests and changes at the moment they happen.

use std::time::Duration;

use api::StateChange;
use bytes::Bytes;
use http_body_util::channel::Sender;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

use crate::observe::Event;

/// Requests reported per second and reader; a person cannot read more.
const REQUESTS_PER_SECOND: u32 = 40;

/// Interval of comments in the stream, so that both sides detect a dead connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Sends events to one reader until the reader leaves.
pub(super) async fn tell(
    states: Vec<StateChange>,
    mut events: broadcast::Receiver<Event>,
    mut reader: Sender<Bytes>,
) {
    for state in &states {
        if reader.send_data(message("state", state)).await.is_err() {
            return;
        }
    }
    let mut heartbeat = interval(HEARTBEAT);
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = 0;
    loop {
        let message = tokio::select! {
            event = events.recv() => match event {
                Ok(Event::State(change)) => message("state", &change),
                Ok(Event::Control(intervention)) => message("control", &intervention),
                Ok(Event::Request(_)) if told >= REQUESTS_PER_SECOND => continue,
                Ok(Event::Request(outcome)) => {
                    told += 1;
                    message("request", &outcome)
                }
                // This reader was too slow and has missed events. It gets their number; nothing waits for it.
                Err(RecvError::Lagged(missed)) => Bytes::from(format!("event: missed\ndata: {missed}\n\n")),
                Err(RecvError::Closed) => return,
            },
            _ = second.tick() => {
                told = 0;
                continue;
            }
            _ = heartbeat.tick() => Bytes::from_static(b": still here\n\n"),
        };
        if reader.send_data(message).await.is_err() {
            return;
        }
    }
}

fn message(event: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {event}\ndata: {data}\n\n").into()
}
