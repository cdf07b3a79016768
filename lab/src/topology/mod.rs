//! Starts a whole lab, breaks it on command, and leaves no process behind.
//!
//! [`Lab::processes`] begins the description of a lab, and [`Setup::start`] starts it. The example at the
//! root of this crate shows how a lab is used, and `lab/examples` has small programs.
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

pub use api::State;
pub use backend::Backend;
pub use balancer::{Balancer, Capabilities};
pub use handle::BalancerHandle;
pub use lab::Lab;
pub use start::Setup;
