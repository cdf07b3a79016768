//! Trailers that could be taken for headers.

use crate::common::{Lb, NO_PINGS, Reply, Upstream, eventually, when};

/// Fields that must not pass as trailers: they frame, route, authorise or tell the origin, or look like
/// fields that do.
const HARMFUL: [&str; 32] = [
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
    "CDN-Cache-Control",
    "Surrogate-Control",
    "X-Accel-Redirect",
    "X-Sendfile",
    "X-LiteSpeed-Location",
    "Status",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Link",
    "Server",
    "Allow",
];

fn trailers() -> String {
    HARMFUL.iter().map(|name| format!("{name}: 7\r\n")).collect()
}

#[test]
fn trailers_of_a_request_reach_no_backend() {
    let upstream = Upstream::raw(|mut wire| {
        let Ok(Some(head)) = wire.head() else { return };
        assert_eq!(head.get("trailer"), None, "nothing is announced that does not come");
        // The data up to the end of the chunks comes back, so that the test can check it.
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
    let upstream = Upstream::new(|seen| {
        let all = HARMFUL.join(", ");
        let (head, known) = match seen.line() {
            "GET /listed" => ("Connection: X-Sum\r\nTrailer: X-Sum\r\n".to_owned(), ""),
            "GET /announced" => ("Trailer: X-Sum\r\nTrailer: x, Set-Cookie\r\n".to_owned(), "X-Rest: 7\r\n"),
            "GET /all" => (format!("Trailer: {all}, X-Sum\r\n"), ""),
            _ => (
                String::new(),
                "Grpc-Status: 0\r\nETag: \"7\"\r\nServer-Timing: a\r\nContent-Digest: a=:b:\r\n",
            ),
        };
        let head = format!("HTTP/1.1 200 OK\r\n{head}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n");
        Reply::Bytes(format!("{head}{}X-Sum: 7\r\n{known}\r\n", trailers()).into())
    });
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let known = "grpc-status: 0\r\netag: \"7\"\r\nserver-timing: a\r\ncontent-digest: a=:b:\r\n";
    let table = [
        ("/", "TE: trailers", None, known),
        ("/", "X: none", None, ""),
        ("/announced", "TE: trailers", Some("x-sum, x"), "x-sum: 7\r\n"),
        ("/announced", "X: none", None, ""),
        ("/all", "TE: trailers", Some("x-sum"), "x-sum: 7\r\n"),
        ("/listed", "TE: trailers", None, ""),
    ];
    for (path, header, announced, end) in table {
        let mut client = lb.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{header}\r\n\r\n"));
        let head = client.head_of_answer().unwrap();
        let body = String::from_utf8(client.wire.rest().unwrap()).unwrap();
        assert_eq!(body, format!("1\r\na\r\n0\r\n{end}\r\n"), "{path} {header}");
        assert_eq!(head.get("trailer"), announced, "{path} {header}");
    }
    eventually("the backend is not blamed", || {
        let failures = lb.backend(1)["failures"].clone();
        when(failures == 0, failures)
    });
}
