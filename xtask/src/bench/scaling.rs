//! Do workers get in each other's way? This balancer alone, with one worker and with two.
//!
//! If workers shared anything that they write, a request would cost more with two of them. The second worker has to
//! share its core with the load generator and the backends here, and with that its caches. The row of two workers
//! that keep to the proxy's own core tells what of a difference comes from there.

use super::contender::Contender;
use super::figure::Figure;
use super::measure::Lab;
use super::report::Series;
use super::workload::Workload;
use super::{BOTH_CORES, PROXY_CORE};

/// What must be said with the figures.
pub(super) const CAVEAT: &str = "Throughput cannot double here, because the load generator and the backends share \
                                 the cores with the workers. What counts is CPU time per request: the ratio is 1.0 \
                                 if the workers share nothing.";

/// What is shown.
pub(super) const SHOWN: [Figure; 3] = [Figure::CpuPerRequest, Figure::Rate, Figure::Busy];

/// What one is set against the others by.
pub(super) const COMPARED: [Figure; 1] = [Figure::CpuPerRequest];

/// Measures two workers, and what they are set against.
pub(super) fn measure(lab: &Lab<'_>) -> anyhow::Result<Vec<Series>> {
    let contenders = [
        Contender::own("2 workers, both cores", 2, BOTH_CORES)?,
        Contender::own("1 worker, one core", 1, PROXY_CORE)?,
        Contender::own("2 workers, one core", 2, PROXY_CORE)?,
    ];
    let mut series = lab.measure(Workload::Small, &contenders, 0.0)?;
    // All of them are the same program.
    series.iter_mut().for_each(|one| one.version.clear());
    Ok(series)
}
