//! What is counted and told of a request.

pub(crate) mod causes;
pub(crate) mod complaint;
pub(crate) mod details;
pub(crate) mod explained;
pub(crate) mod metrics;
pub(crate) mod request_record;
