//! The capacity of the server: who is served, who waits, and who is refused?
//!
//! Pure: the time is an argument, and the results are [`Step`]s, which the [worker](crate::worker) carries
//! out. By default, the server has any number of places, so no request waits.
//!
//! A *place* serves one request at a time, as one thread of a simple server does. The setting `workers` is
//! the number of places; it has this name because most servers use it.
//!
//! # Why a station has its own time
//! A timer wakes up to a few milliseconds late. If a place stood free until the timer wakes, a server with
//! requests of 1 ms would lose half of its capacity. So the next request begins when the previous one was due
//! to end. Lateness above [`SLACK`] counts: a process that was stopped did no work meanwhile.

mod definition;
mod meter;
mod page;
mod parse;
#[cfg(test)]
mod parse_tests;
mod station;
#[cfg(test)]
mod station_tests;

pub use definition::{Capacity, Discipline, OnDisconnect};
pub use meter::Load;
pub use page::page;
pub use parse::SETTINGS;
pub use station::{Reason, SLACK, Station, Step};
