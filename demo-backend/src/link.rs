//! What do the agent and its worker tell each other?
//!
//! The agent writes [`Orders`] as JSON lines into the worker's standard input: always the whole truth, so that
//! the newest line is all that counts. The worker writes [`Report`]s into its standard output, a line each and
//! as short as can be, because there are three of them for every request. Both ends are pipes: what a worker
//! wrote before it was killed is still there to be read.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A request id longer than this many bytes is refused: a line of the link must fit into one atomic write.
pub const MAX_REQUEST_ID: usize = 128;

/// Everything the agent wants of its worker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Orders {
    /// Grows with every change; the worker reports it back as [`Report::Obeyed`].
    pub version: u64,
    /// The seed of the faults' dice.
    pub seed: u64,
    /// Whether to finish what is in flight and exit.
    pub drain: bool,
    /// The faults that stand, all of them.
    pub faults: Vec<FaultOrder>,
}

/// One fault, and how far it had come when the orders were written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultOrder {
    /// Never given twice by one agent: a worker that knows the key knows the fault, and keeps its own counts.
    pub key: u64,
    /// The number people see; it also selects the fault's stream of dice.
    pub id: u32,
    /// The definition as [`Fault::parse`](crate::fault::Fault::parse) reads it.
    pub definition: Map<String, Value>,
    /// How many requests it was drawn for so far.
    pub matched: u64,
    /// How many of them it hit.
    pub fired: u64,
    /// Milliseconds until it expires, if it ever does.
    pub left_ms: Option<u64>,
}

/// One thing that happened in the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report<'a> {
    /// The orders of this version hold from now on; after the first orders, also: the data port accepts.
    Obeyed(u64),
    /// A request's head was read.
    Arrived,
    /// A request was read to its end and will be answered; its id, if it had one.
    Executed(Option<&'a str>),
    /// An answer was handed to the connection up to its last byte.
    Finished,
    /// The client went away before its answer was finished.
    Abandoned,
    /// A fault broke the answer.
    Broken,
    /// A fault was drawn: its key, how often it was drawn by now, and how often it fired.
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
    fn what_is_no_report_is_not_taken_for_one() {
        for line in ["", "o", "ox", "+1", "q", "d1 2", "é"] {
            assert_eq!(Report::decode(line), None, "{line:?}");
        }
    }
}
