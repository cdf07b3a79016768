//! A busy server with a single thread cannot answer, just like a stopped one.
//!
//! The number of requests that fail meanwhile is printed, and not judged: nothing outside the server can
//! distinguish the two cases. The conditions that must hold in both cases are judged.

use anyhow::{Result, ensure};
use e2e::origins::{Fleet, Kind, Kit};
use lab::load::{Call, Load};

use super::bars::{Figures, at_once, either, seconds, told};

/// The time for which the thread is busy, in milliseconds.
const BUSY: u64 = 2000;

pub(super) async fn all(kit: Kit) -> Result<()> {
    for kind in [Kind::HttpServer, Kind::Gunicorn, Kind::Uvicorn] {
        for pings in either(&[None][..], &[None, Some("--ping-path=/ping")]) {
            busy(&kit, kind, *pings).await?;
        }
    }
    Ok(())
}

/// Two servers of a kind, requests that keep one of them busy, one after the other, and quick requests beside
/// them.
async fn busy(kit: &Kit, kind: Kind, pings: Option<&str>) -> Result<()> {
    let arguments: Vec<&str> = pings.into_iter().collect();
    let fleet = Fleet::start(kit, &[kind, kind], &arguments).await?;
    let address = fleet.balancer().address();
    let quick =
        Load::open(address).call(Call::get("/").rate(10.0)).call(Call::post("/", 50).rate(2.0)).start()?;
    let path = format!("/block/{BUSY}");
    let mut reports = Vec::new();
    for call in [Call::get(&path), Call::post(&path, 50)] {
        for _ in 0..either(1, 4) {
            let load = Load::closed(address, 1).call(call.clone()).patience(seconds(60));
            reports.push(at_once(load, 1).await?.await??);
        }
    }
    let quick = quick.stop().await?;
    let executed = fleet.executed()?;
    let [quick_gets, quick_posts] = [0, 1].map(|call| Figures::of_call(&quick, &executed, Some(call)));
    let slow: Vec<_> = reports.iter().map(|report| Figures::of(report, &executed)).collect();
    let (gets, posts) = slow.split_at(slow.len() / 2);
    println!(
        "busy for {BUSY} ms, 2 x {kind:?} {arguments:?}: quick GETs {quick_gets}; quick POSTs {quick_posts}"
    );
    for (what, figures) in [("GETs", gets), ("POSTs", posts)] {
        let words: Vec<_> = figures.iter().map(ToString::to_string).collect();
        println!("  {what} that keep it busy: {}", words.join(" | "));
    }
    println!("  left up: [{}]", told(&fleet.watch().left_up()));
    for figures in posts.iter().chain([&quick_posts]) {
        ensure!(figures.most_runs <= 1, "{kind:?}: a POST ran {} times", figures.most_runs);
    }
    for figures in gets.iter().chain([&quick_gets]) {
        ensure!(figures.most_runs <= 2, "{kind:?}: a GET ran {} times", figures.most_runs);
    }
    for figures in slow.iter().chain([&quick_gets, &quick_posts]) {
        ensure!(figures.lost == 0, "{kind:?}: {} answers were lost", figures.lost);
    }
    fleet.all_up().await
}
