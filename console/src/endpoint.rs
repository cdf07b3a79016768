//! What the server of the page and its clients have in common: its port, the header of its token, and how the
//! URL of a server is read.

use anyhow::{Context, Result, bail, ensure};
use http::Uri;
use http::header::HeaderName;

/// The port of the page, unless the user gives another one.
pub const PAGE_PORT: u16 = 4000;

/// The header with the token of a command.
pub const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-console-token");

/// The URL of a server such as `http://localhost:4000`, as a user writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    /// Whether it begins with `http://`.
    pub(crate) has_scheme: bool,
    /// A name, or an address without brackets.
    pub(crate) host: String,
    /// The port, if it is written.
    pub(crate) port: Option<u16>,
}

impl ServerUrl {
    /// Reads a URL. `http://` and the port may be left out. A path must be `/`.
    ///
    /// # Errors
    /// What is wrong, as a part of a sentence that begins with the URL.
    pub(crate) fn read(url: &str) -> Result<Self> {
        let uri: Uri = url.parse().ok().context("is no address")?;
        let scheme = uri.scheme_str();
        ensure!(
            scheme.is_none_or(|scheme| scheme == "http"),
            "is no http address: a console speaks http only"
        );
        let host = uri.host().filter(|host| !host.is_empty()).context("has no host")?;
        ensure!(matches!(uri.path(), "" | "/"), "has a path");
        ensure!(uri.query().is_none(), "has a query");
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let port = match authority.strip_prefix(host) {
            Some("") => None,
            Some(rest) => {
                let port = rest.strip_prefix(':').and_then(|port| port.parse().ok());
                Some(port.context("has no valid port")?)
            }
            None => bail!("has more than a host and a port"),
        };
        Ok(Self { has_scheme: scheme.is_some(), host: host.trim_matches(['[', ']']).to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_or_the_error_says_what_is_wrong() {
        for (url, has_scheme, host, port) in [
            ("http://localhost:4000", true, "localhost", Some(4000)),
            ("http://localhost:4000/", true, "localhost", Some(4000)),
            ("http://lab.example", true, "lab.example", None),
            ("localhost:4030", false, "localhost", Some(4030)),
            ("http://[::1]:4030", true, "::1", Some(4030)),
        ] {
            let expected = ServerUrl { has_scheme, host: host.to_owned(), port };
            assert_eq!(ServerUrl::read(url).unwrap(), expected, "{url}");
        }
        for (url, expected) in [
            ("", "is no address"),
            ("http://local host", "is no address"),
            ("https://localhost:4000", "a console speaks http only"),
            ("/events", "has no host"),
            ("http://localhost:4000/events", "has a path"),
            ("http://localhost:4000/?a", "has a query"),
            ("http://localhost:99999", "has no valid port"),
            ("http://user@localhost:4000", "has more than a host and a port"),
        ] {
            let error = ServerUrl::read(url).unwrap_err().to_string();
            assert!(error.contains(expected), "{url}: {error}");
        }
    }
}
