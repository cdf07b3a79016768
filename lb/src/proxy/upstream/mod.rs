//! The side of the backends: connections to them, and the tries over these.

pub(crate) mod apart;
pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod places;
pub(crate) mod queue;
pub(crate) mod stream;
