//! The requests and commands on the control port.
//!
//! Small JSON over HTTP/1.1. Every error has a JSON body `{"error": "..."}` with a remedy.

use std::fmt::Display;
use std::io::{Write as _, stderr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use super::registry::Definition;
use super::supervisor::{Impossible, Supervisor};
use crate::capacity::Capacity;
use crate::fault;
use crate::fields::{InvalidDefinition, excerpt};
use crate::presets::PRESETS;

/// Larger request bodies are refused.
const MAX_BODY: usize = 1 << 20;

/// The pause after a failed accept. The usual cause is "out of file descriptors".
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// An answer other than 200: the status, and the text.
struct Refusal(StatusCode, String);

type Answer = Result<Value, Refusal>;

/// Answers on the control port until `end` is ready, and returns its value.
pub(super) async fn serve<T>(
    listener: TcpListener,
    supervisor: Rc<Supervisor>,
    end: impl Future<Output = T>,
) -> T {
    tokio::pin!(end);
    loop {
        let accepted = tokio::select! {
            value = &mut end => return value,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                spawn_local(converse(stream, Rc::clone(&supervisor)));
            }
            Err(error) => {
                let _ = writeln!(
                    stderr(),
                    "backend {}: cannot accept on the control port: {error}",
                    supervisor.config().id
                );
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, supervisor: Rc<Supervisor>) {
    let service = service_fn(move |request| answer(Rc::clone(&supervisor), request));
    // If this fails, the client is gone.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    supervisor: Rc<Supervisor>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, http::Error> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let answer = match guard(&parts.headers) {
        Ok(()) => route(&supervisor, &parts.method, path, body).await,
        Err(refusal) => Err(refusal),
    };
    let (status, value) = match answer {
        Ok(value) => (StatusCode::OK, value),
        Err(Refusal(status, reason)) => (status, json!({ "error": reason })),
    };
    let mut response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response = response.header(ALLOW, methods(path).join(", "));
    }
    response.body(Full::from(format!("{value}\n")))
}

/// A page of another site in the same browser must not be able to break backends.
fn guard(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let Some(origin) = headers.get(ORIGIN).map(text) else { return Ok(()) };
    let host = headers.get(HOST).map(text).unwrap_or_default();
    if origin.strip_prefix("http://") == Some(&host) {
        return Ok(());
    }
    Err(Refusal(
        StatusCode::FORBIDDEN,
        format!("a page of {} may not use this port; use curl or the lab", excerpt(&origin)),
    ))
}

async fn route(supervisor: &Rc<Supervisor>, method: &Method, path: &str, body: Incoming) -> Answer {
    let known = methods(path);
    if known.is_empty() {
        return Err(Refusal(
            StatusCode::NOT_FOUND,
            format!("no {} here; see demo-backend --help", excerpt(path)),
        ));
    }
    if !known.contains(&method.as_str()) {
        let allowed = known.join(" or ");
        return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, format!("{path} takes {allowed}, not {method}")));
    }
    match (method.as_str(), path) {
        (_, "/healthz") => Ok(json!("ok")),
        (_, "/state") => Ok(state(supervisor)),
        (_, "/kinds") => Ok(shown(&fault::KINDS)),
        (_, "/presets") => Ok(shown(&PRESETS)),
        (_, "/counters") => Ok(supervisor.ledger(|ledger| shown(ledger.counters()))),
        ("DELETE", "/ledger") => {
            supervisor.ledger(|ledger| ledger.forget_executed());
            Ok(json!({}))
        }
        (_, "/ledger") => Ok(supervisor.ledger(|ledger| shown(ledger.executed()))),
        (_, "/start") => commanded(supervisor, supervisor.start().await),
        (_, "/kill") => commanded(supervisor, supervisor.kill().await),
        (_, "/drain") => commanded(supervisor, supervisor.finish().await),
        (_, "/stop") => commanded(supervisor, supervisor.stop().await),
        (_, "/continue") => commanded(supervisor, supervisor.r#continue().await),
        (_, "/term") => commanded(supervisor, supervisor.term().await),
        (_, "/restart") => commanded(supervisor, supervisor.restart().await),
        (_, "/reset") => commanded(supervisor, supervisor.reset().await),
        (_, "/seed") => {
            let Seed { seed } = read(body, "an object such as {\"seed\": 7}").await?;
            supervisor.ledger(|ledger| supervisor.registry.borrow_mut().reseed(seed, ledger));
            Ok(json!({ "seed": seed, "applied": supervisor.tell().await }))
        }
        ("PUT", "/capacity") => {
            let definition: Definition = read(body, "a capacity such as {\"workers\": 3}").await?;
            let capacity = Capacity::parse(&definition).map_err(invalid)?;
            supervisor.registry.borrow_mut().set_capacity(capacity);
            Ok(json!({ "applied": supervisor.tell().await }))
        }
        (_, "/capacity") => Ok(supervisor.registry.borrow().capacity().view()),
        _ => change_faults(supervisor, method, path, body).await,
    }
}

/// Everything below `/faults`.
async fn change_faults(supervisor: &Rc<Supervisor>, method: &Method, path: &str, body: Incoming) -> Answer {
    match (method.as_str(), path) {
        ("POST", "/faults") => {
            let definition: Definition = read(body, "a fault such as {\"kind\": \"reset\"}").await?;
            let added = supervisor
                .ledger(|ledger| supervisor.registry.borrow_mut().add(definition, ledger, Instant::now()));
            let id = added.map_err(invalid)?;
            Ok(json!({ "id": id, "applied": supervisor.tell().await }))
        }
        ("PUT", "/faults") => {
            let definitions: Vec<Definition> =
                read(body, "an array of faults such as [{\"kind\": \"reset\"}]").await?;
            let ids: Vec<_> = (1..=definitions.len()).collect();
            supervisor.registry.borrow_mut().replace(definitions, Instant::now()).map_err(invalid)?;
            Ok(json!({ "ids": ids, "applied": supervisor.tell().await }))
        }
        ("DELETE", "/faults") => {
            supervisor.registry.borrow_mut().replace(Vec::new(), Instant::now()).map_err(invalid)?;
            Ok(json!({ "applied": supervisor.tell().await }))
        }
        (_, "/faults") => Ok(faults(supervisor)),
        ("PATCH", path) => {
            let changes: Definition = read(body, "the fields to change, such as {\"percent\": 50}").await?;
            let patch = |id| {
                supervisor.ledger(|ledger| {
                    supervisor.registry.borrow_mut().patch(id, changes, ledger, Instant::now())
                })
            };
            let found = id_in(path).map_or(Ok(false), patch).map_err(invalid)?;
            if found { Ok(json!({ "applied": supervisor.tell().await })) } else { Err(no_fault(path)) }
        }
        (_, path) => {
            let removed = id_in(path).is_some_and(|id| supervisor.registry.borrow_mut().remove(id));
            if removed { Ok(json!({ "applied": supervisor.tell().await })) } else { Err(no_fault(path)) }
        }
    }
}

/// The id at the end of a path.
fn id_in(path: &str) -> Option<u32> {
    path.rsplit('/').next()?.parse().ok()
}

fn no_fault(path: &str) -> Refusal {
    let id = path.rsplit('/').next().unwrap_or_default();
    Refusal(StatusCode::NOT_FOUND, format!("there is no fault {id}; GET /faults lists them"))
}

/// The methods of a path; empty if there is no such path.
fn methods(path: &str) -> &'static [&'static str] {
    match path {
        "/healthz" | "/state" | "/counters" | "/kinds" | "/presets" => &["GET"],
        "/ledger" => &["GET", "DELETE"],
        "/capacity" => &["GET", "PUT"],
        "/start" | "/kill" | "/drain" | "/term" | "/stop" | "/continue" | "/restart" | "/reset" | "/seed" => {
            &["POST"]
        }
        "/faults" => &["GET", "PUT", "POST", "DELETE"],
        _ if path.starts_with("/faults/") => &["PATCH", "DELETE"],
        _ => &[],
    }
}

fn state(supervisor: &Supervisor) -> Value {
    let config = supervisor.config();
    let faults = faults(supervisor);
    json!({
        "id": config.id,
        "port": config.data.port(),
        "control_port": config.control.port(),
        "worker": supervisor.worker_view(),
        "seed": supervisor.registry.borrow().seed(),
        "capacity": supervisor.registry.borrow().capacity().view(),
        "faults": faults,
        "counters": supervisor.ledger(|ledger| shown(ledger.counters())),
    })
}

fn faults(supervisor: &Supervisor) -> Value {
    supervisor.ledger(|ledger| Value::Array(supervisor.registry.borrow().view(ledger, Instant::now())))
}

/// Commands answer with the state after the command.
fn commanded(supervisor: &Supervisor, outcome: anyhow::Result<()>) -> Answer {
    match outcome {
        Ok(()) => Ok(state(supervisor)),
        Err(error) if error.is::<Impossible>() => Err(Refusal(StatusCode::CONFLICT, error.to_string())),
        Err(error) => Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"))),
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    seed: u64,
}

async fn read<T: DeserializeOwned>(body: Incoming, what: &str) -> Result<T, Refusal> {
    let refused = |error: &dyn Display| {
        let error = format!("cannot read the body, at most {MAX_BODY} bytes: {error}");
        Refusal(StatusCode::PAYLOAD_TOO_LARGE, error)
    };
    let length = body.size_hint().lower();
    // A length that the head promises needs no wait for the bytes.
    if length > MAX_BODY as u64 {
        return Err(refused(&format!("it has {length}")));
    }
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| refused(&error))?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| {
        let error = excerpt(&error.to_string());
        Refusal(StatusCode::BAD_REQUEST, format!("{error}; send {what}"))
    })
}

fn invalid(error: InvalidDefinition) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, error.to_string())
}

/// These are plain numbers and texts, which always are valid JSON.
fn shown(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
