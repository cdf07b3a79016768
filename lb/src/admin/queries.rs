//! The pages of the admin port. Reading them changes nothing.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use api::{BackendSummary, LogLevel, PolicyInForce, excerpt, words};
use balance::names;
use balance::policy::Kind;
use http::StatusCode;
use http_body_util::channel::Channel;
use percent_encoding::percent_decode_str;

use super::events::Present;
use super::guard::Refusal;
use super::report::{Subject, report};
use super::responses::{self, Answer, Body, json, respond, text};
use super::routes::Later;
use super::{Admin, Asked, commands, events, exposition, metrics};
use crate::log::Level;
use crate::pool::Backend;

/// The settings and the state of a backend, in short.
pub(super) fn summary(backend: &Backend) -> BackendSummary {
    let (spec, health) = (backend.spec(), backend.health());
    BackendSummary {
        number: backend.number,
        url: backend.address.to_string(),
        mode: spec.mode.name().into(),
        weight: spec.weight,
        priority: spec.priority,
        backup: spec.backup,
        max_in_flight: spec.limit,
        state: health.state().name().into(),
        cause: health.cause().clone(),
        proven: health.is_proven(),
        leaving: backend.is_leaving(),
        in_flight: backend.in_flight(),
    }
}

/// Whether the process is alive, for supervisors that restart it otherwise.
pub(super) fn healthz(admin: &Admin, _: &Asked<'_>) -> Answer {
    Ok(match admin.control.observer().is_draining() {
        false => text(StatusCode::OK, "ok\n"),
        true => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    })
}

/// Whether the balancer wants requests, for load balancers in front that send requests elsewhere otherwise.
pub(super) fn readyz(admin: &Admin, _: &Asked<'_>) -> Answer {
    Ok(match admin.control.not_ready() {
        None => text(StatusCode::OK, "ready\n"),
        Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    })
}

pub(super) fn state<'a>(admin: &'a Admin, _: &'a Asked<'a>) -> Later<'a> {
    Box::pin(async move {
        let control = &admin.control;
        let (pool, observer) = (Arc::clone(control.pool()), Arc::clone(control.observer()));
        let listen = listeners(admin);
        let workers = control.settings().workers;
        let (started, counting) = (admin.started.0, control.counting_since());
        let lines_dropped = control.lines_dropped().1;
        let written = admin.beside(move || {
            let (pool, observer, listen) = (&pool, &observer, &listen);
            let now = Instant::now();
            let report =
                report(&Subject { pool, observer, listen, workers, started, counting, lines_dropped, now });
            serde_json::to_vec(&report)
        });
        document(written.await?)
    })
}

pub(super) fn metrics<'a>(admin: &'a Admin, _: &'a Asked<'a>) -> Later<'a> {
    Box::pin(async move {
        let control = &admin.control;
        let (pool, observer) = (Arc::clone(control.pool()), Arc::clone(control.observer()));
        let (started, statistics) = (admin.started.1, control.settings().proxy.statistics);
        let lines_dropped = control.lines_dropped().0;
        let page = admin.beside(move || {
            let view = metrics::View::new(&pool, &observer, started, Instant::now(), lines_dropped);
            metrics::page(&view, statistics)
        });
        Ok(respond(StatusCode::OK, exposition::MEDIA_TYPE, Body::whole(page.await?)))
    })
}

/// An answer with a document, if it could be written.
fn document(written: serde_json::Result<Vec<u8>>) -> Answer {
    let failed =
        |error: serde_json::Error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    written.map(|json| responses::written(StatusCode::OK, json)).map_err(failed)
}

/// The addresses that clients connect to, as text.
fn listeners(admin: &Admin) -> String {
    admin.listeners.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The present state, and then all events.
pub(super) fn events(admin: &Admin, asked: &Asked<'_>) -> Answer {
    let reader = Arc::clone(&admin.readers).try_acquire_owned().map_err(|_| {
        let error = "too many connections read the events; close one of them and try again";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error)
    })?;
    let requests =
        events::requests(asked.query).map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error))?;
    let (observer, control) = (admin.control.observer(), Rc::clone(&admin.control));
    let cursor = observer.stream.join(requests, asked.last_event);
    let (sender, channel) = Channel::new(2);
    let present = Present { control, listen: listeners(admin) };
    tokio::task::spawn_local(events::send(present, cursor, sender));
    Ok(respond(StatusCode::OK, "text/event-stream", Body::streamed(channel).holding(reader)))
}

pub(super) fn backends<'a>(admin: &'a Admin, asked: &'a Asked<'a>) -> Later<'a> {
    Box::pin(async move {
        if asked.query.is_some() {
            return backend(admin, asked);
        }
        let pool = Arc::clone(admin.control.pool());
        let written = admin.beside(move || {
            let all: Vec<_> = pool.backends().iter().map(|backend| summary(backend)).collect();
            serde_json::to_vec(&all)
        });
        document(written.await?)
    })
}

pub(super) fn backend(admin: &Admin, asked: &Asked<'_>) -> Answer {
    let backend = commands::backend(admin, asked)?;
    Ok(json(StatusCode::OK, &summary(&backend)))
}

pub(super) fn policy(admin: &Admin, _: &Asked<'_>) -> Answer {
    let policy = admin.control.pool().rules().policy.name().into();
    Ok(json(StatusCode::OK, &PolicyInForce { policy, known: words(names::of::<Kind>()) }))
}

pub(super) fn log(admin: &Admin, _: &Asked<'_>) -> Answer {
    let level: &'static str = admin.control.level().into();
    Ok(json(StatusCode::OK, &LogLevel { level: level.into(), known: words(names::of::<Level>()) }))
}

/// The decisions about a request, by the id of the request.
pub(super) fn explain(admin: &Admin, asked: &Asked<'_>) -> Answer {
    let id = percent_decode_str(asked.one).decode_utf8_lossy();
    let found = admin.control.observer().explanations.find(&id).ok_or_else(|| {
        let error =
            "there is no explanation for this request; start lb with --explain, and send the request with x-lb-explain: 1";
        Refusal::new(StatusCode::NOT_FOUND, error)
    })?;
    Ok(json(StatusCode::OK, &found))
}

/// The error for an unknown path, with the paths that exist.
pub(super) fn nothing(path: &str) -> Refusal {
    let all: Vec<_> =
        super::routes::ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    let path = excerpt(path);
    Refusal::new(StatusCode::NOT_FOUND, format!("there is no {path}; there is {}", all.join(", ")))
}
