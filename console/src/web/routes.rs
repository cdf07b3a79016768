//! The answers of the server of the page.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, VARY,
};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde::Deserialize;
use serde_json::json;

use super::guard::{COMMANDS, Refusal, guard};
use super::site::Site;
use super::token::Token;
use super::viewers::Viewers;
use super::{body, events, files};
use crate::model::Model;

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// The headers of each answer.
const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// What all answers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) site: Site,
    pub(super) token: Token,
    pub(super) port: u16,
    pub(super) viewers: Viewers,
    /// What the events so far say.
    pub(super) model: Mutex<Model>,
}

/// All answers, behind the guard.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/page/{*name}", get(page_file))
        .route("/events", get(stream))
        .route("/model", get(model))
        .route("/report", get(report))
        .route(COMMANDS, post(command))
        .fallback(any(nothing))
        .layer(from_fn_with_state(shared.clone(), guarded))
        .with_state(shared)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        answer(self.status, JSON, json!({ "error": self.error }).to_string())
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    (status, [(CONTENT_TYPE, content_type)], body.into()).into_response()
}

/// Refuses what the guard refuses, and gives each answer its headers.
async fn guarded(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    // A proxy gets the name of the server in the target; this server is none.
    let judged = match request.uri().authority() {
        Some(_) => Err(Refusal::new(StatusCode::BAD_REQUEST, "this server is no proxy: send a path")),
        None => guard(request.headers(), request.method(), request.uri().path(), &shared.token, shared.port),
    };
    let mut answer = match judged {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in HEADERS {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}

async fn page(State(shared): State<Arc<Shared>>) -> Response {
    answer(StatusCode::OK, HTML, files::INDEX.replace("{{token}}", shared.token.text()))
}

async fn page_file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(files::PageFile { content_type, text, gzip, .. }) = files::find(&name) else {
        return nothing(Uri::from_static("/page/")).await;
    };
    let mut file = match gzip.as_deref().filter(|_| accepts_gzip(&headers)) {
        Some(bytes) => {
            let mut file = answer(StatusCode::OK, content_type, bytes);
            file.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            file
        }
        None => answer(StatusCode::OK, content_type, text.as_str()),
    };
    file.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    file
}

/// Whether the viewer accepts the coding `gzip` (RFC 9110, section 12.5.3). A weight of 0 refuses it.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().trim_start_matches("q=").parse::<f64>();
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

async fn nothing(uri: Uri) -> Response {
    let error = format!("there is nothing at {}; the page is at /", uri.path());
    Refusal::new(StatusCode::NOT_FOUND, error).into_response()
}

/// The query of `/events`.
#[derive(Debug, Deserialize)]
struct Wanted {
    requests: Option<String>,
}

async fn stream(State(shared): State<Arc<Shared>>, wanted: Query<Wanted>, headers: HeaderMap) -> Response {
    let all = match wanted.requests.as_deref() {
        None | Some("sample") => false,
        Some("all") => true,
        Some(_) => {
            let error = "write requests=all, or nothing for the sample";
            return Refusal::new(StatusCode::BAD_REQUEST, error).into_response();
        }
    };
    let Some(viewer) = shared.viewers.enter() else {
        let error = format!("there are {} viewers already: close another one", shared.viewers.count());
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error).into_response();
    };
    let stream = &shared.site.stream;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let reader = last.and_then(|last| stream.resume(all, last));
    let reader = reader.unwrap_or_else(|| if all { stream.read_all() } else { stream.read() });
    let mut answer = answer(StatusCode::OK, "text/event-stream", events::body(reader, viewer, all));
    // A proxy must not collect the events.
    answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}

async fn model(State(shared): State<Arc<Shared>>) -> Response {
    let view = shared.model.lock().unwrap_or_else(PoisonError::into_inner).view();
    match serde_json::to_string(&view) {
        Ok(view) => answer(StatusCode::OK, JSON, view),
        Err(error) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn report(State(shared): State<Arc<Shared>>) -> Response {
    let Some(write) = shared.site.report.clone() else {
        let error = "this console has no report";
        return Refusal::new(StatusCode::NOT_IMPLEMENTED, error).into_response();
    };
    match tokio::task::spawn_blocking(move || write()).await {
        Ok(report) => {
            let name = HeaderValue::from_static("attachment; filename=\"roundabout-report.html\"");
            let mut answer = answer(StatusCode::OK, HTML, report);
            answer.headers_mut().insert(CONTENT_DISPOSITION, name);
            answer
        }
        Err(error) => {
            let error = format!("the report failed: {error}");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error).into_response()
        }
    }
}

async fn command(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let command = match body::command(request.into_body()).await {
        Ok(command) => command,
        Err(refusal) => return refusal.into_response(),
    };
    // A command goes on to its end, even if its client leaves.
    let done = tokio::spawn((shared.site.run_command)(command)).await;
    let refusal = match done {
        Ok(Ok(done)) => return answer(StatusCode::OK, JSON, json!({ "done": done }).to_string()),
        Ok(Err(error)) if error.is_mistake => Refusal::new(StatusCode::CONFLICT, error.error),
        Ok(Err(error)) => Refusal::new(StatusCode::BAD_GATEWAY, error.error),
        Err(error) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the command failed: {error}")),
    };
    refusal.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_only_to_viewers_that_accept_it() {
        for (value, expected) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(accepts_gzip(&headers), expected, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
