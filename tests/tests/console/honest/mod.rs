//! Each number on the page is that of the lab.
//!
//! The test takes all visible words with a digit from the page, and the events that this page has got. It
//! calculates each number from the events a second time, and compares the words. A number whose source is not
//! known here is an error. At rest, the sums of the events are also those of `/state`, and their increase is
//! that of the ledger of the load.

mod expected;
mod format;
mod recording;
pub(super) mod terminal;
mod words;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::client::Events;
use serde::Deserialize;
use serde_json::{Value, json};

use self::recording::{Recording, at, backend, list};
use super::driver::Browser;
use super::stage::{BACKENDS, Stage};
use super::tab::{PATIENCE, Tab};

/// Keeps all events of the stream of the page, before the page itself gets them.
const RECORD: &str = "
window.heard = [];
const Plain = window.EventSource;
window.EventSource = class extends Plain {
  constructor(url) {
    super(url);
    for (const name of 'hello tick state probe fault control load req why ghost gap'.split(' ')) this.addEventListener(name, (message) => heard.push(JSON.parse(message.data)));
  }
};";

/// The places with a number, each with its words, and the events so far. The page shows all of them first.
const SCREEN: &str = r"
dispatchEvent(new Event('resize'));
const text = (node) => node.textContent.trim();
const place = (node) => {
  const row = node.closest('tr'), figure = node.closest('figure'), lane = node.closest('.lane');
  if (figure && row) return [`${figure.id} ${row.rowIndex} ${node.closest('td, th').cellIndex}`, text(node)];
  if (figure) return [`${figure.id} caption ${[...node.parentElement.children].indexOf(node)}`, text(node)];
  if (row) return ['why-text', [...row.cells].map(text).join(' ')];
  if (lane) {
    const part = node.tagName === 'DT' ? `label ${node.nextElementSibling.dataset.field}` : node.closest('[data-field]')?.dataset.field ?? node.className;
    return [`lane ${lane.dataset.lane} ${part}`, text(node)];
  }
  if (node.dataset.total) return [`total ${node.dataset.total}`, text(node)];
  if (node.tagName === 'SMALL') return [`total-label ${node.nextElementSibling.dataset.total}`, text(node)];
  return [node.closest('[id]')?.id ?? node.tagName, text(node)];
};
const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement, option = node.closest('option');
  if (!/\d/.test(walker.currentNode.data) || node.closest('script, style, template')) continue;
  if (option && !option.selected) continue;
  if ((option?.parentElement ?? node).checkVisibility({ visibilityProperty: true })) found.push(place(node));
}
// These show their number by their place.
for (const range of $$('input[type=range]')) {
  const lane = range.closest('.lane');
  if (lane) found.push([`lane ${lane.dataset.lane} weight`, range.value]);
}
return { found, heard };";

/// The least number of places on the page with a number.
const PLACES: usize = 150;

#[derive(Deserialize)]
struct Screen {
    found: Vec<(String, String)>,
    heard: Vec<Value>,
}

/// Compares all numbers on the page with the events, and returns the events.
async fn compared(tab: &Tab<'_>) -> Result<Recording> {
    let Screen { found, heard } = tab.js(SCREEN).await?;
    let recording = Recording::new(heard);
    let mut wrong = Vec::new();
    for (place, words) in &found {
        match expected::texts(&recording, place) {
            None => wrong.push(format!("{place}: {words:?} has no known source")),
            Some(texts) => {
                // Several news are one line.
                let all: Vec<&str> =
                    if place == "live" { words.split(" · ").collect() } else { vec![words] };
                if !all.iter().all(|words| texts.iter().any(|text| text.trim() == words.trim())) {
                    let first: Vec<&String> = texts.iter().take(3).collect();
                    wrong.push(format!("{place}: {words:?}, and the events give {first:?}"));
                }
            }
        }
    }
    println!("  {} numbers, {} events", found.len(), recording.events().count());
    ensure!(wrong.is_empty(), "{} numbers of {} are wrong:\n{}", wrong.len(), found.len(), wrong.join("\n"));
    ensure!(found.len() >= PLACES, "only {} places have a number", found.len());
    Ok(recording)
}

/// The requests of the load that have ended, from a stream of all requests.
type Ledger = Arc<Mutex<Vec<Value>>>;

/// Reads all requests from now on.
async fn ledger(stage: &Stage) -> Result<(Ledger, tokio::task::JoinHandle<()>)> {
    let mut events = Events::open(stage.address(), "/events?requests=all").await?;
    let ledger = Ledger::default();
    let kept = ledger.clone();
    let reader = tokio::spawn(async move {
        while let Ok(Some(event)) = events.next().await {
            if event.name == "req" {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(event.data);
            }
        }
    });
    Ok((ledger, reader))
}

/// The sums of the last tick are those of the balancer.
async fn same_sums(stage: &Stage, recording: &Recording) -> Result<()> {
    let state = serde_json::to_value(stage.state().await?)?;
    let ticks = recording.ticks();
    let last = ticks.last();
    ensure!(last["requests"] == state["totals"]["requests"], "{} {}", last["requests"], state["totals"]);
    for theirs in list(&state["backends"]) {
        let number = usize::try_from(theirs["number"].as_u64().unwrap_or_default())?;
        let ours = backend(last, number).with_context(|| format!("no B{number} in the tick"))?;
        for name in ["picks", "answers", "failures", "retries", "hedges", "in_flight", "weight"] {
            ensure!(
                at(ours, &format!("/{name}")) == at(theirs, &format!("/{name}")),
                "B{number} {name}: {ours} {theirs}"
            );
        }
    }
    Ok(())
}

/// The answers of each backend in the last seconds are those of the ledger. A tick and a request have
/// different clocks, so some requests at the beginning of the period may be on the other side of it.
fn same_ledger(recording: &Recording, ledger: &[Value]) -> Result<()> {
    let ticks = recording.ticks();
    let begin = at(ticks.last(), "/t") - ticks.covers();
    for number in 1..=BACKENDS {
        let told = ticks.increase(&|tick| backend(tick, number).map(|one| at(one, "/answers")));
        let is_here = |one: &&Value| {
            let tried = list(&one["tried"]).any(|tried| tried[0] == number);
            at(one, "/t") > begin && (one["backend"] == number || tried)
        };
        let known = ledger.iter().filter(is_here).count() as f64;
        ensure!(
            (told - known).abs() <= 4.0 + 0.05 * known,
            "B{number}: {told} answers, and {known} in the ledger"
        );
    }
    Ok(())
}

/// Compares all numbers while the lab works, with a ghost and its worst backend, and after a second of rest.
pub(super) async fn all_numbers_are_those_of_the_lab(stage: &Stage, browser: &Browser) -> Result<()> {
    stage.reset().await?;
    let (ledger, reader) = ledger(stage).await?;
    let tab = Tab::blank(browser).await?;
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({"source": RECORD})).await?;
    tab.go(&stage.url).await?;
    tab.until("the lanes", &format!("$$('.lane[data-state=up]').length === {BACKENDS}")).await?;
    for figure in 1..=3 {
        tab.click(&format!("#plots figure:nth-of-type({figure}) summary")).await?;
    }
    stage.command(json!({"do": "weight", "backend": 2, "weight": 3})).await?;
    stage.command(json!({"do": "policy", "policy": "ring"})).await?;
    stage.command(json!({"do": "ghost", "policy": "least-connections"})).await?;
    stage.command(json!({"do": "fault", "backend": 4, "fault": {"kind": "status", "code": 503}})).await?;
    stage.command(json!({"do": "kill", "backend": 1})).await?;
    lab::eventually(Duration::from_secs(300), "the ghost", async || {
        let shown: bool = tab.js("return Boolean(roundabout.view.ghost?.lanes.length)").await?;
        ensure!(shown, "not yet");
        Ok(())
    })
    .await?;
    tab.until("the worst lane", "$('.lane[data-lane=\"4\"]').classList.contains('worst')").await?;
    tab.until("an explained request", "$('#why-text table')").await?;
    tab.until("a whole period", "roundabout.view.covers_us >= 5e6").await?;
    compared(&tab).await.context("while the lab works")?;

    stage.command(json!({"do": "start", "backend": 1})).await?;
    stage.command(json!({"do": "end-fault", "backend": 4, "kind": "status"})).await?;
    tab.until("all lanes to be up", &format!("$$('.lane[data-state=up]').length === {BACKENDS}")).await?;
    tab.later::<Value>("setTimeout(done, 3000, null)").await?;
    stage.command(json!({"do": "load", "loop": "open", "rate": 0.0})).await?;
    lab::eventually(PATIENCE, "no request in flight", async || {
        let flying = stage.state().await?.in_flight();
        ensure!(flying == 0, "{flying} are");
        Ok(())
    })
    .await?;
    // One second of rest.
    tab.later::<Value>("setTimeout(done, 1000, null)").await?;
    let recording = compared(&tab).await.context("at rest")?;
    same_sums(stage, &recording).await?;
    same_ledger(&recording, &ledger.lock().unwrap_or_else(PoisonError::into_inner))?;
    reader.abort();
    stage.reset().await?;
    tab.is_quiet(&[]).await
}
