//! The demo without a terminal: a line a second, and one for each event.

use std::time::{Duration, Instant};

use anyhow::Result;
use console::{Input, Observed};
use lab::load::Running;
use lab::topology::Lab;
use tokio::time::{MissedTickBehavior, interval};

use super::live::{Feed, look, of_the_locale};
use super::screen::{Addresses, picture};
use lab::spell::time;

/// Writes lines until the time is up, or until a signal ends the process.
pub(super) async fn run(lab: &Lab, load: &Running, until: Option<Duration>) -> Result<()> {
    let began = Instant::now();
    let mut model = Observed::default();
    let mut feed = Feed::open(lab).await?;
    for line in picture(&Addresses::of(lab), of_the_locale()) {
        println!("{line}");
    }
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while until.is_none_or(|until| began.elapsed() < until) {
        tokio::select! {
            _ = seconds.tick() => {
                look(lab, &mut model, began.elapsed()).await;
                println!("{}", line(&model, load, began.elapsed()));
            }
            change = feed.next() => if let Some(line) = model.update(began.elapsed(), Input::Change(change)) {
                println!("{line}");
            }
        }
    }
    Ok(())
}

fn line(model: &Observed, load: &Running, at: Duration) -> String {
    let own = load.recent(Duration::from_secs(1));
    let mut line = format!("{:7.2} s  {:3} rps, {} errors", at.as_secs_f64(), own.requests, own.errors);
    for lane in model.lanes() {
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
