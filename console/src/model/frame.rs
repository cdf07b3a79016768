//! The sums of one tick.

use std::collections::BTreeMap;

use api::{BackendTick, Tick};

/// The sums of one backend since the start of the balancer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) picks: u64,
    pub(super) answers: u64,
    pub(super) errors: u64,
    pub(super) failures: u64,
    pub(super) retries: u64,
    pub(super) hedges: u64,
}

impl Sums {
    pub(super) fn of(tick: &BackendTick) -> Self {
        let BackendTick { picks, answers, errors, failures, retries, hedges, .. } = *tick;
        Self { picks, answers, errors, failures, retries, hedges }
    }

    /// Tries that ended badly.
    pub(super) fn bad(&self) -> u64 {
        self.errors.saturating_add(self.failures)
    }

    /// Answers that are not of the class 5xx.
    pub(super) fn good(&self) -> u64 {
        self.answers.saturating_sub(self.errors)
    }
}

/// The sums of one tick, and of the ticks before it for the backends that it leaves out.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    pub(super) tick: Tick,
    pub(super) lanes: BTreeMap<usize, Sums>,
}

impl Frame {
    /// The frame of a tick. A backend that the tick leaves out has the sums of the frame before, unless all
    /// sums have begun again.
    pub(super) fn next(before: Option<&Self>, tick: &Tick) -> Self {
        let lanes = tick.backends.iter().map(|backend| (backend.backend, Sums::of(backend))).collect();
        let tick = Tick { backends: Vec::new(), load: None, ..tick.clone() };
        let mut frame = Self { tick, lanes };
        if let Some(before) = before.filter(|before| !frame.begins_again(before)) {
            for (number, sums) in &before.lanes {
                frame.lanes.entry(*number).or_insert(*sums);
            }
        }
        frame
    }

    /// All hedges so far.
    pub(super) fn hedges(&self) -> u64 {
        self.lanes.values().fold(0, |all, sums| all.saturating_add(sums.hedges))
    }

    /// All tries so far.
    pub(super) fn tries(&self) -> u64 {
        self.lanes.values().fold(0, |all, sums| all.saturating_add(sums.picks).saturating_add(sums.retries))
    }

    /// Whether a sum of `self` is less than before: the balancer has begun to count again.
    pub(super) fn begins_again(&self, before: &Self) -> bool {
        let fell = |(number, sums): (&usize, &Sums)| {
            before.lanes.get(number).is_some_and(|before| sums.picks < before.picks)
        };
        self.tick.requests < before.tick.requests || self.lanes.iter().any(fell)
    }
}
