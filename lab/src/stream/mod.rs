//! One stream of events for a whole lab: what the balancer tells, what its backends say, and what the load
//! sees.
//!
//! [`LabStream::start`] merges the three. All times are those of the lab's clock. Each [`StreamReader`] gets
//! the present state first, and then each event once. A reader that is too slow loses events and gets a
//! `gap`; it delays neither the merge nor other readers.
//!
//! The balancer tells a sample of the requests. [`LabStream::read`] gives these, with what their backends
//! said to the clients of the load. [`LabStream::read_all`] gives all requests of the load.
//!
//! The type `Merge` decides what is told, and the type `Join` joins requests with their client side. Both do
//! no I/O. A [`Traffic`] is a load that can be changed while it runs.

mod channel;
mod clock;
mod faults;
mod figures;
mod ghost;
mod join;
mod merge;
mod requests;
mod run;
mod secret;
mod traffic;

pub use channel::StreamReader;
pub use ghost::Ghost;
pub use run::{LabStream, Sources};
pub use traffic::{Shape, Traffic, TrafficSums};
