//! A console that is attached to a server of this file.

use std::sync::atomic::{AtomicUsize, Ordering};

use api::{Command, Hello, SCHEMA, Tick};
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::keys::Action;
use crate::model::{Model, View};

/// The time limit for what happens at once, or after the pause.
const PATIENCE: Duration = Duration::from_secs(10);

const PAGE: &str = "<html><meta name=\"token\" content=\"0123\"></html>";

/// Each stream of events tells this, and ends.
fn events(t: u64) -> String {
    let hello = Event::Hello(Box::new(Hello { schema: SCHEMA, policy: "random".into(), ..Hello::default() }));
    let tick = Event::Tick(Tick { t, ..Tick::default() });
    let unknown = json!({"event": "newer"}).to_string();
    let data = [serde_json::to_string(&hello).unwrap(), unknown, serde_json::to_string(&tick).unwrap()];
    (1..).zip(data).map(|(id, data)| format!("id: {id}\ndata: {data}\n\n")).collect()
}

#[derive(Clone, Default)]
struct Seen {
    streams: Arc<AtomicUsize>,
    commands: Arc<Mutex<Vec<(String, Value)>>>,
}

/// The server of a console. Its commands fail if they are about backend 9.
async fn server(seen: Seen) -> String {
    let stream = async |State(seen): State<Seen>, headers: HeaderMap| {
        let count = seen.streams.fetch_add(1, Ordering::SeqCst) as u64;
        let last = headers.get("last-event-id").map_or("none", |id| id.to_str().unwrap()).to_owned();
        seen.commands.lock().unwrap().push((format!("after {last}"), Value::Null));
        events(count + 1)
    };
    let commands = async |State(seen): State<Seen>, headers: HeaderMap, body: String| {
        let token = headers["x-console-token"].to_str().unwrap().to_owned();
        let command: Value = serde_json::from_str(&body).unwrap();
        let fails = command["backend"] == 9;
        seen.commands.lock().unwrap().push((token, command));
        match fails {
            true => (http::StatusCode::CONFLICT, "{\"error\":\"there is no backend 9\"}"),
            false => (http::StatusCode::OK, "{\"done\":\"kill B2\"}"),
        }
    };
    let router = Router::new()
        .route("/", get(async || PAGE))
        .route("/events", get(stream))
        .route("/commands", post(commands))
        .route("/report", get(async || "<html>a report</html>"))
        .with_state(seen);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn next(attached: &mut Attached) -> Event {
    timeout(PATIENCE, attached.next()).await.unwrap().unwrap()
}

fn press(action: Action, backend: usize) -> KeyPress {
    KeyPress { action, backend, view: View { t: 77, ..Model::default().view() } }
}

#[tokio::test]
async fn a_lost_connection_is_told_and_made_again() -> Result<()> {
    let seen = Seen::default();
    let mut attached = attach(&server(seen.clone()).await, PathBuf::new(), None).await?;
    assert!(matches!(next(&mut attached).await, Event::Hello(_)));
    // The event that this console does not know is left out.
    assert!(matches!(next(&mut attached).await, Event::Tick(tick) if tick.t == 1));
    lab::eventually(PATIENCE, "the loss to be told", async || {
        anyhow::ensure!(attached.note().is_some_and(|note| note.contains("CONNECTION LOST")), "not yet");
        Ok(())
    })
    .await?;
    assert!(matches!(next(&mut attached).await, Event::Hello(_)));
    assert!(matches!(next(&mut attached).await, Event::Tick(tick) if tick.t == 2));
    let told: Vec<String> = seen.commands.lock().unwrap().iter().map(|(what, _)| what.clone()).collect();
    assert_eq!(told[..2], ["after none", "after 3"]);
    Ok(())
}

#[tokio::test]
async fn keys_are_commands_with_the_token_and_errors_are_told() -> Result<()> {
    let seen = Seen::default();
    let folder = tempfile::tempdir()?;
    let mut attached = attach(&server(seen.clone()).await, folder.path().to_owned(), None).await?;
    let (tell, presses) = mpsc::unbounded_channel();
    let sending = tokio::spawn(attached.send_commands(presses));
    for press in [
        press(Action::KillOrStart, 2),
        press(Action::KillOrStart, 9),
        press(Action::Report, 2),
        press(Action::MakeReal, 2),
        press(Action::OpenOrClosed, 2),
    ] {
        tell.send(press)?;
    }
    let mut told = Vec::new();
    while told.len() < 4 {
        if let Event::Control(change) = next(&mut attached).await {
            assert_eq!((change.t, &*change.by), (77, "this console"));
            told.push(change.what);
        }
    }
    sending.abort();
    assert_eq!(told[0], "cannot do this: there is no backend 9");
    assert!(
        told[1].starts_with("the report is in ") && told[1].ends_with("roundabout-report.html"),
        "{told:?}"
    );
    assert_eq!(told[2], "no ghost runs: g starts one");
    assert_eq!(told[3], "this stream has no load that could be changed");
    let report = std::fs::read_to_string(folder.path().join("roundabout-report.html"))?;
    assert_eq!(report, "<html>a report</html>");
    let commands = seen.commands.lock().unwrap().clone();
    let kill = |backend| ("0123".to_owned(), serde_json::to_value(Command::Kill { backend }).unwrap());
    assert!(commands.contains(&kill(2)) && commands.contains(&kill(9)), "{commands:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_lab_is_refused_with_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/", get(async || "hello")).route("/state", get(async || "{}x"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let error = format!("{:#}", attach(&url, PathBuf::new(), None).await.unwrap_err());
    assert!(error.contains("cannot attach to http://127.0.0.1:"), "{error}");
    assert!(error.contains("neither the console of a lab nor the admin port of a balancer"), "{error}");
}

/// An admin port that wants this token.
async fn guarded(token: &'static str) -> String {
    let policy = async move |headers: HeaderMap| match headers
        .get("authorization")
        .is_some_and(|given| *given == *format!("Bearer {token}"))
    {
        true => (http::StatusCode::OK, "{}"),
        false => (http::StatusCode::UNAUTHORIZED, "{\"error\":\"this needs the token\"}"),
    };
    let state = json!({"version": "0", "listen": "", "policy": "random", "workers": 1, "draining": false,
        "uptime_ms": 0, "connections": 0, "totals": {}, "backends": []});
    let router = Router::new()
        .route("/state", get(async move || state.to_string()))
        .route("/events", get(async || events(1)))
        .route("/policy", axum::routing::put(policy));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn a_balancer_alone_gets_its_token() -> Result<()> {
    let url = guarded("right").await;
    for (token, expected) in [
        (None, Some("start the console with --token-file FILE, or set the variable LB_ADMIN_TOKEN")),
        (Some("wrong"), Some("refuses changes without its token")),
        (Some("\n"), Some("has invalid characters")),
        (Some("right"), None),
    ] {
        let attached = attach(&url, PathBuf::new(), token.map(str::to_owned)).await?;
        let view =
            View { policy: "a".into(), policies: vec!["a".into(), "b".into()], ..Model::default().view() };
        let told = attached
            .sender
            .handle(&KeyPress { action: Action::Policy { next: true }, backend: 1, view })
            .await;
        match (expected, &told) {
            (None, None) => {}
            (Some(expected), Some(told)) if told.contains(expected) => {}
            _ => panic!("{token:?}: {told:?}"),
        }
        assert!(!format!("{attached:?}").contains("right"), "the token is a secret");
    }
    Ok(())
}
