//! The demo without a terminal: a line a second, and one for each event.

use std::time::{Duration, Instant};

use anyhow::Result;
use lab::load::Running;
use lab::topology::Lab;
use tokio::time::{MissedTickBehavior, interval};

use super::glyphs::{Glyphs, time};
use super::live::{Feed, look};
use super::screen::{Addresses, picture};
use super::watch::Watch;

/// Writes lines until the time is up, or until a signal ends the process.
pub(super) async fn run(lab: &Lab, load: &Running, until: Option<Duration>) -> Result<()> {
    let began = Instant::now();
    let mut watch = Watch::default();
    let mut feed = Feed::open(lab).await?;
    for line in picture(&Addresses::of(lab), Glyphs::of_the_locale()) {
        println!("{line}");
    }
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while until.is_none_or(|until| began.elapsed() < until) {
        tokio::select! {
            _ = seconds.tick() => {
                look(lab, &mut watch, began.elapsed()).await;
                println!("{}", line(&watch, load, began.elapsed()));
            }
            event = feed.next() => if let Some(line) = watch.event(began.elapsed(), &event) {
                println!("{line}");
            }
        }
    }
    Ok(())
}

fn line(watch: &Watch, load: &Running, at: Duration) -> String {
    let own = load.recent(Duration::from_secs(1));
    let mut line = format!("{:7.2} s  {:3} rps, {} errors", at.as_secs_f64(), own.requests, own.errors);
    for lane in watch.lanes() {
        line += &format!(
            " | {} {} {:.0} % p99 {}",
            lane.number,
            lane.health.word(),
            lane.share * 100.0,
            time(lane.p99)
        );
    }
    line
}
