//! What a person does with the mouse and the keys, and what the page shows of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::driver::Browser;
use super::full;
use super::handed_in::looks_good;
use super::stage::{BACKENDS, Stage};
use super::tab::{PATIENCE, Tab};

/// The bar from a key or a click to the lane.
const LANE: f64 = 500.0;

/// A fresh page of the lab at its beginning, which shows all backends as up.
///
/// # Errors
/// If it does not.
pub(super) async fn fresh<'a>(stage: &Stage, browser: &'a Browser) -> Result<Tab<'a>> {
    stage.reset().await?;
    let tab = Tab::open(browser, &stage.url).await?;
    all_up(&tab).await?;
    Ok(tab)
}

async fn all_up(tab: &Tab<'_>) -> Result<()> {
    tab.until("all lanes to be up", &format!("$$('.lane[data-state=up]').length === {BACKENDS}")).await
}

fn lane(number: usize, rest: &str) -> String {
    format!(".lane[data-lane=\"{number}\"] {rest}")
}

fn in_state(number: usize, state: &str) -> String {
    format!("$('.lane[data-lane=\"{number}\"]').dataset.state === '{state}'")
}

pub(super) async fn lanes_move(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    tab.until("dots", "roundabout.frames > 5 && roundabout.drawn > 0").await?;
    let before: (u64, u64) = tab.js("return [roundabout.frames, roundabout.events]").await?;
    tab.until(
        "frames and events",
        &format!("roundabout.frames > {} && roundabout.events > {}", before.0 + 5, before.1 + 5),
    )
    .await?;
    tab.until(
        "a share of each backend",
        "roundabout.view.lanes.every((lane) => lane.share > 0.15 && lane.share < 0.35)",
    )
    .await?;
    let shares: Vec<String> =
        tab.js("return $$('.lane [data-field=share]').map((one) => one.textContent)").await?;
    ensure!(shares.iter().all(|share| share.contains('%')), "{shares:?}");
    // Something on the canvas changes.
    let drawn: bool = tab.later("const all = () => { const c = $('#dots'); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let s = 0; for (let i = 0; i < d.length; i += 4) s = (s * 31 + d[i] + d[i + 3]) | 0; return s; };
        const first = all(); let tries = 0; const look = () => { if (all() !== first) return done(true); if (++tries > 100) return done(false); setTimeout(look, 50); }; look();").await?;
    ensure!(drawn, "the canvas does not change");
    // The browser has an advice about the look at the canvas.
    tab.is_quiet(&["willReadFrequently"]).await
}

/// Notes when a lane is told to end, and when it shows another state.
const STOPWATCH: &str = "
window.pressed = window.changed = 0;
if (!window.watched) {
  addEventListener('keydown', (e) => { if (e.key === 'k') window.pressed = performance.now(); }, true);
  addEventListener('click', (e) => { if (e.target.dataset?.do === 'kill') window.pressed = performance.now(); }, true);
  window.watched = new MutationObserver((all) => {
    for (const one of all) if (window.pressed && !window.changed && one.target.dataset.state !== 'up') window.changed = performance.now();
  });
  watched.observe($('#lanes'), { subtree: true, attributes: true, attributeFilter: ['data-state'] });
}";

pub(super) async fn a_kill_is_shown_at_once(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    let rounds = if full() { 50 } else { 20 };
    let mut times = Vec::new();
    for round in 0..rounds {
        let number = round % BACKENDS + 1;
        tab.until("the lane to be up", &in_state(number, "up")).await?;
        tab.js::<Value>(STOPWATCH).await?;
        if round % 2 == 0 {
            tab.click(&lane(number, "[data-do=kill]")).await?;
        } else {
            tab.js::<Value>("document.activeElement.blur()").await?;
            tab.keys(format!("{number}k")).await?;
        }
        tab.until("the lane to change", "window.changed > 0").await?;
        times.push(tab.js::<f64>("return window.changed - window.pressed").await?);
        tab.until("the button to start it", &format!("$('{}')", lane(number, "[data-do=start]"))).await?;
        tab.click(&lane(number, "[data-do=start]")).await?;
    }
    times.sort_by(f64::total_cmp);
    let rank = (0.95 * times.len() as f64).ceil() as usize;
    let (median, p95) = (times[times.len() / 2], times[rank - 1]);
    println!("  a kill is shown after {median:.0} ms, p95 {p95:.0} ms of {rounds}");
    ensure!(p95 < LANE, "p95 is {p95:.0} ms: {times:?}");
    all_up(&tab).await?;
    tab.is_quiet(&[]).await
}

pub(super) async fn a_dead_backend_starts_again(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    tab.click(&lane(2, "[data-do=kill]")).await?;
    tab.until("the lane to be down", &in_state(2, "down")).await?;
    let words = tab.text(&lane(2, "[data-field=state]")).await?;
    ensure!(words == "down", "the state is {words:?}");
    tab.until("its process", &format!("$('{}').textContent !== ''", lane(2, "[data-field=process]"))).await?;
    tab.until("the button to start it", &format!("$('{}')", lane(2, "[data-do=start]"))).await?;
    tab.click(&lane(2, "[data-do=start]")).await?;
    tab.until("the lane to be up", &in_state(2, "up")).await?;
    tab.until("the button to kill it", &format!("$('{}')", lane(2, "[data-do=kill]"))).await?;
    tab.is_quiet(&[]).await
}

pub(super) async fn the_menu_changes_the_policy(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    tab.choose("#policy", "random").await?;
    tab.until(
        "the policy",
        "roundabout.view.policy === 'random' && $('#lb-policy').textContent.includes('random')",
    )
    .await?;
    ensure!(stage.state().await?.policy == "random", "the balancer has another policy");
    tab.js::<Value>("document.activeElement.blur()").await?;
    tab.keys("P").await?;
    tab.until("the policy before", "roundabout.view.policy !== 'random'").await?;
    tab.keys("p").await?;
    tab.until("the policy after", "roundabout.view.policy === 'random'").await?;
    tab.is_quiet(&[]).await
}

pub(super) async fn a_ghost_comes_goes_and_becomes_real(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    let first = stage.state().await?.policy.to_string();
    tab.choose("#ghost", "random").await?;
    // The simulator may have to be built first.
    lab::eventually(Duration::from_secs(300), "the ghost", async || {
        let shown: bool =
            tab.js("return Boolean(roundabout.view.ghost?.lanes.length) && !$('#ghost-line').hidden").await?;
        ensure!(shown, "not yet");
        Ok(())
    })
    .await?;
    tab.until(
        "its words in the lanes",
        "$$('.lane [data-field=ghost]').every((one) => one.textContent.includes('random'))",
    )
    .await?;
    ensure!(stage.state().await?.policy == *first, "a ghost changes nothing");
    tab.picture("ghost").await?;
    tab.choose("#ghost", "").await?;
    tab.until("no ghost", "!roundabout.view.ghost && $('#ghost-line').hidden").await?;
    tab.choose("#ghost", "random").await?;
    tab.until("the ghost again", "roundabout.view.ghost && !$('#ghost-real').disabled").await?;
    tab.click("#ghost-real").await?;
    tab.until("the policy of the ghost", "roundabout.view.policy === 'random'").await?;
    ensure!(stage.state().await?.policy == "random", "the balancer has another policy");
    tab.is_quiet(&[]).await
}

pub(super) async fn a_backend_is_drained_and_weighted(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    tab.click(&lane(3, "[data-do=drain]")).await?;
    tab.until("the lane to drain", &in_state(3, "drain")).await?;
    tab.until("no requests there", "roundabout.view.lanes[2].share === 0").await?;
    tab.click(&lane(3, "[data-do=ready]")).await?;
    tab.until("the lane to be up", &in_state(3, "up")).await?;
    tab.slide(&lane(1, "[data-do=weight]"), 5.0).await?;
    tab.until("the weight", "roundabout.view.lanes[0].weight === 5").await?;
    let state = stage.state().await?;
    ensure!(state.backend(1).context("no backend 1")?.weight == 5, "the balancer has another weight");
    tab.is_quiet(&[]).await
}

pub(super) async fn the_load_changes_and_a_reset_brings_it_back(
    stage: &Stage,
    browser: &Browser,
) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    tab.slide("#load-rate", 200.0).await?;
    tab.until("the rate", "roundabout.view.load.rate === 200").await?;
    tab.until("more requests", "roundabout.view.load.offered > 150").await?;
    tab.choose("#load-loop", "closed").await?;
    tab.until("a closed loop", "roundabout.view.load.control === 'closed' && !$('#clients-box').hidden")
        .await?;
    let clients: usize = tab.js("return roundabout.view.load.clients").await?;
    tab.js::<Value>("document.activeElement.blur()").await?;
    tab.keys("+").await?;
    tab.until("more clients", &format!("roundabout.view.load.clients > {clients}")).await?;
    tab.choose("#policy", "random").await?;
    tab.click(&lane(4, "[data-do=errors]")).await?;
    tab.until("a fault", "roundabout.view.lanes[3].faults.length === 1").await?;
    tab.until("the errors", "roundabout.view.lanes[3].errors > 1").await?;
    tab.click("#reset").await?;
    tab.until("the beginning", "roundabout.view.load.control === 'open' && roundabout.view.load.rate === 100 && roundabout.view.policy !== 'random' && roundabout.view.lanes.every((lane) => lane.faults.length === 0)").await?;
    tab.is_quiet(&[]).await
}

pub(super) async fn a_secret_stays_hidden_until_it_is_revealed(
    stage: &Stage,
    browser: &Browser,
) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    // Everything that this viewer gets, except the figures from which a class finds the secret.
    tab.js::<Value>("window.heard = []; const all = new EventSource('/events'); for (const name of ['fault', 'control', 'tick']) all.addEventListener(name, (e) => { const event = JSON.parse(e.data); heard.push(name === 'tick' ? JSON.stringify(event.backends.map((b) => b.server)) : e.data); });").await?;
    tab.click("#secret summary").await?;
    tab.choose("#secret-lane", "3").await?;
    tab.choose("#secret-kind", "errors").await?;
    tab.click("#secret-start").await?;
    tab.until("the secret", "!$('#banner').hidden && !$('#secret-reveal').disabled").await?;
    tab.until("its effect", "roundabout.view.lanes[2].errors > 1").await?;
    let (words, heard): (String, Vec<String>) = tab.js("return [$('#banner').textContent, heard]").await?;
    ensure!(!words.contains("B3") && !words.contains("status"), "the page tells the secret: {words}");
    ensure!(heard.len() > 3, "nothing was heard");
    for line in heard {
        ensure!(
            !line.contains("status") && !line.contains("\"faults\":[\""),
            "the stream tells the secret: {line}"
        );
    }
    let model = stage.model().await?;
    ensure!(model["lanes"][2]["faults"] == json!([]), "the model tells the secret: {}", model["lanes"][2]);
    tab.click("#secret summary").await?;
    tab.click("#secret-reveal").await?;
    tab.until(
        "the answer",
        "$('#banner').textContent.includes('B3') && $('#banner').textContent.includes('status')",
    )
    .await?;
    tab.until("the fault", "roundabout.view.lanes[2].faults.length === 1").await?;
    tab.is_quiet(&[]).await
}

pub(super) async fn the_report_is_downloaded_and_opens(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    tab.click(&lane(2, "[data-do=kill]")).await?;
    tab.until("the lane to be down", &in_state(2, "down")).await?;
    tab.until("an explained request", "roundabout.view.requests.some((one) => one.because)").await?;
    // The simulator may have to be built first.
    lab::eventually(Duration::from_secs(300), "a report with ghosts", async || {
        let report = stage.get("/report").await?.text();
        ensure!(report.contains("what happened</th>"), "it has none");
        Ok(())
    })
    .await?;
    let file = browser.downloads().join("roundabout-report.html");
    let begun = std::time::Instant::now();
    tab.click("#report").await?;
    lab::eventually(PATIENCE, "the download", async || {
        ensure!(file.is_file(), "{:?}", std::fs::read_dir(browser.downloads())?.collect::<Vec<_>>());
        Ok(())
    })
    .await?;
    let took = begun.elapsed();
    let text = std::fs::read_to_string(&file)?;
    println!("  the report of {} kB is there after {took:?}", text.len() / 1000);
    ensure!(took < Duration::from_secs(3), "the report took {took:?}");
    for part in ["kill B2", "round-robin", "<dt>seed</dt><dd>42</dd>", "Decision 1"] {
        ensure!(text.contains(part), "the report lacks {part:?}");
    }
    ensure!(
        text.contains("what happened</th>"),
        "the report has no ghosts: {}",
        text.split("id=\"ghosts\"").nth(1).unwrap_or_default()
    );
    tab.is_quiet(&[]).await?;
    stage.reset().await?;
    looks_good(browser, &file, "").await
}

/// Ends the balancer, and waits until the page shows the next one.
///
/// # Errors
/// If the page stays as it was.
pub(super) async fn the_page_comes_back_after_a_restart(stage: &mut Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    tab.until("requests", "roundabout.view.totals.offered > 50").await?;
    stage.restart_balancer().await?;
    let t: u64 = tab.js("return roundabout.view.t").await?;
    tab.until(
        "new figures",
        &format!(
            "roundabout.view.t > {t} + 2e6 && roundabout.view.totals.offered > 50 && $('#banner').hidden"
        ),
    )
    .await?;
    all_up(&tab).await?;
    tab.click(&lane(1, "[data-do=kill]")).await?;
    tab.until("a command to work", &in_state(1, "down")).await?;
    tab.is_quiet(&[]).await?;
    stage.reset().await
}
