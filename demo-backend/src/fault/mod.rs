//! The faults: which fault hits a request?
//!
//! Pure: the request and the time are arguments, and the result is a [`Plan`], which the
//! [worker](crate::worker) carries out. Faults act in a fixed order, independent of the order in which they
//! were added:
//!
//! | stage | if several fire |
//! |---|---|
//! | admission | the port refuses connections while any of them is active |
//! | delay | their waits add up |
//! | status | the first one counts |
//! | body | the first of each kind counts |
//! | close | the first one counts |
//!
//! [`KINDS`] is the table of kinds. The parser, the help and docs/faults.md follow from it.
//!
//! A fault in the middle of a body needs a body: an answer to HEAD has none, and is always complete.
//!
//! # Why every fault has its own random numbers
//! Whether a fault hits a request depends on three numbers: the seed, the fault's id, and the number of
//! requests before that the fault could have hit. So the same seed and the same requests give the same
//! faults, and a second fault does not change which requests the first one hits.

mod active;
mod definition;
#[cfg(test)]
mod effects_tests;
mod kinds;
mod latency;
mod lru;
mod page;
mod parse;
#[cfg(test)]
mod parse_tests;
mod plan;
mod read;
#[cfg(test)]
mod tests;

pub use active::{Active, Faults};
pub use definition::{
    Cache, Drip, Exit, Fault, Kind, Latency, MAX_LATENCY, Match, Position, Status, Subject,
};
pub use kinds::{FieldRow, KINDS, KindRow, SCOPE};
pub use lru::Lru;
pub use page::{help, page};
pub use plan::{Act, Break, Cut, Plan, Wait};
