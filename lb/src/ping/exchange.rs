//! A ping with a path: its request, and the check of its answer.

use std::sync::Arc;

use balance::health::Evidence;
use balance::verdict::Failure;
use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::time::timeout;

use crate::config::Config;
use crate::pool::Backend;
use crate::proxy::upstream::connect::reach;
use crate::resolver::Resolver;
use crate::statuses::Statuses;
use crate::transport::Stream;

/// Bytes of an answer's body that are read. A longer body counts as complete.
const MOST: usize = 64 * 1024;

/// Requests a path from a backend, and returns whether the answer is as configured. The time limit of pings
/// applies to connecting, and again to the complete answer.
///
/// # Errors
/// There was no complete answer.
pub(super) async fn ask_for(
    backend: &Arc<Backend>,
    path: &Uri,
    config: &Config,
    resolver: &Resolver,
) -> Result<Evidence, Failure> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = config.ping.method.clone();
    *request.uri_mut() = path.clone();
    request.headers_mut().insert(HOST, host(backend, config)?);
    for (name, value) in &config.ping.headers {
        request.headers_mut().append(name, value.clone());
    }
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    if config.ping.method == Method::POST {
        // A method that usually has content must say that there is none: RFC 9110, section 8.6.
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let stream = reach(backend, config.ping.port, config.ping_timeout, resolver).await?;
    let answer = timeout(config.ping_timeout, ask(stream, request)).await;
    let (status, body) = answer.unwrap_or(Err(Failure::HeadTimeout))?;
    Ok(match objection(status, &body, &config.ping.status, config.ping.body.as_deref()) {
        Some(objection) => Evidence::PingFailed(format!("ping: {objection}").into()),
        None => Evidence::Answered,
    })
}

/// The `Host` header of a ping of this backend.
///
/// # Errors
/// The name of the backend cannot be in a header.
pub(super) fn host(backend: &Backend, config: &Config) -> Result<HeaderValue, Failure> {
    let own = || HeaderValue::try_from(backend.address.authority()).map_err(|_| Failure::Unresolved);
    config.ping.host.clone().map_or_else(own, Ok)
}

/// The error in an answer to a ping, if there is one.
fn objection(status: StatusCode, body: &[u8], expected: &Statuses, contains: Option<&str>) -> Option<String> {
    if !expected.has(status) {
        return Some(format!("status {} instead of {expected}", status.as_u16()));
    }
    let misses = |text: &&str| memmem::find(body, text.as_bytes()).is_none();
    contains.filter(misses).map(|text| format!("its answer does not contain '{}'", text.escape_debug()))
}

/// Sends one request on a separate connection, and reads the complete answer.
///
/// # Errors
/// There was no complete answer.
pub(super) async fn ask(
    stream: Stream,
    request: Request<Empty<Bytes>>,
) -> Result<(StatusCode, Bytes), Failure> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Failure::ClosedEarly)?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|error| match error.is_parse() {
            true => Failure::Malformed,
            false => Failure::ClosedEarly,
        })?;
        let (head, mut body) = answer.into_parts();
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Failure::BrokeOff)?;
            let data = frame.into_data().unwrap_or_default();
            read.extend_from_slice(&data[..data.len().min(MOST - read.len())]);
            if read.len() == MOST {
                break;
            }
        }
        Ok((head.status, read.freeze()))
    };
    tokio::pin!(exchange);
    tokio::select! {
        answered = &mut exchange => answered,
        _ = connection => exchange.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_needs_one_of_the_statuses_and_what_it_must_contain() {
        let good = Statuses::read(&["200", "300-399"]).unwrap();
        let table = [
            (200, "", None, None),
            (302, "", None, None),
            (503, "ready", Some("ready"), Some("status 503 instead of 200, 300-399")),
            (200, "not yet", Some("ready"), Some("its answer does not contain 'ready'")),
            (200, "it is ready.", Some("ready"), None),
        ];
        for (code, body, contains, expected) in table {
            let status = StatusCode::from_u16(code).unwrap();
            let objection = objection(status, body.as_bytes(), &good, contains);
            assert_eq!(objection.as_deref(), expected, "{code} {body}");
        }
    }
}
