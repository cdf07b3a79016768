//! The requests that the guard allows, and the attacks that it refuses.

use http::HeaderValue;

use super::*;

const PORT: u16 = 4000;

/// A request: what it is, its method and path, its headers, and the expected status; 0 if it is allowed.
type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)], u16);

/// A host of this machine.
const HERE: (&str, &str) = ("host", "127.0.0.1:4000");

/// The headers of a command from the page.
const JSON: (&str, &str) = ("content-type", "application/json");
const SAME: (&str, &str) = ("origin", "http://127.0.0.1:4000");
const SAME_SITE: (&str, &str) = ("sec-fetch-site", "same-origin");
/// Stands for the right token.
const TOKEN: (&str, &str) = ("x-console-token", "right");

const ALLOWED: &[Row] = &[
    ("the page", "GET", "/", &[HERE], 0),
    ("the page by name", "GET", "/", &[("host", "localhost:4000")], 0),
    ("the page by a name in other letters", "GET", "/", &[("host", "LocalHost:4000")], 0),
    ("the page over IPv6", "GET", "/", &[("host", "[::1]:4000")], 0),
    ("the page, typed", "GET", "/", &[HERE, ("sec-fetch-site", "none")], 0),
    (
        "the page by a link of another site",
        "GET",
        "/",
        &[
            HERE,
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ],
        0,
    ),
    ("the head of the page", "HEAD", "/", &[HERE], 0),
    ("the events", "GET", "/events", &[HERE, SAME_SITE], 0),
    ("a command of the page", "POST", "/commands", &[HERE, SAME, SAME_SITE, JSON, TOKEN], 0),
    ("a command of curl", "POST", "/commands", &[HERE, JSON, TOKEN], 0),
    (
        "a command with a character set",
        "POST",
        "/commands",
        &[HERE, ("content-type", "Application/JSON; charset=utf-8"), TOKEN],
        0,
    ),
];

const ATTACKS: &[Row] = &[
    ("DNS rebinding reads the page", "GET", "/", &[("host", "evil.example:4000")], 403),
    ("DNS rebinding reads the events", "GET", "/events", &[("host", "evil.example:4000"), SAME_SITE], 403),
    (
        "DNS rebinding kills",
        "POST",
        "/commands",
        &[("host", "evil.example:4000"), ("origin", "http://evil.example:4000"), SAME_SITE, JSON, TOKEN],
        403,
    ),
    ("a name that begins with ours", "GET", "/", &[("host", "localhost.evil.example:4000")], 403),
    ("an address that begins with ours", "GET", "/", &[("host", "127.0.0.1.evil.example:4000")], 403),
    ("another port", "GET", "/", &[("host", "127.0.0.1:4001")], 403),
    ("a port that begins with ours", "GET", "/", &[("host", "127.0.0.1:40000")], 403),
    ("a port written in another way", "GET", "/", &[("host", "127.0.0.1:04000")], 403),
    ("no port", "GET", "/", &[("host", "127.0.0.1")], 403),
    ("another address of this machine", "GET", "/", &[("host", "192.168.0.7:4000")], 403),
    ("an address with a user", "GET", "/", &[("host", "evil@127.0.0.1:4000")], 403),
    ("characters of several bytes", "GET", "/", &[("host", "localhosä:4000")], 403),
    ("no host", "GET", "/", &[], 400),
    ("two hosts", "GET", "/", &[HERE, ("host", "evil.example")], 400),
    ("a script of another site", "GET", "/page/main.js", &[HERE, ("sec-fetch-site", "cross-site")], 403),
    (
        "a page of another port of this machine",
        "GET",
        "/events",
        &[HERE, ("sec-fetch-site", "same-site")],
        403,
    ),
    (
        "a frame of another site",
        "GET",
        "/",
        &[
            HERE,
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "iframe"),
        ],
        403,
    ),
    ("another origin", "POST", "/commands", &[HERE, ("origin", "http://evil.example"), JSON, TOKEN], 403),
    (
        "an origin of another port",
        "POST",
        "/commands",
        &[HERE, ("origin", "http://127.0.0.1:3030"), JSON, TOKEN],
        403,
    ),
    (
        "an origin with TLS",
        "POST",
        "/commands",
        &[HERE, ("origin", "https://127.0.0.1:4000"), JSON, TOKEN],
        403,
    ),
    ("an opaque origin", "POST", "/commands", &[HERE, ("origin", "null"), JSON, TOKEN], 403),
    (
        "an origin by another name",
        "POST",
        "/commands",
        &[HERE, ("origin", "http://localhost:4000"), JSON, TOKEN],
        403,
    ),
    (
        "a cross-site command",
        "POST",
        "/commands",
        &[HERE, ("sec-fetch-site", "cross-site"), JSON, TOKEN],
        403,
    ),
    ("a same-site command", "POST", "/commands", &[HERE, ("sec-fetch-site", "same-site"), JSON, TOKEN], 403),
    ("a typed command", "POST", "/commands", &[HERE, ("sec-fetch-site", "none"), JSON, TOKEN], 403),
    (
        "a command as a visit",
        "POST",
        "/commands",
        &[
            HERE,
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            JSON,
            TOKEN,
        ],
        403,
    ),
    ("no token", "POST", "/commands", &[HERE, SAME, SAME_SITE, JSON], 401),
    ("a wrong token", "POST", "/commands", &[HERE, JSON, ("x-console-token", "wrong")], 401),
    ("an empty token", "POST", "/commands", &[HERE, JSON, ("x-console-token", "")], 401),
    ("two tokens", "POST", "/commands", &[HERE, JSON, TOKEN, ("x-console-token", "wrong")], 401),
    (
        "a form",
        "POST",
        "/commands",
        &[HERE, ("content-type", "application/x-www-form-urlencoded"), TOKEN],
        415,
    ),
    ("plain text", "POST", "/commands", &[HERE, ("content-type", "text/plain"), TOKEN], 415),
    ("no content type", "POST", "/commands", &[HERE, TOKEN], 415),
    ("a GET of a command", "GET", "/commands", &[HERE, JSON, TOKEN], 405),
    ("a PUT of a command", "PUT", "/commands", &[HERE, JSON, TOKEN], 405),
    ("the question for permission", "OPTIONS", "/commands", &[HERE, ("origin", "http://evil.example")], 403),
    ("a POST elsewhere", "POST", "/events", &[HERE, JSON, TOKEN], 405),
];

#[test]
fn the_table_of_requests() {
    let token = Token::generate().unwrap();
    for (what, method, path, headers, status) in ALLOWED.iter().chain(ATTACKS) {
        let mut map = HeaderMap::new();
        for (name, value) in *headers {
            let value = if (*name, *value) == TOKEN { token.text() } else { value };
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let judged = guard(&map, &method.parse().unwrap(), path, &token, PORT);
        let refused = judged.as_ref().map_or_else(|refusal| refusal.status.as_u16(), |()| 0);
        assert_eq!(refused, *status, "{what}: {judged:?}");
    }
}

#[test]
fn a_browser_leaves_out_the_usual_port() {
    let token = Token::generate().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    assert_eq!(guard(&headers, &Method::GET, "/", &token, 80), Ok(()));
}
