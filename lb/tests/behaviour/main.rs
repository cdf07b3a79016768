//! How the balancer behaves, seen from outside: the real binary, real sockets, every byte visible.
//!
//! One crate for all of it, so that the tests share their helpers and run side by side.

#![expect(
    clippy::unwrap_used,
    reason = "helpers fail a test as tests do, by a panic; clippy excuses only functions marked as tests"
)]

mod common;

mod aborts;
mod access_log;
mod admin;
mod admin_limits;
mod blocking;
mod bounds;
mod check;
mod chosen_statuses;
mod conformance;
mod control;
mod ctl;
mod draining;
mod evidence;
mod explain;
mod failures;
mod flags;
mod foreign;
mod forwarding;
mod framing;
mod guard;
mod half_close;
mod half_written;
mod health;
mod hedging;
mod kept_connections;
mod leavers;
mod lifecycle;
mod limits;
mod logs;
mod mistakes;
mod monitoring;
mod mutations;
mod names;
mod outcomes;
mod pings;
mod policies;
mod provenance;
mod readiness;
mod reload;
mod repeats;
mod resources;
mod second_reader;
mod shares;
mod silence;
mod statistics;
mod streaming;
mod trailers;
mod upgrade;
mod values;
