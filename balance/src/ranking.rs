//! The backends ordered by load, for thousands of them, and the sum of their loads: a heap and a sum that are
//! updated whenever a request begins or ends.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::backend::Backend;
use super::load::{Load, LoadWatch};

/// The watch of some backends, as each of them holds it.
type Watch = Arc<Arc<dyn LoadWatch>>;

/// The backends, ordered by load.
#[derive(Debug)]
pub struct Ranking {
    order: Arc<Order>,
    watch: Watch,
}

/// The part of a ranking that its backends know.
#[derive(Debug, Default)]
struct Order {
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
    pub fn of(backends: &[Arc<Backend>]) -> Self {
        let order = Arc::new(Order::default());
        let watch = Arc::new(Arc::clone(&order) as Arc<dyn LoadWatch>);
        let ranking = Self { order, watch };
        ranking.follow(backends);
        ranking
    }

    /// Orders these backends from now on, and no others. Backends that stay keep their places, so that a
    /// change of a few among thousands costs little more than a look at each.
    pub fn follow(&self, backends: &[Arc<Backend>]) {
        let mut news = Vec::new();
        {
            let mut heap = self.order.heap();
            let mut stays = vec![false; heap.indices.len()];
            for backend in backends {
                // Another backend may have had this number before.
                let known = heap.has(backend.number) && backend.is_watched_by(&self.watch);
                match stays.get_mut(backend.number - 1) {
                    Some(stays) if known => *stays = true,
                    _ => news.push(backend),
                }
            }
            for (number, _) in (1..).zip(stays).filter(|(_, stays)| !stays) {
                heap.remove(number);
            }
            news.iter().for_each(|backend| heap.insert(backend));
        }
        // The loads are read again, because they may have changed before the watch was there.
        for backend in news {
            backend.watch(Some(Arc::clone(&self.watch)));
            self.order.load_changed(backend.number, &backend.load);
        }
    }

    /// Returns the number of the backend with the lowest load for which `is_candidate` holds, and moves it
    /// behind those with the same load. Costs O(log n) for each backend that has a lower load and is no
    /// candidate.
    pub fn take_least(&self, is_candidate: impl Fn(usize) -> bool) -> Option<usize> {
        self.order.heap().take_least(is_candidate)
    }
}

impl Order {
    fn heap(&self) -> MutexGuard<'_, Heap> {
        self.heap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LoadWatch for Order {
    fn load_changed(&self, number: usize, load: &Load) {
        self.heap().update(number, load);
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

    /// The index of the backend with this number, if it is here.
    fn index(&self, number: usize) -> Option<usize> {
        self.indices.get(number - 1).copied().filter(|index| *index != NOWHERE)
    }

    fn has(&self, number: usize) -> bool {
        self.index(number).is_some()
    }

    fn remove(&mut self, number: usize) {
        let Some(index) = self.index(number) else { return };
        self.entries.swap_remove(index);
        self.indices[number - 1] = NOWHERE;
        if index < self.entries.len() {
            self.settle(index);
        }
    }

    fn update(&mut self, number: usize, load: &Load) {
        let Some(index) = self.index(number) else { return };
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
    tally: Arc<Tally>,
    watch: Watch,
}

/// The part of a total that its backends know.
#[derive(Debug)]
struct Tally {
    sum: AtomicI64,
    /// By number, minus one: the count for each backend, or [`ABSENT`].
    counted: Vec<AtomicU32>,
}

/// The backend does not belong to the total.
const ABSENT: u32 = u32::MAX;

impl Total {
    /// Starts the sum over these backends: they report their changes to it.
    pub fn of(backends: &[Arc<Backend>]) -> Self {
        let last = backends.last().map_or(0, |backend| backend.number);
        let counted = (0..last).map(|_| AtomicU32::new(ABSENT)).collect();
        let tally = Arc::new(Tally { sum: AtomicI64::new(0), counted });
        let watch = Arc::new(Arc::clone(&tally) as Arc<dyn LoadWatch>);
        let total = Self { tally, watch };
        total.follow(backends);
        total
    }

    /// Sums these backends from now on, and no others. Returns whether it can: it has no room for numbers
    /// above those that it was made for.
    pub fn follow(&self, backends: &[Arc<Backend>]) -> bool {
        let counted = &self.tally.counted;
        if backends.last().is_some_and(|backend| backend.number > counted.len()) {
            return false;
        }
        let mut stays = vec![false; counted.len()];
        for backend in backends {
            stays[backend.number - 1] = true;
            let before = counted[backend.number - 1].load(Relaxed);
            // Another backend may have had this number before.
            if before == ABSENT || !backend.is_watched_by(&self.watch) {
                let _ = counted[backend.number - 1].compare_exchange(ABSENT, 0, Relaxed, Relaxed);
                backend.watch(Some(Arc::clone(&self.watch)));
                self.tally.load_changed(backend.number, &backend.load);
            }
        }
        for (counted, _) in counted.iter().zip(stays).filter(|(_, stays)| !stays) {
            let before = counted.swap(ABSENT, Relaxed);
            if before != ABSENT {
                self.tally.sum.fetch_sub(i64::from(before), Relaxed);
            }
        }
        true
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u64 {
        self.tally.sum.load(Relaxed).try_into().unwrap_or(0)
    }
}

impl LoadWatch for Tally {
    /// Adds the difference to the last count for this backend, so that no change is lost permanently.
    fn load_changed(&self, number: usize, load: &Load) {
        let Some(counted) = self.counted.get(number - 1) else { return };
        let now = load.in_flight();
        let is_there = |before| (before != ABSENT).then_some(now);
        if let Ok(before) = counted.fetch_update(Relaxed, Relaxed, is_there) {
            self.sum.fetch_add(i64::from(now) - i64::from(before), Relaxed);
        }
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

    /// Requests that come to these backends and leave them: about 15 in flight.
    fn stir(field: &[Arc<Backend>], leases: &mut Vec<InFlight>, random: &mut fastrand::Rng) {
        for _ in 0..5 {
            if leases.len() < 15 || random.bool() {
                leases.push(InFlight::new(Arc::clone(&field[random.usize(..field.len())])));
            } else {
                leases.swap_remove(random.usize(..leases.len()));
            }
        }
    }

    #[test]
    fn a_ranking_follows_a_change_of_its_backends() {
        let mut field = backends(&[1; 6]);
        let ranking = Ranking::of(&field[..4]);
        let mut random = fastrand::Rng::with_seed(3);
        let mut leases = Vec::new();
        for turn in 0..2000 {
            if turn % 10 == 0 {
                // Another backend gets a number whose last backend has no requests left.
                let index = random.usize(..6);
                leases.retain(|lease: &InFlight| lease.backend().number != index + 1);
                field[index] = Arc::clone(&backends(&[1; 6])[index]);
            }
            let now: Vec<_> = field.iter().filter(|_| random.bool()).map(Arc::clone).collect();
            stir(&field, &mut leases, &mut random);
            ranking.follow(&now);
            stir(&field, &mut leases, &mut random);
            let lowest = now.iter().map(|backend| backend.load()).min_by(f64::total_cmp);
            let least = ranking.take_least(|_| true);
            let load = least.and_then(|number| now.iter().find(|backend| backend.number == number));
            assert_eq!(load.map(|backend| backend.load()), lowest, "{least:?}");
        }
    }

    #[test]
    fn a_backend_that_stays_keeps_its_turn() {
        let field = backends(&[1; 4]);
        let ranking = Ranking::of(&field);
        assert_eq!([1, 2].map(|_| ranking.take_least(|_| true)), [Some(1), Some(2)]);
        ranking.follow(&field[..3]);
        assert_eq!([1, 2].map(|_| ranking.take_least(|_| true)), [Some(3), Some(1)]);
        ranking.follow(&field);
        assert_eq!(ranking.take_least(|_| true), Some(4), "it was never picked");
    }

    #[test]
    fn a_total_follows_a_change_of_its_backends() {
        let field = backends(&[1; 6]);
        let total = Total::of(&field);
        let mut random = fastrand::Rng::with_seed(4);
        let mut leases = Vec::new();
        for _ in 0..2000 {
            let now: Vec<_> = field.iter().filter(|_| random.bool()).map(Arc::clone).collect();
            stir(&field, &mut leases, &mut random);
            assert!(total.follow(&now));
            stir(&field, &mut leases, &mut random);
            let expected: u32 = now.iter().map(|backend| backend.in_flight()).sum();
            assert_eq!(total.in_flight(), u64::from(expected));
        }
        assert!(!Total::of(&field[..3]).follow(&field), "it has no room for the number 6");
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
