//! The settings of pings.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::uri::Authority;
use http::{Method, Uri};

use super::reader::{Reader, entries};
use crate::statuses::Statuses;

/// The request and the destination of pings.
#[derive(Debug, Clone)]
pub struct Ping {
    /// Path that pings request, instead of only connecting.
    pub path: Option<Uri>,
    /// Method of pings with a path.
    pub method: Method,
    /// Host header of pings; `None` for the address of the backend.
    pub host: Option<HeaderValue>,
    /// More headers of pings.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Port for pings; `None` for the port for requests.
    pub port: Option<u16>,
    /// Statuses that count as a successful answer to a ping with a path.
    pub status: Statuses,
    /// A text that the answer to a ping with a path must contain.
    pub body: Option<String>,
}

impl Ping {
    /// Reads the settings of pings.
    pub(super) fn of(read: &mut Reader<'_>) -> Self {
        Self {
            path: read.parsed("health.ping_path", path),
            method: read.parsed("health.ping_method", method).unwrap_or_default(),
            host: read.parsed("health.ping_host", host),
            headers: entries(read, "health.ping_headers", "a header of a ping", header),
            port: read.maybe_number("health.ping_port"),
            status: Statuses::read(&read.get::<Vec<String>>("health.ping_status")).unwrap_or_default(),
            body: read.maybe("health.ping_body"),
        }
    }
}

/// Headers of the connection, which a ping sets itself.
const OWN: [HeaderName; 7] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE, TE, TRAILER, EXPECT];

/// A method; the table of settings lists the possible ones.
fn method(text: &str) -> Result<Method, String> {
    text.parse().map_err(|_| "write GET".to_owned())
}

/// A host, with or without a port: RFC 9110, section 7.2.
fn host(text: &str) -> Result<HeaderValue, String> {
    let host: Option<Authority> = text.parse().ok();
    host.filter(|host| !host.as_str().contains('@'))
        .and_then(|host| HeaderValue::from_str(host.as_str()).ok())
        .ok_or_else(|| "write a host, with or without a port, such as app.example".to_owned())
}

/// A header such as `X-Probe: 1`.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parts = text.split_once(':').and_then(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(value.trim()).ok()?;
        // The value may be a secret that gives access: it is never shown.
        value.set_sensitive(true);
        Some((name, value))
    });
    match parts {
        None => Err("write a name, a colon and a value, such as \"X-Probe: 1\"".to_owned()),
        Some((HOST, _)) => Err("remove it, and set ping_host instead".to_owned()),
        Some((name, _)) if OWN.contains(&name) => {
            Err("remove it: the balancer sets this header itself".to_owned())
        }
        Some(header) => Ok(header),
    }
}

/// A path with which a ping begins.
fn path(text: &str) -> Result<Uri, String> {
    let uri: Option<Uri> = text.parse().ok();
    uri.filter(|_| text.starts_with('/'))
        .ok_or_else(|| "write a path that begins with '/' and has no spaces, such as /healthz".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_people_write_them() {
        for text in ["X-Probe: 1", "x-probe:1", "X-Probe:  1  "] {
            let (name, value) = header(text).unwrap();
            assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-probe", "1"), "{text}");
        }
        let table = [
            ("X-Probe", "write a name"),
            ("", "write a name"),
            ("X Probe: 1", "write a name"),
            ("X-Probe: a\nb", "write a name"),
            ("Host: a", "set ping_host"),
            ("content-length: 5", "remove it"),
            ("Connection: keep-alive", "remove it"),
        ];
        for (text, fix) in table {
            assert!(header(text).unwrap_err().contains(fix), "{text}");
        }
    }

    #[test]
    fn a_host_may_have_a_port_and_nothing_else() {
        for text in ["app.example", "app.example:8080", "[::1]:80", "127.0.0.1"] {
            assert_eq!(host(text).unwrap(), text);
        }
        for text in ["", "a b", "http://a", "u@a", "a/b"] {
            assert!(host(text).unwrap_err().contains("write a host"), "{text}");
        }
    }
}
