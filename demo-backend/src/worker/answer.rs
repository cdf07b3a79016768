//! The path of one request through the worker.
//!
//! Read the whole request, draw its faults, report it, wait as planned, answer as planned. When a client
//! closes its connection, hyper drops the future of [`answer`] or the body that it made, and with it the
//! request's [`Ticket`]: the work ends.

use std::rc::Rc;
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, UPGRADE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use tokio::task::spawn_local;

use super::body::{AnswerBody, Source};
use super::identity::{Identity, X_REQUEST_ID};
use super::report::Ticket;
use super::route::Route;
use super::shared::Shared;
use super::wire::AbortHandle;
use crate::fault::{Break, Plan};
use crate::link::{MAX_REQUEST_ID, Report};

const X_BACKEND: HeaderName = HeaderName::from_static("x-backend");

/// Answers one request. An error ends the connection without an answer.
pub(super) async fn answer(
    shared: Rc<Shared>,
    handle: AbortHandle,
    mut request: Request<Incoming>,
) -> Result<Response<AnswerBody>> {
    let mut ticket = Ticket::arrive(Rc::clone(&shared.reporter));
    let route = route(&request);
    if route != Route::Echo {
        read_whole(&shared, request.body_mut()).await?;
    }
    let plan = draw(&shared, &request, &route);
    wait(&shared, &plan, &route).await;
    let close = (route == Route::Die).then_some(Break::Close);
    if let Some(break_off) = plan.instead.or(close) {
        ticket.break_off();
        handle.abort(break_off);
        anyhow::bail!("a fault, or the path, ends this connection");
    }
    let is_head = request.method() == Method::HEAD;
    let (mut response, source) = respond(&shared, request, route, &ticket, &plan).await?;
    response.headers_mut().insert(X_BACKEND, shared.config.id.into());
    if shared.ending.get() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    // hyper does not send or poll these bodies.
    if is_head || matches!(response.status().as_u16(), 101 | 204 | 304) {
        ticket.finish();
    }
    let response = response.map(|()| AnswerBody::new(source, ticket, &plan, &shared, &handle));
    // From here on hyper writes, so the reports of this request must be in the pipe before.
    shared.reporter.flush();
    Ok(response)
}

fn route(request: &Request<Incoming>) -> Route {
    match request.headers().get(X_REQUEST_ID) {
        Some(id) if id.len() > MAX_REQUEST_ID => {
            Route::Mistake(format!("X-Request-Id is longer than {MAX_REQUEST_ID} bytes; shorten it"))
        }
        _ => Route::of(request.uri().path()),
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

/// Draws the faults of this request, and reports that it is executed.
fn draw(shared: &Shared, request: &Request<Incoming>, route: &Route) -> Plan {
    if matches!(route, Route::Mistake(_)) {
        shared.reporter.note(Report::Executed(None));
        return Plan::default();
    }
    let id = request.headers().get(X_REQUEST_ID).map(|id| String::from_utf8_lossy(id.as_bytes()));
    shared.reporter.note(Report::Executed(id.as_deref()));
    let (method, path) = (request.method().as_str(), request.uri().path());
    let plan = shared.faults.borrow_mut().plan(method, path, Instant::now());
    for &(key, matched, fired) in &plan.drawn {
        shared.reporter.note(Report::Drawn { key, matched, fired });
    }
    plan
}

/// Waits as the faults and the path demand.
async fn wait(shared: &Shared, plan: &Plan, route: &Route) {
    for wait in &plan.waits {
        shared.reporter.flush();
        shared.pause(*wait).await;
    }
    if let Route::Delay(delay) = route {
        shared.reporter.flush();
        tokio::time::sleep(*delay).await;
    }
}

/// The head of the answer, and the source of its body.
async fn respond(
    shared: &Shared,
    mut request: Request<Incoming>,
    mut route: Route,
    ticket: &Ticket,
    plan: &Plan,
) -> Result<(Response<()>, Source)> {
    let mut response = Response::new(());
    if let Some(id) = request.headers().get(X_REQUEST_ID) {
        response.headers_mut().insert(X_REQUEST_ID, id.clone());
    }
    if let Some(status) = plan.status {
        *response.status_mut() = StatusCode::from_u16(status.code)?;
        if let Some(seconds) = status.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        read_whole(shared, request.body_mut()).await?;
        route = Route::Identity;
    }
    if route == Route::Upgrade {
        match upgrade(&mut request, &mut response) {
            Ok(()) => return Ok((response, Source::Held(Bytes::new()))),
            Err(mistake) => route = Route::Mistake(mistake),
        }
    }
    let (parts, body) = request.into_parts();
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
        Route::Identity | Route::Delay(_) | Route::Upgrade | Route::Die => {
            let (kind, text) = Identity::of(&parts, shared, ticket, plan).body();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            Source::Held(text.into())
        }
    };
    Ok((response, source))
}

/// Switches the connection to a protocol that echoes bytes.
fn upgrade(request: &mut Request<Incoming>, response: &mut Response<()>) -> Result<(), String> {
    let has = |name, token: &str| {
        let value = request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        value.is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    if !(has(CONNECTION, "upgrade") && has(UPGRADE, "echo")) {
        return Err("/upgrade: send 'Connection: upgrade' and 'Upgrade: echo'".into());
    }
    let upgraded = hyper::upgrade::on(request);
    spawn_local(async move {
        if let Ok(upgraded) = upgraded.await {
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
