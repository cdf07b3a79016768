//! What changes while the balancer serves, and what stays? One place for all that is changed at run time, by the
//! configuration file and by hand.
//!
//! A reload changes what differs between the configuration as it was read last and as it is read now, and nothing else:
//! a backend that somebody drains by hand is not brought back by a new time limit, and a policy that somebody chose by
//! hand stays until the file names another. What is wrong with a configuration is said, and changes nothing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use balance::change::{Change, diff};
use balance::member::{Member, Mode};
use balance::policy::Kind;
use balance::{Address, Rules};
use serde::Serialize;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::config::{Config, Loaded};
use crate::log::{Level, Log};
use crate::observe::Observer;
use crate::ping::{self, Pings};
use crate::pool::{Backend, Pool};
use crate::resolver::Resolver;

mod names;
mod notice;
mod origin;
mod readiness;
mod watch;
mod words;

pub use origin::Origin;
use origin::{News, Read, Reading};
use readiness::{FirstRound, can_pick, not_ready};
use words::{describe, difference, keep_fixed, wanted};

/// How long it may take to read the configuration before somebody who asked for it is told so. `lb ctl` waits for 10 s.
const READ: Duration = Duration::from_secs(8);

/// Whoever may change the balancer. It lives on the control thread, so that changes come one after the other. Each of them
/// is logged and told to whoever reads the events, with who asked for it.
#[derive(Debug)]
pub(crate) struct Control {
    pool: Arc<Pool>,
    settings: Arc<ArcSwap<Config>>,
    observer: Arc<Observer>,
    log: Log,
    /// Reads the configuration again, on a thread of its own.
    reading: Reading,
    /// The backends that the configuration asks for, as far as they were known when it was looked at last.
    wanted: RefCell<Vec<Member>>,
    /// What names stood for when they were looked up last and had an answer.
    resolved: RefCell<HashMap<Address, Vec<IpAddr>>>,
    resolver: Resolver,
    /// Who pings which backend, by number.
    pinging: RefCell<HashMap<usize, AbortHandle>>,
    pings: Rc<Pings>,
    /// Whether the backends have been pinged.
    first_round: Rc<FirstRound>,
    /// Since when is counted, and how many lines of the log had been dropped by then.
    counting: Cell<Instant>,
    dropped_before: Cell<u64>,
}

/// What came of reading the configuration again.
#[derive(Debug, Serialize)]
pub(crate) struct Reloaded {
    /// The settings that are others now, such as `health.ping_interval`.
    changed: Vec<&'static str>,
    /// Those that are to be others, and cannot without a restart.
    after_restart: Vec<&'static str>,
    /// What has become of the backends, in words.
    backends: String,
    /// What is odd about the configuration.
    warnings: Vec<String>,
}

/// Why the configuration was not read again.
#[derive(Debug)]
pub(crate) enum NotReloaded {
    /// It is wrong: all problems, in words.
    Wrong(String),
    /// It could not be read in time.
    Unread(String),
}

impl Control {
    pub(crate) fn new(
        pool: Arc<Pool>,
        settings: Arc<ArcSwap<Config>>,
        observer: Arc<Observer>,
        log: Log,
        reading: Reading,
    ) -> Self {
        let wanted = RefCell::new(settings.load().members());
        let resolver = Resolver::system();
        let first_round = Rc::new(FirstRound::of(&pool.fleet()));
        let control = Self {
            pool,
            settings,
            observer,
            log,
            reading,
            wanted,
            resolved: RefCell::default(),
            pings: Rc::new(Pings::new(resolver.clone())),
            resolver,
            pinging: RefCell::default(),
            first_round,
            counting: Cell::new(Instant::now()),
            dropped_before: Cell::new(0),
        };
        control.ping_members();
        control
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(crate) fn observer(&self) -> &Arc<Observer> {
        &self.observer
    }

    /// The settings in force, but for what was changed by hand.
    pub(crate) fn settings(&self) -> Arc<Config> {
        self.settings.load_full()
    }

    /// The level of the log.
    pub(crate) fn level(&self) -> Level {
        self.log.level()
    }

    /// Lines of the log that were dropped: since the start, and since the last reset.
    pub(crate) fn lines_dropped(&self) -> (u64, u64) {
        let dropped = self.log.lines().dropped();
        (dropped, dropped.saturating_sub(self.dropped_before.get()))
    }

    /// Why requests should go elsewhere; nothing if they are welcome.
    pub(crate) fn not_ready(&self) -> Option<&'static str> {
        let fleet = self.pool.fleet();
        let ends = self.observer.is_leaving() || self.observer.is_draining();
        let can_pick = can_pick(&fleet, self.pool.rules().panic_threshold);
        not_ready(ends, self.first_round.is_over(&fleet), can_pick)
    }

    /// Since when is counted: since the start, or since the last reset.
    pub(crate) fn counting_since(&self) -> Instant {
        self.counting.get()
    }

    /// Has the configuration read again, waits until it is in force, and says what is different.
    ///
    /// # Errors
    /// All that is wrong with it, and nothing has changed; or it cannot be read in time, and nothing has changed so far.
    pub(crate) async fn reload(&self, by: &str) -> Result<Reloaded, NotReloaded> {
        let unread = || {
            let patience = READ.as_secs();
            let why = format!(
                "the configuration could not be read within {patience} s; the log will show the result"
            );
            tracing::error!("{why} (by {by})");
            NotReloaded::Unread(why)
        };
        let told = self.reading.ask(by).map_err(|_| unread())?;
        match tokio::time::timeout(READ, told).await {
            Ok(Ok(taken)) => taken.map_err(NotReloaded::Wrong),
            Ok(Err(_)) | Err(_) => Err(unread()),
        }
    }

    /// Takes up what was read, or says what is wrong with it.
    fn take(&self, news: News) {
        let News { read, by, reply } = news;
        let taken = match read {
            Ok(read) => Ok(self.take_in(*read, &by)),
            Err(problems) => {
                tracing::error!("configuration refused, nothing changes (by {by}):\n{problems}");
                Err(problems)
            }
        };
        if let Some(reply) = reply {
            // Somebody who waits no longer finds it in the log.
            let _ = reply.send(taken);
        }
    }

    /// Takes up what is different, and says what that is.
    fn take_in(&self, read: Read, by: &str) -> Reloaded {
        let Read { loaded: Loaded { config, .. }, mut changed, warnings } = read;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let old = self.settings.load_full();
        let (config, after_restart) = keep_fixed(config, &old);
        if !after_restart.is_empty() {
            tracing::warn!("{} can change only with a restart; the old value stays", after_restart.join(", "));
        }
        changed.retain(|id| !after_restart.contains(id));
        if config.log_level != old.log_level {
            self.log.set_level(config.log_level);
        }
        self.observer.set_access_log(config.access_log);
        let in_force = self.pool.rules();
        let policy = if config.policy == old.policy { in_force.policy } else { config.policy };
        let rules = Rules { policy, ..config.rules() };
        self.settings.store(Arc::new(config));
        if rules != in_force {
            self.pool.set_rules(rules);
        }
        let backends = self.take_up();
        let settings =
            if changed.is_empty() { String::new() } else { format!("changed {}; ", changed.join(", ")) };
        self.observer.intervened(format!("configuration read again: {settings}{backends}"), by);
        Reloaded { changed, after_restart, backends, warnings }
    }

    /// Makes the pool what the configuration, and the names in it, ask for.
    fn take_up(&self) -> String {
        let members = self.settings.load().members();
        // A name that comes back after it was gone may stand for something else by then.
        self.resolved.borrow_mut().retain(|name, _| members.iter().any(|member| member.address == *name));
        let wanted = wanted(&members, &self.resolved.borrow());
        let changes = diff(&self.wanted.borrow(), &wanted);
        let text = describe(&changes);
        self.wanted.replace(wanted);
        self.change(changes);
        text
    }

    /// Changes the members of the pool, or what is said of them.
    fn change(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        // A backend that comes back must answer a ping first, so its first ping does not wait for its turn.
        let back: Vec<_> = changes.iter().filter_map(|change| self.comes_back(change)).collect();
        self.pool.change(changes, Instant::now());
        for number in back {
            self.pinging.borrow_mut().remove(&number).iter().for_each(AbortHandle::abort);
        }
        self.ping_members();
    }

    /// The number of the backend that this change brings back from drain or maintenance.
    fn comes_back(&self, change: &Change) -> Option<usize> {
        let Change::Say(member) = change else { return None };
        let fleet = self.pool.fleet();
        let backend = fleet.members.iter().find(|backend| backend.address == member.address)?;
        (member.mode == Mode::Ready && backend.said().mode != Mode::Ready).then_some(backend.number)
    }

    /// A backend comes; or the one that has been there before, if it is leaving, comes back.
    ///
    /// # Errors
    /// It belongs to the pool already.
    pub(crate) fn add(&self, member: Member, by: &str) -> Result<Arc<Backend>, Arc<Backend>> {
        let address = member.address.clone();
        let find = || self.pool.backends().into_iter().find(|backend| backend.address == address);
        if let Some(known) = find().filter(|known| !known.is_leaving()) {
            return Err(known);
        }
        self.change(vec![Change::Add(member)]);
        let backend = find().expect("this thread alone changes the pool, and has just added it");
        self.observer.intervened(format!("backend {} added: {address}", backend.number), by);
        Ok(backend)
    }

    /// Something else is said of a backend.
    pub(crate) fn say(&self, backend: &Backend, member: Member, by: &str) {
        let difference = difference(&backend.said(), &member);
        if !difference.is_empty() {
            self.change(vec![Change::Say(member)]);
            self.observer.intervened(format!("backend {} changed: {difference}", backend.number), by);
        }
    }

    /// A backend goes. It finishes what it has.
    pub(crate) fn remove(&self, backend: &Backend, by: &str) {
        self.change(vec![Change::Remove(backend.address.clone())]);
        self.observer.intervened(format!("backend {} removed: {}", backend.number, backend.address), by);
    }

    /// Backends are picked in another way. What is in flight stays where it is.
    pub(crate) fn set_policy(&self, policy: Kind, by: &str) {
        let rules = self.pool.rules();
        if rules.policy != policy {
            self.pool.set_rules(Rules { policy, ..rules });
            self.observer.intervened(format!("policy {} -> {policy}", rules.policy), by);
        }
    }

    /// Another level of the log.
    pub(crate) fn set_level(&self, level: Level, by: &str) {
        let before = self.log.level();
        if before != level {
            self.log.set_level(level);
            self.observer.intervened(format!("log level {before} -> {level}"), by);
        }
    }

    /// The state counts from zero. Metrics go on: whoever collects them takes a smaller number for a restart.
    pub(crate) fn reset_statistics(&self, by: &str) {
        let now = Instant::now();
        self.observer.totals.reset();
        self.pool.backends().iter().for_each(|backend| backend.own.stats.reset(now));
        self.counting.set(now);
        self.dropped_before.set(self.log.lines().dropped());
        self.observer.intervened("statistics reset".to_owned(), by);
    }

    /// Whoever belongs to the pool is pinged, and nobody else.
    fn ping_members(&self) {
        let fleet = self.pool.fleet();
        let mut pinging = self.pinging.borrow_mut();
        pinging.retain(|number, ping| {
            let stays = fleet.members.binary_search_by_key(number, |backend| backend.number).is_ok();
            if !stays {
                ping.abort();
            }
            stays
        });
        for backend in &fleet.members {
            pinging.entry(backend.number).or_insert_with(|| {
                let (pool, settings) = (Arc::clone(&self.pool), Arc::clone(&self.settings));
                let (backend, pings) = (Arc::clone(backend), Rc::clone(&self.pings));
                let (first_round, number) = (Rc::clone(&self.first_round), backend.number);
                let pinged = move || first_round.pinged(number);
                let pinging =
                    ping::keep_pinging(pool, backend, settings, pings, fastrand::Rng::new(), pinged);
                tokio::task::spawn_local(pinging).abort_handle()
            });
        }
    }

    /// Takes up the configuration whenever it was read again, in the order in which it was, until the balancer ends.
    pub(crate) async fn keep_reloading(&self, mut news: mpsc::UnboundedReceiver<News>) {
        while let Some(news) = news.recv().await {
            self.take(news);
        }
    }

    /// Has the configuration read again whenever a signal asks for it, until the balancer ends.
    pub(crate) async fn heed_signals(&self, mut asked: Signal) {
        while asked.recv().await.is_some() {
            // What is wrong with it is in the log.
            let _ = self.reload("signal").await;
        }
    }

    /// Has the log file opened anew whenever a signal asks for it. Another signal, which many servers know, changes
    /// nothing here.
    pub(crate) async fn keep_reopening(&self, mut reopen: Signal, mut other: Signal) -> ! {
        loop {
            tokio::select! {
                _ = reopen.recv() => self.reopen_log().await,
                _ = other.recv() => tracing::info!("SIGUSR2 is ignored"),
            }
        }
    }

    async fn reopen_log(&self) {
        let Some(file) = self.log.file() else {
            tracing::info!("SIGUSR1: there is no log file to reopen; lines go to standard error");
            return;
        };
        match self.log.reopen().await {
            Ok(Ok(())) => {
                self.observer.intervened(format!("log file reopened: {}", file.display()), "signal");
            }
            Ok(Err(error)) => {
                tracing::error!("cannot reopen the log file, and the old one stays in use: {error}");
            }
            // Another signal has asked for the same since.
            Err(_) => {}
        }
    }
}
