//! The path of one request through the worker.
//!
//! Read the whole request, wait for a place, be served there as planned, answer as planned. When a client
//! closes its connection, hyper drops the future of [`answer`] or the body that it made, and with it the
//! request's [`Ticket`]. Whether its work ends, too, is a setting of the capacity: see [`super::places`].
//!
//! A place is free again when the head of the answer is there: the transfer of a body needs none.

use std::rc::Rc;

use anyhow::Result;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::task::spawn_local;

use super::body::{AnswerBody, Source};
use super::demand::Demand;
use super::headers::X_REQUEST_ID;
use super::identity::{Identity, Visit};
use super::places::{self, Outcome};
use super::report::Ticket;
use super::route::Route;
use super::shared::Shared;
use super::wire::AbortHandle;
use crate::fault::{Break, Status};
use crate::link::{MAX_REQUEST_ID, Report};

/// Answers one request. An error ends the connection without an answer.
pub(super) async fn answer(
    shared: Rc<Shared>,
    handle: AbortHandle,
    mut request: Request<Incoming>,
) -> Result<Response<AnswerBody>> {
    let mut ticket = Ticket::arrive(Rc::clone(&shared.reporter));
    let (route, demand) = understand(&request, &shared);
    if route != Route::Echo {
        read_whole(&shared, request.body_mut()).await?;
    }
    let upgrade = (route == Route::Upgrade).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let parts = Rc::new(parts);
    let outcome = match demand {
        Some(demand) => places::serve(&shared.places, &parts, demand).await,
        None => {
            shared.reporter.note(Report::Executed(None));
            Outcome::default()
        }
    };
    let close = (route == Route::Die && outcome.refused.is_none()).then_some(Break::Close);
    if let Some(break_off) = outcome.plan.instead.or(close) {
        ticket.break_off();
        handle.abort(break_off);
        anyhow::bail!("a fault, or the path, ends this connection");
    }
    let is_head = parts.method == Method::HEAD;
    let visit = Visit { parts: &parts, shared: &shared, ticket: &ticket, outcome: &outcome };
    let (mut response, source) = respond(&visit, route, body, upgrade).await?;
    visit.describe(response.headers_mut());
    if shared.ending.get() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    // hyper does not send or poll these bodies.
    if is_head || matches!(response.status().as_u16(), 101 | 204 | 304) {
        ticket.finish();
    }
    let response = response.map(|()| AnswerBody::new(source, ticket, &outcome.plan, &shared.faulty, &handle));
    // From here on hyper writes, so the reports of this request must be in the pipe before.
    shared.reporter.flush();
    Ok(response)
}

/// The meaning of a request, and its demand; a mistake has none.
fn understand(request: &Request<Incoming>, shared: &Shared) -> (Route, Option<Demand>) {
    let route = match request.headers().get(X_REQUEST_ID) {
        Some(id) if id.len() > MAX_REQUEST_ID => {
            Route::Mistake(format!("X-Request-Id is longer than {MAX_REQUEST_ID} bytes; shorten it"))
        }
        _ => Route::of(request.uri().path()),
    };
    if matches!(route, Route::Mistake(_)) {
        return (route, None);
    }
    match Demand::of(&route, request.headers(), &shared.places.capacity()) {
        Ok(demand) => (route, Some(demand)),
        Err(mistake) => (Route::Mistake(mistake), None),
    }
}

/// An incomplete request is not executed, and its connection cannot be used again.
async fn read_whole(shared: &Shared, body: &mut Incoming) -> Result<()> {
    while !body.is_end_stream() {
        shared.reporter.flush();
        if body.frame().await.transpose()?.is_none() {
            break;
        }
    }
    Ok(())
}

/// The head of the answer, and the source of its body.
async fn respond(
    visit: &Visit<'_>,
    mut route: Route,
    mut body: Incoming,
    upgrade: Option<OnUpgrade>,
) -> Result<(Response<()>, Source)> {
    let Visit { parts, shared, outcome, .. } = visit;
    let mut response = Response::new(());
    if let Some(id) = parts.headers.get(X_REQUEST_ID) {
        response.headers_mut().insert(X_REQUEST_ID, id.clone());
    }
    let refused = outcome.refused.map(|_| Status { code: 503, retry_after: None });
    if let Some(status) = refused.or(outcome.plan.status) {
        *response.status_mut() = StatusCode::from_u16(status.code)?;
        if let Some(seconds) = status.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        read_whole(shared, &mut body).await?;
        route = Route::Identity;
    }
    if let (Route::Upgrade, Some(upgrade)) = (&route, upgrade) {
        match switch(&parts.headers, upgrade, &mut response) {
            Ok(()) => return Ok((response, Source::Held(Bytes::new()))),
            Err(mistake) => route = Route::Mistake(mistake),
        }
    }
    let source = match route {
        Route::Mistake(mistake) => {
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Source::Held(format!("{mistake}\n").into())
        }
        Route::Echo => {
            if let Some(kind) = parts.headers.get(CONTENT_TYPE) {
                response.headers_mut().insert(CONTENT_TYPE, kind.clone());
            }
            Source::Echo(body)
        }
        Route::Bytes(length) => Source::Dots(length),
        Route::Identity | Route::Delay(_) | Route::Work(_) | Route::Upgrade | Route::Die => {
            let (kind, text) = Identity::of(visit).body();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            Source::Held(text.into())
        }
    };
    Ok((response, source))
}

/// Switches the connection to a protocol that echoes bytes.
fn switch(headers: &HeaderMap, upgrade: OnUpgrade, response: &mut Response<()>) -> Result<(), String> {
    let has = |name, token: &str| {
        let value = headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        value.is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    if !(has(CONNECTION, "upgrade") && has(UPGRADE, "echo")) {
        return Err("/upgrade: send 'Connection: upgrade' and 'Upgrade: echo'".into());
    }
    spawn_local(async move {
        if let Ok(upgraded) = upgrade.await {
            let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
            let _ = tokio::io::copy(&mut from, &mut to).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut to).await;
        }
    });
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("echo"));
    Ok(())
}
