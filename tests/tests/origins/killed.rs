//! Servers are killed one after the other, and started again.

use std::time::Instant;

use anyhow::{Context, Result};
use e2e::origins::{Fleet, Kind, Kit};
use lab::load::{Call, Load};

use super::bars::{Figures, either, millis, seconds};

/// Clients, each on a keep-alive connection.
const CLIENTS: usize = 16;

/// One of four is dead at a time: the next is killed as soon as the last one listens again, or after a pause.
pub(super) async fn storm(kit: Kit) -> Result<()> {
    for pause in [millis(0), millis(100), millis(700)] {
        let fleet = Fleet::start(&kit, &[Kind::Go, Kind::Go, Kind::Node, Kind::Node], &[]).await?;
        let address = fleet.balancer().address();
        let load = Load::closed(address, CLIENTS).call(Call::get("/")).start()?;
        let (begun, mut kills) = (Instant::now(), 0);
        while begun.elapsed() < either(seconds(4), seconds(20)) {
            let victim = fleet.origin(kills % 4 + 1);
            victim.kill()?;
            tokio::time::sleep(millis(20)).await;
            victim.spawn()?;
            victim.listening().await?;
            kills += 1;
            tokio::time::sleep(pause).await;
        }
        let figures = Figures::of(&load.stop().await?, &fleet.executed()?);
        let downs = fleet.watch().left_up().len();
        println!("{kills} kills, {pause:?} between them: {figures}; {downs} times a backend left up");
        anyhow::ensure!(figures.failed() == 0 && figures.lost == 0, "{figures}");
        fleet.all_up().await.context("after the storm")?;
    }
    Ok(())
}
