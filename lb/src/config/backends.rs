//! Where are the backends? Their addresses, as people write them.

use http::Uri;

use crate::balance::Address;

/// What is wrong with an address, or a list of them, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadAddress {
    pub(crate) what: String,
    pub(crate) fix: String,
}

fn bad(what: impl Into<String>, fix: impl Into<String>) -> BadAddress {
    BadAddress { what: what.into(), fix: fix.into() }
}

/// There is nobody to share requests among.
pub(crate) fn nobody() -> BadAddress {
    bad("no backend given", "name at least one: --backends=http://localhost:3031,http://localhost:3032")
}

/// Somebody separated backends by more than commas.
pub(crate) fn with_a_space(entry: &str) -> BadAddress {
    bad(
        format!("backend '{entry}' contains a space"),
        "separate backends by commas alone: --backends=http://a:1,http://b:2",
    )
}

/// Takes a comma-separated list apart, such as `http://localhost:3031,http://localhost:3032`.
///
/// # Errors
/// It has no entry, or an empty one.
pub(crate) fn entries(list: &str) -> Result<Vec<&str>, BadAddress> {
    if list.trim().is_empty() {
        return Err(nobody());
    }
    let entries: Vec<_> = list.split(',').collect();
    match entries.contains(&"") {
        true => {
            let fix = format!("write it without a comma too many: '{list}'");
            Err(bad("the list of backends has an empty entry", fix))
        }
        false => Ok(entries),
    }
}

/// Reads one backend's address.
///
/// # Errors
/// What is wrong with it, and how to write it.
pub(crate) fn parse(entry: &str) -> Result<Address, BadAddress> {
    if entry.contains(char::is_whitespace) {
        return Err(with_a_space(entry));
    }
    let Some((scheme, rest)) = entry.split_once("://") else {
        return Err(bad(format!("backend '{entry}' has no scheme"), format!("write http://{entry}")));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" => {}
        "https" => {
            let what = format!("backend '{entry}' asks for https, which is not supported yet");
            return Err(bad(what, format!("write http://{rest}")));
        }
        _ => {
            let what = format!("backend '{entry}' has the scheme '{scheme}'");
            return Err(bad(what, "only http is known: write http://host:port"));
        }
    }
    let no_address = || {
        let fix = "write http://host:port, such as http://localhost:3031";
        bad(format!("backend '{entry}' is not an address"), fix)
    };
    let uri: Uri = format!("http://{rest}").parse().map_err(|_| no_address())?;
    let authority = uri.authority().ok_or_else(no_address)?;
    if authority.as_str().contains('@') {
        return Err(bad(format!("backend '{entry}' names a user"), "write only http://host:port"));
    }
    let port = match authority.port() {
        // `http` drops a port that is no number, and "http://a:" has none: both are slips of the keyboard.
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
            ("ftp://a", "only http is known"),
            ("http://a:1, http://b:2", "separate backends by commas alone"),
            ("http://a:1,", "a comma too many"),
            ("http://a:1/x", "so write http://a:1"),
            ("http://u@a:1", "write only http://host:port"),
            ("http://a:0", "write http://host:port"),
            ("http://a:", "write http://host:port"),
            ("http://a:99999", "write http://host:port"),
            ("http://:80", "write http://host:port"),
            ("http://", "write http://host:port"),
        ];
        for (list, fix) in table {
            let error = parse_all(list).expect_err(list);
            assert!(error.fix.contains(fix), "'{list}' gives: {error:?}");
        }
    }
}
