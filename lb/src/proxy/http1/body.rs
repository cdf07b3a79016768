//! How is a body read and written? Frame by frame from a buffer, for any sizes of pieces; and in chunks, if
//! its length is not known.

use std::io::Write;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use memchr::{memchr, memchr_iter};

use super::extension::are_extensions;
use super::{request, response, write_fields};
use crate::proxy::message::fault::Fault;
use crate::proxy::message::trailers::MAX_TRAILERS;

/// The longest line of a chunk's size, the longest trailer section, and the total of extensions of a body, in
/// bytes.
const MAX_LINE: usize = 16 * 1024;

/// Ends a chunk.
pub(crate) const END_OF_CHUNK: &[u8] = b"\r\n";

/// The position of the reader in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoder {
    /// This number of bytes is still missing.
    Length(u64),
    /// Inside a chunked body, with the number of extension bytes so far.
    Chunked(Chunk, usize),
    /// All bytes until the end of the connection.
    Close,
}

/// The next part of a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// The size of a chunk.
    Size,
    /// This number of bytes of a chunk's data, at least one.
    Data(u64),
    /// The line end after the data.
    End,
    /// The trailers, after the last chunk.
    Trailers,
}

impl From<response::Framing> for Decoder {
    fn from(framing: response::Framing) -> Self {
        match framing {
            response::Framing::Length(length) => Self::Length(length),
            response::Framing::Chunked => Self::Chunked(Chunk::Size, 0),
            response::Framing::Close => Self::Close,
        }
    }
}

impl From<request::Framing> for Decoder {
    fn from(framing: request::Framing) -> Self {
        match framing {
            request::Framing::Length(length) => Self::Length(length),
            request::Framing::Chunked => Self::Chunked(Chunk::Size, 0),
        }
    }
}

/// The result of a look into the buffer.
#[derive(Debug)]
pub(crate) enum Found {
    /// A part of the body.
    Frame(Frame<Bytes>),
    /// The end of the body.
    End,
    /// No complete part yet; more bytes are needed.
    Nothing,
}

impl Decoder {
    /// Takes the next part of the body from the front of `buffer`.
    ///
    /// # Errors
    /// The fault of a chunk.
    pub(crate) fn take(&mut self, buffer: &mut BytesMut) -> Result<Found, Fault> {
        match self {
            Self::Length(0) => Ok(Found::End),
            _ if buffer.is_empty() => Ok(Found::Nothing),
            Self::Length(left) => Ok(data(left, buffer)),
            Self::Close => Ok(Found::Frame(Frame::data(buffer.split().freeze()))),
            Self::Chunked(chunk, extensions) => {
                let found = chunk.take(buffer, extensions)?;
                if !matches!(&found, Found::Nothing)
                    && !matches!(&found, Found::Frame(frame) if frame.is_data())
                {
                    *self = Self::Length(0);
                }
                Ok(found)
            }
        }
    }

    /// Whether the body is complete.
    pub(crate) fn is_end(&self) -> bool {
        *self == Self::Length(0)
    }

    /// The number of missing bytes, if it is known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            _ => None,
        }
    }
}

impl Chunk {
    fn take(&mut self, buffer: &mut BytesMut, extensions: &mut usize) -> Result<Found, Fault> {
        loop {
            match self {
                Self::Size => {
                    let Some(end) = line(buffer)? else { return Ok(Found::Nothing) };
                    let (size, extension) = size(&buffer[..end])?;
                    *extensions += extension;
                    *self = match size {
                        _ if *extensions > MAX_LINE => return Err(Fault::ChunkExtensions),
                        0 => Self::Trailers,
                        size => Self::Data(size),
                    };
                    buffer.advance(end + 2);
                }
                Self::Data(_) if buffer.is_empty() => return Ok(Found::Nothing),
                Self::Data(left) => {
                    let found = data(left, buffer);
                    if *left == 0 {
                        *self = Self::End;
                    }
                    return Ok(found);
                }
                Self::End => match buffer[..] {
                    [b'\r', b'\n', ..] => {
                        buffer.advance(2);
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => return Ok(Found::Nothing),
                    _ => return Err(Fault::ChunkEnd),
                },
                Self::Trailers => return trailers(buffer),
            }
        }
    }
}

fn data(left: &mut u64, buffer: &mut BytesMut) -> Found {
    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
    *left -= here as u64;
    Found::Frame(Frame::data(buffer.split_to(here).freeze()))
}

/// The length of the line at the front, which ends with CRLF and contains no control characters except tabs.
fn line(buffer: &[u8]) -> Result<Option<usize>, Fault> {
    let Some(feed) = memchr(b'\n', buffer) else {
        return if buffer.len() > MAX_LINE { Err(Fault::ChunkLine) } else { Ok(None) };
    };
    let end = feed.checked_sub(1).filter(|end| buffer[*end] == b'\r').ok_or(Fault::ChunkLine)?;
    let clean = buffer[..end].iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
    if clean && end <= MAX_LINE { Ok(Some(end)) } else { Err(Fault::ChunkLine) }
}

/// A chunk's size, 1 to 16 hexadecimal digits, and the length of its extensions, which are ignored: RFC 9112,
/// section 7.1.1.
fn size(line: &[u8]) -> Result<(u64, usize), Fault> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if !(1..=16).contains(&digits) {
        return Err(Fault::ChunkSize);
    }
    if digits < line.len() && !are_extensions(&line[digits..]) {
        return Err(Fault::ChunkExtension);
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| Fault::ChunkSize)?;
    let size = u64::from_str_radix(text, 16).map_err(|_| Fault::ChunkSize)?;
    Ok((size, line.len() - digits))
}

fn trailers(buffer: &mut BytesMut) -> Result<Found, Fault> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILERS];
    let (length, fields) = match httparse::parse_headers(buffer, &mut fields) {
        Ok(httparse::Status::Complete(parsed)) => parsed,
        Ok(httparse::Status::Partial) if buffer.len() <= MAX_LINE => return Ok(Found::Nothing),
        _ => return Err(Fault::Trailers),
    };
    // The library takes a single line feed for the end of a line.
    if memchr_iter(b'\n', &buffer[..length]).any(|feed| feed == 0 || buffer[feed - 1] != b'\r') {
        return Err(Fault::Trailers);
    }
    let mut trailers = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Fault::Trailers)?;
        trailers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| Fault::Trailers)?);
    }
    buffer.advance(length);
    Ok(if trailers.is_empty() { Found::End } else { Found::Frame(Frame::trailers(trailers)) })
}

/// Begins a chunk of this length, at least one: an empty chunk would end the body.
pub(crate) fn begin_chunk(out: &mut Vec<u8>, length: usize) {
    // Writing to a vector does not fail.
    let _ = write!(out, "{length:x}\r\n");
}

/// Ends a chunked body, with these trailers: [`super::trailers`] says which trailers are allowed.
pub(crate) fn end_chunks(out: &mut Vec<u8>, trailers: &HeaderMap) {
    out.extend_from_slice(b"0\r\n");
    write_fields(out, trailers.iter());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The data, the trailers and the rest, if the body is well-formed and complete. It comes in pieces of
    /// the given size.
    fn read(mut decoder: Decoder, bytes: &[u8], piece: usize) -> Option<(Vec<u8>, HeaderMap, Vec<u8>)> {
        let (mut buffer, mut data, mut trailers) = (BytesMut::new(), Vec::new(), HeaderMap::new());
        let mut pieces = bytes.chunks(piece);
        loop {
            match decoder.take(&mut buffer).ok()? {
                Found::Nothing => buffer.extend_from_slice(pieces.next()?),
                Found::Frame(frame) => match frame.into_data() {
                    Ok(bytes) => data.extend_from_slice(&bytes),
                    Err(frame) => {
                        trailers = frame.into_trailers().unwrap();
                        return Some((data, trailers, rest(buffer, pieces)));
                    }
                },
                Found::End => return Some((data, trailers, rest(buffer, pieces))),
            }
        }
    }

    fn rest<'a>(buffer: BytesMut, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut rest = buffer.to_vec();
        rest.extend(pieces.flatten());
        rest
    }

    const CHUNKED: Decoder = Decoder::Chunked(Chunk::Size, 0);

    #[test]
    fn bodies_end_where_their_framing_says() {
        for piece in [1, 2, 3, 100] {
            let (data, _, left) = read(Decoder::Length(3), b"abcHTTP", piece).unwrap();
            assert_eq!((&data[..], &left[..]), (&b"abc"[..], &b"HTTP"[..]));
            let text = b"3;x=y\r\nabc\r\n0a\r\n0123456789\r\n0\r\nX-Sum: 7\r\n\r\nHTTP";
            let (data, trailers, left) = read(CHUNKED, text, piece).unwrap();
            assert_eq!((&data[..], &left[..]), (&b"abc0123456789"[..], &b"HTTP"[..]));
            assert_eq!(trailers["x-sum"], "7");
        }
    }

    #[test]
    fn malformed_chunks_are_refused() {
        use Fault::{ChunkEnd, ChunkExtension, ChunkLine, ChunkSize, Trailers};
        for (text, fault) in [
            ("0x5\r\n", ChunkExtension),
            ("+5\r\n", ChunkSize),
            ("-1\r\n", ChunkSize),
            (" 5\r\n", ChunkSize),
            ("\r\n", ChunkSize),
            ("5_\r\n", ChunkExtension),
            ("5\n", ChunkLine),
            ("5;\n\r\n", ChunkLine),
            ("5\r\r;a\r\n", ChunkLine),
            ("5;\x00\r\n", ChunkLine),
            ("10000000000000000\r\n", ChunkSize),
            ("00000000000000001\r\n", ChunkSize),
            ("1\r\nab\r\n", ChunkEnd),
            ("1\r\na\n\r\n", ChunkEnd),
            ("1\r\na\r\r\n", ChunkEnd),
            ("g\r\n", ChunkSize),
            ("0\r\nX : y\r\n\r\n", Trailers),
            ("0\r\nX\r\n\r\n", Trailers),
            ("0\r\n\n", Trailers),
            ("0\r\nX: y\n\r\n", Trailers),
            ("0\r\nX: y\r\n\n", Trailers),
        ] {
            let whole = format!("{text}0\r\n\r\n0\r\n\r\n");
            let mut buffer = BytesMut::from(&whole[..]);
            let mut decoder = CHUNKED;
            let found = std::iter::repeat_with(|| decoder.take(&mut buffer)).take(3).find_map(Result::err);
            assert_eq!(found, Some(fault), "{text:?}");
        }
    }

    #[test]
    fn extensions_without_end_are_refused() {
        let wasteful =
            |chunks: usize| format!("1;{}\r\nx\r\n", "y".repeat(1000)).repeat(chunks) + "0\r\n\r\n";
        assert!(read(CHUNKED, wasteful(16).as_bytes(), 4096).is_some());
        assert!(read(CHUNKED, wasteful(17).as_bytes(), 4096).is_none());
    }

    #[test]
    fn an_endless_size_is_refused() {
        let mut buffer = BytesMut::from(&[b"5;".as_slice(), &[b'x'; MAX_LINE]].concat()[..]);
        assert!({ CHUNKED }.take(&mut buffer).is_err());
    }

    #[test]
    fn a_body_ends_with_its_trailers() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        let mut out = Vec::new();
        begin_chunk(&mut out, 26);
        end_chunks(&mut out, &trailers);
        assert_eq!(out, b"1a\r\n0\r\nx-sum: 1\r\n\r\n");
    }

    proptest! {
        #[test]
        fn a_chunked_body_is_read_completely(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            piece in 1..20_usize,
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                begin_chunk(&mut wire, chunk.len());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(END_OF_CHUNK);
            }
            end_chunks(&mut wire, &HeaderMap::new());
            let (data, _, left) = read(CHUNKED, &wire, piece).unwrap();
            prop_assert_eq!((data, left), (chunks.concat(), Vec::new()));
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1..20_usize) {
            let _ = read(CHUNKED, &bytes, piece);
        }

        #[test]
        fn a_body_cut_short_is_never_whole(cut in 0..37_usize) {
            let text = b"3;x=y\r\nabc\r\n0a\r\n0123456789\r\n0\r\nX: 7\r\n\r\n";
            prop_assume!(cut < text.len());
            prop_assert!(read(CHUNKED, &text[..cut], 5).is_none());
        }
    }
}
