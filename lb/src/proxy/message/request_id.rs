//! The id of a request, here and at its backend: `X-Request-ID`, kept from a trusted proxy, or new.

use http::{HeaderName, HeaderValue};

use crate::proxy::message::head::Headers;

/// The header for the id of a request. It is no standard, but Envoy, HAProxy, nginx and most frameworks use
/// it.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is kept, in bytes.
const LONGEST: usize = 128;

/// The id in the headers of a request, if there is exactly one, and it is a token (RFC 9110, section 5.6.2)
/// of up to 128 bytes.
pub(crate) fn brought(headers: &Headers) -> Option<&HeaderValue> {
    let name = REQUEST_ID;
    let mut ids = headers.get_all(&name);
    let first = ids.next().filter(|id| is_sane(id.as_bytes()));
    first.filter(|_| ids.next().is_none())
}

fn is_sane(id: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    (1..=LONGEST).contains(&id.len()) && id.iter().all(is_token)
}

/// The id of a request: the id in its headers, if it comes from a `trusted` proxy, or a new one from these
/// random bits.
pub(crate) fn choose(headers: &Headers, trusted: bool, random: impl FnOnce() -> u128) -> HeaderValue {
    let given = if trusted { brought(headers).cloned() } else { None };
    given.unwrap_or_else(|| {
        HeaderValue::try_from(format!("{:032x}", random())).expect("digits are fine in a header")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_over_if_it_is_sane_and_comes_from_a_trusted_proxy() {
        let made = "0000000000000000000000000000002a";
        let (longest, too_long) = ("x".repeat(128), "x".repeat(129));
        let table: [(&[&str], &str); 9] = [
            (&[], made),
            (&["7b3f-A_9.~"], "7b3f-A_9.~"),
            (&[&longest], &longest),
            (&[&too_long], made),
            (&[""], made),
            (&["a b"], made),
            (&["a\"b"], made),
            (&["\u{e9}"], made),
            (&["a", "b"], made),
        ];
        for (ids, expected) in table {
            let mut headers = Headers::default();
            for id in ids {
                headers.append(REQUEST_ID, HeaderValue::from_bytes(id.as_bytes()).unwrap());
            }
            assert_eq!(choose(&headers, true, || 42), expected, "{ids:?}");
            assert_eq!(choose(&headers, false, || 42), made, "{ids:?}");
        }
    }
}
