//! How busy was the server lately?

use std::time::{Duration, Instant};

/// The time constant of the averages.
const WINDOW: Duration = Duration::from_secs(1);

/// Exponential averages of the requests in service and of the rate of ends: what happened a second ago counts
/// 37 % (1/e) of what happens now.
///
/// Between two changes, the number of requests in service is constant. So these averages are exact, at any
/// rate of changes.
#[derive(Debug)]
pub(super) struct Meter {
    at: Instant,
    serving: f64,
    rate: f64,
}

/// The load of a server, as averages over about a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Requests in service.
    pub serving: f64,
    /// The share of the places that are in use, 0 to 1; `None` for a server with any number of places.
    pub utilization: Option<f64>,
    /// Services that ended, per second.
    pub rate: f64,
    /// Requests that wait now.
    pub waiting: usize,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self { at: now, serving: 0.0, rate: 0.0 }
    }

    /// Up to `now`, this many requests were in service.
    pub(super) fn pass(&mut self, now: Instant, serving: usize) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        let keep = (-passed / WINDOW.as_secs_f64()).exp();
        self.serving = self.serving * keep + serving as f64 * (1.0 - keep);
        self.rate *= keep;
        self.at = self.at.max(now);
    }

    /// A service ended now.
    pub(super) fn end(&mut self) {
        self.rate += 1.0 / WINDOW.as_secs_f64();
    }

    pub(super) fn load(&self, places: Option<u32>, waiting: usize) -> Load {
        let utilization = places.map(|places| (self.serving / f64::from(places)).min(1.0));
        Load { serving: self.serving, utilization, rate: self.rate, waiting }
    }
}

impl Load {
    /// The value of the header `endpoint-load-metrics` (gRFC A51 and Envoy, "ORCA"), in its text form. A
    /// factor other than 1 is a lie about the utilisation.
    pub fn header(&self, factor: f64) -> String {
        let Self { serving, utilization, rate, waiting } = self;
        let utilization = utilization.map(|share| format!("cpu_utilization={:.4},", share * factor));
        format!(
            "TEXT {}rps_fractional={rate:.2},named_metrics.serving={serving:.3},named_metrics.waiting={waiting}",
            utilization.unwrap_or_default()
        )
    }
}
