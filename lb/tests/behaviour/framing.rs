//! The end of a message: bodies of requests and answers in all framings, and contradicting framings.

use crate::common::{Client, Lb, NO_PINGS, Reply, Upstream, chunked, ok};

fn echo() -> (Upstream, Lb) {
    let upstream = Upstream::new(|seen| ok(std::str::from_utf8(&seen.body).unwrap()));
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    (upstream, lb)
}

fn send(client: &mut Client, line: &str, framing: &str, body: &str) -> String {
    client.send(format!("{line} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n{body}")).answer().text().to_owned()
}

#[test]
fn a_request_body_arrives_whole_in_either_framing() {
    let (upstream, lb) = echo();
    let mut client = lb.client();
    let chunks = chunked(&["one", ", two", ", three"]);
    for method in ["POST", "PUT", "GET", "DELETE", "OPTIONS"] {
        let line = format!("{method} /");
        assert_eq!(
            send(&mut client, &line, "Transfer-Encoding: chunked", &chunks),
            "one, two, three",
            "{method}"
        );
        assert_eq!(send(&mut client, &line, "Content-Length: 3", "two"), "two", "{method}");
        assert_eq!(send(&mut client, &line, "X: none", ""), "", "{method}");
    }
    let framings: Vec<_> = upstream.requests()[..3]
        .iter()
        .map(|seen| (seen.head.get("transfer-encoding").is_some(), seen.head.get("content-length").is_some()))
        .collect();
    assert_eq!(
        framings,
        [(true, false), (false, true), (false, false)],
        "in the framing that the client chose"
    );
}

#[test]
fn a_large_body_arrives_whole_both_ways() {
    let (_upstream, lb) = echo();
    let body: String = (0..300_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let mut client = lb.client();
    let mut writer = Client { wire: crate::common::Wire::new(client.wire.stream.try_clone().unwrap()) };
    let text = body.clone();
    let writing = std::thread::spawn(move || {
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", text.len());
        writer.send(head).send(text);
    });
    let answer = client.answer();
    writing.join().unwrap();
    assert!(answer.text() == body, "{} of {} bytes came back", answer.body.len(), body.len());
}

/// A request that waits for 100 Continue before it sends its body.
const EXPECTING: &str = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";

#[test]
fn a_backend_says_itself_that_a_client_may_continue() {
    let upstream = Upstream::raw(|mut wire| {
        let Ok(Some(head)) = wire.head() else { return };
        assert_eq!(head.get("expect"), Some("100-continue"));
        // Some servers send it more than once, which must not count as more answers.
        wire.write("HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        assert_eq!(wire.exactly(4).unwrap(), b"body");
        wire.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    assert_eq!(client.send(EXPECTING).head_of_answer().unwrap().text, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.send("body").answer().text(), "ok", "and it says so only once");
}

#[test]
fn a_client_may_continue_even_if_its_backend_never_says_so() {
    let (upstream, lb) = echo();
    let mut client = lb.client();
    let begun = std::time::Instant::now();
    assert_eq!(client.send(EXPECTING).head_of_answer().unwrap().first_line(), "HTTP/1.1 100 Continue");
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1), "the backend was asked first");
    assert_eq!(client.send("body").answer().text(), "body");
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_backend_may_answer_instead_of_saying_continue() {
    let upstream = Upstream::raw(|mut wire| {
        let Ok(Some(_)) = wire.head() else { return };
        wire.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno").unwrap();
        assert_eq!(wire.rest().unwrap(), b"", "it is not sent the body, nor another request");
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    let answer = client.send(EXPECTING).answer();
    assert_eq!((answer.status, answer.text()), (413, "no"));
    assert_eq!(answer.head.get("connection"), Some("close"), "what follows could be the body");
    assert!(client.wire.closes());
}

#[test]
fn a_length_beside_chunks_reaches_no_backend() {
    let (upstream, lb) = echo();
    for framing in
        ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"]
    {
        let mut client = lb.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: h\r\n\r\n"
        ));
        let answer = client.answer();
        assert!(
            answer.status == 400 || answer.head.get("connection") == Some("close"),
            "{}",
            answer.head.text
        );
        assert!(client.wire.closes(), "whatever follows may have been smuggled in");
    }
    assert_eq!(upstream.count_of("GET /evil"), 0);
    assert!(
        upstream
            .requests()
            .iter()
            .all(|seen| seen.head.get("content-length").is_none_or(|length| length == "0"))
    );
}

#[test]
fn two_lengths_are_refused() {
    let (upstream, lb) = echo();
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc");
    assert_eq!(client.answer().status, 400);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn answers_are_passed_on_in_every_framing() {
    let upstream = Upstream::new(|seen| match seen.line() {
        "GET /chunked" => Reply::Bytes(
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n{}", chunked(&["a", "b"])).into(),
        ),
        "GET /close" => Reply::Last("HTTP/1.1 200 OK\r\n\r\nab".into()),
        "GET /slowly" => Reply::Take(Box::new(|mut wire| {
            for piece in ["HTTP/1.1 200 O", "K\r\nContent-Len", "gth: 2\r\n\r", "\na", "b"] {
                wire.write(piece).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        })),
        _ => ok("ab"),
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    for path in ["/length", "/chunked", "/slowly", "/close", "/length"] {
        let answer = client.get(path);
        assert_eq!((answer.status, answer.text()), (200, "ab"), "{path}");
    }
}

#[test]
fn interim_answers_are_passed_on_to_those_who_know_them() {
    let upstream = Upstream::new(|_| {
        Reply::Bytes(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
                .into(),
        )
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    for _ in 0..2 {
        let hints = client.ask("GET /", b"").head_of_answer().unwrap();
        assert_eq!((hints.first_line(), hints.get("link")), ("HTTP/1.1 103 Early Hints", Some("</a>")));
        let of_this_hop = ["connection", "x-hop", "keep-alive"].map(|name| hints.get(name));
        assert_eq!(of_this_hop, [None; 3], "they concern the connection to the backend");
        assert_eq!(client.answer().text(), "ab");
    }
    let answer = lb.client().send("GET / HTTP/1.0\r\n\r\n").answer();
    assert_eq!((answer.status, answer.text()), (200, "ab"), "HTTP/1.0 knows none");
}

#[test]
fn interim_answers_without_end_are_no_answer() {
    let flood = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
    let upstream = Upstream::new(move |_| Reply::Bytes(flood.clone().into()));
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    client.ask("GET /", b"");
    for _ in 0..32 {
        assert_eq!(client.head_of_answer().unwrap().first_line(), "HTTP/1.1 102 Processing");
    }
    let answer = client.answer();
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("malformed answer"), "{}", answer.text());
}

#[test]
fn a_backend_of_old_keeps_its_connection_if_it_says_so() {
    let upstream = Upstream::new(|seen| match seen.line() {
        "GET /keeps" => {
            Reply::Bytes("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nab".into())
        }
        _ => Reply::Bytes("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab".into()),
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    for (path, connections) in [("/keeps", 1), ("/keeps", 1), ("/closes", 1), ("/keeps", 2)] {
        assert_eq!(client.get(path).text(), "ab");
        assert_eq!(lb.backend(1)["connections"]["opened"], connections, "{path}");
    }
}

#[test]
fn surplus_bytes_of_a_backend_reach_no_client() {
    let upstream = Upstream::new(|seen| match seen.number {
        1 => Reply::Bytes(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
                .into(),
        ),
        _ => ok("fine"),
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    assert_eq!(lb.get("/").text(), "ab");
    for _ in 0..4 {
        assert_eq!(lb.get("/").text(), "fine");
    }
}

#[test]
fn an_answer_to_an_old_client_ends_with_the_connection_or_with_an_error() {
    let upstream = Upstream::new(|seen| {
        let chunks = match seen.line() {
            "GET /whole" => chunked(&["a", "b"]),
            _ => "1\r\na\r\n1\r\n".to_owned(),
        };
        Reply::Last(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").into())
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let mut client = lb.client();
    let answer = client.send("GET /whole HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer();
    assert_eq!(answer.head.values(["transfer-encoding", "connection"]), [None, Some("close")]);
    assert_eq!(answer.text(), "ab");
    let mut client = lb.client();
    client.send("GET /cut HTTP/1.0\r\n\r\n").head_of_answer().unwrap();
    let error = client.wire.rest().unwrap_err();
    assert_eq!(
        error.kind(),
        std::io::ErrorKind::ConnectionReset,
        "a clean end would look like a whole answer"
    );
}

#[test]
fn trailers_reach_those_who_ask_for_them() {
    let upstream = Upstream::new(|_| {
        let body = "1\r\na\r\n0\r\nX-Sum: 7\r\nContent-Length: 5\r\n\r\n";
        Reply::Bytes(
            format!("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into(),
        )
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    for (header, end) in [("TE: trailers", "0\r\nx-sum: 7\r\n\r\n"), ("X: none", "0\r\n\r\n")] {
        let mut client = lb.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{header}\r\n\r\n"));
        client.head_of_answer().unwrap();
        let body = client.wire.rest().unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), format!("1\r\na\r\n{end}"));
    }
}

#[test]
fn every_answer_has_a_date() {
    let upstream = Upstream::new(|seen| match seen.line() {
        "GET /dated" => Reply::Bytes("HTTP/1.1 204 No Content\r\nDate: then\r\n\r\n".into()),
        _ => Reply::Bytes("HTTP/1.1 204 No Content\r\n\r\n".into()),
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let date = |path: &str| {
        lb.client().ask(&format!("GET {path}"), b"").bodiless().head.get("date").map(str::to_owned)
    };
    assert_eq!(date("/dated").as_deref(), Some("then"));
    assert!(date("/").is_some_and(|date| date.len() == 29 && date.ends_with(" GMT")));
}
