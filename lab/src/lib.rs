//! The bench around the balancer: how does one put a whole lab on the table, load it, break it and see
//! what really happened?
//!
//! - [`topology`] starts a balancer and its backends, as processes or in containers, and leaves nothing
//!   running behind it.
//! - [`load`] sends requests in closed or open loop and keeps a ledger of every one of them, to be compared
//!   with what the backends say they executed.
//! - [`client`] is the small HTTP client under both.
//! - [`eventually`] waits for a condition with a deadline, and says what it saw last when there is no hope.
//! - [`memory`] tells what a process occupies.
//! - [`exchange`] sends always the same, so that what a request costs can be counted, and [`budget`] says what it may
//!   cost.
//! - [`binaries`] builds what the topology starts, and [`image`] packs it for containers.
//!
//! The demo, the scenario and the end-to-end tests all read like this:
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

pub mod client;

mod eventually;

mod memory;

pub mod exchange;

pub mod budget;

pub mod binaries;

pub mod image;

pub use eventually::eventually;

pub use memory::memory;
