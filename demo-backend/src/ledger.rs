//! The ledger: what all workers of this backend have done so far.
//!
//! The ledger is the sum of the workers' reports. It belongs to the agent, so it survives each worker. A
//! comparison with the results of the clients shows which requests were lost and which were executed twice.
//! Pure: reports go in, numbers come out.

use std::collections::HashMap;

use serde::Serialize;

use crate::link::Report;

/// The largest number of different request ids in the ledger; further ones are only counted, as `forgotten`.
pub const MAX_IDS: usize = 1_000_000;

/// The sum of all reports.
#[derive(Debug, Default)]
pub struct Ledger {
    executed: Executed,
    counters: Counters,
    draws: HashMap<u64, Draws>,
}

/// The executed requests, and how often each was executed.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Executed {
    /// Times executed, by request id.
    executed: HashMap<String, u32>,
    /// Executions, with and without a request id.
    total: u64,
    /// Executions whose id was not stored, because the ledger already had [`MAX_IDS`].
    forgotten: u64,
}

/// The number of requests, and how they ended.
///
/// `arrived` is always the sum of `finished`, `abandoned`, `broken`, `lost` and `in_flight`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Requests whose head was read.
    pub arrived: u64,
    /// Requests that were executed: the ledger has each of them.
    pub started: u64,
    /// Answers whose last byte was given to the connection.
    pub finished: u64,
    /// Requests whose client closed its connection first.
    pub abandoned: u64,
    /// Answers broken by a fault.
    pub broken: u64,
    /// Requests that ended because their worker died.
    pub lost: u64,
    /// Answers without an execution, because the server had no capacity: a part of `finished`, or of
    /// `abandoned` if the client was faster.
    pub refused: u64,
    /// Requests that wait, while the number of places is limited.
    pub waiting: u64,
    /// Requests at a place, while their number is limited.
    pub serving: u64,
    /// The highest `waiting` so far.
    pub max_waiting: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// The highest `in_flight` so far.
    pub max_in_flight: u64,
}

/// How often a fault was drawn for a request, and how often it hit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// Requests for which it was drawn.
    pub matched: u64,
    /// Requests it hit.
    pub fired: u64,
}

impl Ledger {
    /// Adds one report. [`Report::Obeyed`] is no event of a request and changes nothing.
    pub fn add(&mut self, report: Report<'_>) {
        let counters = &mut self.counters;
        match report {
            Report::Obeyed(_) => {}
            Report::Arrived => {
                counters.arrived += 1;
                counters.in_flight += 1;
                counters.max_in_flight = counters.max_in_flight.max(counters.in_flight);
            }
            Report::Executed(id) => {
                counters.started += 1;
                self.executed.add(id);
            }
            Report::Finished => counters.end(|counters| &mut counters.finished),
            Report::Abandoned => counters.end(|counters| &mut counters.abandoned),
            Report::Broken => counters.end(|counters| &mut counters.broken),
            Report::Refused => counters.refused += 1,
            Report::Load { waiting, serving } => {
                (counters.waiting, counters.serving) = (waiting, serving);
                counters.max_waiting = counters.max_waiting.max(waiting);
            }
            Report::Drawn { key, matched, fired } => {
                self.draws.insert(key, Draws { matched, fired });
            }
        }
    }

    /// The worker is dead and all of its reports were added: the requests in flight are lost.
    pub fn worker_died(&mut self) {
        let counters = &mut self.counters;
        counters.lost += std::mem::take(&mut counters.in_flight);
        (counters.waiting, counters.serving) = (0, 0);
    }

    /// The requests that were executed so far.
    pub fn executed(&self) -> &Executed {
        &self.executed
    }

    /// The number of requests, and how they ended.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The counts of the fault with this key.
    pub fn draws(&self, key: u64) -> Draws {
        self.draws.get(&key).copied().unwrap_or_default()
    }

    /// Removes the draws of all faults except these.
    pub fn keep_draws(&mut self, keep: impl Fn(u64) -> bool) {
        self.draws.retain(|key, _| keep(*key));
    }

    /// Sets the counts of a fault that continues under a new key.
    pub fn set_draws(&mut self, key: u64, draws: Draws) {
        self.draws.insert(key, draws);
    }

    /// Forgets which requests were executed. The counters continue.
    pub fn forget_executed(&mut self) {
        self.executed = Executed::default();
    }
}

impl Executed {
    fn add(&mut self, id: Option<&str>) {
        self.total += 1;
        let Some(id) = id else { return };
        if let Some(times) = self.executed.get_mut(id) {
            *times += 1;
        } else if self.executed.len() < MAX_IDS {
            self.executed.insert(id.to_owned(), 1);
        } else {
            self.forgotten += 1;
        }
    }
}

impl Counters {
    fn end(&mut self, which: impl Fn(&mut Self) -> &mut u64) {
        *which(self) += 1;
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(reports: &[Report<'_>]) -> Ledger {
        let mut ledger = Ledger::default();
        for report in reports {
            ledger.add(*report);
        }
        ledger
    }

    #[test]
    fn an_id_executed_twice_is_counted_twice() {
        let ledger = ledger(&[
            Report::Executed(Some("a")),
            Report::Executed(Some("b")),
            Report::Executed(Some("a")),
            Report::Executed(None),
        ]);
        assert_eq!(ledger.executed().executed["a"], 2);
        assert_eq!(ledger.executed().executed["b"], 1);
        assert_eq!(ledger.executed().total, 4);
    }

    #[test]
    fn what_was_in_flight_is_lost_with_its_worker() {
        let mut ledger = ledger(&[Report::Arrived, Report::Arrived, Report::Arrived, Report::Finished]);
        ledger.worker_died();
        let expected = Counters {
            arrived: 3,
            finished: 1,
            lost: 2,
            in_flight: 0,
            max_in_flight: 3,
            ..Counters::default()
        };
        assert_eq!(ledger.counters(), &expected);
    }

    #[test]
    fn a_million_ids_are_kept_and_the_next_one_is_only_counted() {
        let mut ledger = Ledger::default();
        for id in 0..=MAX_IDS {
            ledger.add(Report::Executed(Some(&id.to_string())));
        }
        assert_eq!(ledger.executed().executed.len(), MAX_IDS);
        assert_eq!(ledger.executed().forgotten, 1);
        assert_eq!(ledger.executed().total, MAX_IDS as u64 + 1);
    }
}
