//! What may stand behind a body? Trailers of answers, for clients that ask for them; and never what a head may not carry.
//!
//! A reader that puts trailers among the headers would take them for the balancer's word. So the trailers of requests, which
//! no server can ask for, are dropped: nginx and Envoy do so as well unless they are told otherwise. Those of answers pass
//! if the client sends `TE: trailers` (RFC 9110, section 6.5.1), but for the kinds of fields below.

use crate::proxy::way::tells_the_way;

/// Whether a trailer of an answer with this name, in lower case, may pass.
pub(super) fn may_pass(name: &str) -> bool {
    const FRAMES: [&str; 8] = [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "expect",
    ];
    const ROUTES: [&str; 5] = ["host", "via", "cdn-loop", "max-forwards", "x-request-id"];
    const AUTHENTICATES: [&str; 6] =
        ["authorization", "www-authenticate", "cookie", "cookie2", "set-cookie", "set-cookie2"];
    const CONTROLS: [&str; 13] = [
        "age",
        "alt-svc",
        "cache-control",
        "clear-site-data",
        "date",
        "expires",
        "location",
        "origin",
        "pragma",
        "range",
        "refresh",
        "retry-after",
        "vary",
    ];
    // RFC 9530 has digests in trailers.
    const CONTENT: [&str; 2] = ["content-digest", "content-md5"];
    const BEGINNINGS: [&str; 8] =
        ["content-", "proxy-", "access-control-", "sec-", "if-", "accept", "x-lb-", "strict-transport-"];
    let is_kind = |kind: &[&str]| kind.contains(&name);
    let begins = BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)) && !is_kind(&CONTENT);
    // Many servers cannot tell underscores from hyphens.
    !(name.contains('_')
        || begins
        || tells_the_way(name)
        || [&FRAMES[..], &ROUTES, &AUTHENTICATES, &CONTROLS].into_iter().any(is_kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_say_nothing_that_a_head_decides() {
        for name in [
            "connection",
            "te",
            "trailer",
            "transfer-encoding",
            "content-length",
            "content_length",
            "content-type",
            "content-encoding",
            "content-range",
            "host",
            "via",
            "cookie",
            "set-cookie",
            "authorization",
            "proxy-authorization",
            "proxy-connection",
            "keep-alive",
            "upgrade",
            "x-forwarded-for",
            "x-forwarded-port",
            "x-real-ip",
            "forwarded",
            "x-lb-attempt",
            "cache-control",
            "expect",
            "max-forwards",
            "range",
            "if-match",
            "x_sum",
            "access-control-allow-origin",
            "www-authenticate",
            "location",
            "accept-encoding",
        ] {
            assert!(!may_pass(name), "{name}");
        }
        for name in [
            "x-sum",
            "checksum",
            "etag",
            "server-timing",
            "grpc-status",
            "grpc-message",
            "content-digest",
            "signature",
        ] {
            assert!(may_pass(name), "{name}");
        }
    }
}
