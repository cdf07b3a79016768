//! Does a request belong to a backend? A cookie says so, if the balancer is told to give one out.
//!
//! The cookie holds a hash of the backend's address: it says nothing about the network behind, survives a restart, and means
//! the same to every balancer. It is a session cookie (RFC 6265, section 4.1.2), out of reach of scripts. A client whose
//! backend is gone gets another one and a new cookie.

use http::header::{HeaderValue, SET_COOKIE};

use super::head::Headers;
use super::key::cookie;
use crate::balance::Backend;

/// The backend a request says that it belongs to: a [`Backend::id`], if the cookie holds any such thing.
pub fn belongs_to(headers: &Headers, name: &str) -> Option<u64> {
    let value = std::str::from_utf8(cookie(headers, name)?).ok()?;
    (value.len() == 16).then(|| u64::from_str_radix(value, 16).ok())?
}

/// Tells the client where it belongs from now on.
pub fn tell(headers: &mut Headers, name: &str, backend: &Backend) {
    let cookie = format!("{name}={:016x}; Path=/; HttpOnly; SameSite=Lax", backend.id);
    if let Ok(value) = HeaderValue::try_from(cookie) {
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;
    use crate::balance::policy::contract::backends;

    #[test]
    fn what_is_told_is_understood() {
        let field = backends(&[1, 1]);
        let mut headers = Headers::default();
        tell(&mut headers, "home", &field[1]);
        let told = headers.get(&SET_COOKIE).unwrap().to_str().unwrap();
        let (cookie, attributes) = told.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
        let mut sent = Headers::default();
        sent.append(COOKIE, cookie.parse().unwrap());
        assert_eq!(belongs_to(&sent, "home"), Some(field[1].id));
        assert_eq!(belongs_to(&sent, "other"), None);
    }

    #[test]
    fn strange_cookies_belong_to_nobody() {
        for value in
            ["", "3", "zzzzzzzzzzzzzzzz", "+000000000000001", "00000000000000001", "\u{1f600}000000000000"]
        {
            let Ok(cookie) = format!("home={value}").parse() else { continue };
            let mut sent = Headers::default();
            sent.append(COOKIE, cookie);
            assert_eq!(belongs_to(&sent, "home").filter(|id| *id != 1), None, "{value}");
        }
    }
}
