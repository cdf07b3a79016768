//! What stands behind a body and could be taken for what a head says.

use crate::common::{Lb, NO_PINGS, Reply, Upstream, eventually, when};

/// Fields that must not pass behind a body: they frame, route, authorise or tell the way, or look like those that do.
const HARMFUL: [&str; 20] = [
    "X-Forwarded-For",
    "X-Forwarded-Port",
    "X-Real-IP",
    "Forwarded",
    "X-Lb-Attempt",
    "Via",
    "CDN-Loop",
    "Cookie",
    "Set-Cookie",
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Upgrade",
    "Content_Length",
    "X_Sum",
    "Content-Type",
    "Authorization",
    "Host",
    "Transfer-Encoding",
];

fn trailers() -> String {
    HARMFUL.iter().map(|name| format!("{name}: 7\r\n")).collect()
}

#[test]
fn trailers_of_a_request_reach_no_backend() {
    let upstream = Upstream::raw(|mut wire| {
        let Ok(Some(head)) = wire.head() else { return };
        assert_eq!(head.get("trailer"), None, "nothing is announced that does not come");
        // What is sent up to the end of the chunks comes back, for the test to look at.
        let expected = b"5\r\nhello\r\n0\r\n\r\n";
        let got = wire.exactly(expected.len()).unwrap();
        let got = String::from_utf8_lossy(&got).into_owned();
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", got.len());
        wire.write(head + &got).unwrap();
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    for trailers in [trailers(), "X-Sum: 7\r\n".to_owned(), String::new()] {
        let mut client = lb.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: h\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n{trailers}\r\n"
        ));
        assert_eq!(client.answer().text(), "5\r\nhello\r\n0\r\n\r\n", "{trailers}");
    }
}

#[test]
fn trailers_of_an_answer_say_nothing_that_a_head_decides() {
    let body = format!("1\r\na\r\n0\r\n{}X-Sum: 7\r\nGrpc-Status: 0\r\n\r\n", trailers());
    let listed = "HTTP/1.1 200 OK\r\nConnection: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n";
    let upstream = Upstream::new(move |seen| match seen.line() {
        "GET /listed" => Reply::Bytes(listed.into()),
        _ => Reply::Bytes(
            format!("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into(),
        ),
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let table = [
        ("/", "TE: trailers", Some("X-Sum"), "x-sum: 7\r\ngrpc-status: 0\r\n"),
        ("/", "X: none", None, ""),
        ("/listed", "TE: trailers", None, ""),
    ];
    for (path, header, announced, end) in table {
        let mut client = lb.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{header}\r\n\r\n"));
        let head = client.head_of_answer().unwrap();
        assert_eq!(head.get("trailer"), announced, "{path} {header}");
        let body = String::from_utf8(client.wire.rest().unwrap()).unwrap();
        assert_eq!(body, format!("1\r\na\r\n0\r\n{end}\r\n"), "{path} {header}");
    }
    eventually("the backend is not blamed", || {
        let failures = lb.backend(1)["failures"].clone();
        when(failures == 0, failures)
    });
}
