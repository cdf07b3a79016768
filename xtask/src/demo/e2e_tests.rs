//! The console on a real lab: its events are those of real processes.

use anyhow::{Context, ensure};
use api::Command;
use console::terminal::KeyPress;
use console::web::{PageServer, Site};
use console::{Action, Health, Model, Trouble, View};
use lab::client::{Answer, Client, Events, request};
use lab::stream::Shape;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::*;

/// The longest time from an act to its place on the screen. The balancer itself needs a second at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// A lab as the demo starts it, on free ports, with its stream.
async fn demo() -> Result<(Lab, Arc<Traffic>, LabStream)> {
    let lab = lively(Lab::processes().backends(4), 7, &Settings::default()).start().await?;
    let traffic = Arc::new(traffic(&lab, 7)?);
    let sources = Sources { traffic: Some(traffic.clone()), seed: Some(7), ..Sources::of(&lab)? };
    let stream = LabStream::start(sources).await?;
    Ok((lab, traffic, stream))
}

/// Takes in events until the view passes, and returns it.
async fn until(
    model: &mut Model,
    reader: &mut StreamReader,
    what: &str,
    check: impl Fn(&View) -> bool,
) -> Result<View> {
    let deadline = Instant::now() + PATIENCE;
    while let Ok(event) = timeout_at(deadline, reader.next()).await {
        let Some((_, event)) = event else { break };
        model.apply(&event);
        let view = model.view();
        if check(&view) {
            return Ok(view);
        }
    }
    anyhow::bail!("waited {PATIENCE:?} for {what}; the view is {:#?}", model.view().lanes)
}

fn logged(view: &View, part: &str) -> bool {
    view.log.iter().any(|line| line.text.contains(part))
}

#[tokio::test]
async fn what_happens_to_a_backend_is_on_the_screen() -> Result<()> {
    let (lab, traffic, stream) = demo().await?;
    let (mut model, mut reader) = (Model::default(), stream.read());
    let alive = until(&mut model, &mut reader, "requests in every lane", |view| {
        view.lanes.len() == 4 && view.lanes.iter().all(|lane| lane.p99_us.is_some())
    })
    .await?;
    ensure!(alive.lanes.iter().all(|lane| lane.trouble == Trouble::None), "{:#?}", alive.lanes);
    ensure!(alive.seed == Some(7) && alive.load.is_some(), "{alive:#?}");

    lab.backend(2).kill().await?;
    until(&mut model, &mut reader, "the lane to be down", |view| {
        let lane = &view.lanes[1];
        let is_dead = lane.server.as_ref().is_some_and(|server| server.process == "dead");
        lane.state == Health::Down && lane.is_worst && is_dead && logged(view, "B2: its process is dead")
    })
    .await?;
    let moved = until(&mut model, &mut reader, "retries", |view| view.totals.retries_ever > 0).await?;
    ensure!(moved.totals.errors_ever == 0, "no GET fails: {:#?}", moved.totals);

    // Another window, or a student with curl.
    lab.backend(4).faults(json!([{"kind": "status", "code": 503}])).await?;
    let worst = until(&mut model, &mut reader, "the lane with 503 to be the worst", |view| {
        let lane = &view.lanes[3];
        lane.is_worst && lane.trouble == Trouble::Harm && lane.good < Some(0.5)
    })
    .await?;
    ensure!(!worst.lanes[1].is_worst, "a backend that is down does less harm");
    ensure!(logged(&worst, "B4 status begins: code 503"), "{:#?}", worst.log);
    ensure!(worst.lanes[3].faults == ["status 503 100 %"], "{:?}", worst.lanes[3].faults);

    let shape = traffic.shape();
    traffic.change(Shape { is_open: false, clients: 4, ..shape })?;
    lab.backend(4).heal().await?;
    lab.backend(2).start().await?;
    until(&mut model, &mut reader, "everything to be well", |view| {
        let well = |lane: &console::Lane| lane.trouble == Trouble::None;
        view.lanes.iter().all(well) && logged(view, "load: closed loop, 4 clients")
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn each_policy_with_a_key_uses_all_backends() -> Result<()> {
    let (lab, _traffic, stream) = demo().await?;
    let (mut model, mut reader) = (Model::default(), stream.read());
    for policy in ["ring", "maglev", "rendezvous"] {
        let order = json!({ "policy": policy }).to_string();
        let mut order = request(http::Method::PUT, "/policy", order.into())?;
        let json = http::HeaderValue::from_static("application/json");
        order.headers_mut().insert(http::header::CONTENT_TYPE, json);
        Client::new(lab.balancer().admin()?).send(order).await?.ok()?;
        let view = until(&mut model, &mut reader, "the policy", |view| view.policy == policy).await?;
        let began = view.t;
        until(&mut model, &mut reader, "all backends to get requests", |view| {
            // The window has only requests of this policy.
            view.t > began + view.window_us && view.lanes.iter().all(|lane| lane.share > 0.1)
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_balancer_that_is_started_again_goes_on_in_the_same_stream() -> Result<()> {
    let mut lab = lively(Lab::processes().backends(2), 7, &Settings::default()).held_port().start().await?;
    let stream = LabStream::start(Sources::of(&lab)?).await?;
    let (mut model, mut reader) = (Model::default(), stream.read());
    until(&mut model, &mut reader, "the lanes", |view| view.lanes.len() == 2).await?;
    lab.restart_balancer(PATIENCE).await?;
    stream.balancer_moved(lab.balancer().admin()?);
    let back = until(&mut model, &mut reader, "the other balancer", |view| {
        logged(view, "the balancer has started again") && view.covers_us > 0
    })
    .await?;
    ensure!(logged(&back, "the balancer tells no events"), "{:#?}", back.log);
    ensure!(back.t < 60_000_000, "the clock of the lab goes on: {}", back.t);
    Ok(())
}

/// The page of a demo.
async fn paged(lab: &Lab, traffic: &Arc<Traffic>, stream: LabStream) -> Result<(PageServer, Arc<LabStream>)> {
    let stream = Arc::new(stream);
    let sources = Sources { traffic: Some(traffic.clone()), ..Sources::of(lab)? };
    let runner = Arc::new(CommandRunner::new(stream.clone(), &sources, None).await?);
    let site = Site::new(stream.clone(), runner);
    Ok((PageServer::start("127.0.0.1:0".parse()?, site).await?, stream))
}

/// Sends a command as the page does, and returns the answer.
async fn post(page: &PageServer, command: Value) -> Result<Answer> {
    let mut order = request(http::Method::POST, "/commands", command.to_string().into())?;
    for (name, value) in [("content-type", "application/json"), ("x-console-token", page.token().text())] {
        order.headers_mut().insert(name, value.parse()?);
    }
    Client::new(page.address()).send(order).await
}

/// Waits for an event of this name that passes, and returns it.
async fn event(events: &mut Events, name: &str, check: impl Fn(&Value) -> bool) -> Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let event = timeout_at(deadline, events.next()).await;
        let event =
            event.with_context(|| format!("no such event {name}"))??.context("the stream has ended")?;
        if event.name == name && check(&event.data) {
            return Ok(event.data);
        }
    }
}

#[tokio::test]
async fn a_kill_by_the_page_is_in_the_stream_within_half_a_second() -> Result<()> {
    let (lab, traffic, stream) = demo().await?;
    let (page, _stream) = paged(&lab, &traffic, stream).await?;
    let mut events = Events::open(page.address(), "/events").await?;
    event(&mut events, "tick", |_| true).await?;
    let began = Instant::now();
    let done = post(&page, json!({"do": "kill", "backend": 2})).await?;
    ensure!(done.text() == r#"{"done":"kill B2"}"#, "{}", done.text());
    event(&mut events, "control", |change| change["what"] == "kill B2" && change["by"] == "console").await?;
    let told = began.elapsed();
    event(&mut events, "fault", |fault| fault["kind"] == "kill" && fault["backend"] == 2).await?;
    let seen = began.elapsed();
    println!("told after {told:?}, seen after {seen:?}");
    ensure!(seen < Duration::from_millis(500), "told after {told:?}, seen after {seen:?}");
    let wrong = post(&page, json!({"do": "kill", "backend": 5})).await?;
    ensure!(wrong.status == 409 && wrong.text().contains("from 1 to 4"), "{}", wrong.text());
    let wrong = post(&page, json!({"do": "fault", "backend": 1, "fault": {"kind": "latency"}})).await?;
    ensure!(wrong.status == 409 && wrong.text().contains("fixed"), "{}", wrong.text());
    let wrong = post(&page, json!({"do": "policy", "policy": "fastest"})).await?;
    ensure!(wrong.status == 409 && wrong.text().contains("round-robin"), "{}", wrong.text());
    Ok(())
}

#[tokio::test]
async fn a_reset_returns_to_the_beginning() -> Result<()> {
    let (lab, traffic, stream) = demo().await?;
    let (page, _stream) = paged(&lab, &traffic, stream).await?;
    let before = lab.balancer().state().await?;
    for command in [
        json!({"do": "weight", "backend": 1, "weight": 5}),
        json!({"do": "drain", "backend": 2}),
        json!({"do": "stop", "backend": 3}),
        json!({"do": "fault", "backend": 4, "fault": {"kind": "status", "code": 503}}),
        json!({"do": "policy", "policy": "random"}),
        json!({"do": "load", "loop": "closed", "clients": 3}),
    ] {
        let answer = post(&page, command.clone()).await?;
        ensure!(answer.status == 200, "{command}: {}", answer.text());
    }
    let state = lab.balancer().state().await?;
    ensure!(state.policy == "random" && state.backends[0].weight == 5, "{state:#?}");
    ensure!(state.backends[1].mode == "drain" && !traffic.shape().is_open, "{state:#?}");
    let end = post(&page, json!({"do": "end-fault", "backend": 4, "kind": "status"})).await?;
    ensure!(end.status == 200 && lab.backend(4).state().await?["faults"] == json!([]), "{}", end.text());
    let answer = post(&page, json!({"do": "reset"})).await?;
    ensure!(answer.status == 200, "{}", answer.text());
    let after = lab.balancer().state().await?;
    ensure!(after.policy == before.policy, "{}", after.policy);
    for (after, before) in after.backends.iter().zip(&before.backends) {
        ensure!((&after.mode, after.weight) == (&before.mode, before.weight), "{after:#?}");
    }
    for backend in lab.backends() {
        let state = backend.state().await?;
        ensure!(state["worker"]["state"] == "running" && state["faults"] == json!([]), "{state}");
    }
    ensure!(traffic.shape().is_open, "{:?}", traffic.shape());
    Ok(())
}

#[tokio::test]
async fn a_secret_fault_is_found_only_by_its_effect() -> Result<()> {
    let (lab, traffic, stream) = demo().await?;
    let (page, stream) = paged(&lab, &traffic, stream).await?;
    let (mut model, mut reader) = (Model::default(), stream.read());
    let secret = json!({"do": "secret", "backend": 3, "fault": {"kind": "status", "code": 503}});
    let answer = post(&page, secret.clone()).await?;
    ensure!(answer.status == 200 && !answer.text().contains("status"), "{}", answer.text());
    ensure!(post(&page, secret).await?.status == 409, "one secret at a time");
    let harmed = until(&mut model, &mut reader, "its errors", |view| {
        view.lanes.get(2).is_some_and(|lane| lane.good.is_some_and(|good| good < 0.5))
    })
    .await?;
    ensure!(harmed.lanes[2].faults.is_empty() && !logged(&harmed, "B3"), "{:#?}", harmed.log);
    let told = serde_json::to_string(&Client::new(page.address()).get("/model").await?.text())?;
    ensure!(!told.contains("status 503"), "{told}");
    let answer = post(&page, serde_json::to_value(Command::Reveal)?).await?;
    ensure!(answer.text().contains("status at B3"), "{}", answer.text());
    until(&mut model, &mut reader, "the fault", |view| {
        view.lanes[2].faults == ["status 503 100 %"] && logged(view, "the secret was status at B3")
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn the_settings_of_a_file_are_those_of_the_lab_and_are_shown() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, "[balance]\npolicy = \"random\"\nexplain = false\n[health]\nfall = 7\n")?;
    let lab = lively(Lab::processes().backends(2), 7, &Settings::read(&file)?).start().await?;
    ensure!(lab.balancer().state().await?.policy == "random", "the balancer has another policy");
    let stream = LabStream::start(Sources::of(&lab)?).await?;
    let (mut model, mut reader) = (Model::default(), stream.read());
    let view = until(&mut model, &mut reader, "the lanes", |view| view.lanes.len() == 2).await?;
    // What the file sets, it sets: `explain` is off again.
    ensure!(view.settings == ["balance.hash_by header:x-request-id", "health.fall 7"], "{:?}", view.settings);
    Ok(())
}

#[tokio::test]
async fn a_key_writes_the_report_also_without_a_page() -> Result<()> {
    let (lab, traffic, stream) = demo().await?;
    let stream = Arc::new(stream);
    let sources = Sources { traffic: Some(traffic.clone()), ..Sources::of(&lab)? };
    let runner = CommandRunner::new(stream.clone(), &sources, None).await?;
    let folder = tempfile::tempdir()?;
    let keys = Keys {
        runner: &runner,
        stream: &stream,
        traffic: &traffic,
        reporter: Arc::new(Reporter::start(&stream)),
        folder: folder.path().to_owned(),
    };
    let (mut model, mut reader) = (Model::default(), stream.read());
    let view = until(&mut model, &mut reader, "requests", |view| view.totals.offered > 0.0).await?;
    keys.handle(KeyPress { action: Action::Report, backend: 1, view }).await;
    let file = folder.path().join("roundabout-report.html");
    until(&mut model, &mut reader, "the place of the report", |view| {
        logged(view, &format!("the report is in {}", file.display()))
    })
    .await?;
    let report = std::fs::read_to_string(&file)?;
    ensure!(report.contains("<dt>seed</dt><dd>7</dd>"), "it is of another run: {} bytes", report.len());
    Ok(())
}
