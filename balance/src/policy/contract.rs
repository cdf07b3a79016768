//! The promises of every policy, as properties that tests check for each policy.
//!
//! Each property is a function that searches for a counter-example. A test for each policy checks every
//! property. A policy may decline a property, with the reason. For each property there is a mutant, a policy
//! with a known mistake, that must fail it: a property that no policy fails proves nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use fastrand::Rng;

use super::list::mix;
use super::{Kind, Notes, Policy, Request, Settings};
use crate::address::Address;
use crate::backend::Backend;
use crate::in_flight::InFlight;
use crate::member::Member;
use crate::moment::Moment;

/// Backends with these weights, numbered from 1.
pub(crate) fn backends(weights: &[u32]) -> Vec<Arc<Backend>> {
    let now = Moment::START;
    let backend = |(number, weight): (u16, &u32)| {
        let address = Address { host: format!("10.0.{}.{}", number / 256, number % 256), port: 80 };
        let member = Member { weight: *weight, ..Member::new(address) };
        Arc::new(Backend::new(usize::from(number), member, now))
    };
    (1..).zip(weights).map(backend).collect()
}

/// The backends that the pool lets a policy see: those with a weight.
fn candidates(field: &[Arc<Backend>]) -> Vec<Arc<Backend>> {
    field.iter().filter(|backend| backend.weight() > 0).map(Arc::clone).collect()
}

/// One pick, as an index into the candidates.
pub(crate) fn pick(
    policy: &dyn Policy,
    candidates: &[Arc<Backend>],
    key: Option<u64>,
    random: &mut Rng,
) -> usize {
    let mut request = Request { key, now: Moment::START, random, notes: None };
    policy.pick(candidates, &mut request).expect("there is a candidate")
}

/// Picks among the backends with a weight, as indices into these.
pub(crate) fn picks(policy: &dyn Policy, field: &[Arc<Backend>], n: usize) -> Vec<usize> {
    let (candidates, mut random) = (candidates(field), Rng::with_seed(1));
    (0..n).map(|_| pick(policy, &candidates, None, &mut random)).collect()
}

/// The promises of one policy in the contract, which is the same for all policies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// The largest difference between shares and fair shares.
    pub(super) shares: Bound,
    /// The policy draws two backends, and the one with the lower load wins.
    pub(super) draws_two: bool,
    /// The number of 2,000 keys that may move between other backends when one of ten is removed.
    pub(super) moved_keys: usize,
    /// Properties that the policy declines, each with the reason.
    pub(super) declines: &'static [(&'static str, &'static str)],
}

/// The largest difference between a backend's share of many picks and its fair share.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    /// Fewer picks than this.
    Picks(f64),
    /// This many standard deviations of a fair draw.
    Deviations(f64),
    /// This part of its fair share.
    Of(f64),
}

impl Bound {
    /// The largest difference from so many fair picks, which are this share of all picks.
    fn of(self, fair: f64, share: f64) -> f64 {
        match self {
            Self::Picks(most) => most,
            Self::Deviations(most) => most * (fair * (1.0 - share)).sqrt(),
            Self::Of(most) => most * fair,
        }
    }
}

impl Terms {
    /// The terms of a policy with such shares, and without exceptions.
    pub(super) const fn sharing(shares: Bound) -> Self {
        Self { shares, draws_two: false, moved_keys: 0, declines: &[] }
    }
}

/// A policy under contract.
#[derive(Debug, Clone, Copy)]
struct Promise {
    make: fn(Kind) -> Arc<dyn Policy>,
    kind: Kind,
    terms: Terms,
}

impl Promise {
    fn ready(self, members: &[Arc<Backend>], candidates: &[Arc<Backend>]) -> Arc<dyn Policy> {
        let policy = (self.make)(self.kind);
        policy.rebuild(members, candidates);
        policy
    }

    /// The chosen numbers for `n` requests with different keys, of which `at_once` are in flight at a time.
    fn run(self, field: &[Arc<Backend>], n: u64, at_once: usize, seed: u64) -> Vec<usize> {
        let candidates = candidates(field);
        let policy = self.ready(field, &candidates);
        let mut random = Rng::with_seed(seed);
        let mut in_flight = VecDeque::new();
        let one = |request| {
            let backend = &candidates[pick(&*policy, &candidates, Some(mix(request, seed)), &mut random)];
            in_flight.push_back(InFlight::new(Arc::clone(backend)));
            if in_flight.len() > at_once {
                in_flight.pop_front();
            }
            backend.number
        };
        (0..n).map(one).collect()
    }
}

type Property = fn(Promise) -> Result<(), String>;

fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// The policy picks a backend if and only if there is one.
fn a_backend_if_there_is_one(promise: Promise) -> Result<(), String> {
    let field = backends(&[1, 0, 2, 3, 1]);
    let policy = promise.ready(&field, &candidates(&field));
    let mut random = Rng::with_seed(1);
    let empty =
        policy.pick(&[], &mut Request { key: None, now: Moment::START, random: &mut random, notes: None });
    check(empty.is_none(), || format!("picked {empty:?} of an empty list"))?;
    // Also when the candidates of the pick differ from those of `rebuild`, as during a change.
    for (told, asked) in [(&field[..], &field[3..]), (&field[..1], &field[2..]), (&[], &field[..1])] {
        let policy = promise.ready(told, told);
        for n in 0..100 {
            let key = random.bool().then_some(mix(n, 1));
            let mut request = Request { key, now: Moment::START, random: &mut random, notes: None };
            let index = policy.pick(asked, &mut request);
            check(index.is_some_and(|index| index < asked.len()), || {
                format!("picked {index:?} of {}", asked.len())
            })?;
        }
    }
    Ok(())
}

/// Shares are fair, by weight if the policy uses weights.
fn fair_shares(promise: Promise) -> Result<(), String> {
    let unequal: [&[u32]; 2] = [&[5, 1, 1], &[1, 2, 3, 4]];
    let equal: [&[u32]; 2] = [&[1; 4], &[1; 10]];
    let fields = equal.into_iter().chain(unequal.into_iter().filter(|_| promise.kind.uses_weights()));
    for weights in fields {
        let sum: u32 = weights.iter().sum();
        let n = 4000 * u64::from(sum);
        let field = backends(weights);
        let picked = promise.run(&field, n, 20 * sum as usize, 3);
        for (backend, weight) in field.iter().zip(weights) {
            let share = f64::from(*weight) / f64::from(sum);
            let fair = n as f64 * share;
            let had = picked.iter().filter(|number| **number == backend.number).count() as f64;
            check((had - fair).abs() <= promise.terms.shares.of(fair, share), || {
                format!("{weights:?}: {had} of {n} for {}, {fair} were fair", backend.number)
            })?;
        }
    }
    Ok(())
}

/// Turns are spread smoothly: after any number of picks, every backend is within one pick of its fair share.
fn smooth_turns(promise: Promise) -> Result<(), String> {
    if !promise.kind.keeps_turns() {
        return Ok(());
    }
    let weights: &[u32] = if promise.kind.uses_weights() { &[5, 1, 1, 2] } else { &[1; 4] };
    let field = backends(weights);
    let sum: u32 = weights.iter().sum();
    let mut had = vec![0.0; weights.len()];
    for (n, number) in promise.run(&field, 4 * u64::from(sum), 1, 1).into_iter().enumerate() {
        had[number - 1] += 1.0;
        for (had, weight) in had.iter().zip(weights) {
            let fair = (n + 1) as f64 * f64::from(*weight) / f64::from(sum);
            check((had - fair).abs() < 1.0, || format!("{had} instead of {fair} after {}", n + 1))?;
        }
    }
    Ok(())
}

/// With the largest weights, beside the weight 0, the policy still shares fairly, and picks no backend
/// without a weight.
fn extreme_weights(promise: Promise) -> Result<(), String> {
    let field = backends(&[0, Member::MAX_WEIGHT, 0, Member::MAX_WEIGHT, 0]);
    let picked = promise.run(&field, 4000, 40, 5);
    let had = |number| picked.iter().filter(|picked| **picked == number).count();
    let shares = [1, 2, 3, 4, 5].map(had);
    check(shares[0] + shares[2] + shares[4] == 0, || {
        format!("picked a backend without a weight: {shares:?}")
    })?;
    check(shares[1].abs_diff(shares[3]) < 1200, || format!("unfair: {shares:?}"))?;
    let light = backends(&[1, Member::MAX_WEIGHT]);
    let picked = promise.run(&light, 3000, 1500, 5);
    let little = picked.iter().filter(|number| **number == 1).count();
    check(!promise.kind.uses_weights() || little < 40, || format!("{little} of 3000 for one part in 1001"))
}

/// The same random seed gives the same picks.
fn repeatable(promise: Promise) -> Result<(), String> {
    let run = |seed| promise.run(&backends(&[1, 1, 1, 1, 1]), 500, 7, seed);
    check(run(11) == run(11), || "the same seed made other picks".into())
}

/// Many threads together give fair shares, when no requests in flight distinguish the backends.
fn fair_to_many_threads(promise: Promise) -> Result<(), String> {
    const THREADS: u64 = 8;
    const EACH: u64 = 2001;
    let field = backends(&[1; 4]);
    let policy = promise.ready(&field, &field);
    let count = |thread| {
        let mut random = Rng::with_seed(thread);
        let mut shares = [0_u64; 4];
        for n in 0..EACH {
            let index = pick(&*policy, &field, Some(mix(n, thread)), &mut random);
            shares[index] += 1;
        }
        shares
    };
    let all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || count(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect()
    });
    let shares = [0, 1, 2, 3].map(|index| all.iter().map(|shares| shares[index]).sum::<u64>());
    let (least, most) = (shares.into_iter().min().unwrap(), shares.into_iter().max().unwrap());
    let exact = matches!(promise.terms.shares, Bound::Picks(_));
    let apart = if exact { 1 } else { THREADS * EACH / 8 };
    check(most - least <= apart, || format!("{shares:?}"))
}

/// The same key goes to the same backend. When a backend goes down or is removed, only its keys move.
fn keys_stay(promise: Promise) -> Result<(), String> {
    if !promise.kind.uses_key() {
        return Ok(());
    }
    let field = backends(&[1; 10]);
    let mut random = Rng::with_seed(1);
    let keys: Vec<_> = (0..2000).map(|n| mix(n, 77)).collect();
    let mut owners = |policy: &dyn Policy, candidates: &[Arc<Backend>]| -> Vec<usize> {
        keys.iter().map(|key| candidates[pick(policy, candidates, Some(*key), &mut random)].number).collect()
    };
    let policy = promise.ready(&field, &field);
    let before = owners(&*policy, &field);
    check(before == owners(&*policy, &field), || "a key moved without a change".into())?;
    for gone in [1, 4, 10] {
        let left: Vec<_> = field.iter().filter(|backend| backend.number != gone).map(Arc::clone).collect();
        let strays = |after: &[usize]| {
            before.iter().zip(after).filter(|(old, new)| **old != gone && old != new).count()
        };
        policy.rebuild(&field, &left);
        let dead = strays(&owners(&*policy, &left));
        check(dead == 0, || format!("{gone} went down, and {dead} keys of others moved"))?;
        let removed = strays(&owners(&*promise.ready(&left, &left), &left));
        check(removed <= promise.terms.moved_keys, || {
            format!("{gone} was removed, and {removed} keys of others moved")
        })?;
        policy.rebuild(&field, &field);
        check(before == owners(&*policy, &field), || format!("{gone} came back, and not all of its keys"))?;
    }
    Ok(())
}

/// A backend that was removed may come back with another number. Its keys come back with it.
fn numbers_may_change(promise: Promise) -> Result<(), String> {
    let field = backends(&[1; 4]);
    let anew: Vec<_> = (3..)
        .zip(&field)
        .map(|(number, old)| Arc::new(Backend::new(number, Member::new(old.address.clone()), Moment::START)))
        .collect();
    let policy = promise.ready(&field, &field);
    let mut random = Rng::with_seed(1);
    let mut owners = |candidates: &[Arc<Backend>]| -> Result<Vec<u64>, String> {
        let owner = |key| {
            let mut request =
                Request { key: Some(mix(key, 5)), now: Moment::START, random: &mut random, notes: None };
            let index = policy.pick(candidates, &mut request).filter(|index| *index < candidates.len());
            index.map(|index| candidates[index].id).ok_or_else(|| format!("picked {index:?}"))
        };
        (0..200).map(owner).collect()
    };
    let before = owners(&field)?;
    policy.rebuild(&anew, &anew);
    let after = owners(&anew)?;
    check(!promise.kind.uses_key() || before == after, || "keys moved with the numbers".into())
}

/// When a backend goes down, the others share its requests fairly.
fn survivors_share(promise: Promise) -> Result<(), String> {
    const N: u64 = 12_000;
    let field = backends(&[1; 4]);
    let policy = promise.ready(&field, &field);
    for dead in 1..=4 {
        let left: Vec<_> = field.iter().filter(|backend| backend.number != dead).map(Arc::clone).collect();
        policy.rebuild(&field, &left);
        let mut random = Rng::with_seed(5);
        let mut shares = [0_u32; 3];
        (0..N).for_each(|n| shares[pick(&*policy, &left, Some(mix(n, 3)), &mut random)] += 1);
        let (fair, share) = (N as f64 / 3.0, 1.0 / 3.0);
        let most = promise.terms.shares.of(fair, share);
        check(shares.iter().all(|had| (f64::from(*had) - fair).abs() <= most), || {
            format!("{dead} went down, and the others got {shares:?}")
        })?;
    }
    Ok(())
}

/// Of two drawn backends, all pairs are equally frequent, the two are different, and the one with the lower
/// load wins.
fn two_distinct_and_the_lesser(promise: Promise) -> Result<(), String> {
    if !promise.terms.draws_two {
        return Ok(());
    }
    const N: usize = 24_000;
    let field = backends(&[1; 4]);
    let policy = promise.ready(&field, &field);
    let _busy: Vec<_> =
        [1, 2, 2, 3, 3, 3].map(|index: usize| InFlight::new(Arc::clone(&field[index]))).into_iter().collect();
    let mut random = Rng::with_seed(2);
    let mut pairs = [[0_usize; 4]; 4];
    for _ in 0..N {
        let mut notes = Notes::default();
        let mut request =
            Request { key: None, now: Moment::START, random: &mut random, notes: Some(&mut notes) };
        let index = policy.pick(&field, &mut request).ok_or("picked no backend")?;
        let [one, other] = notes.drawn[..] else { return Err(format!("drew {:?}", notes.drawn)) };
        check(one != other, || format!("{one} was drawn twice"))?;
        pairs[one.min(other) - 1][one.max(other) - 1] += 1;
        check(index + 1 == one.min(other), || {
            format!("{} won against the lesser of {one} and {other}", index + 1)
        })?;
    }
    let counts: Vec<_> = (0..4).flat_map(|one| (one + 1..4).map(move |other| pairs[one][other])).collect();
    // A sixth of 24,000 for each of six pairs, within five standard deviations of 58.
    check(counts.iter().all(|count| count.abs_diff(N / 6) < 290), || format!("pairs met unevenly: {pairs:?}"))
}

/// All properties.
const PROPERTIES: [(&str, Property); 10] = [
    ("a backend if there is one", a_backend_if_there_is_one),
    ("fair shares", fair_shares),
    ("smooth turns", smooth_turns),
    ("extreme weights", extreme_weights),
    ("repeatable", repeatable),
    ("fair to many threads", fair_to_many_threads),
    ("keys stay", keys_stay),
    ("numbers may change", numbers_may_change),
    ("fair shares of survivors", survivors_share),
    ("two distinct and the lesser", two_distinct_and_the_lesser),
];

/// All properties that a policy breaks without declining them, and all that it declines although they hold.
fn broken(promise: Promise) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, _) in promise.terms.declines {
        if PROPERTIES.iter().all(|(property, _)| property != name) {
            broken.push(format!("it declines '{name}', which is no property"));
        }
    }
    for (property, holds) in PROPERTIES {
        let declined = promise.terms.declines.iter().find(|(name, _)| *name == property);
        match (holds(promise), declined) {
            (Err(why), None) => broken.push(format!("{property}: {why}")),
            (Ok(()), Some((_, reason))) => {
                broken.push(format!("{property}: it holds, although it is declined ({reason})"));
            }
            _ => {}
        }
    }
    broken
}

/// Checks every property for a policy, and reports all that it breaks.
pub(super) fn hold(kind: Kind, terms: Terms) {
    let make = |kind: Kind| kind.make(Settings::DEFAULT);
    let broken = broken(Promise { make, kind, terms });
    assert!(broken.is_empty(), "{kind} breaks its contract:\n{}", broken.join("\n"));
}

#[path = "mutants.rs"]
mod mutants;
