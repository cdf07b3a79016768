//! The secret fault: one that no reader of the stream sees until it is revealed. Pure.

use api::{Change, ControlChange, Event};

use super::faults::BackendSeen;
use super::merge::Merge;

/// A fault that is hidden.
#[derive(Debug)]
pub(super) struct Secret {
    backend: usize,
    kind: String,
    which: Which,
}

/// How the fault is known.
#[derive(Debug)]
enum Which {
    /// It is about to be added: it is of the kind, and is none of these ids.
    New { others: Vec<u64> },
    /// It was added at this time, in microseconds of the lab's clock.
    Added { id: u64, since: u64 },
}

impl Secret {
    /// The state of a backend without the fault.
    pub(super) fn hide(&self, number: usize, seen: &BackendSeen) -> BackendSeen {
        if number != self.backend {
            return seen.clone();
        }
        seen.without(|id, kind| match &self.which {
            Which::New { others } => kind == self.kind && !others.contains(&id),
            Which::Added { id: secret, .. } => id == *secret,
        })
    }

    /// The event that there is a secret; `None` until the fault is added.
    pub(super) fn told(&self, t: u64, by: &str) -> Option<Event> {
        let Which::Added { since, .. } = self.which else { return None };
        Some(told(t, "a secret fault is active: find it".to_owned(), by, Change::Secret { since }))
    }
}

impl Merge {
    /// Hides a fault of this kind that is about to be added; false if there is a secret already.
    pub(super) fn hide(&mut self, backend: usize, kind: &str) -> bool {
        if self.secret.is_some() {
            return false;
        }
        let others = self.seen(backend).map(BackendSeen::ids).unwrap_or_default();
        self.secret = Some(Secret { backend, kind: kind.to_owned(), which: Which::New { others } });
        true
    }

    /// The fault was not added.
    pub(super) fn hide_nothing(&mut self) {
        self.secret = None;
    }

    /// The fault was added, and has this id.
    pub(super) fn keep_secret(&mut self, t: u64, id: u64, by: &str) -> Vec<Event> {
        let Some(secret) = &mut self.secret else { return Vec::new() };
        secret.which = Which::Added { id, since: t };
        secret.told(t, by).into_iter().collect()
    }

    /// Ends the secret. Returns what it was, in words, and the events.
    pub(super) fn reveal(&mut self, t: u64, by: &str) -> Option<(String, Vec<Event>)> {
        let Secret { backend, kind, which } = self.secret.take()?;
        let Which::Added { since, .. } = which else { return None };
        let after_us = t.saturating_sub(since);
        let what = format!("the secret was {kind} at B{backend}, found after {:.1} s", after_us as f64 / 1e6);
        let change = Change::Revealed { backend, fault: kind.into(), after_us };
        let mut events = vec![told(t, what.clone(), by, change)];
        if let Some(seen) = self.seen(backend).cloned() {
            events.extend(self.backend(t, backend, Some(seen)));
        }
        Some((what, events))
    }
}

fn told(t: u64, what: String, by: &str, change: Change) -> Event {
    Event::Control(ControlChange { t, what, by: by.to_owned(), change: Some(change) })
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
