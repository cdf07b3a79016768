//! How is a request written?

use std::io::Write;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, TRAILER, TRANSFER_ENCODING};
use http::request;
use http::uri::PathAndQuery;

/// Ends a chunk.
pub(crate) const END_OF_CHUNK: &[u8] = b"\r\n";

/// What must not stand in a trailer, because it would have framed, routed or authorised the message: RFC 9110,
/// section 6.5.1.
const NO_TRAILERS: [HeaderName; 5] = [CONTENT_LENGTH, TRANSFER_ENCODING, HOST, AUTHORIZATION, TRAILER];

/// Writes a request's head: its target in origin form, its headers as they stand.
pub(crate) fn write_head(out: &mut Vec<u8>, head: &request::Parts) {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.uri.path_and_query().map_or("/", PathAndQuery::as_str).as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write_fields(out, head.headers.iter());
    out.extend_from_slice(b"\r\n");
}

/// Begins a chunk of so many bytes, at least one: an empty chunk would end the body.
pub(crate) fn begin_chunk(out: &mut Vec<u8>, length: usize) {
    // Writing to a vector does not fail.
    let _ = write!(out, "{length:x}\r\n");
}

/// Ends a chunked body.
pub(crate) fn end_chunks(out: &mut Vec<u8>, trailers: &HeaderMap) {
    out.extend_from_slice(b"0\r\n");
    write_fields(out, trailers.iter().filter(|(name, _)| !NO_TRAILERS.contains(name)));
    out.extend_from_slice(b"\r\n");
}

fn write_fields<'a>(
    out: &mut Vec<u8>,
    fields: impl Iterator<Item = (&'a HeaderName, &'a http::HeaderValue)>,
) {
    for (name, value) in fields {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_head_is_written_as_it_stands() {
        let request = Request::post("/a//b?c=%2F").header("host", "h").header("x", "1").header("x", "2");
        let mut out = Vec::new();
        write_head(&mut out, &request.body(()).unwrap().into_parts().0);
        assert_eq!(out, b"POST /a//b?c=%2F HTTP/1.1\r\nhost: h\r\nx: 1\r\nx: 2\r\n\r\n");
        out.clear();
        write_head(&mut out, &Request::options("*").body(()).unwrap().into_parts().0);
        assert_eq!(out, b"OPTIONS * HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn trailers_cannot_smuggle() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        trailers.insert(CONTENT_LENGTH, "5".parse().unwrap());
        let mut out = Vec::new();
        begin_chunk(&mut out, 26);
        end_chunks(&mut out, &trailers);
        assert_eq!(out, b"1a\r\n0\r\nx-sum: 1\r\n\r\n");
    }
}
