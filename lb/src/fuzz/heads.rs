//! An accepted head has one meaning: for any sizes of pieces, for each reader, and after it is written
//! again.

use bytes::BytesMut;
use http::header::UPGRADE;
use http::{HeaderValue, Method, StatusCode};

use super::{in_any_pieces, server, strict};
use crate::proxy::http1::{request as requests, response as responses};
use crate::proxy::message::head::RequestHead;
use crate::proxy::message::prepare;

/// Target: the head of a request.
pub fn request_head(bytes: &[u8]) {
    let read = |piece| take(bytes, piece, requests::take);
    let Ok(Some((head, end))) = in_any_pieces(bytes, read) else { return };
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut original = httparse::Request::new(&mut fields);
    assert!(original.parse(&bytes[..end]).is_ok_and(|status| status == httparse::Status::Complete(end)));

    let target = original.path.unwrap();
    if !target.starts_with('/') && target != "*" {
        // `rules.rs` tests how a head becomes a message.
        return;
    }

    let mut out = Vec::new();
    requests::write_head(&mut out, &head.request, &server());
    let (written, rest) = strict::request_head(&out).unwrap().expect("a whole head");
    assert_eq!(rest, b"", "exactly one head");
    assert_eq!(written.first[..2], [original.method.unwrap().as_bytes(), target.as_bytes()]);
    let (mut fields, authority) = (pairs(original.headers), server().authority());
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"host")) {
        fields.push((b"host", authority.as_bytes()));
    }
    assert_eq!(sorted(&written.fields), sorted(&fields));
    let framing = match head.framing {
        requests::Framing::Length(length) => responses::Framing::Length(length),
        requests::Framing::Chunked => responses::Framing::Chunked,
    };
    let said = framing_by(&written);
    assert_eq!(framing, if said == responses::Framing::Close { responses::Framing::Length(0) } else { said });
}

/// Target: the head of an answer.
pub fn response_head(bytes: &[u8]) {
    for asked in [Method::GET, Method::HEAD] {
        let read = |piece| take(bytes, piece, |buffer, searched| responses::take(buffer, searched, &asked));
        let Ok(Some((head, end))) = in_any_pieces(bytes, read) else { continue };
        let mut fields = [httparse::EMPTY_HEADER; 100];
        let mut original = httparse::Response::new(&mut fields);
        assert!(original.parse(&bytes[..end]).is_ok_and(|status| status == httparse::Status::Complete(end)));
        let original = strict::Head { first: [b""; 3], fields: pairs(original.headers) };
        let said = framing_by(&original);
        let status = head.response.status;
        let bodyless =
            asked == Method::HEAD || status.is_informational() || [204, 304].contains(&status.as_u16());
        assert_eq!(head.framing, if bodyless { responses::Framing::Length(0) } else { said });
        let mut asked = RequestHead { method: asked, ..RequestHead::default() };
        asked.headers.append(UPGRADE, HeaderValue::from_static("x"));
        for old in [false, true] {
            passed_on(responses::Head { response: head.response.clone(), ..head }, &asked, old);
        }
    }
}

/// Passes an answer on to a client, which may be `old`, and reads the result.
fn passed_on(head: responses::Head, asked: &RequestHead, old: bool) {
    let responses::Head { mut response, framing, keep_alive, .. } = head;
    let status = response.status;
    let mut out = Vec::new();
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        responses::write_interim(&mut out, &response);
    }
    if out.is_empty() {
        if prepare::prepare_response(&mut response, asked).is_err() {
            return;
        }
        let length = if let responses::Framing::Length(length) = framing { Some(length) } else { None };
        let shape = responses::shape(&asked.method, old, keep_alive, status, &response.headers, length);
        responses::write_head(&mut out, &response, shape, old, || "now");
    }
    let (written, rest) = strict::answer(&out).unwrap().expect("a whole head");
    assert_eq!((rest, written.first[1]), (&b""[..], status.as_str().as_bytes()));
    let closes = written.all("connection").contains(&&b"close"[..]);
    let bodyless = framing == responses::Framing::Length(0);
    match framing_by(&written) {
        responses::Framing::Length(_) if bodyless => {}
        responses::Framing::Close if bodyless => {}
        responses::Framing::Close => assert!(closes, "its end can be told"),
        responses::Framing::Chunked => assert!(!old && framing != responses::Framing::Length(0)),
        length => assert_eq!(length, framing),
    }
}

/// Reads a head from pieces of this size, and returns where it ended.
fn take<T, E>(
    bytes: &[u8],
    piece: usize,
    take: impl Fn(&mut BytesMut, usize) -> Result<Option<T>, E>,
) -> Result<Option<(T, usize)>, ()> {
    let (mut buffer, mut searched, mut fed) = (BytesMut::new(), 0, 0);
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        fed += piece.len();
        // The pieces may decide which of several errors is found first.
        if let Some(head) = take(&mut buffer, searched).map_err(|_| ())? {
            return Ok(Some((head, fed - buffer.len())));
        }
        searched = buffer.len();
    }
    Ok(None)
}

/// The framing of a body, if all readers agree about it.
fn framing_by(head: &strict::Head<'_>) -> responses::Framing {
    match (&head.all("transfer-encoding")[..], &head.all("content-length")[..]) {
        ([], []) => responses::Framing::Close,
        ([], [length]) => {
            assert!(length.iter().all(u8::is_ascii_digit), "{length:?}");
            responses::Framing::Length(std::str::from_utf8(length).unwrap().parse().unwrap())
        }
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") => responses::Framing::Chunked,
        _ => panic!("contradictory framing: {head:?}"),
    }
}

fn pairs<'a>(fields: &'a [httparse::Header<'_>]) -> Vec<(&'a [u8], &'a [u8])> {
    fields.iter().map(|field| (field.name.as_bytes(), field.value)).collect()
}

/// Headers by name; headers with the same name stay in order.
fn sorted(fields: &[(&[u8], &[u8])]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut sorted: Vec<_> =
        fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    sorted
}
