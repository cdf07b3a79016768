//! Which requests the admin port allows.
//!
//! People, scripts and programs of the operator use this port. Pages in a browser must not reach it by
//! accident: a browser lets any page send simple requests to any address. A page can also change the address
//! of its name (DNS rebinding) and then read the answers. Therefore:
//!
//! - `Host` must be an address, or a name that cannot exist in the public DNS: without a dot, or below
//!   `.localhost` (RFC 6761) or `.internal`. A client that needs another name must send the token.
//! - A request from a page of another site is refused, as the browser reports it (`Origin`, RFC 6454, or
//!   `Sec-Fetch-Site`).
//! - Each change must have the content type JSON. A browser sends JSON to another site only after it has
//!   asked for permission, and the admin port never gives this permission.
//! - If there is a token, each change must have it. Without a token, changes are possible only if the port
//!   listens on a loopback address.

use std::net::{IpAddr, SocketAddr};

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};

use crate::config::Token;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The settings of the port that the guard needs.
#[derive(Debug)]
pub(super) struct Door<'a> {
    /// The address that the port listens on.
    pub(super) listens: SocketAddr,
    /// The token that is required for changes.
    pub(super) token: Option<&'a Token>,
}

/// The refusal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// The error and its remedy.
    pub(super) error: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }
}

fn forbidden(error: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, error)
}

/// Checks a request by its headers; `changes` is true if the request is a change.
///
/// # Errors
/// The request must be refused.
pub(super) fn judge(headers: &HeaderMap, changes: bool, door: &Door<'_>) -> Result<(), Refusal> {
    let shows_token = door.token.is_some_and(|token| bearer(headers).is_some_and(|shown| token.is(shown)));
    let host = host(headers)?;
    if let Some(host) = host.filter(|host| !shows_token && !is_near(host)) {
        return Err(forbidden(format!(
            "a page in a browser could use the name '{host}' for this address; use the IP address, or send the token"
        )));
    }
    let other_site =
        || forbidden("requests from pages of other sites are refused; open this address directly");
    let text = |name: HeaderName| headers.get(name).map(http::HeaderValue::as_bytes);
    let is_visit = || text(SEC_FETCH_MODE) == Some(b"navigate") && text(SEC_FETCH_DEST) == Some(b"document");
    match text(SEC_FETCH_SITE) {
        None | Some(b"same-origin" | b"none") => {}
        // The user has followed a link: the user sees the answer, but the page does not.
        Some(_) if !changes && is_visit() => {}
        Some(_) => return Err(other_site()),
    }
    if let Some(origin) = text(ORIGIN) {
        let own = host.map(|host| format!("http://{host}"));
        if own.is_none_or(|own| !own.as_bytes().eq_ignore_ascii_case(origin)) {
            return Err(other_site());
        }
    }
    if !changes {
        return Ok(());
    }
    match door.token {
        Some(_) if shows_token => {}
        Some(_) => {
            let error = "changes need the token: send Authorization: Bearer and the token, or set \
                         LB_ADMIN_TOKEN for lb ctl";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, error));
        }
        None if door.listens.ip().to_canonical().is_loopback() => {}
        None => {
            return Err(forbidden(format!(
                "changes at {}, which other machines may reach, need a token: set admin_token in \
                 the file or LB_ADMIN_TOKEN in the balancer's environment",
                door.listens
            )));
        }
    }
    match is_json(headers) {
        true => Ok(()),
        false => Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "a change needs Content-Type: application/json, even with an empty body",
        )),
    }
}

/// The host in the request; `None` for an old client that sends none. Browsers always send one.
fn host(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut all = headers.get_all(HOST).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(host), None) if host.to_str().is_ok() => Ok(host.to_str().ok()),
        _ => Err(Refusal::new(StatusCode::BAD_REQUEST, "there must be one Host header, with a valid host")),
    }
}

/// Whether a host is an address, or a name that an outsider cannot give to another address.
fn is_near(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    // The port is the only thing allowed after the host; `host()` ignores other text after brackets.
    let port = authority.as_str().strip_prefix(authority.host());
    if !port.is_some_and(|port| port.is_empty() || port.starts_with(':')) {
        return false;
    }
    let name = authority.host().to_ascii_lowercase();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let name = name.strip_suffix('.').unwrap_or(&name);
    bare.parse::<IpAddr>().is_ok()
        || !name.contains('.')
        || name.ends_with(".localhost")
        || name.ends_with(".internal")
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
