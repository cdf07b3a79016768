//! Requests that exceed their time limits, answers that are malformed, and clients that leave.

use anyhow::{Context, Result, ensure};
use e2e::origins::{Fleet, Kind, Kit};
use lab::client::Client;
use lab::load::{Call, Crowd, Load};

use super::bars::{Figures, at_once, either, none_left_up, seconds, told};

const SLOW_POSTS: usize = 24;
const SLOW_GETS: usize = 30;
const LEAVERS: usize = 24;

const FOUR: [Kind; 4] = [Kind::Go, Kind::Go, Kind::Node, Kind::Node];

/// POSTs that take longer than `response`, with quick GETs beside them.
pub(super) async fn posts(kit: Kit) -> Result<()> {
    let response = either(2, 30);
    let limit = format!("--response-timeout={response}s");
    let fleet = Fleet::start(&kit, &FOUR, &["--ping-path=/ping", &limit]).await?;
    let address = fleet.balancer().address();
    let others = Load::open(address).call(Call::get("/").rate(50.0)).start()?;
    let path = format!("/sleep/{}", (response + 2) * 1000);
    let slow = Load::closed(address, SLOW_POSTS).call(Call::post(path, 100)).patience(seconds(60));
    let slow = at_once(slow, SLOW_POSTS).await?.await??;
    tokio::time::sleep(seconds(2)).await;
    let others = others.stop().await?;
    let executed = fleet.executed()?;
    let (slow, others) = (Figures::of(&slow, &executed), Figures::of(&others, &executed));
    let left = fleet.watch().left_up();
    println!(
        "{SLOW_POSTS} POSTs slower than {response} s: {slow}; others {others}; left up: [{}]",
        told(&left)
    );
    others.untouched().context("the others")?;
    ensure!(slow.repeated == 0, "a POST ran {} times", slow.most_runs);
    none_left_up(&left)
}

/// Three answers in a row, and more, that are malformed in one of two ways.
pub(super) async fn malformed(kit: Kit) -> Result<()> {
    for path in ["/headers/101", "/twice"] {
        let fleet = Fleet::start(&kit, &[Kind::Go, Kind::Node], &[]).await?;
        let address = fleet.balancer().address();
        let mut statuses = Vec::new();
        // With two backends in turn, each gives half of the answers.
        for _ in 0..8 {
            statuses.push(Client::new(address).get(path).await?.status.as_u16());
        }
        let others = Load::open(address).call(Call::get("/").rate(50.0)).start()?;
        let bad = Load::open(address).call(Call::get(path).rate(10.0)).start()?;
        tokio::time::sleep(seconds(2)).await;
        let bad = bad.stop().await?;
        let others = others.stop().await?;
        let executed = fleet.executed()?;
        let (bad, others) = (Figures::of(&bad, &executed), Figures::of(&others, &executed));
        let left = fleet.watch().left_up();
        println!("{path}: {statuses:?}, then {bad}; others {others}; left up: [{}]", told(&left));
        ensure!(statuses.iter().all(|status| *status == 502), "{statuses:?}");
        others.untouched().context("the others")?;
        ensure!(bad.repeated == 0, "one ran {} times", bad.most_runs);
        none_left_up(&left)?;
    }
    Ok(())
}

/// Slow GETs at once, with little other traffic, and default settings.
pub(super) async fn gets(kit: Kit) -> Result<()> {
    let waits = 5000;
    for pause in either(&[2.0][..], &[2.0, 0.5, 0.1]) {
        let fleet = Fleet::start(&kit, &FOUR, &[]).await?;
        let address = fleet.balancer().address();
        let others = Load::open(address).call(Call::get("/").rate(1.0 / pause)).start()?;
        let path = format!("/sleep/{waits}");
        let slow = Load::closed(address, SLOW_GETS).call(Call::get(path)).patience(seconds(60));
        let slow = at_once(slow, SLOW_GETS).await?.await??;
        let others = others.stop().await?;
        let executed = fleet.executed()?;
        let (slow, others) = (Figures::of(&slow, &executed), Figures::of(&others, &executed));
        let left = fleet.watch().left_up();
        println!(
            "{SLOW_GETS} GETs of {waits} ms, one quick every {pause} s: {slow}; others {others}; left up: [{}]",
            told(&left)
        );
        slow.untouched().context("the slow ones")?;
        others.untouched().context("the others")?;
        none_left_up(&left)?;
    }
    Ok(())
}

/// Clients that leave in the middle of an upload whose answer has begun.
pub(super) async fn left_uploads(kit: Kit) -> Result<()> {
    let stall = either(4, 60);
    let limit = format!("--stall-timeout={stall}s");
    let fleet = Fleet::start(&kit, &[Kind::Go, Kind::Node, Kind::Node], &[&limit]).await?;
    let address = fleet.balancer().address();
    let others = Load::open(address).call(Call::get("/").rate(50.0)).start()?;
    let (resetting, closing) = tokio::try_join!(
        Crowd::upload(address, LEAVERS / 2, "/early"),
        Crowd::upload(address, LEAVERS / 2, "/early")
    )?;
    // Some leave with a reset, and some with the ordinary end of a connection.
    resetting.vanish();
    closing.close();
    let let_go = lab::eventually(seconds(2), "all of them to be let go", async || {
        let state = fleet.balancer().state().await?;
        let kept: Vec<u32> = state.backends.iter().map(|backend| backend.in_flight).collect();
        // One of the others may be in flight.
        ensure!(kept.iter().sum::<u32>() <= 2, "in flight: {kept:?}");
        Ok(())
    })
    .await;
    tokio::time::sleep(seconds(stall + 1)).await;
    let others = Figures::of(&others.stop().await?, &fleet.executed()?);
    let left = fleet.watch().left_up();
    let kept = let_go.as_ref().err().map_or_else(|| "none".into(), |error| format!("{}", error.root_cause()));
    println!("{LEAVERS} uploads left: after 2 s {kept}; others {others}; left up: [{}]", told(&left));
    others.untouched().context("the others")?;
    none_left_up(&left)?;
    let_go
}
