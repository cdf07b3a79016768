//! Exit statuses that several commands share.

/// The exit status if the balancer cannot start, or if `lb ctl` cannot reach a balancer. It is the same as
/// that of clap for a wrong flag.
pub const CANNOT_START: u8 = 2;
