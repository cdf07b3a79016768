//! How the admin port answers: pages, JSON, and errors that say what to do instead.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{Either, Full};
use serde::Serialize;
use serde_json::json;

use super::guard::Refusal;

/// What an answer brings: all at once, or as it happens.
pub(super) type Body = Either<Full<Bytes>, Channel<Bytes>>;

/// An answer, or why there is none.
pub(super) type Answer = Result<Response<Body>, Refusal>;

const NO_SNIFF: (HeaderName, HeaderValue) =
    (http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

/// A document.
pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(document) {
        Ok(json) => respond(status, "application/json", Either::Left(Full::new(json.into()))),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
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
    let error = format!("only {methods} is understood at {path}");
    let mut response = refused(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error));
    if let Ok(methods) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// A few words.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", Either::Left(Full::new(body.into())))
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
