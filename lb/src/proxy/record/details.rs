//! The data about a request for the access log and for readers of events. It is collected only while there is
//! a reader.

use std::cell::Cell;
use std::rc::Rc;

use http::header::{HOST, REFERER, USER_AGENT};
use http::{Extensions, HeaderName, HeaderValue, Method, Version};
use ipnet::IpNet;

use crate::log::escape::shortened;
use crate::observe::RequestEnd;
use crate::proxy::context::{self, Retries, Tried};
use crate::proxy::message::forwarded::{FORWARDED_FOR, client_address};
use crate::proxy::message::head::{Headers, RequestHead};
use crate::proxy::message::request_id::{REQUEST_ID, brought};
use crate::proxy::request::client::ClientContext;
use crate::proxy::settings::InForce;

/// The data of a request.
#[derive(Debug)]
pub(crate) struct RequestDetails {
    method: String,
    path: String,
    protocol: &'static str,
    client: String,
    host: Option<String>,
    referer: Option<String>,
    user_agent: Option<String>,
    pub(crate) request_id: Option<String>,
    /// Bytes of its body that were read.
    pub(crate) received: Rc<Cell<u64>>,
    /// Bytes of its answer's body that were sent to the client.
    pub(crate) sent: u64,
}

impl RequestDetails {
    /// The data of a request whose head has come.
    pub(crate) fn of(head: &RequestHead, client: &ClientContext, settings: &InForce) -> Box<Self> {
        let protocol = if head.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
        let line = (head.method.to_string(), head.uri.to_string(), protocol);
        Self::new(line, &head.headers, client, settings)
    }

    /// The data of bytes that are no request.
    pub(crate) fn of_refused(came: &Glimpse, client: &ClientContext, settings: &InForce) -> Box<Self> {
        let line = (came.method.clone(), came.path.clone(), came.protocol);
        Self::new(line, &came.headers, client, settings)
    }

    fn new(
        (method, path, protocol): (String, String, &'static str),
        headers: &Headers,
        client: &ClientContext,
        settings: &InForce,
    ) -> Box<Self> {
        let text = |value: &HeaderValue| shortened(value.as_bytes());
        let header = |name: HeaderName| headers.get(&name).map(text);
        Box::new(Self {
            method,
            path: without_query(path, settings.log_query),
            protocol,
            client: logged_client(headers, client, &settings.trusted),
            host: header(HOST),
            // The referring page may also have secrets in its query.
            referer: header(REFERER).map(|page| without_query(page, settings.log_query)),
            user_agent: header(USER_AGENT),
            request_id: brought(headers).map(text),
            received: Rc::default(),
            sent: 0,
        })
    }

    /// Whether an answer to the request has no body, whatever its headers say.
    pub(crate) fn is_head(&self) -> bool {
        self.method == Method::HEAD.as_str()
    }

    /// Adds its data, and those of its context, to an outcome.
    pub(crate) fn add_to(self, context: &Extensions, outcome: RequestEnd) -> RequestEnd {
        let (Retries(retries), tried): (_, Tried) = (context::get(context), context::get(context));
        RequestEnd {
            method: self.method,
            path: self.path,
            protocol: self.protocol.into(),
            client: self.client,
            host: self.host,
            referer: self.referer,
            user_agent: self.user_agent,
            request_id: self.request_id,
            attempts: attempts(&tried, outcome.backend),
            retries,
            tried: tried.0.into_iter().map(|(number, failure)| (number, failure.words().into())).collect(),
            received_bytes: self.received.get(),
            sent_bytes: self.sent,
            ..outcome
        }
    }
}

/// The number of backends that a request was given to: those that it left, and the one at which it ended. A
/// request leaves a backend before it is known whether there is another one.
fn attempts(left: &Tried, last: Option<usize>) -> u32 {
    let ended_elsewhere = last.is_some_and(|last| left.0.iter().all(|(number, _)| *number != last));
    u32::try_from(left.0.len()).unwrap_or(u32::MAX).saturating_add(ended_elsewhere.into())
}

/// A target without its query, or the whole target if the `query` is shown.
pub(crate) fn without_query(mut target: String, query: bool) -> String {
    if let Some(end) = target.find('?').filter(|_| !query) {
        target.truncate(end);
    }
    target
}

/// The IP address of a request's client: the other end of the connection, or the address that trusted proxies
/// give.
fn logged_client(headers: &Headers, client: &ClientContext, trusted: &[IpNet]) -> String {
    let peer = client.address.to_str().ok().and_then(|address| address.parse().ok());
    match peer {
        Some(peer) => client_address(peer, headers, trusted).to_string(),
        None => shortened(client.address.as_bytes()),
    }
}

/// The data that can be read from bytes that are refused and no request: they may be incomplete, or not HTTP
/// at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Glimpse {
    /// `-` if there is none; then the path is the first line, as far as it came.
    method: String,
    path: String,
    protocol: &'static str,
    /// The headers that logs contain.
    pub(crate) headers: Headers,
}

/// The largest number of lines that are read.
const MOST_LINES: usize = 200;

impl Glimpse {
    /// Reads the bytes that have come.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
        let (method, path, protocol) = request_line(first);
        let mut headers = Headers::default();
        for line in lines.take_while(|line| !line.is_empty()).take(MOST_LINES) {
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let known = [HOST, REFERER, USER_AGENT, REQUEST_ID, FORWARDED_FOR];
            let name = known.into_iter().find(|known| name.eq_ignore_ascii_case(known.as_str().as_bytes()));
            if let (Some(name), Ok(value)) = (name, HeaderValue::from_bytes(value.trim_ascii())) {
                headers.append(name, value);
            }
        }
        Self { method: method.to_owned(), path: shortened(path), protocol, headers }
    }
}

/// Method, target and version of a request line; for any other line, the line in place of the target.
fn request_line(line: &[u8]) -> (&str, &[u8], &'static str) {
    const LONGEST_METHOD: usize = 32;
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let method = &line[..end];
    let is_method = method.len() <= LONGEST_METHOD && Method::from_bytes(method).is_ok();
    let (Ok(method), true, [b' ', rest @ ..]) = (std::str::from_utf8(method), is_method, &line[end..]) else {
        return ("-", if line.is_empty() { b"-" } else { line }, "-");
    };
    let known = ["HTTP/1.1", "HTTP/1.0"].into_iter().find(|version| rest.ends_with(version.as_bytes()));
    let target = rest[..rest.len() - known.map_or(0, str::len)].trim_ascii();
    (method, target, known.unwrap_or("-"))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use balance::verdict::Failure;

    use super::*;
    use crate::proxy::message::forwarded::write_forwarded;
    use crate::proxy::message::hop::Hop;
    use crate::proxy::message::key::Source;
    use crate::proxy::message::via::Mark;

    #[test]
    fn invalid_requests_are_read_as_far_as_possible() {
        type Line<'a> = (&'a str, &'a str, &'a str);
        let table: [(&[u8], Line<'_>); 10] = [
            (b"", ("-", "-", "-")),
            (b"\r\n\r\n", ("-", "-", "-")),
            (b"GET /a?b HTTP/1.1\r\nHost", ("GET", "/a?b", "HTTP/1.1")),
            (b"\r\nGET /a HTTP/1.0\n", ("GET", "/a", "HTTP/1.0")),
            (b"GET /1 x HTTP/1.1\r\n", ("GET", "/1 x", "HTTP/1.1")),
            (b"GET /unfini", ("GET", "/unfini", "-")),
            (b"PRI * HTTP/2.0\r\n\r\nSM", ("PRI", "* HTTP/2.0", "-")),
            (b"\x16\x03\x01\x02", ("-", "\x16\x03\x01\x02", "-")),
            (b"GET", ("-", "GET", "-")),
            (b"PROXY\xff TCP4 x", ("-", "PROXY\u{fffd} TCP4 x", "-")),
        ];
        for (bytes, (method, path, protocol)) in table {
            let seen = Glimpse::of(bytes);
            assert_eq!(
                (&seen.method[..], &seen.path[..], seen.protocol),
                (method, path, protocol),
                "{bytes:?}"
            );
        }
        let long = [b"GET /", &[b'x'; 9000][..]].concat();
        assert_eq!(Glimpse::of(&long).path.len(), 1027);
    }

    #[test]
    fn headers_of_invalid_requests_are_read_as_well() {
        let seen = Glimpse::of(
            b"GET / x\r\nhost: a\r\nX: y\r\nUser-Agent:  b c \r\nReferer: \x1b\r\n\r\nX-Request-ID: body",
        );
        let all: Vec<_> =
            seen.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(all, [("host", &b"a"[..]), ("user-agent", b"b c")]);
    }

    #[test]
    fn the_logged_client_is_the_key_of_its_requests() {
        let trusted: [IpNet; 3] =
            ["10.0.0.0/8", "127.0.0.0/8", "2001:db8:ffff::/48"].map(|network| network.parse().unwrap());
        let chains = [
            "203.0.113.9",
            "203.0.113.9:80",
            "203.0.113.9:",
            "203.0.113.9:99999",
            "203.0.113.9:http",
            "203.0.113.9:+80",
            "203.000.113.009",
            "203.0.113.009:80",
            "0xcb.0.113.9",
            "3405803785",
            "for=203.0.113.9",
            "for=\"[2001:db8::7]:80\";proto=https",
            "\"203.0.113.9\"",
            "::ffff:203.0.113.9",
            "[::FFFF:203.0.113.9]:80",
            "2001:DB8::7",
            "[2001:db8::7]:4711",
            "[2001:db8::7]:99999",
            "fe80::1%eth0",
            "unknown",
            "_hidden",
            "",
            " , ,",
            "\u{e9}",
            "203.0.113.9, unknown",
            "unknown, 203.0.113.9",
            "203.0.113.9:99999, 10.0.0.3",
            "203.0.113.9, 10.0.0.3:http",
            "203.0.113.9, 2001:db8:ffff::1",
            "203.0.113.8, 203.0.113.9, 10.0.0.3,",
            "10.0.0.9, 10.0.0.3",
        ];
        for peer in ["127.0.0.1", "192.0.2.1", "2001:db8:ffff::5"] {
            for trusted in [&trusted[..], &[]] {
                for chain in chains {
                    let mut named = Headers::default();
                    named.append(FORWARDED_FOR, HeaderValue::from_bytes(chain.as_bytes()).unwrap());
                    let speaks =
                        trusted.iter().any(|network| network.contains(&peer.parse::<IpAddr>().unwrap()));
                    let client = ClientContext::new(peer.parse().unwrap(), speaks);
                    let logged = logged_client(&named, &client, trusted);
                    let mut head = RequestHead { headers: named, ..RequestHead::default() };
                    let via = Mark::new("lb-1", true);
                    let hop = Hop { client: &client.address, trusted: speaks, name: "lb-1", via: &via };
                    write_forwarded(&mut head.headers, hop, true);
                    let key = Source::Client.key(&head, trusted);
                    let expected = xxhash_rust::xxh3::xxh3_64(logged.as_bytes());
                    assert_eq!(key, Some(expected), "{chain:?} from {peer}: {logged} is logged");
                    assert!(logged.parse::<IpAddr>().is_ok(), "{chain:?} from {peer}: {logged}");
                }
            }
        }
    }

    #[test]
    fn backends_count_once_wherever_a_request_ends() {
        let table: [(&[usize], Option<usize>, u32); 6] = [
            (&[], None, 0),
            (&[], Some(1), 1),
            (&[1], Some(2), 2),
            (&[1, 2], Some(2), 2),
            (&[1, 2], Some(1), 2),
            (&[1, 2], Some(3), 3),
        ];
        for (left, last, expected) in table {
            let tried = Tried(left.iter().map(|number| (*number, Failure::ChosenStatus)).collect());
            assert_eq!(attempts(&tried, last), expected, "{left:?} {last:?}");
        }
    }

    #[test]
    fn a_query_can_be_left_out() {
        for (target, without) in [("/a?b?c", "/a"), ("/a", "/a"), ("?", ""), ("*", "*")] {
            assert_eq!(
                (&without_query(target.into(), false)[..], &without_query(target.into(), true)[..]),
                (without, target)
            );
        }
    }
}
