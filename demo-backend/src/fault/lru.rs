//! A cache of keys that forgets the least recently used one.

use std::collections::{BTreeMap, HashMap};

/// The keys of one cache.
#[derive(Debug, Clone, Default)]
pub struct Lru {
    /// The last use of each key, as a number that grows with each use.
    uses: HashMap<String, u64>,
    keys: BTreeMap<u64, String>,
    next: u64,
}

impl Lru {
    /// Uses a key. True if it was there; otherwise it takes the place of the least recently used one.
    pub(super) fn hit(&mut self, key: &str, size: usize) -> bool {
        let last = self.uses.remove(key);
        if let Some(last) = last {
            self.keys.remove(&last);
        }
        while self.keys.len() >= size.max(1) {
            if let Some((_, oldest)) = self.keys.pop_first() {
                self.uses.remove(&oldest);
            }
        }
        self.uses.insert(key.to_owned(), self.next);
        self.keys.insert(self.next, key.to_owned());
        self.next += 1;
        last.is_some()
    }
}
