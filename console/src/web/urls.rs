//! The addresses behind URLs.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use http::Uri;
use tokio::net::lookup_host;

/// The address behind a URL such as `http://lb:4030`. `flag` is where the user wrote it, for errors.
///
/// # Errors
/// If it is no such URL, or if its name is unknown.
pub async fn address_of(flag: &str, url: &str) -> Result<SocketAddr> {
    let (host, port) = host_and_port(flag, url)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut found = lookup_host((bare, port))
        .await
        .with_context(|| format!("{flag} {url}: the name {host} is unknown"))?;
    found.next().with_context(|| format!("{flag} {url}: the name {host} has no address"))
}

fn host_and_port(flag: &str, url: &str) -> Result<(String, u16)> {
    let example = "write it as http://127.0.0.1:4030";
    let uri: Uri = url.parse().with_context(|| format!("{flag} {url} is no URL: {example}"))?;
    let (Some(host), Some("http")) = (uri.host(), uri.scheme_str()) else {
        bail!("{flag} {url} is no URL with http: {example}")
    };
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let port = match authority.strip_prefix(host) {
        Some("") => Some(80),
        Some(rest) => rest.strip_prefix(':').and_then(|port| port.parse().ok()),
        None => None,
    };
    let port = port.with_context(|| format!("{flag} {url} has no valid port: {example}"))?;
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        bail!("{flag} {url} has more than a host and a port: {example}");
    }
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_host_and_a_port() {
        for (url, expected) in [
            ("http://lb:4030", Some(("lb", 4030))),
            ("http://127.0.0.1:4030/", Some(("127.0.0.1", 4030))),
            ("http://[::1]:4030", Some(("[::1]", 4030))),
            ("http://lb", Some(("lb", 80))),
            ("https://lb:4030", None),
            ("lb:4030", None),
            ("http://lb:4030/state", None),
            ("http://lb:4030/?a", None),
            ("http://lb:99999", None),
            ("http://user@lb:4030", None),
            ("", None),
        ] {
            let read = host_and_port("--balancer", url);
            match expected {
                Some((host, port)) => assert_eq!(read.unwrap(), (host.to_owned(), port), "{url}"),
                None => {
                    let error = format!("{:#}", read.unwrap_err());
                    assert!(
                        error.contains("--balancer") && error.contains("http://127.0.0.1:4030"),
                        "{error}"
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn an_address_needs_no_names() {
        let address = address_of("--balancer", "http://[::1]:4030").await.unwrap();
        assert_eq!(address.to_string(), "[::1]:4030");
    }
}
