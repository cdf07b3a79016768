//! Which other protocol is it, if it is not HTTP? Two are met so often that their senders are told what is wrong. Nobody looks for
//! them before what has come is found to be no request, or not a whole one yet.

use crate::proxy::refusal::Refusal;

/// What a PROXY header of version 2 begins with, but for two empty lines, which are ignored before a request.
const PROXY_2: &[u8] = b"\0\r\nQUIT\n";

/// The protocol that these first bytes are of.
pub(super) fn recognised(bytes: &[u8]) -> Option<Refusal> {
    let is_proxy = || {
        [&b"PROXY TCP4 "[..], b"PROXY TCP6 ", b"PROXY UNKNOWN", PROXY_2]
            .iter()
            .any(|one| bytes.starts_with(one))
    };
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
    fn other_protocols_are_told_from_requests() {
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
}
