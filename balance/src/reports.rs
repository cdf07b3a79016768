//! What a backend reports of its own load, and the weight that follows from it.
//!
//! The reports have the form of ORCA (Open Request Cost Aggregation), and the rules are those of gRFC A58, as
//! in Envoy's client-side weighted round robin. A backend writes its reports, so none of their values is
//! trusted: a report with an impossible value is counted and ignored.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::moment::Moment;

/// For so long after its first report, a backend has no weight of its own yet: gRFC A58's blackout period.
pub const BLACKOUT: Duration = Duration::from_secs(10);

/// After so long without a report, a weight is forgotten: gRFC A58's expiration period.
pub const EXPIRES: Duration = Duration::from_secs(180);

/// The time between two updates of the weights that a policy uses: gRFC A58's update period.
pub const UPDATE: Duration = Duration::from_secs(1);

/// The largest value of a report: no server answers more requests in a second.
const LARGEST: f64 = 1e9;

/// A smaller utilisation counts as this one. An idle backend reports nearly nothing, and must not get an
/// endless weight.
const SMALLEST_UTILISATION: f64 = 1e-4;

/// One report of a backend. What a report does not say is 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LoadReport {
    /// The share of the application's capacity that is in use: 1 for all of it. It may be more.
    pub application_utilization: f64,
    /// The same for the processor. It counts only if there is no utilisation of the application.
    pub cpu_utilization: f64,
    /// Answers in a second.
    pub rps_fractional: f64,
    /// Errors in a second, which are answers too.
    pub eps: f64,
}

/// A value of a report is negative, not finite, or impossibly large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImpossibleReport;

impl LoadReport {
    /// The answers that the backend could give in a second, if its utilisation grows with its answers:
    /// answers a second, divided by the utilisation plus the share of errors. `None` if the report does not
    /// say one of the two.
    ///
    /// # Errors
    /// A value is impossible.
    pub fn weight(self) -> Result<Option<f64>, ImpossibleReport> {
        let Self { application_utilization, cpu_utilization, rps_fractional: rate, eps } = self;
        let all = [application_utilization, cpu_utilization, rate, eps];
        if !all.iter().all(|value| (0.0..=LARGEST).contains(value)) {
            return Err(ImpossibleReport);
        }
        let utilization =
            if application_utilization > 0.0 { application_utilization } else { cpu_utilization };
        if utilization == 0.0 || rate == 0.0 {
            return Ok(None);
        }
        Ok(Some(rate / (utilization.max(SMALLEST_UTILISATION) + eps / rate)))
    }
}

/// The reports of one backend so far.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    /// The bits of the last weight.
    weight: AtomicU64,
    /// The stamp of the last report with a weight.
    last: AtomicU64,
    /// The stamp of the first report with a weight, since the weight was unknown.
    first: AtomicU64,
    /// The reports that were ignored because they were malformed or impossible.
    ignored: AtomicU64,
}

impl Reports {
    fn last(&self) -> Option<Moment> {
        Moment::from_stamp(self.last.load(Relaxed))
    }

    fn learn_weight(&self, weight: f64, now: Moment) {
        if self.last().is_none_or(|last| now.since(last) >= EXPIRES) {
            self.first.store(now.to_stamp(), Relaxed);
        }
        self.weight.store(weight.to_bits(), Relaxed);
        self.last.store(now.to_stamp(), Relaxed);
    }

    /// The backend may have been started again, so its earlier reports mean nothing.
    pub(crate) fn forget(&self) {
        self.last.store(0, Relaxed);
    }

    /// Replaces the weight by that of another backend.
    pub(crate) fn see(&self, other: &Self) {
        let all = [(&self.weight, &other.weight), (&self.first, &other.first), (&self.last, &other.last)];
        all.into_iter().for_each(|(own, others)| own.store(others.load(Relaxed), Relaxed));
    }

    /// Takes in a report; `None` for a malformed one.
    pub(crate) fn learn(&self, report: Option<LoadReport>, now: Moment) {
        match report.map(LoadReport::weight) {
            Some(Ok(Some(weight))) => self.learn_weight(weight, now),
            Some(Ok(None)) => {}
            Some(Err(ImpossibleReport)) | None => {
                self.ignored.fetch_add(1, Relaxed);
            }
        }
    }

    /// The number of reports that were ignored.
    pub(crate) fn ignored(&self) -> u64 {
        self.ignored.load(Relaxed)
    }

    /// The weight, while there is one.
    pub(crate) fn weight(&self, now: Moment) -> Option<f64> {
        let first = Moment::from_stamp(self.first.load(Relaxed))?;
        let is_present = now.since(self.last()?) < EXPIRES && now.since(first) >= BLACKOUT;
        is_present.then(|| f64::from_bits(self.weight.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::contract::backends;
    use proptest::prelude::*;

    const fn report(cpu_utilization: f64, rps_fractional: f64, eps: f64) -> LoadReport {
        LoadReport { application_utilization: 0.0, cpu_utilization, rps_fractional, eps }
    }

    fn at(seconds: u64) -> Moment {
        Moment::after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_weight_is_answers_by_utilisation() {
        let table = [
            (report(0.5, 20.0, 0.0), Ok(Some(40.0))),
            (LoadReport { application_utilization: 0.25, ..report(0.5, 20.0, 0.0) }, Ok(Some(80.0))),
            // A tenth of the answers are errors.
            (report(0.5, 20.0, 2.0), Ok(Some(20.0 / 0.6))),
            (report(1.5, 30.0, 0.0), Ok(Some(20.0))),
            (report(0.0, 20.0, 0.0), Ok(None)),
            (report(0.5, 0.0, 0.0), Ok(None)),
            (report(1e-300, 1.0, 0.0), Ok(Some(1e4))),
            (report(-0.1, 1.0, 0.0), Err(ImpossibleReport)),
            (report(0.1, f64::NAN, 0.0), Err(ImpossibleReport)),
            (report(0.1, 1.0, f64::INFINITY), Err(ImpossibleReport)),
            (report(0.1, 1e10, 0.0), Err(ImpossibleReport)),
        ];
        for (report, weight) in table {
            assert_eq!(report.weight(), weight, "{report:?}");
        }
    }

    #[test]
    fn a_weight_counts_after_the_blackout_and_until_it_expires() {
        let backend = &backends(&[1])[0];
        assert_eq!(backend.reported_weight(at(0)), None);
        backend.learn_report(Some(report(0.5, 20.0, 0.0)), at(1));
        assert_eq!(backend.reported_weight(at(10)), None);
        assert_eq!(backend.reported_weight(at(11)), Some(40.0));
        assert_eq!(backend.reported_weight(at(180)), Some(40.0));
        assert_eq!(backend.reported_weight(at(181)), None);
        backend.learn_report(Some(report(0.5, 10.0, 0.0)), at(200));
        assert_eq!(backend.reported_weight(at(209)), None, "the blackout begins again");
        assert_eq!(backend.reported_weight(at(210)), Some(20.0));
        let copy = &backends(&[1])[0];
        copy.see_load_of(backend);
        assert_eq!(copy.reported_weight(at(210)), Some(20.0), "a view of the load has the reports too");
        backend.reports.forget();
        assert_eq!(backend.reported_weight(at(210)), None, "it was started again");
    }

    #[test]
    fn bad_reports_are_counted_and_change_nothing() {
        let backend = &backends(&[1])[0];
        backend.learn_report(Some(report(0.5, 20.0, 0.0)), at(0));
        for bad in [None, Some(report(-1.0, 1.0, 0.0)), Some(report(f64::NAN, 1.0, 0.0))] {
            backend.learn_report(bad, at(5));
        }
        // A report without a rate is not wrong. It says too little.
        backend.learn_report(Some(report(0.5, 0.0, 0.0)), at(6));
        assert_eq!((backend.reported_weight(at(10)), backend.ignored_reports()), (Some(40.0), 3));
    }

    proptest! {
        #[test]
        fn a_weight_is_a_positive_number(values in prop::array::uniform4(any::<f64>())) {
            let [application_utilization, cpu_utilization, rps_fractional, eps] = values;
            let report = LoadReport { application_utilization, cpu_utilization, rps_fractional, eps };
            if let Ok(Some(weight)) = report.weight() {
                prop_assert!(weight.is_finite() && weight >= 0.0, "{report:?}: {weight}");
            }
        }
    }
}
