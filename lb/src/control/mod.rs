//! One place for all changes at run time, by the configuration file and by hand.
//!
//! A reload changes what differs between the previous and the new configuration, and nothing else. For
//! example, if a user drains a backend by hand, a new time limit in the file does not bring the backend back;
//! and a policy that was chosen by hand stays until the policy in the file changes. A configuration with
//! errors is reported, and changes nothing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Reloaded, words};
use arc_swap::ArcSwap;
use balance::change::{Change, Update, diff, effective};
use balance::member::{Member, Mode};
use balance::policy::Kind;
use balance::{Address, Rules};
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::clock;
use crate::config::{Config, Loaded};
use crate::log::{Level, Log};
use crate::observe::Observer;
use crate::ping::{self, Pings};
use crate::pool::{Backend, Pool};
use crate::proxy::settings::Settings;
use crate::resolver::Resolver;

mod names;
mod notice;
mod origin;
mod plan;
mod readiness;
mod watch;

pub use origin::Origin;
use origin::{News, Read, Reading};
use plan::{describe, difference, keep_fixed, told_change, wanted};
use readiness::{FirstRound, can_pick, not_ready};

/// Time after which a request to read the configuration gets an error if reading has not ended. `lb ctl`
/// waits for 10 s.
const READ: Duration = Duration::from_secs(8);

/// Makes the changes. It lives on the control thread, so that changes happen one after the other. Each change
/// is logged and sent to the readers of events, with its origin.
#[derive(Debug)]
pub(crate) struct Control {
    pool: Arc<Pool>,
    settings: Arc<ArcSwap<Config>>,
    /// The part of the settings that the workers use.
    proxy_settings: Arc<ArcSwap<Settings>>,
    observer: Arc<Observer>,
    log: Log,
    /// Reads the configuration again, on a separate thread.
    reading: Reading,
    /// The backends in the configuration, as far as they were known at the last look.
    wanted: RefCell<Vec<Member>>,
    /// The addresses of names at the last look-up with an answer.
    resolved: RefCell<HashMap<Address, Vec<IpAddr>>>,
    resolver: Resolver,
    /// The tasks that ping the backends, by number.
    pinging: RefCell<HashMap<usize, AbortHandle>>,
    pings: Rc<Pings>,
    /// Whether all backends have been pinged once.
    first_round: Rc<FirstRound>,
    /// Start of the counts, and the number of log lines that had been dropped by then.
    counting: Cell<Instant>,
    dropped_before: Cell<u64>,
}

/// The reason why the configuration was not read again.
#[derive(Debug)]
pub(crate) enum NotReloaded {
    /// It has errors: all of them, in words.
    Wrong(String),
    /// It could not be read in time.
    Unread(String),
}

impl Control {
    pub(crate) fn new(
        pool: Arc<Pool>,
        (settings, proxy_settings): (Arc<ArcSwap<Config>>, Arc<ArcSwap<Settings>>),
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
            proxy_settings,
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

    /// Something was changed, by this origin: logs it, and tells the readers of events. `change` says the
    /// same for programs.
    fn intervened(&self, what: String, change: Option<api::Change>, by: &str) {
        self.observer.intervened(clock::now().as_micros(), what, change, by);
    }

    pub(crate) fn observer(&self) -> &Arc<Observer> {
        &self.observer
    }

    /// The present settings, except for changes by hand.
    pub(crate) fn settings(&self) -> Arc<Config> {
        self.settings.load_full()
    }

    /// The level of the log.
    pub(crate) fn level(&self) -> Level {
        self.log.level()
    }

    /// Log lines that were dropped: since the start, and since the last reset.
    pub(crate) fn lines_dropped(&self) -> (u64, u64) {
        let dropped = self.log.lines().dropped();
        (dropped, dropped.saturating_sub(self.dropped_before.get()))
    }

    /// The reason why the balancer wants no requests; `None` if it wants them.
    pub(crate) fn not_ready(&self) -> Option<&'static str> {
        let fleet = self.pool.fleet();
        let ends = self.observer.is_leaving() || self.observer.is_draining();
        let can_pick = can_pick(&fleet, self.pool.rules().panic_threshold);
        not_ready(ends, self.first_round.is_over(&fleet), can_pick)
    }

    /// Start of the counts: the start of the balancer, or the last reset.
    pub(crate) fn counting_since(&self) -> Instant {
        self.counting.get()
    }

    /// Reads the configuration again, waits until it is valid, and returns the changes.
    ///
    /// # Errors
    /// All errors in the configuration, and nothing has changed; or it cannot be read in time, and nothing
    /// has changed yet.
    pub(crate) async fn reload(&self, by: &str) -> Result<Reloaded, NotReloaded> {
        let unread = || {
            let timeout = READ.as_secs();
            let why = format!(
                "the configuration could not be read within {timeout} s; the log will show the result"
            );
            tracing::error!("{why} (by {by})");
            NotReloaded::Unread(why)
        };
        let told = self.reading.ask(by).map_err(|_| unread())?;
        match tokio::time::timeout(READ, told).await {
            Ok(Ok(applied)) => applied.map_err(NotReloaded::Wrong),
            Ok(Err(_)) | Err(_) => Err(unread()),
        }
    }

    /// Applies a configuration that was read, or reports its errors.
    fn apply_or_reject(&self, news: News) {
        let News { read, by, reply } = news;
        let applied = match read {
            Ok(read) => Ok(self.apply(*read, &by)),
            Err(problems) => {
                tracing::error!("configuration refused, nothing changes (by {by}):\n{problems}");
                Err(problems)
            }
        };
        if let Some(reply) = reply {
            // If the client no longer waits, the result is in the log.
            let _ = reply.send(applied);
        }
    }

    /// Applies the differences, and returns them.
    fn apply(&self, read: Read, by: &str) -> Reloaded {
        let Read { loaded: Loaded { config, .. }, mut changed, warnings } = read;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let old = self.settings.load_full();
        let (config, after_restart) = keep_fixed(config, &old);
        if !after_restart.is_empty() {
            tracing::warn!(
                "{} can change only with a restart; the old value stays",
                after_restart.join(", ")
            );
        }
        changed.retain(|id| !after_restart.contains(id));
        if config.log_level != old.log_level {
            self.log.set_level(config.log_level);
        }
        self.observer.set_access_log(config.access_log);
        let in_force = self.pool.rules();
        let policy = if config.policy == old.policy { in_force.policy } else { config.policy };
        let rules = Rules { policy, ..config.rules() };
        self.proxy_settings.store(Arc::clone(&config.proxy));
        self.settings.store(Arc::new(config));
        if rules != in_force {
            self.pool.set_rules(rules);
        }
        let backends = self.apply_members();
        let settings =
            if changed.is_empty() { String::new() } else { format!("changed {}; ", changed.join(", ")) };
        let change =
            (policy != in_force.policy).then(|| api::Change::Policy { policy: policy.name().into() });
        self.intervened(format!("configuration read again: {settings}{backends}"), change, by);
        Reloaded { changed: words(changed), after_restart: words(after_restart), backends, warnings }
    }

    /// Changes the pool to the backends that the configuration and its names give.
    fn apply_members(&self) -> String {
        let members = self.settings.load().members();
        // A name that is removed and added again may have other addresses by then.
        self.resolved.borrow_mut().retain(|name, _| members.iter().any(|member| member.address == *name));
        let wanted = wanted(&members, &self.resolved.borrow());
        let changes = effective(diff(&self.wanted.borrow(), &wanted), &self.pool.specs());
        let text = describe(&changes);
        self.wanted.replace(wanted);
        self.change(changes);
        text
    }

    /// Changes the members of the pool, or their settings.
    fn change(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        // A backend that comes back must answer a ping first, so its first ping is sent without delay.
        let back: Vec<_> = changes.iter().filter_map(|change| self.comes_back(change)).collect();
        self.pool.change(changes, clock::now());
        for number in back {
            self.pinging.borrow_mut().remove(&number).iter().for_each(AbortHandle::abort);
        }
        self.ping_members();
    }

    /// The number of the backend that this change brings back from drain or maintenance.
    fn comes_back(&self, change: &Change) -> Option<usize> {
        let Change::Update(update) = change else { return None };
        let fleet = self.pool.fleet();
        let backend = fleet.members.iter().find(|backend| backend.address == update.address)?;
        (update.mode == Some(Mode::Ready) && backend.spec().mode != Mode::Ready).then_some(backend.number)
    }

    /// Adds a backend. If the same one is leaving, it comes back.
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
        let backend = find().expect("only this thread changes the pool, and it has just added the backend");
        let (number, url) = (backend.number, address.to_string());
        let what = format!("backend {number} added: {url}");
        self.intervened(what, Some(api::Change::Added { backend: number, url }), by);
        Ok(backend)
    }

    /// Changes the settings of a backend.
    pub(crate) fn update(&self, backend: &Backend, member: Member, by: &str) {
        let before = backend.spec();
        let difference = difference(&before, &member);
        if !difference.is_empty() {
            self.change(vec![Change::Update(Update::between(&before, &member))]);
            let what = format!("backend {} changed: {difference}", backend.number);
            self.intervened(what, told_change(backend.number, &before, &member), by);
        }
    }

    /// Removes a backend, which finishes its requests.
    pub(crate) fn remove(&self, backend: &Backend, by: &str) {
        self.change(vec![Change::Remove(backend.address.clone())]);
        let what = format!("backend {} removed: {}", backend.number, backend.address);
        self.intervened(what, Some(api::Change::Removed { backend: backend.number }), by);
    }

    /// Changes the policy. Requests in flight stay at their backends.
    pub(crate) fn set_policy(&self, policy: Kind, by: &str) {
        let rules = self.pool.rules();
        if rules.policy != policy {
            self.pool.set_rules(Rules { policy, ..rules });
            let change = api::Change::Policy { policy: policy.name().into() };
            self.intervened(format!("policy {} -> {policy}", rules.policy), Some(change), by);
        }
    }

    /// Changes the level of the log.
    pub(crate) fn set_level(&self, level: Level, by: &str) {
        let before = self.log.level();
        if before != level {
            self.log.set_level(level);
            self.intervened(format!("log level {before} -> {level}"), None, by);
        }
    }

    /// Sets the counts of the state to zero. The metrics continue, because collectors take a smaller number
    /// as a restart.
    pub(crate) fn reset_statistics(&self, by: &str) {
        let now = Instant::now();
        self.observer.totals.reset();
        self.pool.backends().iter().for_each(|backend| backend.own.stats.reset(now));
        self.counting.set(now);
        self.dropped_before.set(self.log.lines().dropped());
        self.intervened("statistics reset".to_owned(), None, by);
    }

    /// Pings all members of the pool, and no other backends.
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
                let (first_round, id) = (Rc::clone(&self.first_round), backend.id);
                let pinged = move || first_round.pinged(id);
                let pinging =
                    ping::keep_pinging(pool, backend, settings, pings, fastrand::Rng::new(), pinged);
                tokio::task::spawn_local(pinging).abort_handle()
            });
        }
    }

    /// Applies each configuration that was read, in order, until the balancer ends.
    pub(crate) async fn keep_reloading(&self, mut news: mpsc::UnboundedReceiver<News>) {
        while let Some(news) = news.recv().await {
            self.apply_or_reject(news);
        }
    }

    /// Reads the configuration again at each signal, until the balancer ends.
    pub(crate) async fn heed_signals(&self, mut asked: Signal) {
        while asked.recv().await.is_some() {
            // Errors are in the log.
            let _ = self.reload("signal").await;
        }
    }

    /// Opens the log file again at each signal. The other signal, which many servers know, changes nothing
    /// here.
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
                self.intervened(format!("log file reopened: {}", file.display()), None, "signal");
            }
            Ok(Err(error)) => {
                tracing::error!("cannot reopen the log file, and the old one stays in use: {error}");
            }
            // Another signal has asked for the same since.
            Err(_) => {}
        }
    }
}
