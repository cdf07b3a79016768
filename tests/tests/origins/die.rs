//! A path whose handler closes the connection without an answer.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::origins::{Fleet, Kind, Kit, Watch};
use lab::load::{Call, Executed, Load, Report};
use lab::topology::Lab;

use super::bars::{Figures, either, full, none_left_up, seconds, told};

/// Requests a second that have nothing to do with the path.
const OTHER_GETS: f64 = 120.0;
const OTHER_POSTS: f64 = 30.0;

/// The largest number of executions of a GET that may have been executed.
const RUNS_OF_A_GET: u64 = 2;

/// The loads after they have ended.
struct Ended {
    others: Report,
    dying: Report,
}

pub(super) async fn at(kit: Kit, kind: Kind, count: usize) -> Result<()> {
    let fleet = Fleet::start(&kit, &vec![kind; count], &[]).await?;
    let ended = load(fleet.balancer().address(), either(seconds(3), seconds(8))).await?;
    judge(&format!("{count} x {kind:?}"), &ended, &fleet.executed()?, fleet.watch())
        .with_context(|| fleet.balancer().log())
}

pub(super) async fn in_the_lab(count: usize) -> Result<()> {
    let lab = Lab::processes().backends(count).start().await?;
    let watch = Watch::begin(lab.balancer().admin()?).await?;
    let ended = load(lab.balancer().address(), either(seconds(3), seconds(8))).await?;
    judge(&format!("{count} x lab"), &ended, &lab.ledger().await?, &watch)
}

/// The full test: each kind with two, three and four backends. The short tests have a part of it.
pub(super) async fn everywhere(kit: Kit) -> Result<()> {
    if !full() {
        println!("left to ROUNDABOUT_BARS=full");
        return Ok(());
    }
    for count in 2..=4 {
        at(kit.clone(), Kind::Go, count).await?;
        at(kit.clone(), Kind::Node, count).await?;
        in_the_lab(count).await?;
    }
    Ok(())
}

/// One `GET /die` a second, one `POST /die` every two seconds, and other requests beside them.
async fn load(address: SocketAddr, lasts: Duration) -> Result<Ended> {
    let others = Load::open(address)
        .call(Call::get("/").rate(OTHER_GETS))
        .call(Call::post("/", 200).rate(OTHER_POSTS))
        .start()?;
    let dying = Load::open(address)
        .call(Call::get("/die").rate(1.0))
        .call(Call::post("/die", 20).rate(0.5))
        .start()?;
    tokio::time::sleep(lasts).await;
    let dying = dying.stop().await?;
    // The effects of a failure on other requests may appear later.
    tokio::time::sleep(seconds(1)).await;
    Ok(Ended { others: others.stop().await?, dying })
}

fn judge(what: &str, ended: &Ended, executed: &Executed, watch: &Watch) -> Result<()> {
    let others = Figures::of(&ended.others, executed);
    let [gets, posts] = [0, 1].map(|call| Figures::of_call(&ended.dying, executed, Some(call)));
    let left = watch.left_up();
    println!(
        "/die, {what}: others {others}; {} GETs of it up to {} runs each, {} POSTs up to {}; left up: [{}]",
        gets.requests,
        gets.most_runs,
        posts.requests,
        posts.most_runs,
        told(&left)
    );
    others.untouched().context("the others")?;
    ensure!(gets.requests > 0 && gets.failed() == gets.requests, "some GETs of /die were answered");
    ensure!(gets.most_runs <= RUNS_OF_A_GET, "a GET ran {} times", gets.most_runs);
    ensure!(posts.most_runs == 1, "a POST ran {} times", posts.most_runs);
    none_left_up(&left)
}
