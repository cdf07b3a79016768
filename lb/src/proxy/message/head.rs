//! The head of a message: the part of a request or an answer before its body.
//!
//! The headers are a list, and not the hash map of the crate `http`. A message has about ten headers: a
//! search through so few costs less than a hash of each name, and the list keeps the order in which they
//! came.

use http::{HeaderName, HeaderValue, Method, StatusCode, Version};

use crate::proxy::message::target::Target;

/// The head of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestHead {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Target,
    /// The version of the client. Each hop uses its own version (RFC 9112, section 2.3), so that backends see
    /// another one.
    pub version: Version,
    /// The headers.
    pub headers: Headers,
}

/// The head of an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: Headers,
}

impl ResponseHead {
    /// A head with this status and no headers.
    pub(crate) fn new(status: StatusCode) -> Self {
        Self { status, headers: Headers::default() }
    }
}

/// Headers in the order in which they came. A name may occur several times: RFC 9110, section 5.3.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers(Vec<(HeaderName, HeaderValue)>);

impl Headers {
    /// An empty list, with memory for this number of headers.
    pub(crate) fn with_room(room: usize) -> Self {
        Self(Vec::with_capacity(room))
    }

    /// All headers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The names of all headers.
    pub(crate) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The values of all headers with this name.
    pub(crate) fn get_all<'h, 'n>(
        &'h self,
        name: &'n HeaderName,
    ) -> impl Iterator<Item = &'h HeaderValue> + use<'h, 'n> {
        self.iter().filter(move |(found, _)| **found == *name).map(|(_, value)| value)
    }

    /// The value of the first header with this name.
    pub(crate) fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.get_all(name).next()
    }

    /// Whether there is a header with this name.
    pub(crate) fn contains(&self, name: &HeaderName) -> bool {
        self.get(name).is_some()
    }

    /// Adds a header at the end.
    pub(crate) fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// Replaces all headers with this name by one.
    pub(crate) fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        self.remove(&name);
        self.append(name, value);
    }

    /// Removes all headers with this name.
    pub(crate) fn remove(&mut self, name: &HeaderName) {
        self.retain(|found| found != name);
    }

    /// Keeps the headers whose names match.
    pub(crate) fn retain(&mut self, keep: impl Fn(&HeaderName) -> bool) {
        // In most cases nothing is removed, and then nothing is moved.
        if !self.names().all(&keep) {
            self.0.retain(|(name, _)| keep(name));
        }
    }
}

#[cfg(any(test, fuzzing))]
impl From<http::request::Parts> for RequestHead {
    fn from(head: http::request::Parts) -> Self {
        let headers = Headers::from(&head.headers);
        let uri = Target::from(&head.uri);
        Self { method: head.method, uri, version: head.version, headers }
    }
}

#[cfg(any(test, fuzzing))]
impl From<&http::HeaderMap> for Headers {
    fn from(headers: &http::HeaderMap) -> Self {
        Self(headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, COOKIE, HOST, TE};

    use super::*;

    fn headers(list: &[(HeaderName, &'static str)]) -> Headers {
        let value = |value: &&'static str| HeaderValue::from_static(value);
        Headers(list.iter().map(|(name, text)| (name.clone(), value(text))).collect())
    }

    #[test]
    fn an_inserted_header_replaces_all_with_its_name() {
        let mut list = headers(&[(COOKIE, "a"), (HOST, "h"), (COOKIE, "b")]);
        assert_eq!(list.get_all(&COOKIE).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(list.get(&COOKIE).unwrap(), "a");
        list.insert(COOKIE, HeaderValue::from_static("c"));
        list.append(TE, HeaderValue::from_static("x"));
        assert_eq!(list, headers(&[(HOST, "h"), (COOKIE, "c"), (TE, "x")]));
    }

    #[test]
    fn a_removed_header_leaves_the_others_in_order() {
        let mut list = headers(&[(COOKIE, "a"), (HOST, "h"), (COOKIE, "b"), (TE, "x")]);
        list.remove(&ACCEPT);
        assert_eq!(list.iter().count(), 4);
        list.remove(&COOKIE);
        assert_eq!(list, headers(&[(HOST, "h"), (TE, "x")]));
        assert!(list.contains(&HOST) && !list.contains(&COOKIE));
    }
}
