//! The numbers of the page, and its costs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use api::Event;
use console::Model;
use serde_json::{Value, json};

use super::commands::fresh;
use super::driver::Browser;
use super::stage::Stage;
use super::tab::{PATIENCE, Tab};

/// The largest page for a viewer with one language, in bytes of all its files before compression.
const LARGEST: u64 = 80_000;

/// The longest time until the first paint, in milliseconds.
const PAINT: f64 = 300.0;

fn console_folder(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../console").join(below)
}

pub(super) async fn two_models_give_the_same_views(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = Tab::open(browser, &stage.url).await?;
    let golden = console_folder("tests/golden");
    let compare = std::fs::read_to_string(golden.join("compare.js"))?.replace("export function", "function");
    for (file, every) in [("../recording.jsonl", 1), ("run.jsonl", 40)] {
        let text = std::fs::read_to_string(golden.join(file))?;
        let (mut model, mut views) = (Model::default(), Vec::new());
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in (1..).zip(&lines) {
            let event: Event = serde_json::from_str(line)?;
            model.apply(&event);
            if number % every == 0 || number == lines.len() {
                views.push(serde_json::to_value(model.view())?);
            }
        }
        let script = format!(
            "{compare}\nimport('/page/model.js').then(({{ Model }}) => done(compare(Model, [{}], {every}, {})), (error) => done(String(error)));",
            lines.join(","),
            Value::Array(views)
        );
        let told: Option<String> = tab.later(&script).await?;
        ensure!(told.is_none(), "{file}: {}", told.unwrap_or_default());
    }
    Ok(())
}

/// The numbers of one lane that the page and the balancer must agree about.
const SHOWN: &str = "return $$('.lane').map((lane) => {
  const field = (name) => lane.querySelector(`[data-field=${name}]`).textContent.trim();
  return { number: Number(lane.dataset.lane), state: lane.dataset.state, rate: field('rate'), in_flight: field('in-flight'), weight: field('weight') };
})";

pub(super) async fn numbers_at_rest_are_those_of_the_lab(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    stage.command(json!({"do": "weight", "backend": 2, "weight": 3})).await?;
    stage.command(json!({"do": "fault", "backend": 4, "fault": {"kind": "status", "code": 503}})).await?;
    tab.until("the worst lane", "$('.lane[data-lane=\"4\"]').classList.contains('worst')").await?;
    stage.command(json!({"do": "load", "loop": "open", "rate": 0.0})).await?;
    lab::eventually(PATIENCE, "no request in flight", async || {
        let flying = stage.state().await?.backends.iter().map(|one| one.in_flight).sum::<u32>();
        ensure!(flying == 0, "{flying} are");
        Ok(())
    })
    .await?;
    // One second of rest.
    tab.later::<Value>("setTimeout(done, 1000, null)").await?;
    let at_rest = async || -> Result<()> {
        let theirs: Value = tab.js("return JSON.parse(JSON.stringify(roundabout.view))").await?;
        let model = stage.model().await?;
        let state = stage.state().await?;
        for name in ["totals", "policy", "seed", "load"] {
            for (field, value) in fields(&model[name]) {
                let shown = if field.is_empty() { &theirs[name] } else { &theirs[name][&field] };
                // Times differ between two looks, and so do the rates of the last seconds.
                if [
                    "errors_ever",
                    "retries_ever",
                    "in_flight",
                    "connections",
                    "missed",
                    "control",
                    "waiting",
                    "",
                ]
                .contains(&field.as_str())
                {
                    ensure!(*shown == value, "{name}.{field}: the page has {shown}, the server {value}");
                }
            }
        }
        for backend in &state.backends {
            let lane = &theirs["lanes"][backend.number - 1];
            ensure!(lane["in_flight"] == 0 && backend.in_flight == 0, "B{}: {lane}", backend.number);
            ensure!(lane["weight"] == backend.weight, "B{}: weight {}", backend.number, backend.weight);
            ensure!(lane["state"] == *backend.state, "B{}: state {}", backend.number, backend.state);
            ensure!(lane["mode"] == *backend.mode, "B{}: mode {}", backend.number, backend.mode);
        }
        ensure!(theirs["policy"] == *state.policy, "policy {}", state.policy);
        let shown: Vec<Value> = tab.js(SHOWN).await?;
        for (lane, shown) in theirs["lanes"].as_array().into_iter().flatten().zip(&shown) {
            ensure!(shown["state"] == lane["state"], "{shown} and {lane}");
            ensure!(shown["in_flight"] == "0", "{shown}");
            let weight = lane["weight"].to_string();
            ensure!(shown["weight"] == *weight, "{shown} and {weight}");
        }
        Ok(())
    };
    let found = lab::eventually(Duration::from_secs(5), "equal numbers", at_rest).await;
    stage.reset().await?;
    found
}

/// The fields of an object, or the value alone.
fn fields(value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        other => vec![(String::new(), other.clone())],
    }
}

pub(super) fn all_languages_have_all_words() -> Result<()> {
    let read = |name: &str| -> Result<BTreeSet<String>> {
        let file = console_folder("page/strings").join(name);
        let words: serde_json::Map<String, Value> = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
        for (key, word) in &words {
            ensure!(word.as_str().is_some_and(|word| !word.is_empty()), "{name}: {key} has no words");
        }
        Ok(words.into_iter().map(|(key, _)| key).collect())
    };
    let english = read("en.json")?;
    ensure!(english.len() > 50, "only {} words", english.len());
    for entry in std::fs::read_dir(console_folder("page/strings"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let words = read(&name)?;
        let differing: Vec<_> = english.symmetric_difference(&words).collect();
        ensure!(differing.is_empty(), "{name} and en.json differ in {differing:?}");
    }
    Ok(())
}

/// The bytes of the page and of each file of `/page/` that it loads, as texts, without compression.
const SENT: &str = "
const names = performance.getEntriesByType('resource').map((one) => new URL(one.name).pathname).filter((name) => name.startsWith('/page/'));
const size = async (name) => [name, new TextEncoder().encode(await (await fetch(name)).text()).length];
Promise.all(['/', ...new Set(names)].map(size)).then(done);";

pub(super) async fn the_page_is_small(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    let sent: Vec<(String, u64)> = tab.later(SENT).await?;
    for entry in std::fs::read_dir(console_folder("page"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".js") || name.ends_with(".css") {
            let path = format!("/page/{name}");
            ensure!(sent.iter().any(|(known, _)| *known == path), "the page does not load {name}: {sent:?}");
        }
    }
    ensure!(sent.iter().any(|(name, _)| name.starts_with("/page/strings/")), "no words: {sent:?}");
    ensure!(sent.iter().all(|(_, bytes)| *bytes > 100), "a file is empty: {sent:?}");
    let found: u64 = sent.iter().map(|(_, bytes)| bytes).sum();
    println!("  the page has {found} bytes");
    ensure!(found <= LARGEST, "the page has {found} bytes, and {LARGEST} are allowed: {sent:?}");
    Ok(())
}

pub(super) async fn the_first_paint_is_soon(stage: &Stage, browser: &Browser) -> Result<()> {
    stage.reset().await?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let tab = Tab::open(browser, &stage.url).await?;
        tab.until("a paint", "performance.getEntriesByName('first-contentful-paint').length").await?;
        times.push(
            tab.js::<f64>("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
                .await?,
        );
        let origins: Vec<String> = tab.js("return [...new Set(performance.getEntriesByType('resource').map((one) => new URL(one.name).origin))]").await?;
        ensure!(
            origins.iter().all(|one| stage.url.starts_with(one.as_str()) || one == "null"),
            "{origins:?}"
        );
    }
    times.sort_by(f64::total_cmp);
    println!("  first paint after {times:.0?} ms");
    // The machine may be busy: the median of five counts.
    ensure!(times[2] < PAINT, "the first paint is after {times:?} ms");
    Ok(())
}
