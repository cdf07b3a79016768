//! The changes of a pool: the difference between the old settings of its backends and the new ones.
//!
//! The address identifies a backend. A backend that stays keeps everything that is known about it: its turn,
//! its health, its requests in flight and its latencies. An update names only the settings that change, so
//! the other settings stay as they are, even if they were changed by hand.

use std::collections::HashMap;

use super::address::Address;
use super::member::{Member, Mode};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A backend is added.
    Add(Member),
    /// A backend is removed. It finishes the requests that it has, and gets no new ones.
    Remove(Address),
    /// A backend that stays gets other settings.
    Update(Update),
}

impl Change {
    /// The address of the backend that changes.
    pub fn address(&self) -> &Address {
        match self {
            Self::Add(member) => &member.address,
            Self::Remove(address) => address,
            Self::Update(update) => &update.address,
        }
    }
}

/// New settings of one backend. A setting that is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The address of the backend.
    pub address: Address,
    /// The new [`Member::weight`].
    pub weight: Option<u32>,
    /// The new [`Member::priority`].
    pub priority: Option<u8>,
    /// The new [`Member::backup`].
    pub backup: Option<bool>,
    /// The new [`Member::limit`], which may be no limit.
    pub limit: Option<Option<u32>>,
    /// The new [`Member::mode`].
    pub mode: Option<Mode>,
    /// The new [`Member::every_address`].
    pub every_address: Option<bool>,
}

impl Update {
    /// An update that changes nothing yet.
    pub fn of(address: Address) -> Self {
        Self {
            address,
            weight: None,
            priority: None,
            backup: None,
            limit: None,
            mode: None,
            every_address: None,
        }
    }

    /// The settings of `after` that differ from those of `before`.
    pub fn between(before: &Member, after: &Member) -> Self {
        fn differs<T: PartialEq>(before: T, after: T) -> Option<T> {
            (before != after).then_some(after)
        }
        Self {
            address: after.address.clone(),
            weight: differs(before.weight, after.weight),
            priority: differs(before.priority, after.priority),
            backup: differs(before.backup, after.backup),
            limit: differs(before.limit, after.limit),
            mode: differs(before.mode, after.mode),
            every_address: differs(before.every_address, after.every_address),
        }
    }

    /// The settings of a backend with these settings after the update.
    #[must_use]
    pub fn applied_to(&self, member: &Member) -> Member {
        Member {
            address: member.address.clone(),
            weight: self.weight.unwrap_or(member.weight),
            priority: self.priority.unwrap_or(member.priority),
            backup: self.backup.unwrap_or(member.backup),
            limit: self.limit.unwrap_or(member.limit),
            mode: self.mode.unwrap_or(member.mode),
            every_address: self.every_address.unwrap_or(member.every_address),
        }
    }
}

/// The changes from one list of members to another: the removed members first, then the members with other
/// settings, then the new members, in the order of the new list.
pub fn diff(old: &[Member], new: &[Member]) -> Vec<Change> {
    let before = by_address(old);
    let after = by_address(new);
    let gone = old.iter().filter(|member| !after.contains_key(&member.address));
    let mut changes: Vec<_> = gone.map(|member| Change::Remove(member.address.clone())).collect();
    let told = new.iter().filter_map(|member| match before.get(&member.address) {
        Some(known) => (*known != member).then(|| Change::Update(Update::between(known, member))),
        None => Some(Change::Add(member.clone())),
    });
    changes.extend(told);
    changes
}

/// The changes that have an effect on a pool with these members. A change by hand may have come first: then
/// a member is not removed twice, an update of a removed member does not bring it back, and a member that
/// is added again gets only the settings that are not the defaults.
pub fn effective(changes: Vec<Change>, present: &[Member]) -> Vec<Change> {
    let present = by_address(present);
    let effect = |change| {
        let update = match change {
            Change::Remove(address) => {
                return present.contains_key(&address).then_some(Change::Remove(address));
            }
            Change::Add(member) if !present.contains_key(&member.address) => {
                return Some(Change::Add(member));
            }
            Change::Add(member) => Update::between(&Member::new(member.address.clone()), &member),
            Change::Update(update) => update,
        };
        let member = present.get(&update.address)?;
        (update.applied_to(member) != **member).then_some(Change::Update(update))
    };
    changes.into_iter().filter_map(effect).collect()
}

fn by_address(members: &[Member]) -> HashMap<&Address, &Member> {
    members.iter().map(|member| (&member.address, member)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(port: u16) -> Member {
        Member::new(Address { host: "localhost".into(), port })
    }

    #[test]
    fn only_what_differs_changes() {
        let heavy = || Member { weight: 5, ..member(2) };
        let drained = || Member { mode: Mode::Drain, ..member(2) };
        let update = |before: &Member, after: &Member| Change::Update(Update::between(before, after));
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
            (
                "a weight",
                vec![member(1), member(2)],
                vec![member(1), heavy()],
                vec![update(&member(2), &heavy())],
            ),
            ("a mode", vec![heavy()], vec![drained()], vec![update(&heavy(), &drained())]),
            (
                "all at once",
                vec![member(1), member(2)],
                vec![member(3), heavy()],
                vec![Change::Remove(member(1).address), Change::Add(member(3)), update(&member(2), &heavy())],
            ),
        ];
        for (what, old, new, changes) in table {
            assert_eq!(diff(&old, &new), changes, "{what}");
        }
    }

    #[test]
    fn an_update_changes_what_differs_between_two_files_and_keeps_what_was_changed_by_hand() {
        let in_the_pool = Member { weight: 0, mode: Mode::Drain, limit: Some(3), ..member(1) };
        let file = || Member { weight: 2, limit: Some(9), ..member(1) };
        let table = [
            ("nothing", file(), in_the_pool.clone()),
            ("the weight", Member { weight: 7, ..file() }, Member { weight: 7, ..in_the_pool.clone() }),
            ("the limit", Member { limit: None, ..file() }, Member { limit: None, ..in_the_pool.clone() }),
            (
                "the mode and the level",
                Member { mode: Mode::Maintenance, priority: 4, backup: true, ..file() },
                Member { mode: Mode::Maintenance, priority: 4, backup: true, ..in_the_pool.clone() },
            ),
        ];
        for (what, new, expected) in table {
            assert_eq!(Update::between(&file(), &new).applied_to(&in_the_pool), expected, "{what}");
        }
    }

    #[test]
    fn a_change_by_hand_may_have_come_first() {
        let heavy = Member { weight: 5, ..member(1) };
        let drained = Member { mode: Mode::Drain, ..heavy.clone() };
        let weight = || Change::Update(Update::between(&member(1), &heavy));
        let table = [
            ("it is there", weight(), vec![member(1)], vec![weight()]),
            ("it has the new weight", weight(), vec![drained.clone()], vec![]),
            ("it was removed", weight(), vec![member(2)], vec![]),
            ("it was removed before", Change::Remove(member(1).address), vec![member(2)], vec![]),
            ("it was added, and drained", Change::Add(heavy.clone()), vec![drained], vec![]),
            ("it was added with another weight", Change::Add(heavy.clone()), vec![member(1)], vec![weight()]),
            ("it is new", Change::Add(heavy.clone()), vec![member(2)], vec![Change::Add(heavy)]),
        ];
        for (what, change, present, expected) in table {
            assert_eq!(effective(vec![change], &present), expected, "{what}");
        }
    }
}
