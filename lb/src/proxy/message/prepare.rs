//! How must a message change between the two sides? Hop-by-hop headers, forwarding headers, framing.
//!
//! Pure functions on heads that `http1` has read, each rule with its section of RFC 9110 or 9112.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, MAX_FORWARDS, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, StatusCode, Version};
use memchr::memchr;

use crate::proxy::message::forwarded;
use crate::proxy::message::head::{Headers, RequestHead, ResponseHead};
use crate::proxy::message::hop::Hop;
use crate::proxy::message::refusal::Refusal;
use crate::proxy::message::trailers;
use crate::proxy::message::trailers::takes_trailers;
use crate::proxy::message::values::{all_listed, is_token, number};
use crate::proxy::message::via;
use crate::proxy::message::way::tells_the_way;

/// Tells a backend the number of the attempt, from the second on.
pub(crate) const ATTEMPT: HeaderName = HeaderName::from_static("x-lb-attempt");

const UPGRADE_TOKEN: HeaderValue = HeaderValue::from_static("upgrade");
const TE_TOKEN: HeaderValue = HeaderValue::from_static("te");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");

/// Prepares a request's head for a backend. `chunked` says that there is a body of unknown length.
///
/// # Errors
/// A [`Refusal`] for a request that no backend may get.
pub(crate) fn prepare_request(head: &mut RequestHead, hop: Hop<'_>, chunked: bool) -> Result<(), Refusal> {
    let mut special = Special::among(&head.headers);
    if special.expect && head.version == Version::HTTP_10 {
        // A server must ignore such an expectation: RFC 9110, section 10.1.1.
        head.headers.remove(&EXPECT);
        special.expect = false;
    }
    admit(head, special)?;
    if special.via && via::has_come_by(&head.headers, hop.name) {
        return Err(Refusal::Loop);
    }
    let asked_for_upgrade = if special.upgrade { requested_upgrade(head) } else { None };
    let takes_trailers = special.te && takes_trailers(&head.headers);
    to_origin_form(head);
    if special.hop_by_hop {
        strip_hop_by_hop(&mut head.headers);
    }
    if special.attempt {
        head.headers.remove(&ATTEMPT);
    }
    if takes_trailers {
        // The client accepts trailers and they are forwarded, so this hop accepts them, too: RFC 9110,
        // section 10.1.4.
        head.headers.insert(TE, TRAILERS);
        head.headers.append(CONNECTION, TE_TOKEN);
    }
    if let Some(protocol) = asked_for_upgrade {
        head.headers.append(CONNECTION, UPGRADE_TOKEN);
        head.headers.insert(UPGRADE, protocol);
    }
    if chunked {
        // The header was for the previous hop, and is needed again for the next one.
        head.headers.insert(TRANSFER_ENCODING, CHUNKED);
    }

    forwarded::write_forwarded(&mut head.headers, hop, special.way);
    hop.via.leave(&mut head.headers);
    Ok(())
}

/// Counts this balancer as one of the hops of a `TRACE` or `OPTIONS`, and returns whether it is the last one:
/// in that case, the balancer has to answer itself (RFC 9110, section 7.6.2).
pub(crate) fn is_last_hop(head: &mut RequestHead) -> bool {
    if head.method != Method::TRACE && head.method != Method::OPTIONS {
        return false;
    }
    let left = head.headers.get(&MAX_FORWARDS).and_then(|value| number(value.as_bytes()));
    if let Some(fewer) = left.and_then(|left| left.checked_sub(1)) {
        head.headers.insert(MAX_FORWARDS, fewer.into());
    }
    left == Some(0)
}

/// Refuses requests that no backend may get.
fn admit(head: &RequestHead, special: Special) -> Result<(), Refusal> {
    if head.method == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    // Every request of HTTP/1.1 needs exactly one host: RFC 9112, section 3.2.
    let name = HOST;
    let mut hosts = head.headers.get_all(&name);
    let authority = head.uri.authority();
    let is_fine = match (hosts.next(), hosts.next()) {
        // The host of an absolute target has priority: RFC 9112, section 3.2.2.
        (Some(host), None) if host.is_empty() => authority.is_some(),
        (Some(host), None) => is_host(host.as_bytes()),
        (None, _) => head.version == Version::HTTP_10,
        _ => false,
    };
    if !is_fine {
        return Err(Refusal::Host);
    }
    if authority.is_some_and(|authority| !is_host(&authority)) {
        return Err(Refusal::Target);
    }
    if special.disguised {
        return Err(Refusal::Underscore);
    }
    if special.expect && !expects_continue(&head.headers) {
        return Err(Refusal::Expectation);
    }
    Ok(())
}

/// Whether a client waits for 100 Continue before it sends its body, and expects nothing else: RFC 9110,
/// section 10.1.1.
fn expects_continue(headers: &Headers) -> bool {
    let name = EXPECT;
    let mut expectations = headers.get_all(&name);
    let first = expectations.next().is_some_and(|one| one.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    first && expectations.next().is_none()
}

/// The bytes that are allowed in a host, unless it has encoded bytes.
const HOST_BYTES: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0);
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let (others, mut n) = (b"-._~!$&'()*+,;=", 0);
    while n < others.len() {
        table[others[n] as usize] = true;
        n += 1;
    }
    table
};

/// Whether the text is a host, with or without a port: RFC 3986, section 3.2.2. In HTTP it is never empty:
/// RFC 9110, section 4.2.1.
fn is_host(text: &[u8]) -> bool {
    let (host, port) = match text.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !text[colon..].contains(&b']') => (&text[..colon], &text[colon + 1..]),
        _ => (text, &b""[..]),
    };
    let digit = |port: u32, byte: &u8| {
        let next = port * 10 + u32::from(byte.wrapping_sub(b'0'));
        (byte.is_ascii_digit() && next <= u16::MAX.into()).then_some(next)
    };
    port.iter().try_fold(0, digit).is_some()
        && match host {
            [b'[', address @ .., b']'] => std::str::from_utf8(address)
                .is_ok_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
            name => {
                let is_plain = |byte: &u8| HOST_BYTES[usize::from(*byte)];
                !name.is_empty() && (name.iter().all(is_plain) || is_encoded_name(name))
            }
        }
}

/// Whether the text is a name with encoded bytes, each of them a percent sign with two digits (RFC 3986,
/// section 2.1). Names have no control characters: a server that decodes one could end the name there.
#[cold]
fn is_encoded_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let [byte, behind @ ..] = rest {
        rest = match (byte, behind) {
            (b'%', [high, low, behind @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let is_control = matches!((high, low), (b'0' | b'1', _) | (b'7', b'f' | b'F'));
                if is_control {
                    return false;
                }
                behind
            }
            (byte, behind) if HOST_BYTES[usize::from(*byte)] => behind,
            _ => return false,
        };
    }
    true
}

/// Whether a name differs only by underscores from a header that frames or routes a message, or names its
/// client. Many servers make one variable of both, as CGI requires (RFC 3875, section 4.1.18).
fn is_disguised(name: &HeaderName) -> bool {
    let name = name.as_str();
    memchr(b'_', name.as_bytes()).is_some()
        && matches!(
            name.replace('_', "-").as_str(),
            "transfer-encoding"
                | "content-length"
                | "x-forwarded-for"
                | "x-forwarded-proto"
                | "x-forwarded-host"
                | "x-lb-attempt"
        )
}

/// An answer that cannot be forwarded: its framing contradicts itself, or it switches to a protocol without a
/// request for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidResponse;

/// All values of a header as one, if there are any: RFC 9110, section 5.3.
fn joined(headers: &Headers, name: &HeaderName) -> Option<HeaderValue> {
    let values: Vec<_> = headers.get_all(name).map(HeaderValue::as_bytes).collect();
    let value = (!values.is_empty()).then(|| values.join(&b", "[..]))?;
    HeaderValue::from_bytes(&value).ok()
}

/// Prepares the head of an answer to `request` for the client.
///
/// # Errors
/// [`InvalidResponse`], by RFC 9112, section 6.3, and RFC 9110, section 7.8.
pub(crate) fn prepare_response(
    answer: &mut ResponseHead,
    request: &RequestHead,
) -> Result<(), InvalidResponse> {
    let switched = answer.status == StatusCode::SWITCHING_PROTOCOLS;
    if switched && !is_asked_for(&answer.headers, &request.headers) {
        return Err(InvalidResponse);
    }
    let headers = &mut answer.headers;
    if !headers.names().any(is_hop_by_hop) {
        return Ok(());
    }
    // A 426 must name the protocols to switch to: RFC 9110, section 15.5.22.
    let names_protocol = switched || answer.status == StatusCode::UPGRADE_REQUIRED;
    let protocol = if names_protocol { joined(headers, &UPGRADE) } else { None };
    // The trailers that may pass are announced to a client that accepts them and gets the body in chunks.
    let passes = request.version == Version::HTTP_11
        && request.headers.contains(&TE)
        && headers.contains(&TRANSFER_ENCODING);
    let trailers = if passes { announcement(headers) } else { None };
    strip_hop_by_hop(headers);
    if let Some(trailers) = trailers {
        headers.insert(TRAILER, trailers);
    }
    if let Some(protocol) = protocol {
        headers.insert(CONNECTION, UPGRADE_TOKEN);
        headers.insert(UPGRADE, protocol);
    }
    Ok(())
}

/// Prepares the head of an interim answer for a client: without headers that concern one connection only, and
/// without a length, because it has no body (RFC 9110, section 15.2).
pub(crate) fn prepare_interim(interim: &mut ResponseHead) {
    strip_hop_by_hop(&mut interim.headers);
    interim.headers.remove(&CONTENT_LENGTH);
}

/// The `Trailer` header of an answer for the trailers that may pass.
fn announcement(headers: &Headers) -> Option<HeaderValue> {
    let is_usual = |option: &[u8]| {
        option.is_empty()
            || [&b"close"[..], b"keep-alive"].iter().any(|usual| option.eq_ignore_ascii_case(usual))
    };
    // Headers that `Connection` lists could also be trailers, so then no trailers pass.
    if !headers.contains(&TRAILER) || !all_listed(headers, &CONNECTION).all(is_usual) {
        return None;
    }
    let names = trailers::announced(headers);
    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
    (!names.is_empty()).then(|| HeaderValue::try_from(names.join(", ")).ok())?
}

/// The protocols that a request asks to switch to, if the request is correct: RFC 9110, section 7.8. An
/// upgrade to another version of HTTP concerns this hop alone and is not forwarded.
pub(crate) fn requested_upgrade(head: &RequestHead) -> Option<HeaderValue> {
    let asks = head.version == Version::HTTP_11
        && all_listed(&head.headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
    let protocols: Vec<_> =
        all_listed(&head.headers, &UPGRADE).filter(|protocol| may_be_spoken(protocol)).collect();
    (asks && !protocols.is_empty()).then(|| HeaderValue::from_bytes(&protocols.join(&b", "[..])).ok())?
}

/// Whether the text is a protocol, with or without a version, and not HTTP itself: `h2c`, `h2`, `HTTP/2.0`.
fn may_be_spoken(protocol: &[u8]) -> bool {
    let (name, version) = versioned(protocol);
    let name_is = |start: &[u8]| name.get(..start.len()).is_some_and(|name| name.eq_ignore_ascii_case(start));
    is_token(name)
        && version.is_none_or(is_token)
        && !(name_is(b"h2") || name_is(b"h3") || name.eq_ignore_ascii_case(b"http"))
}

fn versioned(protocol: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr(b'/', protocol) {
        Some(slash) => (&protocol[..slash], Some(&protocol[slash + 1..])),
        None => (protocol, None),
    }
}

/// Whether an answer switches to the protocols that its request asked for, and to no other: RFC 9110, section
/// 7.8.
fn is_asked_for(answer: &Headers, request: &Headers) -> bool {
    let is_same = |one: &[u8], other: &[u8]| {
        let ((one, version), (other, others)) = (versioned(one), versioned(other));
        let versions = version.zip(others).is_none_or(|(one, other)| one.eq_ignore_ascii_case(other));
        one.eq_ignore_ascii_case(other) && versions
    };
    let was_asked = |chosen: &[u8]| all_listed(request, &UPGRADE).any(|asked| is_same(asked, chosen));
    answer.contains(&UPGRADE) && all_listed(answer, &UPGRADE).all(was_asked)
}

/// The headers that need further checks. Most heads have none or one of them, so one pass over the names is
/// much cheaper than a search for each.
#[derive(Debug, Default, Clone, Copy)]
struct Special {
    hop_by_hop: bool,
    te: bool,
    upgrade: bool,
    via: bool,
    expect: bool,
    attempt: bool,
    way: bool,
    disguised: bool,
}

impl Special {
    fn among(headers: &Headers) -> Self {
        let mut found = Self::default();
        for name in headers.names() {
            found.hop_by_hop |= is_hop_by_hop(name);
            match name.as_str() {
                "te" => found.te = true,
                "upgrade" => found.upgrade = true,
                "expect" => found.expect = true,
                "x-lb-attempt" => found.attempt = true,
                other => {
                    found.via |= via::tells_where(other);
                    found.way |= tells_the_way(other);
                    found.disguised |= is_disguised(name);
                }
            }
        }
        found
    }
}

/// Whether a header concerns one connection only, listed in `Connection` or not. So does `Trailer`, because
/// trailers usually end here.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Removes headers that concern one connection only: RFC 9110, section 7.6.1. Headers that frame or route the
/// message stay even if `Connection` lists them: otherwise a client could make this balancer drop them.
fn strip_hop_by_hop(headers: &mut Headers) {
    let named: Vec<_> = all_listed(headers, &CONNECTION)
        .filter(|token| ![&b"keep-alive"[..], b"close"].contains(token))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .filter(|name| *name != HOST && *name != CONTENT_LENGTH)
        .collect();
    headers.retain(|name| !is_hop_by_hop(name) && !named.contains(name));
}

/// Changes a target such as `http://host/path` to `/path`, and its authority to `Host`: RFC 9112, section
/// 3.2.2.
fn to_origin_form(head: &mut RequestHead) {
    let Some(authority) = head.uri.authority() else { return };
    if let Ok(host) = HeaderValue::from_maybe_shared(authority) {
        head.headers.insert(HOST, host);
    }
    head.uri = head.uri.origin_form();
}

#[cfg(test)]
#[path = "prepare_tests.rs"]
mod tests;
