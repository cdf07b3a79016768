//! The default address for clients, as text and as numbers.

use std::net::Ipv4Addr;

/// The default address for clients, as a literal for `concat!`. [`DEFAULT`] is the same as numbers.
macro_rules! default_listen {
    () => {
        "0.0.0.0:3030"
    };
}
pub(crate) use default_listen;

/// The default address and port for clients.
pub(crate) const DEFAULT: (Ipv4Addr, u16) = (Ipv4Addr::UNSPECIFIED, 3030);
