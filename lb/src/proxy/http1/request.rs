//! How is a request's head read and written, and how long is the body after it?

use std::mem::MaybeUninit;

use balance::Address;
use bytes::{Buf, Bytes, BytesMut};
use http::header::HOST;
use http::{Method, Version};
use memchr::{memchr, memchr_iter};

use super::fields::{FramingHeaders, MAX_HEAD, MAX_HEADERS, MAX_OPTIONS, collect};
use super::{foreign, write_field};
use crate::proxy::message::head::RequestHead;
use crate::proxy::message::refusal::Refusal;
use crate::proxy::message::target::{MAX_TARGET, Target};
use crate::proxy::message::trailers::takes_trailers;
use crate::proxy::message::values::is_token_byte;

/// The longest method, in bytes.
const MAX_METHOD: usize = 256;

/// The longest request line, including its end.
const MAX_LINE: usize = MAX_METHOD + 1 + MAX_TARGET + " HTTP/1.1\r\n".len();

/// The number of headers that the balancer usually adds to a request: forwarding headers and `Via`.
const ADDED: usize = 4;

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) request: RequestHead,
    pub(crate) framing: Framing,
    /// The client may send another request on this connection.
    pub(crate) keep_alive: bool,
    /// The client expects something, usually 100 Continue.
    pub(crate) expects: bool,
    /// The client accepts trailers.
    pub(crate) takes_trailers: bool,
}

/// How a request's body ends: RFC 9112, section 6.3. It never ends with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After this number of bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
}

/// Takes a head from the front of `buffer`; `None` if there is no complete one yet. The first `searched`
/// bytes are known to contain no end of a head.
///
/// # Errors
/// The reason for the refusal. AfterResponse the start of the next request is unknown.
pub(crate) fn take(buffer: &mut BytesMut, searched: usize) -> Result<Option<Head>, Refusal> {
    // Empty lines before a request are ignored: RFC 9112, section 2.2.
    let mut searched = searched;
    while buffer.starts_with(b"\r\n") {
        buffer.advance(2);
        searched = searched.saturating_sub(2);
    }
    let refusal = match end(buffer, searched) {
        Err(refusal) => refusal,
        Ok(_) if !line_may_end(buffer) => too_long(buffer),
        Ok(Some(length)) if length <= MAX_HEAD => {
            let head = buffer.split_to(length).freeze();
            return parse(&head).map(Some).map_err(|refusal| {
                put_back(buffer, &head);
                foreign::recognised(&head).unwrap_or(refusal)
            });
        }
        Ok(None) if buffer.len() <= MAX_HEAD => return foreign::recognised(buffer).map_or(Ok(None), Err),
        Ok(_) => Refusal::HeadTooLarge,
    };
    Err(foreign::recognised(buffer).unwrap_or(refusal))
}

/// Puts a refused head back in front of the bytes after it, so that the log can show it.
#[cold]
fn put_back(buffer: &mut BytesMut, head: &Bytes) {
    let rest = buffer.split();
    buffer.extend_from_slice(head);
    buffer.extend_from_slice(&rest);
}

/// Whether the first line has ended, or is still short.
fn line_may_end(buffer: &[u8]) -> bool {
    buffer.len() <= MAX_LINE || memchr(b'\n', &buffer[..MAX_LINE]).is_some()
}

/// Which part of a too long first line is too long: RFC 9112, section 3.
#[cold]
fn too_long(line: &[u8]) -> Refusal {
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match () {
        () if !method.iter().all(|byte| is_token_byte(*byte)) => Refusal::Syntax,
        () if method.len() > MAX_METHOD => Refusal::Method,
        () if target.len() > MAX_TARGET => Refusal::TargetTooLong,
        () => Refusal::Syntax,
    }
}

/// The length of the head at the front, including the empty line that ends it.
fn end(buffer: &[u8], searched: usize) -> Result<Option<usize>, Refusal> {
    for feed in memchr_iter(b'\n', &buffer[searched..]).map(|at| searched + at) {
        match &buffer[..feed] {
            [.., b'\r', b'\n', b'\r'] => return Ok(Some(feed + 1)),
            [.., b'\r'] => {}
            _ => return Err(Refusal::BareLineFeed),
        }
    }
    Ok(None)
}

fn parse(bytes: &Bytes) -> Result<Head, Refusal> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        Err(httparse::Error::Version) if names_a_version(bytes) => return Err(Refusal::Version),
        _ => return Err(Refusal::Syntax),
    }
    let (Some(method), Some(path)) = (parsed.method, parsed.path) else { return Err(Refusal::Syntax) };
    let (headers, noted) = collect(bytes, parsed.headers, ADDED).map_err(|_| Refusal::Syntax)?;
    if noted.options > MAX_OPTIONS {
        return Err(Refusal::ConnectionOptions);
    }
    let old = parsed.version == Some(0);
    let framing = framing(noted, old)?;
    if method.len() > MAX_METHOD {
        return Err(Refusal::Method);
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| Refusal::Syntax)?;
    let uri = Target::read(bytes.slice_ref(path.as_bytes()), &method)?;
    let version = if old { Version::HTTP_10 } else { Version::HTTP_11 };
    let takes_trailers = noted.te && takes_trailers(&headers);
    let request = RequestHead { method, uri, version, headers };
    let keep_alive = !noted.close && (!old || noted.keep_alive);
    Ok(Head { request, framing, keep_alive, expects: noted.expect, takes_trailers })
}

/// Whether the first line names another version of HTTP, and has no other fault.
fn names_a_version(bytes: &[u8]) -> bool {
    let line = &bytes[..memchr(b'\r', bytes).unwrap_or(bytes.len())];
    let words: Vec<_> = line.splitn(4, |byte| *byte == b' ').collect();
    matches!(words[..], [_, _, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

fn framing(noted: FramingHeaders, old: bool) -> Result<Framing, Refusal> {
    if noted.bad_length {
        return Err(Refusal::Length);
    }
    if noted.bad_coding || (noted.has_coding() && (old || noted.length.is_some())) {
        return Err(Refusal::Framing);
    }
    if noted.other_coding {
        return Err(Refusal::Coding);
    }
    Ok(if noted.chunked { Framing::Chunked } else { Framing::Length(noted.length.unwrap_or(0)) })
}

/// Writes a request's head: its target in origin form, and its headers unchanged. HTTP/1.1 requires a host
/// (RFC 9112, section 3.2), and clients of HTTP/1.0 may have sent none: then the host is the backend's
/// address.
pub(crate) fn write_head(out: &mut Vec<u8>, head: &RequestHead, server: &Address) {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.uri.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut names_host = false;
    for (name, value) in head.headers.iter() {
        names_host |= *name == HOST;
        write_field(out, name.as_str(), value.as_bytes());
    }
    if !names_host {
        write_field(out, "host", server.authority().as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn read(head: &str) -> Result<Head, Refusal> {
        take(&mut BytesMut::from(head), 0).map(|head| head.expect("a whole head"))
    }

    #[test]
    fn framing_follows_the_rfc() {
        use Framing::{Chunked, Length};
        let table = [
            ("GET / HTTP/1.1\r\nHost: h", Length(0), true),
            ("POST / HTTP/1.1\r\nContent-Length: 5", Length(5), true),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked", Chunked, true),
            ("GET / HTTP/1.1\r\nConnection: x, Close", Length(0), false),
            ("GET / HTTP/1.0", Length(0), false),
            ("GET / HTTP/1.0\r\nConnection: keep-alive", Length(0), true),
        ];
        for (text, framing, keep_alive) in table {
            let head = read(&format!("{text}\r\n\r\n")).expect(text);
            assert_eq!((head.framing, head.keep_alive), (framing, keep_alive), "{text}");
        }
    }

    #[test]
    fn a_head_comes_in_any_pieces() {
        let text = "\r\nPOST /a?b HTTP/1.1\r\nContent-Length: 5\r\nTE: x, trailers\r\n\r\nrest";
        for cut in 0..text.len() - 4 {
            let mut buffer = BytesMut::from(&text[..cut]);
            assert!(take(&mut buffer, 0).unwrap().is_none(), "{cut}");
            let searched = buffer.len();
            buffer.extend_from_slice(&text.as_bytes()[cut..]);
            let head = take(&mut buffer, searched).unwrap().expect("a whole head");
            assert_eq!((head.framing, &buffer[..]), (Framing::Length(5), &b"rest"[..]), "{cut}");
            assert_eq!((head.request.uri.path(), head.takes_trailers), (&b"/a"[..], true));
        }
    }

    #[test]
    fn heads_have_an_end() {
        let endless = |text: &str| take(&mut BytesMut::from(text), 0).unwrap_err();
        let long = "x".repeat(MAX_HEAD);
        assert_eq!(endless(&format!("GET /{long}")), Refusal::TargetTooLong);
        assert_eq!(endless(&format!("GET /{long} HTTP/1.1\r\n\r\n")), Refusal::TargetTooLong);
        assert_eq!(endless(&format!("GET / HTTP/1.1\r\nX: {long}")), Refusal::HeadTooLarge);
        assert_eq!(endless(&format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n")), Refusal::HeadTooLarge);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(MAX_HEADERS + 1));
        assert_eq!(endless(&many), Refusal::HeadTooLarge);
        let longest = format!("GET /{} HTTP/1.1\r\n\r\n", &long[..MAX_TARGET - 1]);
        assert_eq!(read(&longest).unwrap().request.uri.path().len(), MAX_TARGET);
    }

    #[test]
    fn a_head_is_written_as_it_stands() {
        let request = Request::post("/a//b?c=%2F").header("host", "h").header("x", "1").header("x", "2");
        let server = Address { host: "::1".into(), port: 3031 };
        let mut out = Vec::new();
        write_head(&mut out, &request.body(()).unwrap().into_parts().0.into(), &server);
        assert_eq!(out, b"POST /a//b?c=%2F HTTP/1.1\r\nhost: h\r\nx: 1\r\nx: 2\r\n\r\n");
        out.clear();
        write_head(&mut out, &Request::options("*").body(()).unwrap().into_parts().0.into(), &server);
        assert_eq!(out, b"OPTIONS * HTTP/1.1\r\nhost: [::1]:3031\r\n\r\n");
    }
}
