//! `GET /events`: server-sent events about requests and changes at the moment they happen.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use api::{Event, Hello, HelloBackend, SCHEMA, StateChange, Word, words};
use balance::names;
use balance::policy::Kind;
use bytes::Bytes;
use http_body_util::channel::Sender;

use super::ticks;
use crate::clock;
use crate::control::Control;
use crate::observe::Observer;
use crate::observe::stream::{Cursor, NextEvents, Requests, sse};
use crate::pool::{Backend, progress};

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

/// The present state of the balancer, as events.
pub(super) struct Present {
    pub(super) control: Rc<Control>,
    /// The addresses that clients connect to.
    pub(super) listen: String,
}

impl Present {
    /// What the other events refer to.
    fn hello(&self) -> Event {
        let (pool, settings) = (self.control.pool(), self.control.settings());
        let backend = |backend: &Arc<Backend>| {
            let health = backend.health();
            HelloBackend {
                backend: backend.number,
                url: backend.address.to_string(),
                weight: backend.weight(),
                mode: backend.spec().mode.name().into(),
                state: health.state().name().into(),
                cause: health.cause().clone(),
            }
        };
        Event::Hello(Box::new(Hello {
            schema: SCHEMA,
            epoch_unix_us: clock::epoch_unix_us(),
            t: clock::now().as_micros(),
            version: env!("CARGO_PKG_VERSION").into(),
            listen: self.listen.clone(),
            workers: settings.workers,
            policy: pool.rules().policy.name().into(),
            policies: words(names::of::<Kind>()),
            explain: settings.proxy.explain,
            backends: pool.backends().iter().map(backend).collect(),
            seed: None,
            presets: Vec::new(),
            settings: settings.active.iter().map(|setting| setting.clone().into()).collect(),
        }))
    }

    /// The figures and the states of the backends.
    fn state(&self) -> Vec<Event> {
        let (pool, now) = (self.control.pool(), clock::now());
        let state = |backend: &Arc<Backend>| {
            let health = backend.health();
            let state: Word = health.state().name().into();
            Event::State(StateChange {
                t: now.as_micros(),
                backend: backend.number,
                from: state.clone(),
                to: state,
                cause: health.cause().clone(),
                progress: progress(&health, pool.rules().thresholds),
            })
        };
        let tick = Event::Tick(ticks::first(pool, self.control.observer(), now));
        std::iter::once(tick).chain(pool.backends().iter().map(state)).collect()
    }
}

/// Sends events to one reader until the reader leaves.
pub(super) async fn send(present: Present, cursor: Cursor, mut sender: Sender<Bytes>) {
    let mut reader = Reader { observer: Arc::clone(present.control.observer()), cursor };
    let mut message: Bytes = sse(&present.hello()).into();
    loop {
        if sender.send_data(message).await.is_err() {
            return;
        }
        message = loop {
            let stream = &reader.observer.stream;
            // Registered before the look into the ring, so that no event is missed in between.
            let mut news = pin!(stream.news());
            news.as_mut().enable();
            match stream.read(&mut reader.cursor) {
                NextEvents::Some(events) => break events,
                NextEvents::State(None) => break present.state().iter().map(sse).collect::<String>().into(),
                NextEvents::State(Some(gap)) => {
                    let gap_and_hello = [Event::Gap(gap), present.hello()];
                    break gap_and_hello.iter().chain(&present.state()).map(sse).collect::<String>().into();
                }
                // A tick comes four times a second, so both sides notice a dead connection.
                NextEvents::None => news.await,
            }
        };
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
