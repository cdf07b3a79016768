//! The script of a run: what breaks, and when.

use std::time::Duration;

use crate::clock::{NEVER, Nanos, nanos};

/// Something that happens to a backend. Backends are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// The process ends at once. Its requests are lost, and its port refuses connections.
    Kill {
        /// The backend.
        backend: usize,
    },
    /// The balancers' configurations no longer have the backend. It finishes its requests.
    Leave {
        /// The backend.
        backend: usize,
    },
    /// The process starts again, at its usual speed.
    Start {
        /// The backend.
        backend: usize,
    },
    /// The process stops and keeps its requests. The kernel still accepts connections for it.
    Stop {
        /// The backend.
        backend: usize,
    },
    /// The stopped process continues.
    Continue {
        /// The backend.
        backend: usize,
    },
    /// All work takes longer.
    Slow {
        /// The backend.
        backend: usize,
        /// How many times as long; above 0.
        times: f64,
        /// For how long.
        lasts: Duration,
    },
    /// The service of requests takes this much longer, whatever the speed.
    Latency {
        /// The backend.
        backend: usize,
        /// The time that is added.
        adds: Duration,
        /// The percentage of the requests that it hits, from 0 to 100.
        percent: f64,
        /// For how long.
        lasts: Duration,
    },
    /// Answers have a status of 400 and above.
    Status {
        /// The backend.
        backend: usize,
        /// The status.
        code: u16,
        /// The percentage of the requests that get it, from 0 to 100.
        percent: f64,
        /// The work of such an answer; `None` for the work of the request.
        takes: Option<Duration>,
        /// For how long.
        lasts: Duration,
    },
    /// The server is cold: its speed grows evenly to its usual speed.
    Cold {
        /// The backend.
        backend: usize,
        /// The speed at the beginning, as a part of the usual speed: above 0 and below 1.
        from: f64,
        /// The time to the usual speed.
        over: Duration,
    },
    /// The server gets another number of workers and another bound of its queue. Requests that are in service
    /// or in the queue stay there.
    Capacity {
        /// The backend.
        backend: usize,
        /// Requests that it serves at a time, at least 1; `None` for any number.
        workers: Option<u32>,
        /// Requests that may wait; `None` for any number.
        queue: Option<u32>,
    },
    /// Pings that are HTTP requests fail, and requests are answered as usual.
    Probes {
        /// The backend.
        backend: usize,
        /// The percentage of the pings that fail, from 0 to 100.
        percent: f64,
        /// For how long.
        lasts: Duration,
    },
}

impl Fault {
    /// The number of its backend.
    pub fn backend(&self) -> usize {
        match *self {
            Self::Kill { backend }
            | Self::Leave { backend }
            | Self::Start { backend }
            | Self::Stop { backend }
            | Self::Continue { backend }
            | Self::Slow { backend, .. }
            | Self::Latency { backend, .. }
            | Self::Capacity { backend, .. }
            | Self::Status { backend, .. }
            | Self::Cold { backend, .. }
            | Self::Probes { backend, .. } => backend,
        }
    }

    /// How long it lasts, if it ends by itself.
    fn lasts(&self) -> Option<Duration> {
        match *self {
            Self::Slow { lasts, .. }
            | Self::Latency { lasts, .. }
            | Self::Status { lasts, .. }
            | Self::Probes { lasts, .. } => Some(lasts),
            _ => None,
        }
    }

    /// The same fault with another end, if it ends by itself.
    pub(crate) fn lasting(mut self, time: Duration) -> Self {
        if let Self::Slow { lasts, .. }
        | Self::Latency { lasts, .. }
        | Self::Status { lasts, .. }
        | Self::Probes { lasts, .. } = &mut self
        {
            *lasts = time;
        }
        self
    }
}

/// A step of the script.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    pub(crate) at: Nanos,
    pub(crate) fault: Fault,
    /// The fault ends here.
    pub(crate) ends: bool,
    /// The index of the fault, so that an end finds its beginning.
    pub(crate) name: u32,
}

/// The steps of these faults, by time. Steps of one time keep the order of the faults.
pub(crate) fn steps(faults: &[(Duration, Fault)]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, (at, fault)) in (0..).zip(faults) {
        let at = nanos(*at);
        steps.push(Step { at, fault: *fault, ends: false, name });
        let until = fault.lasts().map_or(NEVER, |lasts| at.saturating_add(nanos(lasts)));
        if until != NEVER {
            steps.push(Step { at: until, fault: *fault, ends: true, name });
        }
    }
    steps.sort_by_key(|step| step.at);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::s;

    #[test]
    fn a_fault_that_lasts_has_an_end() {
        let slow = Fault::Slow { backend: 1, times: 10.0, lasts: s(20) };
        let for_ever = Fault::Slow { backend: 2, times: 10.0, lasts: Duration::MAX };
        let steps = steps(&[(s(10), slow), (s(5), for_ever), (s(20), Fault::Kill { backend: 3 })]);
        let told: Vec<_> =
            steps.iter().map(|it| (it.at / 1_000_000_000, it.fault.backend(), it.ends)).collect();
        assert_eq!(told, [(5, 2, false), (10, 1, false), (20, 3, false), (30, 1, true)]);
    }
}
