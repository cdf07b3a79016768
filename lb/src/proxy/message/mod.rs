//! What a request or an answer says, and what becomes of it between the two sides.

pub(crate) mod date;
pub(crate) mod fault;
pub(crate) mod forwarded;
pub(crate) mod head;
pub(crate) mod hop;
pub(crate) mod key;
pub(crate) mod load_report;
pub(crate) mod prepare;
pub(crate) mod refusal;
pub(crate) mod request_id;
pub(crate) mod sticky;
pub(crate) mod target;
pub(crate) mod trailers;
pub(crate) mod values;
pub(crate) mod via;
pub(crate) mod way;
