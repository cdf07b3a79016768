//! How is an answer's head read, and how long is the body behind it?

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Response, StatusCode, Version};
use memchr::memmem;

use super::Malformed;

/// Longest head, in bytes. nginx takes 4 or 8 KiB, HAProxy 16 KiB.
const MAX_HEAD: usize = 64 * 1024;

/// Most headers.
const MAX_HEADERS: usize = 100;

/// How a body ends: RFC 9112, section 6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) response: Response<()>,
    pub(crate) framing: Framing,
    /// The backend will take another request on this connection.
    pub(crate) keep_alive: bool,
}

/// Takes a head from the front of `buffer`; `None` if there is not yet a whole one. `searched` bytes of it are
/// known to hold no end of a head.
///
/// # Errors
/// [`Malformed`]: not HTTP/1, too long, or with a framing that two readers could understand differently.
pub(crate) fn take(
    buffer: &mut BytesMut,
    searched: usize,
    asked: &Method,
) -> Result<Option<Head>, Malformed> {
    let begun = buffer.len().min(7);
    if buffer[..begun] != b"HTTP/1."[..begun] {
        return Err(Malformed);
    }
    let Some(at) = memmem::find(&buffer[searched.saturating_sub(2)..], b"\n\r\n") else {
        let hopeless = buffer.len() > MAX_HEAD || memmem::find(buffer, b"\n\n").is_some();
        return if hopeless { Err(Malformed) } else { Ok(None) };
    };
    let length = searched.saturating_sub(2) + at + 3;
    if length > MAX_HEAD {
        return Err(Malformed);
    }
    parse(&buffer.split_to(length).freeze(), asked).map(Some)
}

fn parse(bytes: &Bytes, asked: &Method) -> Result<Head, Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let status =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut fields);
    let (Ok(httparse::Status::Complete(length)), Some(code)) = (status, parsed.code) else {
        return Err(Malformed);
    };
    if length != bytes.len() {
        return Err(Malformed);
    }

    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    let mut said = Said::default();
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
        let value = bytes.slice_ref(field.value);
        said.hear(&name, &value)?;
        headers.append(name, HeaderValue::from_maybe_shared(value).map_err(|_| Malformed)?);
    }
    let status = StatusCode::from_u16(code).map_err(|_| Malformed)?;
    let old = parsed.version == Some(0);
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    *response.version_mut() = if old { Version::HTTP_10 } else { Version::HTTP_11 };
    let framing = said.framing(asked, status, old)?;
    let keep_alive = !said.close && (!old || said.keep_alive) && framing != Framing::Close;
    Ok(Head { response, framing, keep_alive })
}

/// What the headers say about framing and connection.
#[derive(Debug, Default)]
struct Said {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl Said {
    fn hear(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), Malformed> {
        if *name == CONTENT_LENGTH {
            // Also two that agree are refused, as nginx does: somebody on the way may see only one.
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let length =
                std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
            if self.length.replace(length.ok_or(Malformed)?).is_some() {
                return Err(Malformed);
            }
        } else if *name == TRANSFER_ENCODING {
            if std::mem::replace(&mut self.chunked, true) || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed);
            }
        } else if *name == CONNECTION {
            for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Ok(())
    }

    fn framing(&self, asked: &Method, status: StatusCode, old: bool) -> Result<Framing, Malformed> {
        // HTTP/1.0 knows no chunks, and a length beside them is how answers are smuggled.
        if self.chunked && (old || self.length.is_some()) {
            return Err(Malformed);
        }
        let bodyless = *asked == Method::HEAD
            || status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED;
        Ok(match self.length {
            _ if bodyless => Framing::Length(0),
            _ if self.chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::Close,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str, asked: &Method) -> Result<Head, Malformed> {
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
        assert_eq!(head.response.headers()[CONTENT_LENGTH], "5");
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 5",
            "HTTP/1.1 200 OK\r\nContent-Length: +5",
            "HTTP/1.1 200 OK\r\nContent-Length:",
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
            "HTTP/1.1 200 OK\r\nX: a\r\n folded",
            "HTTP/1.1 200 OK\r\nX : a",
            "HTTP/1.1 200 OK\r\nX\x01: a",
            "HTTP/1.1 200 OK\n\nContent-Length: 5",
            "HTTP/1.1 099 No",
            "HTTP/1.1 20 OK",
            "HTTP/2.0 200 OK",
            "SSH-2.0-OpenSSH_9.2",
            "\r\nHTTP/1.1 200 OK",
        ] {
            assert!(read(&format!("{text}\r\n\r\n"), &Method::GET).is_err(), "{text:?}");
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
    fn heads_have_an_end() {
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(MAX_HEAD));
        assert!(take(&mut BytesMut::from(&endless[..]), 0, &Method::GET).is_err());
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(MAX_HEADERS + 1));
        assert!(take(&mut BytesMut::from(&many[..]), 0, &Method::GET).is_err());
    }
}
