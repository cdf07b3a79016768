//! Which other protocol is it, if it is not HTTP? Two protocols are frequent mistakes, so their senders get a
//! specific error. This is checked only after the bytes were found to be no request, or not a complete one
//! yet.

use crate::proxy::message::refusal::Refusal;

/// The beginning of a PROXY header of version 2, without the two empty lines, which are ignored before a
/// request.
const PROXY_2: &[u8] = b"\0\r\nQUIT\n";

/// The beginning of a PROXY header of version 1.
const PROXY: [&[u8]; 4] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN", PROXY_2];

/// The largest number of first bytes that are checked.
const FEW: usize = 256;

/// The kind of the first bytes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// A protocol that is not supported.
    Foreign(Refusal),
    /// Anything else, which the HTTP reader judges.
    Other,
    /// Too few bytes to decide.
    Unclear,
}

/// Decides what these first bytes of a connection are. Empty lines before a request are ignored: RFC 9112,
/// section 2.2.
pub(crate) fn first(bytes: &[u8]) -> First {
    let mut rest = bytes;
    while let Some(behind) = rest.strip_prefix(b"\r\n") {
        rest = behind;
    }
    let may_become = || {
        let tls = matches!(rest, [] | [b'\r'] | [0x16] | [0x16, 3]);
        bytes.len() < FEW && (tls || PROXY.iter().any(|one| one.starts_with(rest)))
    };
    match recognised(rest) {
        Some(refusal) => First::Foreign(refusal),
        None if may_become() => First::Unclear,
        None => First::Other,
    }
}

/// The protocol of these first bytes.
pub(super) fn recognised(bytes: &[u8]) -> Option<Refusal> {
    let is_proxy = || PROXY.iter().any(|one| bytes.starts_with(one));
    match bytes {
        // A record with a handshake, of version 3.0 to 3.4: RFC 8446, section 5.1.
        [0x16, 3, 0..=4, ..] => Some(Refusal::Tls),
        [b'P' | 0, ..] if is_proxy() => Some(Refusal::ProxyProtocol),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_are_distinguished_from_requests() {
        let table: [(&[u8], Option<Refusal>); 9] = [
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Some(Refusal::Tls)),
            (b"\x16\x03\x03\x00\x05", Some(Refusal::Tls)),
            (b"\x16\x03", None),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n", Some(Refusal::ProxyProtocol)),
            (b"PROXY TCP6 ::1 ::2 1 2\r\n", Some(Refusal::ProxyProtocol)),
            (b"PROXY UNKNOWN\r\n", Some(Refusal::ProxyProtocol)),
            (b"\0\r\nQUIT\n\x21\x11\x00\x0c", Some(Refusal::ProxyProtocol)),
            (b"PROXY / HTTP/1.1\r\n", None),
            (b"POST / HTTP/1.1\r\n", None),
        ];
        for (bytes, expected) in table {
            assert_eq!(recognised(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn first_bytes_are_unclear_until_they_tell() {
        let (tls, proxy) = (First::Foreign(Refusal::Tls), First::Foreign(Refusal::ProxyProtocol));
        let table: [(&[u8], usize, First); 7] = [
            (b"\x16\x03\x01\x02", 3, tls),
            (b"\x16\x02\x01", 2, First::Other),
            (b"PROXY TCP4 192.0.2.1", 11, proxy),
            (b"\r\n\r\n\0\r\nQUIT\n\x21", 12, proxy),
            (b"PROXY / HTTP/1.1\r\n", 7, First::Other),
            (b"\r\nGET / HTTP/1.1\r\n", 3, First::Other),
            (b"POST / HTTP/1.1\r\n", 2, First::Other),
        ];
        for (bytes, needed, expected) in table {
            for length in 0..=bytes.len() {
                let expected = if length < needed { First::Unclear } else { expected };
                assert_eq!(first(&bytes[..length]), expected, "{}", bytes[..length].escape_ascii());
            }
        }
        assert_eq!(first(&b"\r\n".repeat(FEW)), First::Other, "there is an end to empty lines");
    }
}
