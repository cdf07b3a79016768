//! A health check of a URL, for containers that contain only this program.

use std::io::{Write as _, stderr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The time limit from the connection to the head of the answer.
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let checked = runtime.block_on(check(&uri));
    // A look-up of a name may still block a thread; the result does not depend on it any more.
    runtime.shutdown_background();
    Ok(match checked {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Without a standard error, the exit status still says it.
            let _ = writeln!(stderr(), "{url} is not healthy: {reason:#}");
            ExitCode::FAILURE
        }
    })
}

async fn check(uri: &Uri) -> Result<()> {
    let status =
        timeout(TIMEOUT, status(uri)).await.with_context(|| format!("no answer in {TIMEOUT:?}"))??;
    ensure!(status.is_success(), "it answered {status}");
    Ok(())
}

async fn status(uri: &Uri) -> Result<StatusCode> {
    let host = uri.host().unwrap_or_default();
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).header(HOST, authority).body(Empty::<Bytes>::new())?;
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80))).await?;
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The connection ends with the runtime.
    tokio::spawn(connection);
    Ok(client.send_request(request).await?.status())
}
