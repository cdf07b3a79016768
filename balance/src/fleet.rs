//! The pool at one moment: its members, the candidates for a pick, and the rules. Each change makes a new
//! view, and a view never changes. So a pick reads consistent data without a lock.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::Moment;

use super::backend::{Backend, Peer};
use super::levels;
use super::member::Mode;
use super::policy::{PickRule, Policy, Request, StaleView, index_of};
use super::rules::Rules;
use super::state::State;
use super::subset;

/// One view of the pool.
#[derive(Debug)]
pub struct Fleet<X = ()> {
    membership: Arc<Membership<X>>,
    picker: Picker,
}

/// The part of a view that does not depend on states. When only a state changes, the next view shares it:
/// with thousands of backends, lists of them are the main cost of a view.
#[derive(Debug)]
pub struct Membership<X> {
    /// The members of the pool, by number.
    pub members: Vec<Arc<Peer<X>>>,
    /// The removed backends that still have requests.
    pub leaving: Vec<Arc<Peer<X>>>,
}

impl<X> Deref for Fleet<X> {
    type Target = Membership<X>;

    fn deref(&self) -> &Membership<X> {
        &self.membership
    }
}

/// The members that may be picked, and the rules.
#[derive(Debug)]
pub(super) struct Picker {
    roll: Arc<Roll>,
    /// The levels that have candidates, in their order.
    levels: Vec<Level>,
    slow_start: Duration,
    subset: Option<subset::Rule>,
}

/// The members as a policy sees them.
#[derive(Debug)]
struct Roll {
    /// All members, by number.
    members: Vec<Arc<Backend>>,
    /// Those of each level that are in mode ready and have a weight, whatever their states.
    ranks: BTreeMap<Rank, Vec<Arc<Backend>>>,
    /// Members by [`Backend::id`].
    by_id: HashMap<u64, usize>,
}

impl Roll {
    fn of(members: Vec<Arc<Backend>>) -> Self {
        let mut ranks: BTreeMap<Rank, Vec<Arc<Backend>>> = BTreeMap::new();
        for backend in &members {
            let spec = backend.spec();
            if spec.mode == Mode::Ready && spec.weight > 0 {
                ranks.entry((spec.backup, spec.priority)).or_default().push(Arc::clone(backend));
            }
        }
        let by_id = members.iter().enumerate().map(|(index, backend)| (backend.id, index)).collect();
        Self { members, ranks, by_id }
    }
}

/// The candidates of one priority.
#[derive(Debug)]
struct Level {
    candidates: Vec<Arc<Backend>>,
    policies: Arc<LevelPolicies>,
    /// The share of the requests for this level and all levels before it, from 0 to 1.
    up_to: f64,
}

/// The order of the levels: backups last, then by priority.
pub(super) type Rank = (bool, u8);

/// The policies of one level, with their turns. They stay when views are replaced.
#[derive(Debug)]
pub(super) struct LevelPolicies {
    /// For the first attempt of a request.
    first: Arc<dyn Policy>,
    /// For requests that failed at another backend. With one turn for both, a failing backend and a retry
    /// would alternate, and the backend after the failing one would be skipped each time.
    again: Arc<dyn Policy>,
}

impl LevelPolicies {
    pub(super) fn new(rules: &Rules) -> Self {
        let make = || {
            let (kind, settings, view_delay) = rules.of_policies();
            let policy = kind.make(settings);
            match view_delay {
                Duration::ZERO => policy,
                period => Arc::new(StaleView::of(policy, period)),
            }
        };
        let first = make();
        // A policy without turns can serve both, so its tables are made only once.
        let again = if rules.policy.keeps_turns() { make() } else { Arc::clone(&first) };
        Self { first, again }
    }

    fn rebuild(&self, members: &[Arc<Backend>], candidates: &[Arc<Backend>]) {
        self.first.rebuild(members, candidates);
        if !Arc::ptr_eq(&self.first, &self.again) {
            self.again.rebuild(members, candidates);
        }
    }
}

impl<X> Fleet<X> {
    /// The view of these members under these rules, with the policies of each level.
    pub(super) fn of(
        members: Vec<Arc<Peer<X>>>,
        leaving: Vec<Arc<Peer<X>>>,
        rules: &Rules,
        policies_of: impl FnMut(Rank) -> Arc<LevelPolicies>,
    ) -> Self {
        let backends = members.iter().map(|peer| Arc::clone(peer.backend())).collect();
        let picker = Picker::of(Arc::new(Roll::of(backends)), rules, policies_of);
        Self { picker, membership: Arc::new(Membership { members, leaving }) }
    }

    /// The view of the same members with the same settings, after a change of states.
    pub(super) fn after_change(
        &self,
        rules: &Rules,
        policies_of: impl FnMut(Rank) -> Arc<LevelPolicies>,
    ) -> Self {
        let picker = Picker::of(Arc::clone(&self.picker.roll), rules, policies_of);
        Self { picker, membership: Arc::clone(&self.membership) }
    }

    /// All backends that have requests or may get some, by number.
    pub fn backends(&self) -> Vec<Arc<Peer<X>>> {
        let mut all: Vec<_> = self.members.iter().chain(&self.leaving).map(Arc::clone).collect();
        all.sort_unstable_by_key(|backend| backend.number);
        all
    }

    /// The backend with this number, if it has requests or may get some. It costs O(log n), and O(n) in the
    /// removed backends that still have requests.
    pub fn backend(&self, number: usize) -> Option<&Arc<Peer<X>>> {
        let member = index_of(&self.members, number, |peer| peer.number).map(|index| &self.members[index]);
        member.or_else(|| self.leaving.iter().find(|peer| peer.number == number))
    }

    /// The backend for a request: see [`Picker::next`].
    pub(super) fn next_backend(
        &self,
        tried: &[usize],
        sticky: Option<u64>,
        request: &mut Request<'_>,
    ) -> Option<Arc<Peer<X>>> {
        let number = self.picker.next(tried, sticky, request)?;
        let index = index_of(&self.members, number, |peer| peer.number)?;
        Some(Arc::clone(&self.members[index]))
    }

    /// See [`Picker::candidates`].
    pub(super) fn candidates(&self, now: Moment) -> impl Iterator<Item = (&Arc<Backend>, Option<f64>)> {
        self.picker.candidates(now)
    }
}

impl Picker {
    fn of(roll: Arc<Roll>, rules: &Rules, mut policies_of: impl FnMut(Rank) -> Arc<LevelPolicies>) -> Self {
        let ranks = &roll.ranks;
        let levels = eligible(ranks, rules)
            .into_iter()
            .map(|(rank, candidates, up_to)| {
                let policies = policies_of(rank);
                policies.rebuild(&ranks[&rank], &candidates);
                Level { candidates, policies, up_to }
            })
            .collect();
        Self { levels, roll, slow_start: rules.slow_start, subset: rules.subset }
    }

    /// The number of the backend for a request. `tried` has the numbers of the backends that the request
    /// tried before. `sticky` is the [`Backend::id`] in its cookie, if there is one.
    fn next(&self, tried: &[usize], sticky: Option<u64>, request: &mut Request<'_>) -> Option<usize> {
        match (self.subset, request.key) {
            (Some(rule), Some(key)) => self.next_within(rule, key, tried, sticky, request),
            _ => self.next_of_all(tried, sticky, request),
        }
    }

    /// The same for a request that may use only a subset of the members: the others count as tried. So it
    /// fails if all backends of its subset are down, and breaks no backend of another subset.
    #[cold]
    fn next_within(
        &self,
        rule: subset::Rule,
        key: u64,
        tried: &[usize],
        sticky: Option<u64>,
        request: &mut Request<'_>,
    ) -> Option<usize> {
        let is_member = |backend: &&Arc<Backend>| backend.spec().mode == Mode::Ready && backend.weight() > 0;
        let members: Vec<_> = self.roll.members.iter().filter(is_member).collect();
        let hashes: Vec<_> = members.iter().map(|backend| backend.id).collect();
        let outside = rule.outside(key, &hashes).into_iter().map(|index| members[index].number);
        let excluded: Vec<_> = tried.iter().copied().chain(outside).collect();
        self.next_of_all(&excluded, sticky, request)
    }

    fn next_of_all(&self, tried: &[usize], sticky: Option<u64>, request: &mut Request<'_>) -> Option<usize> {
        if let Some(own) = sticky.and_then(|id| self.own(id)).filter(|own| !tried.contains(&own.number)) {
            request.because(PickRule::Cookie, "the cookie names it");
            return Some(own.number);
        }
        let mut unwilling = None;
        if tried.is_empty()
            && let Some(level) = self.level(request)
        {
            let chosen = &level.candidates[level.policies.first.pick(&level.candidates, request)?];
            if self.is_willing(chosen, request) {
                return Some(chosen.number);
            }
            unwilling = Some(chosen.number);
        }
        // Only a request that failed or was rejected by a backend gets here, so a new list is affordable. A
        // turn among the others is fair: "the next in the list" would give all these requests to one
        // neighbour.
        let other = self.levels.iter().find_map(|level| {
            let untried: Vec<_> = level
                .candidates
                .iter()
                .filter(|backend| !tried.contains(&backend.number))
                .map(Arc::clone)
                .collect();
            // A backend that is full or warming up is not picked again here: it would get more than its
            // share.
            let willing: Vec<_> = untried
                .iter()
                .filter(|backend| unwilling != Some(backend.number) && self.is_willing(backend, request))
                .map(Arc::clone)
                .collect();
            // If every backend is full or warming up, take one of them: its queue may be short, and warming
            // up is no reason to refuse a request.
            let list = if willing.is_empty() { untried } else { willing };
            let list = if tried.is_empty() { list } else { up_if_any(list) };
            level.policies.again.pick(&list, request).map(|index| list[index].number)
        });
        other.or_else(|| self.last_resort(tried, request))
    }

    /// The number of a backend for a request that no candidate can take: a backend that is out, but may be
    /// back before its next ping shows this. Ejected backends come first, then those whose port refused
    /// connections, then those that close connections without an answer, then suspects. The idea comes from
    /// Envoy's panic mode and Sozu's fail-open: a judgement that leaves no backend is probably wrong.
    fn last_resort(&self, tried: &[usize], request: &mut Request<'_>) -> Option<usize> {
        let is_wanted = |backend: &Backend| {
            let spec = backend.spec();
            spec.mode == Mode::Ready && spec.weight > 0 && !tried.contains(&backend.number)
        };
        let ways: [&dyn Fn(&Backend) -> bool; 5] = [
            // A backend that came up after this view was made; the next view will contain it.
            &|backend| backend.is(State::Up),
            &|backend| backend.is(State::Ejected),
            &|backend| backend.health().is_last_resort(),
            &|backend| backend.health().may_serve_requests_only(),
            &|backend| backend.is(State::Suspect),
        ];
        let found = ways.into_iter().find_map(|way| {
            let all: Vec<_> = self.roll.members.iter().filter(|one| is_wanted(one) && way(one)).collect();
            (!all.is_empty()).then(|| all[request.random.usize(..all.len())].number)
        });
        if found.is_some() {
            request.because(PickRule::LastResort, "no other backend is left, and this one may be back");
        }
        found
    }

    /// All candidates on all levels that take requests, each with the value that the policy compares.
    pub(super) fn candidates(&self, now: Moment) -> impl Iterator<Item = (&Arc<Backend>, Option<f64>)> {
        let scored = move |level: &Level, backend: &Backend| level.policies.first.score(backend, now);
        let in_use = self.levels.iter().scan(0.0, |before, level| {
            let takes = level.up_to > std::mem::replace(before, level.up_to);
            Some((level, takes))
        });
        in_use.filter(|(_, takes)| *takes).flat_map(move |(level, _)| {
            level.candidates.iter().map(move |backend| (backend, scored(level, backend)))
        })
    }

    /// The member that the cookie of a request names, if it may get the request: while it drains, it still
    /// gets these requests.
    fn own(&self, id: u64) -> Option<&Arc<Backend>> {
        let own = &self.roll.members[*self.roll.by_id.get(&id)?];
        (own.is(State::Up) && own.spec().mode != Mode::Maintenance).then_some(own)
    }

    /// The level that takes this request.
    fn level(&self, request: &mut Request<'_>) -> Option<&Level> {
        match &self.levels[..] {
            [] => None,
            [only] => Some(only),
            levels => {
                let lot = request.random.f64();
                levels.iter().find(|level| lot < level.up_to)
            }
        }
    }

    /// Whether a backend takes one more request. A full backend does not. A backend that warms up takes only
    /// a part of its turns, under every policy, and leaves the other turns to other backends.
    fn is_willing(&self, backend: &Backend, request: &mut Request<'_>) -> bool {
        if backend.is_full() {
            request.passes(backend, "it is full");
            return false;
        }
        if backend.is_warming() && request.random.f64() >= backend.warmth(request.now, self.slow_start) {
            request.passes(backend, "it warms up");
            return false;
        }
        true
    }
}

type Backends = Vec<Arc<Backend>>;

/// The backends that are up, or all of them if none is up. Panic mode spreads first attempts over all
/// backends of a level; a request that has failed at one of them needs a backend that answers.
fn up_if_any(backends: Backends) -> Backends {
    let up: Backends = backends.iter().filter(|backend| backend.is(State::Up)).map(Arc::clone).collect();
    if up.is_empty() { backends } else { up }
}

/// The candidates of each level, with the share of this level and all levels before it.
fn eligible(ranks: &BTreeMap<Rank, Backends>, rules: &Rules) -> Vec<(Rank, Backends, f64)> {
    let which = |backends: &Backends, state| -> Backends {
        backends.iter().filter(|backend| backend.is(state)).map(Arc::clone).collect()
    };
    let well = |backends: &Backends| {
        let up = which(backends, State::Up);
        // When so many backends are out, the judgement is probably wrong, and the remaining backends would be
        // overloaded.
        let panic = up.len() * 100 < backends.len() * usize::from(rules.panic_threshold);
        if panic { backends.clone() } else { up }
    };
    // If no backend is up: first those that answer with errors, then those that may still answer. Backends
    // that are down get nothing.
    let ways: [&dyn Fn(&Backends) -> Backends; 3] =
        [&well, &|all| which(all, State::Ejected), &|all| which(all, State::Suspect)];
    let found = ways.into_iter().find_map(|way| {
        let levels: Vec<_> = ranks.iter().map(|(rank, all)| (*rank, way(all), all.len())).collect();
        levels.iter().any(|(_, candidates, _)| !candidates.is_empty()).then_some(levels)
    });
    let levels = found.unwrap_or_default();
    // Backups wait until no other backend is left.
    let wanted = levels.iter().any(|((backup, _), candidates, _)| !backup && !candidates.is_empty());
    let counts: Vec<_> = levels
        .iter()
        .map(
            |((backup, _), candidates, all)| {
                if wanted && *backup { (0, 0) } else { (candidates.len(), *all) }
            },
        )
        .collect();
    let mut sum = 0.0;
    levels
        .into_iter()
        .zip(levels::shares(&counts))
        .filter(|((_, candidates, _), _)| !candidates.is_empty())
        .map(|((rank, candidates, _), share)| {
            sum += share;
            // A rounding error must not leave a draw without a level.
            (rank, candidates, if sum > 0.999_999 { 1.0 } else { sum })
        })
        .collect()
}
