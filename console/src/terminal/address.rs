//! Where a console attaches to: its address, and what answers there.

use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow, bail};
use api::excerpt;
use lab::client::Client;
use tokio::net::lookup_host;

use crate::endpoint::{PAGE_PORT, ServerUrl};

/// What stands before and after the token in the page.
const TOKEN: (&str, &str) = ("<meta name=\"token\" content=\"", "\"");

/// What answers at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The console of a lab: it takes commands.
    Lab,
    /// The admin port of a balancer: it knows no faults, no load and no ghost.
    Balancer,
}

/// The host and the port in an address such as `http://localhost:4000`.
fn host_and_port(url: &str) -> Result<(String, u16)> {
    let example = "write http://HOST:4000 for a lab, or http://HOST:4030 for a balancer";
    let read = ServerUrl::read(url).map_err(|error| anyhow!("{} {error}: {example}", excerpt(url)))?;
    Ok((read.host, read.port.unwrap_or(PAGE_PORT)))
}

/// Finds the first address of this host that answers as a lab or as a balancer.
pub(super) async fn find(url: &str) -> Result<(SocketAddr, Kind)> {
    let (host, port) = host_and_port(url)?;
    let addresses = lookup_host((&*host, port))
        .await
        .with_context(|| format!("cannot find the host {}", excerpt(&host)))?;
    let mut last = None;
    for address in addresses {
        match kind(address).await {
            Ok(kind) => return Ok((address, kind)),
            Err(error) => last = Some(error),
        }
    }
    let error = last.with_context(|| format!("the host {host} has no address"))?;
    Err(error.context(format!("cannot attach to {url}; is a lab running? `cargo xtask demo` starts one")))
}

async fn kind(address: SocketAddr) -> Result<Kind> {
    let mut client = Client::new(address);
    if token_in(&client.get("/").await?.text()).is_some() {
        return Ok(Kind::Lab);
    }
    let state: Option<api::State> = client.get("/state").await?.json().ok();
    match state {
        Some(_) => Ok(Kind::Balancer),
        None => bail!("{address} is neither the console of a lab nor the admin port of a balancer"),
    }
}

/// The token of the present start of a console.
pub(super) async fn token(address: SocketAddr) -> Result<String> {
    let page = Client::new(address).get("/").await?.ok()?.text();
    token_in(&page).map(str::to_owned).context("the page has no token")
}

/// The token in a page.
fn token_in(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once(TOKEN.0)?;
    let (token, _) = rest.split_once(TOKEN.1)?;
    (!token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_or_the_error_says_what_to_write() {
        for (url, host, port) in [
            ("http://localhost:4000", "localhost", 4000),
            ("http://localhost:4000/", "localhost", 4000),
            ("http://lab.example", "lab.example", 4000),
            ("localhost:4030", "localhost", 4030),
            ("http://[::1]:4030", "::1", 4030),
        ] {
            assert_eq!(host_and_port(url).unwrap(), (host.to_owned(), port), "{url}");
        }
        for (url, expected) in [
            ("", "is no address: write http://HOST:4000"),
            ("https://localhost:4000", "speaks http only: write"),
            ("/events", "has no host: write"),
            ("http://localhost:4000/events", "has a path: write"),
            ("http://local host", "is no address: write"),
        ] {
            let error = host_and_port(url).unwrap_err().to_string();
            assert!(error.contains(expected), "{url}: {error}");
        }
    }

    #[test]
    fn the_token_is_found_in_a_page() {
        assert_eq!(token_in("<head><meta name=\"token\" content=\"0aF\"></head>"), Some("0aF"));
        for page in ["", "<meta name=\"token\" content=\"\">", "<meta name=\"token\" content=\"0a"] {
            assert_eq!(token_in(page), None, "{page}");
        }
    }
}
