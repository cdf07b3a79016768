//! The side of the client: its connection, its request as it comes, and its answer as it goes.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod caller;
pub(crate) mod client;
pub(crate) mod cut;
pub(crate) mod held;
pub(crate) mod pace;
pub(crate) mod presence;
pub(crate) mod rest;
pub(crate) mod tunnel;
