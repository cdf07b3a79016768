//! The resources of the balancer, at rest and under load.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::client::Client;
use lab::eventually;
use lab::resources;
use lab::topology::{Lab, State};

/// The time limit for everything to come to rest.
const PATIENCE: Duration = Duration::from_secs(15);

/// The number of readings of a figure that other work disturbs; the median counts.
const LOOKS: usize = 9;

/// The pause between two readings: long enough for the connection of the last reading to be closed.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits until every backend is up, nothing is in flight and no client is connected; returns the balancer's
/// counts at that time.
pub(super) async fn at_rest(lab: &Lab) -> Result<State> {
    let state = lab
        .until(PATIENCE, "the lab to come to rest", |state| {
            ensure!(state.in_flight() == 0, "{} requests are in flight", state.in_flight());
            ensure!(state.connections == 0, "{} clients are connected", state.connections);
            all_up(state)?;
            Ok(state.clone())
        })
        .await?;
    for backend in lab.backends() {
        let what = format!("backend {} to come to rest", backend.number());
        eventually(PATIENCE, &what, async || {
            let in_flight = &backend.state().await?["counters"]["in_flight"];
            ensure!(*in_flight == 0, "it says that {in_flight} requests are in flight");
            Ok(())
        })
        .await?;
    }
    Ok(state)
}

/// Waits until the balancer sends requests to every backend.
pub(super) async fn healed(lab: &Lab) -> Result<()> {
    lab.until(PATIENCE, "every backend to be up", all_up).await
}

fn all_up(state: &State) -> Result<()> {
    for backend in &state.backends {
        ensure!(backend.state == "up", "backend {} is {} ({})", backend.number, backend.state, backend.cause);
    }
    Ok(())
}

/// The balancer's open descriptors at rest, without the idle connections to backends, which it counts itself:
/// their number depends on the minute before, the number of all others is always the same.
pub(super) async fn descriptors(lab: &Lab) -> Result<usize> {
    let pid = lab.balancer().pid()?;
    let mut looks = Vec::with_capacity(LOOKS);
    for _ in 0..LOOKS {
        let kept: u64 = lab.balancer().state().await?.backends.iter().map(|one| one.connections.idle).sum();
        tokio::time::sleep(PAUSE).await;
        let open = resources::descriptors(pid)?;
        looks.push(open.saturating_sub(usize::try_from(kept)?));
    }
    Ok(median(looks))
}

/// The number of lines of its log that the balancer reports as dropped; zero if it does not count them.
pub(super) async fn lines_dropped(lab: &Lab) -> Result<u64> {
    let metrics = Client::new(lab.balancer().admin()?).get("/metrics").await?.ok()?.text();
    let count = metrics.lines().find_map(|line| line.strip_prefix("lb_log_lines_dropped_total "));
    count.map_or(Ok(0), |count| count.trim().parse().with_context(|| format!("{count:?} is no count")))
}

/// The balancer's own resident memory in bytes, over this time from now on. It does not include memory mapped
/// from its binary, which grows with every line that runs for the first time.
pub(super) async fn memory(lab: &Lab, over: Duration) -> Result<u64> {
    let mut looks = Vec::with_capacity(LOOKS);
    for _ in 0..LOOKS {
        tokio::time::sleep(over / LOOKS as u32).await;
        looks.push(resources::anonymous(lab.balancer().pid()?)?);
    }
    Ok(median(looks))
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_ignores_outliers() {
        assert_eq!(median(vec![9, 1, 2, 2, 100]), 2);
        assert_eq!(median(vec![5]), 5);
    }
}
