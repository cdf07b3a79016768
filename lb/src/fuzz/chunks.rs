//! An accepted body in chunks has one meaning: for any sizes of pieces, for each reader, and after it is
//! written again.

use bytes::BytesMut;
use http::HeaderMap;
use http::header::TRAILER;

use super::{in_any_pieces, strict};
use crate::proxy::http1::body::{Chunk, Decoder, END_OF_CHUNK, Found, begin_chunk, end_chunks};
use crate::proxy::message::fault::Fault;
use crate::proxy::message::head::Headers;
use crate::proxy::message::trailers::{announced, sift};

/// Below the limits, about which readers may differ.
const FEW: usize = 16 * 1024;
const FEW_TRAILERS: usize = 100;

/// Target: a body in chunks.
pub fn chunked_body(bytes: &[u8]) {
    if bytes.len() > FEW {
        return;
    }
    let read = in_any_pieces(bytes, |piece| read(bytes, piece));
    let expected = match strict::chunks(bytes) {
        Ok(Some(((_, trailers), _))) if trailers.len() > FEW_TRAILERS => return,
        Ok(Some(((data, trailers), rest))) => Some((data, trailers.len(), rest.len())),
        _ => None,
    };
    let Ok(Some((data, trailers, left))) = read else { return assert_eq!(None, expected) };
    assert_eq!(Some((data.clone(), trailers.len(), left)), expected);

    let mut out = Vec::new();
    for chunk in data.chunks(5) {
        begin_chunk(&mut out, chunk.len());
        out.extend_from_slice(chunk);
        out.extend_from_slice(END_OF_CHUNK);
    }
    // An answer that announces all its trailers.
    let mut head = Headers::default();
    trailers.keys().for_each(|name| head.append(TRAILER, name.clone().into()));
    end_chunks(&mut out, &sift(&trailers, &announced(&head)));
    let ((again, trailers), rest) = strict::chunks(&out).unwrap().expect("a whole body");
    assert_eq!((&again, rest), (&data, &b""[..]));
    for line in trailers {
        for name in [
            "content-",
            "transfer-encoding:",
            "host:",
            "authorization:",
            "trailer:",
            "connection:",
            "te:",
            "via:",
            "cookie:",
            "cdn-",
            "surrogate-",
            "x-accel-",
            "x-forwarded-",
            "x-real-ip:",
            "forwarded:",
        ] {
            let digest = line.starts_with(b"content-digest:") || line.starts_with(b"content-md5:");
            assert!(digest || !line.starts_with(name.as_bytes()), "{}", line.escape_ascii());
        }
        assert!(line.split(|byte| *byte == b':').next().is_some_and(|name| !name.contains(&b'_')));
    }
}

/// Data, trailers, and the number of remaining bytes of a body that arrives in pieces of this size.
fn read(bytes: &[u8], piece: usize) -> Result<Option<(Vec<u8>, HeaderMap, usize)>, Fault> {
    let mut decoder = Decoder::Chunked(Chunk::Size, 0);
    let (mut buffer, mut fed, mut data) = (BytesMut::new(), 0, Vec::new());
    let mut pieces = bytes.chunks(piece);
    loop {
        let trailers = match decoder.take(&mut buffer)? {
            Found::Frame(frame) => match frame.into_data() {
                Ok(part) => {
                    data.extend_from_slice(&part);
                    continue;
                }
                Err(frame) => frame.into_trailers().unwrap_or_default(),
            },
            Found::End => HeaderMap::new(),
            Found::Nothing => match pieces.next() {
                Some(piece) => {
                    buffer.extend_from_slice(piece);
                    fed += piece.len();
                    continue;
                }
                None => return Ok(None),
            },
        };
        assert!(decoder.is_end());
        return Ok(Some((data, trailers, bytes.len() - fed + buffer.len())));
    }
}
