//! Roundabout's balancer: it picks a backend for each request, passes the request on, and handles failures of
//! backends.
//!
//! # Reading order
//! 1. `proxy` shows the way of one request, from top to bottom in one file.
//! 2. [`balance::verdict`] judges a failed try: the table that the rest depends on.
//! 3. The crate [`balance`] decides which backends are alive and which one gets a request; `pool` gives it
//!    the clock of the machine and publishes its changes.
//! 4. [`server`] surrounds requests: listener, workers, drain. [`ping`] checks the backends.
//! 5. `observe` keeps the records that logs, admin port and tests read.
//! 6. [`config`] turns a file and flags into settings, or into a list of their errors; [`check`] shows their
//!    effects.
//! 7. [`control`] makes changes while the balancer runs; [`ctl`] asks for them from outside.
//!
//! # Invariants
//! - Code that decides takes values and returns values: nothing in [`balance`] and `proxy::http1` does I/O,
//!   reads a clock or draws a random number.
//! - Imports run in one direction: server, proxy, balance; each of them may use observe, which uses none of
//!   them.
//! - A backend's state changes in one place, [`balance::ServerPool::learn`], and is published in one place,
//!   `pool::Pool`.
//! - A request that may have been executed is sent again only if its method is idempotent and the balancer
//!   holds its whole body.

mod admin;
mod asking;
pub mod check;
pub mod cli;
mod clock;
pub mod config;
pub mod control;
pub mod ctl;
pub mod exit;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod log;
mod observe;
pub mod ping;
mod pool;
mod proxy;
mod resolved;
pub(crate) mod resolver;
mod resources;
pub mod server;
mod shown;
mod statuses;
mod transport;
