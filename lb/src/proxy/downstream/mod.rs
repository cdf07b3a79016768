//! The side of the client: its connection, its request as it comes, and its answer as it goes.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod cut;
pub(crate) mod held;
pub(crate) mod idle;
pub(crate) mod pace;
pub(crate) mod peer;
pub(crate) mod presence;
pub(crate) mod tunnel;
