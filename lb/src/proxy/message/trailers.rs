//! Which fields may follow the body of an answer? Fields that are known only at its end, for clients that ask
//! for them.
//!
//! Some readers put trailers among the headers, and then take a trailer for a field of the head. So a sender
//! must not send a field as a trailer unless its definition permits that (RFC 9110, section 6.5.1). The rule
//! has two parts:
//!
//! 1. A field whose definition permits it passes: [`is_defined_there`].
//! 2. A field that the head of the answer announces in `Trailer` passes, because the backend has chosen it,
//!    unless it is one of the kinds that belong into a head: [`decides`].
//!
//! The trailers of requests are dropped, because a server cannot ask for them. nginx and Envoy do so as well
//! by default.

use http::header::{HeaderMap, HeaderName, TE, TRAILER};

use crate::proxy::message::head::Headers;
use crate::proxy::message::values::all_listed;
use crate::proxy::message::way::tells_the_way;

/// The largest number of announced names of one answer that are used. A section of trailers has no more
/// fields.
pub(crate) const MAX_TRAILERS: usize = 100;

/// Whether a client accepts trailers: RFC 9110, section 6.5.1.
pub(crate) fn takes_trailers(headers: &Headers) -> bool {
    all_listed(headers, &TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// The fields that an answer announces in `Trailer`, without those that never pass.
pub(crate) fn announced(headers: &Headers) -> Vec<HeaderName> {
    let named = all_listed(headers, &TRAILER).take(MAX_TRAILERS);
    let names = named.filter_map(|name| HeaderName::from_bytes(name).ok());
    names.filter(|name| is_defined_there(name.as_str()) || !decides(name.as_str())).collect()
}

/// The trailers of an answer that may pass, in their order. `announced` is the result of [`announced()`] for
/// its head.
pub(crate) fn sift(trailers: &HeaderMap, announced: &[HeaderName]) -> HeaderMap {
    let may_pass = |name: &HeaderName| is_defined_there(name.as_str()) || announced.contains(name);
    let passing = trailers.iter().filter(|(name, _)| may_pass(name));
    passing.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether the definition of a field with this name, in lower case, permits it as a trailer.
fn is_defined_there(name: &str) -> bool {
    const NAMES: [&str; 11] = [
        // RFC 9110, sections 8.8.3, 11.6.3 and 14.3.
        "etag",
        "authentication-info",
        "accept-ranges",
        // RFC 9530 and its predecessors: RFC 3230 and RFC 1864.
        "content-digest",
        "repr-digest",
        "digest",
        "content-md5",
        // RFC 9421.
        "signature",
        "signature-input",
        // RFC 9209, section 2.
        "proxy-status",
        // W3C Server Timing.
        "server-timing",
    ];
    // gRPC has its status there: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
    (NAMES.contains(&name) || name.starts_with("grpc-")) && !name.contains('_')
}

/// Fields that frame a message, concern a connection, or route a request.
const FRAMES_OR_ROUTES: [&str; 13] = [
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "expect",
    "host",
    "via",
    "cdn-loop",
    "max-forwards",
    "x-request-id",
];

/// Fields that identify or authenticate a client.
const AUTHENTICATES: [&str; 6] =
    ["authorization", "www-authenticate", "cookie", "cookie2", "set-cookie", "set-cookie2"];

/// Fields that control caches, browsers and servers.
const CONTROLS: [&str; 42] = [
    "activate-storage-access",
    "age",
    "allow",
    "alt-svc",
    "available-dictionary",
    "clear-site-data",
    "critical-ch",
    "date",
    "delta-base",
    "expect-ct",
    "expires",
    "feature-policy",
    "im",
    "integrity-policy",
    "last-modified",
    "link",
    "location",
    "login-status",
    "nel",
    "no-vary-search",
    "origin",
    "permissions-policy",
    "pragma",
    "priority",
    "public-key-pins",
    "range",
    "referrer-policy",
    "refresh",
    "report-to",
    "reporting-endpoints",
    "retry-after",
    "server",
    "service-worker-allowed",
    "set-login",
    "sourcemap",
    "speculation-rules",
    "status",
    "supports-loading-mode",
    "timing-allow-origin",
    "use-as-dictionary",
    "vary",
    "warning",
];

/// The beginnings of the names of fields of all these kinds.
const BEGINNINGS: [&str; 32] = [
    "content-",
    "proxy-",
    "access-control-",
    "sec-",
    "if-",
    "accept",
    "strict-transport-",
    "cross-origin-",
    "origin-",
    "document-",
    "require-document-",
    "attribution-reporting-",
    // Caches.
    "cache-",
    "cdn-",
    "surrogate-",
    "edge-",
    "x-cache",
    // Browsers.
    "x-frame-",
    "x-content-",
    "x-xss-",
    "x-ua-",
    "x-dns-",
    "x-download-",
    "x-permitted-",
    "x-robots-",
    // Servers that send a file, or forward the request, if an answer says so.
    "x-accel-",
    "x-sendfile",
    "x-litespeed-",
    "x-lighttpd-",
    "x-reproxy-",
    "x-http-method",
    "x-lb-",
];

/// Whether a field with this name, in lower case, is of a kind that belongs into a head, so that it does not
/// pass even if it is announced. Many servers do not distinguish underscores from hyphens, so no name with an
/// underscore passes.
fn decides(name: &str) -> bool {
    name.contains('_')
        // Any cache may have directives of its own: RFC 9213, section 2.1.
        || name.ends_with("-cache-control")
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || [&FRAMES_OR_ROUTES[..], &AUTHENTICATES, &CONTROLS].into_iter().any(|kind| kind.contains(&name))
        || tells_the_way(name)
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    /// Names that always pass.
    const DEFINED: &str = "\
        etag server-timing grpc-status grpc-message grpc-status-details-bin digest content-digest \
        repr-digest content-md5 signature signature-input accept-ranges authentication-info \
        proxy-status";

    /// Names that pass if they are announced.
    const OTHERS: &str = "\
        x-sum checksum x-checksum-sha256 x-amz-checksum-crc32 x-stream-error my-id";

    /// Names that never pass.
    const NEVER: &str = "\
        connection te trailer transfer-encoding upgrade keep-alive expect host via max-forwards \
        x-request-id content-length content_length content-type content-encoding content-range \
        content-security-policy cookie set-cookie authorization www-authenticate \
        proxy-authorization proxy-connection x-forwarded-for x-forwarded-port x-real-ip forwarded \
        remote-addr x-lb-attempt cache-control cdn-cache-control surrogate-control surrogate-key \
        edge-control age expires vary range if-match access-control-allow-origin location refresh \
        link server allow status accept-encoding x-frame-options x-content-type-options \
        x-accel-redirect x-accel-expires x-sendfile x-litespeed-location x_sum grpc_status \
        referrer-policy strict-transport-security x-robots-tag clear-site-data \
        netlify-cdn-cache-control akamai-cache-control no-vary-search public-key-pins \
        speculation-rules require-document-policy attribution-reporting-register-source priority im";

    /// Whether a trailer with this name passes, unannounced and announced.
    fn passes(name: &str) -> [bool; 2] {
        [String::new(), format!("x, {name}")].map(|announcement| {
            let mut headers = Headers::default();
            headers.append(TRAILER, HeaderValue::try_from(announcement).unwrap());
            let mut trailers = HeaderMap::new();
            trailers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_static("7"));
            !sift(&trailers, &announced(&headers)).is_empty()
        })
    }

    #[test]
    fn trailers_pass_if_they_are_defined_there_or_announced_and_decide_nothing() {
        for (names, expected) in [(DEFINED, [true, true]), (OTHERS, [false, true]), (NEVER, [false, false])] {
            for name in names.split_whitespace() {
                assert_eq!(passes(name), expected, "{name}");
            }
        }
    }

    #[test]
    fn trailers_cannot_smuggle() {
        let mut headers = Headers::default();
        for line in ["X-Sum, Content-Length", "Cookie,, no name, connection", "x-more"] {
            headers.append(TRAILER, HeaderValue::from_static(line));
        }
        assert_eq!(announced(&headers), ["x-sum", "x-more"]);
        let mut trailers = HeaderMap::new();
        for name in ["x-sum", "x-other", "content-length", "x-forwarded-for", "cookie", "connection", "te"] {
            trailers.append(name, HeaderValue::from_static("5"));
            trailers.append(name, HeaderValue::from_static("6"));
        }
        let passing = sift(&trailers, &announced(&headers));
        let left: Vec<_> = passing.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(left, [("x-sum", &b"5"[..]), ("x-sum", b"6")]);
    }
}
