//! The target of a request, with every byte as its client wrote it.
//!
//! One rule holds for all of its bytes: every visible ASCII character is allowed in a target except `#`.
//! These are the characters of RFC 3986 and those that browsers and curl send without encoding, such as `"`,
//! `<`, `{`, `|` or a backtick. None of them ends a request line, and all backends get the same bytes. Bytes
//! that readers understand differently are refused: spaces and control characters split a request line, a
//! fragment is never sent, and bytes beyond ASCII have no agreed meaning.

use std::fmt;

use bytes::Bytes;
use http::Method;
use memchr::{memchr, memchr2};

use crate::proxy::message::refusal::Refusal;

/// The longest target, in bytes: RFC 9112, section 3, asks for at least 8000.
pub(crate) const MAX_TARGET: usize = 8 * 1024;

/// A request's target, in one of the forms of RFC 9112, section 3.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target(Bytes);

impl Target {
    /// Reads the target of a request with this method.
    ///
    /// # Errors
    /// The target is too long, contains a byte that is not allowed, or has none of the forms that the method
    /// allows.
    pub(crate) fn read(text: Bytes, method: &Method) -> Result<Self, Refusal> {
        if text.len() > MAX_TARGET {
            return Err(Refusal::TargetTooLong);
        }
        let fits = text.starts_with(b"/")
            || *method == Method::CONNECT
            || (*method == Method::OPTIONS && text == "*")
            || scheme(&text).is_some();
        let is_clean = |byte: &u8| matches!(byte, b'!'..=b'~') && *byte != b'#';
        if fits && text.iter().all(is_clean) { Ok(Self(text)) } else { Err(Refusal::Target) }
    }

    /// The whole target.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path, up to the query; `*` if that is the whole target.
    pub(crate) fn path(&self) -> &[u8] {
        let path = match self.authority() {
            Some(authority) => &self.0[self.behind_scheme() + authority.len()..],
            None => &self.0,
        };
        &path[..memchr(b'?', path).unwrap_or(path.len())]
    }

    /// Host and port of a target such as `http://host:port/path`, without a check.
    pub(crate) fn authority(&self) -> Option<Bytes> {
        if self.0.starts_with(b"/") {
            return None;
        }
        let rest = self.0.slice(scheme(&self.0)?..);
        let end = memchr2(b'/', b'?', &rest).unwrap_or(rest.len());
        Some(rest.slice(..end))
    }

    /// The same without scheme and authority: RFC 9112, section 3.2.1. An empty path becomes a slash, also
    /// before a query.
    #[must_use]
    pub(crate) fn origin_form(&self) -> Self {
        let Some(authority) = self.authority() else { return self.clone() };
        let path = self.0.slice(self.behind_scheme() + authority.len()..);
        match path.starts_with(b"/") {
            true => Self(path),
            false => Self([b"/", &path[..]].concat().into()),
        }
    }

    fn behind_scheme(&self) -> usize {
        scheme(&self.0).unwrap_or(0)
    }
}

/// The length of the scheme and the characters up to the authority, if the scheme is supported.
fn scheme(target: &[u8]) -> Option<usize> {
    let is_scheme =
        |scheme: &&[u8]| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    [&b"http://"[..], b"https://"].iter().find(|scheme| is_scheme(scheme)).map(|scheme| scheme.len())
}

impl Default for Target {
    fn default() -> Self {
        Self(Bytes::from_static(b"/"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The target is ASCII.
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

#[cfg(any(test, fuzzing))]
impl From<&http::Uri> for Target {
    fn from(uri: &http::Uri) -> Self {
        Self(uri.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, method: &Method) -> Result<Target, Refusal> {
        Target::read(text.to_owned().into(), method)
    }

    #[test]
    fn every_visible_character_but_one_may_stand_anywhere_in_a_target() {
        for byte in 0..=255_u8 {
            let may_stand = byte.is_ascii_graphic() && byte != b'#';
            for place in ["/a?b", "/?", "/", "http://h/a?b", "http://h?"] {
                let text = [place.as_bytes(), &[byte], b"z"].concat();
                let target = Target::read(text.clone().into(), &Method::GET);
                assert_eq!(
                    target.map(|target| target.0),
                    if may_stand { Ok(text.into()) } else { Err(Refusal::Target) }
                );
            }
        }
    }

    #[test]
    fn each_form_is_for_its_methods() {
        let (get, options, connect) = (Method::GET, Method::OPTIONS, Method::CONNECT);
        let table = [
            ("/", &get, true),
            ("//a", &get, true),
            ("http://h", &get, true),
            ("HTTPS://h/", &get, true),
            ("*", &options, true),
            ("h:80", &connect, true),
            ("*", &get, false),
            ("/*", &get, true),
            ("h:80", &get, false),
            ("ftp://h/", &get, false),
            ("http:/h", &get, false),
            ("?a", &get, false),
            ("", &get, false),
        ];
        for (text, method, fits) in table {
            assert_eq!(read(text, method).is_ok(), fits, "{method} {text}");
        }
    }

    #[test]
    fn a_target_has_a_path_and_maybe_an_authority() {
        let table = [
            ("/a/b?c?d", None, "/a/b", "/a/b?c?d"),
            ("/?http://h/", None, "/", "/?http://h/"),
            ("//h/a", None, "//h/a", "//h/a"),
            ("http://h:1/a?b", Some("h:1"), "/a", "/a?b"),
            ("https://u@h", Some("u@h"), "", "/"),
            ("http://h?b/c", Some("h"), "", "/?b/c"),
            ("HTTP://", Some(""), "", "/"),
            ("http:///a", Some(""), "/a", "/a"),
        ];
        for (text, authority, path, origin) in table {
            let target = read(text, &Method::GET).unwrap();
            assert_eq!(target.authority().as_deref(), authority.map(str::as_bytes), "{text}");
            assert_eq!(target.path(), path.as_bytes(), "{text}");
            assert_eq!(target.origin_form().to_string(), origin, "{text}");
        }
    }
}
