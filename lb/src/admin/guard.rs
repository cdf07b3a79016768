//! Who may ask the admin port for anything?
//!
//! The port is meant for people, scripts and programs of the operator's. What must not get through to it by accident is a
//! page in a browser that runs where the port can be reached: browsers let any page send simple requests anywhere, and
//! a page whose name stands for another address a moment later (DNS rebinding) even reads the answers. So:
//!
//! - `Host` has to be an address, or a name that nobody out there can hand out: without a dot, or below `.localhost`
//!   (RFC 6761) or `.internal`. Whoever has to use another name shows the token.
//! - A browser that says that another site's page is asking (`Origin`, RFC 6454, or `Sec-Fetch-Site`) is refused.
//! - What changes anything has to come as JSON, which browsers send for other sites only after asking whether they may. They
//!   are never told that they may.
//! - What changes anything has to show the token, if there is one. Without one, nothing can be changed at a port that
//!   listens beyond the loopback address.

use std::net::{IpAddr, SocketAddr};

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};

use crate::config::Token;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// What there is to guard.
#[derive(Debug)]
pub(super) struct Door<'a> {
    /// Where the port listens.
    pub(super) listens: SocketAddr,
    /// What whoever changes anything has to know.
    pub(super) token: Option<&'a Token>,
}

/// Why a request is turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// What is wrong, and what to do instead.
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

/// Judges a request by its headers; `changes` says whether it is to change anything.
///
/// # Errors
/// It must not be answered.
pub(super) fn judge(headers: &HeaderMap, changes: bool, door: &Door<'_>) -> Result<(), Refusal> {
    let shows_token = door.token.is_some_and(|token| bearer(headers).is_some_and(|shown| token.is(shown)));
    let host = host(headers)?;
    if let Some(host) = host.filter(|host| !shows_token && !is_near(host)) {
        return Err(forbidden(format!(
            "a page in a browser could use the name '{host}' for this address; use the IP address, or send the token"
        )));
    }
    let other_site = || forbidden("requests from pages of other sites are refused; open this address directly");
    let text = |name: HeaderName| headers.get(name).map(http::HeaderValue::as_bytes);
    let is_visit = || text(SEC_FETCH_MODE) == Some(b"navigate") && text(SEC_FETCH_DEST) == Some(b"document");
    match text(SEC_FETCH_SITE) {
        None | Some(b"same-origin" | b"none") => {}
        // Somebody has followed a link: he sees the answer, the page does not.
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
            let error = "changing anything takes the token: send Authorization: Bearer and the token, or set \
                         LB_ADMIN_TOKEN for lb ctl";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, error));
        }
        None if door.listens.ip().to_canonical().is_loopback() => {}
        None => {
            return Err(forbidden(format!(
                "nothing can be changed at {}, which other machines may reach, without a token: set admin_token in \
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

/// The host that the request names; nothing from a client so old that it names none, which no browser is.
fn host(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut all = headers.get_all(HOST).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(host), None) if host.to_str().is_ok() => Ok(host.to_str().ok()),
        _ => Err(Refusal::new(StatusCode::BAD_REQUEST, "there must be one Host header, with a valid host")),
    }
}

/// Whether a host is an address, or a name that no stranger can make stand for one.
fn is_near(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    // Nothing may stand there besides: it is lenient with what follows brackets.
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
