//! Clients that speak a protocol other than HTTP get an explanation, and the log has a line.

use std::io::Read;
use std::net::Shutdown;

use crate::common::{Client, Lb, Metrics, NO_PINGS, Upstream};

/// The beginning of a TLS handshake, as OpenSSL sends it; without any line feed.
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xcc\x12\x34\x56\x78";
const PROXY_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x7f\0\0\x01\x7f\0\0\x01\x10\x01\x10\x02";

#[test]
fn other_protocols_are_refused_by_their_name() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let count = |cause| Metrics::of(lb.admin).sum("roundabout_errors_total", &[("cause", cause)]);
    let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let line_feed = [CLIENT_HELLO, b"\n\x01"].concat();
    let headed = |header: &[u8]| [header, get].concat();
    let tls = ("looks like TLS", "refused_tls");
    let proxy = ("looks like a PROXY protocol header", "refused_proxy_protocol");
    let table = [
        (CLIENT_HELLO.to_vec(), tls),
        (line_feed, tls),
        (headed(b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n"), proxy),
        (headed(b"PROXY TCP6 ::1 ::2 4000 80\r\n"), proxy),
        (headed(b"PROXY UNKNOWN\r\n"), proxy),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n\x16\x03\x01".to_vec(), proxy),
        (headed(PROXY_2), proxy),
        (PROXY_2.to_vec(), proxy),
    ];
    for (bytes, (words, cause)) in table {
        let before = count(cause);
        // In one piece, and byte by byte.
        for pieces in [bytes.len(), 1] {
            let mut client = lb.client();
            // The connection may be refused before the last byte is sent.
            let _ = bytes.chunks(pieces).try_for_each(|piece| client.wire.write(piece));
            let answer = client.answer();
            assert_eq!(answer.status, 400, "{}", bytes.escape_ascii());
            assert!(answer.text().contains(words), "{}: {}", bytes.escape_ascii(), answer.text());
        }
        assert_eq!(count(cause) - before, 2.0, "{cause}");
    }
    lb.wait_for_log("refused a client at 127.0.0.1: this looks like");
    assert_eq!(upstream.count(), 0);
    // A method may have any name.
    assert_eq!(lb.request("PROXY /", b"").status, 200);
}

#[test]
fn the_admin_port_refuses_other_protocols_by_their_name_as_well() {
    let upstream = Upstream::well("ok");
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (tls, proxy) = ("looks like TLS", "looks like a PROXY protocol header");
    let table = [
        (CLIENT_HELLO.to_vec(), tls),
        ([CLIENT_HELLO, &[b'\n'; 2000]].concat(), tls),
        ([&b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n"[..], get].concat(), proxy),
        ([&b"PROXY UNKNOWN\r\n"[..], get].concat(), proxy),
        ([PROXY_2, get].concat(), proxy),
        (PROXY_2.to_vec(), proxy),
    ];
    for (bytes, words) in table {
        // In one piece, and byte by byte.
        for pieces in [bytes.len(), 1] {
            let mut client = Client::connect(lb.admin);
            let _ = bytes.chunks(pieces).try_for_each(|piece| client.wire.write(piece));
            let answer = client.answer();
            assert_eq!(answer.status, 400, "{}", bytes.escape_ascii());
            assert!(answer.text().contains(words), "{}: {}", bytes.escape_ascii(), answer.text());
            assert_eq!(answer.head.get("content-type"), Some("application/json"));
            assert!(client.wire.closes(), "{}", bytes.escape_ascii());
        }
    }
    let told = lb.wait_for_log("refused a client of the admin port at 127.0.0.1: this looks like TLS");
    assert!(told.contains("WARN"), "{told}");
    assert_eq!(lb.log().matches("refused a client").count(), 1, "it is said once in a while");
    // Bytes that only begin like another protocol are read to their end.
    for begin in ["\r\n\r\nGET", "PUT", "PROXY"] {
        let mut client = Client::connect(lb.admin);
        let bytes = format!("{begin} /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let _ = bytes.as_bytes().chunks(1).try_for_each(|piece| client.wire.write(piece));
        let expected = if begin.ends_with("GET") { 200 } else { 405 };
        assert_eq!(client.answer().status, expected, "{begin}");
    }
    // A client that sends half of it and leaves gets nothing.
    let mut half = Client::connect(lb.admin);
    half.send("PROX").wire.stream.shutdown(Shutdown::Write).unwrap();
    assert!(matches!(half.wire.stream.read(&mut [0]), Ok(0) | Err(_)));
}
