//! The secret fault: one that no reader of the stream sees until it is revealed. Pure.

use api::{Change, ControlChange, Event};

use super::faults::BackendSeen;
use super::merge::Merge;

/// A fault that is hidden.
#[derive(Debug)]
pub(super) struct Secret {
    backend: usize,
    kind: String,
    phase: SecretPhase,
}

/// How far the fault is. It is hidden in both phases.
#[derive(Debug)]
enum SecretPhase {
    /// The backend does not have it yet, or has not answered with its id. It is the fault of this kind that
    /// has none of these ids.
    Pending { older: Vec<u64> },
    /// The backend has it since this time, in microseconds of the lab's clock.
    Active { id: u64, since: u64 },
}

impl Secret {
    /// The state of a backend without the fault.
    pub(super) fn without_secret(&self, number: usize, seen: &BackendSeen) -> BackendSeen {
        if number != self.backend {
            return seen.clone();
        }
        seen.without(|id, kind| match &self.phase {
            SecretPhase::Pending { older } => kind == self.kind && !older.contains(&id),
            SecretPhase::Active { id: secret, .. } => id == *secret,
        })
    }

    /// The event that says that there is a secret; `None` while the fault is pending.
    pub(super) fn event(&self, t: u64, by: &str) -> Option<Event> {
        let SecretPhase::Active { since, .. } = self.phase else { return None };
        Some(control_event(t, "a secret fault is active: find it".to_owned(), by, Change::Secret { since }))
    }
}

impl Merge {
    /// Hides a fault of this kind that is about to be added; false if there is a secret already.
    pub(super) fn begin_secret(&mut self, backend: usize, kind: &str) -> bool {
        if self.secret.is_some() {
            return false;
        }
        let older = self.seen(backend).map(BackendSeen::ids).unwrap_or_default();
        self.secret = Some(Secret { backend, kind: kind.to_owned(), phase: SecretPhase::Pending { older } });
        true
    }

    /// Ends a secret whose fault was not added.
    pub(super) fn cancel_secret(&mut self) {
        self.secret = None;
    }

    /// The fault of the secret was added, and has this id. Returns the event that says so.
    pub(super) fn confirm_secret(&mut self, t: u64, id: u64, by: &str) -> Vec<Event> {
        let Some(secret) = &mut self.secret else { return Vec::new() };
        secret.phase = SecretPhase::Active { id, since: t };
        secret.event(t, by).into_iter().collect()
    }

    /// Ends the secret. Returns what it was, in words, and the events.
    pub(super) fn reveal(&mut self, t: u64, by: &str) -> Option<(String, Vec<Event>)> {
        let Secret { backend, kind, phase } = self.secret.take()?;
        let SecretPhase::Active { since, .. } = phase else { return None };
        let after_us = t.saturating_sub(since);
        let what = format!("the secret was {kind} at B{backend}, found after {:.1} s", after_us as f64 / 1e6);
        let change = Change::Revealed { backend, fault: kind.into(), after_us };
        let mut events = vec![control_event(t, what.clone(), by, change)];
        if let Some(seen) = self.seen(backend).cloned() {
            events.extend(self.backend(t, backend, Some(seen)));
        }
        Some((what, events))
    }
}

fn control_event(t: u64, what: String, by: &str, change: Change) -> Event {
    Event::Control(ControlChange { t, what, by: by.to_owned(), change: Some(change) })
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
