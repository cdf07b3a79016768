//! Starts a whole lab, breaks it on command, and leaves no process behind.
//!
//! ```no_run
//! # async fn story() -> anyhow::Result<()> {
//! use std::time::Duration;
//! use lab::topology::Lab;
//!
//! let lab = Lab::processes().backends(4).lb_arg("--workers=2").start().await?;
//! lab.backend(2).kill().await?;
//! lab.until_state(2, "down", Duration::from_secs(3)).await?;
//! lab.backend(2).start().await?;
//! lab.backend(3).stall().await?;
//! lab.backend(3).resume().await?;
//! lab.backend(1).faults(serde_json::json!([{"kind": "status", "params": {"code": 500}}])).await?;
//! println!("{:?}", lab.balancer().state().await?);
//! # Ok(())
//! # }
//! ```
//!
//! A lab runs as processes of this machine or, with [`Lab::compose`], in containers. In both cases, the
//! backends' control ports break the backends, so the same test works for both.
//!
//! By default, the balancer is ours. [`Setup::balancer`] puts another one in its place: see [`Balancer`].

mod backend;
mod balancer;
mod compose;
mod configuration;
mod handle;
mod lab;
pub mod peers;
mod ports;
mod process;
mod serving;
mod start;

pub use api::{BackendState, State};
pub use backend::Backend;
pub use balancer::{Balancer, Capabilities};
pub use handle::BalancerHandle;
pub use lab::Lab;
pub use start::Setup;
