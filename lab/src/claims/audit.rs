//! Do the clients, the backends and the balancer have the same counts?
//!
//! Pure. A lap is over when nothing is in flight and no client is connected. Then three parties have data
//! about every request: the clients have its id and its outcome, the backends have its id if they executed
//! it, and the balancer has its counters.

use std::collections::BTreeSet;
use std::time::Duration;

use api::State;

use super::faults::{CallKind, Strike, Wrong};
use crate::load::{Entry, Executed, Outcome};

/// The number of examples of each error.
const EXAMPLES: usize = 3;

/// A phase of a lap with one fault, or none.
#[derive(Clone, Debug)]
pub struct FaultPhase {
    /// The fault.
    pub strike: Option<Strike>,
    /// Its beginning, by the clock of the load.
    pub from: Duration,
    /// Its end.
    pub to: Duration,
}

/// The data about one lap.
pub struct Lap<'a> {
    /// The number of requests that the clients have begun.
    pub begun: u64,
    /// The outcome of each of them.
    pub entries: &'a [Entry],
    /// The `X-Request-Id` of an entry.
    pub id: &'a dyn Fn(&Entry) -> String,
    /// The kind of each call of the load.
    pub kinds: &'a [CallKind],
    /// The phases, in their order.
    pub phases: &'a [FaultPhase],
    /// The number of further clients that sent a request without an id, and left before its answer.
    pub vanished: u64,
    /// The number of further clients that began an upload without an id, and left when its answer had begun.
    pub left: u64,
    /// How often the backends executed each request.
    pub executed: &'a Executed,
    /// The balancer's counts before the lap, and after it.
    pub counted: (&'a State, &'a State),
}

/// An error, the number of its occurrences, and the first examples.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// The number.
    pub(super) count: u64,
    /// The first of them.
    pub(super) examples: Vec<String>,
}

/// The results of all laps together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audit {
    /// Requests that the clients have begun.
    pub(super) requests: u64,
    /// POSTs among them.
    pub(super) posts: u64,
    /// Clients that left before their answer.
    pub(super) vanished: u64,
    /// Clients that left in the middle of an upload.
    pub(super) left: u64,
    /// Requests that failed, explained or not.
    pub(super) errors: u64,
    /// GETs that were executed more than once, which is allowed.
    pub(super) repeated_gets: u64,
    /// Answers from a backend that no backend executed.
    pub(super) lost: Tally,
    /// POSTs that were executed more than once.
    pub(super) repeated_posts: Tally,
    /// GETs that were executed more than twice.
    pub(super) repeated_again: Tally,
    /// Answers to another request, or with another body.
    pub(super) mistaken: Tally,
    /// Requests that failed in a way that no active fault explains.
    pub(super) unexplained: Tally,
    /// Counts that differ between the parties.
    pub(super) differences: Tally,
}

impl Tally {
    fn note(&mut self, example: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }

    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.examples.extend(other.examples);
        self.examples.truncate(EXAMPLES);
    }
}

impl Audit {
    /// Adds the results of another lap.
    pub fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.posts += other.posts;
        self.vanished += other.vanished;
        self.left += other.left;
        self.errors += other.errors;
        self.repeated_gets += other.repeated_gets;
        self.lost.add(other.lost);
        self.repeated_posts.add(other.repeated_posts);
        self.repeated_again.add(other.repeated_again);
        self.mistaken.add(other.mistaken);
        self.unexplained.add(other.unexplained);
        self.differences.add(other.differences);
    }

    /// The errors, one line each, with examples.
    pub fn findings(&self) -> String {
        let found = [
            ("lost", &self.lost),
            ("executed more than once", &self.repeated_posts),
            ("executed more than twice", &self.repeated_again),
            ("not the answer to this request", &self.mistaken),
            ("unexplained", &self.unexplained),
            ("the counts differ", &self.differences),
        ];
        let lines = found.iter().flat_map(|(what, tally)| {
            tally.examples.iter().map(move |example| format!("  {what}: {example}\n"))
        });
        lines.collect()
    }
}

/// Compares the data about one lap.
pub fn audit(lap: &Lap<'_>) -> Audit {
    let mut audit = Audit { requests: lap.begun, vanished: lap.vanished, left: lap.left, ..Audit::default() };
    let mut known = 0;
    for entry in lap.entries {
        let kind = lap.kinds[entry.call];
        let id = (lap.id)(entry);
        let times = lap.executed.times(&id);
        let example = || format!("{id} {entry:?}");
        audit.posts += u64::from(kind.is_post());
        known += u64::from(times > 0);
        if times == 0 && entry.backend.is_some() {
            audit.lost.note(example);
        }
        match times {
            0 | 1 => {}
            _ if kind.is_post() => audit.repeated_posts.note(|| format!("{times} times, {}", example())),
            2 => audit.repeated_gets += 1,
            _ => audit.repeated_again.note(|| format!("{times} times, {}", example())),
        }
        let Some(wrong) = Wrong::of(&entry.outcome, entry.backend) else { continue };
        audit.errors += 1;
        if matches!(entry.outcome, Outcome::Mistaken(_)) {
            audit.mistaken.note(example);
        } else if !lap.explains(entry, kind, wrong) {
            let strikes = lap.strikes_during(entry).map(|strike| format!("{strike:?}"));
            let during = strikes.collect::<Vec<_>>().join(", ");
            audit.unexplained.note(|| format!("{} while [{during}]", example()));
        }
    }
    let strangers = (lap.executed.requests() as u64).saturating_sub(known);
    let mut compare = |what: &str, here: u64, there: u64| {
        if here != there {
            audit.differences.note(|| format!("{what}: {here} and {there}"));
        }
    };
    compare("requests begun, requests ended", lap.begun, lap.entries.len() as u64);
    compare("requests executed that no client sent, none", strangers, 0);
    for Figure { what, clients, balancer } in lap.figures() {
        compare(&format!("{what}, clients and balancer"), clients, balancer);
    }
    audit
}

impl Lap<'_> {
    /// The faults that were active while a request was open: only these can have hit it.
    fn strikes_during(&self, entry: &Entry) -> impl Iterator<Item = Strike> {
        let open = |phase: &&FaultPhase| entry.sent <= phase.to && phase.from <= entry.ended;
        self.phases.iter().filter(open).filter_map(|phase| phase.strike)
    }

    fn explains(&self, entry: &Entry, kind: CallKind, wrong: Wrong) -> bool {
        kind.always_shows().contains(&wrong)
            || self.strikes_during(entry).any(|strike| strike.explains(kind, wrong, entry.backend))
            || (wrong == Wrong::BadGateway && !kind.is_post() && self.two_tries_end(entry))
    }

    /// Whether two faults at different backends were active while this request was open: where one phase
    /// follows another. The balancer repeats a request that may have run once, at another backend. If that
    /// one fails in the same way, the client gets a 502.
    fn two_tries_end(&self, entry: &Entry) -> bool {
        let backends: BTreeSet<usize> = self
            .strikes_during(entry)
            .filter(|strike| strike.ends_a_try())
            .map(|strike| strike.backend)
            .collect();
        backends.len() > 1
    }

    /// The balancer's counters, each beside the number that follows from the clients' data.
    ///
    /// An answer that was cut had begun with a status that its client may not have read: only answers with
    /// 200 are ever cut, because a backend never has two faults at a time. The same holds for the answers to
    /// uploads whose clients left.
    fn figures(&self) -> Vec<Figure> {
        let entries =
            |is: &dyn Fn(&Entry) -> bool| self.entries.iter().filter(|entry| is(entry)).count() as u64;
        let status = |entry: &Entry| match entry.outcome {
            Outcome::Answered(status) => status,
            Outcome::Mistaken(_) | Outcome::Failed(_) => 200,
        };
        let class = |entry: &Entry| status(entry) / 100;
        let (before, after) = self.counted;
        let counter = |of: &dyn Fn(&State) -> u64| of(after).saturating_sub(of(before));
        let answers = |state: &State, classes: &[u8]| -> u64 {
            classes.iter().map(|class| state.totals.status.of_class(*class)).sum()
        };
        let gone = self.vanished + self.left;
        let figure = |what: &str, clients, balancer| Figure { what: what.to_owned(), clients, balancer };
        let mut figures = vec![
            figure("requests", self.entries.len() as u64 + gone, counter(&|state| state.totals.requests)),
            figure("clients that left", gone, counter(&|state| state.totals.client_gone)),
            figure(
                "answers of 2xx",
                entries(&|entry| class(entry) == 2) + self.left,
                counter(&|state| answers(state, &[2])),
            ),
            figure(
                "answers of 5xx",
                entries(&|entry| class(entry) == 5),
                counter(&|state| answers(state, &[5])),
            ),
            figure(
                "other answers",
                entries(&|entry| !matches!(class(entry), 2 | 5)),
                counter(&|state| answers(state, &[1, 3, 4])),
            ),
        ];
        figures.extend(after.backends.iter().map(|backend| {
            let is_its = |entry: &Entry| entry.backend.map(|number| number as usize) == Some(backend.number);
            let answers = |state: &State| state.backend(backend.number).map_or(0, |backend| backend.answers);
            let what = format!("whole answers of backend {}", backend.number);
            figure(&what, entries(&is_its), counter(&answers))
        }));
        figures
    }
}

/// One number that the clients and the balancer both know.
struct Figure {
    what: String,
    clients: u64,
    balancer: u64,
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
