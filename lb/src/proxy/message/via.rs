//! Has a request passed through this balancer before? Every request gets a mark, and a request that already
//! has it is in a loop.
//!
//! The mark is the entry in `Via` that a gateway must add (RFC 9110, section 7.6.3). If that is switched off,
//! it is an entry in `CDN-Loop` (RFC 8586), which serves only this purpose and changes no answer.

use http::header::VIA;
use http::{HeaderName, HeaderValue};

use crate::proxy::message::head::Headers;
use crate::proxy::message::values::all_listed;

const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// The mark of this balancer on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    field: HeaderName,
    value: HeaderValue,
}

impl Mark {
    /// The mark of the balancer with this name, which is a token: in `Via`, or else in `CDN-Loop`.
    pub(crate) fn new(name: &str, via: bool) -> Self {
        let (field, text) = match via {
            true => (VIA, format!("1.1 {name}")),
            false => (CDN_LOOP, name.to_owned()),
        };
        Self { field, value: HeaderValue::try_from(text).expect("the name is a token") }
    }

    /// Adds the mark to a request.
    pub(crate) fn leave(&self, headers: &mut Headers) {
        headers.append(self.field.clone(), self.value.clone());
    }
}

/// Whether a field of this name may contain a mark.
pub(crate) fn tells_where(name: &str) -> bool {
    matches!(name, "via" | "cdn-loop")
}

/// Whether a request has passed through the balancer with this name, with either mark.
pub(crate) fn has_come_by(headers: &Headers, name: &str) -> bool {
    let name = name.as_bytes();
    let passed = all_listed(headers, &VIA).any(|hop| {
        let mut words = hop.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.nth(1) == Some(name)
    });
    let loops = |entry: &[u8]| entry.split(|byte| *byte == b';').next().map(<[u8]>::trim_ascii) == Some(name);
    passed || all_listed(headers, &CDN_LOOP).any(loops)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_known_again() {
        for via in [true, false] {
            let mut headers = Headers::default();
            assert!(!has_come_by(&headers, "lb-1"));
            Mark::new("lb-1", via).leave(&mut headers);
            assert!(has_come_by(&headers, "lb-1") && !has_come_by(&headers, "lb-2"));
            assert_eq!(headers.contains(&VIA), via);
            assert!(headers.names().all(|name| tells_where(name.as_str())));
        }
    }

    #[test]
    fn marks_stand_among_others() {
        let table = [
            ("via", "1.1 lb-1", true),
            ("via", "1.0 a, 1.1 lb-1 (comment)", true),
            ("via", "HTTP/1.1   lb-1", true),
            ("via", "1.1 lb-2", false),
            ("via", "1.1 lb-11", false),
            ("via", "lb-1", false),
            ("via", "1.1 a (lb-1)", false),
            ("cdn-loop", "lb-1", true),
            ("cdn-loop", "a, lb-1; v=1", true),
            ("cdn-loop", "lb-11", false),
            ("cdn-loop", "a; lb-1", false),
        ];
        for (name, value, expected) in table {
            let mut headers = Headers::default();
            headers.append(name.parse().unwrap(), value.parse().unwrap());
            assert_eq!(has_come_by(&headers, "lb-1"), expected, "{name}: {value}");
        }
    }
}
