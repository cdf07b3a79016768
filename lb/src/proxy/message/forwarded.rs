//! Which client sent a request, and over which proxies? This module reads and writes fields such as
//! `X-Forwarded-For`.
//!
//! The balancer does not trust clients: it drops their fields and writes the address of the client instead.
//! It trusts the fields of a proxy in `trusted_proxies`. The only standard for such fields is RFC 7239, which
//! is rarely used.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::HOST;
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::proxy::message::head::Headers;
use crate::proxy::message::hop::Hop;
use crate::proxy::message::values::all_listed;
use crate::proxy::message::way::tells_the_way;

/// Tells the origin of a request, hop by hop.
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The first of these fields, for a search.
static CHAIN: HeaderName = FORWARDED_FOR;

const PROTO_HTTP: HeaderValue = HeaderValue::from_static("http");

/// The address of the client: `peer`, the other end of the connection, unless it is one of the `trusted`
/// proxies. In that case, it is the last address in `X-Forwarded-For` that is no such proxy; the first if all
/// of them are; and the proxy itself if it names none. The headers may be as the client sent them, or as a
/// backend gets them.
pub(crate) fn client_address(peer: IpAddr, headers: &Headers, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_trusted(client, trusted) {
        return client;
    }
    let hops: Vec<_> = hops(headers).map(address).collect();
    for hop in hops.into_iter().rev() {
        // The hops before an unknown hop are not known either.
        let Some(address) = hop else { break };
        client = address;
        if !is_trusted(client, trusted) {
            break;
        }
    }
    client
}

/// The key of a client for policies that keep a client's requests together: its [`client_address`], as in
/// logs. The headers are as a backend gets them, so that their last hop is the other end of the connection.
pub(crate) fn client_key<'h>(headers: &'h Headers, trusted: &[IpNet]) -> Option<Cow<'h, [u8]>> {
    let peer = hops(headers).last()?;
    if trusted.is_empty() {
        // In this case, the balancer itself wrote the field, with one address.
        return Some(Cow::Borrowed(peer));
    }
    address(peer).map(|peer| Cow::Owned(client_address(peer, headers, trusted).to_string().into_bytes()))
}

/// The address of a hop as proxies write it: with or without a port, brackets, quotes or a zone. An IPv4
/// address in IPv6 notation is the same client as in IPv4 notation.
pub(crate) fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim_ascii();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let address = match (text.strip_prefix('['), text.split_once(':')) {
        (Some(text), _) => {
            let (address, port) = text.split_once(']')?;
            let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            v6(address).filter(|_| is_port)?.into()
        }
        (None, None) => text.parse::<Ipv4Addr>().ok()?.into(),
        (None, Some((address, port))) if is_port(port) && !address.is_empty() => {
            address.parse::<Ipv4Addr>().ok()?.into()
        }
        (None, Some(_)) => v6(text)?.into(),
    };
    Some(IpAddr::to_canonical(&address))
}

/// An IPv6 address. Its zone has a meaning on one machine only.
fn v6(text: &str) -> Option<Ipv6Addr> {
    text.split('%').next()?.parse().ok()
}

/// Whether the text is a port; some proxies leave it empty.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && (text.is_empty() || text.parse::<u16>().is_ok())
}

/// Whether the fields of a proxy at this address are trusted.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// The hops in `X-Forwarded-For`, over all its lines. Empty entries do not count: RFC 9110, section 5.6.1.
fn hops(headers: &Headers) -> impl Iterator<Item = &[u8]> {
    all_listed(headers, &CHAIN).filter(|hop| !hop.is_empty())
}

/// Writes which client sent the request. The fields of a client are replaced, not extended, unless the client
/// is a trusted proxy. `said` tells whether there is any field that [`tells_the_way`].
pub(crate) fn write_forwarded(headers: &mut Headers, hop: Hop<'_>, said: bool) {
    if said && hop.trusted {
        return extend(headers, hop);
    }
    if said {
        headers.retain(|name| !tells_the_way(name.as_str()));
    }
    let host = headers.get(&HOST).cloned();
    headers.append(FORWARDED_FOR, hop.client.clone());
    headers.append(FORWARDED_PROTO, PROTO_HTTP);
    if let Some(host) = host {
        headers.append(FORWARDED_HOST, host);
    }
}

/// Adds the fields that a trusted proxy did not set.
fn extend(headers: &mut Headers, hop: Hop<'_>) {
    let mut chain: Vec<_> = hops(headers).collect();
    chain.push(hop.client.as_bytes());
    let chain = HeaderValue::from_bytes(&chain.join(&b", "[..])).unwrap_or_else(|_| hop.client.clone());
    headers.insert(FORWARDED_FOR, chain);
    let is_silent = |headers: &Headers, name: &HeaderName| headers.get_all(name).all(HeaderValue::is_empty);
    if is_silent(headers, &FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, PROTO_HTTP);
    }
    if is_silent(headers, &FORWARDED_HOST) {
        match headers.get(&HOST).cloned() {
            Some(host) => headers.insert(FORWARDED_HOST, host),
            None => headers.remove(&FORWARDED_HOST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::message::via::Mark;

    static CLIENT: HeaderValue = HeaderValue::from_static("192.0.2.7");

    fn headers(list: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in list {
            headers.append(name.parse().unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn an_address_is_the_same_however_a_proxy_writes_it() {
        let table = [
            ("203.0.113.9", "203.0.113.9"),
            ("203.0.113.9:5555", "203.0.113.9"),
            ("203.0.113.9:", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("::FFFF:203.0.113.9", "203.0.113.9"),
            ("::ffff:cb00:7109", "203.0.113.9"),
            ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
            ("\"203.0.113.9\"", "203.0.113.9"),
            ("2001:db8::7", "2001:db8::7"),
            ("2001:DB8:0:0::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:DB8::7]:4711", "2001:db8::7"),
            ("\"[2001:db8::7]:4711\"", "2001:db8::7"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:1", "fe80::1"),
            ("::1", "::1"),
            ("::", "::"),
            ("1::", "1::"),
        ];
        for (hop, expected) in table {
            assert_eq!(address(hop.as_bytes()), Some(expected.parse().unwrap()), "{hop}");
        }
        for hop in [
            "",
            "unknown",
            "_hidden",
            "203.0.113.9:x",
            "203.0.113.9:65536",
            "203.0.113.9:-1",
            "203.0.113",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1]:x",
            "[203.0.113.9]",
            "203.0.113.9 x",
            ":80",
            "1.2.3.4:5:6",
            "\u{e9}",
            "\"::1",
            "010.0.0.1",
        ] {
            assert_eq!(address(hop.as_bytes()), None, "{hop}");
        }
    }

    #[test]
    fn a_client_stands_before_the_trusted_proxies() {
        let trusted: [IpNet; 2] = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let table = [
            ("192.0.2.9", "10.0.0.1", "192.0.2.9"),
            ("192.0.2.9:1, 10.0.0.3:2", "10.0.0.1", "192.0.2.9"),
            ("192.0.2.8, ::ffff:192.0.2.9, [2001:DB8::1]:5", "10.0.0.1", "192.0.2.9"),
            ("10.0.0.9, 10.0.0.3", "10.0.0.1", "10.0.0.9"),
            ("192.0.2.9, unknown, 10.0.0.3", "10.0.0.1", "10.0.0.3"),
            ("unknown", "10.0.0.1", "10.0.0.1"),
            ("", "10.0.0.1", "10.0.0.1"),
            (", ,192.0.2.9,,", "10.0.0.1", "192.0.2.9"),
            ("192.0.2.9", "::ffff:10.0.0.1", "192.0.2.9"),
            ("192.0.2.9", "192.0.2.1", "192.0.2.1"),
        ];
        for (chain, peer, expected) in table {
            let headers = headers(&[("x-forwarded-for", chain)]);
            let found = client_address(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found.to_string(), expected, "{chain} from {peer}");
        }
        let lines = headers(&[("x-forwarded-for", "192.0.2.9"), ("x-forwarded-for", "10.0.0.3")]);
        let found = client_address("10.0.0.1".parse().unwrap(), &lines, &trusted);
        assert_eq!(found.to_string(), "192.0.2.9", "in two lines");
    }

    #[test]
    fn a_trusted_proxy_may_speak_for_others() {
        let asked = |trusted, list: &[(&str, &str)]| {
            let mark = Mark::new("lb-1", true);
            let mut headers = headers(list);
            write_forwarded(&mut headers, Hop { client: &CLIENT, trusted, name: "", via: &mark }, true);
            let told = |name: &HeaderName| {
                let values: Vec<_> = headers.get_all(name).map(|value| value.to_str().unwrap()).collect();
                values.join("|")
            };
            [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST].map(|name| told(&name))
        };
        let said = [
            ("host", "a"),
            ("x-forwarded-for", "10.0.0.1, 10.0.0.2:80"),
            ("x-forwarded-for", "10.0.0.3"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example"),
        ];
        assert_eq!(asked(false, &said), ["192.0.2.7", "http", "a"]);
        let chain = "10.0.0.1, 10.0.0.2:80, 10.0.0.3, 192.0.2.7";
        assert_eq!(asked(true, &said), [chain, "https", "shop.example"]);
        assert_eq!(asked(true, &said[..1]), ["192.0.2.7", "http", "a"], "what it does not say is known here");
    }

    #[test]
    fn an_empty_field_of_a_trusted_proxy_counts_as_missing() {
        let mark = Mark::new("lb-1", true);
        for (chain, expected) in
            [("", "192.0.2.7"), (" , ,", "192.0.2.7"), ("a,,b", "a, b, 192.0.2.7"), (",a", "a, 192.0.2.7")]
        {
            let said = [
                ("host", "a"),
                ("x-forwarded-for", chain),
                ("x-forwarded-proto", ""),
                ("x-forwarded-host", ""),
            ];
            let mut headers = headers(&said);
            write_forwarded(&mut headers, Hop { client: &CLIENT, trusted: true, name: "", via: &mark }, true);
            let told =
                [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST].map(|name| headers.get(&name).cloned());
            assert_eq!(told, [expected, "http", "a"].map(|text| HeaderValue::from_str(text).ok()), "{chain}");
        }
    }
}
