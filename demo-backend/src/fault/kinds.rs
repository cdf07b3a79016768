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
    field("at", "\"mid\"", "\"before\": before the head, the default; \"mid\": in the middle of the body");

const CODE: FieldRow = field("code", "500", "the status of a failure; 503 by default");
const PERCENT: FieldRow = field("percent", "30", "the share of the requests that are hit; all by default");
const SKIP: FieldRow = field("skip", "10", "spares this many matching requests at the beginning");
const EVERY: FieldRow = field(
    "every",
    "3",
    "after `skip`, hits every Nth matching request: with 3, the third, the sixth, and so on",
);
const FIRST: FieldRow = field("first", "5", "hits this many requests at most");
const AFTER: FieldRow = field("after", "\"5s\"", "begins this long after it was added");
const FOR: FieldRow = field("for", "\"10s\"", "ends this long after its beginning");
const MATCH: FieldRow = field(
    "match",
    "{\"path\": \"/prefix*\", \"method\": \"GET\", \"header\": {\"x-user\": \"7\"}}",
    "hits only these requests; `*` at the end of a path or a value matches any rest",
);

/// The fields that most kinds have.
pub const SCOPE: &[FieldRow] = &[PERCENT, SKIP, EVERY, FIRST, AFTER, FOR, MATCH];

/// The same for a kind whose own field `every` is a time.
const SCOPE_OF_PERIODS: &[FieldRow] = &[PERCENT, SKIP, FIRST, AFTER, FOR, MATCH];

/// The fields of a kind that hits no single request.
const TIMES: &[FieldRow] = &[AFTER, FOR];

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
        name: "exit_on_term",
        stage: "admission",
        does: "the worker gets SIGTERM (POST /term) and reacts like this; without the fault, it exits at once",
        fields: &[
            field(
                "how",
                "\"ignore\"",
                "\"ignore\", \"immediate\" exit, or \"drain\": finish the requests in flight",
            ),
            field("grace", "\"2s\"", "the longest time of a drain; 5 s by default"),
        ],
        scope: TIMES,
        example: r#"{"kind": "exit_on_term", "how": "drain", "grace": "2s"}"#,
        read: read::exit_on_term,
    },
    KindRow {
        name: "cold_start",
        stage: "delay",
        does: "a worker that has just started is slow: its work takes longer",
        fields: &[
            field("from", "10", "the speed at the start, in percent, 1 to 100"),
            field("over", "\"10s\"", "the time from the start of the worker to full speed"),
        ],
        scope: SCOPE,
        example: r#"{"kind": "cold_start", "from": 10, "over": "10s"}"#,
        read: read::cold_start,
    },
    KindRow {
        name: "cache",
        stage: "delay",
        does: "a cache of the most recent keys, empty in a new worker: a known key takes less time; the answer has X-Lab-Cache",
        fields: &[
            field("size", "12", "the number of keys"),
            field("hit", "\"20ms\"", "the time with a known key"),
            field("miss", "\"120ms\"", "the time with another key"),
            field("header", "\"x-user\"", "the header with the key; without it, the path is the key"),
        ],
        scope: SCOPE,
        example: r#"{"kind": "cache", "size": 12, "hit": "20ms", "miss": "120ms", "header": "x-prefix"}"#,
        read: read::cache,
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
            field(
                "lognormal",
                "{\"p50\": \"20ms\", \"p99\": \"200ms\"}",
                "a long tail, as most services have",
            ),
            field(
                "pareto",
                "{\"min\": \"10ms\", \"alpha\": 1.5, \"cap\": \"5s\"}",
                "a tail that falls as a power; the cap is 60 s by default",
            ),
        ],
        scope: SCOPE,
        example: r#"{"kind": "latency", "fixed": "400ms", "percent": 50}"#,
        read: read::latency,
    },
    KindRow {
        name: "ramp",
        stage: "delay",
        does: "a delay that changes evenly, and then stays",
        fields: &[
            field("from", "\"0ms\"", "the delay at the beginning of the fault"),
            field("to", "\"500ms\"", "the delay at the end"),
            field("over", "\"30s\"", "the time between the two"),
        ],
        scope: SCOPE,
        example: r#"{"kind": "ramp", "from": "0ms", "to": "500ms", "over": "30s"}"#,
        read: read::ramp,
    },
    KindRow {
        name: "gc",
        stage: "delay",
        does: "the whole server pauses regularly: a service that would start during a pause starts when the pause ends",
        fields: &[
            field("every", "\"2s\"", "the time from one pause to the next"),
            field("pause", "\"200ms\"", "the duration of a pause"),
        ],
        scope: SCOPE_OF_PERIODS,
        example: r#"{"kind": "gc", "every": "2s", "pause": "200ms"}"#,
        read: read::gc,
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
            field(
                "weighted",
                "{\"200\": 0.9, \"503\": 0.1}",
                "in place of both: one of these statuses, drawn with these weights",
            ),
        ],
        scope: SCOPE,
        example: r#"{"kind": "status", "code": 503, "percent": 30, "for": "10s"}"#,
        read: read::status,
    },
    KindRow {
        name: "pattern",
        stage: "status",
        does: "success and failure in turn, request by request; for pings, with match",
        fields: &[field("pattern", "\"SSF\"", "S for a success, F for a failure; repeated"), CODE],
        scope: SCOPE,
        example: r#"{"kind": "pattern", "pattern": "SFSF", "match": {"path": "/health"}}"#,
        read: read::pattern,
    },
    KindRow {
        name: "flap",
        stage: "status",
        does: "success and failure in turn, by time; the success comes first",
        fields: &[
            field("up", "\"2s\"", "the time without failures"),
            field("down", "\"2s\"", "the time with failures"),
            CODE,
        ],
        scope: SCOPE,
        example: r#"{"kind": "flap", "up": "2s", "down": "2s"}"#,
        read: read::flap,
    },
    KindRow {
        name: "load_report",
        stage: "status",
        does: "the answer reports the load of the server in the header Endpoint-Load-Metrics",
        fields: &[field("lie", "0.5", "reports the load multiplied by this; 1, the truth, by default")],
        scope: SCOPE,
        example: r#"{"kind": "load_report", "lie": 0.5}"#,
        read: read::load_report,
    },
    KindRow {
        name: "drip",
        stage: "body",
        does: "the body comes in small pieces",
        fields: &[
            field("bytes", "16", "bytes in a piece; 1 by default"),
            field("every", "\"100ms\"", "the pause after each piece; 100 ms by default"),
        ],
        scope: SCOPE_OF_PERIODS,
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
}

/// The names of all kinds, for an error.
pub(super) fn names() -> String {
    let names: Vec<_> = KINDS.iter().map(|row| row.name).collect();
    names.join(", ")
}
