//! The test bench around the balancer: it starts a whole lab, puts load on it, breaks it, and shows the
//! results.
//!
//! - [`topology`] starts a balancer and its backends, as processes or in containers, and leaves no process
//!   behind.
//! - [`load`] sends requests in closed or open loop and keeps a ledger of all of them, to compare it with the
//!   executions that the backends report.
//! - [`stream`] merges the events of the balancer, the states of the backends and the figures of the load
//!   into one stream.
//! - [`commands`] does what a key, a button or a program wants from a running lab.
//! - [`record`] writes that stream into a file, and reads it again.
//! - [`claims`] says what must hold for a run, and compares it with what was measured.
//! - [`client`] is the small HTTP client that both use.
//! - [`eventually`] waits for a condition with a deadline, and reports the last state if the condition does
//!   not hold in time.
//! - [`spell`] writes values as people read them.
//! - [`resources`] reads what a process occupies.
//! - [`exchange`] sends always the same request, so that its cost can be counted, and [`budget`] has the
//!   allowed cost.
//! - [`binaries`] builds the programs for the topology, and [`image`] packs them for containers.
//!
//! The demo, the scenario and the end-to-end tests all use the lab like this:
//!
//! ```no_run
//! # async fn story() -> anyhow::Result<()> {
//! use std::time::Duration;
//! use lab::{load::{Call, Load}, topology::Lab};
//!
//! let lab = Lab::processes().backends(4).start().await?;
//! let load = Load::closed(lab.balancer().address(), 32).call(Call::get("/")).start()?;
//! lab.backend(2).kill().await?;
//! lab.until_state(2, "down", Duration::from_secs(3)).await?;
//! let report = load.stop().await?;
//! assert_eq!(report.summary().errors, 0);
//! assert!(report.compare(&lab.ledger().await?).lost.is_empty());
//! # Ok(())
//! # }
//! ```

pub mod topology;

pub mod load;

pub mod stream;

pub mod commands;

pub mod record;

pub mod claims;

pub mod client;

mod eventually;

pub mod resources;

pub mod exchange;

pub mod budget;

pub mod binaries;

pub mod image;

pub mod spell;

pub use eventually::eventually;
