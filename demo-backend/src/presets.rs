//! The presets: commands for the control port with a name, which a console, a command line and a page share.

use serde::Serialize;
use serde_json::Value;

/// One command with a name.
#[derive(Debug, Serialize)]
pub struct Preset {
    /// The name that a person writes.
    pub name: &'static str,
    /// What happens then.
    pub does: &'static str,
    /// The method of the request to the control port.
    pub method: &'static str,
    /// The path of the request.
    pub path: &'static str,
    /// The body of the request as JSON; null for none.
    #[serde(serialize_with = "as_json")]
    pub body: &'static str,
    /// The fields of the body that the words after the name set, in this order: `slow 400ms` sets the first
    /// one. Other fields, such as `percent` or `for`, can be set by their names.
    pub arguments: &'static [&'static str],
}

/// All presets.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "stall",
        does: "no answer: the backend accepts requests and sends nothing",
        method: "POST",
        path: "/faults",
        body: r#"{"kind": "stall"}"#,
        arguments: &["hold"],
    },
    Preset {
        name: "slow",
        does: "each answer comes later",
        method: "POST",
        path: "/faults",
        body: r#"{"kind": "latency", "fixed": "400ms"}"#,
        arguments: &["fixed"],
    },
    Preset {
        name: "err",
        does: "each answer is an error",
        method: "POST",
        path: "/faults",
        body: r#"{"kind": "status", "code": 503}"#,
        arguments: &["code"],
    },
    Preset {
        name: "flap",
        does: "good answers and errors in turn",
        method: "POST",
        path: "/faults",
        body: r#"{"kind": "flap", "up": "2s", "down": "2s"}"#,
        arguments: &["up", "down"],
    },
    Preset {
        name: "small",
        does: "a server with few workers and a queue, and requests that are work",
        method: "PUT",
        path: "/capacity",
        body: r#"{"workers": 2, "queue": 20, "work": "40ms"}"#,
        arguments: &["workers", "queue", "work"],
    },
    Preset {
        name: "kill",
        does: "the worker is killed (SIGKILL): its connections break, and the port refuses new ones",
        method: "POST",
        path: "/kill",
        body: "null",
        arguments: &[],
    },
    Preset {
        name: "heal",
        does: "no faults, the first capacity, the first seed, and a worker that runs",
        method: "POST",
        path: "/reset",
        body: "null",
        arguments: &[],
    },
];

/// A test reads all bodies, so each is valid JSON.
fn as_json<S: serde::Serializer>(body: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_str(body).unwrap_or(Value::Null).serialize(serializer)
}
