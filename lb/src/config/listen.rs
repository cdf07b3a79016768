//! Addresses to listen on, as people write them, and what to write instead of wrong ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The likely meaning of an address: an IP address, a port, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Guess {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: Option<u16>,
}

impl Guess {
    /// Guesses the meaning of a text that may be wrong; empty if it could be anything.
    pub(crate) fn of(text: &str) -> Self {
        let text = text.trim().trim_matches(['"', '\'']);
        let text = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/');
        let port = |text: &str| text.parse::<u16>().ok();
        if let Some(port) = port(text.strip_prefix(':').unwrap_or(text)) {
            return Self { ip: None, port: Some(port) };
        }
        match text.rsplit_once(':').map(|(host, port_text)| (ip_or_name(host), port(port_text))) {
            Some((Some(ip), Some(port))) => Self { ip: Some(ip), port: Some(port) },
            _ => Self { ip: ip_or_name(text), port: None },
        }
    }

    /// A socket address, with these values for missing parts; `None` if both parts are missing.
    pub(crate) fn socket(self, ip: Ipv4Addr, port: u16) -> Option<SocketAddr> {
        (self != Self::default())
            .then(|| SocketAddr::new(self.ip.unwrap_or_else(|| ip.into()), self.port.unwrap_or(port)))
    }

    /// The meaning as flags; `None` if nothing is known.
    pub(crate) fn flags(self) -> Option<String> {
        let flags =
            [self.ip.map(|ip| format!("--bind {ip}")), self.port.map(|port| format!("--port {port}"))];
        let flags: Vec<_> = flags.into_iter().flatten().collect();
        (!flags.is_empty()).then(|| flags.join(" "))
    }
}

/// An IP address, with or without brackets, or one of two common names.
fn ip_or_name(text: &str) -> Option<IpAddr> {
    match text {
        "*" => Some(Ipv4Addr::UNSPECIFIED.into()),
        _ if text.eq_ignore_ascii_case("localhost") => Some(Ipv4Addr::LOCALHOST.into()),
        _ => ip(text),
    }
}

/// An IP address. An IPv6 address may have brackets, as in URLs (RFC 3986, section 3.2.2).
pub(crate) fn ip(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        None => text.parse().ok(),
    }
}

/// Reads the value of `--bind`.
///
/// # Errors
/// What to write instead.
pub(crate) fn bind(text: &str) -> Result<IpAddr, String> {
    ip(text).ok_or_else(|| match Guess::of(text).flags() {
        Some(flags) => format!("write {flags}"),
        None => "write an IP address, such as 127.0.0.1, or 0.0.0.0 for all IPv4 addresses of this machine"
            .to_owned(),
    })
}

/// What to write instead of a wrong `--port`, if there is a good guess.
pub(crate) fn instead_of_port(text: &str) -> Option<String> {
    Guess::of(text).flags().map(|flags| format!("write {flags}"))
}

/// Reads an IP address and a port; `usual` is the most common value. In a file, the value has `quotes`.
///
/// # Errors
/// What to write instead.
pub(crate) fn socket(text: &str, usual: (Ipv4Addr, u16), quotes: bool) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let quote = if quotes { "\"" } else { "" };
        match Guess::of(text).socket(usual.0, usual.1) {
            Some(guess) => format!("write {quote}{guess}{quote}"),
            None => format!("write IP:PORT, such as {}:{}", usual.0, usual.1),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_guessed() {
        let table = [
            ("80", None, Some(80)),
            (":80", None, Some(80)),
            ("*:80", Some("0.0.0.0"), Some(80)),
            ("*", Some("0.0.0.0"), None),
            ("localhost", Some("127.0.0.1"), None),
            ("LocalHost:80", Some("127.0.0.1"), Some(80)),
            ("http://127.0.0.1:80/", Some("127.0.0.1"), Some(80)),
            ("10.0.0.1", Some("10.0.0.1"), None),
            ("[::1]:80", Some("::1"), Some(80)),
            ("::1:80", Some("::1"), Some(80)),
            ("::1", Some("::1"), None),
            ("[::]", Some("::"), None),
            ("2001:db8:0:0:0:0:0:1", Some("2001:db8::1"), None),
            ("eth0", None, None),
            ("eth0:80", None, None),
            ("127.0.0.1:70000", None, None),
            ("70000", None, None),
            ("", None, None),
            ("[127.0.0.1]", None, None),
        ];
        for (text, ip, port) in table {
            let ip = ip.map(|ip| ip.parse().unwrap());
            assert_eq!(Guess::of(text), Guess { ip, port }, "{text}");
        }
    }

    #[test]
    fn an_error_says_what_to_write() {
        assert_eq!(bind("[::1]"), Ok(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(bind("::1"), Ok(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(bind("[::1]:80").unwrap_err(), "write --bind ::1 --port 80");
        let admin = (Ipv4Addr::LOCALHOST, 4030);
        assert_eq!(socket(":99", admin, false).unwrap_err(), "write 127.0.0.1:99");
        assert_eq!(socket("::1", admin, true).unwrap_err(), "write \"[::1]:4030\"");
        assert_eq!(socket("edge", admin, true).unwrap_err(), "write IP:PORT, such as 127.0.0.1:4030");
    }
}
