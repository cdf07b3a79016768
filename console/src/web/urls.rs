//! The addresses behind URLs.

use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow, ensure};
use api::excerpt;
use tokio::net::lookup_host;

use crate::endpoint::ServerUrl;

/// The port of a URL that names none (RFC 9110, section 4.2.1).
const HTTP_PORT: u16 = 80;

/// The address behind a URL such as `http://lb:4030`. `flag` is where the user wrote it, for errors.
///
/// # Errors
/// If it is no such URL, or if its name is unknown.
pub async fn address_of(flag: &str, url: &str) -> Result<SocketAddr> {
    let (host, port) = host_and_port(flag, url)?;
    let (url, shown_host) = (excerpt(url), excerpt(&host));
    let mut found = lookup_host((&*host, port))
        .await
        .with_context(|| format!("{flag} {url}: the name {shown_host} is unknown"))?;
    found.next().with_context(|| format!("{flag} {url}: the name {shown_host} has no address"))
}

fn host_and_port(flag: &str, url: &str) -> Result<(String, u16)> {
    let example = "write it as http://127.0.0.1:4030";
    let (read, url) = (ServerUrl::read(url), excerpt(url));
    let read = read.map_err(|error| anyhow!("{flag} {url} {error}: {example}"))?;
    ensure!(read.has_scheme, "{flag} {url} does not begin with http://: {example}");
    Ok((read.host, read.port.unwrap_or(HTTP_PORT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_host_and_a_port() {
        for (url, expected) in [
            ("http://lb:4030", Some(("lb", 4030))),
            ("http://127.0.0.1:4030/", Some(("127.0.0.1", 4030))),
            ("http://[::1]:4030", Some(("::1", 4030))),
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
        let long = format!("ftp://{}", "a".repeat(200));
        let error = host_and_port("--balancer", &long).unwrap_err().to_string();
        assert!(error.len() < 250 && error.contains("aa ... is no http address"), "{error}");
    }

    #[tokio::test]
    async fn an_address_needs_no_names() {
        let address = address_of("--balancer", "http://[::1]:4030").await.unwrap();
        assert_eq!(address.to_string(), "[::1]:4030");
    }
}
