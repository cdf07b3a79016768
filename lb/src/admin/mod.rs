//! The admin port: what the balancer is doing, for people, scripts and the lab's console.
//!
//! `GET /state` is everything as of now, `GET /events` tells what happens as server-sent events, `GET /metrics` is
//! what Prometheus collects, `GET /healthz` says whether requests are welcome.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::channel::{Channel, Sender};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

mod exposition;
mod metrics;
mod report;

use crate::balance::ServerPool;
use crate::config::Config;
use crate::observe::{Event, Observer, StateChange};
use crate::proxy::books::Statistics;
use report::report;

/// What the admin port shows.
#[derive(Debug)]
pub(crate) struct Admin {
    pool: Arc<ServerPool>,
    observer: Arc<Observer>,
    listen: String,
    workers: usize,
    statistics: Statistics,
    started: (Instant, SystemTime),
}

/// Requests told per second and reader; more would be more than anybody can read.
const REQUESTS_PER_SECOND: u32 = 40;

/// A comment is sent this often, so that both sides notice a connection that is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long accepting rests after a failure.
const REST: Duration = Duration::from_millis(100);

type Body = Either<Full<Bytes>, Channel<Bytes>>;

impl Admin {
    pub(crate) fn new(
        config: &Config,
        listen: SocketAddr,
        pool: &Arc<ServerPool>,
        observer: &Arc<Observer>,
    ) -> Self {
        Self {
            pool: Arc::clone(pool),
            observer: Arc::clone(observer),
            listen: listen.to_string(),
            workers: config.workers,
            statistics: config.statistics,
            started: (Instant::now(), SystemTime::now()),
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let known = matches!(request.uri().path(), "/state" | "/events" | "/metrics" | "/healthz");
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/healthz") => match self.observer.is_draining() {
                false => text(StatusCode::OK, "ok\n"),
                true => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            },
            (&Method::GET, "/state") => self.state(),
            (&Method::GET, "/events") => self.events(),
            (&Method::GET, "/metrics") => self.metrics(),
            (&Method::GET, path) if path.starts_with("/explain/") => self.explain(&path["/explain/".len()..]),
            _ if known => {
                let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET is understood here\n");
                refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
                refused
            }
            _ => text(
                StatusCode::NOT_FOUND,
                "there is GET /state, GET /events, GET /metrics and GET /healthz\n",
            ),
        }
    }

    fn state(&self) -> Response<Body> {
        let report = report(&self.pool, &self.observer, self.listen.clone(), self.workers, self.started.0);
        match serde_json::to_vec(&report) {
            Ok(json) => respond(StatusCode::OK, "application/json", Either::Left(Full::new(json.into()))),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }

    /// How a request was decided, by the name it was given.
    fn explain(&self, id: &str) -> Response<Body> {
        match self.observer.explanations.find(id).and_then(|found| serde_json::to_vec(&found).ok()) {
            Some(json) => respond(StatusCode::OK, "application/json", Either::Left(Full::new(json.into()))),
            None => text(
                StatusCode::NOT_FOUND,
                "no such request was explained lately; send it with x-lb-explain: 1, and start lb with --explain\n",
            ),
        }
    }

    fn metrics(&self) -> Response<Body> {
        let view = metrics::View {
            pool: &self.pool,
            observer: &self.observer,
            started: self.started.1,
            now: Instant::now(),
        };
        let page = metrics::page(&view, self.statistics);
        respond(StatusCode::OK, exposition::MEDIA_TYPE, Either::Left(Full::new(page.into())))
    }

    /// Every backend's present state first, then whatever happens.
    fn events(&self) -> Response<Body> {
        let events = self.observer.subscribe();
        let backends = self.pool.backends();
        let states = backends.iter().map(|backend| {
            let health = backend.health();
            let state = health.state().name();
            StateChange::new(backend.number, state, state, health.cause().clone())
        });
        let (sender, channel) = Channel::new(16);
        tokio::task::spawn_local(tell(states.collect(), events, sender));
        respond(StatusCode::OK, "text/event-stream", Either::Right(channel))
    }
}

/// Serves the admin port for ever.
pub(crate) async fn serve(listener: TcpListener, admin: Admin) -> ! {
    let admin = Rc::new(admin);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(REST).await;
            continue;
        };
        let admin = Rc::clone(&admin);
        let service = service_fn(move |request| {
            let answer = admin.answer(&request);
            async { Ok::<_, Infallible>(answer) }
        });
        tokio::task::spawn_local(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Tells one reader what happens, until it goes away.
async fn tell(states: Vec<StateChange>, mut events: broadcast::Receiver<Event>, mut reader: Sender<Bytes>) {
    for state in &states {
        if reader.send_data(message("state", state)).await.is_err() {
            return;
        }
    }
    let mut heartbeat = interval(HEARTBEAT);
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = 0;
    loop {
        let message = tokio::select! {
            event = events.recv() => match event {
                Ok(Event::State(change)) => message("state", &change),
                Ok(Event::Request(_)) if told >= REQUESTS_PER_SECOND => continue,
                Ok(Event::Request(outcome)) => {
                    told += 1;
                    message("request", &outcome)
                }
                // This reader was too slow and has missed some: it is told that, not held up for it.
                Err(RecvError::Lagged(missed)) => Bytes::from(format!("event: missed\ndata: {missed}\n\n")),
                Err(RecvError::Closed) => return,
            },
            _ = second.tick() => {
                told = 0;
                continue;
            }
            _ = heartbeat.tick() => Bytes::from_static(b": still here\n\n"),
        };
        if reader.send_data(message).await.is_err() {
            return;
        }
    }
}

fn message(event: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {event}\ndata: {data}\n\n").into()
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", Either::Left(Full::new(body.into())))
}

fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
