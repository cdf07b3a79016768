//! Which of the active faults hit a request?

use std::time::Instant;

use super::definition::{Exit, Fault, Kind, Subject};
use super::lru::Lru;
use super::plan::{Draw, Plan};

/// An active fault.
#[derive(Debug, Clone)]
pub struct Active {
    /// A key that no other fault ever has.
    pub key: u64,
    /// The number for people; it also selects the random numbers.
    pub id: u32,
    /// The definition.
    pub fault: Fault,
    /// The time at which it begins.
    pub begins: Instant,
    /// The time at which it expires.
    pub until: Option<Instant>,
    /// The number of matching requests so far.
    pub matched: u64,
    /// The number of them that it hit.
    pub fired: u64,
    /// The keys of its cache; a new worker begins without any.
    pub lru: Lru,
}

/// All active faults of one worker.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    /// The start of the worker.
    started: Instant,
    /// By stage, then by id.
    active: Vec<Active>,
}

impl Faults {
    /// No faults, in a worker that starts now.
    pub fn new(now: Instant) -> Self {
        Self { seed: 0, started: now, active: Vec::new() }
    }

    /// Replaces the faults and the seed. Faults whose key is known keep their own counts.
    pub fn replace(&mut self, seed: u64, faults: Vec<Active>) {
        let known = std::mem::take(&mut self.active);
        self.seed = seed;
        self.active = faults
            .into_iter()
            .map(|fault| known.iter().find(|known| known.key == fault.key).cloned().unwrap_or(fault))
            .collect();
        self.active.sort_by_key(|active| (active.fault.kind.stage(), active.id));
    }

    /// Draws every fault that matches this request, and returns the plan for it.
    pub fn plan(&mut self, subject: Subject<'_>, now: Instant) -> Plan {
        let mut plan = Plan::default();
        let worker_age = now.saturating_duration_since(self.started);
        for active in &mut self.active {
            let can_hit = active.fault.kind.is_per_request() && active.stands(now);
            if !can_hit || !active.fault.matches.covers(subject) {
                continue;
            }
            let number = active.matched;
            let mut dice = dice(self.seed, active.id, number);
            active.matched += 1;
            let is_hit = dice.f64() * 100.0 < active.fault.percent;
            let age = now.saturating_duration_since(active.begins);
            if is_hit && active.counts(number) && active.has_hits_left() {
                let lru = &mut active.lru;
                let draw = Draw { key: active.key, dice, number, age, worker_age, lru, subject };
                if plan.add(&active.fault.kind, draw) {
                    active.fired += 1;
                    plan.fired.push(active.id);
                }
            }
            plan.drawn.push((active.key, active.matched, active.fired));
        }
        plan
    }

    /// The key of a fault that makes the port refuse connections, if there is one.
    pub fn refusing(&self, now: Instant) -> Option<u64> {
        let refuses = |active: &&Active| active.fault.kind == Kind::Refuse && active.stands(now);
        self.active.iter().find(refuses).map(|active| active.key)
    }

    /// The reaction to SIGTERM and the key of its fault, if there is one; the first one counts.
    pub fn on_term(&self, now: Instant) -> Option<(u64, Exit)> {
        self.active.iter().filter(|active| active.stands(now)).find_map(|active| match active.fault.kind {
            Kind::ExitOnTerm(exit) => Some((active.key, exit)),
            _ => None,
        })
    }

    /// Whether a fault is active and not expired; if so, the time at which it expires.
    pub fn standing(&self, key: u64, now: Instant) -> Option<Option<Instant>> {
        let active = self.active.iter().find(|active| active.key == key)?;
        active.stands(now).then_some(active.until)
    }

    /// The time at which the next fault begins or expires.
    pub fn next_change(&self, now: Instant) -> Option<Instant> {
        let changes = self.active.iter().flat_map(|active| [Some(active.begins), active.until]);
        changes.flatten().filter(|change| *change > now).min()
    }
}

impl Active {
    fn stands(&self, now: Instant) -> bool {
        self.begins <= now && self.until.is_none_or(|until| now < until)
    }

    fn has_hits_left(&self) -> bool {
        self.fault.first.is_none_or(|first| self.fired < first)
    }

    /// Whether the fault can hit the request with this number, 0 for the first one that matches.
    fn counts(&self, number: u64) -> bool {
        let place = number.checked_sub(self.fault.skip).map(|place| place + 1);
        place.is_some_and(|place| place % self.fault.every.max(1) == 0)
    }
}

/// The random numbers of one draw: they depend only on these three numbers.
fn dice(seed: u64, id: u32, draw: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(scramble(scramble(scramble(seed) ^ u64::from(id)) ^ draw))
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014):
/// neighbouring numbers give very different results.
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
