//! Which requests the server of the page allows. Pure.
//!
//! A browser lets any page send simple requests to any address, and a page can change the address of its name
//! (DNS rebinding) and then read the answers. A page of another site must neither kill a backend nor read the
//! token. Therefore:
//!
//! - `Host` is `localhost`, `127.0.0.1` or `[::1]`, with the port of this server. A name of the public DNS is
//!   refused, so a page whose name was given this address gets nothing.
//! - A request from a page of another site is refused, as the browser reports it (`Origin`, RFC 6454, or
//!   `Sec-Fetch-Site`). To follow a link to the page is allowed.
//! - A command has the token of this start, and the content type JSON. A browser sends JSON to another site
//!   only after it has asked for permission, and this server never gives it.

use http::header::{CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use http::{HeaderMap, Method, StatusCode};

use super::token::Token;
use crate::endpoint::TOKEN_HEADER;

/// The path for commands.
pub(super) const COMMANDS: &str = "/commands";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The names of this machine that no DNS can give to another address.
const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The port that browsers leave out.
const USUAL_PORT: u16 = 80;

/// The refusal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// The error and its remedy.
    pub error: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }
}

/// Checks a request by its head. The server listens on this port and has this token.
///
/// # Errors
/// The request must be refused.
pub fn guard(
    headers: &HeaderMap,
    method: &Method,
    path: &str,
    token: &Token,
    port: u16,
) -> Result<(), Refusal> {
    let host = host(headers, port)?;
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    same_site(headers, host, is_read)?;
    match (is_read, path == COMMANDS) {
        (true, false) => Ok(()),
        (true, true) => Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "a command is a POST with Content-Type: application/json; GET changes nothing",
        )),
        (false, true) if *method == Method::POST => command(headers, token),
        (false, true) => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "send a command with POST")),
        (false, false) => {
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "only GET here; commands go to POST /commands"))
        }
    }
}

/// The host of the request, if it is this machine and this port.
fn host(headers: &HeaderMap, port: u16) -> Result<&str, Refusal> {
    let mut all = headers.get_all(HOST).iter();
    let (Some(host), None) = (all.next(), all.next()) else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "send one Host header"));
    };
    let host = host.to_str().unwrap_or_default();
    let is_ours = HOSTS.iter().any(|name| {
        // The length is that of the ASCII name, so this cuts no character in two.
        let rest = host.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name));
        rest.is_some_and(|_| match &host[name.len()..] {
            "" => port == USUAL_PORT,
            rest => rest.strip_prefix(':').is_some_and(|text| text == port.to_string()),
        })
    });
    match is_ours {
        true => Ok(host),
        false => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            format!("this page is only for this machine: open http://127.0.0.1:{port}/ there"),
        )),
    }
}

/// Refuses requests from pages of other sites.
fn same_site(headers: &HeaderMap, host: &str, is_read: bool) -> Result<(), Refusal> {
    let other = || {
        let error = "requests from pages of other sites are refused; open this address directly";
        Refusal::new(StatusCode::FORBIDDEN, error)
    };
    let text = |name: HeaderName| headers.get(name).map(http::HeaderValue::as_bytes);
    let is_visit = text(SEC_FETCH_MODE) == Some(b"navigate") && text(SEC_FETCH_DEST) == Some(b"document");
    match text(SEC_FETCH_SITE) {
        None | Some(b"same-origin") => {}
        // The user has typed the address, or has followed a link.
        Some(site) if is_read && (site == b"none" || is_visit) => {}
        Some(_) => return Err(other()),
    }
    match text(ORIGIN) {
        Some(origin) if !format!("http://{host}").as_bytes().eq_ignore_ascii_case(origin) => Err(other()),
        _ => Ok(()),
    }
}

/// Checks the head of a command.
fn command(headers: &HeaderMap, token: &Token) -> Result<(), Refusal> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        let error = "a command needs Content-Type: application/json";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    let mut shown = headers.get_all(TOKEN_HEADER).iter();
    match (shown.next(), shown.next()) {
        (Some(shown), None) if token.is(shown.as_bytes()) => Ok(()),
        (None, _) => Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "a command needs the header x-console-token; the page has it in <meta name=\"token\">",
        )),
        _ => Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "the token in x-console-token is not that of this start: load the page again",
        )),
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
