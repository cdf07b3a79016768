//! What do the headers of a message say about its framing and its connection?
//!
//! Only facts are collected here. What follows from them differs between requests and answers, and is theirs.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HeaderName, HeaderValue, TE, TRANSFER_ENCODING};

use super::Malformed;
use crate::proxy::head::Headers;

/// Most headers of one message.
pub(super) const MAX_HEADERS: usize = 100;

/// Most options that the `Connection` headers of one message list. Each is compared with every header. Messages have one to four.
pub(super) const MAX_OPTIONS: usize = 32;

/// Longest head, in bytes. nginx takes 4 or 8 KiB, HAProxy 16 KiB.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// What the headers say.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Said {
    /// The one length that is given.
    pub(super) length: Option<u64>,
    /// There is a length that is no number, or more than one. Also two that agree are one too many, as for
    /// nginx: somebody on the way may see only one.
    pub(super) bad_length: bool,
    /// There is one transfer coding, and it is `chunked`.
    pub(super) chunked: bool,
    /// There are other transfer codings, in an order that could be decoded by whoever knows them.
    pub(super) other_coding: bool,
    /// There are transfer codings that nobody could decode for sure.
    pub(super) bad_coding: bool,
    /// `Connection: close`.
    pub(super) close: bool,
    /// `Connection: keep-alive`.
    pub(super) keep_alive: bool,
    /// What `Connection` lists, empty places included.
    pub(super) options: usize,
    /// There is a `TE`.
    pub(super) te: bool,
    /// There is an `Expect`.
    pub(super) expect: bool,
}

impl Said {
    fn hear(&mut self, name: &HeaderName, value: &[u8]) {
        if *name == CONTENT_LENGTH {
            let length = number(value);
            self.bad_length |= length.is_none() || self.length.is_some();
            self.length = length.or(self.length);
        } else if *name == TRANSFER_ENCODING {
            self.hear_coding(value);
        } else if *name == CONNECTION {
            for option in list(value) {
                self.options += 1;
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if *name == TE {
            self.te = true;
        } else if *name == EXPECT {
            self.expect = true;
        }
    }

    fn hear_coding(&mut self, value: &[u8]) {
        let again = self.chunked || self.other_coding || self.bad_coding;
        let last = list(value).last().unwrap_or_default();
        let others = || list(value).take(list(value).count() - 1);
        if again {
            self.bad_coding = true;
        } else if value.eq_ignore_ascii_case(b"chunked") {
            self.chunked = true;
        } else if last.eq_ignore_ascii_case(b"chunked") && others().all(is_known_coding) {
            self.other_coding = true;
        } else {
            self.bad_coding = true;
        }
    }

    /// Whether there is anything about transfer codings.
    pub(super) fn has_coding(&self) -> bool {
        self.chunked || self.other_coding || self.bad_coding
    }
}

/// The codings of RFC 9112, section 7.2.
fn is_known_coding(coding: &[u8]) -> bool {
    [&b"gzip"[..], b"x-gzip", b"compress", b"x-compress", b"deflate"]
        .iter()
        .any(|known| coding.eq_ignore_ascii_case(known))
}

fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// All that a header lists, in however many lines. Nothing of it hides what is listed beside it.
pub(crate) fn all_listed<'h, 'n>(
    headers: &'h Headers,
    name: &'n HeaderName,
) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
    headers.get_all(name).flat_map(|value| list(value.as_bytes()))
}

/// A number of digits alone: RFC 9112, section 6.2. Rust's parser would take a sign as well.
fn number(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

/// Collects the fields of a head, whose bytes they share, with room for some that will be added: to grow would cost as
/// much as to begin.
pub(super) fn collect(
    bytes: &Bytes,
    fields: &[httparse::Header<'_>],
    room: usize,
) -> Result<(Headers, Said), Malformed> {
    let mut headers = Headers::with_room(fields.len() + room);
    let mut said = Said::default();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
        let value = bytes.slice_ref(field.value);
        said.hear(&name, &value);
        headers.append(name, HeaderValue::from_maybe_shared(value).map_err(|_| Malformed)?);
    }
    Ok((headers, said))
}
