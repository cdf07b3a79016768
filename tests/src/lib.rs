//! The shared code of the end-to-end tests: a [lab in containers](ContainerLab) that can be disconnected from
//! its network, [real servers](origins) behind a balancer, and a [meter] for the cost of a request. Labs of
//! processes come from [`lab::topology`].

mod containers;
pub mod meter;
pub mod origins;

pub use containers::{ContainerBackend, ContainerLab};
