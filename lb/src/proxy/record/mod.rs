//! What is counted and told of a request.

pub(crate) mod account;
pub(crate) mod books;
pub(crate) mod causes;
pub(crate) mod explained;
pub(crate) mod tale;
