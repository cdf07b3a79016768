//! The real server over a socket, for a lab that this file plays.

use api::{Command, Event, Hello, Req, SCHEMA, Tick};
use http::{Method, StatusCode};
use lab::client::{Answer, Client, Events, request};
use lab::commands::CommandError;
use lab::stream::{LabStream, Sources};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::*;

/// The time limit for what happens at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells the events of a balancer.
type Balancer = mpsc::UnboundedSender<Event>;

/// A balancer that tells `hello`, and then what it is given.
async fn balancer() -> (SocketAddr, Balancer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, mut told) = mpsc::unbounded_channel();
    let hello = Hello { schema: SCHEMA, epoch_unix_us: 1, policy: "random".into(), ..Hello::default() };
    tell.send(Event::Hello(Box::new(hello))).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        assert!(stream.read(&mut head).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while let Some(event) = told.recv().await {
            let data = serde_json::to_string(&event).unwrap();
            let text = format!("id: 1\nevent: {}\ndata: {data}\n\n", event.name());
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    });
    (address, tell)
}

/// A server with these limits, the balancer of its lab, and the commands that it takes. A command `reset`
/// fails, and `reveal` is a mistake.
async fn server_with(limits: Limits) -> (PageServer, Balancer, mpsc::UnboundedReceiver<Command>) {
    let (admin, balancer) = balancer().await;
    let sources = Sources { admin, controls: Vec::new(), traffic: None, seed: Some(7), hash_by: None };
    let stream = Arc::new(LabStream::start(sources).await.unwrap());
    let (tell, commands) = mpsc::unbounded_channel();
    let site = Site::with(stream, move |command| {
        tell.send(command.clone()).unwrap();
        Box::pin(async move {
            match command {
                Command::Reset => Err(CommandError::failed("B2 does not answer")),
                Command::Reveal => Err(CommandError::impossible("there is no secret")),
                other => Ok(other.name().to_owned()),
            }
        })
    });
    let server = PageServer::start_with("127.0.0.1:0".parse().unwrap(), site, limits).await.unwrap();
    (server, balancer, commands)
}

async fn server() -> (PageServer, Balancer, mpsc::UnboundedReceiver<Command>) {
    server_with(LIMITS).await
}

async fn get(server: &PageServer, path: &str) -> Answer {
    Client::new(server.address()).get(path).await.unwrap()
}

/// Sends a command with the headers of the page.
async fn post(server: &PageServer, body: impl Into<String>) -> Answer {
    let mut order = request(Method::POST, "/commands", body.into().into()).unwrap();
    for (name, value) in [
        ("content-type", "application/json"),
        ("sec-fetch-site", "same-origin"),
        ("origin", &format!("http://{}", server.address())),
        ("x-console-token", server.token().text()),
    ] {
        order.headers_mut().insert(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    Client::new(server.address()).send(order).await.unwrap()
}

fn error(answer: &Answer) -> String {
    let said: Value = answer.json().unwrap();
    said["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_page_has_its_token_and_each_answer_its_headers() {
    let (server, _balancer, _) = server().await;
    let page = get(&server, "/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains(&format!(r#"content="{}""#, server.token().text())));
    let script = get(&server, "/page/main.js").await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    let missing = get(&server, "/page/none.js").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(error(&get(&server, "/admin").await).contains("nothing at /admin"));
    let refused = get(&server, "/commands").await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    for answer in [&page, &script, &missing, &refused] {
        let csp = answer.header("content-security-policy").unwrap();
        assert!(csp.starts_with("default-src 'none'; script-src 'self';"), "{csp}");
        for part in ["connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
        {
            assert!(csp.contains(part), "{csp}");
        }
        assert!(!csp.contains("unsafe"), "{csp}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn the_guard_stands_before_everything() {
    let (server, _balancer, mut commands) = server().await;
    for path in ["/", "/events", "/model", "/report", "/page/main.js", "/nothing"] {
        let mut asked = request(Method::GET, path, "".into()).unwrap();
        asked.headers_mut().insert("host", "evil.example".parse().unwrap());
        let answer = Client::new(server.address()).send(asked).await.unwrap();
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    let proxied = request(Method::GET, "http://127.0.0.1/", "".into()).unwrap();
    let answer = Client::new(server.address()).send(proxied).await.unwrap();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let bare = Client::new(server.address()).post("/commands", r#"{"do":"reset"}"#).await.unwrap();
    assert_eq!(bare.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(commands.try_recv().is_err(), "no command was done");
}

#[tokio::test]
async fn a_command_is_done_and_a_mistake_is_explained() {
    let (server, _balancer, mut commands) = server().await;
    let done = post(&server, r#"{"do":"kill","backend":2}"#).await;
    assert_eq!((done.status, done.text()), (StatusCode::OK, r#"{"done":"kill"}"#.to_owned()));
    assert_eq!(commands.try_recv().unwrap(), Command::Kill { backend: 2 });
    for (body, status, part) in [
        ("kill 2".to_owned(), StatusCode::BAD_REQUEST, "no JSON"),
        (r#"{"do":"kill"}"#.to_owned(), StatusCode::BAD_REQUEST, "`backend` is missing"),
        (r#"{"do":"kill","backend":2,"now":true}"#.to_owned(), StatusCode::BAD_REQUEST, "`now` is no field"),
        (" ".repeat(70_000), StatusCode::PAYLOAD_TOO_LARGE, "64 kB"),
        (r#"{"do":"reset"}"#.to_owned(), StatusCode::BAD_GATEWAY, "B2 does not answer"),
        (r#"{"do":"reveal"}"#.to_owned(), StatusCode::CONFLICT, "no secret"),
    ] {
        let answer = post(&server, body.clone()).await;
        assert_eq!(answer.status, status, "{body:.60}");
        assert!(error(&answer).contains(part), "{}", error(&answer));
    }
}

#[tokio::test]
async fn a_length_above_the_limit_is_refused_before_the_body_comes() {
    let (server, _balancer, _) = server().await;
    let (address, token) = (server.address(), server.token().text());
    let head = format!(
        "POST /commands HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         x-console-token: {token}\r\nContent-Length: 99999999999\r\n\r\n{{"
    );
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    // The time limit of a body is ten seconds.
    let read = timeout(Duration::from_secs(5), connection.read_exact(&mut answer)).await;
    read.expect("an answer before the body").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

/// The next event that passes, with its id.
async fn until(events: &mut Events, what: &str, check: impl Fn(&Value) -> bool) -> (u64, Value) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let event =
            tokio::time::timeout_at(deadline, events.next()).await.unwrap_or_else(|_| panic!("no {what}"));
        let event = event.unwrap().unwrap_or_else(|| panic!("the stream has ended without {what}"));
        assert_eq!(event.name, event.data["event"], "the name stands twice");
        if check(&event.data) {
            return (event.id.parse().unwrap(), event.data);
        }
    }
}

#[tokio::test]
async fn a_viewer_gets_the_state_first_and_the_sample() {
    let (server, balancer, _) = server().await;
    let mut events = Events::open(server.address(), "/events").await.unwrap();
    let (_, hello) = until(&mut events, "event", |_| true).await;
    assert_eq!(
        (&hello["event"], &hello["seed"], &hello["policy"]),
        (&json!("hello"), &json!(7), &json!("random"))
    );
    let mut all = Events::open(server.address(), "/events?requests=all").await.unwrap();
    until(&mut all, "hello", |event| event["event"] == "hello").await;
    for (id, n) in [(1, 0), (2, 3)] {
        balancer.send(Event::Req(Box::new(Req { id, n, ..Req::default() }))).unwrap();
    }
    let (first, request) = until(&mut events, "request", |event| event["event"] == "req").await;
    assert_eq!(request["id"], 2, "request 1 is not in the sample");
    assert!(first > 0);
    let (_, request) = until(&mut all, "request", |event| event["event"] == "req").await;
    assert_eq!(request["id"], 1);
    let last = until(&mut events, "tick", |event| event["event"] == "tick").await.0;
    let mut back = Events::resume(server.address(), "/events", &last.to_string()).await.unwrap();
    let (next, event) = until(&mut back, "event", |_| true).await;
    assert!(next == last + 1 && event["event"] != "hello", "{event}");
    let mut lost = Events::resume(server.address(), "/events", "12").await.unwrap();
    assert_eq!(until(&mut lost, "event", |_| true).await.1["event"], "hello");
    let wrong = get(&server, "/events?requests=some").await;
    assert!(error(&wrong).contains("requests=all"), "{wrong:?}");
}

#[tokio::test]
async fn the_model_is_that_of_a_viewer() {
    let (server, balancer, _) = server().await;
    let mut tick = Tick { t: 1, requests: 0, ..Tick::default() };
    tick.connections = 3;
    balancer.send(Event::Tick(tick)).unwrap();
    lab::eventually(PATIENCE, "the tick", async || {
        let view: Value = get(&server, "/model").await.json()?;
        anyhow::ensure!(view["policy"] == "random" && view["totals"]["connections"] == 3, "{view}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_report_is_a_file_to_keep() {
    let (server, _balancer, _) = server().await;
    let missing = get(&server, "/report").await;
    assert_eq!(missing.status, StatusCode::NOT_IMPLEMENTED);
    let site = server.shared.site.clone().report(|| "<!doctype html>".to_owned());
    let server = PageServer::start("127.0.0.1:0".parse().unwrap(), site).await.unwrap();
    let report = get(&server, "/report").await;
    assert_eq!(report.text(), "<!doctype html>");
    assert_eq!(report.header("content-disposition"), Some("attachment; filename=\"roundabout-report.html\""));
}

/// Large events, so that the sockets of a viewer that does not read are soon full.
fn large(id: u64) -> Event {
    Event::Req(Box::new(Req { id, n: 1, path: "x".repeat(60_000), ..Req::default() }))
}

#[tokio::test]
async fn a_viewer_that_never_reads_delays_no_other_and_is_closed() {
    let limits = Limits { unread: Duration::from_millis(500), viewers: 3, ..LIMITS };
    let (server, balancer, _) = server_with(limits).await;
    // This one sends its request, and reads nothing.
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    let head = format!("GET /events HTTP/1.1\r\nhost: {}\r\n\r\n", server.address());
    silent.write_all(head.as_bytes()).await.unwrap();
    let mut one = Events::open(server.address(), "/events").await.unwrap();
    let mut other = Events::open(server.address(), "/events").await.unwrap();
    lab::eventually(PATIENCE, "three viewers", async || {
        anyhow::ensure!(server.viewers() == 3, "{}", server.viewers());
        Ok(())
    })
    .await
    .unwrap();
    let full = get(&server, "/events").await;
    assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(error(&full).contains("3 viewers"), "{}", error(&full));
    for id in 1..=400 {
        balancer.send(large(id)).unwrap();
        let began = Instant::now();
        for events in [&mut one, &mut other] {
            until(events, "the request", |event| event["event"] == "req" && event["id"] == id).await;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "request {id} took {:?}", began.elapsed());
    }
    lab::eventually(PATIENCE, "the end of the silent viewer", async || {
        anyhow::ensure!(server.viewers() == 2, "{} viewers", server.viewers());
        Ok(())
    })
    .await
    .unwrap();
    drop((one, other));
    timeout(2 * GRACE, server.no_viewers()).await.unwrap();
}

#[tokio::test]
async fn a_client_without_a_request_is_closed() {
    let limits = Limits { head: Duration::from_millis(200), connections: 1, ..LIMITS };
    let (server, _balancer, _) = server_with(limits).await;
    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
    // It has the only place; the next one gets it after the time limit.
    let page = timeout(PATIENCE, get(&server, "/")).await.unwrap();
    assert_eq!(page.status, StatusCode::OK);
    let mut rest = Vec::new();
    // The server may say why, and it closes the connection.
    let closed = timeout(PATIENCE, slow.read_to_end(&mut rest)).await.unwrap();
    assert!(closed.is_err() || !rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let (server, _balancer, _) = server().await;
    let again = PageServer::start(server.address(), server.shared.site.clone()).await;
    assert!(format!("{:#}", again.unwrap_err()).contains(&server.address().to_string()));
}
