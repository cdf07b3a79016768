//! The capacity, the list of active faults, and the orders to the worker that follow from it.
//!
//! Pure: the time and the ledger are arguments. This list is the source of truth; each new worker gets all of
//! it.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::capacity::Capacity;
use crate::fault::Fault;
use crate::fields::InvalidDefinition;
use crate::ledger::{Draws, Ledger};
use crate::link::{FaultOrder, Orders};

/// The largest number of faults. More are probably a mistake in a script.
const MAX_FAULTS: usize = 100;

/// A definition as JSON.
pub(super) type Definition = Map<String, Value>;

/// The capacity, and the list of active faults.
#[derive(Debug)]
pub(super) struct FaultRegistry {
    seed: u64,
    capacity: Capacity,
    version: u64,
    next_key: u64,
    entries: Vec<Entry>,
    next_id: u32,
}

#[derive(Debug, Clone)]
struct Entry {
    key: u64,
    id: u32,
    definition: Definition,
    fault: Fault,
    begins: Instant,
    until: Option<Instant>,
}

impl FaultRegistry {
    pub(super) fn new(seed: u64, capacity: Capacity) -> Self {
        Self { seed, capacity, version: 1, next_key: 1, entries: Vec::new(), next_id: 1 }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// Replaces the capacity.
    pub(super) fn set_capacity(&mut self, capacity: Capacity) {
        self.capacity = capacity;
        self.version += 1;
    }

    /// Adds a fault, and returns its id.
    pub(super) fn add(
        &mut self,
        definition: Definition,
        ledger: &Ledger,
        now: Instant,
    ) -> Result<u32, InvalidDefinition> {
        let fault = Fault::parse(&definition)?;
        if self.entries.len() >= MAX_FAULTS {
            self.entries.retain(|entry| !entry.is_spent(ledger.draws(entry.key), now));
        }
        if self.entries.len() >= MAX_FAULTS {
            return Err(too_many());
        }
        self.insert(definition, fault, now);
        self.version += 1;
        Ok(self.next_id - 1)
    }

    /// Replaces all faults by these. Their ids count from 1, so the same faults get the same random numbers
    /// again.
    pub(super) fn replace(
        &mut self,
        definitions: Vec<Definition>,
        now: Instant,
    ) -> Result<(), InvalidDefinition> {
        if definitions.len() > MAX_FAULTS {
            return Err(too_many());
        }
        let parse = |(place, definition): (usize, Definition)| match Fault::parse(&definition) {
            Ok(fault) => Ok((definition, fault)),
            Err(error) => Err(error.within(&format!("faults[{place}]."))),
        };
        let faults = definitions.into_iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()?;
        self.entries.clear();
        self.next_id = 1;
        for (definition, fault) in faults {
            self.insert(definition, fault, now);
        }
        self.version += 1;
        Ok(())
    }

    /// Removes a fault; false if there is none with this id.
    pub(super) fn remove(&mut self, id: u32) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.id != id);
        self.version += 1;
        self.entries.len() < before
    }

    /// Changes some fields of a fault: null removes a field, as in RFC 7396. The fault keeps its id, its
    /// counts, and the time at which it ends, unless `after` or `for` changes. False if there is no such
    /// fault.
    ///
    /// # Errors
    /// If the result is no definition. Then nothing changes.
    pub(super) fn patch(
        &mut self,
        id: u32,
        changes: Definition,
        ledger: &mut Ledger,
        now: Instant,
    ) -> Result<bool, InvalidDefinition> {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) else { return Ok(false) };
        let times = ["after", "for"].iter().any(|name| changes.contains_key(*name));
        let mut definition = entry.definition.clone();
        for (name, value) in changes {
            if value.is_null() {
                definition.remove(&name);
            } else {
                definition.insert(name, value);
            }
        }
        let fault = Fault::parse(&definition)?;
        if times {
            entry.begins = now + fault.after;
            entry.until = fault.lasts.map(|lasts| entry.begins + lasts);
        }
        (entry.fault, entry.definition) = (fault, definition);
        // A worker never reads a known key again, so the changed fault needs another one.
        let draws = ledger.draws(entry.key);
        entry.key = self.next_key;
        self.next_key += 1;
        self.version += 1;
        ledger.set_draws(entry.key, draws);
        Ok(true)
    }

    /// Starts all random numbers again with another seed. The counts of hits remain.
    pub(super) fn reseed(&mut self, seed: u64, ledger: &mut Ledger) {
        self.seed = seed;
        self.version += 1;
        for entry in &mut self.entries {
            // For the worker, a fault with a new key is a new fault with a history.
            let fired = ledger.draws(entry.key).fired;
            entry.key = self.next_key;
            self.next_key += 1;
            ledger.set_draws(entry.key, Draws { matched: 0, fired });
        }
    }

    /// The orders for a worker.
    pub(super) fn orders(&self, ledger: &Ledger, now: Instant) -> Orders {
        let order = |entry: &Entry| {
            let Draws { matched, fired } = ledger.draws(entry.key);
            FaultOrder {
                key: entry.key,
                id: entry.id,
                fault: entry.fault.clone(),
                matched,
                fired,
                age_us: entry.age_us(now),
                left_us: entry.left(now).map(whole_us),
            }
        };
        Orders {
            version: self.version,
            seed: self.seed,
            drain: false,
            capacity: self.capacity,
            faults: self.entries.iter().map(order).collect(),
        }
    }

    /// The faults for people: the definition, and the counts.
    pub(super) fn view(&self, ledger: &Ledger, now: Instant) -> Vec<Value> {
        let view = |entry: &Entry| {
            let draws = ledger.draws(entry.key);
            let mut shown = entry.definition.clone();
            shown.insert("id".into(), entry.id.into());
            shown.insert("matched".into(), draws.matched.into());
            shown.insert("fired".into(), draws.fired.into());
            let is_active = entry.has_begun(now) && !entry.is_spent(draws, now);
            shown.insert("active".into(), is_active.into());
            shown.insert(
                "left".into(),
                json!({
                    "after_ms": entry.begins.checked_duration_since(now).map(|wait| wait.as_millis() as u64),
                    "first": entry.fault.first.map(|first| first.saturating_sub(draws.fired)),
                    "for_ms": entry.left(now).map(|left| left.as_millis() as u64),
                }),
            );
            Value::Object(shown)
        };
        self.entries.iter().map(view).collect()
    }

    /// Whether a fault with this key is active.
    pub(super) fn has_key(&self, key: u64) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    fn insert(&mut self, definition: Definition, fault: Fault, now: Instant) {
        let begins = now + fault.after;
        let until = fault.lasts.map(|lasts| begins + lasts);
        self.entries.push(Entry { key: self.next_key, id: self.next_id, definition, fault, begins, until });
        self.next_key += 1;
        self.next_id += 1;
    }
}

/// The error for too many faults at once.
fn too_many() -> InvalidDefinition {
    InvalidDefinition(format!(
        "there are {MAX_FAULTS} faults already; remove some with DELETE /faults/<id> or POST /reset"
    ))
}

impl Entry {
    fn has_begun(&self, now: Instant) -> bool {
        self.begins <= now
    }

    /// Microseconds since the beginning, or, below 0, up to it.
    fn age_us(&self, now: Instant) -> i64 {
        let us = |time: Duration| i64::try_from(whole_us(time)).unwrap_or(i64::MAX);
        match now.checked_duration_since(self.begins) {
            Some(age) => us(age),
            None => -us(self.begins.saturating_duration_since(now)),
        }
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now))
    }

    /// Whether the fault can never hit again.
    fn is_spent(&self, draws: Draws, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
            || self.fault.first.is_some_and(|first| first <= draws.fired)
    }
}

/// Microseconds, rounded up: no fault ends early.
fn whole_us(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Report;

    fn definition(text: &str) -> Definition {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn ids_count_up_and_start_anew_only_when_all_are_replaced() {
        let (mut registry, ledger, now) =
            (FaultRegistry::new(1, Capacity::default()), Ledger::default(), Instant::now());
        let reset = || definition(r#"{"kind": "reset"}"#);
        assert_eq!(registry.add(reset(), &ledger, now), Ok(1));
        assert_eq!(registry.add(reset(), &ledger, now), Ok(2));
        assert!(registry.remove(2));
        assert!(!registry.remove(2));
        assert_eq!(registry.add(reset(), &ledger, now), Ok(3));
        registry.replace(vec![reset()], now).unwrap();
        assert_eq!(registry.orders(&ledger, now).faults[0].id, 1);
        assert_eq!(registry.orders(&ledger, now).faults[0].key, 4, "keys are never given twice");
    }

    #[test]
    fn one_bad_definition_changes_nothing() {
        let (mut registry, ledger, now) =
            (FaultRegistry::new(1, Capacity::default()), Ledger::default(), Instant::now());
        registry.replace(vec![definition(r#"{"kind": "reset"}"#)], now).unwrap();
        let before = registry.orders(&ledger, now);
        let error = registry.replace(vec![definition(r#"{"kind": "reset"}"#), Map::new()], now).unwrap_err();
        assert!(error.to_string().starts_with("faults[1].kind: is missing"), "{error}");
        assert_eq!(registry.orders(&ledger, now), before);
    }

    #[test]
    fn the_next_worker_gets_the_counts_of_a_fault() {
        let (mut registry, mut ledger, now) =
            (FaultRegistry::new(1, Capacity::default()), Ledger::default(), Instant::now());
        let fault = definition(r#"{"kind": "reset", "first": 5, "for": "10s"}"#);
        registry.add(fault, &ledger, now).unwrap();
        ledger.add(Report::Drawn { key: 1, matched: 7, fired: 4 });
        let orders = registry.orders(&ledger, now + Duration::from_secs(3));
        let order = &orders.faults[0];
        assert_eq!((order.matched, order.fired, order.left_us), (7, 4, Some(7_000_000)));
        assert_eq!(order.age_us, 3_000_000);
        let a_moment_later = registry.orders(&ledger, now + Duration::from_nanos(3_000_000_001));
        assert_eq!(a_moment_later.faults[0].left_us, Some(7_000_000), "it stands for all its time");
    }

    #[test]
    fn another_seed_rolls_from_the_start_but_forgets_no_hit() {
        let (mut registry, mut ledger, now) =
            (FaultRegistry::new(1, Capacity::default()), Ledger::default(), Instant::now());
        registry.add(definition(r#"{"kind": "reset"}"#), &ledger, now).unwrap();
        ledger.add(Report::Drawn { key: 1, matched: 7, fired: 4 });
        registry.reseed(9, &mut ledger);
        let orders = registry.orders(&ledger, now);
        let order = &orders.faults[0];
        assert_eq!((orders.seed, order.id, order.matched, order.fired), (9, 1, 0, 4));
        assert_ne!(order.key, 1);
    }

    #[test]
    fn spent_faults_make_room_for_new_ones() {
        let (mut registry, ledger, now) =
            (FaultRegistry::new(1, Capacity::default()), Ledger::default(), Instant::now());
        for _ in 0..MAX_FAULTS {
            registry.add(definition(r#"{"kind": "reset", "for": 1000}"#), &ledger, now).unwrap();
        }
        let another = || definition(r#"{"kind": "reset"}"#);
        assert!(registry.add(another(), &ledger, now).unwrap_err().to_string().contains("100"));
        let later = now + Duration::from_secs(1);
        assert_eq!(registry.add(another(), &ledger, later), Ok(101));
        assert_eq!(registry.view(&ledger, later).len(), 1);
    }
}
