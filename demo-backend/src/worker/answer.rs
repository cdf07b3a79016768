//! How does one request travel through the worker?
//!
//! Read it whole, draw its faults, report it, wait as planned, answer as planned. Where a client goes away, hyper
//! drops the future of [`answer`], or the body it made, and with it the request's [`Ticket`]: nothing goes on.

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

use super::Shared;
use super::body::{AnswerBody, Source};
use super::identity::Identity;
use super::report::Ticket;
use super::route::Route;
use super::wire::Switch;
use crate::fault::Plan;
use crate::link::{MAX_REQUEST_ID, Report};

const X_BACKEND: HeaderName = HeaderName::from_static("x-backend");
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers one request. An error ends the connection without an answer.
pub(super) async fn answer(
    shared: Rc<Shared>,
    switch: Switch,
    mut request: Request<Incoming>,
) -> Result<Response<AnswerBody>> {
    let mut ticket = Ticket::arrive(Rc::clone(&shared));
    let mut route = Route::of(request.uri().path());
    if route != Route::Echo {
        read_whole(request.body_mut()).await?;
    }
    let id = request.headers().get(X_REQUEST_ID).cloned();
    let id_text = id.as_ref().map(|id| String::from_utf8_lossy(id.as_bytes()));
    let mut plan = Plan::default();
    if id.as_ref().is_some_and(|id| id.len() > MAX_REQUEST_ID) {
        route = Route::Mistake(format!("X-Request-Id is longer than {MAX_REQUEST_ID} bytes; shorten it"));
        shared.reporter.send(&[Report::Executed(None)]);
    } else {
        let (method, path) = (request.method().as_str(), request.uri().path());
        plan = shared.faults.borrow_mut().plan(method, path, Instant::now());
        report(&shared, &plan, id_text.as_deref());
    }

    for wait in &plan.waits {
        shared.pause(*wait).await;
    }
    if let Some(wreck) = plan.instead {
        ticket.break_off();
        switch.flip(wreck);
        anyhow::bail!("a fault ends this connection");
    }
    if let Route::Delay(delay) = route {
        tokio::time::sleep(delay).await;
    }
    if route == Route::Upgrade && plan.status.is_none() {
        match upgrade(&mut request) {
            Ok(mut response) => {
                ticket.finish();
                name(&mut response, &shared, id);
                return Ok(response
                    .map(|()| AnswerBody::new(Source::Held(Bytes::new()), ticket, &plan, &shared, &switch)));
            }
            Err(mistake) => route = Route::Mistake(mistake),
        }
    }

    let (parts, body) = request.into_parts();
    let mut response = Response::new(());
    let source = match (route, plan.status) {
        (Route::Mistake(mistake), _) => {
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Source::Held(format!("{mistake}\n").into())
        }
        (Route::Echo, None) => {
            if let Some(kind) = parts.headers.get(CONTENT_TYPE) {
                response.headers_mut().insert(CONTENT_TYPE, kind.clone());
            }
            Source::Echo(body)
        }
        (Route::Bytes(length), None) => Source::Dots(length),
        _ => {
            let (kind, text) = Identity::of(&parts, &shared, &ticket, &plan).body();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            Source::Held(text.into())
        }
    };
    if let Some(status) = plan.status {
        *response.status_mut() = StatusCode::from_u16(status.code)?;
        if let Some(seconds) = status.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
    }
    // hyper does not send these bodies, nor ask for them.
    if parts.method == Method::HEAD || matches!(response.status().as_u16(), 204 | 304) {
        ticket.finish();
    }
    name(&mut response, &shared, id);
    Ok(response.map(|()| AnswerBody::new(source, ticket, &plan, &shared, &switch)))
}

/// A request that never came whole is not executed; and its connection could not be used again.
async fn read_whole(body: &mut Incoming) -> Result<()> {
    while !body.is_end_stream() {
        if body.frame().await.transpose()?.is_none() {
            break;
        }
    }
    Ok(())
}

/// Puts the execution and the draws into the pipe, before any byte of an answer is sent.
fn report(shared: &Shared, plan: &Plan, id: Option<&str>) {
    if plan.drawn.is_empty() {
        shared.reporter.send(&[Report::Executed(id)]);
        return;
    }
    let drawn = plan.drawn.iter().map(|&(key, matched, fired)| Report::Drawn { key, matched, fired });
    let reports: Vec<_> = std::iter::once(Report::Executed(id)).chain(drawn).collect();
    shared.reporter.send(&reports);
}

/// Every answer names who gave it, and to which request.
fn name(response: &mut Response<()>, shared: &Shared, id: Option<HeaderValue>) {
    let headers = response.headers_mut();
    headers.insert(X_BACKEND, shared.config.id.into());
    if let Some(id) = id {
        headers.insert(X_REQUEST_ID, id);
    }
}

/// Switches the connection to a protocol that echoes bytes.
fn upgrade(request: &mut Request<Incoming>) -> Result<Response<()>, String> {
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
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("echo"));
    Ok(response)
}
