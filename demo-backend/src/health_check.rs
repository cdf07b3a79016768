//! A health check of a URL, for containers that contain only this program.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http::Uri;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Requests `url` once with GET. Succeeds if the status of the answer is 2xx; otherwise writes the reason to
/// standard error.
///
/// # Errors
/// If `url` is not an `http://` URL: this is a wrong flag, not an unhealthy server.
pub fn run(url: &str) -> Result<ExitCode> {
    let uri: Uri = url.parse().with_context(|| format!("--check-health {url}: not a URL"))?;
    ensure!(
        uri.scheme_str() == Some("http") && uri.host().is_some(),
        "--check-health {url}: write a whole URL, such as http://127.0.0.1:4031/healthz"
    );
    Ok(match check(&uri) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{url} is not healthy: {reason:#}");
            ExitCode::FAILURE
        }
    })
}

fn check(uri: &Uri) -> Result<()> {
    let host = uri.host().unwrap_or_default();
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let address = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80))
        .to_socket_addrs()?
        .next()
        .context("the name has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")?;
    // The status is in the first 12 bytes: "HTTP/1.1 200".
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    if !head.starts_with(b"HTTP/1.") || head[9] != b'2' {
        bail!("it answered {:?}", String::from_utf8_lossy(&head));
    }
    Ok(())
}
