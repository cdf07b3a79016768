//! What must change in a message on its way through? Hop-by-hop headers, forwarding headers, framing.
//!
//! Pure functions on heads that `http1` has read, each rule with its section of RFC 9110 or 9112.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{Method, Response, StatusCode, Uri, Version, request};

use super::http1::request::expects_continue;
use super::refusal::Refusal;

/// This balancer's name in `Via` and `Proxy-Status`.
pub const PSEUDONYM: &str = "roundabout";

/// Says which attempt of its request a backend sees, from the second on.
pub const ATTEMPT: HeaderName = HeaderName::from_static("x-lb-attempt");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

const VIA_1_1: HeaderValue = HeaderValue::from_static("1.1 roundabout");
const PROTO_HTTP: HeaderValue = HeaderValue::from_static("http");
const UPGRADE_TOKEN: HeaderValue = HeaderValue::from_static("upgrade");
const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");

/// Makes a request's head ready for a backend. `client` is the client's IP address as a header value, and
/// `chunked` says that there is a body whose length is not known.
///
/// # Errors
/// A [`Refusal`] for a request that no backend may see.
pub fn prepare_request(
    head: &mut request::Parts,
    client: &HeaderValue,
    chunked: bool,
) -> Result<(), Refusal> {
    admit(head)?;
    // Each hop speaks its own version: RFC 9112, section 2.3.
    let special = Special::among(&head.headers);
    let asked_for_upgrade = if special.upgrade { requested_upgrade(head) } else { None };
    head.version = Version::HTTP_11;
    to_origin_form(head);
    if special.hop_by_hop {
        strip_hop_by_hop(&mut head.headers);
    }
    if special.attempt {
        head.headers.remove(ATTEMPT);
    }
    if let Some(protocol) = asked_for_upgrade {
        head.headers.insert(CONNECTION, UPGRADE_TOKEN);
        head.headers.insert(UPGRADE, protocol);
    }
    if chunked {
        // It was this hop's before, and it is the next one's again.
        head.headers.insert(TRANSFER_ENCODING, CHUNKED);
    }

    // What a client says about itself is replaced, not extended: nobody in front of this balancer is
    // trusted to speak for others.
    head.headers.insert(FORWARDED_FOR, client.clone());
    head.headers.insert(FORWARDED_PROTO, PROTO_HTTP);
    match head.headers.get(HOST).cloned() {
        Some(host) => head.headers.insert(FORWARDED_HOST, host),
        None => head.headers.remove(FORWARDED_HOST),
    };
    // A gateway must add itself: RFC 9110, section 7.6.3.
    head.headers.append(VIA, VIA_1_1);
    Ok(())
}

/// Refuses what no backend may see.
fn admit(head: &request::Parts) -> Result<(), Refusal> {
    if head.method == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    // A host is needed in every request of HTTP/1.1, and one is enough: RFC 9112, section 3.2.
    let mut hosts = head.headers.get_all(HOST).iter();
    let is_fine = match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host.as_bytes()),
        (None, _) => head.version == Version::HTTP_10,
        _ => false,
    };
    if !is_fine {
        return Err(Refusal::Host);
    }
    if head.uri.authority().is_some_and(|authority| !is_host(authority.as_str().as_bytes())) {
        return Err(Refusal::Target);
    }
    if head.headers.keys().any(is_disguised) {
        return Err(Refusal::Underscore);
    }
    expects_continue(&head.headers).map(drop)
}

/// Whether it is a host, with or without a port: RFC 3986, section 3.2.2. An empty one stands for none.
fn is_host(text: &[u8]) -> bool {
    let (host, port) = match text.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !text[colon..].contains(&b']') => (&text[..colon], &text[colon + 1..]),
        _ => (text, &b""[..]),
    };
    let port = std::str::from_utf8(port).unwrap_or("?");
    let is_port = port.is_empty() || (!port.starts_with('+') && port.parse::<u16>().is_ok());
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte);
    is_port
        && match host {
            [b'[', address @ .., b']'] => std::str::from_utf8(address)
                .is_ok_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
            name => name.iter().all(is_name),
        }
}

/// Whether a name differs only by underscores from one that frames or routes a message, or says who sent it. Many
/// servers make one variable of both, as CGI asks for (RFC 3875, section 4.1.18).
fn is_disguised(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.contains('_')
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

/// An answer that cannot be passed on: its framing contradicts itself, or it switches to a protocol that
/// nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonsense;

/// Makes the head of an answer to `request` ready for the client.
///
/// # Errors
/// [`Nonsense`], by RFC 9112, section 6.3, and RFC 9110, section 7.8.
pub fn prepare_response<B>(answer: &mut Response<B>, request: &request::Parts) -> Result<(), Nonsense> {
    let switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    if switched && (!request.headers.contains_key(UPGRADE) || !answer.headers().contains_key(UPGRADE)) {
        return Err(Nonsense);
    }
    *answer.version_mut() = Version::HTTP_11;
    let headers = answer.headers_mut();
    if !Special::among(headers).hop_by_hop {
        return Ok(());
    }
    let protocol = if switched { headers.get(UPGRADE).cloned() } else { None };
    strip_hop_by_hop(headers);
    if let Some(protocol) = protocol {
        headers.insert(CONNECTION, UPGRADE_TOKEN);
        headers.insert(UPGRADE, protocol);
    }
    Ok(())
}

/// The protocol a request asks to switch to, if it asks properly: RFC 9110, section 7.8. An upgrade to
/// HTTP/2 in the clear concerns this hop alone and is not passed on.
pub fn requested_upgrade(head: &request::Parts) -> Option<HeaderValue> {
    let protocol = head.headers.get(UPGRADE)?;
    let wanted = head.version == Version::HTTP_11
        && listed(&head.headers).any(|token| token.eq_ignore_ascii_case("upgrade"))
        && !protocol.as_bytes().to_ascii_lowercase().starts_with(b"h2c");
    wanted.then(|| protocol.clone())
}

/// The tokens that `Connection` lists.
fn listed(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Which headers there are that need a closer look. Most heads have none or one of them, so that one look along
/// the names is much cheaper than a look-up for each.
#[derive(Debug, Default, Clone, Copy)]
struct Special {
    hop_by_hop: bool,
    upgrade: bool,
    attempt: bool,
}

impl Special {
    fn among(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for name in headers.keys() {
            found.hop_by_hop |= is_hop_by_hop(name);
            found.upgrade |= *name == UPGRADE;
            found.attempt |= *name == ATTEMPT;
        }
        found
    }
}

/// Whether a header concerns one connection only, be it listed in `Connection` or not.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Removes what concerns one connection only: RFC 9110, section 7.6.1. Headers that frame or route the
/// message stay even if `Connection` lists them, or a client could make this balancer drop them.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let mut named = Vec::new();
    while let Some(name) = headers.keys().find(|name| is_hop_by_hop(name)).cloned() {
        if name == CONNECTION {
            let options = listed(headers).filter(|token| !["keep-alive", "close"].contains(token));
            named.extend(options.filter_map(|token| token.parse::<HeaderName>().ok()));
        }
        headers.remove(name);
    }
    for name in named.into_iter().filter(|name| *name != HOST && *name != CONTENT_LENGTH) {
        headers.remove(name);
    }
}

/// A target such as `http://host/path` becomes `/path`, and its authority the `Host`: RFC 9112, section 3.2.2.
fn to_origin_form(head: &mut request::Parts) {
    if head.uri.scheme().is_none() {
        return;
    }
    if let Some(host) = head.uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok()) {
        head.headers.insert(HOST, host);
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = path.parse().unwrap_or_else(|_| Uri::from_static("/"));
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const CLIENT: HeaderValue = HeaderValue::from_static("192.0.2.7");

    /// What a backend gets of a request with these headers.
    fn forwarded(target: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut head = request.body(()).unwrap().into_parts().0;
        if !head.headers.contains_key(HOST) {
            head.headers.insert(HOST, HeaderValue::from_static("h.example"));
        }
        prepare_request(&mut head, &CLIENT, false).unwrap();
        head
    }

    fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn forwarding_headers_tell_who_asked() {
        let head = forwarded("/", &[("host", "a.example"), ("via", "1.0 other")]);
        assert_eq!(values(&head.headers, "x-forwarded-for"), ["192.0.2.7"]);
        assert_eq!(values(&head.headers, "x-forwarded-proto"), ["http"]);
        assert_eq!(values(&head.headers, "x-forwarded-host"), ["a.example"]);
        assert_eq!(values(&head.headers, "via"), ["1.0 other", "1.1 roundabout"]);
    }

    #[test]
    fn what_a_client_claims_about_itself_is_replaced() {
        let head = forwarded(
            "/",
            &[("x-forwarded-for", "10.0.0.1"), ("x-forwarded-for", "10.0.0.2"), ("x-lb-attempt", "7")],
        );
        assert_eq!(values(&head.headers, "x-forwarded-for"), ["192.0.2.7"]);
        assert!(!head.headers.contains_key("x-lb-attempt"));
    }

    #[test]
    fn hop_by_hop_headers_stay_on_their_hop() {
        let head = forwarded(
            "/",
            &[
                ("host", "a"),
                ("connection", "close, X-Secret, Host, Content-Length"),
                ("x-secret", "1"),
                ("content-length", "0"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "keep-alive"),
                ("te", "gzip"),
                ("upgrade", "websocket"),
                ("x-kept", "1"),
            ],
        );
        let mut names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected = "content-length host via x-forwarded-for x-forwarded-host x-forwarded-proto x-kept";
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn forwarding_headers_survive_a_client_that_lists_them() {
        let head = forwarded("/", &[("connection", "x-forwarded-for, via, x-forwarded-host"), ("host", "a")]);
        assert_eq!(values(&head.headers, "x-forwarded-for"), ["192.0.2.7"]);
        assert_eq!(values(&head.headers, "via"), ["1.1 roundabout"]);
        assert_eq!(values(&head.headers, "x-forwarded-host"), ["a"]);
    }

    #[test]
    fn an_upgrade_passes_only_if_it_is_asked_for_properly() {
        let asks = |headers: &[(&str, &str)]| values(&forwarded("/", headers).headers, "upgrade");
        assert_eq!(asks(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]), ["websocket"]);
        assert_eq!(asks(&[("upgrade", "websocket")]), Vec::<String>::new());
        let h2c = [("connection", "upgrade, http2-settings"), ("upgrade", "h2c"), ("http2-settings", "x")];
        assert_eq!(asks(&h2c), Vec::<String>::new());
    }

    #[test]
    fn an_absolute_target_becomes_a_path_and_a_host() {
        let head = forwarded("http://b.example:81/x?y=1", &[("host", "a.example")]);
        assert_eq!(head.uri, "/x?y=1");
        assert_eq!(values(&head.headers, "host"), ["b.example:81"]);
    }

    #[test]
    fn connect_is_refused() {
        let mut head = Request::connect("a.example:80").body(()).unwrap().into_parts().0;
        assert_eq!(prepare_request(&mut head, &CLIENT, false), Err(Refusal::Connect));
    }

    #[test]
    fn hosts_are_told_from_what_is_none() {
        for host in [
            "",
            "a",
            "a.example.",
            "A-1_b~",
            "a%20b",
            "a:",
            "a:0",
            "a:65535",
            "[::1]",
            "[::1]:80",
            "1.2.3.4:5",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for text in [
            "a b", "a/b", "a?b", "a#b", "u@a", "a:x", "a:+1", "a:65536", "::1", "[::1", "[a]", "[::1]x",
            "\u{e9}",
        ] {
            assert!(!is_host(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_disguise_is_seen_through() {
        let is_disguised = |name: &'static str| is_disguised(&HeaderName::from_static(name));
        assert!(is_disguised("transfer_encoding") && is_disguised("x_forwarded-for"));
        assert!(!is_disguised("x-forwarded-for") && !is_disguised("x_custom"));
    }

    #[test]
    fn a_switch_that_nobody_asked_for_is_refused() {
        let request = forwarded("/", &[]);
        let answer = |status: u16, headers: &[(&str, &str)]| {
            let mut answer = Response::builder().status(status);
            for (name, value) in headers {
                answer = answer.header(*name, *value);
            }
            prepare_response(&mut answer.body(()).unwrap(), &request)
        };
        assert_eq!(answer(101, &[("upgrade", "websocket")]), Err(Nonsense), "nobody asked for it");
    }
}
