//! The changes of a pool: the difference between the old settings of its backends and the new ones.
//!
//! The address identifies a backend. A backend that stays keeps everything that is known about it: its turn,
//! its health, its requests in flight and its latencies.

use std::collections::HashMap;

use super::backend::Address;
use super::member::Member;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A backend is added.
    Add(Member),
    /// A backend is removed. It finishes the requests that it has, and gets no new ones.
    Remove(Address),
    /// A backend that stays gets other settings.
    Update(Member),
}

/// The changes from one list of members to another: the removed members first, then the members with other
/// settings, then the new members, in the order of the new list.
pub fn diff(old: &[Member], new: &[Member]) -> Vec<Change> {
    let before: HashMap<_, _> = old.iter().map(|member| (&member.address, member)).collect();
    let after: HashMap<_, _> = new.iter().map(|member| (&member.address, member)).collect();
    let gone = old.iter().filter(|member| !after.contains_key(&member.address));
    let mut changes: Vec<_> = gone.map(|member| Change::Remove(member.address.clone())).collect();
    let told = new.iter().filter_map(|member| match before.get(&member.address) {
        Some(known) => (*known != member).then(|| Change::Update(member.clone())),
        None => Some(Change::Add(member.clone())),
    });
    changes.extend(told);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Mode;

    fn member(port: u16) -> Member {
        Member::new(Address { host: "localhost".into(), port })
    }

    #[test]
    fn only_what_differs_changes() {
        let heavy = || Member { weight: 5, ..member(2) };
        let drained = || Member { mode: Mode::Drain, ..member(2) };
        let table = [
            ("nothing", vec![member(1), member(2)], vec![member(1), member(2)], vec![]),
            ("another order is no change", vec![member(1), member(2)], vec![member(2), member(1)], vec![]),
            ("one comes", vec![member(1)], vec![member(1), member(2)], vec![Change::Add(member(2))]),
            (
                "one goes",
                vec![member(1), member(2)],
                vec![member(2)],
                vec![Change::Remove(member(1).address)],
            ),
            ("a weight", vec![member(1), member(2)], vec![member(1), heavy()], vec![Change::Update(heavy())]),
            ("a mode", vec![heavy()], vec![drained()], vec![Change::Update(drained())]),
            (
                "all at once",
                vec![member(1), member(2)],
                vec![member(3), heavy()],
                vec![Change::Remove(member(1).address), Change::Add(member(3)), Change::Update(heavy())],
            ),
        ];
        for (what, old, new, changes) in table {
            assert_eq!(diff(&old, &new), changes, "{what}");
        }
    }
}
