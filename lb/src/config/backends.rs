//! Addresses of backends, as people write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use balance::Address;

use super::listen::kind_of_group;

/// The error in an address, or in a list of addresses, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadAddress {
    pub(crate) what: String,
    pub(crate) fix: String,
}

fn bad(what: impl Into<String>, fix: impl Into<String>) -> BadAddress {
    BadAddress { what: what.into(), fix: fix.into() }
}

/// There is no backend.
pub(crate) fn no_backend() -> BadAddress {
    bad("no backend given", "name at least one: --backends=http://localhost:3031,http://localhost:3032")
}

/// How to write an address, if the text shows no better way.
const ADDRESS: &str = "write http://host:port, such as http://localhost:3031";

/// The suggestion to write an address instead, if it is one: a suggestion that is refused too is no help.
fn write(address: &str) -> String {
    if is_sound(address) { format!("write {address}") } else { ADDRESS.to_owned() }
}

fn is_sound(address: &str) -> bool {
    parse(address, Spot::Alone).is_ok()
}

/// Where an address is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    /// In the list of a flag.
    InList,
    /// Alone, as the value of a key.
    Alone,
}

/// One text has several addresses, or spaces around one.
fn several(entry: &str, what: &str, spot: Spot) -> BadAddress {
    let entries = entry.split(|letter: char| letter.is_whitespace() || matches!(letter, ';' | ','));
    let entries: Vec<_> = entries.filter(|entry| !entry.is_empty()).collect();
    let sound: Vec<_> = entries.iter().filter_map(|entry| parse(entry, Spot::Alone).ok()).collect();
    let urls = |end: &str| sound.iter().map(|url| format!("url = \"{url}\"")).collect::<Vec<_>>().join(end);
    let fix = match (spot, &sound[..]) {
        (Spot::InList, _) if sound.is_empty() || sound.len() < entries.len() => {
            "separate backends by commas without spaces: --backends=http://a:1,http://b:2".to_owned()
        }
        (Spot::InList, _) => {
            let list: Vec<_> = sound.iter().map(ToString::to_string).collect();
            format!("separate backends by commas without spaces: --backends={}", list.join(","))
        }
        (Spot::Alone, _) if sound.is_empty() || sound.len() < entries.len() => ADDRESS.to_owned(),
        (Spot::Alone, [only]) => format!("write {only}"),
        (Spot::Alone, _) => {
            format!("write a section for each: [[backend]] with {}", urls(", [[backend]] with "))
        }
    };
    bad(format!("backend '{entry}' contains {what}"), fix)
}

/// Splits a comma-separated list, such as `http://localhost:3031,http://localhost:3032`.
///
/// # Errors
/// The list has no entry, or an empty one.
pub(crate) fn entries(list: &str) -> Result<Vec<&str>, BadAddress> {
    if list.trim().is_empty() {
        return Err(no_backend());
    }
    let entries: Vec<_> = list.split(',').collect();
    match entries.contains(&"") {
        true => {
            let fix = format!("remove the extra comma: '{list}'");
            Err(bad("the list of backends has an empty entry", fix))
        }
        false => Ok(entries),
    }
}

/// Reads the address of one backend. Hosts are in lower case, and IP addresses in their usual form, so that
/// two spellings of one address are one backend.
///
/// # Errors
/// The error in the address, and how to write it.
pub(crate) fn parse(entry: &str, spot: Spot) -> Result<Address, BadAddress> {
    const QUOTES: [char; 10] = ['"', '\'', '`', '“', '”', '„', '‘', '’', '«', '»'];
    if entry.contains(QUOTES) {
        let bare = entry.replace(QUOTES, "");
        let fix = parse(&bare, spot).map_or_else(|bad| bad.fix, |_| format!("write {bare}"));
        return Err(bad(format!("backend '{entry}' contains quotes"), fix));
    }
    if entry.contains(';') {
        return Err(several(entry, "a semicolon", spot));
    }
    if entry.contains(char::is_whitespace) {
        return Err(several(entry, "a space", spot));
    }
    if entry.contains(',') {
        return Err(several(entry, "a comma", spot));
    }
    if is_unix_socket(entry) {
        let what = format!("backend '{entry}' is a unix socket, which is not supported");
        return Err(bad(what, "let the server listen on a TCP port, and write http://host:port"));
    }
    let (scheme, rest) = match entry.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => return Err(without_scheme(entry)),
    };
    match &scheme[..] {
        "http" => {}
        "https" => {
            let what = format!("backend '{entry}' asks for https, which is not supported yet");
            let fix = format!(
                "{} if the backend answers without TLS there, or use a program such as stunnel between lb and the backend",
                write(&tidy(rest))
            );
            return Err(bad(what, fix));
        }
        _ => {
            let what = format!("backend '{entry}' has the scheme '{scheme}'");
            return Err(bad(what, "only http is supported: write http://host:port"));
        }
    }
    plain(entry, rest)
}

/// Whether the text is a path in the file system, as nginx, HAProxy, Envoy and curl write one.
fn is_unix_socket(entry: &str) -> bool {
    let lower = entry.to_ascii_lowercase();
    // The name of a host may be unix, with a port.
    let of_scheme = ["unix:", "unix@", "http+unix:", "http://unix:/"]
        .iter()
        .find_map(|scheme| lower.strip_prefix(scheme));
    let is_scheme = of_scheme.is_some_and(|rest| rest.parse::<u16>().is_err());
    let is_path = (lower.starts_with('/') && !lower.starts_with("//")) || lower.starts_with("./");
    is_scheme || is_path
}

/// Reads the part after `http://`.
fn plain(entry: &str, rest: &str) -> Result<Address, BadAddress> {
    let no_address = || bad(format!("backend '{entry}' is not an address"), ADDRESS);
    let (host, port) = host_and_port(rest);
    if host.contains(':') && !host.starts_with('[') {
        let what = format!("backend '{entry}' is not an address: IPv6 addresses need brackets");
        let whole = authority(rest);
        let fix = match tidy(rest) {
            tidy if whole.parse::<Ipv6Addr>().is_ok() && !tidy.ends_with(']') && is_sound(&tidy) => {
                format!("write {tidy}, or http://[{whole}] if all of it is the address")
            }
            tidy => write(&tidy),
        };
        return Err(bad(what, fix));
    }
    let port = match port {
        None => 80,
        Some("") => return Err(no_address()),
        Some(port) => port_of(port).ok_or_else(|| {
            let what = format!("backend '{entry}' has the port {port}");
            bad(what, "write http://host:port with a port from 1 to 65535")
        })?,
    };
    let host = host_of(host).map_err(|why| match why {
        None => no_address(),
        Some((why, fix)) => bad(format!("backend '{entry}' is not an address: {why}"), fix),
    })?;
    let address = Address { host, port };
    if let Some((is, fix)) = of_no_server(&address) {
        return Err(bad(format!("backend '{entry}' is {is}"), fix));
    }
    let behind = &rest[whole_authority(rest).len()..];
    let has = match behind {
        _ if whole_authority(rest).contains('@') => {
            let fix = format!("write only {address}");
            return Err(bad(format!("backend '{entry}' names a user"), fix));
        }
        "" | "/" => return Ok(address),
        _ if behind.starts_with('#') => "a fragment, which is not a part of requests",
        _ => "a path",
    };
    let fix = format!("requests keep their own path, so write {address}");
    Err(bad(format!("backend '{entry}' has {has}"), fix))
}

/// Why an address belongs to no server, and what to write instead. No connection can be made to an address of
/// several machines (RFC 9293, section 3.9.2.3), or to the address that means all interfaces of a machine
/// that listens (RFC 1122, section 3.2.1.3, and RFC 4291, section 2.5.2).
fn of_no_server(address: &Address) -> Option<(String, String)> {
    let ip = address.literal()?.ip();
    if let Some(kind) = kind_of_group(ip) {
        return Some((format!("{kind}, and a backend is one server"), ADDRESS.to_owned()));
    }
    let loopback = match ip.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        _ => return None,
    };
    let here = Address { host: loopback.to_string(), port: address.port };
    let fix = format!("write {here} for a server on this machine");
    Some(("no address of a server: it is for programs that listen at all addresses".to_owned(), fix))
}

/// A port from 1 to 65535, in digits only.
fn port_of(port: &str) -> Option<u16> {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|port| is_number && *port != 0)
}

/// The host in its usual form, or the reason why it is none, with what to write instead, as far as they are
/// known.
fn host_of(host: &str) -> Result<String, Option<(String, String)>> {
    if let Some(inner) = host.strip_prefix('[') {
        let v6 = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
        return v6.map(|v6| v6.to_string()).ok_or(None);
    }
    let why = |why: String| Err(Some((why, ADDRESS.to_owned())));
    let is_number = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit());
    let is_label = |label: &str| {
        let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=LONGEST_LABEL).contains(&label.len()) && label.bytes().all(is_sound)
    };
    let labels = || host.strip_suffix('.').unwrap_or(host).split('.');
    match host {
        "" => Err(None),
        "*" => why("* is no host, and a backend is one server".to_owned()),
        // No name ends with a number, so this can only be an IPv4 address.
        _ if labels().next_back().is_some_and(is_number) && host.parse::<Ipv4Addr>().is_err() => {
            why(format!("{host} is not an IPv4 address, which has four numbers from 0 to 255"))
        }
        _ if host.len() > LONGEST_HOST || !labels().all(is_label) => Err(None),
        _ => Ok(host.to_ascii_lowercase()),
    }
}

/// The longest name of a host and the longest part of it: RFC 1035, section 2.3.4.
const LONGEST_HOST: usize = 254;
const LONGEST_LABEL: usize = 63;

/// There is no scheme before the host; or a mistyped one, as in `http:/a` or `http//a`.
fn without_scheme(entry: &str) -> BadAddress {
    let lower = entry.to_ascii_lowercase();
    let scheme =
        ["http:", "https:", "http//", "https//"].into_iter().find(|scheme| lower.starts_with(scheme));
    let behind = &entry[scheme.unwrap_or_default().len()..];
    let rest = behind.trim_start_matches(|letter| letter == '/' || (letter == ':' && scheme.is_some()));
    // A host may be named http, with a port.
    let rest = if scheme == Some("http:") && port_of(rest).is_some() { entry } else { rest };
    let path = if rest[whole_authority(rest).len()..].trim_matches('/').is_empty() {
        ""
    } else {
        ", because requests keep their own path"
    };
    let fix = match write(&tidy(rest)) {
        fix if fix == ADDRESS => fix,
        fix => format!("{fix}{path}"),
    };
    bad(format!("backend '{entry}' has no scheme"), fix)
}

/// How to write an address from everything except the scheme: without user and path, and IPv6 in brackets.
fn tidy(rest: &str) -> String {
    let (host, port) = host_and_port(rest);
    let port = port.filter(|port| !port.is_empty()).map(|port| format!(":{port}")).unwrap_or_default();
    match host.contains(':') && !host.starts_with('[') {
        true => format!("http://[{host}]{port}"),
        false => format!("http://{host}{port}"),
    }
}

/// The part before the path.
fn whole_authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The part before the path, without a user.
fn authority(rest: &str) -> &str {
    let authority = whole_authority(rest);
    authority.rsplit_once('@').map_or(authority, |(_, authority)| authority)
}

/// Host and port as they are written. Of an IPv6 address without brackets, the last part is taken as the port
/// if the rest is an address: that is the usual meaning if the brackets were forgotten.
fn host_and_port(rest: &str) -> (&str, Option<&str>) {
    let authority = authority(rest);
    let Some((host, port)) = authority.rsplit_once(':') else { return (authority, None) };
    let is_digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match host {
        _ if authority.ends_with(']') => (authority, None),
        _ if host.contains(':') && !host.starts_with('[') => match host.parse::<Ipv6Addr>() {
            Ok(_) if is_digits => (host, Some(port)),
            _ => (authority, None),
        },
        _ => (host, Some(port)),
    }
}

#[cfg(test)]
#[path = "backends_tests.rs"]
mod tests;
