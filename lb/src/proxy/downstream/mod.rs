//! The side of the client: its connection, and its answer as it goes.

pub(crate) mod answer;
pub(crate) mod client;
pub(crate) mod idle;
pub(crate) mod presence;
mod steps;
pub(crate) mod tunnel;
