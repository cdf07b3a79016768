//! The promises of a long run under faults, and whether they were kept. Pure: measurements go in, verdicts
//! come out.

use super::audit::Audit;
use super::faults::Fault;
use crate::verdict::Verdict;

/// The largest growth of memory that counts as none, in percent.
const MEMORY_BACK: f64 = 5.0;

/// The measurements of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) audit: Audit,
    /// Every fault, and the number of requests, clients or processes that it hit.
    pub(super) hits: Vec<(Fault, u64)>,
    /// The number of the balancer's descriptors without its connections, before and after.
    pub(super) descriptors: (usize, usize),
    /// The balancer's own resident memory in bytes under the same load without faults, before and after.
    pub(super) memory: (u64, u64),
    /// Lines of its log that the balancer reports as dropped, because its log has no reader.
    pub(super) lines_dropped: u64,
}

/// Judges a run.
pub(super) fn judge(run: &Measured) -> Vec<Verdict> {
    let verdict = |promise: &str, measured: String, kept| Verdict { promise: promise.into(), measured, kept };
    let Audit { requests, posts, vanished, left, errors, .. } = run.audit;
    let Audit { lost, repeated_posts, repeated_gets, repeated_again, .. } = &run.audit;
    let Audit { mistaken, unexplained, differences, .. } = &run.audit;
    let struck = |fault: &&Fault| run.hits.iter().any(|(hit, _)| hit == *fault);
    let kinds = Fault::ALL.iter().filter(struck).count();
    let idle = run.hits.iter().filter(|(_, hits)| *hits == 0).count();
    let (descriptors_before, descriptors_after) = run.descriptors;
    let (memory_before, memory_after) = run.memory;
    let growth = (memory_after as f64 - memory_before as f64) * 100.0 / memory_before as f64;
    vec![
        verdict(
            "no answer is lost",
            format!("{} of {requests} are in no backend's ledger", lost.count),
            lost.count == 0 && requests > 0,
        ),
        verdict(
            "no POST runs twice",
            format!("{} of {posts} did (and {repeated_gets} GETs, which may)", repeated_posts.count),
            repeated_posts.count == 0 && posts > 0,
        ),
        verdict("no GET runs more than twice", repeated_again.count.to_string(), repeated_again.count == 0),
        verdict(
            "no client gets an answer or a body for another request",
            mistaken.count.to_string(),
            mistaken.count == 0,
        ),
        verdict(
            "no error without a fault that explains it",
            format!("{} of {errors} errors", unexplained.count),
            unexplained.count == 0,
        ),
        verdict(
            "clients, backends and balancer count the same",
            format!(
                "{requests} requests + {vanished} vanished + {left} left, {} differences",
                differences.count
            ),
            differences.count == 0,
        ),
        verdict(
            "every fault strikes",
            format!(
                "{kinds} of {} kinds; of {} faults {idle} affected no request",
                Fault::ALL.len(),
                run.hits.len()
            ),
            kinds == Fault::ALL.len() && idle == 0,
        ),
        verdict(
            "a log without a reader blocks no request",
            format!("{} lines dropped", run.lines_dropped),
            run.lines_dropped > 0,
        ),
        verdict(
            "nothing stays in flight or open",
            format!("0 in flight, {descriptors_after} descriptors, {descriptors_before} at first"),
            descriptors_after <= descriptors_before,
        ),
        verdict(
            &format!("memory is back within {MEMORY_BACK} %"),
            format!("{}, {} at first ({growth:+.1} %)", mebibytes(memory_after), mebibytes(memory_before)),
            growth <= MEMORY_BACK,
        ),
    ]
}

/// An amount of memory for people.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::super::audit::Tally;
    use super::*;

    fn good() -> Measured {
        let audit = Audit { requests: 1000, posts: 300, errors: 20, repeated_gets: 7, ..Audit::default() };
        let hits = Fault::ALL.map(|fault| (fault, 1)).into();
        Measured { audit, hits, descriptors: (20, 20), memory: (20_000, 21_000), lines_dropped: 9 }
    }

    /// The indices of the promises that this run breaks.
    fn broken(change: impl FnOnce(&mut Measured)) -> Vec<usize> {
        let mut run = good();
        change(&mut run);
        let verdicts = judge(&run);
        verdicts.iter().enumerate().filter(|(_, verdict)| !verdict.kept).map(|(place, _)| place).collect()
    }

    #[test]
    fn each_promise_is_broken_by_its_own_number() {
        let one = || Tally { count: 1, examples: Vec::new() };
        assert!(broken(|_| {}).is_empty());
        assert_eq!(broken(|run| run.audit.lost = one()), [0]);
        assert_eq!(broken(|run| run.audit.repeated_posts = one()), [1]);
        assert_eq!(broken(|run| run.audit.repeated_again = one()), [2]);
        assert_eq!(broken(|run| run.audit.mistaken = one()), [3]);
        assert_eq!(broken(|run| run.audit.unexplained = one()), [4]);
        assert_eq!(broken(|run| run.audit.differences = one()), [5]);
        assert_eq!(broken(|run| run.hits[3].1 = 0), [6]);
        assert_eq!(broken(|run| _ = run.hits.pop()), [6]);
        assert_eq!(broken(|run| run.lines_dropped = 0), [7]);
        assert_eq!(broken(|run| run.descriptors.1 = 21), [8]);
        assert_eq!(broken(|run| run.memory.1 = 21_001), [9]);
    }

    #[test]
    fn a_run_in_which_nothing_happened_promises_nothing() {
        assert_eq!(broken(|run| run.audit = Audit::default()), [0, 1]);
    }
}
