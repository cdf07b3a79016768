//! Roundabout's balancer: who gets the next request, how it travels, and what happens when a backend fails.
//!
//! # Reading order
//! 1. [`proxy`] tells how one request travels, from top to bottom in one file.
//! 2. [`balance::verdict`] judges a failed try: the table that the rest leans on.
//! 3. The crate [`balance`] decides which backends are alive and which one gets a request; [`pool`] gives it the machine's
//!    clock and publishes its changes.
//! 4. [`server`] is what surrounds a request: listener, workers, drain. [`ping`] asks backends how they are.
//! 5. [`observe`] keeps the records that logs, admin port and tests read.
//! 6. [`config`] turns a file and flags into settings, or into all that is wrong with them;
//!    [`check`] says what they come to.
//! 7. [`control`] changes what is in force while it runs; [`ctl`] asks for it from outside.
//!
//! # Invariants
//! - What decides takes values and returns values: nothing in [`balance`] and `proxy::http1` does I/O, reads a clock or
//!   draws a random number.
//! - Imports run one way: server, proxy, balance; each of them may use observe, which uses nobody.
//! - A backend's state changes in one place, [`balance::ServerPool::learn`], and is published in one place, [`pool::Pool`].
//! - A request that may have been executed is sent again only if its method is idempotent and its body is
//!   held whole.

mod admin;
pub mod asking;
pub mod check;
pub mod cli;
mod clock;
pub mod config;
pub mod control;
pub mod ctl;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod log;
pub mod observe;
pub mod ping;
pub mod pool;
pub mod proxy;
pub mod resolved;
pub(crate) mod resolver;
pub mod server;
mod shown;
pub mod statuses;
