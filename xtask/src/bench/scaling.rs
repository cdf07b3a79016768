//! Do workers slow each other down? This balancer alone, with one worker and with two.
//!
//! If workers shared memory that they write, a request would cost more with two of them. Here the second
//! worker has to share its core and the caches with the load generator and the backends. The row of two
//! workers on the proxy's own core shows how much of a difference comes from this.

use super::contender::Contender;
use super::cores::{BOTH_CORES, PROXY_CORE};
use super::figure::Figure;
use super::measure::Conditions;
use super::report::Series;
use super::workload::Workload;

/// The note for the figures.
pub(super) const CAVEAT: &str = "Throughput cannot double here, because the load generator and the backends share \
                                 the cores with the workers. What counts is CPU time per request: the ratio is 1.0 \
                                 if the workers share nothing.";

/// The figures in the table.
pub(super) const SHOWN: [Figure; 3] = [Figure::CpuPerRequest, Figure::Rate, Figure::Busy];

/// The figures for the ratios.
pub(super) const COMPARED: [Figure; 1] = [Figure::CpuPerRequest];

/// Measures two workers, and the configurations for the comparison.
pub(super) fn measure(conditions: &Conditions<'_>) -> anyhow::Result<Vec<Series>> {
    let contenders = [
        Contender::own("2 workers, both cores", 2, BOTH_CORES)?,
        Contender::own("1 worker, one core", 1, PROXY_CORE)?,
        Contender::own("2 workers, one core", 2, PROXY_CORE)?,
    ];
    let mut series = conditions.measure(Workload::Small, &contenders, 0.0)?;
    // All of them are the same program.
    series.iter_mut().for_each(|one| one.version.clear());
    Ok(series)
}
