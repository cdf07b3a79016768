//! A message on its way to a backend or to a client loses the headers of one connection, and nothing else.

use bytes::BytesMut;
use std::sync::LazyLock;

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, MAX_FORWARDS, TE, TRANSFER_ENCODING, UPGRADE,
    VIA,
};
use http::{Method, StatusCode, Version};

use super::{server, strict};
use crate::proxy::http1::request::{Framing, Head, take, write_head};
use crate::proxy::http1::response;
use crate::proxy::message::head::{Headers, RequestHead};
use crate::proxy::message::hop::Hop;
use crate::proxy::message::prepare::{ATTEMPT, is_last_hop, prepare_request, prepare_response};
use crate::proxy::message::via::Mark;
use crate::proxy::message::way::tells_the_way;

static CLIENT: HeaderValue = HeaderValue::from_static("192.0.2.7");
static MARK: LazyLock<Mark> = LazyLock::new(|| Mark::new("lb-1", true));

/// The way of a request from an untrusted client.
fn hop() -> Hop<'static> {
    Hop { client: &CLIENT, trusted: false, name: "lb-1", via: &MARK }
}

/// With the headers that the balancer adds, a message may have more than the balancer would accept.
const MANY: usize = 100;

/// Headers that are never passed on.
const NEVER: [&str; 4] = ["keep-alive", "proxy-connection", "http2-settings", "trailer"];

/// Headers that the balancer writes itself in a request.
const OWN: [&str; 8] = [
    "connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
];

/// Target: the rules for the headers of a request, or of an answer.
pub fn message_rules(bytes: &[u8]) {
    if bytes.starts_with(b"HTTP/") {
        if let Ok(Some(head)) = response::take(&mut BytesMut::from(bytes), 0, &Method::GET) {
            for upgrade in [false, true] {
                answer_rules(&head, upgrade);
            }
        }
    } else if let Ok(Some(head)) = take(&mut BytesMut::from(bytes), 0) {
        for trusted in [false, true] {
            request_rules(&head, trusted);
        }
    }
}

fn request_rules(read: &Head, trusted: bool) {
    let before = read.request.clone();
    let mut head = before.clone();
    let chunked = read.framing == Framing::Chunked;
    if is_last_hop(&mut head) || prepare_request(&mut head, Hop { trusted, ..hop() }, chunked).is_err() {
        return;
    }
    let after = &head.headers;

    one_connection(after, &before.headers);
    let codings = values(after, &TRANSFER_ENCODING);
    assert_eq!(codings, if chunked { vec![&b"chunked"[..]] } else { vec![] });
    assert!(values(after, &TE).iter().all(|te| *te == b"trailers"));

    assert_eq!(values(after, &CONTENT_LENGTH), values(&before.headers, &CONTENT_LENGTH), "it frames");
    let hosts = values(after, &HOST);
    match before.uri.authority() {
        Some(authority) => assert_eq!(hosts, [&authority[..]]),
        None => assert_eq!(hosts, values(&before.headers, &HOST), "it routes"),
    }
    assert!(hosts.len() == 1 || (hosts.is_empty() && before.version == Version::HTTP_10));
    assert!(!after.contains(&ATTEMPT));

    let said = values(after, &HeaderName::from_static("x-forwarded-for"));
    assert!(
        said.len() == 1 && said[0].ends_with(CLIENT.as_bytes()) && (trusted || said[0] == CLIENT.as_bytes())
    );
    assert_eq!(values(after, &VIA).last(), Some(&&b"1.1 lb-1"[..]));
    let others =
        || after.names().filter(|name| !OWN.contains(&name.as_str()) && tells_the_way(name.as_str()));
    assert!(trusted || others().next().is_none(), "{:?}", others().collect::<Vec<_>>());
    let mut again = head.clone();
    assert!(prepare_request(&mut again, hop(), chunked).is_err(), "it would go round in circles");

    let counts_hops = [Method::TRACE, Method::OPTIONS].contains(&head.method);
    the_rest_stays(after, &before.headers, |name| {
        OWN.contains(&name.as_str())
            || [HOST, ATTEMPT].contains(name)
            || (!trusted && tells_the_way(name.as_str()))
            || (counts_hops && *name == MAX_FORWARDS)
    });
    same_to_others(&head, read);
}

/// The target as a backend must see it, byte for byte.
fn origin_form(target: &str) -> String {
    let Some((_, address)) = target.split_once("://").filter(|_| !target.starts_with('/')) else {
        return target.to_owned();
    };
    match address.find(['/', '?']).map(|at| &address[at..]) {
        Some(path) if path.starts_with('/') => path.to_owned(),
        query => format!("/{}", query.unwrap_or_default()),
    }
}

/// The head written for the backend is one head, and means the same there.
fn same_to_others(head: &RequestHead, read: &Head) {
    let mut out = Vec::new();
    write_head(&mut out, head, &server());
    let body = match read.framing {
        Framing::Chunked => &b"0\r\n\r\n"[..],
        Framing::Length(_) => b"",
    };
    let (plain, rest) = strict::request_head(&out).unwrap().expect("a whole head");
    let (method, target) = (read.request.method.as_str(), origin_form(&read.request.uri.to_string()));
    assert_eq!((rest, &plain.first[..2]), (&b""[..], &[method.as_bytes(), target.as_bytes()][..]));
    out.extend_from_slice(body);
    match strict::request(&out).unwrap() {
        Some((_, rest)) => assert_eq!(rest, b""),
        None => assert!(matches!(read.framing, Framing::Length(1..)), "only its body is to come"),
    }
    let mut headers = head.headers.clone();
    if !headers.contains(&HOST) {
        headers.append(HOST, HeaderValue::try_from(server().authority()).unwrap());
    }
    let Ok(Some(again)) = take(&mut BytesMut::from(&out[..]), 0) else {
        return assert!(headers.iter().count() > MANY, "it takes what it writes");
    };
    assert_eq!((again.framing, again.request.headers), (read.framing, headers));
}

fn answer_rules(read: &response::Head, upgrade: bool) {
    let mut request = RequestHead::default();
    if upgrade {
        request.headers.insert(UPGRADE, HeaderValue::from_static("x"));
    }
    let mut answer = read.response.clone();
    let switched = answer.status == StatusCode::SWITCHING_PROTOCOLS;
    if prepare_response(&mut answer, &request).is_err() {
        return assert!(switched && !(upgrade && values(&answer.headers, &UPGRADE) == [&b"x"[..]]));
    }
    one_connection(&answer.headers, &read.response.headers);
    assert!(!answer.headers.contains(&TRANSFER_ENCODING) && !answer.headers.contains(&TE));
    assert_eq!(answer.headers.contains(&UPGRADE), switched);
    the_rest_stays(&answer.headers, &read.response.headers, |name| {
        [CONNECTION, TRANSFER_ENCODING, UPGRADE, TE].contains(name)
    });
}

/// No header of the connection that a message arrived on is left.
fn one_connection(after: &Headers, before: &Headers) {
    for name in NEVER {
        assert!(after.names().all(|found| found != name), "{name}");
    }
    for option in options(after) {
        assert!(after.names().any(|name| *name == *option), "{option} is what it lists");
    }
    assert_eq!(after.contains(&UPGRADE), options(after).contains(&"upgrade".to_owned()));
    for name in options(before) {
        let own = OWN.contains(&&name[..]) || ["host", "content-length"].contains(&&name[..]);
        assert!(own || after.names().all(|found| *found != *name), "{name} was listed");
    }
}

/// Headers that neither concern a connection nor belong to the balancer are unchanged.
fn the_rest_stays(after: &Headers, before: &Headers, changes: impl Fn(&HeaderName) -> bool) {
    let listed = options(before);
    let changes = |name: &HeaderName| {
        let never = NEVER.contains(&name.as_str());
        let was_listed = listed.iter().any(|listed| listed == name.as_str()) && *name != CONTENT_LENGTH;
        never || was_listed || changes(name)
    };
    for name in before.names().chain(after.names()).filter(|name| !changes(name)) {
        assert_eq!(values(after, name), values(before, name), "{name}");
    }
}

/// The options in `Connection`, in lower case.
fn options(headers: &Headers) -> Vec<String> {
    let values = values(headers, &CONNECTION);
    let options = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
    options
        .map(|option| String::from_utf8_lossy(option.trim_ascii()).to_ascii_lowercase())
        .filter(|option| !option.is_empty())
        .collect()
}

fn values<'a>(headers: &'a Headers, name: &HeaderName) -> Vec<&'a [u8]> {
    headers.iter().filter(|(found, _)| *found == name).map(|(_, value)| value.as_bytes()).collect()
}
