//! Addresses to listen on, as people write them, and what to write instead of wrong ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use balance::Address;

use super::default_listen::DEFAULT;
use super::form::Wrong;
use super::settings::LISTENER;

/// Where the addresses for clients are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressSource {
    /// `listen` or its default; flags may replace its parts.
    Listen,
    /// The sections for listeners.
    Sections,
    /// These flags, which replace the sections for listeners: `--port`, for example.
    FlagsInsteadOfSections(&'static str),
}

impl AddressSource {
    /// The key or the section of the file that gives the addresses; `None` if only flags give them.
    pub(crate) fn key(self) -> Option<&'static str> {
        match self {
            Self::Listen => Some("listen"),
            Self::Sections => Some(LISTENER),
            Self::FlagsInsteadOfSections(_) => None,
        }
    }
}

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

    /// The default address for clients.
    pub(crate) fn default_listen() -> Self {
        Self { ip: Some(DEFAULT.0.into()), port: Some(DEFAULT.1) }
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

/// The kind of an address that stands for several machines, so that TCP cannot use it: RFC 9293, section
/// 3.9.2.3. `None` for an address of one machine, or of all its interfaces.
pub(crate) fn kind_of_group(ip: IpAddr) -> Option<&'static str> {
    match ip.to_canonical() {
        ip if ip.is_multicast() => Some("a multicast address"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some("the broadcast address"),
        _ => None,
    }
}

/// Whether a connection to this backend certainly reaches this listener: then the balancer would send each
/// request to itself. The name `localhost` stands for the loopback addresses; other names are not looked up.
pub(crate) fn leads_back(listener: SocketAddr, backend: &Address) -> bool {
    const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let targets = match backend.literal() {
        Some(address) => vec![address.ip().to_canonical()],
        None if backend.host.trim_end_matches('.') == "localhost" => LOOPBACK.to_vec(),
        None => Vec::new(),
    };
    let listens = listener.ip().to_canonical();
    let reaches = |target: IpAddr| match listens.is_unspecified() {
        // The address :: usually includes all addresses of IPv4, and 0.0.0.0 includes none of IPv6.
        true => target.is_loopback() && (listens.is_ipv6() || target.is_ipv4()),
        false => target == listens,
    };
    listener.port() == backend.port && targets.into_iter().any(reaches)
}

/// The error about such a backend.
pub(crate) fn is_itself(listener: SocketAddr, backend: &Address) -> String {
    format!("backend {backend} is this balancer itself, which listens at {listener}")
}

/// Reads the value of `--bind`.
///
/// # Errors
/// The error, and what to write instead.
pub(crate) fn bind(text: &str) -> Result<IpAddr, Wrong> {
    let Some(ip) = ip(text) else {
        return Err(Wrong::from(match Guess::of(text).flags() {
            Some(flags) => format!("write {flags}"),
            None => format!("write an IP address, such as 127.0.0.1, or {ALL_IPV4}"),
        }));
    };
    of_this_machine(ip, format!("write an IP address of this machine, such as 127.0.0.1, or {ALL_IPV4}"))
}

const ALL_IPV4: &str = "0.0.0.0 for all IPv4 addresses of this machine";

/// Refuses an address that cannot be an address of this machine, with this remedy.
fn of_this_machine(ip: IpAddr, fix: String) -> Result<IpAddr, Wrong> {
    match kind_of_group(ip) {
        Some(kind) => Err(Wrong { is: format!("{kind}, and TCP cannot listen there"), fix }),
        None => Ok(ip),
    }
}

/// What to write instead of a wrong `--port`, if there is a good guess.
pub(crate) fn instead_of_port(text: &str) -> Option<String> {
    Guess::of(text).flags().map(|flags| format!("write {flags}"))
}

/// Reads an IP address and a port; `usual` is the most common value. In a file, the value has `quotes`.
///
/// # Errors
/// The error, and what to write instead.
pub(crate) fn socket(text: &str, usual: (Ipv4Addr, u16), quotes: bool) -> Result<SocketAddr, Wrong> {
    let quote = if quotes { "\"" } else { "" };
    let Ok(address) = text.parse::<SocketAddr>() else {
        let guess = Guess::of(text).socket(usual.0, usual.1);
        return Err(Wrong::from(match guess.filter(|guess| kind_of_group(guess.ip()).is_none()) {
            Some(guess) => format!("write {quote}{guess}{quote}"),
            None => format!("write IP:PORT, such as {}:{}", usual.0, usual.1),
        }));
    };
    let fix = format!(
        "write an address of this machine and a port, such as {quote}{}:{}{quote}",
        usual.0,
        address.port()
    );
    of_this_machine(address.ip(), fix).map(|_| address)
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
    fn the_default_is_the_same_in_each_form() {
        let (ip, port) = DEFAULT;
        assert_eq!(crate::config::default_listen::default_listen!(), SocketAddr::from(DEFAULT).to_string());
        let top = crate::config::settings::section("").unwrap();
        let default = |flag: &str| top.settings.iter().find(|setting| setting.flag == flag).unwrap().default;
        assert_eq!((default("bind"), default("port")), (&*ip.to_string(), &*port.to_string()));
    }

    #[test]
    fn an_error_says_what_to_write() {
        assert_eq!(bind("[::1]"), Ok(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(bind("::1"), Ok(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(bind("[::1]:80").unwrap_err().fix, "write --bind ::1 --port 80");
        let admin = (Ipv4Addr::LOCALHOST, 4030);
        let fix = |text, quotes| socket(text, admin, quotes).unwrap_err().fix;
        assert_eq!(fix(":99", false), "write 127.0.0.1:99");
        assert_eq!(fix("::1", true), "write \"[::1]:4030\"");
        assert_eq!(fix("edge", true), "write IP:PORT, such as 127.0.0.1:4030");
        assert_eq!(fix("http://224.0.0.1:80", true), "write IP:PORT, such as 127.0.0.1:4030");
    }

    #[test]
    fn an_address_of_several_machines_is_refused() {
        // The blocks are 224.0.0.0/4 (RFC 5771) and ff00::/8 (RFC 4291, section 2.7).
        let table = [
            ("223.255.255.255", ""),
            ("224.0.0.0", "a multicast address"),
            ("239.255.255.255", "a multicast address"),
            ("240.0.0.0", ""),
            ("255.255.255.254", ""),
            ("255.255.255.255", "the broadcast address"),
            ("0.0.0.0", ""),
            ("::", ""),
            ("fe80::1", ""),
            ("ff02::1", "a multicast address"),
            ("::ffff:224.0.0.1", "a multicast address"),
        ];
        for (text, kind) in table {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(kind_of_group(ip).unwrap_or_default(), kind, "{text}");
            let address = SocketAddr::new(ip, 80).to_string();
            let refused = [bind(text).err(), socket(&address, DEFAULT, false).err()];
            for wrong in refused {
                let is = wrong.map(|wrong| wrong.is).unwrap_or_default();
                assert_eq!((is.is_empty(), is.starts_with(kind)), (kind.is_empty(), true), "{text}: {is}");
            }
        }
    }

    #[test]
    fn a_backend_that_is_the_balancer_itself_is_recognized() {
        let table = [
            ("127.0.0.1:3030", "127.0.0.1", true),
            ("127.0.0.1:3030", "localhost", true),
            ("127.0.0.1:3030", "127.0.0.2", false),
            ("127.0.0.1:3031", "127.0.0.1", false),
            ("0.0.0.0:3030", "127.0.0.2", true),
            ("0.0.0.0:3030", "localhost", true),
            ("0.0.0.0:3030", "localhost.", true),
            ("0.0.0.0:3030", "::1", false),
            // This may be another machine.
            ("0.0.0.0:3030", "10.0.0.1", false),
            ("10.0.0.1:3030", "10.0.0.1", true),
            ("10.0.0.1:3030", "localhost", false),
            ("[::]:3030", "::1", true),
            ("[::]:3030", "127.0.0.1", true),
            ("[::1]:3030", "localhost", true),
            ("[::1]:3030", "127.0.0.1", false),
            ("[::ffff:127.0.0.1]:3030", "127.0.0.1", true),
            ("127.0.0.1:3030", "app", false),
        ];
        for (listener, host, expected) in table {
            let backend = Address { host: host.to_owned(), port: 3030 };
            assert_eq!(leads_back(listener.parse().unwrap(), &backend), expected, "{listener} {host}");
        }
    }
}
