//! The shared code of the end-to-end tests: a [lab in containers](ContainerLab) that can be disconnected from
//! its network, and [real servers](origins) behind a balancer. Labs of processes come from
//! [`lab::topology`].

mod containers;
pub mod origins;

pub use containers::{ContainerBackend, ContainerLab};
