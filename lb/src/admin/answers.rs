//! How the admin port answers: pages, JSON, and errors that say what to do instead.

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

/// What an answer brings: all at once, or as it happens.
pub(super) struct Body {
    bytes: Either<Full<Bytes>, Channel<Bytes>>,
    /// What is taken for as long as the answer is on its way.
    held: Vec<Box<dyn Any>>,
}

impl Body {
    /// All at once.
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: Either::Left(Full::new(bytes.into())), held: Vec::new() }
    }

    /// As it happens.
    pub(super) fn told(channel: Channel<Bytes>) -> Self {
        Self { bytes: Either::Right(channel), held: Vec::new() }
    }

    /// The same, holding something until it has been sent or its reader is gone.
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

/// An answer, or why there is none.
pub(super) type Answer = Result<Response<Body>, Refusal>;

const NO_SNIFF: (HeaderName, HeaderValue) =
    (http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

/// A document.
pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(document) {
        Ok(json) => written(status, json),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

/// A document that is written already.
pub(super) fn written(status: StatusCode, json: impl Into<Bytes>) -> Response<Body> {
    respond(status, "application/json", Body::whole(json))
}

/// An error, as a document. One of several lines comes as a list of them besides, for those who print it.
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

/// Something is there, but for other methods.
pub(super) fn wrong_method(path: &str, methods: &str) -> Response<Body> {
    let error = format!("{path} accepts only {methods}");
    let mut response = refused(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error));
    if let Ok(methods) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// A few words.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", Body::whole(body))
}

/// Any answer.
pub(super) fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend([NO_SNIFF]);
    response
}
