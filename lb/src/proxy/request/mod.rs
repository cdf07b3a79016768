//! The request of a client as it comes: the client, the body, and the pace of the body.

pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod pace;
pub(crate) mod replay_buffer;
pub(crate) mod stream;
