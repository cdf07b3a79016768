//! The console on a real lab: its events are those of real processes.

use anyhow::ensure;
use console::{Health, Model, Trouble, View};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::*;

/// The longest time from an act to its place on the screen. The balancer itself needs a second at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// A lab as the demo starts it, on free ports, with its stream.
async fn demo() -> Result<(Lab, Arc<Traffic>, LabStream)> {
    let lab = lively(Lab::processes().backends(4), 7).start().await?;
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
        let mut order = lab::client::request(http::Method::PUT, "/policy", order.into())?;
        let json = http::HeaderValue::from_static("application/json");
        order.headers_mut().insert(http::header::CONTENT_TYPE, json);
        lab::client::Client::new(lab.balancer().admin()?).send(order).await?.ok()?;
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
    let mut lab = lively(Lab::processes().backends(2), 7).held_port().start().await?;
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
