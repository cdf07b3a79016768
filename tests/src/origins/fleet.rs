//! A balancer in front of real servers.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use lab::load::Executed;
use lab::topology::BalancerHandle;
use serde_json::json;
use tempfile::TempDir;

use super::{Kind, Kit, Origin, Watch};

/// The time limit until the balancer reports all servers as up.
const READY_TIME: Duration = Duration::from_secs(15);

/// A balancer, its backends on real servers, and the ledger that all of them write.
#[derive(Debug)]
pub struct Fleet {
    watch: Watch,
    balancer: BalancerHandle,
    origins: Vec<Origin>,
    folder: TempDir,
}

impl Fleet {
    /// Starts servers of these kinds, and a balancer with these arguments in front of them.
    ///
    /// # Errors
    /// If something does not start, or is not up in time.
    pub async fn start(kit: &Kit, kinds: &[Kind], args: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let ledger = folder.path().join("ledger");
        std::fs::write(&ledger, "")?;
        let mut origins = Vec::new();
        for (index, kind) in kinds.iter().enumerate() {
            origins.push(Origin::start(kit, *kind, index + 1, &ledger).await?);
        }
        let urls: Vec<String> = origins.iter().map(Origin::url).collect();
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let balancer = BalancerHandle::in_front_of(&urls, &args).await?;
        all_up(&balancer).await?;
        let watch = Watch::begin(balancer.admin()?).await?;
        Ok(Self { watch, balancer, origins, folder })
    }

    /// The balancer.
    pub fn balancer(&self) -> &BalancerHandle {
        &self.balancer
    }

    /// A server by its number; the first is 1.
    ///
    /// # Panics
    /// If there is none with that number.
    pub fn origin(&self, number: usize) -> &Origin {
        &self.origins[number - 1]
    }

    /// All servers in the order of their numbers.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// The state changes of its backends that the balancer reported.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// How often each request was executed.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn executed(&self) -> Result<Executed> {
        let ledger = std::fs::read_to_string(self.folder.path().join("ledger"))?;
        let mut times = HashMap::<&str, u64>::new();
        for id in ledger.lines().filter_map(|line| line.rsplit_once(' ')).map(|(_, id)| id) {
            *times.entry(id).or_default() += 1;
        }
        Executed::from_ledger(&json!({ "executed": times }))
    }

    /// Waits until every backend is up.
    ///
    /// # Errors
    /// If the time is up: has the balancer's log.
    pub async fn all_up(&self) -> Result<()> {
        all_up(&self.balancer).await
    }
}

async fn all_up(balancer: &BalancerHandle) -> Result<()> {
    let reached = lab::eventually(READY_TIME, "every backend to be up", async || {
        for backend in balancer.state().await?.backends {
            ensure!(backend.state == "up", "{} is {}: {}", backend.url, backend.state, backend.cause);
        }
        Ok(())
    });
    reached.await.map_err(|error| anyhow!("{error:#}\n{}", balancer.log()))
}
