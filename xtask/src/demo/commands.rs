//! What the keys do to the lab.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use console::terminal::Wish;
use console::{Action, View};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use lab::client::{Client, request};
use lab::stream::{LabStream, Shape, Traffic};
use lab::topology::{Backend, Lab};
use serde_json::{Value, json};

/// The origin of what the keys do, as the stream tells it.
const BY: &str = "demo";

/// The rates of `+` and `-` in open loop, in requests a second.
const RATES: [f64; 13] =
    [10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0, 160.0, 180.0, 200.0, 250.0, 300.0];

/// The clients of `+` and `-` in closed loop.
const CLIENTS: [usize; 10] = [1, 2, 4, 6, 8, 10, 12, 16, 24, 32];

/// A lab that obeys.
pub(super) struct Commands<'a> {
    pub(super) lab: &'a Lab,
    pub(super) stream: &'a LabStream,
    pub(super) traffic: &'a Traffic,
    /// The policy at the beginning.
    pub(super) first_policy: String,
}

impl Commands<'_> {
    /// Does what the user wants, and tells it in the stream.
    pub(super) async fn obey(&self, wish: Wish) {
        let told = match self.act(&wish).await {
            Ok(done) => done,
            Err(error) => Some(format!("cannot do this: {error:#}")),
        };
        if let Some(told) = told {
            self.stream.tell(told, BY);
        }
    }

    /// Returns what was done, unless the balancer or the load tells it.
    async fn act(&self, Wish { action, lane, view }: &Wish) -> Result<Option<String>> {
        let backends = self.lab.backends();
        let backend = backends.iter().find(|backend| backend.number() == *lane);
        let backend = backend.with_context(|| format!("there is no backend {lane}"))?;
        let mode = view.lanes.iter().find(|one| one.number == *lane).map_or("ready", |one| &*one.mode);
        let done = match action {
            Action::KillOrStart => kill_or_start(backend).await?,
            Action::StopOrContinue => stop_or_continue(backend).await?,
            Action::Slow => toggle(backend, &json!({"kind": "latency", "fixed": "400ms"})).await?,
            Action::Err => toggle(backend, &json!({"kind": "status", "code": 503})).await?,
            Action::Drain => {
                let mode = if mode == "ready" { "drain" } else { "ready" };
                self.set_mode(*lane, mode).await?;
                return Ok(None);
            }
            Action::Heal => {
                self.heal(backend, mode).await?;
                format!("heal B{lane}")
            }
            Action::HealAll => {
                self.heal_all(view).await?;
                "heal all backends".to_owned()
            }
            Action::Policy { next } => {
                let policy = neighbour(&view.policies, &view.policy, *next);
                self.set_policy(policy.context("the policies are not known")?).await?;
                return Ok(None);
            }
            Action::Load { more } => {
                self.traffic.change(reshaped(self.traffic.shape(), *more))?;
                return Ok(None);
            }
            Action::OpenOrClosed => {
                let shape = self.traffic.shape();
                self.traffic.change(Shape { is_open: !shape.is_open, ..shape })?;
                return Ok(None);
            }
            // These need the console's server and the ghost.
            Action::Ghost | Action::MakeReal | Action::Report => return Ok(None),
            Action::Select { .. } | Action::Choose(_) | Action::Legend | Action::Pause | Action::Quit => {
                return Ok(None);
            }
        };
        Ok(Some(done))
    }

    async fn heal(&self, backend: &Backend, mode: &str) -> Result<()> {
        backend.heal().await?;
        if mode != "ready" {
            self.set_mode(backend.number(), "ready").await?;
        }
        Ok(())
    }

    async fn heal_all(&self, view: &View) -> Result<()> {
        for backend in self.lab.backends() {
            let lane = view.lanes.iter().find(|lane| lane.number == backend.number());
            self.heal(backend, lane.map_or("ready", |lane| &*lane.mode)).await?;
        }
        if view.policy != self.first_policy {
            self.set_policy(&self.first_policy).await?;
        }
        Ok(())
    }

    async fn set_mode(&self, backend: usize, mode: &str) -> Result<()> {
        self.order(Method::PATCH, &format!("/backends/{backend}"), &json!({ "mode": mode })).await
    }

    async fn set_policy(&self, policy: &str) -> Result<()> {
        self.order(Method::PUT, "/policy", &json!({ "policy": policy })).await
    }

    /// Asks the balancer for a change.
    async fn order(&self, method: Method, path: &str, body: &Value) -> Result<()> {
        let mut order = request(method, path, body.to_string().into())?;
        order.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Client::new(self.lab.balancer().admin()?).send(order).await?.ok().map(drop)
    }
}

async fn kill_or_start(backend: &Backend) -> Result<String> {
    let number = backend.number();
    if backend.state().await?["worker"]["state"] == "dead" {
        backend.start().await?;
        return Ok(format!("start B{number}"));
    }
    backend.kill().await?;
    Ok(format!("kill B{number}"))
}

async fn stop_or_continue(backend: &Backend) -> Result<String> {
    let number = backend.number();
    let state = backend.state().await?;
    ensure!(state["worker"]["state"] != "dead", "B{number} is dead; start it first: press k");
    if state["worker"]["state"] == "stopped" {
        backend.resume().await?;
        return Ok(format!("continue B{number}"));
    }
    backend.stall().await?;
    Ok(format!("stop B{number}"))
}

/// Adds a fault, or removes the faults of its kind.
async fn toggle(backend: &Backend, fault: &Value) -> Result<String> {
    let (number, kind) = (backend.number(), fault["kind"].as_str().unwrap_or_default());
    let state = backend.state().await?;
    let there: Vec<u64> = state["faults"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| one["kind"] == fault["kind"])
        .filter_map(|one| one["id"].as_u64())
        .collect();
    if there.is_empty() {
        backend.add_fault(fault.clone()).await?;
        return Ok(format!("{kind} at B{number}"));
    }
    let mut control = Client::new(backend.control());
    for id in there {
        control.send(request(Method::DELETE, &format!("/faults/{id}"), Bytes::new())?).await?.ok()?;
    }
    Ok(format!("no {kind} at B{number}"))
}

/// The name after this one in the list, or before it.
fn neighbour<'a>(names: &'a [api::Word], name: &str, next: bool) -> Option<&'a str> {
    let at = names.iter().position(|one| one == name)?;
    let step = if next { 1 } else { names.len() - 1 };
    names.get((at + step) % names.len()).map(|name| &**name)
}

/// More or less load.
fn reshaped(shape: Shape, more: bool) -> Shape {
    match (shape.is_open, more) {
        (true, true) => Shape { rate: above(&RATES, shape.rate), ..shape },
        (true, false) => Shape { rate: below(&RATES, shape.rate), ..shape },
        (false, true) => Shape { clients: above(&CLIENTS, shape.clients), ..shape },
        (false, false) => Shape { clients: below(&CLIENTS, shape.clients), ..shape },
    }
}

/// The next larger step; a value above all steps stays.
fn above<T: PartialOrd + Copy>(steps: &[T], value: T) -> T {
    steps.iter().copied().find(|step| *step > value).unwrap_or(value)
}

/// The next smaller step; a value below all steps stays.
fn below<T: PartialOrd + Copy>(steps: &[T], value: T) -> T {
    steps.iter().rev().copied().find(|step| *step < value).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_goes_up_and_down_in_steps() {
        let shape = |is_open, rate, clients| Shape { is_open, rate, clients };
        for (before, more, after) in [
            (shape(true, 100.0, 8), true, shape(true, 120.0, 8)),
            (shape(true, 100.0, 8), false, shape(true, 80.0, 8)),
            (shape(true, 300.0, 8), true, shape(true, 300.0, 8)),
            (shape(true, 10.0, 8), false, shape(true, 10.0, 8)),
            (shape(false, 100.0, 8), true, shape(false, 100.0, 10)),
            (shape(false, 100.0, 1), false, shape(false, 100.0, 1)),
            (shape(false, 100.0, 9), false, shape(false, 100.0, 8)),
        ] {
            assert_eq!(reshaped(before, more), after, "{before:?} {more}");
        }
    }

    #[test]
    fn policies_go_round() {
        let names: Vec<api::Word> = vec!["a".into(), "b".into(), "c".into()];
        for (name, next, expected) in
            [("a", true, Some("b")), ("c", true, Some("a")), ("a", false, Some("c")), ("x", true, None)]
        {
            assert_eq!(neighbour(&names, name, next), expected, "{name} {next}");
        }
    }
}
