//! What do the headers of a message say about its framing and its connection?
//!
//! Only facts are collected here. The conclusions differ between requests and answers, and are made there.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HeaderName, HeaderValue, TE, TRANSFER_ENCODING};
use memchr::memchr;

use super::Malformed;
use crate::proxy::message::head::Headers;
use crate::proxy::message::values::{list, number};

/// The largest number of headers of one message.
pub(super) const MAX_HEADERS: usize = 100;

/// The largest number of options in the `Connection` headers of one message. Each option is compared with
/// every header. Messages usually have one to four.
pub(super) const MAX_OPTIONS: usize = 32;

/// The longest head, in bytes. nginx allows 4 or 8 KiB, HAProxy 16 KiB.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// The facts from the headers.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct FramingHeaders {
    /// The only length that is given.
    pub(super) length: Option<u64>,
    /// A length is no number, or there is more than one. Two equal lengths are also an error, as in nginx:
    /// another reader on the way may see only one.
    pub(super) bad_length: bool,
    /// There is one transfer coding, and it is `chunked`.
    pub(super) chunked: bool,
    /// There are other transfer codings, in an order that a reader could decode if it knows them.
    pub(super) other_coding: bool,
    /// There are transfer codings that no reader could decode reliably.
    pub(super) bad_coding: bool,
    /// `Connection: close`.
    pub(super) close: bool,
    /// `Connection: keep-alive`.
    pub(super) keep_alive: bool,
    /// `Keep-Alive: timeout=N`, in seconds: the time that the sender keeps its connection without a request.
    pub(super) kept_for: Option<u32>,
    /// `Connection` lists another option.
    pub(super) lists_others: bool,
    /// The number of options in `Connection`, including empty ones.
    pub(super) options: usize,
    /// There is a `TE` header.
    pub(super) te: bool,
    /// There is an `Expect` header.
    pub(super) expect: bool,
}

impl FramingHeaders {
    fn note(&mut self, name: &HeaderName, value: &[u8]) {
        if *name == CONTENT_LENGTH {
            let length = number(value);
            self.bad_length |= length.is_none() || self.length.is_some();
            self.length = length.or(self.length);
        } else if *name == TRANSFER_ENCODING {
            self.hear_coding(value);
        } else if *name == CONNECTION {
            for option in list(value) {
                let close = option.eq_ignore_ascii_case(b"close");
                let keep_alive = option.eq_ignore_ascii_case(b"keep-alive");
                self.close |= close;
                self.keep_alive |= keep_alive;
                self.lists_others |= !(close || keep_alive || option.is_empty());
                self.options += 1;
            }
        } else if name.as_str() == "keep-alive" {
            self.hear_keep_alive(value);
        } else if *name == TE {
            self.te = true;
        } else if *name == EXPECT {
            self.expect = true;
        }
    }

    /// The parameters of RFC 2068, section 19.7.1. With several times, the shortest is safe.
    #[cold]
    fn hear_keep_alive(&mut self, value: &[u8]) {
        let times = list(value).filter_map(|parameter| {
            let at = memchr(b'=', parameter)?;
            let (name, time) = (parameter[..at].trim_ascii(), parameter[at + 1..].trim_ascii());
            let time = time.strip_prefix(b"\"").and_then(|time| time.strip_suffix(b"\"")).unwrap_or(time);
            let seconds = number(time).filter(|_| name.eq_ignore_ascii_case(b"timeout"))?;
            Some(u32::try_from(seconds).unwrap_or(u32::MAX))
        });
        self.kept_for = times.chain(self.kept_for).min();
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

    /// Whether there is any transfer coding.
    pub(super) fn has_coding(&self) -> bool {
        self.chunked || self.other_coding || self.bad_coding
    }
}

/// Whether [`FramingHeaders`] uses a header with a name of this length. Most headers have names of other
/// lengths, so that their names need not be compared with each one.
const fn may_matter(length: usize) -> bool {
    // te, expect, connection or keep-alive, content-length, transfer-encoding.
    matches!(length, 2 | 6 | 10 | 14 | 17)
}

/// The codings of RFC 9112, section 7.2.
fn is_known_coding(coding: &[u8]) -> bool {
    [&b"gzip"[..], b"x-gzip", b"compress", b"x-compress", b"deflate"]
        .iter()
        .any(|known| coding.eq_ignore_ascii_case(known))
}

/// Collects the fields of a head, which share its bytes. The list has room for some more fields, because
/// growing would cost as much as a new list.
pub(super) fn collect(
    bytes: &Bytes,
    fields: &[httparse::Header<'_>],
    room: usize,
) -> Result<(Headers, FramingHeaders), Malformed> {
    let mut headers = Headers::with_room(fields.len() + room);
    let mut noted = FramingHeaders::default();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
        let value = bytes.slice_ref(field.value);
        if may_matter(field.name.len()) {
            noted.note(&name, &value);
        }
        headers.append(name, HeaderValue::from_maybe_shared(value).map_err(|_| Malformed)?);
    }
    Ok((headers, noted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_relevant_header_is_skipped() {
        let names = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, TE, EXPECT];
        assert!(names.iter().all(|name| may_matter(name.as_str().len())));
        assert!(may_matter("keep-alive".len()));
    }

    #[test]
    fn the_shortest_keep_alive_time_counts() {
        let table = [
            ("timeout=5", Some(5)),
            ("timeout=5, max=100", Some(5)),
            ("max=100,Timeout = 5", Some(5)),
            ("timeout=\"5\"", Some(5)),
            ("timeout=9, timeout=5", Some(5)),
            ("timeout=0", Some(0)),
            ("timeout=99999999999", Some(u32::MAX)),
            ("max=100", None),
            ("timeout", None),
            ("timeout=-5", None),
            ("timeout=five", None),
            ("", None),
        ];
        for (value, expected) in table {
            let mut noted = FramingHeaders::default();
            noted.note(&HeaderName::from_static("keep-alive"), value.as_bytes());
            assert_eq!(noted.kept_for, expected, "{value}");
        }
    }
}
