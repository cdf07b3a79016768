//! Sends requests to the admin port, with one connection for each.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Collected, Full, LengthLimitError, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::admin::CTL;
use crate::config::listen::Guess;
use crate::proxy::upstream::connect::connect_to_name;

/// Time limit for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Limit for an answer. The state has a few KiB for each backend, so no balancer sends so much.
const LONGEST: usize = 64 * 1024 * 1024;

/// Reads the address of an admin port.
///
/// # Errors
/// What to write instead.
pub(super) fn admin(text: &str) -> Result<Uri, String> {
    let guess = || match Guess::of(text).socket(Ipv4Addr::LOCALHOST, 4030) {
        Some(address) => format!("write http://{address}"),
        None => "write http://127.0.0.1:4030".to_owned(),
    };
    let is_number = text.parse::<u16>().is_ok();
    let uri =
        text.parse::<Uri>().ok().filter(|uri| uri.host().is_some_and(|host| !host.is_empty()) && !is_number);
    let uri = uri.ok_or_else(|| format!("it is not an address; {}", guess()))?;
    let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16());
    let bare = format!("http://{host}{}", port.map(|port| format!(":{port}")).unwrap_or_default());
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    // A fragment does not become a part of the URI.
    let has_path = !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('#');
    match (has_user, has_path) {
        (true, _) => Err(format!(
            "it names a user, but an admin port knows no users, only the token in LB_ADMIN_TOKEN; write {bare}"
        )),
        (false, true) => Err(format!("it has a path, but the command sets the path itself; write {bare}")),
        (false, false) => Ok(uri),
    }
}

/// The address and the token of a balancer.
#[derive(Debug)]
pub(super) struct Client {
    runtime: Runtime,
    authority: String,
    host: String,
    port: u16,
    token: Option<String>,
}

impl Client {
    /// A client of the balancer with this admin address.
    ///
    /// # Errors
    /// It is not an address.
    pub(super) fn new(admin: &Uri) -> Result<Self, String> {
        let authority = admin
            .authority()
            .ok_or_else(|| format!("'{admin}' is not an address; write http://127.0.0.1:4030"))?;
        if admin.scheme_str() == Some("https") {
            return Err(format!("the admin port does not support TLS; write http://{authority}"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            runtime: runtime.map_err(|error| error.to_string())?,
            authority: authority.to_string(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            token: std::env::var("LB_ADMIN_TOKEN").ok().filter(|token| !token.is_empty()),
        })
    }

    /// Sends a request, and returns the status and the JSON document of the answer; null if the answer is not
    /// JSON.
    ///
    /// # Errors
    /// There is no answer.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<(StatusCode, Value), String> {
        let limited = async { tokio::time::timeout(TIMEOUT, self.converse(method, path, body)).await };
        let answer = self.runtime.block_on(limited);
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", TIMEOUT.as_secs())));
        answer.map_err(|why| {
            format!("http://{}: {why}; give the admin address of the balancer with --admin", self.authority)
        })
    }

    async fn converse(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<(StatusCode, Value), String> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.authority)
            .header(USER_AGENT, format!("{CTL}/{}", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::<Bytes>::from(body.to_string()));
        let request =
            request.map_err(|_| "LB_ADMIN_TOKEN has characters that a token cannot have".to_owned())?;
        let connected = connect_to_name(&self.host, self.port, TIMEOUT).await;
        let stream = connected.map_err(|failure| failure.words().to_owned())?;
        let speaks_http = |error: hyper::Error| format!("the server there does not speak HTTP ({error})");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(speaks_http)?;
        let asking = async {
            let answer = sender.send_request(request).await.map_err(speaks_http)?;
            let status = answer.status();
            let body = whole(answer.into_body(), LONGEST).await?;
            let document: Value = serde_json::from_slice(&body).unwrap_or_default();
            match status.is_success() && !document.is_object() {
                true => Err("the server there is not the admin port of a balancer".to_owned()),
                false => Ok((status, document)),
            }
        };
        tokio::pin!(asking);
        tokio::select! {
            answer = &mut asking => answer,
            // The answer has been read to its end.
            _ = connection => asking.await,
        }
    }
}

/// Reads a body to its end.
///
/// # Errors
/// The body is longer than `longest` bytes, or it breaks off.
async fn whole<B>(body: B, longest: usize) -> Result<Bytes, String>
where
    B: hyper::body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let read = Limited::new(body, longest).collect().await;
    read.map(Collected::to_bytes).map_err(|error| match error.is::<LengthLimitError>() {
        true => format!("the answer is longer than {} MiB", longest / (1024 * 1024)),
        false => format!("the answer breaks off ({error})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_has_a_limit() {
        let body = |bytes: usize| Full::<Bytes>::from(vec![b' '; bytes]);
        let longest = 1024 * 1024;
        assert_eq!(whole(body(longest), longest).await.map(|read| read.len()), Ok(longest));
        let error = whole(body(longest + 1), longest).await.unwrap_err();
        assert_eq!(error, "the answer is longer than 1 MiB");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let table = [("/state", "write http://127.0.0.1:4030"), ("https://a:1", "write http://a:1")];
        for (admin, fix) in table {
            let error = Client::new(&Uri::from_static(admin)).unwrap_err();
            assert!(error.contains(fix), "{admin}: {error}");
        }
    }
}
