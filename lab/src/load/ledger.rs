//! The fate of every request, on the side of the clients and on the side of the backends.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::microseconds;
use super::truth::GroundTruth;

/// One request as its client saw it. Times count from the start of the load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The request's number; together with the load's name it is the `X-Request-Id`.
    pub number: u64,
    /// The call of the load, by its place in the list.
    pub call: usize,
    /// The connection that sent it, from 0; in closed loop, this is the client.
    pub client: usize,
    /// Its key, if the call has keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<u64>,
    /// Its size, if the call has sizes: the service time that it demands.
    #[serde(
        rename = "size_us",
        with = "microseconds::optional",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub size: Option<Duration>,
    /// The time at which it should have been sent: in open loop the time of its arrival, in closed loop the
    /// time at which it was sent.
    #[serde(rename = "intended_us", with = "microseconds")]
    pub intended: Duration,
    /// The time at which it was sent, or at which its connection was begun; that of its first try.
    #[serde(rename = "sent_us", with = "microseconds")]
    pub sent: Duration,
    /// The time at which the answer was complete or had failed.
    #[serde(rename = "ended_us", with = "microseconds")]
    pub ended: Duration,
    /// How late the load itself was. In open loop, this is the time from `intended` to `sent`, without the
    /// wait for a free connection. In closed loop, it is how much longer than planned the client waited after
    /// the answer before. A long time here is no latency of the server. It means that the machine was too
    /// busy.
    #[serde(rename = "late_us", with = "microseconds")]
    pub late: Duration,
    /// The outcome; that of its last try.
    pub outcome: Outcome,
    /// The backend that answered, from the header `X-Backend`; that of its last try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<u32>,
    /// What the backend said about it; about its last try.
    #[serde(default, skip_serializing_if = "GroundTruth::is_silent")]
    pub truth: GroundTruth,
    /// The tries before the last one: none without [`Load::retries`](super::Load::retries).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Try>,
    /// The time at which its last try was sent: the same as `sent` if there was only one.
    #[serde(rename = "last_sent_us", with = "microseconds")]
    pub last_sent: Duration,
}

/// One try of a request, after which the client tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Try {
    /// The time at which it was sent.
    #[serde(rename = "sent_us", with = "microseconds")]
    pub sent: Duration,
    /// The time at which its answer was complete or had failed.
    #[serde(rename = "ended_us", with = "microseconds")]
    pub ended: Duration,
    /// Its outcome.
    pub outcome: Outcome,
    /// The backend that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<u32>,
    /// What the backend said about it.
    #[serde(default, skip_serializing_if = "GroundTruth::is_silent")]
    pub truth: GroundTruth,
}

/// The outcome of a request for its client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A complete answer with this status.
    Answered(u16),
    /// A complete answer to another request, with the evidence for this.
    Mistaken(Box<str>),
    /// No complete answer, with the reason.
    Failed(Box<str>),
}

impl Entry {
    /// How long it took, from the time at which it should have been sent. In open loop, this includes the
    /// wait for a free connection: it is the latency without coordinated omission.
    pub fn latency(&self) -> Duration {
        self.ended.saturating_sub(self.intended)
    }

    /// The number of its tries, at least 1.
    pub fn tries(&self) -> u64 {
        self.earlier.len() as u64 + 1
    }

    /// The number of its tries that a backend answered.
    fn answered(&self) -> u64 {
        let earlier = self.earlier.iter().filter(|earlier| earlier.backend.is_some()).count() as u64;
        earlier + u64::from(self.backend.is_some())
    }

    /// How long it took, from the time at which its first try was sent.
    pub fn uncorrected(&self) -> Duration {
        self.ended.saturating_sub(self.sent)
    }

    /// Whether the client did not get what it asked for: no complete answer, the answer to another request,
    /// or a status of 400 or more.
    pub fn is_error(&self) -> bool {
        match self.outcome {
            Outcome::Answered(status) => status >= 400,
            Outcome::Mistaken(_) | Outcome::Failed(_) => true,
        }
    }
}

/// How often each request was executed, from the ledgers of the backends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    times: HashMap<String, u64>,
}

impl Executed {
    /// Reads the answer to `GET /ledger` of a backend: `{"executed": {"<request id>": <times>}}`.
    ///
    /// # Errors
    /// If it has another structure, or does not contain all ids: then it proves nothing about the missing
    /// ones.
    pub fn from_ledger(ledger: &Value) -> Result<Self> {
        let executed = ledger.get("executed").context("it lacks the member `executed`")?;
        let times = HashMap::deserialize(executed).context("`executed` does not map ids to numbers")?;
        let forgotten = ledger.get("forgotten").and_then(Value::as_u64).unwrap_or(0);
        ensure!(forgotten == 0, "it has forgotten the ids of {forgotten} requests: empty it more often");
        Ok(Self { times })
    }

    /// Adds the executions of another backend.
    pub(crate) fn merge(&mut self, other: Self) {
        for (id, times) in other.times {
            *self.times.entry(id).or_default() += times;
        }
    }

    /// The number of different requests that were executed.
    pub fn requests(&self) -> usize {
        self.times.len()
    }

    /// How often the request with this id was executed.
    pub fn times(&self, id: &str) -> u64 {
        self.times.get(id).copied().unwrap_or(0)
    }
}

/// The differences between the ledgers of the clients and of the backends, as ids of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Requests with more answers from backends than executions: an answer that no backend executed.
    pub lost: Vec<String>,
    /// Requests that were executed more often than their client tried. This is allowed for idempotent
    /// requests only.
    pub doubled: Vec<String>,
    /// Requests that were executed and not answered in one of their tries, and whose client got an error in
    /// the end that was not the backend's own.
    pub executed_but_failed: Vec<String>,
}

/// Compares the clients' entries with the executions of the backends.
pub(super) fn compare<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    id: impl Fn(&Entry) -> String,
    executed: &Executed,
) -> Comparison {
    let mut difference = Comparison::default();
    for entry in entries {
        let id = id(entry);
        let times = executed.times(&id);
        if times > entry.tries() {
            difference.doubled.push(id.clone());
        }
        if times < entry.answered() {
            difference.lost.push(id);
        } else if times > entry.answered() && entry.is_error() && entry.backend.is_none() {
            difference.executed_but_failed.push(id);
        }
    }
    difference
}

#[cfg(test)]
impl Entry {
    /// An entry for tests: a request of the first call that was sent when it was due.
    pub(crate) fn example(
        number: u64,
        from: Duration,
        to: Duration,
        outcome: Outcome,
        backend: Option<u32>,
    ) -> Self {
        Self {
            number,
            call: 0,
            client: 0,
            key: None,
            size: None,
            intended: from,
            sent: from,
            ended: to,
            late: Duration::ZERO,
            outcome,
            backend,
            truth: GroundTruth::default(),
            earlier: Vec::new(),
            last_sent: from,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(number: u64, outcome: Outcome, backend: Option<u32>) -> Entry {
        Entry::example(number, Duration::ZERO, Duration::ZERO, outcome, backend)
    }

    #[test]
    fn the_ledgers_are_held_against_each_other() {
        let failed = || Outcome::Failed("reset".into());
        let entries = [
            entry(0, Outcome::Answered(200), Some(1)), // executed once: all is well
            entry(1, Outcome::Answered(200), Some(1)), // executed by no backend
            entry(2, Outcome::Answered(200), Some(2)), // executed by both
            entry(3, failed(), None),                  // executed, and the answer was lost
            entry(4, failed(), None),                  // never arrived at a backend
            entry(5, Outcome::Answered(502), None),    // executed twice, and still failed
            entry(6, Outcome::Answered(500), Some(2)), // the backend's own error is its answer
            entry(7, Outcome::Answered(503), None),    // refused by the balancer
        ];
        let ledger = |executed| Executed::from_ledger(&json!({ "executed": executed, "total": 0 })).unwrap();
        let mut executed = ledger(json!({"r0": 1, "r2": 1, "r3": 1, "r5": 2, "stranger": 9}));
        executed.merge(ledger(json!({"r2": 1, "r6": 1})));

        let difference = compare(&entries, |entry| format!("r{}", entry.number), &executed);
        assert_eq!(difference.lost, ["r1"]);
        assert_eq!(difference.doubled, ["r2", "r5"]);
        assert_eq!(difference.executed_but_failed, ["r3", "r5"]);
    }

    #[test]
    fn each_try_may_be_executed_once() {
        let answered = |backend| Try {
            sent: Duration::ZERO,
            ended: Duration::ZERO,
            outcome: Outcome::Answered(503),
            backend,
            truth: GroundTruth::default(),
        };
        let tried = |number, earlier: &[Option<u32>], outcome, backend| Entry {
            earlier: earlier.iter().map(|backend| answered(*backend)).collect(),
            ..entry(number, outcome, backend)
        };
        let ok = || Outcome::Answered(200);
        let failed = || Outcome::Failed("reset".into());
        let entries = [
            tried(0, &[Some(1)], ok(), Some(2)),  // two answers, executed twice
            tried(1, &[Some(1)], ok(), Some(2)),  // two answers, executed once
            tried(2, &[Some(1)], ok(), Some(2)),  // two tries, executed three times
            tried(3, &[None], ok(), Some(2)),     // the answer to the first try was lost
            tried(4, &[Some(1)], failed(), None), // only the first try was executed, and it was answered
            tried(5, &[Some(1)], failed(), None), // the second was executed too, and not answered
        ];
        let executed = json!({"executed": {"r0": 2, "r1": 1, "r2": 3, "r3": 2, "r4": 1, "r5": 2}});
        let executed = Executed::from_ledger(&executed).unwrap();
        let difference = compare(&entries, |entry| format!("r{}", entry.number), &executed);
        assert_eq!(difference.lost, ["r1"]);
        assert_eq!(difference.doubled, ["r2"]);
        assert_eq!(difference.executed_but_failed, ["r5"]);
    }

    #[test]
    fn an_odd_ledger_is_refused() {
        for odd in [
            json!({}),
            json!({"executed": [1]}),
            json!({"executed": {"a": "often"}}),
            json!({"executed": {"a": 1}, "forgotten": 1}),
        ] {
            assert!(Executed::from_ledger(&odd).is_err(), "{odd}");
        }
    }
}
