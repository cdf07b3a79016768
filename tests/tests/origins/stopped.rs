//! A server that is stopped (SIGSTOP): the kernel accepts connections for it, but no process answers.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::origins::{Fleet, Kind, Kit};
use futures_util::future::try_join_all;
use lab::client::Client;
use lab::load::{Call, Load};
use serde_json::Value;
use tokio::time::sleep;

use super::bars::{Figures, either, millis, seconds};

/// The time limit for finding a stopped server after a request waits there.
const FOUND: Duration = seconds(3);

/// The time limit for a GET that went to the stopped server.
const HANGS: Duration = millis(2500);

/// Clients of the test under load, each on a keep-alive connection.
const CLIENTS: usize = 8;

/// The observations with one policy.
struct Seen {
    policy: String,
    /// The times from the stop, and from the moment at which a request was first sent to the server.
    found: Option<(Duration, Duration)>,
    /// Whether a request was sent to the server at all.
    asked: bool,
    figures: Figures,
}

/// The names of all policies.
async fn policies(kit: &Kit) -> Result<Vec<String>> {
    let fleet = Fleet::start(kit, &[Kind::Node], &[]).await?;
    let policy: Value = Client::new(fleet.balancer().admin()?).get("/policy").await?.ok()?.json()?;
    let known = policy["known"].as_array().context("it names no policies")?;
    Ok(known.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// One GET a second, one after the other, two servers, each of the policies: all policies at once, because
/// each needs little time of the machine.
pub(super) async fn one_request_a_second(kit: Kit) -> Result<()> {
    let mut fleets = Vec::new();
    for policy in policies(&kit).await? {
        let argument = format!("--policy={policy}");
        fleets.push((policy, Fleet::start(&kit, &[Kind::Node, Kind::Node], &[&argument]).await?));
    }
    let seen = fleets.iter().map(|(policy, fleet)| stop_one(fleet, policy, None));
    judge("one GET a second", &try_join_all(seen).await?)
}

/// The same with clients that send their next request at once, one policy after the other.
pub(super) async fn under_load(kit: Kit) -> Result<()> {
    let all = policies(&kit).await?;
    let some = ["round-robin", "least-connections", "two-choices", "least-time", "peak-ewma", "maglev"];
    let mut seen = Vec::new();
    for policy in all.into_iter().filter(|policy| either(some.contains(&policy.as_str()), true)) {
        let argument = format!("--policy={policy}");
        let fleet = Fleet::start(&kit, &[Kind::Node, Kind::Node], &[&argument]).await?;
        seen.push(stop_one(&fleet, &policy, Some(CLIENTS)).await?);
    }
    judge(&format!("{CLIENTS} clients"), &seen)
}

/// Stops the server that answered last, so that a policy that prefers one server is tested with that one.
async fn stop_one(fleet: &Fleet, policy: &str, clients: Option<usize>) -> Result<Seen> {
    let address = fleet.balancer().address();
    let load = match clients {
        Some(clients) => Load::closed(address, clients),
        // With one connection, a late answer delays the next request, as with one client.
        None => Load::open(address).connections(1),
    };
    let load = load.call(Call::get("/")).start()?;
    sleep(if clients.is_some() { millis(1000) } else { millis(2400) }).await;
    let recent = load.since(Duration::ZERO);
    let last = recent.iter().rev().find_map(|entry| entry.backend).context("no server has answered")?;
    let victim = fleet.origin(last as usize);
    let picked = async || -> Result<u64> {
        let state = fleet.balancer().state().await?;
        state.backend(victim.number).map(|backend| backend.picks).context("it is unknown")
    };
    let before = picked().await?;
    victim.stop()?;
    let stopped = Instant::now();
    let mut asked = None;
    let found = || fleet.watch().left_up().into_iter().find(|change| change.backend == victim.number);
    // Some policies may use the server only later, so the time counts from then.
    while found().is_none() && asked.unwrap_or(stopped).elapsed() < either(seconds(5), seconds(12)) {
        if asked.is_none() && picked().await? > before {
            asked = Some(Instant::now());
        }
        sleep(millis(10)).await;
    }
    sleep(either(millis(1200), seconds(3))).await;
    victim.resume()?;
    let report = load.stop().await?;
    let figures = Figures::of(&report, &fleet.executed()?);
    let found = found().map(|change| {
        let after = |since: Instant| change.at.saturating_duration_since(since);
        (after(stopped), after(asked.unwrap_or(change.at)))
    });
    Ok(Seen { policy: policy.to_owned(), found, asked: asked.is_some(), figures })
}

fn judge(how: &str, all: &[Seen]) -> Result<()> {
    for Seen { policy, found, asked, figures } in all {
        let found = match found {
            Some((stop, request)) => {
                format!("found {stop:.1?} after the stop, {request:.1?} after a request")
            }
            None if *asked => "NOT FOUND".into(),
            None => "not found, and not asked".into(),
        };
        println!("stopped, {how}, {policy}: {found}; {figures}");
    }
    for Seen { policy, found, asked, figures } in all {
        ensure!(figures.failed() == 0, "{policy}: {:?}", figures.errors);
        ensure!(figures.max <= HANGS, "{policy}: a GET took {:?}", figures.max);
        ensure!(found.is_some() || !asked, "{policy}: it was not found");
        if let Some((_, after)) = found {
            ensure!(*after <= FOUND, "{policy}: it was found after {after:?}");
        }
    }
    Ok(())
}
