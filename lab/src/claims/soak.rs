//! The claims about a long run under faults.

use super::audit::Audit;
use super::claim::{Claim, Measured, Tolerance, Value};
use super::faults::Fault;
use crate::spell::mebibytes;

/// The largest growth of memory that counts as none, in percent.
const MEMORY_BACK: f64 = 5.0;

/// The measurements of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct SoakRun {
    /// The comparison of all counts.
    pub audit: Audit,
    /// Every fault, and the number of requests, clients or processes that it hit.
    pub hits: Vec<(Fault, u64)>,
    /// The number of the balancer's descriptors without its connections, before and after.
    pub descriptors: (usize, usize),
    /// The balancer's own resident memory in bytes under the same load without faults, before and after.
    pub memory: (u64, u64),
    /// Lines of its log that the balancer reports as dropped, because its log has no reader.
    pub lines_dropped: u64,
}

/// The claims.
pub const CLAIMS: [Claim<SoakRun>; 10] = [
    Claim {
        says: "no answer is lost",
        measured: |SoakRun { audit, .. }| {
            let words = format!("{} of {} are in no backend's ledger", audit.lost.count, audit.requests);
            Measured::told(out_of(audit.lost.count, audit.requests), words)
        },
        tolerance: Tolerance::NONE,
        counter_case: |run| run.audit.lost.count = 1,
    },
    Claim {
        says: "no POST runs twice",
        measured: |SoakRun { audit, .. }| {
            let (repeated, gets) = (audit.repeated_posts.count, audit.repeated_gets);
            let words = format!("{repeated} of {} did (and {gets} GETs, which may)", audit.posts);
            Measured::told(out_of(repeated, audit.posts), words)
        },
        tolerance: Tolerance::NONE,
        counter_case: |run| run.audit.repeated_posts.count = 1,
    },
    Claim {
        says: "no GET runs more than twice",
        measured: |run| Measured::plain(Value::Count(run.audit.repeated_again.count)),
        tolerance: Tolerance::NONE,
        counter_case: |run| run.audit.repeated_again.count = 1,
    },
    Claim {
        says: "no client gets an answer or a body for another request",
        measured: |run| Measured::plain(Value::Count(run.audit.mistaken.count)),
        tolerance: Tolerance::NONE,
        counter_case: |run| run.audit.mistaken.count = 1,
    },
    Claim {
        says: "no error without a fault that explains it",
        measured: |SoakRun { audit, .. }| {
            let count = audit.unexplained.count;
            Measured::told(Some(Value::Count(count)), format!("{count} of {} errors", audit.errors))
        },
        tolerance: Tolerance::NONE,
        counter_case: |run| run.audit.unexplained.count = 1,
    },
    Claim {
        says: "clients, backends and balancer count the same",
        measured: |SoakRun { audit: Audit { requests, vanished, left, differences, .. }, .. }| {
            let clients = format!("{requests} requests + {vanished} vanished + {left} left");
            let count = differences.count;
            Measured::told(Some(Value::Count(count)), format!("{clients}, {count} differences"))
        },
        tolerance: Tolerance::NONE,
        counter_case: |run| run.audit.differences.count = 1,
    },
    Claim {
        says: "every fault strikes",
        measured: strikes,
        tolerance: Tolerance::NONE,
        counter_case: |run| run.hits.truncate(1),
    },
    Claim {
        says: "a log without a reader blocks no request",
        measured: |run| {
            let dropped = run.lines_dropped;
            Measured::told(Some(Value::Count(dropped)), format!("{dropped} lines dropped"))
        },
        tolerance: Tolerance::AtLeast(Value::Count(1)),
        counter_case: |run| run.lines_dropped = 0,
    },
    Claim {
        says: "nothing stays in flight or open",
        measured: |SoakRun { descriptors: (before, after), .. }| {
            let more = Value::Count(after.saturating_sub(*before) as u64);
            Measured::told(Some(more), format!("0 in flight, {after} descriptors, {before} at first"))
        },
        tolerance: Tolerance::NONE,
        counter_case: |run| run.descriptors.1 = run.descriptors.0 + 1,
    },
    Claim {
        says: "memory is back within {}",
        measured: |SoakRun { memory: (before, after), .. }| {
            let growth = (*after as f64 - *before as f64) * 100.0 / *before as f64;
            let words = format!("{}, {} at first ({growth:+.1} %)", mebibytes(*after), mebibytes(*before));
            Measured::told(Some(Value::Percent(growth)), words)
        },
        tolerance: Tolerance::AtMost(Value::Percent(MEMORY_BACK)),
        counter_case: |run| run.memory.1 = run.memory.0 * 2,
    },
];

/// A number of errors, if there was anything in which they could have happened.
fn out_of(errors: u64, all: u64) -> Option<Value> {
    (all > 0).then_some(Value::Count(errors))
}

/// How many faults did not strike, or struck nothing.
fn strikes(run: &SoakRun) -> Measured {
    let struck = |fault: &&Fault| run.hits.iter().any(|(hit, _)| hit == *fault);
    let kinds = Fault::ALL.iter().filter(struck).count();
    let idle = run.hits.iter().filter(|(_, hits)| *hits == 0).count();
    let missing = Value::Count((Fault::ALL.len() - kinds + idle) as u64);
    let words = format!(
        "{kinds} of {} kinds; of {} faults {idle} affected no request",
        Fault::ALL.len(),
        run.hits.len()
    );
    Measured::told(Some(missing), words)
}

#[cfg(test)]
mod tests {
    use super::super::audit::Tally;
    use super::super::claim::{self, faults_of};
    use super::*;

    fn good() -> SoakRun {
        let audit = Audit { requests: 1000, posts: 300, errors: 20, repeated_gets: 7, ..Audit::default() };
        let hits = Fault::ALL.map(|fault| (fault, 1)).into();
        SoakRun { audit, hits, descriptors: (20, 20), memory: (20_000, 21_000), lines_dropped: 9 }
    }

    fn broken(change: impl FnOnce(&mut SoakRun)) -> Vec<usize> {
        let mut run = good();
        change(&mut run);
        claim::broken(&CLAIMS, &run)
    }

    #[test]
    fn each_claim_is_broken_by_its_counter_case_alone() {
        assert_eq!(faults_of(&CLAIMS, &good()), [""; 0]);
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
