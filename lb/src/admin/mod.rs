//! The admin port: what the balancer is doing, and what it is to do, for people, scripts and the lab's console.
//!
//! `routes.rs` has all that can be asked, a line each; `guard.rs` says who may ask. `pages.rs` shows: `GET /state` is
//! everything as of now, `GET /events` tells what happens as server-sent events, `GET /metrics` is what Prometheus
//! collects, `GET /healthz` says whether requests are welcome. `orders.rs` changes, by way of [`Control`].

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use http::header::USER_AGENT;
use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::net::TcpListener;

mod answers;
mod events;
mod exposition;
mod guard;
mod metrics;
mod orders;
mod pages;
mod report;
mod routes;

use crate::control::Control;
use crate::log::escape;
use answers::{Answer, refused, wrong_method};
use guard::{Door, Refusal, judge};
use routes::{Found, find};

/// The admin port's view of the balancer.
#[derive(Debug)]
pub(crate) struct Admin {
    control: Rc<Control>,
    /// Where clients connect.
    listen: String,
    /// Where this port listens.
    listens: SocketAddr,
    started: (Instant, SystemTime),
}

/// What somebody asks.
#[derive(Debug)]
struct Asked<'a> {
    /// What the path names out of many; nothing if it names none.
    one: &'a str,
    query: Option<&'a str>,
    /// What the request says; nothing if it is to change nothing.
    body: Map<String, Value>,
    /// Who asks.
    by: String,
}

/// Bytes that a request may bring; what there is to say takes a few hundred.
const LONGEST: usize = 64 * 1024;

/// How long they may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long accepting rests after a failure.
const REST: Duration = Duration::from_millis(100);

/// What [`crate::ctl`] calls itself.
pub(crate) const CTL: &str = "lb-ctl";

impl Admin {
    /// The admin port, listening there, of a balancer whose clients connect to `listen`.
    pub(crate) fn new(control: Rc<Control>, listen: SocketAddr, listens: SocketAddr) -> Self {
        let started = (Instant::now(), SystemTime::now());
        Self { control, listen: listen.to_string(), listens, started }
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
                (route.run)(self, &Asked { one, query: head.uri.query(), body, by: who(&head, peer) })
            }
            Found::Methods(methods) => Ok(wrong_method(path, &methods)),
            Found::Nothing => Err(pages::nothing(path)),
        }
    }

    fn admit(&self, head: &Parts, changes: bool, peer: SocketAddr) -> Result<(), Refusal> {
        let settings = self.control.settings();
        let door = Door { listens: self.listens, token: settings.admin_token.as_ref() };
        judge(&head.headers, changes, &door).inspect_err(|refusal| {
            if changes {
                let (method, by, mut path) = (&head.method, who(head, peer), String::new());
                // The path is chosen by a client that may not ask.
                escape::bare(&mut path, head.uri.path());
                tracing::warn!("not taken: {method} {path} (by {by}): {}", refusal.error);
            }
        })
    }
}

/// Who asks, for the log and the events.
fn who(head: &Parts, peer: SocketAddr) -> String {
    let agent = head.headers.get(USER_AGENT).map_or(&b""[..], http::HeaderValue::as_bytes);
    let by = if agent.starts_with(CTL.as_bytes()) { "lb ctl" } else { "admin port" };
    format!("{by}, {}", peer.ip().to_canonical())
}

/// Reads what a request says: an object, or nothing.
async fn read(body: Incoming) -> Result<Map<String, Value>, Refusal> {
    let reading = Limited::new(body, LONGEST).collect();
    let whole = match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(whole)) => whole.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let error = format!("that is more than {} KiB; say less at a time", LONGEST / 1024);
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error));
        }
        Ok(Err(_)) => return Err(Refusal::new(StatusCode::BAD_REQUEST, "the body broke off; send it whole")),
        Err(_) => {
            let error = format!("the body did not come within {} s; send it at once", PATIENCE.as_secs());
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, error));
        }
    };
    if whole.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&whole).map_err(|error| {
        let error = format!("this is no JSON object: {error}; write it as {{\"weight\": 5}}");
        Refusal::new(StatusCode::BAD_REQUEST, error)
    })
}

/// Serves the admin port for ever.
pub(crate) async fn serve(listener: TcpListener, admin: Admin) -> ! {
    let admin = Rc::new(admin);
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(REST).await;
            continue;
        };
        let admin = Rc::clone(&admin);
        let service = service_fn(move |request| {
            let admin = Rc::clone(&admin);
            async move { Ok::<_, Infallible>(admin.answer(request, peer).await.unwrap_or_else(refused)) }
        });
        tokio::task::spawn_local(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
