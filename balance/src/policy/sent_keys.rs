//! The keys that were sent to each backend last: what its cache probably holds.
//!
//! A balancer sees no cache. It only knows what it has sent itself, so it keeps a list for each backend, as
//! long as the cache of the backend, in which the key that was used last stays longest.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::list::mix;
use crate::backend::Backend;

/// The keys that were sent last, for each backend.
#[derive(Debug)]
pub(super) struct SentKeys {
    /// A standard lock: it is never held across an `await`.
    lists: Mutex<Lists>,
}

/// The lists while they are locked.
#[derive(Debug)]
pub(super) struct Lists {
    /// By [`Backend::id`], because a backend that comes back may have another number.
    by_id: BTreeMap<u64, LruCache<u64, ()>>,
    /// The length of each list.
    most: NonZeroUsize,
}

impl SentKeys {
    /// Empty lists, of at most so many keys.
    pub(super) fn new(most: NonZeroUsize) -> Self {
        Self { lists: Mutex::new(Lists { by_id: BTreeMap::new(), most }) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the backends that are not among these members.
    pub(super) fn keep(&self, members: &[Arc<Backend>]) {
        self.lock().by_id.retain(|id, _| members.iter().any(|backend| backend.id == *id));
    }
}

impl Lists {
    /// Whether the key was sent to the backend, and not too long ago.
    pub(super) fn has(&self, backend: &Backend, key: u64) -> bool {
        self.by_id.get(&backend.id).is_some_and(|list| list.contains(&key))
    }

    /// The key is sent to the backend.
    pub(super) fn note(&mut self, backend: &Backend, key: u64) {
        // A list grows with its keys: a long one costs nothing before it is used.
        let list = self.by_id.entry(backend.id).or_insert_with(LruCache::unbounded);
        list.put(key, ());
        if list.len() > self.most.get() {
            list.pop_lru();
        }
    }
}

/// The index of the candidate with the lowest score. Of several with the same score, the key decides by a
/// hash, so that a new key has one home.
pub(super) fn lowest(
    candidates: &[Arc<Backend>],
    key: u64,
    score: impl Fn(&Backend) -> Option<f64>,
) -> Option<usize> {
    let scored = candidates
        .iter()
        .enumerate()
        .filter_map(|(index, backend)| score(backend).map(|score| (index, score, mix(backend.id, key))));
    scored.min_by(|one, other| one.1.total_cmp(&other.1).then(one.2.cmp(&other.2))).map(|(index, ..)| index)
}

#[cfg(test)]
mod tests {
    use super::super::contract::backends;
    use super::*;

    #[test]
    fn a_list_keeps_the_keys_that_were_sent_last() {
        let field = backends(&[1, 1]);
        let keys = SentKeys::new(NonZeroUsize::new(2).unwrap());
        let has = |backend: usize| [1, 2, 3].map(|key| keys.lock().has(&field[backend], key));
        [1, 2, 1, 3].into_iter().for_each(|key| keys.lock().note(&field[0], key));
        assert_eq!((has(0), has(1)), ([true, false, true], [false; 3]));
        keys.lock().note(&field[1], 2);
        keys.keep(&field[1..]);
        assert_eq!((has(0), has(1)), ([false; 3], [false, true, false]));
    }
}
