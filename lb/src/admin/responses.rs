//! Answers of the admin port: pages, JSON, and errors with a remedy.

use std::any::Any;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::channel::Channel;
use http_body_util::{Either, Full};
use serde::Serialize;
use serde_json::json;

use super::guard::Refusal;

/// The body of an answer: all bytes at once, or a stream of events.
pub(super) struct Body {
    bytes: Either<Full<Bytes>, Channel<Bytes>>,
    /// Values that live until the answer has been sent.
    held: Vec<Box<dyn Any>>,
}

impl Body {
    /// A body that is complete.
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: Either::Left(Full::new(bytes.into())), held: Vec::new() }
    }

    /// A stream whose bytes come through a channel.
    pub(super) fn streamed(channel: Channel<Bytes>) -> Self {
        Self { bytes: Either::Right(channel), held: Vec::new() }
    }

    /// The same body, which also holds a value until the body has been sent or its reader has left.
    pub(super) fn holding(mut self, what: impl Any) -> Self {
        self.held.push(Box::new(what));
        self
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.bytes {
            Either::Left(whole) => Pin::new(whole).poll_frame(context),
            Either::Right(told) => Pin::new(told).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.bytes {
            Either::Left(whole) => whole.is_end_stream(),
            Either::Right(told) => told.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Either::Left(whole) => whole.size_hint(),
            Either::Right(told) => told.size_hint(),
        }
    }
}

/// An answer, or the reason for a refusal.
pub(super) type Answer = Result<Response<Body>, Refusal>;

const NO_SNIFF: (HeaderName, HeaderValue) =
    (http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

/// An answer with a JSON document.
pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(document) {
        Ok(json) => written(status, json),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

/// An answer with JSON that is already text.
pub(super) fn written(status: StatusCode, json: impl Into<Bytes>) -> Response<Body> {
    respond(status, "application/json", Body::whole(json))
}

/// An error as a JSON document. If the error has several lines, the document also has them as a list, for
/// programs that print them.
pub(super) fn refused(Refusal { status, error }: Refusal) -> Response<Body> {
    let document = match error.contains('\n') {
        false => json!({ "error": error }),
        true => json!({ "error": error, "lines": error.lines().collect::<Vec<_>>() }),
    };
    let mut response = json(status, &document);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The path exists, but only for other methods.
pub(super) fn wrong_method(path: &str, methods: &str) -> Response<Body> {
    let error = format!("{path} accepts only {methods}");
    let mut response = refused(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error));
    if let Ok(methods) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// An answer with plain text.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", Body::whole(body))
}

/// An answer with any body.
pub(super) fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend([NO_SNIFF]);
    response
}
