//! What changes while the balancer serves, and what stays? One place for all that is changed at run time, by the
//! configuration file and by hand.
//!
//! A reload changes what differs between the configuration as it was read last and as it is read now, and nothing else:
//! a backend that somebody drains by hand is not brought back by a new time limit. What is wrong with a configuration is
//! said, and changes nothing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::signal::unix::Signal;
use tokio::task::AbortHandle;

use crate::balance::change::{Change, diff};
use crate::balance::member::Member;
use crate::balance::{Address, ServerPool};
use crate::config::{Config, Loaded, Problems};
use crate::observe::Observer;
use crate::ping;

/// How often the configuration file is looked at.
const WATCH: Duration = Duration::from_millis(200);

/// How often names are looked up that stand for a backend at each of their addresses.
const RESOLVE: Duration = Duration::from_secs(2);

/// Where settings come from, so that they can be read again.
pub struct Origin {
    file: Option<PathBuf>,
    /// What the file was before it was read: a change while it is read is one that comes after.
    seen: Cell<Option<Stamp>>,
    load: Box<dyn Fn() -> Result<Loaded, Problems>>,
}

impl Origin {
    /// Settings from a file, if there is one, read by `load`.
    pub fn new(file: Option<PathBuf>, load: impl Fn() -> Result<Loaded, Problems> + 'static) -> Self {
        Self { file, seen: Cell::default(), load: Box::new(load) }
    }

    /// Reads everything.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(&self) -> Result<Loaded, Problems> {
        self.seen.set(self.file.as_deref().and_then(Stamp::of));
        (self.load)()
    }

    /// Waits until the file is another than it was when it was read last.
    async fn changed(&self) {
        let Some(file) = &self.file else { return std::future::pending().await };
        loop {
            tokio::time::sleep(WATCH).await;
            let now = Stamp::of(file);
            // While it is being replaced, there may be none for a moment.
            if now.is_some() && now != self.seen.get() {
                return;
            }
        }
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Whoever may change the balancer. It lives on the control thread, so that changes come one after the other.
#[derive(Debug)]
pub(crate) struct Control {
    pool: Arc<ServerPool>,
    settings: Arc<ArcSwap<Config>>,
    observer: Arc<Observer>,
    origin: Origin,
    /// The backends that the configuration asks for, as far as they were known when it was looked at last.
    wanted: RefCell<Vec<Member>>,
    /// What names stood for when they were looked up last and had an answer.
    resolved: RefCell<HashMap<Address, Vec<IpAddr>>>,
    /// Who pings which backend, by number.
    pings: RefCell<HashMap<usize, AbortHandle>>,
}

impl Control {
    pub(crate) fn new(
        pool: Arc<ServerPool>,
        settings: Arc<ArcSwap<Config>>,
        observer: Arc<Observer>,
        origin: Origin,
    ) -> Self {
        let wanted = RefCell::new(settings.load().members());
        let control = Self {
            pool,
            settings,
            observer,
            origin,
            wanted,
            resolved: RefCell::default(),
            pings: RefCell::default(),
        };
        control.ping_members();
        control
    }

    /// Reads the configuration again, and takes up what is different. Says what that is.
    ///
    /// # Errors
    /// All that is wrong with it. Nothing has changed then.
    pub(crate) fn reload(&self) -> Result<String, Problems> {
        let Loaded { config, warnings } = self.origin.load()?;
        for warning in warnings.lines() {
            tracing::warn!("{warning}");
        }
        let old = self.settings.load_full();
        let (config, fixed) = keep_fixed(config, &old);
        if !fixed.is_empty() {
            tracing::warn!("{} changes with a restart only; it stays as it is", fixed.join(", "));
        }
        let rules = (config.rules() != old.rules()).then(|| config.rules());
        self.observer.set_access_log(config.access_log);
        self.settings.store(Arc::new(config));
        if let Some(rules) = rules {
            self.pool.set_rules(rules);
        }
        Ok(self.take_up())
    }

    /// Reads the configuration again, and writes into the log what came of it.
    fn reload_and_tell(&self) {
        match self.reload() {
            Ok(changes) => tracing::info!("configuration read again: {changes}"),
            Err(problems) => {
                tracing::error!("configuration not taken, everything stays as it is:\n{problems}");
            }
        }
    }

    /// Makes the pool what the configuration, and the names in it, ask for.
    fn take_up(&self) -> String {
        let wanted = wanted(&self.settings.load().members(), &self.resolved.borrow());
        let changes = diff(&self.wanted.borrow(), &wanted);
        let text = describe(&changes);
        self.wanted.replace(wanted);
        self.change(changes);
        text
    }

    /// Changes the members of the pool, or what is said of them.
    pub(crate) fn change(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        self.pool.change(changes, Instant::now());
        self.ping_members();
    }

    /// Whoever belongs to the pool is pinged, and nobody else.
    fn ping_members(&self) {
        let fleet = self.pool.fleet();
        let mut pings = self.pings.borrow_mut();
        pings.retain(|number, ping| {
            let stays = fleet.members.binary_search_by_key(number, |backend| backend.number).is_ok();
            if !stays {
                ping.abort();
            }
            stays
        });
        for backend in &fleet.members {
            pings.entry(backend.number).or_insert_with(|| {
                let (pool, settings) = (Arc::clone(&self.pool), Arc::clone(&self.settings));
                let backend = Arc::clone(backend);
                let pinging = ping::keep_pinging(pool, backend, settings, fastrand::Rng::new());
                tokio::task::spawn_local(pinging).abort_handle()
            });
        }
    }

    /// Reads the configuration again whenever its file changes or a signal asks for it, for ever.
    pub(crate) async fn keep_reloading(&self, mut asked: Signal) -> ! {
        loop {
            tokio::select! {
                _ = asked.recv() => {}
                () = self.origin.changed() => {}
            }
            self.reload_and_tell();
        }
    }

    /// Looks up the names that stand for a backend at each of their addresses, for ever. When there is no answer, the
    /// last good one holds.
    pub(crate) async fn keep_resolving(&self) -> ! {
        loop {
            let names: Vec<_> =
                self.settings.load().backends.iter().filter(|member| member.every_address).cloned().collect();
            for Member { address, .. } in names {
                let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
                let found = found.into_iter().flatten().map(|found| found.ip()).collect();
                remember(&mut self.resolved.borrow_mut(), address, found);
            }
            let changes = self.take_up();
            if changes != UNCHANGED {
                tracing::info!("names stand for other addresses: {changes}");
            }
            tokio::time::sleep(RESOLVE).await;
        }
    }
}

/// What tells a file from what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(file).ok()?;
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), inode })
    }
}

/// Takes in what a name stands for, in an order that does not depend on the server's. Nothing is no answer: the last good
/// one holds then.
fn remember(resolved: &mut HashMap<Address, Vec<IpAddr>>, name: Address, mut found: Vec<IpAddr>) {
    found.sort_unstable();
    found.dedup();
    if !found.is_empty() {
        resolved.insert(name, found);
    }
}

/// The members that a configuration asks for, when names stand for these addresses.
fn wanted(configured: &[Member], resolved: &HashMap<Address, Vec<IpAddr>>) -> Vec<Member> {
    let each = |member: &Member| match resolved.get(&member.address).filter(|_| member.every_address) {
        // Until its name has been looked up for the first time, it is one backend like any other.
        None => vec![member.clone()],
        Some(addresses) => {
            let at = |ip: &IpAddr| Address { host: ip.to_string(), port: member.address.port };
            addresses.iter().map(|ip| Member { address: at(ip), ..member.clone() }).collect()
        }
    };
    let mut members: Vec<Member> = Vec::new();
    for member in configured.iter().flat_map(each) {
        // Two names may have an address in common.
        if members.iter().all(|known| known.address != member.address) {
            members.push(member);
        }
    }
    members
}

/// Keeps what cannot change while the balancer runs, and names what somebody wanted to change of it.
fn keep_fixed(new: Config, old: &Config) -> (Config, Vec<&'static str>) {
    let fixed = [
        ("listen", new.listen != old.listen),
        ("admin", new.admin != old.admin),
        ("name", new.name != old.name),
        ("workers", new.workers != old.workers),
        ("max_connections", new.max_connections != old.max_connections),
        ("seed", new.seed != old.seed),
        ("format", new.log_format != old.log_format),
        ("statistics", new.statistics != old.statistics),
    ];
    let config = Config {
        listen: old.listen,
        admin: old.admin,
        name: old.name.clone(),
        workers: old.workers,
        max_connections: old.max_connections,
        seed: old.seed,
        log_format: old.log_format,
        statistics: old.statistics,
        ..new
    };
    (config, fixed.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect())
}

/// What is said of no changes.
const UNCHANGED: &str = "the backends stay as they are";

/// Changes in words, such as `added http://localhost:3035, removed http://localhost:3031`.
fn describe(changes: &[Change]) -> String {
    if changes.is_empty() {
        return UNCHANGED.to_owned();
    }
    let words: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::Add(member) => format!("added {}", member.address),
            Change::Remove(address) => format!("removed {address}"),
            Change::Say(member) => format!("changed {}", member.address),
        })
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(host: &str) -> Member {
        Member::new(Address { host: host.into(), port: 80 })
    }

    #[test]
    fn a_name_can_stand_for_many_backends() {
        let app = Member { every_address: true, weight: 3, ..member("app") };
        let configured = [member("10.0.0.2"), app.clone(), member("other")];
        let hosts = |resolved: &[(&str, &[&str])]| -> Vec<String> {
            let resolved = resolved.iter().map(|(name, addresses)| {
                let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
                (member(name).address, addresses)
            });
            let members = wanted(&configured, &resolved.collect());
            members.into_iter().map(|member| format!("{} {}", member.address.host, member.weight)).collect()
        };
        assert_eq!(hosts(&[]), ["10.0.0.2 1", "app 3", "other 1"]);
        assert_eq!(
            hosts(&[("app", &["10.0.0.1", "10.0.0.2", "::1"]), ("other", &["10.0.0.9"])]),
            ["10.0.0.2 1", "10.0.0.1 3", "::1 3", "other 1"]
        );
    }

    #[test]
    fn the_last_good_addresses_hold_while_there_is_no_answer() {
        let mut resolved = HashMap::new();
        let mut steps = |found: &[&str]| {
            remember(
                &mut resolved,
                member("app").address,
                found.iter().map(|ip| ip.parse().unwrap()).collect(),
            );
            let app = Member { every_address: true, ..member("app") };
            wanted(&[app], &resolved).into_iter().map(|member| member.address.host).collect::<Vec<_>>()
        };
        assert_eq!(steps(&["10.0.0.2", "10.0.0.1", "10.0.0.2"]), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(steps(&[]), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(steps(&["10.0.0.3"]), ["10.0.0.3"]);
    }

    #[test]
    fn changes_are_told_in_words() {
        assert_eq!(describe(&[]), UNCHANGED);
        let changes =
            [Change::Remove(member("a").address), Change::Add(member("b")), Change::Say(member("c"))];
        assert_eq!(describe(&changes), "removed http://a:80, added http://b:80, changed http://c:80");
    }
}
