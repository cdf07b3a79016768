//! Tests: how a head changes on its way through the balancer, rule by rule.

use std::sync::LazyLock;

use http::Request;
use http::header::VIA;

use super::*;
use crate::proxy::message::via::Mark;

static CLIENT: HeaderValue = HeaderValue::from_static("192.0.2.7");
static MARK: LazyLock<Mark> = LazyLock::new(|| Mark::new("lb-1", true));

fn hop() -> Hop<'static> {
    Hop { client: &CLIENT, trusted: false, name: "lb-1", via: &MARK }
}

/// The head that a backend gets for a request with these headers.
fn forwarded(target: &str, headers: &[(&str, &str)]) -> RequestHead {
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut head = RequestHead::from(request.body(()).unwrap().into_parts().0);
    if !head.headers.contains(&HOST) {
        head.headers.insert(HOST, HeaderValue::from_static("h.example"));
    }
    prepare_request(&mut head, hop(), false).unwrap();
    head
}

fn values(headers: &Headers, name: &str) -> Vec<String> {
    let name = name.parse().unwrap();
    headers.get_all(&name).map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[test]
fn forwarding_headers_name_the_client() {
    let head = forwarded("/", &[("host", "a.example"), ("via", "1.0 other")]);
    assert_eq!(values(&head.headers, "x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(values(&head.headers, "x-forwarded-proto"), ["http"]);
    assert_eq!(values(&head.headers, "x-forwarded-host"), ["a.example"]);
    assert_eq!(values(&head.headers, "via"), ["1.0 other", "1.1 lb-1"]);
}

#[test]
fn what_a_client_claims_about_itself_is_replaced() {
    let head = forwarded(
        "/",
        &[("x-forwarded-for", "10.0.0.1"), ("x-forwarded-for", "10.0.0.2"), ("x-lb-attempt", "7")],
    );
    assert_eq!(values(&head.headers, "x-forwarded-for"), ["192.0.2.7"]);
    assert!(!head.headers.contains(&ATTEMPT));
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
    let mut names: Vec<_> = head.headers.names().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let expected = "content-length host via x-forwarded-for x-forwarded-host x-forwarded-proto x-kept";
    assert_eq!(names.join(" "), expected);
}

#[test]
fn forwarding_headers_survive_a_client_that_lists_them() {
    let head = forwarded("/", &[("connection", "x-forwarded-for, via, x-forwarded-host"), ("host", "a")]);
    assert_eq!(values(&head.headers, "x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(values(&head.headers, "via"), ["1.1 lb-1"]);
    assert_eq!(values(&head.headers, "x-forwarded-host"), ["a"]);
}

#[test]
fn an_upgrade_passes_only_if_it_is_asked_for_properly() {
    let asks = |headers: &[(&str, &str)]| values(&forwarded("/", headers).headers, "upgrade");
    assert_eq!(asks(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]), ["websocket"]);
    assert_eq!(asks(&[("upgrade", "websocket")]), Vec::<String>::new());
    let h2c = [("connection", "upgrade, http2-settings"), ("upgrade", "h2c"), ("http2-settings", "x")];
    assert_eq!(asks(&h2c), Vec::<String>::new());
    for (list, expected) in [
        ("foo, h2c", "foo"),
        ("H2C,foo/1", "foo/1"),
        ("foo, h2c, bar", "foo, bar"),
        ("h2c-14, websocket, HTTP/2.0, h2, http/3", "websocket"),
        ("foo,,bar", "foo, bar"),
        ("foo bar, baz", "baz"),
        ("h2o", ""),
        ("h2c, , HTTP/2.0", ""),
        ("", ""),
        ("/1", ""),
    ] {
        let passed = asks(&[("connection", "upgrade"), ("upgrade", list)]);
        assert_eq!(passed.join("|"), expected, "{list}");
    }
    let lines = [("connection", "upgrade"), ("upgrade", "h2c"), ("upgrade", "foo"), ("upgrade", "bar")];
    assert_eq!(asks(&lines), ["foo, bar"]);
}

#[test]
fn an_absolute_target_becomes_a_path_and_a_host() {
    let head = forwarded("http://b.example:81/x?y=1", &[("host", "a.example")]);
    assert_eq!(head.uri.to_string(), "/x?y=1");
    assert_eq!(values(&head.headers, "host"), ["b.example:81"]);
}

#[test]
fn an_absolute_target_may_have_a_query_and_no_path() {
    assert_eq!(forwarded("http://b.example?x=1", &[]).uri.to_string(), "/?x=1");
    assert_eq!(forwarded("http://b.example", &[]).uri.to_string(), "/");
}

#[test]
fn options_beside_malformed_ones_are_used() {
    let request = Request::get("/").header(HOST, "h").header("x-secret", "1");
    let mut head = RequestHead::from(request.body(()).unwrap().into_parts().0);
    head.headers.insert(CONNECTION, HeaderValue::from_bytes(b"x-secret, \xff").unwrap());
    let mut again = head.clone();
    prepare_request(&mut head, hop(), false).unwrap();
    assert!(!head.headers.contains(&HeaderName::from_static("x-secret")));
    again.headers.insert(VIA, HeaderValue::from_bytes(b"1.1 \xff, 1.1 lb-1").unwrap());
    assert_eq!(prepare_request(&mut again, hop(), false), Err(Refusal::Loop));
}

#[test]
fn connect_is_refused() {
    let mut head = RequestHead { method: Method::CONNECT, ..RequestHead::default() };
    assert_eq!(prepare_request(&mut head, hop(), false), Err(Refusal::Connect));
}

#[test]
fn hops_are_counted_down() {
    let counted = |method: Method, max: &str| {
        let request = Request::builder().method(method).header("max-forwards", max);
        let mut head = RequestHead::from(request.body(()).unwrap().into_parts().0);
        (is_last_hop(&mut head), values(&head.headers, "max-forwards").join("|"))
    };
    assert_eq!(counted(Method::OPTIONS, "2"), (false, "1".to_owned()));
    assert_eq!(counted(Method::TRACE, "0"), (true, "0".to_owned()));
    for none in ["x", "+1", "+0", "-1", "0x1", "1 ", "1, 0", "", "18446744073709551616"] {
        let same = (false, none.to_owned());
        assert_eq!(counted(Method::TRACE, none), same, "it is no number: {none:?}");
    }
    assert_eq!(counted(Method::TRACE, "007"), (false, "6".to_owned()));
    assert_eq!(counted(Method::GET, "0"), (false, "0".to_owned()), "it counts for no other method");
}

#[test]
fn trailers_are_asked_for_again() {
    let te = |value: &str| values(&forwarded("/", &[("te", value), ("connection", "te")]).headers, "te");
    assert_eq!(te("trailers"), ["trailers"]);
    assert_eq!(te("gzip, trailers"), ["trailers"]);
    for other in ["gzip", "trailers;q=0.5"] {
        assert_eq!(te(other), Vec::<String>::new(), "{other}");
    }
}

#[test]
fn valid_hosts_are_distinguished_from_invalid_ones() {
    for host in [
        "a",
        "a.example.",
        "A-1_b~",
        "a%20b",
        "%41",
        "a%c3%BC:80",
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
        "", ":", ":80", "a b", "a/b", "a?b", "a#b", "u@a", "a:x", "a:+1", "a:65536", "::1", "[::1", "[a]",
        "[::1]x", "\u{e9}", "a%", "a%2", "a%zz", "a%2z", "a%z0", "a%%20", "a%+1", "a%00", "a%1f", "a%0A",
        "a%7f", "%",
    ] {
        assert!(!is_host(text.as_bytes()), "{text}");
    }
}

#[test]
fn disguised_names_are_recognised() {
    let is_disguised = |name: &'static str| is_disguised(&HeaderName::from_static(name));
    assert!(is_disguised("transfer_encoding") && is_disguised("x_forwarded-for"));
    assert!(!is_disguised("x-forwarded-for") && !is_disguised("x_custom"));
}

#[test]
fn a_switch_without_a_request_for_it_is_refused() {
    let request = forwarded("/", &[]);
    let answer = |status: u16, headers: &[(&str, &str)]| {
        let mut answer = ResponseHead::new(StatusCode::from_u16(status).unwrap());
        for (name, value) in headers {
            answer.headers.append(name.parse().unwrap(), value.parse().unwrap());
        }
        prepare_response(&mut answer, &request)
    };
    assert_eq!(answer(101, &[("upgrade", "websocket")]), Err(InvalidResponse), "no request for it");
}

#[test]
fn a_switch_to_something_else_than_was_asked_for_is_refused() {
    let request = forwarded("/", &[("connection", "upgrade"), ("upgrade", "foo/2, bar, h2c")]);
    let switch = |protocol: &str| {
        let mut answer = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS);
        answer.headers.append(UPGRADE, protocol.parse().unwrap());
        prepare_response(&mut answer, &request)
    };
    for asked in ["foo/2", "Foo/2", "bar", "foo", "bar/1", "bar, foo/2"] {
        assert_eq!(switch(asked), Ok(()), "{asked}");
    }
    for other in ["h2c", "foo/1", "baz", "", "bar, baz"] {
        assert_eq!(switch(other), Err(InvalidResponse), "{other}");
    }
}

#[test]
fn trailers_are_announced_only_where_they_can_follow() {
    let announced = |version, te: &[(&str, &str)], framing: (&str, &str)| {
        let mut request = forwarded("/", te);
        request.version = version;
        let mut answer = ResponseHead::new(StatusCode::OK);
        for (name, value) in [framing, ("trailer", "x-sum")] {
            answer.headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        prepare_response(&mut answer, &request).unwrap();
        answer.headers.contains(&TRAILER)
    };
    let (te, chunked) = ([("te", "trailers")], ("transfer-encoding", "chunked"));
    assert!(announced(Version::HTTP_11, &te, chunked));
    assert!(!announced(Version::HTTP_11, &te, ("content-length", "2")), "a body of known length");
    assert!(!announced(Version::HTTP_10, &te, chunked), "HTTP/1.0 has no chunks");
    assert!(!announced(Version::HTTP_11, &[], chunked), "the client does not accept trailers");
}

#[test]
fn only_one_expectation_is_understood() {
    let expects = |values: &[&str]| {
        let mut headers = Headers::default();
        for value in values {
            headers.append(EXPECT, value.parse().unwrap());
        }
        expects_continue(&headers)
    };
    assert!(expects(&["100-Continue"]));
    for others in [&["x"][..], &["100-continue, x"], &["100-continue", "100-continue"], &[""]] {
        assert!(!expects(others), "{others:?}");
    }
}

#[test]
fn an_interim_answer_keeps_only_what_concerns_the_client() {
    let mut interim = ResponseHead::new(StatusCode::EARLY_HINTS);
    let hop_by_hop = [
        ("connection", "x-internal"),
        ("x-internal", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "trailers"),
        ("trailer", "digest"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("content-length", "3"),
    ];
    for (name, value) in hop_by_hop.into_iter().chain([("link", "</style.css>; rel=preload")]) {
        interim.headers.append(name.parse().unwrap(), HeaderValue::from_static(value));
    }
    prepare_interim(&mut interim);
    assert_eq!(interim.headers.names().map(HeaderName::as_str).collect::<Vec<_>>(), ["link"]);
}

#[test]
fn an_expectation_of_an_old_client_is_ignored() {
    let head = |version, expectation: &'static str| {
        let request = Request::builder().version(version).header(HOST, "a").header(EXPECT, expectation);
        let mut head = RequestHead::from(request.body(()).unwrap().into_parts().0);
        let prepared = prepare_request(&mut head, hop(), false);
        (prepared.is_ok(), head.headers.contains(&EXPECT))
    };
    assert_eq!(head(Version::HTTP_11, "100-continue"), (true, true));
    assert!(!head(Version::HTTP_11, "the-unexpected").0);
    for expectation in ["100-continue", "the-unexpected"] {
        assert_eq!(head(Version::HTTP_10, expectation), (true, false), "{expectation}");
    }
}
