//! A strict reader: a second opinion on the bytes that the balancer writes.
//!
//! It shares no code with the balancer, accepts only the plainest HTTP/1.1, and reports an error for
//! everything else.

/// A first line in its three parts, and the headers after it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) first: [&'a [u8]; 3],
    pub(crate) fields: Vec<(&'a [u8], &'a [u8])>,
}

/// A value and the bytes after it; `None` if it is incomplete; or an error.
pub(crate) type Read<'a, T> = Result<Option<(T, &'a [u8])>, String>;

impl<'a> Head<'a> {
    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&'a [u8]> {
        let found = self.fields.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| *value).collect()
    }
}

/// A request and its body.
pub(crate) fn request(bytes: &[u8]) -> Read<'_, (Head<'_>, Vec<u8>)> {
    let Some((head, rest)) = request_head(bytes)? else { return Ok(None) };
    if head.all("host").len() != 1 {
        return wrong("choice of hosts", bytes);
    }
    let body = body(&head, rest)?;
    Ok(body.map(|(body, rest)| ((head, body), rest)))
}

/// The head of a request.
pub(crate) fn request_head(bytes: &[u8]) -> Read<'_, Head<'_>> {
    let read = head(bytes)?;
    let Some((Head { first: [method, target, version], .. }, _)) = &read else { return Ok(None) };
    if !is_token(method) || !is_target(target) || *version != b"HTTP/1.1" {
        return wrong("request line", bytes);
    }
    Ok(read)
}

/// The head of an answer.
pub(crate) fn answer(bytes: &[u8]) -> Read<'_, Head<'_>> {
    let read = head(bytes)?;
    let Some((Head { first: [version, status, reason], .. }, _)) = &read else { return Ok(None) };
    let is_status = matches!(status, [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9']);
    if *version != b"HTTP/1.1" || !is_status || !is_clean(reason) {
        return wrong("status line", bytes);
    }
    Ok(read)
}

/// The body after a head, which gives a length or chunks, or neither.
pub(crate) fn body<'a>(head: &Head<'_>, rest: &'a [u8]) -> Read<'a, Vec<u8>> {
    match (&head.all("transfer-encoding")[..], &head.all("content-length")[..]) {
        ([], []) => Ok(Some((Vec::new(), rest))),
        ([], [length]) => match number(length, 10) {
            Some(length) => Ok(rest.split_at_checked(length).map(|(body, rest)| (body.to_vec(), rest))),
            None => wrong("length", length),
        },
        ([b"chunked"], []) => Ok(chunks(rest)?.map(|((data, _), rest)| (data, rest))),
        _ => Err(format!("malformed framing: {head:?}")),
    }
}

/// The data of a body in chunks, and the lines of its trailers.
pub(crate) fn chunks(mut bytes: &[u8]) -> Read<'_, (Vec<u8>, Vec<&[u8]>)> {
    let mut data = Vec::new();
    loop {
        let Some((line, rest)) = cut(bytes, b"\r\n") else { return Ok(None) };
        let digits = line.split(|byte| b" \t;".contains(byte)).next().unwrap_or_default();
        let size = number(digits, 16).filter(|_| digits.len() <= 16 && is_clean(line));
        let Some(size) = size.filter(|_| are_extensions(&line[digits.len()..])) else {
            return wrong("chunk size", line);
        };
        if size == 0 {
            return trailers(rest).map(|read| read.map(|(trailers, rest)| ((data, trailers), rest)));
        }
        let Some((chunk, rest)) = rest.split_at_checked(size) else { return Ok(None) };
        data.extend_from_slice(chunk);
        bytes = match rest {
            [b'\r', b'\n', rest @ ..] => rest,
            [] | [b'\r'] => return Ok(None),
            _ => return wrong("end of a chunk", rest),
        };
    }
}

/// Whether the text after the size of a chunk consists of names, each with or without a value.
fn are_extensions(text: &[u8]) -> bool {
    let (mut parts, mut is_quoted, mut is_escaped) = (vec![Vec::new()], false, false);
    for byte in text {
        let is_quote = *byte == b'"' && !is_escaped;
        is_quoted ^= is_quote;
        is_escaped = is_quoted && *byte == b'\\' && !is_escaped;
        match (*byte, is_quoted) {
            (b';', false) => parts.push(Vec::new()),
            _ => parts.last_mut().into_iter().for_each(|part| part.push(*byte)),
        }
    }
    let is_extension = |part: &Vec<u8>| match cut(part, b"=") {
        None => is_token(part.trim_ascii()),
        Some((name, value)) => is_token(name.trim_ascii()) && is_value(value.trim_ascii()),
    };
    !is_quoted && parts[0].trim_ascii().is_empty() && parts[1..].iter().all(is_extension)
}

/// Whether the text is a token, or one string in quotes.
fn is_value(text: &[u8]) -> bool {
    let [b'"', inner @ .., b'"'] = text else { return is_token(text) };
    let mut is_escaped = false;
    let ends_it = |byte: &u8| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    };
    !inner.iter().any(ends_it)
}

fn trailers(mut bytes: &[u8]) -> Read<'_, Vec<&[u8]>> {
    let mut trailers = Vec::new();
    while let Some((line, rest)) = cut(bytes, b"\r\n") {
        if line.is_empty() {
            return Ok(Some((trailers, rest)));
        }
        field(line)?;
        trailers.push(line);
        bytes = rest;
    }
    Ok(None)
}

fn head(bytes: &[u8]) -> Read<'_, Head<'_>> {
    let Some((mut lines, rest)) = cut(bytes, b"\r\n\r\n") else { return Ok(None) };
    let mut next = || {
        let (line, rest) = cut(lines, b"\r\n").unwrap_or((lines, b""));
        lines = rest;
        line
    };
    let first: Vec<_> = next().splitn(3, |byte| *byte == b' ').collect();
    let Ok(first) = first.try_into() else { return wrong("first line", bytes) };
    let fields = std::iter::from_fn(|| Some(next()).filter(|line| !line.is_empty()));
    Ok(Some((Head { first, fields: fields.map(field).collect::<Result<_, _>>()? }, rest)))
}

/// The name and the value of a header.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let Some((name, value)) = cut(line, b":") else { return wrong("line", line) };
    if is_token(name) && is_clean(value) { Ok((name, value.trim_ascii())) } else { wrong("line", line) }
}

fn wrong<T>(what: &str, bytes: &[u8]) -> Result<T, String> {
    Err(format!("malformed {what}: {}", bytes.escape_ascii()))
}

/// The parts before and after the first `mark`.
fn cut<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

/// A number of digits only.
fn number(text: &[u8], radix: u32) -> Option<usize> {
    let digits = text.iter().all(|byte| char::from(*byte).is_digit(radix));
    usize::from_str_radix(std::str::from_utf8(text).ok()?, radix).ok().filter(|_| digits)
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|byte| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(byte))
}

/// Whether the text is a path or an asterisk, of visible characters.
fn is_target(text: &[u8]) -> bool {
    (text.starts_with(b"/") || text == b"*")
        && text.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#')
}

/// Whether the text has no control characters except tabs.
fn is_clean(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plainest_requests_are_read_one_by_one() {
        let bytes =
            b"POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nokGET / HTTP/1.1\r\nhost: h\r\n\r\n";
        let ((head, body), rest) = request(bytes).unwrap().unwrap();
        assert_eq!((head.first[1], head.all("HOST"), &body[..]), (&b"/a"[..], vec![&b"h"[..]], &b"ok"[..]));
        assert!(request(rest).unwrap().is_some());
        assert_eq!(request(&bytes[..49]), Ok(None));
        let chunked =
            b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\nx: y\r\n\r\n";
        assert_eq!(request(chunked).unwrap().unwrap().0.1, b"ok");
    }

    #[test]
    fn everything_else_is_wrong() {
        for text in [
            "GET /  HTTP/1.1",
            "GET / HTTP/1.0",
            "GET a HTTP/1.1",
            "GET /#a HTTP/1.1",
            "GET",
            "G(T / HTTP/1.1",
            "GET / HTTP/1.1\r\nx",
            "GET / HTTP/1.1\r\nx : y",
            "GET / HTTP/1.1\r\nx: a\nb: c",
            "GET / HTTP/1.1\r\nx: a\r\n b",
            "GET / HTTP/1.1\r\nHost: a",
            "GET / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked",
            "GET / HTTP/1.1\r\ncontent-length: +1",
            "GET / HTTP/1.1\r\ntransfer-encoding: gzip",
        ] {
            let text = format!("{text}\r\nhost: h\r\n\r\n");
            assert!(request(text.as_bytes()).is_err(), "{text}");
        }
        assert!(request(b"GET / HTTP/1.1\r\n\r\n").is_err(), "no host");
        for text in [
            "+1\r\n",
            "1 x\r\n",
            "1\r\nok",
            "0\r\nx\r\n",
            "00000000000000001\r\n",
            "\r\n",
            "1;\r\n",
            "1;a=\"\r\n",
        ] {
            assert!(chunks(text.as_bytes()).is_err(), "{text}");
        }
        assert!(answer(b"HTTP/1.1 099 No\r\n\r\n").is_err());
    }
}
