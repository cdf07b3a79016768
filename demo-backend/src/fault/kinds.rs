//! The kinds of faults: one table, from which the parser, the help, `GET /kinds` and docs/faults.md follow.

use serde::Serialize;

use super::definition::Kind;
use super::read;
use crate::fields::{Fields, Parsed};

/// One kind of fault.
#[derive(Debug, Serialize)]
pub struct KindRow {
    /// The value of the field `kind`.
    pub name: &'static str,
    /// The stage in which it acts, or two stages: see the order in [`crate::fault`].
    pub stage: &'static str,
    /// What happens, in one line.
    pub does: &'static str,
    /// Its own fields.
    pub fields: &'static [FieldRow],
    /// The fields that say which requests it hits, and when.
    pub scope: &'static [FieldRow],
    /// A definition that can be posted.
    pub example: &'static str,
    /// Reads its own fields.
    #[serde(skip)]
    pub(super) read: fn(&Fields<'_>) -> Parsed<Kind>,
}

/// One field of a definition.
#[derive(Debug, Serialize)]
pub struct FieldRow {
    /// Its name.
    pub name: &'static str,
    /// An example of its value, as JSON.
    pub example: &'static str,
    /// What it says, and what is true without it.
    pub does: &'static str,
}

const fn field(name: &'static str, example: &'static str, does: &'static str) -> FieldRow {
    FieldRow { name, example, does }
}

const AT: FieldRow =
    field("at", "\"mid\"", "\"before\" the head (default), or in the \"mid\"dle of the body");

const PERCENT: FieldRow = field("percent", "30", "the share of the requests that are hit; all by default");
const FIRST: FieldRow = field("first", "5", "hits this many requests at most");
const FOR: FieldRow = field("for", "\"10s\"", "ends after this time");
const MATCH: FieldRow = field(
    "match",
    "{\"path\": \"/prefix*\", \"method\": \"GET\"}",
    "only these requests; a path that ends in * is a beginning",
);

/// The fields that most kinds have.
pub const SCOPE: &[FieldRow] = &[PERCENT, FIRST, FOR, MATCH];

/// The fields of a kind that hits no single request.
const TIMES: &[FieldRow] = &[FOR];

/// All kinds, in the order in which they act.
pub const KINDS: &[KindRow] = &[
    KindRow {
        name: "refuse",
        stage: "admission",
        does: "the port refuses connections; open connections are closed",
        fields: &[],
        scope: TIMES,
        example: r#"{"kind": "refuse", "for": "2s"}"#,
        read: |_| Ok(Kind::Refuse),
    },
    KindRow {
        name: "latency",
        stage: "delay",
        does: "the answer comes late; write exactly one distribution",
        fields: &[
            field("fixed", "\"400ms\"", "always this long"),
            field("uniform", "[\"10ms\", \"1s\"]", "evenly between two bounds"),
            field("exponential", "\"200ms\"", "many short waits, few long ones, with this mean"),
            field(
                "bimodal",
                "{\"fast\": \"10ms\", \"slow\": \"2s\", \"slow_percent\": 5}",
                "one of two times",
            ),
        ],
        scope: SCOPE,
        example: r#"{"kind": "latency", "fixed": "400ms", "percent": 50}"#,
        read: read::latency,
    },
    KindRow {
        name: "stall",
        stage: "delay or body",
        does: "no byte is sent",
        fields: &[AT, field("hold", "\"30s\"", "for this long; without it, until the fault is removed")],
        scope: SCOPE,
        example: r#"{"kind": "stall", "at": "before", "hold": "30s", "first": 1}"#,
        read: read::stall,
    },
    KindRow {
        name: "status",
        stage: "status",
        does: "an answer with this status",
        fields: &[
            field("code", "503", "200 to 599"),
            field("retry_after", "2", "seconds, for the header Retry-After"),
        ],
        scope: SCOPE,
        example: r#"{"kind": "status", "code": 503, "percent": 30, "for": "10s"}"#,
        read: read::status,
    },
    KindRow {
        name: "drip",
        stage: "body",
        does: "the body comes in small pieces",
        fields: &[
            field("bytes", "16", "bytes in a piece; 1 by default"),
            field("every", "\"100ms\"", "the pause after each piece; 100 ms by default"),
        ],
        scope: SCOPE,
        example: r#"{"kind": "drip", "bytes": 16, "every": "100ms"}"#,
        read: read::drip,
    },
    KindRow {
        name: "truncate",
        stage: "body",
        does: "promises a whole body, and closes the connection inside it",
        fields: &[
            field("bytes", "100", "after this many bytes; half of the body by default"),
            field("chunked", "true", "a chunked body without its last chunk; false by default"),
        ],
        scope: SCOPE,
        example: r#"{"kind": "truncate", "bytes": 100}"#,
        read: read::truncate,
    },
    KindRow {
        name: "reset",
        stage: "close",
        does: "a TCP reset",
        fields: &[AT],
        scope: SCOPE,
        example: r#"{"kind": "reset", "at": "before", "percent": 30}"#,
        read: read::reset,
    },
    KindRow {
        name: "close_early",
        stage: "close",
        does: "the connection closes before the answer",
        fields: &[],
        scope: SCOPE,
        example: r#"{"kind": "close_early", "first": 3}"#,
        read: |_| Ok(Kind::CloseEarly),
    },
    KindRow {
        name: "garbage",
        stage: "close",
        does: "an answer that is not HTTP",
        fields: &[],
        scope: SCOPE,
        example: r#"{"kind": "garbage", "percent": 10}"#,
        read: |_| Ok(Kind::Garbage),
    },
];

impl KindRow {
    /// The row with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|row| row.name == name)
    }

    /// The names of all fields, those of the scope at the end.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let own = self.fields.iter().chain(self.scope).map(|field| field.name);
        std::iter::once("kind").chain(own).collect()
    }

    /// Whether the fault hits single requests.
    pub(super) fn is_per_request(&self) -> bool {
        self.scope.len() > TIMES.len()
    }
}

/// The names of all kinds, for an error.
pub(super) fn names() -> String {
    let names: Vec<_> = KINDS.iter().map(|row| row.name).collect();
    names.join(", ")
}
