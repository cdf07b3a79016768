//! The admin port: it shows the state of the balancer and accepts changes, for people, scripts and the
//! console of the lab.
//!
//! `routes.rs` has one line for each request that the port answers; `guard.rs` decides which requests are
//! allowed. `queries.rs` answers `GET`: `GET /state` is the present state, `GET /events` sends events as they
//! happen, Prometheus collects `GET /metrics`, `GET /healthz` tells whether the process is alive, and `GET
//! /readyz` tells whether it wants requests. `commands.rs` makes changes through [`Control`]. `room.rs` and
//! `connection.rs` limit the number of connections and their time.
//!
//! The control thread serves the port, and it also pings the backends. So another thread writes the pages
//! that take long with many backends ([`Admin::beside`]).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use api::excerpt;
use http::header::USER_AGENT;
use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Map, Value};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

mod commands;
mod connection;
mod events;
mod exposition;
mod guard;
mod metrics;
mod queries;
mod report;
mod responses;
mod room;
mod routes;
mod ticks;

use crate::control::Control;
use crate::log::escape;
use crate::log::seldom::Seldom;
use crate::proxy::downstream::client::WARN_AGAIN;
use connection::Watched;
use guard::{Door, Refusal, judge};
use responses::{Answer, Body, refused, wrong_method};
use room::{Place, Room};
use routes::{Found, Run, find};
pub(crate) use ticks::keep_ticking;

/// The admin port's view of the balancer.
#[derive(Debug)]
pub(crate) struct Admin {
    control: Rc<Control>,
    /// The addresses that clients connect to.
    listeners: Vec<SocketAddr>,
    /// Address of this port.
    listens: SocketAddr,
    started: (Instant, SystemTime),
    room: Rc<Room>,
    /// Further readers of events that are allowed. Readers stay, so they must leave places for other
    /// connections.
    readers: Arc<Semaphore>,
    /// Permits to write a page.
    pages: Semaphore,
    /// Limits the log lines about clients that speak another protocol.
    foreign: Seldom,
}

/// A request to the admin port.
#[derive(Debug)]
struct Asked<'a> {
    /// The name of one thing in the path; empty if the path names none.
    one: &'a str,
    query: Option<&'a str>,
    /// The id of the last event that a reader of events has, if it comes back.
    last_event: Option<u64>,
    /// The body of the request; empty if the request changes nothing.
    body: Map<String, Value>,
    /// The origin of the request.
    by: String,
}

/// Limit for the body of a request; usual bodies have a few hundred bytes.
const LONGEST: usize = 64 * 1024;

/// Time limit for a body.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Time after which a dead peer is detected.
const GONE: Duration = Duration::from_secs(30);

/// Pause of accepting after a failure.
const REST: Duration = Duration::from_millis(100);

/// The id of the last event that a reader has: the WHATWG's HTML standard, section 9.2.4.
const LAST_EVENT_ID: &str = "last-event-id";

/// The user agent of [`crate::ctl`].
pub(crate) const CTL: &str = "lb-ctl";

impl Admin {
    /// The admin port on this listener, of a balancer whose clients connect to `listeners`, with a limit of
    /// connections.
    pub(crate) fn new(
        control: Rc<Control>,
        listeners: &[SocketAddr],
        listens: SocketAddr,
        connections: usize,
    ) -> Self {
        let started = (Instant::now(), SystemTime::now());
        let room = Room::new(connections);
        let readers = Arc::new(Semaphore::new((room.places() / 2).max(1)));
        let pages = Semaphore::new(1);
        let foreign = Seldom::every(WARN_AGAIN);
        let listeners = listeners.to_vec();
        Self { control, listeners, listens, started, room, readers, pages, foreign }
    }

    /// Runs a function on another thread and waits for the result. Only one runs at a time.
    ///
    /// # Errors
    /// The system starts no thread.
    async fn beside<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let no_thread = || {
            let error = "the system has no thread left to write this page; try again";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error)
        };
        let _turn = self.pages.acquire().await.map_err(|_| no_thread())?;
        let (tell, made) = oneshot::channel();
        let thread = std::thread::Builder::new().name("page".into());
        // The client may have left by then.
        thread.spawn(move || _ = tell.send(make())).map_err(|_| no_thread())?;
        made.await.map_err(|_| no_thread())
    }

    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let found = find(&head.method, path);
        let changes = matches!(&found, Found::Route(route, _) if route.changes());
        self.admit(&head, changes, peer)?;
        match found {
            Found::Route(route, one) => {
                let body = if changes { read(body).await? } else { Map::new() };
                let last_event = head.headers.get(LAST_EVENT_ID).and_then(|id| {
                    let digits = id.to_str().ok().filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
                    digits?.parse().ok()
                });
                let (query, by) = (head.uri.query(), origin_of(&head, peer));
                let asked = Asked { one, query, last_event, body, by };
                match route.run {
                    Run::Now(run) => run(self, &asked),
                    Run::Later(run) => run(self, &asked).await,
                }
            }
            Found::Methods(methods) => Ok(wrong_method(path, &methods)),
            Found::Nothing => Err(queries::nothing(path)),
        }
    }

    fn admit(&self, head: &Parts, changes: bool, peer: SocketAddr) -> Result<(), Refusal> {
        let settings = self.control.settings();
        let door = Door { listens: self.listens, token: settings.admin_token.as_ref() };
        judge(&head.headers, changes, &door).inspect_err(|refusal| {
            if changes {
                let (method, by, mut path) = (&head.method, origin_of(head, peer), String::new());
                // The client chooses the path, and this client is not allowed.
                escape::bare(&mut path, head.uri.path());
                tracing::warn!("refused: {method} {path} (by {by}): {}", refusal.error);
            }
        })
    }
}

/// The origin of a request, for the log and the events.
fn origin_of(head: &Parts, peer: SocketAddr) -> String {
    let agent = head.headers.get(USER_AGENT).map_or(&b""[..], http::HeaderValue::as_bytes);
    let by = if agent.starts_with(CTL.as_bytes()) { "lb ctl" } else { "admin port" };
    format!("{by}, {}", peer.ip().to_canonical())
}

/// Reads the body of a request: a JSON object, or nothing.
async fn read(body: Incoming) -> Result<Map<String, Value>, Refusal> {
    let too_long = || {
        let error = format!("the body has more than {} KiB; send less at a time", LONGEST / 1024);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error)
    };
    // A length that the head promises needs no wait for the bytes.
    if body.size_hint().lower() > LONGEST as u64 {
        return Err(too_long());
    }
    let reading = Limited::new(body, LONGEST).collect();
    let whole = match tokio::time::timeout(TIMEOUT, reading).await {
        Ok(Ok(whole)) => whole.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(too_long());
        }
        Ok(Err(_)) => {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "the body is incomplete; send it completely"));
        }
        Err(_) => {
            let error =
                format!("the body did not arrive within {} s; send it without a pause", TIMEOUT.as_secs());
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, error));
        }
    };
    if whole.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&whole).map_err(|error| {
        let error = error.to_string();
        let error = excerpt(&error);
        let error = format!("this is not a JSON object: {error}; write it as {{\"weight\": 5}}");
        Refusal::new(StatusCode::BAD_REQUEST, error)
    })
}

/// Serves the admin port until the balancer ends.
pub(crate) async fn serve(listener: TcpListener, admin: Admin) -> ! {
    let admin = Rc::new(admin);
    loop {
        admin.room.place_for_one().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let place = admin.room.enter();
                tokio::task::spawn_local(converse(stream, peer, Rc::clone(&admin), place));
            }
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

/// Answers the requests of one connection, until the connection ends or must make room.
async fn converse(stream: TcpStream, peer: SocketAddr, admin: Rc<Admin>, place: Place) {
    // A peer that is dead acknowledges nothing.
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(GONE));
    tokio::select! {
        () = talk(stream, peer, admin, &place) => {}
        () = place.visit.leave.notified() => {}
    }
}

async fn talk(mut stream: TcpStream, peer: SocketAddr, admin: Rc<Admin>, place: &Place) {
    let Some((first, foreign)) = connection::begin(&mut stream, &place.visit).await else { return };
    if let Some(refusal) = foreign {
        if admin.foreign.is_due(Instant::now()) {
            let (client, why) = (peer.ip().to_canonical(), refusal.reason());
            tracing::warn!("refused a client of the admin port at {client}: {why}");
        }
        return connection::refuse(&mut stream, refusal).await;
    }
    let io = TokioIo::new(Watched::new(stream, first, Rc::clone(&place.visit)));
    let service = service_fn(|request| {
        let (admin, busy) = (Rc::clone(&admin), place.busy());
        async move {
            let response = admin.answer(request, peer).await.unwrap_or_else(refused);
            Ok::<_, Infallible>(response.map(|body: Body| body.holding(busy)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(connection::HEAD)
        .max_buf_size(connection::LONGEST_HEAD)
        .serve_connection(io, service);
    // The result does not matter.
    let _ = connection.await;
}
