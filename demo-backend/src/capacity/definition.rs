//! The settings of the capacity.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fields::MAX_PAUSE;

/// The capacity of one server.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// The number of requests that are served at a time, at least 1; `None` for any number.
    pub workers: Option<u32>,
    /// The number of requests that may wait; `None` for any number.
    pub queue: Option<u32>,
    /// The order in which waiting requests are served, and which of them are dropped.
    pub discipline: Discipline,
    /// A new request is refused if this many requests wait; `None` for never.
    pub shed: Option<u32>,
    /// What happens to a request whose client has closed its connection.
    pub on_disconnect: OnDisconnect,
    /// The time after its arrival at which a request expires, unless the request says another time.
    pub patience: Option<Duration>,
    /// The service time of a request that does not say its own.
    pub work: Duration,
    /// The speed in percent, 1 to 1000: service times are divided by `speed / 100`.
    pub speed: f64,
}

/// The order in which waiting requests are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Discipline {
    /// The oldest first.
    Fifo,
    /// The newest first.
    Lifo,
    /// The oldest first; requests that have expired are dropped.
    DropExpired,
    /// The oldest first; requests that would expire before they end are dropped.
    DropHopeless,
}

/// What happens to a request whose client has closed its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnDisconnect {
    /// The request is served, as by most servers: they do not look at the connection meanwhile.
    Continue,
    /// The request leaves the queue or its place at once.
    Cancel,
}

impl Default for Capacity {
    /// A server that serves all requests at once, without any work.
    fn default() -> Self {
        Self {
            workers: None,
            queue: None,
            discipline: Discipline::Fifo,
            shed: None,
            on_disconnect: OnDisconnect::Cancel,
            patience: None,
            work: Duration::ZERO,
            speed: 100.0,
        }
    }
}

impl Capacity {
    /// The service time of an amount of work, at this speed; at most a day.
    pub fn service(&self, work: Duration) -> Duration {
        let seconds = work.as_secs_f64() * 100.0 / self.speed;
        Duration::try_from_secs_f64(seconds).map_or(MAX_PAUSE, |service| service.min(MAX_PAUSE))
    }

    /// The same capacity at this percentage of its speed.
    #[must_use]
    pub fn at(self, percent: f64) -> Self {
        Self { speed: self.speed * percent / 100.0, ..self }
    }

    /// The number of places.
    pub(super) fn places(&self) -> usize {
        self.workers.map_or(usize::MAX, |workers| workers as usize)
    }
}
