//! Roundabout's decisions: who gets a request, who is alive, and what a failure means.
//!
//! # Reading order
//! 1. [`verdict`] judges a failed try: the table that the rest leans on.
//! 2. [`health`] and [`silence`] decide who is alive; [`evidence`] says what counts as evidence, and [`questions`] which
//!    backends are asked.
//! 3. [`policy`] has one file for each way to pick a backend; [`fleet`] says among which.
//! 4. [`pool`] puts all of it together.
//!
//! # Invariants
//! - Nothing here does I/O, writes a log, reads a clock or draws a random number by itself: `clippy.toml` forbids it. What
//!   time it is and what was seen of a backend come in as arguments, and random numbers from a generator that the caller
//!   seeds. So every decision is tested by tables, and a simulator can run the same code in virtual time.
//! - A backend's state changes in one place, [`ServerPool::learn`], which returns the change for the caller to publish.

mod backend;
pub mod budget;
pub mod change;
pub mod evidence;
pub mod explain;
pub mod fleet;
pub mod health;
pub mod latency;
pub mod levels;
mod load;
pub mod member;
mod moment;
pub mod names;
pub mod outlier;
pub mod policy;
pub mod pool;
pub mod questions;
pub mod ranking;
mod rules;
pub mod silence;
mod traffic;
pub mod verdict;

pub use backend::{Address, Backend, Peer};
pub use fleet::Fleet;
pub use load::InFlight;
pub use moment::Moment;
pub use pool::{ServerPool, Transition};
pub use questions::{Asked, Lesson, Reply};
pub use rules::Rules;
pub use traffic::Waiting;
