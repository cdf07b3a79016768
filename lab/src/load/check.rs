//! Is this the complete answer to that request?
//!
//! If a balancer confuses two connections, a client gets the answer to another request, with a normal status.
//! So every request has an id, and backends repeat it: always in the header `X-Request-Id`, and also in the
//! body, unless the path defines another body.

use crate::client::Answer;

/// The evidence that an answer does not belong to the request with this path, id and body. Only answers of a
/// backend can be judged: the balancer's own answers contain no id.
pub(super) fn mistake(path: &str, id: &str, body: &[u8], answer: &Answer) -> Option<String> {
    answer.header("x-backend")?;
    let named = answer.header("x-request-id");
    if named != Some(id) {
        return Some(format!("it is the answer to {}", named.unwrap_or("a request without an id")));
    }
    if !answer.status.is_success() {
        return None;
    }
    let is_right = match path.strip_prefix("/bytes/").map(str::parse::<usize>) {
        Some(Ok(length)) => answer.body.len() == length && answer.body.iter().all(|byte| *byte == b'.'),
        _ if path == "/echo" => answer.body == body,
        _ => mentions(&answer.text(), id),
    };
    (!is_right).then(|| format!("its body of {} bytes is another one", answer.body.len()))
}

/// Whether a text contains this id, and not only a longer id with the same beginning.
fn mentions(text: &str, id: &str) -> bool {
    text.split(id).skip(1).any(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers: HeaderMap = headers.iter().map(header).collect();
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: body.into() }
    }

    #[test]
    fn an_answer_to_another_request_is_noticed() {
        let of = |id| [("x-backend", "1"), ("x-request-id", id)];
        for (path, answer, is_right) in [
            ("/", answer(200, &of("l-1"), "x-request-id: l-1\n"), true),
            ("/", answer(200, &of("l-1"), r#"{"request_id":"l-1"}"#), true),
            ("/", answer(200, &of("l-12"), "x-request-id: l-1\n"), false),
            ("/", answer(200, &of("l-1"), "x-request-id: l-12\n"), false),
            ("/", answer(200, &of("l-1"), ""), false),
            ("/", answer(200, &[("x-backend", "1")], "x-request-id: l-1\n"), false),
            ("/", answer(500, &of("l-1"), "never mind"), true),
            ("/", answer(500, &of("l-2"), "never mind"), false),
            ("/", answer(502, &[], "502 Bad Gateway: the balancer says so\n"), true),
            ("/bytes/3", answer(200, &of("l-1"), "..."), true),
            ("/bytes/3", answer(200, &of("l-1"), ".."), false),
            ("/bytes/3", answer(200, &of("l-1"), "..x"), false),
            ("/echo", answer(200, &of("l-1"), "l-1x"), true),
            ("/echo", answer(200, &of("l-1"), "l-2x"), false),
        ] {
            let mistake = mistake(path, "l-1", b"l-1x", &answer);
            assert_eq!(mistake.is_none(), is_right, "{path} {answer:?}: {mistake:?}");
        }
    }
}
