//! Names on which the parts of a live run agree.

/// The path that pings request.
pub(super) const PING_PATH: &str = "/healthz";

/// The header with the key of a request.
pub(super) const KEY_HEADER: &str = "x-lab-key";
