//! How busy was a server lately? The same averages as in the program `demo-backend`.

use balance::LoadReport;

use crate::clock::Nanos;

/// The time constant of the averages, in nanoseconds: what happened a second ago counts 37 % (1/e).
const WINDOW: f64 = 1e9;

/// Exponential averages of the requests in service and of the rate of ends.
#[derive(Debug, Default)]
pub(super) struct Meter {
    at: Nanos,
    serving: f64,
    /// In ends a second.
    rate: f64,
}

impl Meter {
    /// Up to `now`, this many requests were in service.
    pub(super) fn pass(&mut self, now: Nanos, serving: u32) {
        let keep = libm::exp(-((now - self.at) as f64) / WINDOW);
        self.serving = self.serving * keep + f64::from(serving) * (1.0 - keep);
        self.rate *= keep;
        self.at = now;
    }

    /// A service ended now.
    pub(super) fn end(&mut self) {
        self.rate += 1e9 / WINDOW;
    }

    /// The report of a server with so many workers, whose utilisation is multiplied by a factor.
    pub(super) fn report(&self, workers: u32, factor: f64) -> LoadReport {
        // A server with any number of workers has no utilisation.
        let utilization = match workers {
            u32::MAX => 0.0,
            workers => (self.serving / f64::from(workers)).min(1.0) * factor,
        };
        LoadReport { cpu_utilization: utilization, rps_fractional: self.rate, ..LoadReport::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_half_busy_reports_a_half() {
        let mut meter = Meter::default();
        for n in 0..200 {
            meter.pass(n * 100_000_000, 0);
            meter.pass(n * 100_000_000 + 50_000_000, 1);
            meter.end();
        }
        let report = meter.report(1, 1.0);
        let weight = report.weight().expect("it is possible").expect("it has both values");
        assert!((19.0..21.0).contains(&weight), "20 services of 50 ms a second: {weight}, {report:?}");
        let lie = meter.report(1, 0.5).weight().expect("it is possible").expect("it has both values");
        assert!((lie / weight - 2.0).abs() < 1e-9, "{lie}");
        assert_eq!(meter.report(u32::MAX, 1.0).weight(), Ok(None));
    }
}
