//! The address of a backend.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A backend's address, as in `http://localhost:3031`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

impl Address {
    /// The value of `Host` for this backend, such as `localhost:3031`.
    pub fn authority(&self) -> String {
        let Self { host, port } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The socket address, when the host is an IP address and needs no look-up.
    pub fn literal(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(IpAddr::from_str(&self.host).ok()?, self.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_people_write_them() {
        let v6 = Address { host: "::1".into(), port: 80 };
        assert_eq!(v6.to_string(), "http://[::1]:80");
        assert!(v6.literal().is_some());
        assert_eq!(Address { host: "localhost".into(), port: 80 }.literal(), None);
    }
}
