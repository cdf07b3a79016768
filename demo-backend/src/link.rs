//! The messages between the agent and its worker.
//!
//! The agent writes [`Orders`] as JSON lines into the worker's standard input. Each line is complete, so only
//! the newest line counts. The worker writes [`Report`]s to its standard output, one per line and as short as
//! possible, because there are three of them for each request. Both connections are pipes: the agent can
//! still read everything that a worker wrote before it was killed.

use serde::{Deserialize, Serialize};

use crate::capacity::Capacity;
use crate::fault::Fault;

/// The largest length of a request id in bytes: a line of the link must fit into one atomic write.
pub const MAX_REQUEST_ID: usize = 128;

/// All orders of the agent for its worker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Orders {
    /// Grows with every change; the worker reports it back as [`Report::Obeyed`].
    pub version: u64,
    /// The seed of the random faults.
    pub seed: u64,
    /// Whether to finish the requests in flight and exit.
    pub drain: bool,
    /// The capacity of the server.
    pub capacity: Capacity,
    /// All active faults.
    pub faults: Vec<FaultOrder>,
}

/// One fault, with its counts when the orders were written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultOrder {
    /// An agent never uses a key twice: a worker that knows the key knows the fault, and keeps its own
    /// counts.
    pub key: u64,
    /// The number for people; it also selects the random numbers of the fault.
    pub id: u32,
    /// The fault, as the agent has read it from its definition.
    pub fault: Fault,
    /// The number of matching requests so far.
    pub matched: u64,
    /// The number of them that it hit.
    pub fired: u64,
    /// Microseconds since it began; below 0 until it begins.
    pub age_us: i64,
    /// Microseconds until it expires, if it does.
    pub left_us: Option<u64>,
}

/// One event in the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report<'a> {
    /// The worker obeys the orders of this version from now on; after the first orders, the data port is also
    /// open.
    Obeyed(u64),
    /// A request's head was read.
    Arrived,
    /// A request was completely read and will be answered; its id, if it has one.
    Executed(Option<&'a str>),
    /// The last byte of an answer was given to the connection.
    Finished,
    /// The client closed its connection before its answer was finished.
    Abandoned,
    /// A fault broke the answer.
    Broken,
    /// A request is answered without being executed, because the server has no capacity for it.
    Refused,
    /// The number of requests that wait, and the number of those that are served.
    Load {
        /// Requests in the queue.
        waiting: u64,
        /// Requests at a place.
        serving: u64,
    },
    /// A fault was drawn: its key, and how often it was drawn and fired so far.
    Drawn {
        /// See [`FaultOrder::key`].
        key: u64,
        /// See [`FaultOrder::matched`].
        matched: u64,
        /// See [`FaultOrder::fired`].
        fired: u64,
    },
}

impl<'a> Report<'a> {
    /// Appends the report as one line.
    pub fn encode(&self, line: &mut Vec<u8>) {
        match self {
            Self::Obeyed(version) => line.extend_from_slice(format!("o{version}").as_bytes()),
            Self::Arrived => line.push(b'+'),
            Self::Executed(None) => line.push(b'x'),
            Self::Executed(Some(id)) => {
                line.push(b'i');
                line.extend_from_slice(id.as_bytes());
            }
            Self::Finished => line.push(b'-'),
            Self::Abandoned => line.push(b'a'),
            Self::Broken => line.push(b'b'),
            Self::Refused => line.push(b'r'),
            Self::Load { waiting, serving } => {
                line.extend_from_slice(format!("q{waiting} {serving}").as_bytes());
            }
            Self::Drawn { key, matched, fired } => {
                line.extend_from_slice(format!("d{key} {matched} {fired}").as_bytes());
            }
        }
        line.push(b'\n');
    }

    /// Reads a line without its line feed; `None` if it is no report.
    pub fn decode(line: &'a str) -> Option<Self> {
        let mut characters = line.chars();
        let kind = characters.next()?;
        let rest = characters.as_str();
        match (kind, rest) {
            ('o', version) => version.parse().ok().map(Self::Obeyed),
            ('+', "") => Some(Self::Arrived),
            ('x', "") => Some(Self::Executed(None)),
            ('i', id) => Some(Self::Executed(Some(id))),
            ('-', "") => Some(Self::Finished),
            ('a', "") => Some(Self::Abandoned),
            ('b', "") => Some(Self::Broken),
            ('r', "") => Some(Self::Refused),
            ('q', numbers) => {
                let (waiting, serving) = numbers.split_once(' ')?;
                Some(Self::Load { waiting: waiting.parse().ok()?, serving: serving.parse().ok()? })
            }
            ('d', numbers) => {
                let mut numbers = numbers.split(' ').map(str::parse);
                let mut next = || numbers.next()?.ok();
                Some(Self::Drawn { key: next()?, matched: next()?, fired: next()? })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_survives_the_wire() {
        let reports = [
            Report::Obeyed(u64::MAX),
            Report::Arrived,
            Report::Executed(None),
            Report::Executed(Some("a b\tc é")),
            Report::Executed(Some("")),
            Report::Finished,
            Report::Abandoned,
            Report::Broken,
            Report::Refused,
            Report::Load { waiting: 12, serving: 3 },
            Report::Drawn { key: 1, matched: 20, fired: 3 },
        ];
        for report in reports {
            let mut line = Vec::new();
            report.encode(&mut line);
            let line = String::from_utf8(line).unwrap();
            assert_eq!(Report::decode(line.strip_suffix('\n').unwrap()), Some(report));
        }
    }

    #[test]
    fn an_invalid_report_is_ignored() {
        for line in ["", "o", "ox", "+1", "q", "d1 2", "q1", "é"] {
            assert_eq!(Report::decode(line), None, "{line:?}");
        }
    }
}
