//! Who gets the next request? The backends, which of them are alive, and whose turn it is.
//!
//! Nothing in this folder does I/O, reads a clock or draws a random number: what time it is, and what was
//! seen of a backend, come in as arguments. So every decision here is tested by tables, without a socket.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

mod backend;
pub mod budget;
pub mod change;
mod explain;
mod fleet;
pub mod health;
pub mod latency;
pub mod levels;
mod load;
pub mod member;
pub mod outlier;
pub mod policy;
pub mod questions;
pub mod ranking;
pub mod resolved;
mod rules;
pub mod silence;
mod traffic;

pub use backend::{Address, Backend};
use change::Change;
pub use fleet::Fleet;
use fleet::{Rank, Turns};
use health::{Evidence, State};
pub use load::InFlight;
use member::{Member, Mode};
use policy::Request;
pub use questions::{Lesson, Reply};
use rules::InForce;
pub use rules::Rules;
pub use traffic::Waiting;

use crate::observe::{Observer, StateChange};

/// The backends behind one address, and the rules by which they share the requests.
#[derive(Debug)]
pub struct ServerPool {
    /// What picks read. A change (rare) publishes a new view; a pick (hot) reads the one it finds without taking a lock.
    fleet: ArcSwap<Fleet>,
    rules: InForce,
    /// Serialises changes with the publishing of views, so that the view published last is the one that shows
    /// everything as it is last.
    roster: Mutex<Roster>,
    budget: Mutex<budget::Budget>,
    epoch: Instant,
    observer: Arc<Observer>,
}

/// Who belongs to the pool.
#[derive(Debug, Default)]
struct Roster {
    members: Vec<Arc<Backend>>,
    leaving: Vec<Arc<Backend>>,
    /// The numbers of all addresses there ever were.
    numbers: HashMap<Address, usize>,
    /// Whose turn it is in each level.
    turns: BTreeMap<Rank, Arc<Turns>>,
    /// When success rates were compared last.
    compared: Option<Instant>,
}

impl ServerPool {
    /// A pool of backends, all taken to be up until something is known of them.
    pub fn new(members: Vec<Member>, rules: Rules, observer: Arc<Observer>, now: Instant) -> Self {
        let pool = Self {
            fleet: ArcSwap::from_pointee(Fleet::of(Vec::new(), Vec::new(), &rules, |_| {
                Arc::new(Turns::new(rules.policy, rules.load_factor))
            })),
            rules: InForce::new(rules),
            roster: Mutex::default(),
            budget: Mutex::default(),
            epoch: now,
            observer,
        };
        {
            let mut roster = pool.lock();
            for member in members {
                roster.add(member, now, now);
            }
            pool.publish(&mut roster);
        }
        pool
    }

    /// The pool as it is now.
    pub fn fleet(&self) -> Arc<Fleet> {
        self.fleet.load_full()
    }

    /// All backends, dead or alive, wanted or leaving, by number.
    pub fn backends(&self) -> Vec<Arc<Backend>> {
        self.fleet.load().backends()
    }

    /// The rules in force.
    pub fn rules(&self) -> Rules {
        self.rules.now()
    }

    /// Whether the policy in force picks by a key.
    pub fn wants_key(&self) -> bool {
        self.rules.wants_key()
    }

    /// How many requests must wait for silence to be looked into: [`silence::Rule::waiting`].
    pub fn enough_waiting(&self) -> u32 {
        self.rules.enough_waiting()
    }

    /// The backend whose turn it is, among those that may be picked and that this request has not `tried` (numbers);
    /// or the one it belongs to (`sticky`, a [`Backend::id`]). `None` when there is no such backend.
    pub fn next_peer(
        &self,
        tried: &[usize],
        sticky: Option<u64>,
        request: &mut Request<'_>,
    ) -> Option<Arc<Backend>> {
        self.fleet.load().next_peer(tried, sticky, request)
    }

    /// Whether a backend is up and wanted, other than this one and those that are `tried` (numbers).
    pub fn has_other(&self, tried: &[usize], than: &Backend) -> bool {
        self.fleet.load().members.iter().any(|other| {
            let is_new = other.number != than.number && !tried.contains(&other.number);
            let said = other.said();
            is_new && other.is(State::Up) && said.mode == Mode::Ready && said.weight > 0
        })
    }

    /// A ping or a question has ended with this. What the backend says itself counts as a word from it as well.
    pub fn pinged(&self, backend: &Backend, evidence: Evidence, now: Instant) {
        if matches!(evidence, Evidence::Answered | Evidence::NotHttp(_)) {
            backend.answered_question(evidence == Evidence::Answered, now);
        }
        self.learn(backend, evidence, now);
    }

    /// Takes in what was seen of a backend. A change of state is published to all workers and reported once.
    pub fn learn(&self, backend: &Backend, evidence: Evidence, now: Instant) {
        let mut roster = self.lock();
        self.learn_with(&mut roster, backend, evidence, now);
    }

    fn learn_with(&self, roster: &mut Roster, backend: &Backend, evidence: Evidence, now: Instant) {
        let rules = self.rules();
        let change = backend.with_health(|health| health.step(now, evidence, rules.thresholds));
        if let Some(change) = change {
            if change.to == State::Up {
                backend.begin_anew();
                if change.from == State::Down && rules.slow_start > Duration::ZERO {
                    backend.begin_warming(now);
                }
            }
            self.publish(roster);
            backend.stats.state_changed(change.to.name(), now);
            self.observer.state_changed(StateChange::new(
                backend.number,
                change.from.name(),
                change.to.name(),
                change.cause,
            ));
        }
    }

    /// A byte came from the backend: an answer, or more of one. That it speaks at all is news of a suspect only; what
    /// it says may still break off.
    pub fn heard(&self, backend: &Backend, now: Instant) {
        backend.heard(now);
        if backend.is(State::Suspect) {
            self.learn(backend, Evidence::Answered, now);
        }
    }

    /// The backend has given a whole answer. The clock is read only if that changes anything.
    pub fn answered(&self, backend: &Backend, now: impl FnOnce() -> Instant) {
        if backend.answer_matters() {
            self.learn(backend, Evidence::Answered, now());
        }
    }

    /// The backend has given an answer, or failed to: an error, if that is its own fault. Too many of them in a row make
    /// it an outlier.
    pub fn rate(&self, backend: &Backend, is_error: bool, now: Instant) {
        if !self.rules.ejects() {
            return;
        }
        let rule = self.rules().outlier;
        let in_a_row = backend.count_answer(is_error);
        if rule.consecutive_errors > 0 && in_a_row >= rule.consecutive_errors {
            let mut roster = self.lock();
            self.eject(&mut roster, backend, format!("{in_a_row} errors in a row"), rule, now);
        }
    }

    /// A try at the backend failed, and the client may not be to blame. It counts as an error, once in a moment, and the
    /// backend answers late, if at all. What it says of the backend's health is [`ServerPool::teach`]'s.
    pub fn failed(&self, backend: &Backend, now: Instant) {
        if backend.learn_failure(now) {
            self.rate(backend, true, now);
        }
    }

    /// Ejects a backend, if the rule allows one more and its level keeps another.
    fn eject(&self, roster: &mut Roster, backend: &Backend, why: String, rule: outlier::Rule, now: Instant) {
        let level = |backend: &Backend| (backend.said().backup, backend.said().priority);
        let out = roster.members.iter().filter(|backend| backend.is(State::Ejected)).count();
        let in_level = roster.members.iter().filter(|other| level(other) == level(backend));
        let up = in_level.filter(|other| other.is(State::Up)).count();
        if !backend.is(State::Up) || up < 2 || !rule.allows(out, roster.members.len()) {
            return;
        }
        let lasts = rule.lasts(backend.health().ejections() + 1);
        let why = format!("{why}: out for {} s", lasts.as_secs());
        self.learn_with(roster, backend, Evidence::StoodOut(why.into(), lasts), now);
    }

    /// What time does to a pool: ejections end, success rates are compared, leavers that have finished are forgotten.
    /// To be called several times a second.
    pub fn pass_time(&self, now: Instant) {
        let rules = self.rules();
        let mut roster = self.lock();
        let over: Vec<_> =
            roster.members.iter().filter(|backend| backend.is(State::Ejected)).map(Arc::clone).collect();
        for backend in over {
            self.learn_with(&mut roster, &backend, Evidence::TimePassed, now);
        }
        let compared = *roster.compared.get_or_insert(now);
        if rules.outlier.is_on() && now.saturating_duration_since(compared) >= rules.outlier.interval {
            roster.compared = Some(now);
            self.compare(&mut roster, rules.outlier, now);
        }
        if roster.leaving.iter().any(|backend| backend.in_flight() == 0) {
            roster.leaving.retain(|backend| backend.in_flight() > 0);
            self.publish(&mut roster);
        }
        if rules.retry_budget.is_some() {
            self.budget().pass(now.saturating_duration_since(self.epoch), self.requests());
        }
    }

    /// Compares success rates, and forgives those that made no error.
    fn compare(&self, roster: &mut Roster, rule: outlier::Rule, now: Instant) {
        let members = roster.members.clone();
        let tallies: Vec<_> = members.iter().map(|backend| backend.take_tally()).collect();
        for (backend, _) in members.iter().zip(&tallies).filter(|(_, tally)| tally.errors == 0) {
            if backend.is(State::Up) {
                backend.with_health(health::Health::forgive);
            }
        }
        if rule.success_rate {
            for index in outlier::unsuccessful(&tallies) {
                let outlier::Tally { answers, errors } = tallies[index];
                let why = format!("{errors} errors in {answers} answers, far more than the others");
                self.eject(roster, &members[index], why, rule, now);
            }
        }
    }

    fn since_epoch(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }

    /// Whether there is anything left in the budget of retries.
    pub fn may_retry(&self, now: Instant) -> bool {
        self.rules().retry_budget.is_none_or(|rule| {
            self.budget().left(now.saturating_duration_since(self.epoch), self.requests(), rule) > 0
        })
    }

    /// Takes a retry out of the budget.
    pub fn retries(&self, now: Instant) {
        if let Some(rule) = self.rules().retry_budget {
            self.budget().withdraw(now.saturating_duration_since(self.epoch), self.requests(), rule);
        }
    }

    /// How long until a backend that came back now would be used: the honest value for `Retry-After`.
    pub fn recovery_time(&self, ping_interval: Duration) -> Duration {
        ping_interval * self.rules().thresholds.rise
    }

    /// What is said of the members at present.
    pub fn said(&self) -> Vec<Member> {
        self.fleet.load().members.iter().map(|backend| Member::clone(&backend.said())).collect()
    }

    /// Changes who belongs to the pool and what is said of them, all at once, and returns those that are new. What does
    /// not fit, because somebody else was faster, is left out: nobody is added twice, and nobody can go who is not there.
    pub fn change(&self, changes: Vec<Change>, now: Instant) -> Vec<Arc<Backend>> {
        let mut roster = self.lock();
        let new =
            changes.into_iter().filter_map(|change| self.change_one(&mut roster, change, now)).collect();
        self.publish(&mut roster);
        new
    }

    fn change_one(&self, roster: &mut Roster, change: Change, now: Instant) -> Option<Arc<Backend>> {
        match change {
            Change::Add(member) if roster.place(&member.address).is_err() => {
                let backend = roster.add(member, self.epoch, now);
                let cause = "it is new, and its first ping is not answered yet";
                self.learn_with(roster, &backend, Evidence::Returned(cause.into()), now);
                Some(backend)
            }
            Change::Say(member) | Change::Add(member) => {
                let place = roster.place(&member.address).ok()?;
                let backend = Arc::clone(&roster.members[place]);
                let before = backend.said().mode;
                let returns = before != Mode::Ready && member.mode == Mode::Ready;
                backend.say(member);
                // It may have been restarted meanwhile, and what was known of it says nothing now.
                if returns {
                    let cause = format!("it is back from {before}, and its first ping is not answered yet");
                    self.learn_with(roster, &backend, Evidence::Returned(cause.into()), now);
                }
                None
            }
            Change::Remove(address) => {
                let place = roster.place(&address).ok()?;
                let backend = roster.members.remove(place);
                backend.set_leaving(true);
                roster.leaving.push(backend);
                None
            }
        }
    }

    /// Changes the rules. Another policy finds all counts and latencies as the last one left them.
    pub fn set_rules(&self, rules: Rules) {
        let mut roster = self.lock();
        let before = self.rules();
        self.rules.set(rules);
        if (rules.policy, rules.load_factor) != (before.policy, before.load_factor) {
            roster.turns.clear();
            roster.members.iter().chain(&roster.leaving).for_each(|backend| backend.watch(None));
        }
        self.publish(&mut roster);
    }

    fn publish(&self, roster: &mut Roster) {
        let rules = self.rules();
        let turns = &mut roster.turns;
        let turns_of = |rank| {
            let new = || Arc::new(Turns::new(rules.policy, rules.load_factor));
            Arc::clone(turns.entry(rank).or_insert_with(new))
        };
        let fleet = Fleet::of(roster.members.clone(), roster.leaving.clone(), &rules, turns_of);
        self.fleet.store(Arc::new(fleet));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn budget(&self) -> std::sync::MutexGuard<'_, budget::Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn requests(&self) -> u64 {
        self.observer.totals.sum(|tally| &tally.requests)
    }
}

/// There is no such member.
struct NoMember;

impl Roster {
    /// Adds a member. One that was leaving comes back with all that is known of it.
    fn add(&mut self, member: Member, epoch: Instant, now: Instant) -> Arc<Backend> {
        let next = self.numbers.len() + 1;
        let number = *self.numbers.entry(member.address.clone()).or_insert(next);
        let leaving = self.leaving.iter().position(|backend| backend.number == number);
        let backend = match leaving.map(|index| self.leaving.remove(index)) {
            Some(back) => {
                back.say(member);
                back.set_leaving(false);
                back
            }
            None => Arc::new(Backend::new(number, member, epoch, now)),
        };
        let place = self.members.partition_point(|other| other.number < number);
        self.members.insert(place, Arc::clone(&backend));
        backend
    }

    /// Where a member is in the list, or an error if it is none.
    fn place(&self, address: &Address) -> Result<usize, NoMember> {
        let number = self.numbers.get(address).ok_or(NoMember)?;
        self.members.binary_search_by_key(number, |backend| backend.number).map_err(|_| NoMember)
    }
}

#[cfg(test)]
mod tests;
