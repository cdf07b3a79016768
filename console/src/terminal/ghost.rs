//! The figures of a ghost, as the screen shows them. Pure.

use crate::model::View;

/// What another policy would make of the same requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ghost {
    /// Its policy.
    pub(super) policy: String,
    /// The seconds that the figures cover.
    pub(super) seconds: f64,
    /// The backends.
    pub(super) lanes: Vec<GhostLane>,
    /// Good answers and errors a second, requests in flight, median and 99th percentile in microseconds.
    pub(super) good: f64,
    pub(super) errors: f64,
    pub(super) in_flight: u64,
    pub(super) p50_us: Option<u64>,
    pub(super) p99_us: Option<u64>,
    /// How well the ghost of the policy in force agrees with what is real, in per cent.
    pub(super) agreement: Option<f64>,
}

/// One backend of a ghost.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct GhostLane {
    pub(super) number: usize,
    pub(super) share: f64,
    pub(super) in_flight: u32,
    pub(super) p99_us: Option<u64>,
}

impl Ghost {
    /// The ghost that runs.
    pub(super) fn of(_view: &View) -> Option<Self> {
        None
    }

    /// The figures of a backend.
    pub(super) fn lane(&self, number: usize) -> Option<&GhostLane> {
        self.lanes.iter().find(|lane| lane.number == number)
    }
}
