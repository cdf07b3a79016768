//! Which of the active faults hit a request?

use std::time::Instant;

use super::definition::{Fault, Kind};
use super::plan::Plan;

/// An active fault.
#[derive(Debug, Clone)]
pub struct Active {
    /// A key that no other fault ever has.
    pub key: u64,
    /// The number for people; it also selects the random numbers.
    pub id: u32,
    /// The definition.
    pub fault: Fault,
    /// The time at which it expires.
    pub until: Option<Instant>,
    /// The number of matching requests so far.
    pub matched: u64,
    /// The number of them that it hit.
    pub fired: u64,
}

/// All active faults of one worker.
#[derive(Debug, Default)]
pub struct Faults {
    seed: u64,
    /// By stage, then by id.
    active: Vec<Active>,
}

impl Faults {
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
    pub fn plan(&mut self, method: &str, path: &str, now: Instant) -> Plan {
        let mut plan = Plan::default();
        for active in &mut self.active {
            if active.fault.kind == Kind::Refuse
                || !active.stands(now)
                || !active.fault.matches.covers(method, path)
            {
                continue;
            }
            let mut dice = dice(self.seed, active.id, active.matched);
            active.matched += 1;
            if dice.f64() * 100.0 < active.fault.percent
                && active.has_hits_left()
                && plan.add(active.key, active.fault.kind, &mut dice)
            {
                active.fired += 1;
                plan.fired.push(active.id);
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

    /// Whether a fault is active and not expired; if so, the time at which it expires.
    pub fn standing(&self, key: u64, now: Instant) -> Option<Option<Instant>> {
        let active = self.active.iter().find(|active| active.key == key)?;
        active.stands(now).then_some(active.until)
    }

    /// The time at which the next fault expires.
    pub fn next_expiry(&self, now: Instant) -> Option<Instant> {
        self.active.iter().filter_map(|active| active.until).filter(|until| *until > now).min()
    }
}

impl Active {
    fn stands(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    fn has_hits_left(&self) -> bool {
        self.fault.first.is_none_or(|first| self.fired < first)
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
