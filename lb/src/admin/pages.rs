//! What the admin port shows. To look at it changes nothing.

use std::time::Instant;

use http::StatusCode;
use http_body_util::channel::Channel;
use http_body_util::{Either, Full};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::json;

use super::answers::{Answer, json, respond, text};
use super::guard::Refusal;
use super::report::{Subject, report};
use super::{Admin, Asked, events, exposition, metrics, orders};
use crate::balance::Backend;
use crate::balance::health::{Cause, State, Thresholds};
use crate::balance::member::Mode;
use crate::balance::policy::Kind;
use crate::log::Level;
use crate::observe::StateChange;

/// What is said of a backend, and how it is, in a few words.
#[derive(Debug, Serialize)]
pub(super) struct Brief {
    number: usize,
    url: String,
    mode: Mode,
    weight: u32,
    priority: u8,
    backup: bool,
    max_in_flight: Option<u32>,
    state: State,
    /// Why it is in that state.
    cause: Cause,
    /// Whether anything has been seen of it since it came, or came back; before, its state is what is assumed.
    proven: bool,
    /// It was taken out of the pool, and finishes what it has.
    leaving: bool,
    in_flight: u32,
}

impl From<&Backend> for Brief {
    fn from(backend: &Backend) -> Self {
        let (said, health) = (backend.said(), backend.health());
        // An answer matters to a backend that is down, or up with nothing against it, only if it is the first word of it.
        let on_its_way = health.progress(Thresholds { rise: 1, fall: 1 }).is_some();
        let is_first = health.answer_matters()
            && (health.state() == State::Down || (health.state() == State::Up && !on_its_way));
        Self {
            number: backend.number,
            url: backend.address.to_string(),
            mode: said.mode,
            weight: said.weight,
            priority: said.priority,
            backup: said.backup,
            max_in_flight: said.limit,
            state: health.state(),
            cause: health.cause().clone(),
            proven: !is_first,
            leaving: backend.is_leaving(),
            in_flight: backend.in_flight(),
        }
    }
}

pub(super) fn healthz(admin: &Admin, _: &Asked<'_>) -> Answer {
    Ok(match admin.control.observer().is_draining() {
        false => text(StatusCode::OK, "ok\n"),
        true => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    })
}

pub(super) fn state(admin: &Admin, _: &Asked<'_>) -> Answer {
    let control = &admin.control;
    let report = report(&Subject {
        pool: control.pool(),
        observer: control.observer(),
        listen: &admin.listen,
        workers: control.settings().workers,
        started: admin.started.0,
        counting: control.counting_since(),
        lines_dropped: control.lines_dropped().1,
        now: Instant::now(),
    });
    Ok(json(StatusCode::OK, &report))
}

pub(super) fn metrics(admin: &Admin, _: &Asked<'_>) -> Answer {
    let view = metrics::View {
        pool: admin.control.pool(),
        observer: admin.control.observer(),
        lines_dropped: admin.control.lines_dropped().0,
        started: admin.started.1,
        now: Instant::now(),
    };
    let page = metrics::page(&view, admin.control.settings().statistics);
    Ok(respond(StatusCode::OK, exposition::MEDIA_TYPE, Either::Left(Full::new(page.into()))))
}

/// Every backend's present state first, then whatever happens.
pub(super) fn events(admin: &Admin, _: &Asked<'_>) -> Answer {
    let events = admin.control.observer().subscribe();
    let backends = admin.control.pool().backends();
    let states = backends.iter().map(|backend| {
        let health = backend.health();
        let state = health.state().name();
        StateChange::new(backend.number, state, state, health.cause().clone())
    });
    let (sender, channel) = Channel::new(16);
    tokio::task::spawn_local(events::tell(states.collect(), events, sender));
    Ok(respond(StatusCode::OK, "text/event-stream", Either::Right(channel)))
}

pub(super) fn backends(admin: &Admin, asked: &Asked<'_>) -> Answer {
    if asked.query.is_some() {
        return backend(admin, asked);
    }
    let backends = admin.control.pool().backends();
    let all: Vec<_> = backends.iter().map(|backend| Brief::from(&**backend)).collect();
    Ok(json(StatusCode::OK, &all))
}

pub(super) fn backend(admin: &Admin, asked: &Asked<'_>) -> Answer {
    let backend = orders::backend(admin, asked)?;
    Ok(json(StatusCode::OK, &Brief::from(&*backend)))
}

pub(super) fn policy(admin: &Admin, _: &Asked<'_>) -> Answer {
    let policy = admin.control.pool().rules().policy.name();
    Ok(json(StatusCode::OK, &json!({ "policy": policy, "known": Kind::ALL.map(Kind::name) })))
}

pub(super) fn log(admin: &Admin, _: &Asked<'_>) -> Answer {
    let level = admin.control.level().name();
    Ok(json(StatusCode::OK, &json!({ "level": level, "known": Level::ALL.map(Level::name) })))
}

/// How a request was decided, by the name it was given.
pub(super) fn explain(admin: &Admin, asked: &Asked<'_>) -> Answer {
    let id = percent_decode_str(asked.one).decode_utf8_lossy();
    let found = admin.control.observer().explanations.find(&id).ok_or_else(|| {
        let error =
            "no such request was explained lately; send it with x-lb-explain: 1, and start lb with --explain";
        Refusal::new(StatusCode::NOT_FOUND, error)
    })?;
    Ok(json(StatusCode::OK, &found))
}

/// There is no such thing, but there is this.
pub(super) fn nothing(path: &str) -> Refusal {
    let all: Vec<_> =
        super::routes::ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    Refusal::new(StatusCode::NOT_FOUND, format!("there is no {path}; there is {}", all.join(", ")))
}
