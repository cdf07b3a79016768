//! Attaches to a lab that runs elsewhere: its events come from `GET /events`, and commands go to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use api::{ControlChange, Event};
use lab::client::Events;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::address::find;
use super::orders::Orders;
use super::source::EventSource;
use super::wish::Wish;

/// A lab tells its figures four times a second. After this time without an event, the connection is lost.
const SILENCE: Duration = Duration::from_secs(10);

/// The pause before another attempt.
const PAUSE: Duration = Duration::from_secs(1);

/// Events that wait for the screen.
const QUEUE: usize = 4096;

/// The origin of what this console says about itself.
const BY: &str = "this console";

/// The events of a lab that runs elsewhere. The reading ends when this is dropped.
#[derive(Debug)]
pub struct Attached {
    events: mpsc::Receiver<Event>,
    note: Arc<Mutex<Option<String>>>,
    orders: Orders,
    tell: mpsc::Sender<Event>,
    reader: AbortHandle,
}

/// Attaches to the console of a lab, or to the admin port of a balancer, at an address such as
/// `http://localhost:4000`. Reports of the lab go into this folder. The token is that of the admin port, if
/// it needs one for changes; the console of a lab has its own.
///
/// # Errors
/// If the address is none, or nothing that tells events answers there.
pub async fn attach(url: &str, folder: PathBuf, token: Option<String>) -> Result<Attached> {
    let (server, kind) = find(url).await?;
    let stream = Events::open(server, "/events").await.with_context(|| format!("cannot attach to {url}"))?;
    let (tell, events) = mpsc::channel(QUEUE);
    let note = Arc::new(Mutex::new(None));
    let reader = tokio::spawn(read(server, stream, tell.clone(), note.clone())).abort_handle();
    Ok(Attached { events, note, orders: Orders { server, kind, folder, token }, tell, reader })
}

impl Attached {
    /// Does the commands of this console until it ends, and says in its log what cannot be done.
    pub fn obey(&self, mut wishes: mpsc::UnboundedReceiver<Wish>) -> impl Future<Output = ()> + use<> {
        let (orders, tell) = (self.orders.clone(), self.tell.clone());
        async move {
            while let Some(wish) = wishes.recv().await {
                let Some(what) = orders.obey(&wish).await else { continue };
                let told =
                    ControlChange { t: wish.view.t, what, by: BY.to_owned(), ..ControlChange::default() };
                // This fails only at the end.
                let _ = tell.send(Event::Control(told)).await;
            }
            std::future::pending().await
        }
    }
}

impl EventSource for Attached {
    async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    fn waits(&self) -> bool {
        false
    }

    fn note(&self) -> Option<String> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Reads the events, and connects again when the connection is lost.
async fn read(
    server: SocketAddr,
    mut stream: Events,
    tell: mpsc::Sender<Event>,
    note: Arc<Mutex<Option<String>>>,
) {
    let say = |text| *note.lock().unwrap_or_else(PoisonError::into_inner) = text;
    let mut last = String::new();
    loop {
        let why = loop {
            let event = match timeout(SILENCE, stream.next()).await {
                Ok(Ok(Some(event))) => event,
                Ok(Ok(None)) => break "the lab has ended the stream".to_owned(),
                Ok(Err(error)) => break format!("{error:#}"),
                Err(_) => break format!("silent for {} s", SILENCE.as_secs()),
            };
            say(None);
            if !event.id.is_empty() {
                last = event.id;
            }
            // A newer lab may tell events that this console does not know.
            let Ok(known) = serde_json::from_value(event.data) else { continue };
            if tell.send(known).await.is_err() {
                return;
            }
        };
        say(Some(format!("CONNECTION LOST, tries again: {why}")));
        stream = loop {
            sleep(PAUSE).await;
            if let Ok(stream) = Events::resume(server, "/events", &last).await {
                break stream;
            }
        };
    }
}

#[cfg(test)]
#[path = "attach_tests.rs"]
mod tests;
