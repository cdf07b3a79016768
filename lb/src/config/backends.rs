//! Addresses of backends, as people write them.

use std::net::Ipv6Addr;

use http::Uri;

use balance::Address;

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

/// The separators between backends have spaces.
fn with_a_space(entry: &str) -> BadAddress {
    bad(
        format!("backend '{entry}' contains a space"),
        "separate backends by commas without spaces: --backends=http://a:1,http://b:2",
    )
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

/// Reads the address of one backend.
///
/// # Errors
/// The error in the address, and how to write it.
pub(crate) fn parse(entry: &str) -> Result<Address, BadAddress> {
    const QUOTES: [char; 10] = ['"', '\'', '`', '“', '”', '„', '‘', '’', '«', '»'];
    if entry.contains(QUOTES) {
        return Err(bad(
            format!("backend '{entry}' contains quotes"),
            format!("write {}", entry.replace(QUOTES, "")),
        ));
    }
    if entry.contains(';') {
        return Err(bad(
            format!("backend '{entry}' contains a semicolon"),
            format!("separate backends by commas without spaces: --backends={}", entry.replace(';', ",")),
        ));
    }
    if entry.contains(char::is_whitespace) {
        return Err(with_a_space(entry));
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
                "write {} if the backend answers without TLS there, or use a program such as stunnel between lb and the backend",
                tidy(rest)
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
    let no_address = || {
        let fix = "write http://host:port, such as http://localhost:3031";
        bad(format!("backend '{entry}' is not an address"), fix)
    };
    if let (host, _) = host_and_port(rest)
        && host.contains(':')
        && !host.starts_with('[')
    {
        let what = format!("backend '{entry}' is not an address: IPv6 addresses need brackets");
        let whole = authority(rest);
        let fix = match tidy(rest) {
            tidy if whole.parse::<Ipv6Addr>().is_ok() && !tidy.ends_with(']') => {
                format!("write {tidy}, or http://[{whole}] if all of it is the address")
            }
            tidy => format!("write {tidy}"),
        };
        return Err(bad(what, fix));
    }
    if let (_, Some(port)) = host_and_port(rest)
        && !(1..=65535).contains(&port.parse::<u32>().unwrap_or_default())
        && !port.is_empty()
    {
        let what = format!("backend '{entry}' has the port {port}");
        return Err(bad(what, "write http://host:port with a port from 1 to 65535"));
    }
    let uri: Uri = format!("http://{rest}").parse().map_err(|_| no_address())?;
    let authority = uri.authority().ok_or_else(no_address)?;
    if authority.as_str().contains('@') {
        return Err(bad(format!("backend '{entry}' names a user"), "write only http://host:port"));
    }
    let port = match authority.port() {
        // `http` drops a port that is no number, and "http://a:" has none: both are typing errors.
        None if authority.as_str().trim_start_matches(authority.host()).contains(':') => None,
        None => Some(80),
        Some(port) => Some(port.as_u16()).filter(|port| *port != 0),
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let (Some(port), false) = (port, host.is_empty()) else { return Err(no_address()) };
    let address = Address { host, port };
    match uri.path_and_query().map_or("/", |path| path.as_str()) {
        "/" => Ok(address),
        _ => Err(bad(
            format!("backend '{entry}' has a path"),
            format!("requests keep their own path, so write {address}"),
        )),
    }
}

/// There is no scheme before the host; or a mistyped one, as in `http:/a`.
fn without_scheme(entry: &str) -> BadAddress {
    let lower = entry.to_ascii_lowercase();
    let scheme = ["http:", "https:"].into_iter().find(|scheme| lower.starts_with(scheme)).unwrap_or_default();
    let rest = entry[scheme.len()..].trim_start_matches('/');
    let path = if rest[authority(rest).len()..].trim_matches('/').is_empty() {
        ""
    } else {
        ", because requests keep their own path"
    };
    bad(format!("backend '{entry}' has no scheme"), format!("write {}{path}", tidy(rest)))
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

/// The part before the path, without a user.
fn authority(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
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
mod tests {
    use super::*;

    fn parse_all(list: &str) -> Result<Vec<Address>, BadAddress> {
        entries(list)?.into_iter().map(parse).collect()
    }

    #[test]
    fn backends_are_read_as_people_write_them() {
        let list = parse_all("http://localhost:3031,http://10.0.0.1,HTTP://[::1]:80/").unwrap();
        let texts: Vec<_> = list.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["http://localhost:3031", "http://10.0.0.1:80", "http://[::1]:80"]);
    }

    #[test]
    fn errors_name_the_fix() {
        let table = [
            ("", "name at least one: --backends="),
            ("localhost:3031", "write http://localhost:3031"),
            ("https://a:1", "write http://a:1"),
            ("ftp://a", "only http is supported"),
            ("http://a:1, http://b:2", "separate backends by commas without spaces"),
            ("http://a:1,", "remove the extra comma"),
            ("http://a:1/x", "so write http://a:1"),
            ("http://u@a:1", "write only http://host:port"),
            ("http://a:0", "write http://host:port"),
            ("http://a:", "write http://host:port"),
            ("http://a:99999", "write http://host:port"),
            ("http://:80", "write http://host:port"),
            ("http://", "write http://host:port"),
            ("http://::1:80", "write http://[::1]:80, or http://[::1:80] if"),
            ("http://::1", "write http://[::1]"),
            ("http://::", "write http://[::]"),
            ("http://2001:db8:0:0:0:0:0:1", "write http://[2001:db8:0:0:0:0:0:1]"),
            ("http://a:b:80", "write http://"),
            ("::1:80", "write http://[::1]:80"),
            ("[::1]:80", "write http://[::1]:80"),
            ("[::1]", "write http://[::1]"),
            ("::1", "write http://[::1]"),
            ("https://::1:443/x?y", "write http://[::1]:443 if"),
            ("https://u@a:1/x", "write http://a:1 if"),
            ("a:1/x", "write http://a:1, because requests keep their own path"),
            ("http:/a:1", "write http://a:1"),
            ("HTTPS:a:1", "write http://a:1"),
            ("http://[::1]:0", "a port from 1 to 65535"),
            ("http://[::1", "write http://host:port"),
            ("http://a:1;http://b:2", "--backends=http://a:1,http://b:2"),
            ("“http://a:1”", "write http://a:1"),
        ];
        for (list, fix) in table {
            let error = parse_all(list).expect_err(list);
            assert!(error.fix.contains(fix), "'{list}' gives: {error:?}");
        }
    }
}
