//! The parts that values of headers have: tokens, lists, numbers.

use http::HeaderName;

use crate::proxy::message::head::Headers;

/// Whether the text is a token: RFC 9110, section 5.6.2.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

/// Whether a byte is allowed in a token.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The items of a list: RFC 9110, section 5.6.1.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// All items that a header lists, over all its lines. A malformed item hides no other item.
pub(crate) fn all_listed<'h, 'n>(
    headers: &'h Headers,
    name: &'n HeaderName,
) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
    headers.get_all(name).flat_map(|value| list(value.as_bytes()))
}

/// A number of digits only: RFC 9112, section 6.2. Rust's parser would accept a sign, too.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}
