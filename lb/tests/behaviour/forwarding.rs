//! Forwarding: statuses, headers and bodies, and the parts that must change.

use crate::common::{Client, Lb, NO_PINGS, Reply, Seen, Upstream, ok};

fn one(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Upstream, Lb) {
    let upstream = Upstream::new(script);
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    (upstream, lb)
}

fn answers(bytes: &'static str) -> (Upstream, Lb) {
    one(move |_| Reply::Bytes(bytes.into()))
}

#[test]
fn method_target_body_status_and_headers_pass_through() {
    let (upstream, lb) =
        answers("HTTP/1.1 409 Conflict\r\nETag: \"v2\"\r\nContent-Length: 8\r\n\r\nconflict");
    let answer = lb
        .client()
        .send("PATCH /orders/7?dry=1 HTTP/1.1\r\nHost: h\r\nX-Tenant: blue\r\nContent-Length: 7\r\n\r\n{\"n\":1}")
        .answer();
    assert_eq!(upstream.count(), 1);
    let requests = upstream.requests();
    let seen = requests.iter().find(|seen| seen.line() != "OPTIONS *").unwrap();
    assert_eq!((seen.line(), &seen.body[..]), ("PATCH /orders/7?dry=1", &b"{\"n\":1}"[..]));
    assert_eq!(seen.head.get("x-tenant"), Some("blue"));
    assert_eq!((answer.status, answer.text()), (409, "conflict"));
    assert_eq!(answer.head.get("etag"), Some("\"v2\""));
    assert_eq!(answer.head.get("proxy-status"), None, "a backend's own refusal is not the balancer's");
}

#[test]
fn a_backends_errors_are_its_answers() {
    let (upstream, lb) = one(|seen| {
        let status = seen.head.first_line().split(['/', ' ']).nth(2).unwrap();
        let head = format!("HTTP/1.1 {status} So\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbody");
        Reply::Bytes(head.into())
    });
    let mut client = lb.client();
    for status in [200, 302, 404, 429, 500, 502, 503, 504, 599] {
        let answer = client.get(&format!("/{status}"));
        assert_eq!(
            (answer.status, answer.text(), answer.head.get("retry-after")),
            (status, "body", Some("7"))
        );
    }
    assert_eq!(upstream.count(), 9, "none of them was repeated");
    let backend = lb.backend(1);
    assert_eq!((&backend["failures"], &backend["state"]), (&0.into(), &"up".into()));
}

#[test]
fn a_target_passes_byte_for_byte() {
    let (upstream, lb) = one(|_| ok(""));
    let targets = ["/", "//a//b/./../c", "/%2e%2e/%2F;v=1?q=%20&&=", "/?", "/a?b?c=/d", "*"];
    for target in targets {
        let verb = if target == "*" { "OPTIONS" } else { "GET" };
        assert_eq!(lb.request(&format!("{verb} {target}"), b"").status, 200, "{target}");
    }
    let seen: Vec<_> = upstream.requests().iter().map(|seen| seen.line().to_owned()).collect();
    let expected: Vec<_> =
        targets.map(|target| format!("{} {target}", if target == "*" { "OPTIONS" } else { "GET" })).to_vec();
    assert_eq!(seen, expected);
}

#[test]
fn a_backend_learns_who_asked_and_by_which_way() {
    let (upstream, lb) = one(|_| ok(""));
    let request = "GET / HTTP/1.1\r\nHost: shop.example:8080\r\nVia: 1.0 other\r\nX-Forwarded-For: 10.9.9.9\r\n\
                   X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\nX-Lb-Attempt: 3\r\n\r\n";
    assert_eq!(lb.client().send(request).answer().status, 200);
    let head = &upstream.requests()[0].head;
    assert_eq!(head.get("host"), Some("shop.example:8080"));
    assert_eq!(
        head.values(["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-lb-attempt"]),
        [Some("127.0.0.1"), Some("http"), Some("shop.example:8080"), None]
    );
    let via = head.all("via");
    assert_eq!(via.len(), 2, "{via:?}");
    assert!(via[0] == "1.0 other" && via[1].starts_with("1.1 roundabout-"), "{via:?}");
}

#[test]
fn what_concerns_one_connection_stays_on_it() {
    let (upstream, lb) = answers(
        "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: close\r\nUpgrade: h2c\r\nX-End: 1\r\nContent-Length: 0\r\n\r\n",
    );
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: X-Secret, Host, Content-Length, X-Forwarded-For\r\n\
                   X-Secret: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nX-End: 1\r\nContent-Length: 2\r\n\r\nhi";
    let mut client = lb.client();
    let answer = client.send(request).answer();
    let hop = ["connection", "keep-alive", "proxy-connection", "upgrade", "x-hop"];
    assert_eq!(answer.head.values(hop), [None; 5]);
    assert_eq!(answer.head.get("x-end"), Some("1"));

    let seen = &upstream.requests()[0];
    let hop = ["connection", "keep-alive", "proxy-connection", "te", "upgrade", "http2-settings", "x-secret"];
    assert_eq!(seen.head.values(hop), [None; 7]);
    assert_eq!(seen.head.values(["host", "x-forwarded-for"]), [Some("h"), Some("127.0.0.1")]);
    assert_eq!((seen.head.get("x-end"), &seen.body[..]), (Some("1"), &b"hi"[..]));

    assert_eq!(client.get("/").status, 200, "the backend's 'Connection: close' closed only its own");
    assert_eq!(upstream.requests()[1].on_connection, 1);
}

#[test]
fn repeated_headers_keep_their_number_and_order() {
    let (_upstream, lb) = answers(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1, 2\r\nSet-Cookie: b=2\r\nVary: x\r\nSet-Cookie: c=3\r\nContent-Length: 0\r\n\r\n",
    );
    let answer = lb.get("/");
    assert_eq!(answer.head.all("set-cookie"), ["a=1, 2", "b=2", "c=3"]);
    assert_eq!(answer.head.all("date").len(), 1);
}

#[test]
fn answers_without_a_body_keep_the_connection_in_step() {
    let (upstream, lb) = one(|seen| match seen.line() {
        "HEAD /" => Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".into()),
        "HEAD /chunked" => Reply::Bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into()),
        "GET /204" => Reply::Bytes("HTTP/1.1 204 No Content\r\n\r\n".into()),
        "GET /304" => {
            Reply::Bytes("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 9\r\n\r\n".into())
        }
        _ => ok("body"),
    });
    let mut client = lb.client();
    let head = client.request("HEAD /", b"");
    assert_eq!((head.status, head.head.get("content-length")), (200, Some("1000")));
    assert_eq!(client.request("HEAD /chunked", b"").status, 200);
    let none = client.get("/204");
    assert_eq!((none.status, none.head.get("content-length")), (204, None));
    assert_eq!(none.head.get("transfer-encoding"), None);
    let same = client.get("/304");
    assert_eq!((same.status, same.head.get("etag")), (304, Some("\"x\"")));
    assert_eq!(client.get("/").text(), "body");
    assert_eq!(upstream.requests().last().unwrap().on_connection, 5, "and so do the backend's connections");
}

#[test]
fn an_http_1_0_client_gets_what_it_understands() {
    let (upstream, lb) =
        answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n4\r\n two\r\n0\r\n\r\n");
    let mut client = lb.client();
    client.send("GET / HTTP/1.0\r\nHost: old.example\r\n\r\n");
    let head = client.head_of_answer().unwrap();
    assert_eq!(head.get("transfer-encoding"), None, "HTTP/1.0 knows no chunks");
    let body = client.wire.rest().unwrap();
    assert_eq!(String::from_utf8(body).unwrap(), "one two", "up to the end of the connection");
    let line = upstream.requests()[0].head.first_line().to_owned();
    assert_eq!(line, "GET / HTTP/1.1", "each hop speaks its own version");
}

#[test]
fn a_request_without_a_host_is_sent_with_one() {
    let (upstream, lb) = one(|_| ok("ok"));
    assert_eq!(lb.client().send("GET / HTTP/1.0\r\n\r\n").answer().text(), "ok");
    let seen = &upstream.requests()[0].head;
    // The host that the client meant is unknown, so there is no X-Forwarded-Host.
    assert_eq!(seen.values(["host", "x-forwarded-host"]), [Some(&*upstream.address.to_string()), None]);
}

#[test]
fn an_http_1_0_backends_answer_is_framed_anew() {
    let (_upstream, lb) = one(|_| Reply::Last("HTTP/1.0 200 OK\r\n\r\nuntil the end".into()));
    let mut client = lb.client();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!(answer.head.first_line(), "HTTP/1.1 200 OK");
        assert_eq!((answer.head.get("transfer-encoding"), answer.text()), (Some("chunked"), "until the end"));
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (upstream, lb) = one(|seen| {
        if seen.number == 1 {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        ok(&format!("{} {}", seen.line(), String::from_utf8_lossy(&seen.body)))
    });
    let mut client = lb.client();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 22\r\n\r\nGET /evil HTTP/1.1\r\n\r\n\
         GET /3 HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    assert_eq!(client.answer().text(), "GET /1 ");
    assert_eq!(client.answer().text(), "POST /2 GET /evil HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer().text(), "GET /3 ");
    assert_eq!(upstream.count(), 3);
}

#[test]
fn a_client_that_wants_to_close_is_obeyed() {
    let upstream = Upstream::well("bye");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--workers=1"]);
    let mut client = lb.client();
    let answer = client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").answer();
    assert_eq!((answer.text(), answer.head.get("connection")), ("bye", Some("close")));
    assert!(client.wire.closes());
    assert_eq!(Client::connect(lb.address).get("/").text(), "bye");
    assert_eq!(upstream.requests()[1].on_connection, 2, "the backend's connection is kept");
}

#[test]
fn a_trusted_proxy_says_where_it_got_a_request_from() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--trusted-proxies=10.0.0.0/8,127.0.0.1"]);
    let request = "GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 10.9.9.9\r\nX-Forwarded-Proto: https\r\n\
                   X-Forwarded-Host: shop.example\r\n\r\n";
    assert_eq!(lb.client().send(request).answer().status, 200);
    let head = &upstream.requests()[0].head;
    assert_eq!(
        head.values(["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]),
        [Some("10.9.9.9, 127.0.0.1"), Some("https"), Some("shop.example")]
    );
}

#[test]
fn a_request_that_comes_back_is_not_sent_round_again() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS, "--name=edge-1"]);
    let mut client = lb.client();
    let answer = client.send("GET / HTTP/1.1\r\nHost: h\r\nVia: 1.1 edge-1, 1.1 inner\r\n\r\n").answer();
    assert_eq!(answer.status, 508);
    assert!(answer.head.get("proxy-status").unwrap().starts_with("edge-1; error="), "{}", answer.head.text);
    assert_eq!(upstream.count(), 0);
    assert_eq!(client.get("/").status, 200);
    assert_eq!(upstream.requests()[0].head.get("via"), Some("1.1 edge-1"));
}

#[test]
fn the_last_hop_answers_itself() {
    let (upstream, lb) = one(|_| ok(""));
    let mut client = lb.client();
    let mut ask = |method: &str, hops: &str| {
        let request = format!("{method} / HTTP/1.1\r\nHost: h\r\nMax-Forwards: {hops}\r\n\r\n");
        client.send(request).answer().status
    };
    assert_eq!([ask("OPTIONS", "0"), ask("TRACE", "0")], [200, 405]);
    assert_eq!(upstream.count(), 0);
    assert_eq!([ask("OPTIONS", "3"), ask("GET", "0")], [200, 200]);
    let left: Vec<_> =
        upstream.requests().iter().map(|seen| seen.head.get("max-forwards").unwrap().to_owned()).collect();
    assert_eq!(left, ["2", "0"]);
}
