//! The addresses of the programs of a lab.

use std::net::{Ipv4Addr, SocketAddr};

/// The balancer's port in a lab with fixed ports; its admin port is 1000 higher.
pub(super) const BALANCER_PORT: u16 = 3030;

/// The first backend's port in a lab with fixed ports, the others follow; control ports are 1000 higher.
const FIRST_BACKEND_PORT: u16 = 3031;

/// The difference between a data port and its control port, with fixed ports.
const CONTROL_OFFSET: u16 = 1000;

/// The addresses of one of the lab's programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Serving {
    pub(super) data: SocketAddr,
    pub(super) control: SocketAddr,
}

impl Serving {
    /// A program on a fixed port of this machine.
    pub(super) fn fixed(port: u16) -> Self {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { data: at(port), control: at(port.saturating_add(CONTROL_OFFSET)) }
    }

    /// Reads `listening on http://127.0.0.1:3030, admin on http://127.0.0.1:4030`, or `control on`.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (data, control) = line.strip_prefix("listening on http://")?.split_once(", ")?;
        let (side, control) = control.split_once(" on http://")?;
        if !["admin", "control"].contains(&side) {
            return None;
        }
        Some(Self { data: reachable(data.parse().ok()?), control: reachable(control.parse().ok()?) })
    }
}

/// The port of a backend in a lab with fixed ports.
pub(super) fn fixed_port(number: usize) -> u16 {
    u16::try_from(number - 1).unwrap_or(u16::MAX).saturating_add(FIRST_BACKEND_PORT)
}

/// The address to connect to: a listener on all addresses is reached by loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_says_where_to_connect() {
        let serving = |data: &str, control: &str| {
            Some(Serving { data: data.parse().unwrap(), control: control.parse().unwrap() })
        };
        for (line, expected) in [
            (
                "listening on http://127.0.0.1:3030, admin on http://127.0.0.1:4030",
                serving("127.0.0.1:3030", "127.0.0.1:4030"),
            ),
            (
                "listening on http://0.0.0.0:3031, control on http://127.0.0.1:4031",
                serving("127.0.0.1:3031", "127.0.0.1:4031"),
            ),
            ("listening on http://[::1]:1, control on http://[::1]:2", serving("[::1]:1", "[::1]:2")),
            ("listening on 127.0.0.1:3030", None),
            ("", None),
        ] {
            assert_eq!(Serving::parse(line), expected, "{line:?}");
        }
    }
}
