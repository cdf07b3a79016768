//! The backends ordered by load, for thousands of them, and the sum of their loads: a heap and a sum that are
//! updated whenever a request begins or ends.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::backend::Backend;
use super::load::{Load, LoadWatch};

/// The backends, ordered by load.
#[derive(Debug)]
pub struct Ranking {
    /// A standard lock, held for the time of a few swaps.
    heap: Mutex<Heap>,
}

/// A binary heap that knows the index of each backend, so that a backend can be moved when its load changes.
#[derive(Debug, Default)]
struct Heap {
    /// The lowest load first; a parent at `i` has its children at `2i + 1` and `2i + 2`.
    entries: Vec<Entry>,
    /// By number, minus one: the index in `entries`, or [`NOWHERE`].
    indices: Vec<usize>,
    /// Counts how often a backend was taken from the top.
    turn: u64,
}

const NOWHERE: usize = usize::MAX;

/// A backend in the order: by load, and with equal loads by the time of the last pick, the oldest
/// first.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Entry {
    load: f64,
    picked: u64,
    number: usize,
}

impl Ranking {
    /// Starts to order these backends: they report their changes to the new ranking.
    pub fn of(backends: &[Arc<Backend>]) -> Arc<Self> {
        let ranking = Arc::new(Self { heap: Mutex::default() });
        let mut heap = ranking.heap.lock().unwrap_or_else(PoisonError::into_inner);
        for backend in backends {
            heap.insert(backend);
        }
        drop(heap);
        // The load of every backend is read again, because it may have changed while the heap was made.
        let watch = Arc::new(Arc::clone(&ranking) as Arc<dyn LoadWatch>);
        for backend in backends {
            backend.watch(Some(Arc::clone(&watch)));
            ranking.load_changed(backend.number, &backend.load);
        }
        ranking
    }

    /// Returns the number of the backend with the lowest load for which `is_candidate` holds, and moves it
    /// behind those with the same load. Costs O(log n) for each backend that has a lower load and is no
    /// candidate.
    pub fn take_least(&self, is_candidate: impl Fn(usize) -> bool) -> Option<usize> {
        self.heap.lock().unwrap_or_else(PoisonError::into_inner).take_least(is_candidate)
    }
}

impl LoadWatch for Ranking {
    fn load_changed(&self, number: usize, load: &Load) {
        self.heap.lock().unwrap_or_else(PoisonError::into_inner).update(number, load);
    }
}

impl Heap {
    fn insert(&mut self, backend: &Backend) {
        if self.indices.len() < backend.number {
            self.indices.resize(backend.number, NOWHERE);
        }
        self.indices[backend.number - 1] = self.entries.len();
        self.entries.push(Entry { load: backend.load(), picked: 0, number: backend.number });
        self.rise(self.entries.len() - 1);
    }

    fn update(&mut self, number: usize, load: &Load) {
        let Some(index) = self.indices.get(number - 1).copied().filter(|index| *index != NOWHERE) else {
            return;
        };
        // Read inside the lock, so that of two changes the later one wins.
        self.entries[index].load = load.per_weight();
        self.settle(index);
    }

    fn take_least(&mut self, is_candidate: impl Fn(usize) -> bool) -> Option<usize> {
        // The best entry that was not visited yet is always the top, or a child of a visited entry. So this
        // visits the heap in its order without changing it, with a small heap of the places that come next.
        let mut next = vec![];
        let mut index = (!self.entries.is_empty()).then_some(0);
        while let Some(here) = index {
            let number = self.entries[here].number;
            if is_candidate(number) {
                self.turn += 1;
                self.entries[here].picked = self.turn;
                self.settle(here);
                return Some(number);
            }
            next.extend([2 * here + 1, 2 * here + 2].into_iter().filter(|child| *child < self.entries.len()));
            let best = (0..next.len()).min_by(|one, other| self.order(next[*one], next[*other]));
            index = best.map(|index| next.swap_remove(index));
        }
        None
    }

    /// Moves the entry at an index up or down to where it belongs.
    fn settle(&mut self, index: usize) {
        let index = self.rise(index);
        self.sink(index);
    }

    fn rise(&mut self, mut index: usize) -> usize {
        while index > 0 {
            let parent = (index - 1) / 2;
            if self.order(parent, index).is_le() {
                break;
            }
            self.swap(parent, index);
            index = parent;
        }
        self.indices[self.entries[index].number - 1] = index;
        index
    }

    fn sink(&mut self, mut index: usize) {
        loop {
            let children =
                [2 * index + 1, 2 * index + 2].into_iter().filter(|child| *child < self.entries.len());
            let Some(child) = children.min_by(|one, other| self.order(*one, *other)) else { return };
            if self.order(index, child).is_le() {
                return;
            }
            self.swap(index, child);
            index = child;
        }
    }

    fn order(&self, one: usize, other: usize) -> std::cmp::Ordering {
        let (one, other) = (&self.entries[one], &self.entries[other]);
        one.load
            .total_cmp(&other.load)
            .then(one.picked.cmp(&other.picked))
            .then(one.number.cmp(&other.number))
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.entries.swap(one, other);
        self.indices[self.entries[one].number - 1] = one;
        self.indices[self.entries[other].number - 1] = other;
    }
}

/// The requests in flight at all of these backends together.
#[derive(Debug)]
pub struct Total {
    sum: AtomicI64,
    /// By number, minus one: the count for each backend.
    counted: Vec<AtomicU32>,
}

impl Total {
    /// Starts the sum over these backends: they report their changes to it.
    pub fn of(backends: &[Arc<Backend>]) -> Arc<Self> {
        let last = backends.last().map_or(0, |backend| backend.number);
        let counted = (0..last).map(|_| AtomicU32::new(0)).collect();
        let total = Arc::new(Self { sum: AtomicI64::new(0), counted });
        let watch = Arc::new(Arc::clone(&total) as Arc<dyn LoadWatch>);
        for backend in backends {
            backend.watch(Some(Arc::clone(&watch)));
            total.load_changed(backend.number, &backend.load);
        }
        total
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u64 {
        self.sum.load(Relaxed).try_into().unwrap_or(0)
    }
}

impl LoadWatch for Total {
    /// Adds the difference to the last count for this backend, so that no change is lost permanently.
    fn load_changed(&self, number: usize, load: &Load) {
        let Some(counted) = self.counted.get(number - 1) else { return };
        let now = load.in_flight();
        let before = counted.swap(now, Relaxed);
        self.sum.fetch_add(i64::from(now) - i64::from(before), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InFlight;
    use crate::policy::contract::backends;

    #[test]
    fn the_ranking_agrees_with_a_search_through_all() {
        let field = backends(&[1, 2, 3, 4, 5, 1, 1, 1, 1, 9, 1, 1]);
        let ranking = Ranking::of(&field);
        let mut random = fastrand::Rng::with_seed(1);
        let mut leases = Vec::new();
        for _ in 0..10_000 {
            if random.bool() || leases.is_empty() {
                leases.push(InFlight::new(Arc::clone(&field[random.usize(..field.len())])));
            } else {
                leases.swap_remove(random.usize(..leases.len()));
            }
            let absent = random.usize(..=field.len());
            let least = ranking.take_least(|number| number != absent).unwrap();
            let others = field.iter().filter(|backend| backend.number != absent);
            let lowest = others.map(|backend| backend.load()).min_by(f64::total_cmp).unwrap();
            assert_eq!(field[least - 1].load(), lowest);
        }
    }

    #[test]
    fn among_equals_the_one_picked_longest_ago_is_least() {
        let ranking = Ranking::of(&backends(&[1, 1, 1]));
        let picked: Vec<_> = (0..6).map(|_| ranking.take_least(|_| true).unwrap()).collect();
        assert_eq!(picked, [1, 2, 3, 1, 2, 3]);
        assert_eq!(ranking.take_least(|_| false), None);
    }

    #[test]
    fn the_total_follows_all_of_them() {
        let field = backends(&[1, 1, 1]);
        let early = InFlight::new(Arc::clone(&field[1]));
        let total = Total::of(&field);
        let late = InFlight::new(Arc::clone(&field[2]));
        assert_eq!(total.in_flight(), 2);
        drop((early, late));
        assert_eq!(total.in_flight(), 0);
    }
}
