//! The pool: which backends belong to it, which are alive, and which one gets the next request.
//!
//! Observations of a backend come in as [`Evidence`], and changes of state go out as a [`Transition`]. The
//! caller publishes them: this crate writes no log.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::Moment;
use crate::backend::{Backend, Peer};
use crate::budget::Budget;
use crate::change::{Change, effective};
use crate::fleet::{Fleet, LevelPolicies};
use crate::health::{Evidence, Health};
use crate::member::{Member, Mode};
use crate::outlier;
use crate::policy::Request;
use crate::roster::Roster;
use crate::rules::{InForce, Rules};
use crate::state::{Cause, State};

/// A backend's change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "the caller publishes what has changed"]
pub struct Transition {
    /// The backend's number.
    pub backend: usize,
    /// The state before.
    pub from: State,
    /// The state after the change.
    pub to: State,
    /// The reason.
    pub cause: Cause,
}

/// The backends behind one address, and their rules. `X` is the caller's data for each backend.
#[derive(Debug)]
pub struct ServerPool<X = ()> {
    /// The view that picks read. A change (rare) publishes a new view; a pick (frequent) reads the present
    /// view without a lock.
    fleet: ArcSwap<Fleet<X>>,
    rules: InForce,
    /// Serialises changes and the publishing of views, so that the view published last shows the latest
    /// state.
    roster: Mutex<Roster<X>>,
    budget: Mutex<Budget>,
    /// First picks of backends that were removed.
    forgotten_picks: AtomicU64,
    own: fn(&Member, Moment) -> X,
}

impl<X> ServerPool<X> {
    /// A pool of backends, which all count as up until the first evidence. `own` makes the data that the
    /// pool's user keeps for a backend.
    pub fn new(members: Vec<Member>, rules: Rules, own: fn(&Member, Moment) -> X, now: Moment) -> Self {
        let pool = Self {
            fleet: ArcSwap::from_pointee(Fleet::of(Vec::new(), Vec::new(), &rules, |_| {
                Arc::new(LevelPolicies::new(&rules))
            })),
            rules: InForce::new(rules),
            roster: Mutex::new(Roster::empty()),
            budget: Mutex::default(),
            forgotten_picks: AtomicU64::new(0),
            own,
        };
        {
            let mut roster = pool.lock();
            for member in members {
                roster.add(member, own, now);
            }
            pool.publish(&mut roster);
        }
        pool
    }

    /// The present view of the pool.
    pub fn fleet(&self) -> Arc<Fleet<X>> {
        self.fleet.load_full()
    }

    /// All backends by number: in any state and mode, including removed ones that still have requests.
    pub fn backends(&self) -> Vec<Arc<Peer<X>>> {
        self.fleet.load().backends()
    }

    /// The rules in force.
    pub fn rules(&self) -> Rules {
        self.rules.now()
    }

    /// Whether the present policy picks by a key.
    pub fn wants_key(&self) -> bool {
        self.rules.wants_key()
    }

    /// Whether the present policy uses what backends report of their load. Reports are read only then.
    pub fn wants_reports(&self) -> bool {
        self.rules.wants_reports()
    }

    /// The number of waiting requests from which on the rule of silence counts:
    /// [`crate::silence::Rule::waiting`].
    pub fn enough_waiting(&self) -> u32 {
        self.rules.enough_waiting()
    }

    /// The backend for the next request, among the candidates that are not in `tried` (numbers), or the
    /// backend that the cookie names (`sticky`, a [`Backend::id`]). `None` if there is no such backend.
    ///
    /// The Go balancer from which Roundabout started calls this function `GetNextPeer`.
    pub fn next_backend(
        &self,
        tried: &[usize],
        sticky: Option<u64>,
        request: &mut Request<'_>,
    ) -> Option<Arc<Peer<X>>> {
        let chosen = self.fleet.load().next_backend(tried, sticky, request);
        self.count_pick(tried, chosen.as_deref());
        chosen
    }

    /// The budget of retries is a share of the requests, so the pool counts them while there is a budget.
    pub(crate) fn count_pick(&self, tried: &[usize], chosen: Option<&Peer<X>>) {
        if tried.is_empty()
            && self.rules.has_budget()
            && let Some(backend) = chosen
        {
            backend.load.count_pick();
        }
    }

    /// Whether another backend is up and in mode ready: not this one, and none of `tried` (numbers).
    pub fn has_other(&self, tried: &[usize], than: &Backend) -> bool {
        self.fleet.load().members.iter().any(|other| {
            let is_new = other.number != than.number && !tried.contains(&other.number);
            let spec = other.spec();
            is_new && other.is(State::Up) && spec.mode == Mode::Ready && spec.weight > 0
        })
    }

    /// The evidence at the end of a ping or a question. If the backend itself sent something, this counts as
    /// a sign of life as well.
    pub fn pinged(&self, backend: &Backend, evidence: Evidence, now: Moment) -> Option<Transition> {
        if matches!(evidence, Evidence::Answered | Evidence::NotHttp(_)) {
            backend.answered_question(evidence == Evidence::Answered, now);
        }
        self.learn(backend, evidence, now)
    }

    /// Takes in an observation of a backend. When this returns, the view that picks read shows the change of
    /// state. A backend that has left the pool has no state any more.
    pub fn learn(&self, backend: &Backend, evidence: Evidence, now: Moment) -> Option<Transition> {
        let mut roster = self.lock();
        self.learn_with(&mut roster, backend, evidence, now)
    }

    fn learn_with(
        &self,
        roster: &mut Roster<X>,
        backend: &Backend,
        evidence: Evidence,
        now: Moment,
    ) -> Option<Transition> {
        // A late observation of a backend that has left: its number may belong to another backend by now.
        if !roster.has(backend) {
            return None;
        }
        let rules = self.rules();
        let change = backend.with_health(|health| health.step(now, evidence, rules.thresholds))?;
        if change.to == State::Up {
            backend.comes_up(change.from);
            if change.from == State::Down && rules.slow_start > Duration::ZERO {
                backend.load.begin_warming(now);
            }
        }
        self.publish_state(roster);
        Some(Transition { backend: backend.number, from: change.from, to: change.to, cause: change.cause })
    }

    /// The backend has given an answer, or failed to: `is_error` says that this is its own fault. Too many
    /// errors in a row make the backend an outlier: then this returns the reason for [`ServerPool::eject`].
    #[must_use]
    pub fn count_result(&self, backend: &Backend, is_error: bool) -> Option<String> {
        if !self.rules.ejects() {
            return None;
        }
        let in_a_row = backend.traffic.count_answer(is_error);
        let allowed = self.rules().outlier.consecutive_errors;
        (allowed > 0 && in_a_row >= allowed).then(|| match in_a_row {
            1 => "1 error".to_owned(),
            n => format!("{n} errors in a row"),
        })
    }

    /// A try at the backend failed, and the client may not be to blame. The failure counts as an error, at
    /// most once in a moment, and as a slow answer. [`ServerPool::apply_verdict`] handles what the failure
    /// means for the backend's health. The result is that of [`ServerPool::count_result`].
    #[must_use]
    pub fn count_failure(&self, backend: &Backend, now: Moment) -> Option<String> {
        if backend.learn_failure(now) { self.count_result(backend, true) } else { None }
    }

    /// Ejects an outlier for this reason, if the rule allows one more ejection and another backend of the
    /// level remains.
    pub fn eject(&self, backend: &Backend, why: String, now: Moment) -> Option<Transition> {
        let mut roster = self.lock();
        self.eject_with(&mut roster, backend, why, now)
    }

    fn eject_with(
        &self,
        roster: &mut Roster<X>,
        backend: &Backend,
        why: String,
        now: Moment,
    ) -> Option<Transition> {
        let rule = self.rules().outlier;
        let level = |backend: &Backend| (backend.spec().backup, backend.spec().priority);
        let out = roster.members.iter().filter(|backend| backend.is(State::Ejected)).count();
        let in_level = roster.members.iter().filter(|other| level(other) == level(backend));
        let up = in_level.filter(|other| other.is(State::Up)).count();
        if !backend.is(State::Up) || up < 2 || !rule.allows(out, roster.members.len()) {
            return None;
        }
        let lasts = rule.lasts(backend.health().ejections() + 1);
        let why = format!("{why}: ejected for {} s", lasts.as_secs_f64());
        self.learn_with(roster, backend, Evidence::Outlier(why.into(), lasts), now)
    }

    /// Handles the passing of time: ejections end, success rates are compared, and removed backends without
    /// requests are forgotten. The caller calls this several times a second.
    pub fn pass_time(&self, now: Moment) -> Vec<Transition> {
        let rules = self.rules();
        let mut roster = self.lock();
        let over: Vec<_> =
            roster.members.iter().filter(|backend| backend.is(State::Ejected)).map(Arc::clone).collect();
        let mut changed: Vec<_> = over
            .iter()
            .filter_map(|backend| self.learn_with(&mut roster, backend, Evidence::TimePassed, now))
            .collect();
        let compared = *roster.compared.get_or_insert(now);
        if rules.outlier.is_on() && now.since(compared) >= rules.outlier.interval {
            roster.compared = Some(now);
            changed.extend(self.compare(&mut roster, rules.outlier, now));
        }
        if roster.leaving.iter().any(|backend| backend.in_flight() == 0) {
            let (gone, leaving) = std::mem::take(&mut roster.leaving)
                .into_iter()
                .partition::<Vec<_>, _>(|backend| backend.in_flight() == 0);
            roster.leaving = leaving;
            for backend in gone {
                self.forgotten_picks.fetch_add(backend.load.picks(), Relaxed);
                roster.forget(&backend.address);
            }
            self.publish(&mut roster);
        }
        drop(roster);
        if rules.retry_budget.is_some() {
            self.budget().pass(now, || self.requests());
        }
        changed
    }

    /// Compares success rates, and forgives one ejection of each backend without errors.
    fn compare(&self, roster: &mut Roster<X>, rule: outlier::Rule, now: Moment) -> Vec<Transition> {
        let members = roster.members.clone();
        let counts: Vec<_> = members.iter().map(|backend| backend.traffic.take_success_counts()).collect();
        for (backend, _) in members.iter().zip(&counts).filter(|(_, counts)| counts.errors == 0) {
            if backend.is(State::Up) {
                backend.with_health(Health::forgive);
            }
        }
        if !rule.success_rate {
            return Vec::new();
        }
        let eject = |index: usize| {
            let outlier::SuccessCounts { answers, errors } = counts[index];
            let why = format!("{errors} errors in {answers} answers, far more than the others");
            self.eject_with(roster, &members[index], why, now)
        };
        outlier::unsuccessful(&counts).into_iter().filter_map(eject).collect()
    }

    /// Whether the budget of retries allows another one.
    pub fn may_retry(&self, now: Moment) -> bool {
        let left = |rule| self.budget().left(now, self.requests(), rule);
        self.rules().retry_budget.is_none_or(|rule| left(rule) > 0)
    }

    /// Takes a retry out of the budget.
    pub fn withdraw_retry(&self, now: Moment) {
        if let Some(rule) = self.rules().retry_budget {
            self.budget().withdraw(now, self.requests(), rule);
        }
    }

    /// Requests that were given to a backend while there was a budget. Each backend has its own count, so
    /// that no count is shared by all requests; their sum needs no copy of the list.
    fn requests(&self) -> u64 {
        let fleet = self.fleet.load();
        let all = fleet.members.iter().chain(&fleet.leaving);
        let picks: u64 = all.map(|backend| backend.load.picks()).sum();
        picks + self.forgotten_picks.load(Relaxed)
    }

    /// The present settings of the members.
    pub fn specs(&self) -> Vec<Member> {
        self.fleet.load().members.iter().map(|backend| Member::clone(&backend.spec())).collect()
    }

    /// Adds and removes members and replaces their settings, all at once. A change without an effect on the
    /// present members is ignored: see [`effective`].
    pub fn change(&self, changes: Vec<Change>, now: Moment) -> Vec<Transition> {
        let mut roster = self.lock();
        let mut changed = Vec::new();
        for change in changes {
            let present: Vec<_> = roster.spec_of(change.address()).into_iter().collect();
            let effects = effective(vec![change], &present);
            changed.extend(effects.into_iter().filter_map(|it| self.change_one(&mut roster, it, now)));
        }
        self.publish(&mut roster);
        changed
    }

    fn change_one(&self, roster: &mut Roster<X>, change: Change, now: Moment) -> Option<Transition> {
        match change {
            Change::Add(member) => {
                let backend = roster.add(member, self.own, now);
                let cause = "it is new, and has not answered its first ping yet";
                self.learn_with(roster, &backend, Evidence::Returned(cause.into()), now)
            }
            Change::Update(update) => {
                let index = roster.index_of(&update.address).ok()?;
                let backend = Arc::clone(&roster.members[index]);
                let member = update.applied_to(&backend.spec());
                let before = backend.spec().mode;
                let returns = before != Mode::Ready && member.mode == Mode::Ready;
                backend.set_spec(member);
                // The backend may have been restarted meanwhile, so earlier observations mean nothing now.
                let cause = || format!("it is back from {before}, and has not answered its first ping yet");
                returns
                    .then(|| self.learn_with(roster, &backend, Evidence::Returned(cause().into()), now))
                    .flatten()
            }
            Change::Remove(address) => {
                let index = roster.index_of(&address).ok()?;
                let backend = roster.members.remove(index);
                backend.set_leaving(true);
                roster.leaving.push(backend);
                None
            }
        }
    }

    /// Replaces the rules. A new policy finds all counts and latencies that the previous policy used.
    pub fn set_rules(&self, rules: Rules) {
        let mut roster = self.lock();
        let before = self.rules();
        self.rules.set(rules);
        if rules.of_policies() != before.of_policies() {
            roster.policies.clear();
            roster.members.iter().chain(&roster.leaving).for_each(|backend| backend.watch(None));
        }
        self.publish(&mut roster);
    }

    /// Publishes a view of the present members.
    fn publish(&self, roster: &mut Roster<X>) {
        let rules = self.rules();
        let (members, leaving) = (roster.members.clone(), roster.leaving.clone());
        let fleet = Fleet::of(members, leaving, &rules, |rank| roster.policies_of(rank, &rules));
        self.fleet.store(Arc::new(fleet));
    }

    /// Publishes a view of the members that were published last, with their present states.
    fn publish_state(&self, roster: &mut Roster<X>) {
        let rules = self.rules();
        let before = self.fleet.load_full();
        let fleet = before.after_change(&rules, |rank| roster.policies_of(rank, &rules));
        self.fleet.store(Arc::new(fleet));
    }

    fn lock(&self) -> MutexGuard<'_, Roster<X>> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
pub(crate) mod tests;

#[cfg(test)]
#[path = "pool_outlier_tests.rs"]
mod outlier_tests;

#[cfg(test)]
#[path = "pool_numbers_tests.rs"]
mod numbers_tests;
