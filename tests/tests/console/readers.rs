//! Readers who use no mouse, see no colours, want no motion, or have another screen.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::commands::fresh;
use super::driver::Browser;
use super::look::{has_contrast, has_names, has_room};
use super::stage::Stage;
use super::tab::{PATIENCE, SIZE, Size, Tab};
use super::webdriver::{ESCAPE, TAB};

/// The windows that the page fits: a laptop, a projector, a telephone, and a laptop at 150 %.
const WINDOWS: [(&str, Size); 4] = [
    ("1280x720", SIZE),
    ("1920x1080", (1920, 1080, 1.0)),
    ("375x812", (375, 812, 2.0)),
    ("150-percent", (853, 480, 1.5)),
];

/// What is missing of the way from the clients over the balancer to the lanes: the two boxes with their words
/// before the lanes, and lines between them.
const BALANCER: &str = "
const canvas = $('#dots'), pen = canvas.getContext('2d'), origin = canvas.getBoundingClientRect(), scale = canvas.width / origin.width;
const [source, balancer, lanes] = ['#source', '#lb', '#lanes'].map((css) => $(css).getBoundingClientRect());
const bad = [], down = balancer.bottom <= lanes.top;
for (const css of ['#source', '#lb']) if (!$(css).innerText.trim() || $(css).getBoundingClientRect().height < 10) bad.push(`${css} is not shown`);
const between = (one, other) => (down ? [source.left, one.bottom, 40, other.top - one.bottom] : [one.right, other.top, other.left - one.right, other.height]);
const painted = ([x, y, wide, high]) => {
  if (wide < 2 || high < 2) return 0;
  const { data } = pen.getImageData((x - origin.x) * scale, (y - origin.y) * scale, wide * scale, high * scale);
  return data.filter((value, at) => at % 4 === 3 && value > 128).length;
};
if (!painted(between(source, balancer))) bad.push('no line from the clients to the balancer');
if (!painted(between(balancer, lanes))) bad.push('no line from the balancer to the lanes');
return bad;";

/// A name for an element that stays the same while the page changes.
const NAME: &str = "const name = (node) => (node.closest('.lane') ? `B${node.closest('.lane').dataset.lane} ` : '') + (node.id || node.dataset.do || node.className || node.closest('[id]')?.id + ' ' + node.tagName);";

pub(super) async fn everything_fits_each_window(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    stage.command(json!({"do": "fault", "backend": 4, "fault": {"kind": "status", "code": 503}})).await?;
    stage.command(json!({"do": "kill", "backend": 2})).await?;
    tab.until(
        "a lane that is down",
        "$$('.lane[data-state=down]').length === 1 && roundabout.view.lanes[3].errors > 1",
    )
    .await?;
    tab.until("plots", "roundabout.view.covers_us > 3e6").await?;
    let mut bad = Vec::new();
    for language in ["en", "de"] {
        tab.choose("#language", language).await?;
        for (name, size) in WINDOWS {
            tab.size(size).await?;
            tab.later::<Value>("setTimeout(done, 600, null)").await?;
            if let Err(error) = has_room(&tab).await {
                bad.push(format!("{name} {language}: {error:#}"));
            }
            let balancer: Vec<String> = tab.js(BALANCER).await?;
            bad.extend(balancer.iter().map(|what| format!("{name} {language}: {what}")));
            let suffix = if language == "en" { String::new() } else { format!("-{language}") };
            tab.picture(&format!("{name}{suffix}")).await?;
        }
    }
    stage.reset().await?;
    ensure!(bad.is_empty(), "{}", bad.join("\n"));
    Ok(())
}

pub(super) async fn words_have_contrast_and_controls_have_names(
    stage: &Stage,
    browser: &Browser,
) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    stage.command(json!({"do": "fault", "backend": 4, "fault": {"kind": "status", "code": 503}})).await?;
    stage.command(json!({"do": "kill", "backend": 2})).await?;
    stage.command(json!({"do": "drain", "backend": 3})).await?;
    tab.until("lanes of all kinds", "$$('.lane[data-state=down]').length === 1 && $$('.lane[data-state=drain]').length === 1 && roundabout.view.lanes[3].trouble === 'harm'").await?;
    let (mut bad, mut done) = (Vec::new(), 0);
    for scheme in ["light", "dark"] {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.cdp("Emulation.setEmulatedMedia", media).await?;
        if let Err(error) = has_contrast(&tab, 80).await {
            bad.push(format!("{scheme}: {error:#}"));
        }
        done += 1;
    }
    browser.cdp("Emulation.setEmulatedMedia", json!({"features": []})).await?;
    stage.reset().await?;
    ensure!(bad.is_empty() && done == 2, "{}", bad.join("\n"));
    has_names(&tab, 30).await
}

pub(super) async fn every_plot_has_a_table(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    tab.until("figures", "roundabout.view.covers_us > 3e6").await?;
    let plots: usize = tab.js("return $$('#plots figure').length").await?;
    ensure!(plots == 3, "{plots} plots");
    for number in 1..=plots {
        tab.click(&format!("#plots figure:nth-of-type({number}) summary")).await?;
    }
    tab.until(
        "rows in each table",
        "$$('#plots figure').every((one) => one.querySelector('table').rows.length > 2)",
    )
    .await?;
    let told: Vec<(String, usize)> = tab
        .js("return $$('#plots figure').map((one) => [one.querySelector('canvas').getAttribute('aria-label') ?? '', one.querySelectorAll('table th').length])")
        .await?;
    for (label, heads) in told {
        ensure!(label.len() > 20, "a plot has no words: {label:?}");
        ensure!(heads >= 2, "the table of {label:?} has no heads");
    }
    tab.is_quiet(&[]).await
}

pub(super) async fn no_motion_where_it_is_not_wanted(stage: &Stage, browser: &Browser) -> Result<()> {
    stage.reset().await?;
    let tab = Tab::blank(browser).await?;
    let media = json!({"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]});
    browser.cdp("Emulation.setEmulatedMedia", media).await?;
    tab.go(&stage.url).await?;
    tab.until("figures", "roundabout.view?.totals.offered > 10").await?;
    let before: u64 = tab.js("return roundabout.events").await?;
    tab.until("more events", &format!("roundabout.events > {before} + 20")).await?;
    let (frames, drawn): (u64, u64) = tab.js("return [roundabout.frames, roundabout.drawn ?? 0]").await?;
    let moving: Vec<String> = tab.js("return document.getAnimations().filter((one) => one.playState === 'running').map((one) => one.animationName ?? one.transitionProperty)").await?;
    browser.cdp("Emulation.setEmulatedMedia", json!({"features": []})).await?;
    ensure!(frames == 0 && drawn == 0, "{frames} frames, {drawn} dots");
    ensure!(moving.is_empty(), "{moving:?} move");
    // The figures change all the same.
    let text = tab.text("#totals").await?;
    ensure!(text.contains("/s"), "{text}");
    tab.is_quiet(&[]).await
}

pub(super) async fn the_keyboard_reaches_everything(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    let wanted: Vec<String> = tab
        .js(&format!("{NAME} return $$('a[href], button, select, input, summary').filter((node) => node.checkVisibility({{ visibilityProperty: true }}) && !node.disabled && node.tabIndex >= 0).map(name)"))
        .await?;
    ensure!(wanted.len() > 30, "only {} controls", wanted.len());
    let (mut reached, mut invisible) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..wanted.len() + 40 {
        tab.keys(TAB).await?;
        let (name, is_visible): (String, bool) = tab
            .js(&format!("{NAME} const node = document.activeElement; const style = getComputedStyle(node); return [name(node), node === document.body || (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2)]"))
            .await?;
        if !is_visible {
            invisible.insert(name.clone());
        }
        reached.insert(name);
    }
    let missing: Vec<&String> = wanted.iter().filter(|name| !reached.contains(*name)).collect();
    ensure!(missing.is_empty(), "Tab does not reach {missing:?}");
    ensure!(invisible.is_empty(), "the focus is not visible at {invisible:?}");

    // A lesson: kill a backend, change the policy, read a reason, hand in the report.
    tab.js::<Value>("document.activeElement.blur()").await?;
    tab.keys("2k").await?;
    tab.until("a kill", "$('.lane[data-lane=\"2\"]').dataset.state === 'down'").await?;
    let policy: String = tab.js("return roundabout.view.policy").await?;
    tab.keys("p").await?;
    tab.until("another policy", &format!("roundabout.view.policy !== '{policy}'")).await?;
    tab.keys("w").await?;
    tab.until("the focus", "document.activeElement.id === 'why'").await?;
    let file = browser.downloads().join("roundabout-report.html");
    if file.exists() {
        std::fs::remove_file(&file)?;
    }
    tab.keys("r").await?;
    lab::eventually(PATIENCE, "the report", async || {
        ensure!(file.is_file(), "no file");
        Ok(())
    })
    .await?;
    std::fs::remove_file(&file).context("the report")?;
    tab.keys("?").await?;
    tab.until("the legend", "$('#legend-box').open").await?;
    tab.keys(ESCAPE).await?;
    tab.until("no legend", "!$('#legend-box').open").await?;
    tab.is_quiet(&[]).await?;
    stage.reset().await
}
