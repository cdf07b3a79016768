//! The behaviour of the balancer, seen from outside: the real binary, real sockets, all bytes visible.
//!
//! All tests are one crate, so that they share their helpers and run in parallel.

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
mod control_refusals;
mod ctl;
mod ctl_answers;
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
mod listeners;
mod load_reports;
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
mod stream;
mod streaming;
mod teaching;
mod trailers;
mod trials;
mod upgrade;
mod values;
