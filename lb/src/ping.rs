//! Is anybody there? Active health checks: every backend is asked on its own, from the first moment on.
//!
//! A ping is a TCP connection, closed at once, as in the seed; or a `GET` of a path if one is configured.
//! A backend that is suspected of silence is asked in HTTP even so, because a stopped process still completes
//! handshakes: `OPTIONS *` is the method's way of asking nothing but for an answer (RFC 9110, section 9.3.7).

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;

use crate::balance::health::{Evidence, State};
use crate::balance::member::Mode;
use crate::balance::{Backend, ServerPool};
use crate::config::Config;
use crate::proxy::connect::{connect_to_any, resolve};
use crate::proxy::verdict::Failure;

/// Pings one backend, unless it is in maintenance, for ever and tells the pool what comes of it; `pinged` is called after
/// each ping. Jitter, drawn from `random`, keeps many balancers from asking in step.
pub(crate) async fn keep_pinging(
    pool: Arc<ServerPool>,
    backend: Arc<Backend>,
    settings: Arc<ArcSwap<Config>>,
    mut random: fastrand::Rng,
    pinged: impl Fn(),
) -> ! {
    loop {
        let config = settings.load_full();
        if backend.said().mode != Mode::Maintenance {
            let evidence = ping(&backend, &config).await;
            tracing::debug!("backend {} pinged: {}", backend.number, words(&evidence));
            pool.learn(&backend, evidence, Instant::now());
            pinged();
        }
        tokio::time::sleep(jittered(config.ping_interval, random.f64())).await;
    }
}

/// What came of a ping, for the log.
fn words(evidence: &Evidence) -> &str {
    match evidence {
        Evidence::Connected => "connected",
        Evidence::Answered => "answered",
        Evidence::PingFailed(why) => why,
        _ => "no answer in time",
    }
}

/// Nine to eleven tenths of the interval, by a number between 0 and 1.
pub(crate) fn jittered(interval: Duration, random: f64) -> Duration {
    interval.mul_f64(0.9 + 0.2 * random)
}

/// One ping, and what it says.
async fn ping(backend: &Backend, config: &Config) -> Evidence {
    let suspect = backend.health().state() == State::Suspect;
    let question = match (&config.ping_path, suspect) {
        (Some(path), _) => Some((Method::GET, path.clone())),
        (None, true) => Some((Method::OPTIONS, Uri::from_static("*"))),
        (None, false) => None,
    };
    let asking = async {
        // Asked for anew each time, so that a backend that moved to another address is found again.
        let addresses = match resolve(backend).await {
            Ok(addresses) => addresses,
            Err(failure) => match backend.resolved.load_full() {
                known if known.is_empty() => return Err(failure.words().to_owned()),
                known => known,
            },
        };
        let stream = connect_to_any(&addresses).await.map_err(|failure| failure.words().to_owned())?;
        let Some((method, target)) = question else { return Ok(None) };
        let host = format!("{}:{}", backend.address.host, backend.address.port);
        ask(stream, method, target, &host).await.map(Some).map_err(|failure| failure.words().to_owned())
    };
    let status = match tokio::time::timeout(config.ping_timeout, asking).await {
        Ok(Ok(None)) => return Evidence::Connected,
        Ok(Ok(Some(status))) => status,
        Ok(Err(why)) => return Evidence::PingFailed(format!("ping: {why}").into()),
        Err(_) if suspect => return Evidence::StillSilent,
        Err(_) => return Evidence::PingFailed("ping: no answer in time".into()),
    };
    match (&config.ping_path, status == config.ping_status) {
        (Some(_), false) => Evidence::PingFailed(
            format!("ping: status {} instead of {}", status.as_u16(), config.ping_status.as_u16()).into(),
        ),
        // Whatever a suspect says, it speaks.
        (None, _) | (Some(_), true) => Evidence::Answered,
    }
}

/// One request on a connection of its own.
async fn ask(
    stream: tokio::net::TcpStream,
    method: Method,
    target: Uri,
    host: &str,
) -> Result<StatusCode, Failure> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Failure::ClosedEarly)?;
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, host)
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Failure::Malformed)?;
    let answer = async {
        sender.send_request(request).await.map_err(|error| match error.is_parse() {
            true => Failure::Malformed,
            false => Failure::ClosedEarly,
        })
    };
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer.map(|answer| answer.status()),
        _ = connection => answer.await.map(|answer| answer.status()),
    }
}

/// Asks a running balancer whether it is well: what a container without a shell or curl checks its health by.
pub fn check_health(url: &Uri) -> ExitCode {
    match is_well(url) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {url}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn is_well(url: &Uri) -> Result<(), String> {
    let authority = url.authority().ok_or("not an address; write http://127.0.0.1:4030/healthz")?;
    let host = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80));
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let target: Uri = path.parse().map_err(|error| format!("{error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let asking = async {
        let stream = tokio::net::TcpStream::connect(host).await.map_err(|error| error.to_string())?;
        ask(stream, Method::GET, target, authority.as_str())
            .await
            .map_err(|failure| failure.words().to_owned())
    };
    let patience = Duration::from_secs(2);
    let status = runtime
        .block_on(async { tokio::time::timeout(patience, asking).await })
        .map_err(|_| format!("no answer within {} s", patience.as_secs()))??;
    if status.is_success() { Ok(()) } else { Err(format!("status {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_tenth() {
        let second = Duration::from_secs(1);
        assert_eq!(jittered(second, 0.0), Duration::from_millis(900));
        assert_eq!(jittered(second, 0.5), second);
        assert!(jittered(second, 1.0) <= Duration::from_millis(1100));
    }
}
