//! Which requests belong together? The key for the policies that hash, read from the request as it came.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;
use http::header::COOKIE;
use ipnet::IpNet;
use xxhash_rust::xxh3::xxh3_64;

use crate::proxy::message::forwarded::client_key;
use crate::proxy::message::head::{Headers, RequestHead};
use crate::proxy::message::values::is_token;

/// The source of a request's key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Source {
    /// The IP address of the client, without its port: the other end of the connection; or, behind trusted
    /// proxies, the last address in `X-Forwarded-For` that is not such a proxy itself.
    #[default]
    Client,
    /// The path, without the query.
    Path,
    /// The first header of this name.
    Header(HeaderName),
    /// The cookie of this name.
    Cookie(String),
}

impl Source {
    /// The key of a request, from the head as a backend will see it: the same number for the same text on
    /// every machine. `None` if the request has no such header or cookie; then it belongs to no backend. The
    /// proxies in `trusted` networks are trusted.
    pub(crate) fn key(&self, head: &RequestHead, trusted: &[IpNet]) -> Option<u64> {
        match self {
            Self::Client => client_key(&head.headers, trusted).map(|key| xxh3_64(&key)),
            Self::Path => Some(xxh3_64(head.uri.path())),
            Self::Header(name) => head.headers.get(name).map(|value| xxh3_64(value.as_bytes())),
            Self::Cookie(name) => cookie(&head.headers, name).map(xxh3_64),
        }
    }
}

/// The value of a cookie: RFC 6265, section 4.2. If the cookie occurs more than once, the first counts.
pub(crate) fn cookie<'a>(headers: &'a Headers, name: &str) -> Option<&'a [u8]> {
    headers.get_all(&COOKIE).find_map(|line| {
        line.as_bytes().split(|byte| *byte == b';').find_map(|pair| {
            let pair = pair.trim_ascii_start();
            pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::trim_ascii_end)
        })
    })
}

/// Whether a cookie may have this name: a token of RFC 9110, section 5.6.2.
pub(crate) fn is_cookie_name(name: &str) -> bool {
    is_token(name.as_bytes())
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("client"),
            Self::Path => f.write_str("path"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAKey {
    /// What to write instead.
    pub(crate) remedy: &'static str,
}

impl FromStr for Source {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let wrong =
            || NotAKey { remedy: "write client, path, header:NAME or cookie:NAME, such as header:x-user" };
        match text.split_once(':') {
            None if text == "client" => Ok(Self::Client),
            None if text == "path" => Ok(Self::Path),
            Some(("header", name)) => name.parse().map(Self::Header).map_err(|_| wrong()),
            Some(("cookie", name)) if is_cookie_name(name) => Ok(Self::Cookie(name.to_owned())),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn key(source: &str, headers: &[(&'static str, &str)], target: &str) -> Option<u64> {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let head = request.body(()).unwrap().into_parts().0.into();
        source.parse::<Source>().unwrap().key(&head, &["10.0.0.0/8".parse().unwrap()])
    }

    #[test]
    fn the_same_words_make_the_same_key() {
        assert_eq!(key("path", &[], "/a?x=1"), Some(xxh3_64(b"/a")));
        assert_eq!(key("header:X-User", &[("x-user", "ann")], "/"), Some(xxh3_64(b"ann")));
        assert_eq!(key("header:X-User", &[], "/"), None);
    }

    #[test]
    fn the_client_is_the_last_hop_before_the_trusted_proxies() {
        let table = [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7, 10.0.0.3", "192.0.2.7"),
            ("192.0.2.7, 10.0.0.3, 10.0.0.4", "192.0.2.7"),
            ("192.0.2.8, 192.0.2.7, 10.0.0.3", "192.0.2.7"),
            ("10.0.0.9, 10.0.0.3", "10.0.0.9"),
            ("unknown, 10.0.0.3", "10.0.0.3"),
            ("192.0.2.7:99999, 10.0.0.3", "10.0.0.3"),
            ("2001:db8::7,10.0.0.3", "2001:db8::7"),
            ("192.0.2.7:5555, 10.0.0.3:80", "192.0.2.7"),
            ("::ffff:192.0.2.7, ::FFFF:10.0.0.3", "192.0.2.7"),
            ("[2001:DB8:0::7]:443, 10.0.0.3", "2001:db8::7"),
            (", 192.0.2.7,, 10.0.0.3,", "192.0.2.7"),
        ];
        for (chain, client) in table {
            let key = key("client", &[("x-forwarded-for", chain)], "/");
            assert_eq!(key, Some(xxh3_64(client.as_bytes())), "{chain}");
        }
        assert_eq!(key("client", &[], "/"), None);
    }

    #[test]
    fn cookies_are_found_among_others() {
        type Case<'a> = (&'a [(&'static str, &'a str)], Option<&'a [u8]>);
        let table: [Case<'_>; 6] = [
            (&[("cookie", "a=1; id=ann; b=2")], Some(b"ann")),
            (&[("cookie", "id=ann")], Some(b"ann")),
            (&[("cookie", "a=1"), ("cookie", "id=ann")], Some(b"ann")),
            (&[("cookie", "xid=bob; id=")], Some(b"")),
            (&[("cookie", "idx=bob; id")], None),
            (&[], None),
        ];
        for (headers, expected) in table {
            assert_eq!(key("cookie:id", headers, "/"), expected.map(xxh3_64), "{headers:?}");
        }
    }

    #[test]
    fn sources_are_read_as_they_are_written() {
        for text in ["client", "path", "header:x-user", "cookie:session"] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        for text in ["", "ip", "header", "header:", "header:a b", "cookie:", "cookie:a=b", "path:x"] {
            let NotAKey { remedy } = text.parse::<Source>().unwrap_err();
            assert!(remedy.contains("write client, path, header:NAME"), "{remedy}");
        }
    }
}
