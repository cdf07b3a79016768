//! The limit on connections to backends: as many as there are descriptors for, over all workers together.
//!
//! Idle connections take places, too. So when a request finds no place, the connections that have been idle
//! for longest are closed for it: those of this worker at once, and if it has none, those of the other
//! workers, which are notified.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The number of idle connections that each worker closes when another part, such as the listener, lacks
/// descriptors.
const AT_ONCE: usize = 16;

/// The places for connections to backends, shared by all workers.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    /// Requests that wait for a place.
    waiting: AtomicUsize,
    /// Tells every worker that a request waits.
    shortage: Notify,
}

/// The place of one connection, held while this value exists.
#[derive(Debug)]
pub(crate) struct Place(
    #[expect(dead_code, reason = "it is given back when it is dropped")] OwnedSemaphorePermit,
);

impl Places {
    /// This number of places, at least one.
    pub(crate) fn new(places: usize) -> Self {
        let places = places.clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(places)), waiting: AtomicUsize::new(0), shortage: Notify::new() }
    }

    /// A place, if one is free.
    pub(crate) fn try_take(&self) -> Option<Place> {
        Arc::clone(&self.free).try_acquire_owned().ok().map(Place)
    }

    /// Waits for a place, and makes all workers close connections that they do not use.
    pub(crate) async fn take(&self) -> Option<Place> {
        self.waiting.fetch_add(1, Relaxed);
        let _waits = Waits(&self.waiting);
        self.shortage.notify_waiters();
        Arc::clone(&self.free).acquire_owned().await.ok().map(Place)
    }

    /// The number of requests that wait for a place.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Another part lacks descriptors: all workers close connections that they do not use.
    pub(crate) fn tell_of_shortage(&self) {
        self.shortage.notify_waiters();
    }

    /// Calls `give_up` whenever connections are to be closed, with their number.
    pub(crate) async fn heed_shortages(&self, give_up: impl Fn(usize)) -> ! {
        loop {
            let mut told = pin!(self.shortage.notified());
            // Notifications from here on are received below.
            told.as_mut().enable();
            give_up(self.waiting());
            told.await;
            if self.waiting() == 0 {
                give_up(AT_ONCE);
            }
        }
    }
}

impl Default for Places {
    /// As many places as possible.
    fn default() -> Self {
        Self::new(Semaphore::MAX_PERMITS)
    }
}

struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waiting_request_gets_a_place_that_others_give_up() {
        let places = Places::new(1);
        let kept = places.try_take().unwrap();
        assert!(places.try_take().is_none());
        let kept = std::cell::Cell::new(Some(kept));
        let gives_up = places.heed_shortages(|wanted| {
            if wanted > 0 {
                assert_eq!(wanted, 1);
                kept.take();
            }
        });
        let place = tokio::select! {
            never = gives_up => never,
            place = places.take() => place,
        };
        assert!(place.is_some() && places.waiting() == 0);
    }

    #[tokio::test]
    async fn a_request_that_gives_up_leaves_the_queue() {
        let places = Places::new(1);
        let _kept = places.try_take().unwrap();
        assert!(tokio::time::timeout(std::time::Duration::from_millis(5), places.take()).await.is_err());
        assert_eq!(places.waiting(), 0);
    }
}
