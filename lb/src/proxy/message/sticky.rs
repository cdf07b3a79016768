//! Does a request belong to a backend? A cookie names the backend, if the balancer is configured to set one.
//!
//! The cookie contains a hash of the backend's address: it shows nothing about the network behind the
//! balancer, survives a restart, and means the same to every balancer. Scripts cannot read it. By default it
//! is a session cookie (RFC 6265, section 4.1.2). A client whose backend is gone gets another backend and a
//! new cookie.

use std::str::FromStr;
use std::time::Duration;

use balance::names;
use http::header::{HeaderValue, SET_COOKIE};
use strum::{Display, IntoStaticStr, VariantArray};

use crate::pool::Backend;
use crate::proxy::message::forwarded::FORWARDED_PROTO;
use crate::proxy::message::head::Headers;
use crate::proxy::message::key::cookie;

/// The attributes of the cookie: RFC 6265bis, section 4.1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Attributes {
    /// Whether browsers send it over https only.
    pub secure: Secure,
    /// The sites whose requests carry it.
    pub same_site: SameSite,
    /// The time that a browser keeps it, in whole seconds; `None` for as long as the browser runs.
    pub max_age: Option<Duration>,
}

/// Whether browsers send the cookie over https only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Secure {
    /// If the request came over https.
    #[default]
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

impl FromStr for Secure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        names::parse(text, "not known")
    }
}

/// The sites whose requests carry the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum SameSite {
    /// Requests of its own site, and visits from other sites.
    #[default]
    Lax,
    /// Requests of its own site only.
    Strict,
    /// Requests of all sites. Browsers accept such a cookie only with `Secure`.
    None,
}

impl FromStr for SameSite {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        names::parse(text, "not known")
    }
}

impl Attributes {
    /// The attributes as text after the cookie in an answer to `request`, whose headers are as a backend gets
    /// them.
    fn written(self, request: &Headers) -> String {
        let secure = match self.secure {
            Secure::Auto => self.same_site == SameSite::None || came_by_https(request),
            Secure::Always => true,
            Secure::Never => false,
        };
        let same_site = match self.same_site {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
            SameSite::None => "None",
        };
        let max_age =
            self.max_age.map_or_else(String::new, |age| format!("; Max-Age={}", age.as_secs().max(1)));
        let secure = if secure { "; Secure" } else { "" };
        format!("; Path=/{max_age}; HttpOnly{secure}; SameSite={same_site}")
    }
}

/// Whether the client used https. The information comes from a trusted proxy or from this balancer; the first
/// of several proxies is the one that the client used.
fn came_by_https(request: &Headers) -> bool {
    let said = request.get(&FORWARDED_PROTO).map(HeaderValue::as_bytes).unwrap_or_default();
    said.split(|byte| *byte == b',')
        .next()
        .is_some_and(|first| first.trim_ascii().eq_ignore_ascii_case(b"https"))
}

/// The backend that the cookie of a request names: a [`balance::Backend::id`], if the cookie has a valid
/// value.
pub(crate) fn belongs_to(headers: &Headers, name: &str) -> Option<u64> {
    let value = cookie(headers, name)?;
    // Rust's parser would accept a sign, too.
    let is_id = value.len() == 16 && value.iter().all(u8::is_ascii_hexdigit);
    u64::from_str_radix(std::str::from_utf8(value).ok().filter(|_| is_id)?, 16).ok()
}

/// Tells the client its backend by a cookie with this name and these attributes. The headers of its `request`
/// are as a backend gets them.
pub(crate) fn set_cookie(
    headers: &mut Headers,
    (name, attributes): (&str, Attributes),
    backend: &Backend,
    request: &Headers,
) {
    let cookie = format!("{name}={:016x}{}", backend.id, attributes.written(request));
    if let Ok(value) = HeaderValue::try_from(cookie) {
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;
    use crate::pool;

    #[test]
    fn a_cookie_names_its_backend() {
        let field = [1, 2].map(|number| pool::backend(number, &format!("10.0.0.{number}"), 80));
        let mut headers = Headers::default();
        let attributes = Attributes::default();
        set_cookie(&mut headers, ("home", attributes), &field[1], &Headers::default());
        let told = headers.get(&SET_COOKIE).unwrap().to_str().unwrap();
        let (cookie, attributes) = told.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
        let mut sent = Headers::default();
        sent.append(COOKIE, cookie.parse().unwrap());
        assert_eq!(belongs_to(&sent, "home"), Some(field[1].id));
        assert_eq!(belongs_to(&sent, "other"), None);
    }

    #[test]
    fn attributes_are_as_they_are_set() {
        let usual = Attributes::default();
        let always = Attributes { secure: Secure::Always, ..usual };
        let never = Attributes { secure: Secure::Never, same_site: SameSite::Strict, ..usual };
        let none = Attributes { same_site: SameSite::None, ..usual };
        let aged = Attributes { max_age: Some(Duration::from_millis(3_600_900)), ..usual };
        let table = [
            (usual, "http", "; Path=/; HttpOnly; SameSite=Lax"),
            (usual, "", "; Path=/; HttpOnly; SameSite=Lax"),
            (usual, "https", "; Path=/; HttpOnly; Secure; SameSite=Lax"),
            (usual, "HTTPS , http", "; Path=/; HttpOnly; Secure; SameSite=Lax"),
            (usual, "http, https", "; Path=/; HttpOnly; SameSite=Lax"),
            (always, "http", "; Path=/; HttpOnly; Secure; SameSite=Lax"),
            (never, "https", "; Path=/; HttpOnly; SameSite=Strict"),
            (none, "http", "; Path=/; HttpOnly; Secure; SameSite=None"),
            (aged, "http", "; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"),
        ];
        for (attributes, proto, expected) in table {
            let mut request = Headers::default();
            request.append(FORWARDED_PROTO, proto.parse().unwrap());
            assert_eq!(attributes.written(&request), expected, "{attributes:?} {proto}");
        }
    }

    #[test]
    fn strange_cookies_name_no_backend() {
        for value in
            ["", "3", "zzzzzzzzzzzzzzzz", "+000000000000001", "00000000000000001", "\u{1f600}000000000000"]
        {
            let Ok(cookie) = format!("home={value}").parse() else { continue };
            let mut sent = Headers::default();
            sent.append(COOKIE, cookie);
            assert_eq!(belongs_to(&sent, "home"), None, "{value}");
        }
    }
}
