//! How the balancer behaves, seen from outside: the real binary, real sockets, every byte visible.
//!
//! One crate for all of it, so that the tests share their helpers and run side by side.

#![expect(
    clippy::unwrap_used,
    reason = "helpers fail a test as tests do, by a panic; clippy excuses only functions marked as tests"
)]

mod common;

mod aborts;
mod admin;
mod admin_limits;
mod blocking;
mod check;
mod conformance;
mod control;
mod ctl;
mod draining;
mod explain;
mod failures;
mod flags;
mod forwarding;
mod framing;
mod guard;
mod half_written;
mod health;
mod hedging;
mod kept_connections;
mod lifecycle;
mod limits;
mod monitoring;
mod mutations;
mod outcomes;
mod policies;
mod readiness;
mod reload;
mod repeats;
mod resources;
mod second_reader;
mod shares;
mod silence;
mod statistics;
mod streaming;
mod upgrade;
