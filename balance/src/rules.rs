//! The rules by which the backends share the requests. They can change while requests are in flight.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::policy::{Kind, Settings};
use super::state::Thresholds;
use super::{budget, outlier, silence, subset};

/// The rules of a pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// The policy that picks a backend.
    pub policy: Kind,
    /// For [`Kind::BoundedRing`]: the largest load of a backend, in percent of its fair share; more than 100.
    pub load_factor: u32,
    /// For [`Kind::Score`] and [`Kind::Affinity`]: see [`Settings`].
    pub remembered_keys: NonZeroUsize,
    /// For [`Kind::Affinity`]: see [`Settings`].
    pub affinity_gap: u32,
    /// For lessons: the policy sees the loads as they were at the last refresh, and there is one in each such
    /// period; zero for the present loads.
    pub load_view_delay: Duration,
    /// The backends that requests with the same key may use; `None` for all of them.
    pub subset: Option<subset::Rule>,
    /// If fewer than this percentage of a level's backends is up, picks ignore health; 0 for never.
    pub panic_threshold: u8,
    /// The time in which a backend that has come up grows to its full share.
    pub slow_start: Duration,
    /// How much evidence a change of state needs.
    pub thresholds: Thresholds,
    /// The conditions for silence.
    pub silence: silence::Rule,
    /// The conditions for an ejection.
    pub outlier: outlier::Rule,
    /// The limits of all retries together; `None` for no limit.
    pub retry_budget: Option<budget::Rule>,
}

impl Default for Rules {
    /// The defaults of the program `lb`.
    fn default() -> Self {
        Self {
            policy: Kind::default(),
            load_factor: Settings::DEFAULT.load_factor,
            remembered_keys: Settings::DEFAULT.remembered_keys,
            affinity_gap: Settings::DEFAULT.affinity_gap,
            load_view_delay: Duration::ZERO,
            subset: None,
            panic_threshold: 0,
            slow_start: Duration::ZERO,
            thresholds: Thresholds { rise: 2, fall: 3 },
            silence: silence::Rule { waiting: 3, at_least: Duration::from_millis(500) },
            outlier: outlier::Rule::OFF,
            retry_budget: None,
        }
    }
}

impl Rules {
    /// Whether a pick depends on the key of the request: because of the policy, or because of the subset.
    pub const fn uses_key(&self) -> bool {
        self.policy.uses_key() || self.subset.is_some()
    }

    /// What the policies are made of: if it changes, they are made anew.
    pub(super) const fn of_policies(&self) -> (Kind, Settings, Duration) {
        let Self { load_factor, remembered_keys, affinity_gap, .. } = *self;
        (self.policy, Settings { load_factor, remembered_keys, affinity_gap }, self.load_view_delay)
    }
}

/// The present rules.
#[derive(Debug)]
pub(super) struct InForce {
    all: ArcSwap<Rules>,
    /// Copies of the values that every request needs, to make reading them cheap.
    wants_key: AtomicBool,
    wants_reports: AtomicBool,
    enough_waiting: AtomicU32,
    ejects: AtomicBool,
    has_budget: AtomicBool,
}

impl InForce {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            all: ArcSwap::from_pointee(rules),
            wants_key: AtomicBool::new(rules.uses_key()),
            wants_reports: AtomicBool::new(rules.policy.uses_reports()),
            enough_waiting: AtomicU32::new(rules.silence.waiting),
            ejects: AtomicBool::new(rules.outlier.is_on()),
            has_budget: AtomicBool::new(rules.retry_budget.is_some()),
        }
    }

    pub(super) fn now(&self) -> Rules {
        **self.all.load()
    }

    pub(super) fn set(&self, rules: Rules) {
        self.all.store(Arc::new(rules));
        self.wants_key.store(rules.uses_key(), Relaxed);
        self.wants_reports.store(rules.policy.uses_reports(), Relaxed);
        self.enough_waiting.store(rules.silence.waiting, Relaxed);
        self.ejects.store(rules.outlier.is_on(), Relaxed);
        self.has_budget.store(rules.retry_budget.is_some(), Relaxed);
    }

    /// [`Rules::uses_key`].
    pub(super) fn wants_key(&self) -> bool {
        self.wants_key.load(Relaxed)
    }

    /// [`Kind::uses_reports`].
    pub(super) fn wants_reports(&self) -> bool {
        self.wants_reports.load(Relaxed)
    }

    /// [`silence::Rule::waiting`].
    pub(super) fn enough_waiting(&self) -> u32 {
        self.enough_waiting.load(Relaxed)
    }

    /// Whether [`Rules::retry_budget`] is set.
    pub(super) fn has_budget(&self) -> bool {
        self.has_budget.load(Relaxed)
    }

    /// [`outlier::Rule::is_on`].
    pub(super) fn ejects(&self) -> bool {
        self.ejects.load(Relaxed)
    }
}
