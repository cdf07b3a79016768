//! Fields about the origin of a request: clients cannot set them, trusted proxies can, in any spelling.

use std::collections::HashSet;

use crate::common::{Config, Lb, NO_PINGS, Upstream, tables};

/// Fields with which proxies tell servers the origin of a request. A rule detects them, so some examples are
/// enough.
const FIELDS: [&str; 44] = [
    "Forwarded",
    "X-Forwarded",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Forwarded-Prefix",
    "X-Forwarded-Ssl",
    "X-Forwarded-Scheme",
    "X-Forwarded-By",
    "X-FORWARDED-PROTOCOL",
    "X-Forwarded-Whatever-Comes",
    "X-Original-Forwarded-For",
    "X-Original-Host",
    "X-Real-IP",
    "X-Client-IP",
    "Client-IP",
    "True-Client-IP",
    "X-Cluster-Client-IP",
    "Fastly-Client-IP",
    "CF-Connecting-IP",
    "X-Originating-IP",
    "X-Remote-IP",
    "X-Remote-Addr",
    "Front-End-Https",
    "X_Real_IP",
    "Remote-Addr",
    "Remote_Addr",
    "Remote-User",
    "X-Remote-User",
    "Cf-Visitor",
    "CF-IPCountry",
    "CloudFront-Viewer-Address",
    "CloudFront-Forwarded-Proto",
    "CloudFront_Viewer_Address",
    "Fastly-SSL",
    "X-Azure-Ref",
    "X-Envoy-Internal",
    "Client-Cert",
    "X-SSL-Client-Verify",
    "SSL_Client_Verify",
    "X-Lb-Client",
    "X_Lb_Client",
    "X-Lb_Attempts",
    "X-Request_ID",
    "X_Request_ID",
];

#[test]
fn only_a_trusted_proxy_says_who_has_asked() {
    let upstream = Upstream::well("ok");
    for (flags, said) in [(&[][..], None), (&["--trusted-proxies=127.0.0.1"][..], Some("203.0.113.66"))] {
        let lb = Lb::start(&[&upstream], &[&[NO_PINGS], flags].concat());
        for field in FIELDS {
            let request = format!("GET / HTTP/1.1\r\nHost: h\r\n{field}: 203.0.113.66\r\nX-Kept: 1\r\n\r\n");
            assert_eq!(lb.client().send(request).answer().status, 200, "{field}");
            let head = upstream.requests().last().unwrap().head.clone();
            assert_eq!((head.get(field), head.get("x-kept")), (said, Some("1")), "{field}");
            let usual = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
            assert_eq!(head.values(usual), [Some("127.0.0.1"), Some("http"), Some("h")], "{field}");
        }
    }
}

#[test]
fn what_a_trusted_proxy_leaves_empty_is_filled_in() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--trusted-proxies=127.0.0.0/8"]);
    let fields = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
    let table = [
        ("X-Forwarded-For:", "127.0.0.1"),
        ("X-Forwarded-For: \t", "127.0.0.1"),
        ("X-Forwarded-For: ,", "127.0.0.1"),
        ("X-Forwarded-For: , ,\r\nX-Forwarded-For:", "127.0.0.1"),
        ("X-Forwarded-For:\r\nX-Forwarded-For: 192.0.2.7", "192.0.2.7, 127.0.0.1"),
        ("X-Forwarded-For: ,192.0.2.7,,192.0.2.8,", "192.0.2.7, 192.0.2.8, 127.0.0.1"),
        ("X-Forwarded-Proto:\r\nX-Forwarded-Host:", "127.0.0.1"),
    ];
    for (lines, expected) in table {
        let request = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n");
        assert_eq!(lb.client().send(request).answer().status, 200, "{lines}");
        let head = upstream.requests().last().unwrap().head.clone();
        assert_eq!(head.values(fields), [Some(expected), Some("http"), Some("h")], "{lines}");
    }
}

#[test]
fn a_client_is_the_same_however_its_address_is_written() {
    let upstreams = ["one", "two", "three", "four"].map(Upstream::well);
    let all: Vec<_> = upstreams.iter().collect();
    for networks in ["127.0.0.0/8,10.0.0.0/8", "::ffff:127.0.0.0/104,::ffff:10.0.0.0/104"] {
        let networks = format!("--trusted-proxies={networks},2001:db8:ffff::/48");
        let lb = Lb::start(&all, &[NO_PINGS, "--policy=maglev", "--hash-by=client", &networks]);
        let at = |chain: &str| {
            let request = format!("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {chain}\r\n\r\n");
            lb.client().send(request).answer().text().to_owned()
        };
        let mut homes = HashSet::new();
        for n in 1..=8 {
            let (v4, v6) = (at(&format!("203.0.113.{n}")), at(&format!("2001:db8::{n}")));
            let table = [
                (format!("203.0.113.{n}:5555"), &v4),
                (format!("203.0.113.{n}:4711, 10.0.0.3:80"), &v4),
                (format!("::ffff:203.0.113.{n}"), &v4),
                (format!("[::FFFF:203.0.113.{n}]:80, ::ffff:10.0.0.3"), &v4),
                (format!("\"203.0.113.{n}\", [2001:DB8:FFFF::1]:443"), &v4),
                (format!("198.51.100.1, 203.0.113.{n}, 10.0.0.3,"), &v4),
                (format!("[2001:db8::{n}]"), &v6),
                (format!("[2001:db8::{n}]:443"), &v6),
                (format!("2001:DB8:0:0:0::{n}"), &v6),
                (format!("2001:0db8::000{n}, 10.9.9.9:1"), &v6),
            ];
            for (chain, home) in table {
                assert_eq!(at(&chain), *home, "{chain}");
            }
            homes.extend([v4, v6]);
        }
        assert!(homes.len() > 1, "{homes:?}: different clients are different");
    }
}

#[test]
fn without_via_a_request_that_comes_back_is_still_refused() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--name=edge-1", "--via=false"]);
    let mut client = lb.client();
    let request = "GET / HTTP/1.1\r\nHost: h\r\nVia: 1.1 other\r\nCDN-Loop: cdn; v=1\r\n\r\n";
    assert_eq!(client.send(request).answer().status, 200);
    let head = upstream.requests()[0].head.clone();
    assert_eq!((head.all("via"), head.all("cdn-loop")), (vec!["1.1 other"], vec!["cdn; v=1", "edge-1"]));
    for mark in ["CDN-Loop: cdn; v=1, edge-1", "CDN-Loop: edge-1;a=b", "Via: 1.1 edge-1"] {
        let answer = client.send(format!("GET / HTTP/1.1\r\nHost: h\r\n{mark}\r\n\r\n")).answer();
        assert_eq!(answer.status, 508, "{mark}");
    }
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_cookie_that_is_given_out_over_https_stays_there() {
    let upstream = Upstream::well("ok");
    let set = |more: &str, proto: &str| {
        let file = format!(
            "trusted_proxies = [\"127.0.0.1\"]\n[sticky]\ncookie = \"home\"\n{more}\n{}",
            tables([(&upstream, "")])
        );
        let config = Config::new(&file);
        let lb = Lb::configured(&config.path(), &[NO_PINGS]);
        let request = format!("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: {proto}\r\n\r\n");
        let answer = lb.client().send(request).answer();
        let cookie = answer.head.get("set-cookie").unwrap().to_owned();
        cookie.split_once("; ").unwrap().1.to_owned()
    };
    assert_eq!(set("", "http"), "Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(set("", "https"), "Path=/; HttpOnly; Secure; SameSite=Lax");
    let more = "secure = \"always\"\nsame_site = \"strict\"\nmax_age = \"1h\"";
    assert_eq!(set(more, "http"), "Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Strict");
    assert_eq!(set("secure = \"never\"", "https"), "Path=/; HttpOnly; SameSite=Lax");
}
