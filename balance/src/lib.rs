//! The decisions of Roundabout: which backend gets a request, which backends are alive, and what a failure
//! means.
//!
//! # Reading order
//! 1. [`verdict`] judges a failed try. The other modules build on its table.
//! 2. [`health`] and [`silence`] decide which backends are alive; [`evidence`] says what counts as evidence,
//!    and [`questions`] which backends are asked.
//! 3. [`policy`] has one file for each way to pick a backend; [`fleet`] selects the candidates.
//! 4. [`pool`] combines all of these.
//!
//! # Invariants
//! - Nothing here does I/O, writes a log, reads a clock or draws from a global random generator:
//!   `clippy.toml` forbids it. The time and all observations of backends are arguments. Random numbers come
//!   from a generator that the caller seeds. So tables can test every decision, and a simulator can run the
//!   same code in virtual time.
//! - A backend's state changes in one place, [`ServerPool::learn`], which returns the change for the caller
//!   to publish.
//!
//! # Example
//! A backend closed the connection before it answered. It may have executed the request, so the balancer
//! sends the request to another backend only if a second execution does no harm:
//!
//! ```
//! use std::time::Duration;
//!
//! use balance::verdict::{Facts, Failure, Limits, Next, judge};
//!
//! let limits = Limits { retries: 3, retry_delay: Duration::from_millis(10), attempts: 3 };
//! let get = Facts {
//!     failure: Failure::ClosedEarly,
//!     repeatable: true,
//!     retries: 0,
//!     attempts: 1,
//!     may_have_run: false,
//!     budget_left: true,
//!     backend_is_out: false,
//!     other_is_up: true,
//!     time_left: true,
//! };
//! assert_eq!(judge(get, limits).next, Next::MoveOn);
//! let post = Facts { repeatable: false, ..get };
//! assert_eq!(judge(post, limits).next, Next::GiveUp);
//! ```

mod address;
mod backend;
pub mod budget;
pub mod change;
pub mod evidence;
pub mod explain;
pub mod fleet;
pub mod health;
mod in_flight;
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
pub mod reports;
mod roster;
mod rules;
pub mod silence;
pub mod state;
pub mod subset;
mod traffic;
pub mod trial;
pub mod verdict;
mod waiting;

pub use address::Address;
pub use backend::{Backend, Peer};
pub use fleet::Fleet;
pub use in_flight::InFlight;
pub use moment::Moment;
pub use pool::{ServerPool, Transition};
pub use questions::{Asked, Reply};
pub use reports::LoadReport;
pub use rules::Rules;
pub use waiting::Waiting;
