//! How fast the page draws.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::meter::{Costs, Stretch};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::driver::Browser;
use super::full;
use super::stage::{BACKENDS, Stage};
use super::tab::Tab;

/// The clients of the closed loop: so many requests are at the backends at any moment.
const CLIENTS: usize = 360;

/// The least number of dots in nine of ten frames: the balancer counts a moment, and the machine has pauses.
const DOTS: u32 = 300;

/// How many requests come, and how fast the page has to draw them.
struct Bar {
    /// Requests a second, at least.
    rate: f64,
    /// The time that each backend takes for a request, in milliseconds.
    latency: u32,
    /// The time of the measurement, in seconds.
    seconds: u32,
    /// Frames a second, at least.
    frames: f64,
    /// The time of a frame at the 95th percentile, at most, in milliseconds.
    p95: f64,
}

const FULL: Bar = Bar { rate: 2000.0, latency: 30, seconds: 15, frames: 50.0, p95: 34.0 };
const SHORT: Bar = Bar { rate: 400.0, latency: 120, seconds: 4, frames: 30.0, p95: 67.0 };

/// The pixels of the canvas that are painted in the lanes: a dot that is counted must be seen.
const PAINTED: &str = "
const canvas = $('#dots'), box = canvas.getBoundingClientRect();
return $$('.lane .track').map((track) => {
  const { left, top, width, height } = track.getBoundingClientRect();
  const { data } = canvas.getContext('2d').getImageData(left - box.left, top - box.top, width, height);
  return data.filter((value, at) => at % 4 === 3 && value > 128).length;
}).reduce((sum, count) => sum + count);";

/// The least number of pixels of a dot.
const PIXELS: u32 = 8;

/// The frames of a page, as the browser calls it.
#[derive(Debug, Deserialize)]
struct Frames {
    /// Frames a second.
    rate: f64,
    /// The time from a frame to the next, in milliseconds.
    p95: f64,
    /// The drawings of the page a second; 0 for a page that draws nothing.
    drawings: f64,
    /// Nine of ten frames have at least `fewest` dots, and half of them at least `dots`.
    fewest: u32,
    dots: u32,
}

/// Measures the frames of the page in a tab for some seconds.
///
/// # Errors
/// If the page cannot be measured.
async fn frames(tab: &Tab<'_>, seconds: u32) -> Result<Frames> {
    let script = format!(
        "const page = window.roundabout ?? {{ frames: 0, drawn: 0 }};
        const from = performance.now(), first = page.frames, times = [], dots = []; let last = 0;
        const look = (now) => {{
          if (last) {{ times.push(now - last); dots.push(page.drawn); }}
          last = now;
          if (now - from < {seconds}000) return requestAnimationFrame(look);
          for (const list of [times, dots]) list.sort((a, b) => a - b);
          const all = (now - from) / 1000;
          done({{ rate: times.length / all, p95: times[Math.ceil(times.length * 0.95) - 1], drawings: (page.frames - first) / all, fewest: dots[Math.floor(dots.length / 10)], dots: dots[dots.length >> 1] }}); }};
        requestAnimationFrame(look);"
    );
    tab.later(&script).await
}

/// A viewer that never reads.
///
/// # Errors
/// If the page does not answer.
async fn stuck_viewer(stage: &Stage) -> Result<TcpStream> {
    let page = stage.address();
    let stuck = TcpStream::connect(page).await?;
    stuck.writable().await?;
    stuck.try_write(format!("GET /events HTTP/1.1\r\nhost: {page}\r\n\r\n").as_bytes())?;
    Ok(stuck)
}

/// The page at many requests, with 300 dots. Another viewer reads everything, and a third one reads nothing.
///
/// The same browser shows an empty page beside the same load first. If not even this page has enough frames,
/// the machine is too busy to measure.
pub(super) async fn the_page_draws_fast_enough(browser: &Browser) -> Result<()> {
    let bar = if full() { FULL } else { SHORT };
    let stage = &Stage::crowded()?;
    stage.reset().await?;
    for backend in 1..=BACKENDS {
        let fault = json!({"kind": "latency", "fixed": format!("{}ms", bar.latency)});
        stage.command(json!({"do": "fault", "backend": backend, "fault": fault})).await?;
    }
    // With the turn, a queue that is longer at the beginning stays longer.
    stage.command(json!({"do": "policy", "policy": "least-connections"})).await?;
    stage.command(json!({"do": "load", "loop": "closed", "clients": CLIENTS})).await?;
    let empty = frames(&Tab::blank(browser).await?, bar.seconds.min(5)).await?;

    let tab = Tab::open(browser, &stage.url).await?;
    let stuck = stuck_viewer(stage).await?;
    tab.js::<Value>("window.other = new EventSource('/events')").await?;
    tab.until("full lanes", &format!("roundabout.drawn >= {DOTS} && roundabout.view.covers_us > 3e6"))
        .await?;
    let found = frames(&tab, bar.seconds).await?;
    let (t, rate): (u64, f64) = tab.js("return [roundabout.view.t, roundabout.view.totals.offered]").await?;
    tab.picture("crowded").await?;
    let painted: u32 = tab.js(PAINTED).await?;
    let behind = stage.model().await?["t"].as_u64().context("no time")?.abs_diff(t);
    drop(stuck);
    println!(
        "  {:.0} frames/s, p95 {:.1} ms, {} dots ({} in nine of ten frames), {painted} pixels, {rate:.0} requests/s, {behind} us behind; \
         an empty page has {:.0} frames/s, p95 {:.1} ms",
        found.rate, found.p95, found.dots, found.fewest, empty.rate, empty.p95
    );
    ensure!(
        found.fewest >= DOTS,
        "a tenth of the frames has less than {} dots, {DOTS} are wanted",
        found.fewest
    );
    ensure!(painted >= DOTS * PIXELS, "only {painted} pixels of the lanes are painted");
    ensure!(found.drawings > 0.95 * found.rate, "the page draws {:.0} times a second", found.drawings);
    // The browser has an advice about the look at the canvas.
    tab.is_quiet(&["willReadFrequently"]).await?;
    if empty.rate < bar.frames || empty.p95 > bar.p95 || rate < bar.rate {
        println!("  inconclusive: the machine is too busy for {} requests/s and an empty page", bar.rate);
        return Ok(());
    }
    ensure!(behind < 2_000_000, "the page is {behind} us behind");
    ensure!(found.rate >= bar.frames, "{:.1} frames/s, {} are wanted", found.rate, bar.frames);
    ensure!(found.p95 <= bar.p95, "the p95 of a frame is {:.1} ms, {} are allowed", found.p95, bar.p95);
    Ok(())
}

/// How much more processor time a request may cost the balancer while viewers look.
const COST: f64 = 1.03;

/// A machine on which two equal stretches differ by more is too busy to measure the cost.
const NOISE: f64 = 1.03;

/// The processor time of the balancer for a request, in microseconds, over this time.
///
/// # Errors
/// If the balancer does not answer.
async fn cost(stage: &Stage, time: Duration) -> Result<f64> {
    let stretch = Stretch::begin(stage.balancer(), stage.state().await?.totals.requests)?;
    sleep(time).await;
    stretch.end(stage.state().await?.totals.requests)
}

/// Three viewers cost the balancer nothing: it tells its events once, and the console tells them on. One of
/// the viewers is the page, one reads everything, and one never reads.
pub(super) async fn viewers_cost_the_balancer_nothing(browser: &Browser) -> Result<()> {
    let (rate, pairs, time) = if full() { (2000.0, 15, 4000) } else { (400.0, 3, 1000) };
    let time = Duration::from_millis(time);
    let stage = &Stage::crowded()?;
    stage.reset().await?;
    stage.command(json!({"do": "load", "loop": "open", "rate": rate})).await?;
    let mut costs = Costs::default();
    for _ in 0..pairs {
        Tab::blank(browser).await?;
        let without = cost(stage, time).await?;
        let stuck = stuck_viewer(stage).await?;
        let tab = Tab::open(browser, &stage.url).await?;
        tab.js::<Value>("window.other = new EventSource('/events')").await?;
        tab.until("requests", "roundabout.view.totals.offered > 0 && roundabout.drawn > 0").await?;
        costs.add(without, cost(stage, time).await?);
        drop(stuck);
    }
    println!("  a request at {rate}/s costs the balancer {costs}");
    if costs.ratio() > COST && (!full() || costs.noise() > NOISE) {
        println!("  inconclusive: only the full form on a quiet machine can tell");
        return Ok(());
    }
    ensure!(costs.ratio() <= COST, "viewers cost the balancer {costs}; {COST} is allowed");
    Ok(())
}
