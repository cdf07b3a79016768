//! Whether the balancer wants requests: the answer to a load balancer in front, or to an orchestrator.

use std::cell::RefCell;
use std::collections::HashSet;

use balance::member::{Member, Mode};
use balance::state::State;

use crate::pool::Fleet;

/// The backends of the start that have not been pinged yet, by [`balance::Backend::id`]: the number of a
/// backend that has left may belong to another one.
#[derive(Debug)]
pub(super) struct FirstRound(RefCell<HashSet<u64>>);

impl FirstRound {
    /// All present backends.
    pub(super) fn of(fleet: &Fleet) -> Self {
        Self(RefCell::new(fleet.members.iter().map(|backend| backend.id).collect()))
    }

    /// A backend has been pinged, with any result.
    pub(super) fn pinged(&self, id: u64) {
        self.0.borrow_mut().remove(&id);
    }

    /// Whether all backends have been pinged that still belong to the pool and get pings at all.
    pub(super) fn is_over(&self, fleet: &Fleet) -> bool {
        let mut waiting = self.0.borrow_mut();
        if !waiting.is_empty() {
            let pinged = fleet.members.iter().filter(|backend| backend.spec().mode != Mode::Maintenance);
            let pinged: HashSet<_> = pinged.map(|backend| backend.id).collect();
            waiting.retain(|id| pinged.contains(id));
        }
        waiting.is_empty()
    }
}

/// Whether there is a backend that a request could go to.
pub(super) fn can_pick(fleet: &Fleet, panic_threshold: u8) -> bool {
    fleet.members.iter().any(|backend| takes(&backend.spec(), backend.is(State::Down), panic_threshold))
}

/// Whether a backend can be picked. A backend that answers badly or not at all can be picked if there is no
/// better one; a backend that is down only if health is ignored because too many are down.
fn takes(spec: &Member, is_down: bool, panic_threshold: u8) -> bool {
    spec.mode == Mode::Ready && spec.weight > 0 && (!is_down || panic_threshold > 0)
}

/// The reason why the balancer wants no requests; `None` if it wants them.
pub(super) fn not_ready(ends: bool, first_round_is_over: bool, can_pick: bool) -> Option<&'static str> {
    match (ends, first_round_is_over, can_pick) {
        (true, _, _) => Some("draining"),
        (false, false, _) => Some("the backends have not been pinged yet"),
        (false, true, false) => Some("no backend can be picked"),
        (false, true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use balance::Address;

    use super::*;

    #[test]
    fn requests_are_welcome_when_a_backend_can_take_them() {
        let table = [
            ((false, true, true), None),
            ((true, true, true), Some("draining")),
            ((true, false, false), Some("draining")),
            ((false, false, true), Some("the backends have not been pinged yet")),
            ((false, true, false), Some("no backend can be picked")),
        ];
        for ((ends, first_round_is_over, can_pick), why) in table {
            assert_eq!(not_ready(ends, first_round_is_over, can_pick), why);
        }
    }

    #[test]
    fn who_is_down_or_not_wanted_cannot_be_picked() {
        let plain = Member::new(Address { host: "a".into(), port: 80 });
        let table = [
            (plain.clone(), false, 0, true),
            (plain.clone(), true, 0, false),
            (plain.clone(), true, 50, true),
            (Member { backup: true, priority: 3, ..plain.clone() }, false, 0, true),
            (Member { weight: 0, ..plain.clone() }, false, 50, false),
            (Member { mode: Mode::Drain, ..plain.clone() }, false, 50, false),
            (Member { mode: Mode::Maintenance, ..plain }, false, 0, false),
        ];
        for (spec, is_down, panic_threshold, expected) in table {
            assert_eq!(
                takes(&spec, is_down, panic_threshold),
                expected,
                "{spec:?} {is_down} {panic_threshold}"
            );
        }
    }
}
