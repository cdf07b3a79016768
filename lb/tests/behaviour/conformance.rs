//! The reactions of a correct HTTP balancer to unusual requests and answers: one line for each case, over raw
//! sockets.
//!
//! Each case is sent as it is written, followed by a message that must not be found in it. Rules are sections
//! of RFC 9110 and RFC 9112.

use crate::common::{Lb, NO_PINGS, Reply, Upstream, eventually, ok, when};

/// The expected result of a case.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    /// The answer has this status, the connection is closed, and no backend sees a complete request.
    Refused(u16),
    /// The answer has this status, no backend sees anything, and the connection stays open.
    Declined(u16),
    /// A backend sees these requests, each with its body, and each gets an answer.
    Served(&'static [(&'static str, &'static str)]),
}
use Expect::{Declined, Refused, Served};

/// A case: the rule, the bytes to send, and the expected result.
pub(crate) type Case = (&'static str, &'static str, Expect);

const SERVED_ROOT: Expect = Served(&[("GET /", "")]);

#[rustfmt::skip]
/// Where a request ends; no reader may see another end.
pub(crate) const FRAMING: &[Case] = &[
    ("9112 6.3: a length and chunks", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9112 6.3: chunks and a length", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9112 6.3: two lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", Refused(400)),
    ("9112 6.3: two equal lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
    ("9112 6.3: a list of lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\nhello", Refused(400)),
    ("9110 8.6: signed length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello", Refused(400)),
    ("9110 8.6: negative length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -0\r\n\r\n", Refused(400)),
    ("9110 8.6: hexadecimal length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\nhello", Refused(400)),
    ("9110 8.6: length with underscore", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5_0\r\n\r\nhello", Refused(400)),
    ("9110 8.6: length with space", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5 0\r\n\r\nhello", Refused(400)),
    ("9110 8.6: empty length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\nhello", Refused(400)),
    ("9110 8.6: length with exponent", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1e1\r\n\r\nhello", Refused(400)),
    ("9110 8.6: length beyond 64 bits", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\nhello", Refused(400)),
    ("9110 8.6: length with vertical tab", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\x0b\r\n\r\nhello", Refused(400)),
    ("9112 6.1: a transfer coding that is not decoded", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Refused(501)),
    ("9112 6.1: chunked twice", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9112 6.1: chunked in two lines", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9112 6.1: an empty coding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9112 6.1: identity", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9112 6.1: chunked is not the last", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9112 6.1: an unknown coding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9112 6.1: a parameter", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9112 6.1: quotes", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9110 5.5: vertical tab before a value", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9110 5.5: NUL in a value", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9112 5.1: space before the colon", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9112 2.2: space before the first header", "POST / HTTP/1.1\r\n Host: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9112 5.2: a folded header", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("3875 4.1.18: underscore for hyphen in a coding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer_Encoding: chunked\r\n\r\n", Declined(400)),
    ("3875 4.1.18: underscore for hyphen in a length", "POST / HTTP/1.1\r\nHost: h\r\nContent_Length: 5\r\n\r\n", Declined(400)),
    ("9112 6.1: chunks in HTTP/1.0", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1: hexadecimal prefix", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1: signed size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1: negative size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1: underscore in a size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5_\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1: space before a size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1: empty size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1: 17 digits", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000005\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1: size beyond 64 bits", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: line feed in an extension", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: carriage return in an extension", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\r;a\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: NUL in an extension", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;\0\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1: line feed after a size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1: line feed after the data", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.2: line feeds after trailers", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\n\n", Refused(400)),
    ("9112 7.1: more data than its size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, no name", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, a space for a name", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5; \r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, an empty one before another", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;;a\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, an empty one behind another", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a;\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, a value without a name", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;=b\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, no value", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, a space for a value", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a= \r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, no value before another", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=;b\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, a quote that is never closed", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, a quoted value that is never closed", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, a quote that is closed by a quoted pair alone", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\\\"\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, something behind a quoted value", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, a value with a space", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b c\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, a name with a space", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a b\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, a name that is no token", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;(\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, two values", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b=c\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, no semicolon", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5 a\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ("9112 7.1.1: chunk extension, plain", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n", Served(&[("POST /", "hello")])),
    ("9112 7.1.1: chunk extension, spaces around all", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5 ; a = b\r\nhello\r\n0\r\n\r\n", Served(&[("POST /", "hello")])),
    ("9112 7.1.1: chunk extension, tabs around all", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\t;\ta\t=\t\"b\"\r\nhello\r\n0\r\n\r\n", Served(&[("POST /", "hello")])),
    ("9112 7.1.1: chunk extension, an empty quoted value", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"\"\r\nhello\r\n0\r\n\r\n", Served(&[("POST /", "hello")])),
    ("9112 7.1.1: chunk extension, a quoted value with quoted pairs", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b;c=\\\"d, \\\\\"\r\nhello\r\n0\r\n\r\n", Served(&[("POST /", "hello")])),
    ("9112 7.1.1: chunk extension, several", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a;b=c;d=\"e\"\r\nhello\r\n0\r\n\r\n", Served(&[("POST /", "hello")])),
    ("9112 7.1.1: chunk extension, spaces behind the size alone", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5  \r\nhello\r\n0\r\n\r\n", Served(&[("POST /", "hello")])),
    ("9112 7.1.1: chunk extension of the last chunk, no name", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0;\r\n\r\n", Refused(400)),
    ("9112 7.1.1: extensions are taken off", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b;c\r\nhello\r\n0;d\r\n\r\n", Served(&[("POST /", "hello")])),
    ("9112 6.3: GET with a length", "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: h\r\n\r\n", Served(&[("GET /a", "hello"), ("GET /b", "")])),
    ("9112 6.3: DELETE with a length", "DELETE /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: h\r\n\r\n", Served(&[("DELETE /a", "hello"), ("GET /b", "")])),
    ("9112 6.3: OPTIONS with a length", "OPTIONS /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: h\r\n\r\n", Served(&[("OPTIONS /a", "hello"), ("GET /b", "")])),
    ("9112 6.3: GET in chunks", "GET /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", Served(&[("GET /a", "hello"), ("GET /b", "")])),
    ("9112 6.3: a body that looks like a request", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 38\r\n\r\nGET /hidden HTTP/1.1\r\nHost: hidden\r\n\r\n", Served(&[("POST /a", "GET /hidden HTTP/1.1\r\nHost: hidden\r\n\r\n")])),
    ("9112 9.3.2: pipelined requests", "GET /a HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nxGET /c HTTP/1.1\r\nHost: h\r\n\r\n", Served(&[("GET /a", ""), ("POST /b", "x"), ("GET /c", "")])),
    ("9112 2.2: empty lines before a request", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", SERVED_ROOT),
];

#[rustfmt::skip]
/// Request line, target, host.
pub(crate) const TARGETS: &[Case] = &[
    ("9112 2.2: line feeds alone", "GET / HTTP/1.1\nHost: h\n\n", Refused(400)),
    ("9112 2.2: one line feed alone", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", Refused(400)),
    ("9112 2.2: carriage return in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", Refused(400)),
    ("9112 2.2: carriage return in a target", "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9110 5.5: NUL in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", Refused(400)),
    ("9110 5.5: DEL in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\x7fb\r\n\r\n", Refused(400)),
    ("9110 5.1: no name", "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", Refused(400)),
    ("9110 5.1: no colon", "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", Refused(400)),
    ("9110 5.1: a name with a space", "GET / HTTP/1.1\r\nHost: h\r\nX Y: z\r\n\r\n", Refused(400)),
    ("9110 5.1: a name with a bracket", "GET / HTTP/1.1\r\nHost: h\r\nX(: z\r\n\r\n", Refused(400)),
    ("9112 3: a tab for a space", "GET\t/\tHTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: no version", "GET /\r\nHost: h\r\n\r\n", Refused(400)),
    ("9110 9.1: a method with a bracket", "GE(T / HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9110 9.1: methods are case-sensitive", "get / HTTP/1.1\r\nHost: h\r\n\r\n", Served(&[("get /", "")])),
    ("9110 9.1: an unknown method", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", Served(&[("BREW /", "")])),
    ("9110 15.6.6: HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", Refused(505)),
    ("9110 15.6.6: HTTP/9.9", "GET / HTTP/9.9\r\nHost: h\r\n\r\n", Refused(505)),
    ("9110 15.6.6: HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", Refused(505)),
    ("9112 3: a space in a target", "GET /1 x HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: a space in a target of another version", "GET /1 x HTTP/2.0\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: two spaces before the version", "GET /  HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: three spaces before the version", "GET /   HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: two spaces before another version", "GET /  HTTP/2.0\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: a tab before the version", "GET / \tHTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: two spaces before the target", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: a space behind the version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: a space behind another version", "GET / HTTP/2.0 \r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: a tab behind the version", "GET / HTTP/1.1\t\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: a space before the method", " GET / HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: no target", "GET  HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: something behind the version", "GET / HTTP/1.1x\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: a version of two digits", "GET / HTTP/1.10\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: a space in the version", "GET / HTTP/ 1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3: a version of something else", "GET / XTTP/2.0\r\nHost: h\r\n\r\n", Refused(400)),
    ("9110 15.6.6: HTTP/3.0", "GET / HTTP/3.0\r\nHost: h\r\n\r\n", Refused(505)),
    ("9112 2.3: HTTP/0.9", "GET /\r\n\r\n", Refused(400)),
    ("9112 2.3: lower case", "GET / http/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3.2: no host", "GET / HTTP/1.1\r\n\r\n", Declined(400)),
    ("9112 3.2: two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Declined(400)),
    ("9112 3.2: the same host twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Declined(400)),
    ("9110 4.2.1: an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", Declined(400)),
    ("9110 4.2.1: a space for a host", "GET / HTTP/1.1\r\nHost: \r\n\r\n", Declined(400)),
    ("9110 4.2.1: a port without a host", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", Declined(400)),
    ("9110 4.2.1: a colon for a host", "GET / HTTP/1.1\r\nHost: :\r\n\r\n", Declined(400)),
    ("9110 4.2.1: an empty host in HTTP/1.0", "GET / HTTP/1.0\r\nHost:\r\n\r\n", Refused(400)),
    ("9110 4.2.1: a port without a host in the target", "GET http://:8080/ HTTP/1.1\r\nHost: h\r\n\r\n", Declined(400)),
    ("9110 4.2.1: no host in the target", "GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n", Declined(400)),
    ("9110 4.2.1: nothing behind the scheme", "GET http:// HTTP/1.1\r\nHost: h\r\n\r\n", Declined(400)),
    ("9110 4.2.1: a query for a host in the target", "GET http://?a HTTP/1.1\r\nHost: h\r\n\r\n", Declined(400)),
    ("9110 4.2.1: a colon for a host in the target", "GET http://: HTTP/1.1\r\nHost: h\r\n\r\n", Declined(400)),
    ("9110 4.2.1: a port of letters in the target", "GET http://b:x/ HTTP/1.1\r\nHost: h\r\n\r\n", Declined(400)),
    ("9110 4.2.1: a backslash in a host", "GET http://b\\@c/ HTTP/1.1\r\nHost: h\r\n\r\n", Declined(400)),
    ("9112 3.2.2: an absolute target beside an empty host", "GET http://b/x HTTP/1.1\r\nHost:\r\n\r\n", Served(&[("GET /x", "")])),
    ("9112 3.2.2: an absolute target of IPv6", "GET http://[::1]:80/x HTTP/1.1\r\nHost: h\r\n\r\n", Served(&[("GET /x", "")])),
    ("9112 3.2: a host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Declined(400)),
    ("9112 3.2: a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Declined(400)),
    ("9112 3.2: a host with a query", "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", Declined(400)),
    ("9112 3.2: a host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", Declined(400)),
    ("9112 3.2: a port of letters", "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", Declined(400)),
    ("9112 3.2: a port too high", "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", Declined(400)),
    ("9112 3.2: IPv6 without brackets", "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", Declined(400)),
    ("3986 2.1: a host with a percent sign that encodes nothing", "GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n", Declined(400)),
    ("3986 2.1: a host that ends with a percent sign", "GET / HTTP/1.1\r\nHost: a%\r\n\r\n", Declined(400)),
    ("3986 2.1: a host with half of an encoded byte", "GET / HTTP/1.1\r\nHost: a%4:80\r\n\r\n", Declined(400)),
    ("3986 3.2.2: an encoded NUL in a host", "GET / HTTP/1.1\r\nHost: a%00\r\n\r\n", Declined(400)),
    ("3986 3.2.2: an encoded line feed in a host", "GET / HTTP/1.1\r\nHost: a%0ab\r\n\r\n", Declined(400)),
    ("3986 3.2.2: an encoded DEL in a host", "GET / HTTP/1.1\r\nHost: a%7F\r\n\r\n", Declined(400)),
    ("3986 3.2.2: an encoded letter in a host", "GET / HTTP/1.1\r\nHost: b%C3%BCcher.example:80\r\n\r\n", SERVED_ROOT),
    ("3986 2.1: a target whose host has a percent sign that encodes nothing", "GET http://a%zz/ HTTP/1.1\r\nHost: h\r\n\r\n", Declined(400)),
    ("3986 3.2.2: an encoded NUL in the host of a target", "GET http://a%00/ HTTP/1.1\r\nHost: h\r\n\r\n", Declined(400)),
    ("3986 2.1: the host of a target ends with a percent sign", "GET http://a%?b HTTP/1.1\r\nHost: h\r\n\r\n", Declined(400)),
    ("9112 3.2: a list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Declined(400)),
    ("9112 3.2: an internationalised host", "GET / HTTP/1.1\r\nHost: xn--bcher-kva.example\r\n\r\n", SERVED_ROOT),
    ("9112 3.2: an IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", SERVED_ROOT),
    ("9112 3.2: a host with a final dot", "GET / HTTP/1.1\r\nHost: a.example.\r\n\r\n", SERVED_ROOT),
    ("9112 3.2: a host with an empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", SERVED_ROOT),
    ("9112 3.2.2: an absolute target", "GET http://b/x?y HTTP/1.1\r\nHost: a\r\n\r\n", Served(&[("GET /x?y", "")])),
    ("9112 3.2.2: an absolute target without a path", "GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", SERVED_ROOT),
    ("9112 3.2.1: an absolute target with a query and no path", "GET http://b?x HTTP/1.1\r\nHost: a\r\n\r\n", Served(&[("GET /?x", "")])),
    ("9110 4.2.4: a user in the target", "GET http://u@b/ HTTP/1.1\r\nHost: b\r\n\r\n", Declined(400)),
    ("9112 3.2: another scheme", "GET ftp://b/ HTTP/1.1\r\nHost: b\r\n\r\n", Refused(400)),
    ("9112 3.2.4: an asterisk", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3.2.4: an asterisk for OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", Served(&[("OPTIONS *", "")])),
    ("9112 3.2.3: an authority", "GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3.2: a word", "GET foo HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9110 9.3.6: CONNECT", "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", Declined(501)),
    ("9110 7.1: a fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3.2: a raw byte beyond ASCII", "GET /\u{e9} HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("3986 3.3: every visible character but '#', in a path and in a query", "GET /!\"$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~?!\"$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~ HTTP/1.1\r\nHost: h\r\n\r\n", Served(&[("GET /!\"$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~?!\"$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~", "")])),
    ("3986 3.4: the same behind a host", "GET http://b/!\"$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~?!\"$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~ HTTP/1.1\r\nHost: h\r\n\r\n", Served(&[("GET /!\"$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~?!\"$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~", "")])),
    ("3986 3.4: the same in a query without a path", "GET http://b?!\"$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~ HTTP/1.1\r\nHost: h\r\n\r\n", Served(&[("GET /?!\"$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~", "")])),
    ("9110 7.1: a fragment in a query", "GET /a?b#c HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9110 7.1: a fragment behind a host", "GET http://b#c HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3.2: a control character in a query", "GET /?\x01 HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3.2: DEL in a query", "GET /?\x7f HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3.2: a tab in a query", "GET /?a\tb HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9112 3.2: a raw byte beyond ASCII in a query", "GET /?\u{e9} HTTP/1.1\r\nHost: h\r\n\r\n", Refused(400)),
    ("9110 7.7: a target is not touched", "GET //a/./b/%2e%2e/%2F;c?d?e=%C3%A9 HTTP/1.1\r\nHost: h\r\n\r\n", Served(&[("GET //a/./b/%2e%2e/%2F;c?d?e=%C3%A9", "")])),
    ("9112 2.3: HTTP/1.0 without a host", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", SERVED_ROOT),
    ("9110 10.1.1: an unknown expectation", "POST / HTTP/1.1\r\nHost: h\r\nExpect: x\r\nContent-Length: 5\r\n\r\nhello", Declined(417)),
    ("9110 10.1.1: a disguised expectation", "POST / HTTP/1.1\r\nHost: h\r\nExpect: y 100-continue\r\nContent-Length: 5\r\n\r\nhello", Declined(417)),
];

/// The bytes after each case. They ask for the end of the connection, so everything before has been answered.
pub(crate) const EVIL: &str = "GET /evil HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// Sends a case, and returns the error in the result.
fn flaw(lb: &Lb, upstream: &Upstream, bytes: &str, expect: Expect) -> Option<String> {
    let before = upstream.count();
    let mut client = lb.client();
    client.send(format!("{bytes}{EVIL}"));
    let mut statuses = Vec::new();
    while let Ok(answer) = client.try_answer() {
        statuses.push(answer.status);
        if answer.head.get("connection") == Some("close") {
            break;
        }
    }
    let closed = client.wire.closes();
    let seen: Vec<_> = upstream.requests().split_off(before);
    let seen: Vec<_> = seen
        .iter()
        .map(|seen| (seen.line().to_owned(), String::from_utf8_lossy(&seen.body).into_owned()))
        .collect();
    let last = || ("GET /evil".to_owned(), String::new());
    let (wanted_statuses, wanted_requests) = match expect {
        Refused(status) => (vec![status], vec![]),
        Declined(status) => (vec![status, 200], vec![last()]),
        Served(requests) => {
            let requests = requests.iter().map(|(line, body)| ((*line).to_owned(), (*body).to_owned()));
            let requests: Vec<_> = requests.chain([last()]).collect();
            (vec![200; requests.len()], requests)
        }
    };
    let fine = (&statuses, &seen, closed) == (&wanted_statuses, &wanted_requests, true);
    (!fine).then(|| format!("{statuses:?}, backend saw {seen:?}, closed: {closed}"))
}

fn check(cases: &[Case]) {
    let upstream = Upstream::new(|_| ok(""));
    let lb = Lb::start(&[&upstream], &[NO_PINGS]);
    let flaws: Vec<_> = cases
        .iter()
        .filter_map(|(rule, bytes, expect)| {
            let flaw = flaw(&lb, &upstream, bytes, *expect)?;
            Some(format!("{rule}\n  sent {bytes:?}\n  expected {expect:?}\n  got {flaw}\n"))
        })
        .collect();
    assert!(flaws.is_empty(), "{} of {} cases\n{}", flaws.len(), cases.len(), flaws.concat());
    let refused = cases.iter().filter(|(_, _, expect)| !matches!(expect, Served(_))).count();
    assert_eq!(lb.state()["totals"]["refused"], refused, "every refusal is counted");
}

#[test]
fn a_request_has_one_end() {
    check(FRAMING);
}

#[test]
fn a_request_has_one_target_and_one_host() {
    check(TARGETS);
}

/// The expected result of an answer: status and body at the client, or `None` if the answer must not look
/// complete.
type Passed = Option<(u16, &'static str)>;

const BAD: Passed = Some((502, ""));

/// Answers to `GET`. The bytes after each of them are surplus.
#[rustfmt::skip]
const ANSWERS: &[(&str, &str, Passed)] = &[
    ("9112 6.3: a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
    ("9112 6.3: two equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", BAD),
    ("9112 6.3: two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", BAD),
    ("9110 8.6: no number", "HTTP/1.1 200 OK\r\nContent-Length: foo\r\n\r\nok", BAD),
    ("9112 6.1: a transfer coding that is not decoded", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", BAD),
    ("9112 6.1: chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
    ("9112 6.1: chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
    ("9112 5.2: a folded header", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok", BAD),
    ("9112 5.1: space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", BAD),
    ("9112 2.2: line feeds alone", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", Some((200, "ok"))),
    ("9112 2.2: line feeds alone, some of them", "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok", Some((200, "ok"))),
    ("9112 2.2: line feeds alone, but for the last line", "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok", Some((200, "ok"))),
    ("9112 2.2: line feeds alone, an empty line of both", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok", Some((200, "ok"))),
    ("9112 2.2: line feeds alone before chunks", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\r\nok\r\n0\r\n\r\n", Some((200, "ok"))),
    ("9112 2.2: line feeds alone, until the end of the connection", "HTTP/1.0 200 OK\nX: y\n\nok", Some((200, "ok"))),
    ("9112 2.2: line feeds alone, also of an interim answer", "HTTP/1.1 102 Processing\n\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok", Some((200, "ok"))),
    ("9112 2.2: line feeds alone, framing said twice", "HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 2\n\nok", BAD),
    ("9112 2.2: line feeds alone, a folded header", "HTTP/1.1 200 OK\nX: a\n b\nContent-Length: 2\n\nok", BAD),
    ("9112 7.1: line feeds alone within chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n", None),
    ("9112 7.1.1: a chunk extension without a name", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;\r\nok\r\n0\r\n\r\n", None),
    ("9110 15: a status of 099", "HTTP/1.1 099 No\r\nContent-Length: 2\r\n\r\nok", BAD),
    ("9110 15: a status of four digits", "HTTP/1.1 1000 No\r\nContent-Length: 2\r\n\r\nok", BAD),
    ("9112 2.3: HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", BAD),
    ("9112 2.3: another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n", BAD),
    ("9110 7.8: a switch without a request for it", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", BAD),
    ("9110 15.2: an interim answer, and then nothing", "HTTP/1.1 100 Continue\r\n\r\n", BAD),
    ("9112 7.1: a malformed size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n", None),
    ("9112 8: less than its length", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nok", None),
    ("9112 8: no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", None),
    ("9112 6.3: more than its length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokMORE", Some((200, "ok"))),
    ("9112 6.3: more than its last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nMORE", Some((200, "ok"))),
    ("9112 6.3: a body behind 204", "HTTP/1.1 204 No Content\r\n\r\nMORE", Some((204, ""))),
    ("9112 6.3: a body behind 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nMORE", Some((304, ""))),
    ("9112 6.3: until the end of the connection", "HTTP/1.1 200 OK\r\n\r\nok", Some((200, "ok"))),
    ("9112 2.3: HTTP/1.0 until the end", "HTTP/1.0 200 OK\r\n\r\nok", Some((200, "ok"))),
    ("9112 4: no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", Some((200, "ok"))),
    ("9110 15: an unknown status", "HTTP/1.1 299 Fine\r\nContent-Length: 2\r\n\r\nok", Some((299, "ok"))),
    ("9110 15.5.21: 421 is not special", "HTTP/1.1 421 Misdirected Request\r\nContent-Length: 2\r\n\r\nok", Some((421, "ok"))),
    ("9110 15.6.4: a backend's own 503", "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nok", Some((503, "ok"))),
];

#[test]
fn an_answer_has_one_end() {
    // After the unusual answer it closes, and its further bytes must reach no other client.
    let upstream = Upstream::new(|seen| match seen.line().strip_prefix("GET /case/") {
        Some(case) => Reply::Last(ANSWERS[case.parse::<usize>().unwrap()].1.into()),
        None => ok("next"),
    });
    let flags = ["--fall=1000", "--rise=1", "--ping-interval=20ms", "--ping-timeout=20ms", "--retries=0"];
    let lb = Lb::start(&[&upstream], &flags);
    let mut flaws = String::new();
    for (n, (rule, bytes, expected)) in ANSWERS.iter().enumerate() {
        let mut client = lb.client();
        client.ask(&format!("GET /case/{n}"), b"");
        let mut answer = client.try_answer();
        if answer.as_ref().is_ok_and(|answer| answer.status < 200) {
            answer = client.try_answer();
        }
        let passed = answer.ok().map(|answer| (answer.status, answer.text().to_owned()));
        let fine = match (&passed, expected) {
            (Some((502, why)), Some((502, _))) => why.contains("502 Bad Gateway"),
            (Some((status, text)), Some((expected, body))) => (status, &text[..]) == (expected, body),
            (None, None) => true,
            _ => false,
        };
        // A case may have taken it down for a moment.
        let next = eventually("it is served again", || {
            let next = lb.get("/next");
            when(next.status != 503, next)
        });
        if !fine || next.text() != "next" {
            flaws += &format!(
                "{rule}\n  sent {bytes:?}\n  expected {expected:?}\n  got {passed:?}, then {next:?}\n"
            );
        }
    }
    assert!(flaws.is_empty(), "{flaws}");
}

#[test]
fn the_tests_that_the_documentation_names_exist() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut sources = String::new();
    let mut folders =
        ["balance", "lb/src", "lb/tests", "tests/tests"].map(|folder| format!("{root}/{folder}")).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path.display().to_string()),
                false => sources += &std::fs::read_to_string(path).unwrap(),
            }
        }
    }
    let pages = ["conformance", "outcomes"]
        .map(|page| std::fs::read_to_string(format!("{root}/docs/{page}.md")).unwrap());
    let text = pages.join("\n");
    let names: Vec<_> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            name.matches('_').count() > 1 && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
        })
        .collect();
    assert!(names.len() > 80, "{} names", names.len());
    let missing: Vec<_> = names.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}
