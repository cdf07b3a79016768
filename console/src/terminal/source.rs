//! Where the events come from.

use std::future::Future;

use api::Event;

/// The source of the events.
pub trait EventSource {
    /// Waits for the next event; `None` at the end. It is safe to drop this future.
    fn next(&mut self) -> impl Future<Output = Option<Event>>;

    /// Whether the events wait while the screen is paused. A running lab does not wait.
    fn waits(&self) -> bool;

    /// What is to say about the source at the moment, such as a lost connection.
    fn note(&self) -> Option<String> {
        None
    }
}
