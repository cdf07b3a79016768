//! How is an answer's head read and written, and how long is the body after it?

use std::io::Write;
use std::mem::MaybeUninit;
use std::ops::Deref;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, DATE};
use http::{Method, StatusCode};
use memchr::memchr_iter;

use super::fields::{FramingHeaders, MAX_HEAD, MAX_HEADERS, MAX_OPTIONS, collect};
use super::write_field;
use crate::proxy::message::fault::Fault;
use crate::proxy::message::head::{Headers, ResponseHead};

/// How a body ends: RFC 9112, section 6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After this number of bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) response: ResponseHead,
    pub(crate) framing: Framing,
    /// The backend accepts another request on this connection.
    pub(crate) keep_alive: bool,
    /// The number of seconds for that, if the backend tells it.
    pub(crate) kept_for: Option<u32>,
    /// The trailers may be forwarded: `Connection` lists nothing that could also be a trailer (RFC 9110,
    /// section 7.6.1).
    pub(crate) passes_trailers: bool,
}

/// Takes a head from the front of `buffer`; `None` if there is no complete one yet. The first `searched`
/// bytes are known to contain no end of a head. A line may end without a carriage return (RFC 9112, section
/// 2.2): some servers write such heads, and the balancer frames the answer for the client again.
///
/// # Errors
/// [`Fault`]: not HTTP/1, too long, or with a framing that two readers could understand differently.
pub(crate) fn take(buffer: &mut BytesMut, searched: usize, asked: &Method) -> Result<Option<Head>, Fault> {
    let begun = buffer.len().min(7);
    if buffer[..begun] != b"HTTP/1."[..begun] {
        return Err(Fault::NotHttp);
    }
    let from = searched.saturating_sub(2);
    let mut feeds = memchr_iter(b'\n', &buffer[from..]).map(|at| from + at + 1);
    let Some(length) = feeds.find_map(|next| match buffer[next..] {
        [b'\n', ..] => Some(next + 1),
        [b'\r', b'\n', ..] => Some(next + 2),
        _ => None,
    }) else {
        return if buffer.len() > MAX_HEAD { Err(Fault::TooLong) } else { Ok(None) };
    };
    if length > MAX_HEAD {
        return Err(Fault::TooLong);
    }
    parse(&buffer.split_to(length).freeze(), asked).map(Some)
}

fn parse(bytes: &Bytes, asked: &Method) -> Result<Head, Fault> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let status =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut fields);
    let (httparse::Status::Complete(length), Some(code)) = (status?, parsed.code) else {
        return Err(Fault::Line);
    };
    if length != bytes.len() {
        return Err(Fault::Line);
    }

    let (headers, noted) = collect(bytes, parsed.headers, 0)?;
    if noted.options > MAX_OPTIONS {
        return Err(Fault::Options);
    }
    let status = StatusCode::from_u16(code).map_err(|_| Fault::StatusLine)?;
    let old = parsed.version == Some(0);
    let framing = framing(noted, asked, status, old)?;
    let keep_alive = !noted.close && (!old || noted.keep_alive) && framing != Framing::Close;
    let response = ResponseHead { status, headers };
    let (kept_for, passes_trailers) = (noted.kept_for, !noted.lists_others);
    Ok(Head { response, framing, keep_alive, kept_for, passes_trailers })
}

fn framing(noted: FramingHeaders, asked: &Method, status: StatusCode, old: bool) -> Result<Framing, Fault> {
    // HTTP/1.0 has no chunks, and a length beside chunks is a way to smuggle answers.
    let contradiction = noted.chunked && (old || noted.length.is_some());
    if contradiction || noted.bad_length || noted.bad_coding || noted.other_coding {
        return Err(fault(noted, old));
    }
    Ok(match noted.length {
        _ if *asked == Method::HEAD || has_no_body(status) => Framing::Length(0),
        _ if noted.chunked => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::Close,
    })
}

/// The fault of a framing.
#[cold]
fn fault(noted: FramingHeaders, old: bool) -> Fault {
    match noted {
        _ if noted.bad_length => Fault::Length,
        _ if noted.bad_coding || noted.other_coding => Fault::Coding,
        _ if noted.length.is_some() => Fault::Both,
        _ if old => Fault::CodingInOld,
        _ => Fault::Coding,
    }
}

/// Whether an answer with this status never has a body: RFC 9112, section 6.3.
fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// The form in which an answer is sent to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResponseFraming {
    /// The answer has a body, or at least could have one.
    pub(crate) body: bool,
    /// The body is sent in chunks.
    pub(crate) chunked: bool,
    /// The length to add, if no header states it.
    pub(crate) length: Option<u64>,
    /// The connection accepts another request afterwards.
    pub(crate) keep_alive: bool,
}

/// The shape of an answer with this status and a body of this length, if it is known. `old` is for a client
/// of HTTP/1.0, and `keep_alive` says whether the client and the balancer want to keep the connection.
pub(crate) fn shape(
    asked: &Method,
    old: bool,
    keep_alive: bool,
    status: StatusCode,
    headers: &Headers,
    length: Option<u64>,
) -> ResponseFraming {
    let body = *asked != Method::HEAD && !has_no_body(status);
    let stated = headers.contains(&CONTENT_LENGTH);
    ResponseFraming {
        body,
        chunked: body && length.is_none() && !old,
        // The answer to a GET may have any length: only the backend knows the length for an answer to HEAD.
        length: length.filter(|length| !stated && !has_no_body(status) && (body || *length > 0)),
        // In HTTP/1.0, only the end of the connection ends a body of unknown length.
        keep_alive: keep_alive && (!body || length.is_some() || !old),
    }
}

/// Writes an answer's head: its headers unchanged, and those for this connection alone. `date` is called and
/// added if there is no date: RFC 9110, section 6.6.1.
pub(crate) fn write_head<D: Deref<Target = str>>(
    out: &mut Vec<u8>,
    answer: &ResponseHead,
    shape: ResponseFraming,
    old: bool,
    date: impl FnOnce() -> D,
) {
    write_status_line(out, answer.status);
    let bodyless = has_no_body(answer.status);
    let mut dated = false;
    for (name, value) in answer.headers.iter() {
        dated |= *name == DATE;
        // RFC 9110, section 8.6: never with 1xx and 204. A 304 may state the length that a 200 would have.
        if bodyless && answer.status != StatusCode::NOT_MODIFIED && *name == CONTENT_LENGTH {
            continue;
        }
        write_field(out, name.as_str(), value.as_bytes());
    }
    if !dated && !answer.status.is_informational() {
        write_field(out, "date", date().as_bytes());
    }
    if let Some(length) = shape.length {
        // Writing to a vector does not fail.
        let _ = write!(out, "content-length: {length}\r\n");
    }
    if shape.chunked {
        write_field(out, "transfer-encoding", b"chunked");
    }
    match (shape.keep_alive, old) {
        // The connection continues, but not with HTTP.
        _ if answer.status == StatusCode::SWITCHING_PROTOCOLS => {}
        (false, _) => write_field(out, "connection", b"close"),
        (true, true) => write_field(out, "connection", b"keep-alive"),
        (true, false) => {}
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes an interim answer: RFC 9110, section 15.2.
pub(crate) fn write_interim(out: &mut Vec<u8>, answer: &ResponseHead) {
    write_status_line(out, answer.status);
    for (name, value) in answer.headers.iter() {
        write_field(out, name.as_str(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn write_status_line(out: &mut Vec<u8>, status: StatusCode) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn read(head: &str, asked: &Method) -> Result<Head, Fault> {
        take(&mut BytesMut::from(head), 0, asked).map(|head| head.expect("a whole head"))
    }

    #[test]
    fn framing_follows_the_rfc() {
        use Framing::{Chunked, Close, Length};
        let table = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5", Length(5), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x, Close", Length(5), false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked", Chunked, true),
            ("HTTP/1.1 200 OK", Close, false),
            ("HTTP/1.1 200", Close, false),
            ("HTTP/1.1 204 No Content", Length(0), true),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9", Length(0), true),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5", Length(5), false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive", Length(5), true),
        ];
        for (text, framing, keep_alive) in table {
            let head = read(&format!("{text}\r\n\r\n"), &Method::GET).expect(text);
            assert_eq!((head.framing, head.keep_alive), (framing, keep_alive), "{text}");
        }
        let head = read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", &Method::HEAD).unwrap();
        assert_eq!(head.framing, Length(0));
        assert_eq!(head.response.headers.get(&CONTENT_LENGTH).unwrap(), "5");
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        use Fault::{Both, Coding, CodingInOld, Length, Line, NotHttp, StatusLine};
        for (text, fault) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", Both),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5", Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5", Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: +5", Length),
            ("HTTP/1.1 200 OK\r\nContent-Length:", Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616", Length),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip", Coding),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked", Coding),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Coding),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", CodingInOld),
            ("HTTP/1.1 200 OK\r\nX: a\r\n folded", Line),
            ("HTTP/1.1 200 OK\r\nX : a", Line),
            ("HTTP/1.1 200 OK\r\nX\x01: a", Line),
            ("HTTP/1.1 200 OK\nX: a\n folded", Line),
            ("HTTP/1.1 200 OK\nX: a\rb", Line),
            ("HTTP/1.1 200 OK\r\r\nX: a", StatusLine),
            ("\nHTTP/1.1 200 OK", NotHttp),
            ("HTTP/1.1 099 No", StatusLine),
            ("HTTP/1.1 20 OK", StatusLine),
            ("HTTP/2.0 200 OK", NotHttp),
            ("SSH-2.0-OpenSSH_9.2", NotHttp),
            ("\r\nHTTP/1.1 200 OK", NotHttp),
        ] {
            let read = read(&format!("{text}\r\n\r\n"), &Method::GET);
            assert_eq!(read.err(), Some(fault), "{text:?}");
        }
    }

    #[test]
    fn a_head_comes_in_any_pieces() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nrest";
        for cut in 0..text.len() - 4 {
            let mut buffer = BytesMut::from(&text[..cut]);
            assert!(take(&mut buffer, 0, &Method::GET).unwrap().is_none(), "{cut}");
            buffer.extend_from_slice(&text.as_bytes()[cut..]);
            let head = take(&mut buffer, cut, &Method::GET).unwrap().expect("a whole head");
            assert_eq!((head.framing, &buffer[..]), (Framing::Length(5), &b"rest"[..]));
        }
    }

    #[test]
    fn lines_may_end_without_a_carriage_return() {
        for text in [
            "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\n\nok",
            "HTTP/1.1 200 OK\nContent-Length: 2\r\n\nok",
            "HTTP/1.1 200 OK\nContent-Length: 2\n\r\nok",
            "HTTP/1.1 200\nContent-Length: 2\n\nok",
        ] {
            for cut in 0..text.len() - 2 {
                let mut buffer = BytesMut::from(&text[..cut]);
                assert!(take(&mut buffer, 0, &Method::GET).unwrap().is_none(), "{text:?} {cut}");
                buffer.extend_from_slice(&text.as_bytes()[cut..]);
                let head = take(&mut buffer, cut, &Method::GET).unwrap().expect("a whole head");
                assert_eq!((head.framing, &buffer[..]), (Framing::Length(2), &b"ok"[..]), "{text:?}");
            }
        }
        let mut buffer = BytesMut::from("HTTP/1.1 200 OK\n\nContent-Length: 2\r\n\r\n");
        let head = take(&mut buffer, 0, &Method::GET).unwrap().expect("a whole head");
        assert_eq!(
            (head.framing, &buffer[..]),
            (Framing::Close, &b"Content-Length: 2\r\n\r\n"[..]),
            "the first empty line"
        );
    }

    #[test]
    fn heads_have_an_end() {
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(MAX_HEAD));
        assert!(take(&mut BytesMut::from(&endless[..]), 0, &Method::GET).is_err());
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(MAX_HEADERS + 1));
        assert!(take(&mut BytesMut::from(&many[..]), 0, &Method::GET).is_err());
    }

    fn written(answer: http::response::Builder, asked: &Method, old: bool, length: Option<u64>) -> String {
        let answer = answer.body(()).unwrap();
        let answer = ResponseHead { status: answer.status(), headers: answer.headers().into() };
        let shape = shape(asked, old, true, answer.status, &answer.headers, length);
        let mut out = Vec::new();
        write_head(&mut out, &answer, shape, old, || "now");
        String::from_utf8(out).unwrap().replace("\r\n", "|")
    }

    #[test]
    fn an_answer_is_framed_for_its_client() {
        let status = |code: u16| Response::builder().status(code);
        let stated = |code: u16| status(code).header("content-length", "3");
        let (get, head) = (Method::GET, Method::HEAD);
        let table = [
            (stated(200), &get, false, Some(3), "HTTP/1.1 200 OK|content-length: 3|date: now||"),
            (status(200), &get, false, Some(3), "HTTP/1.1 200 OK|date: now|content-length: 3||"),
            (status(200), &get, false, Some(0), "HTTP/1.1 200 OK|date: now|content-length: 0||"),
            (status(200), &get, false, None, "HTTP/1.1 200 OK|date: now|transfer-encoding: chunked||"),
            (status(200), &get, true, None, "HTTP/1.1 200 OK|date: now|connection: close||"),
            (
                stated(200),
                &get,
                true,
                Some(3),
                "HTTP/1.1 200 OK|content-length: 3|date: now|connection: keep-alive||",
            ),
            (stated(200), &head, false, Some(0), "HTTP/1.1 200 OK|content-length: 3|date: now||"),
            (status(200), &head, false, Some(0), "HTTP/1.1 200 OK|date: now||"),
            (stated(204), &get, false, Some(0), "HTTP/1.1 204 No Content|date: now||"),
            (stated(304), &get, false, Some(0), "HTTP/1.1 304 Not Modified|content-length: 3|date: now||"),
            (status(101), &get, false, Some(0), "HTTP/1.1 101 Switching Protocols||"),
            (
                status(299).header("date", "then"),
                &get,
                false,
                Some(0),
                "HTTP/1.1 299 |date: then|content-length: 0||",
            ),
        ];
        for (answer, asked, old, length, expected) in table {
            assert_eq!(written(answer, asked, old, length), expected);
        }
    }
}
