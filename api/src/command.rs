//! The commands to a lab, and the answers to commands of the balancer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Word, excerpt};

/// A command to a lab: what a console sends with `POST /commands`, such as `{"do": "kill", "backend": 2}`.
///
/// A field that is missing, unknown or wrong is an error, which names the field and says what to write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", try_from = "Value")]
pub enum Command {
    /// Kill the process of a backend.
    Kill {
        /// The number of the backend; the first is 1.
        backend: usize,
    },
    /// Start the process of a backend that is dead.
    Start {
        /// The number of the backend.
        backend: usize,
    },
    /// Stop the process of a backend: it accepts connections and answers nothing.
    Stop {
        /// The number of the backend.
        backend: usize,
    },
    /// Continue the process of a backend that is stopped.
    Continue {
        /// The number of the backend.
        backend: usize,
    },
    /// Remove everything that is wrong with a backend: its process runs, without faults, and is `ready`.
    Heal {
        /// The number of the backend.
        backend: usize,
    },
    /// Let a backend finish its requests: it gets only new requests whose cookie names it.
    Drain {
        /// The number of the backend.
        backend: usize,
    },
    /// Let the balancer use a backend again.
    Ready {
        /// The number of the backend.
        backend: usize,
    },
    /// Add a fault to a backend.
    Fault {
        /// The number of the backend.
        backend: usize,
        /// The fault, an object with a `kind`; docs/faults.md has all kinds.
        fault: Value,
    },
    /// Remove the faults of one kind from a backend.
    EndFault {
        /// The number of the backend.
        backend: usize,
        /// The kind, such as `latency`.
        kind: String,
    },
    /// Change the weight of a backend.
    Weight {
        /// The number of the backend.
        backend: usize,
        /// Its share compared to the other backends.
        weight: u32,
    },
    /// Change the policy of the balancer.
    Policy {
        /// The name of the policy.
        policy: String,
    },
    /// Change the load.
    Load(LoadModel),
    /// Show what another policy would do with the same requests.
    Ghost {
        /// The name of the policy; `None` switches the ghost off.
        #[serde(skip_serializing_if = "Option::is_none")]
        policy: Option<String>,
    },
    /// Add a fault that no viewer sees until [`Command::Reveal`] or [`Command::Reset`].
    Secret {
        /// The number of the backend.
        backend: usize,
        /// The fault, as in [`Command::Fault`].
        fault: Value,
    },
    /// Show the secret fault.
    Reveal,
    /// Heal all backends, and return to the first policy, weights and load; without a ghost and a secret.
    Reset,
}

/// The load that a command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "loop", rename_all = "kebab-case")]
pub enum LoadModel {
    /// Requests start at their own times.
    Open {
        /// Requests a second.
        rate: f64,
    },
    /// Each client sends its next request after its answer.
    Closed {
        /// The number of clients.
        clients: usize,
    },
}

/// How to write the load of a closed loop; the example in the table has an open loop.
const CLOSED_LOOP: &str = r#"{"do": "load", "loop": "closed", "clients": 8}"#;

/// What an error needs to know about a command, and how the command is read.
struct Row {
    /// The value of `do`.
    name: &'static str,
    /// All fields that it can have, besides `do`.
    fields: &'static [&'static str],
    /// How to write it.
    example: &'static str,
    read: fn(&Fields<'_>) -> Result<Command, String>,
}

/// Makes the table of all commands, and from it the name of each.
macro_rules! commands {
    ($($variant:ident: $name:literal, $fields:expr, $example:literal, $read:expr;)*) => {
        /// All commands.
        const COMMANDS: &[Row] = &[$(
            Row { name: $name, fields: &$fields, example: $example, read: $read },
        )*];

        impl Command {
            /// Its name: the value of `do`.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }
        }
    };
}

commands! {
    Kill: "kill", ["backend"], r#"{"do": "kill", "backend": 2}"#,
        |fields| Ok(Command::Kill { backend: fields.backend()? });
    Start: "start", ["backend"], r#"{"do": "start", "backend": 2}"#,
        |fields| Ok(Command::Start { backend: fields.backend()? });
    Stop: "stop", ["backend"], r#"{"do": "stop", "backend": 2}"#,
        |fields| Ok(Command::Stop { backend: fields.backend()? });
    Continue: "continue", ["backend"], r#"{"do": "continue", "backend": 2}"#,
        |fields| Ok(Command::Continue { backend: fields.backend()? });
    Heal: "heal", ["backend"], r#"{"do": "heal", "backend": 2}"#,
        |fields| Ok(Command::Heal { backend: fields.backend()? });
    Drain: "drain", ["backend"], r#"{"do": "drain", "backend": 2}"#,
        |fields| Ok(Command::Drain { backend: fields.backend()? });
    Ready: "ready", ["backend"], r#"{"do": "ready", "backend": 2}"#,
        |fields| Ok(Command::Ready { backend: fields.backend()? });
    Fault: "fault", ["backend", "fault"],
        r#"{"do": "fault", "backend": 2, "fault": {"kind": "latency", "fixed": "400ms"}}"#,
        |fields| Ok(Command::Fault { backend: fields.backend()?, fault: fields.fault()? });
    EndFault: "end-fault", ["backend", "kind"], r#"{"do": "end-fault", "backend": 2, "kind": "latency"}"#,
        |fields| Ok(Command::EndFault { backend: fields.backend()?, kind: fields.word("kind")? });
    Weight: "weight", ["backend", "weight"], r#"{"do": "weight", "backend": 2, "weight": 3}"#,
        |fields| Ok(Command::Weight { backend: fields.backend()?, weight: fields.weight()? });
    Policy: "policy", ["policy"], r#"{"do": "policy", "policy": "least-connections"}"#,
        |fields| Ok(Command::Policy { policy: fields.word("policy")? });
    Load: "load", ["loop", "rate", "clients"], r#"{"do": "load", "loop": "open", "rate": 120}"#,
        |fields| Ok(Command::Load(fields.load()?));
    Ghost: "ghost", ["policy"], r#"{"do": "ghost", "policy": "round-robin"}"#,
        |fields| Ok(Command::Ghost { policy: fields.ghost()? });
    Secret: "secret", ["backend", "fault"],
        r#"{"do": "secret", "backend": 3, "fault": {"kind": "status", "code": 503}}"#,
        |fields| Ok(Command::Secret { backend: fields.backend()?, fault: fields.fault()? });
    Reveal: "reveal", [], r#"{"do": "reveal"}"#, |_| Ok(Command::Reveal);
    Reset: "reset", [], r#"{"do": "reset"}"#, |_| Ok(Command::Reset);
}

impl TryFrom<Value> for Command {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let Value::Object(fields) = value else {
            return Err(format!("a command is a JSON object, such as {}", COMMANDS[0].example));
        };
        let name = fields.get("do").and_then(Value::as_str).unwrap_or_default();
        let Some(Row { name, fields: known, example, read }) = COMMANDS.iter().find(|row| row.name == name)
        else {
            let names = COMMANDS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
            return Err(match fields.get("do") {
                None => format!("`do` is missing: write one of {names}"),
                Some(other) => format!("`do` is {}, which is no command: write one of {names}", brief(other)),
            });
        };
        if let Some(field) = fields.keys().find(|field| *field != "do" && !known.contains(&field.as_str())) {
            let field = excerpt(field);
            return Err(format!("`{field}` is no field of the command {name}: write it as {example}"));
        }
        read(&Fields { fields: &fields, example })
    }
}

/// The fields of a command, and how to write it.
struct Fields<'a> {
    fields: &'a Map<String, Value>,
    example: &'static str,
}

impl Fields<'_> {
    /// The error of a field that must be something else.
    fn wrong(&self, field: &str, must_be: &str) -> String {
        self.wrong_in(field, must_be, self.example)
    }

    /// The same, with another example of the command.
    fn wrong_in(&self, field: &str, must_be: &str, example: &str) -> String {
        match self.fields.get(field) {
            None => format!("`{field}` is missing; it is {must_be}: write it as {example}"),
            Some(value) => {
                format!("`{field}` is {}, and must be {must_be}: write it as {example}", brief(value))
            }
        }
    }

    fn backend(&self) -> Result<usize, String> {
        let number = self.count("backend");
        number.ok_or_else(|| self.wrong("backend", "the number of a backend; the first is 1"))
    }

    /// A number from 1.
    fn count(&self, field: &str) -> Option<usize> {
        let number = self.fields.get(field).and_then(Value::as_u64).filter(|number| *number > 0);
        number.and_then(|number| usize::try_from(number).ok())
    }

    fn weight(&self) -> Result<u32, String> {
        let number = self.fields.get("weight").and_then(Value::as_u64);
        let weight = number.and_then(|number| u32::try_from(number).ok());
        weight.ok_or_else(|| self.wrong("weight", "a whole number"))
    }

    /// A name that is not empty.
    fn word(&self, field: &str) -> Result<String, String> {
        let word = self.fields.get(field).and_then(Value::as_str).filter(|word| !word.is_empty());
        word.map(str::to_owned).ok_or_else(|| self.wrong(field, "a name"))
    }

    fn fault(&self) -> Result<Value, String> {
        let fault = self.fields.get("fault").filter(|fault| fault["kind"].is_string());
        fault
            .cloned()
            .ok_or_else(|| self.wrong("fault", "an object with the kind of the fault and its fields"))
    }

    /// The policy of a ghost; `None` if there shall be no ghost.
    fn ghost(&self) -> Result<Option<String>, String> {
        match self.fields.get("policy") {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.word("policy").map(Some),
        }
    }

    fn load(&self) -> Result<LoadModel, String> {
        let (wanted, other) = match self.fields.get("loop").and_then(Value::as_str) {
            Some("open") => {
                let rate = self.fields.get("rate").and_then(Value::as_f64).filter(|rate| *rate >= 0.0);
                let rate = rate.ok_or_else(|| self.wrong("rate", "a number of requests a second, from 0"))?;
                (LoadModel::Open { rate }, "clients")
            }
            Some("closed") => {
                let clients = self.count("clients");
                let wrong = || self.wrong_in("clients", "a number of clients, from 1", CLOSED_LOOP);
                let clients = clients.ok_or_else(wrong)?;
                (LoadModel::Closed { clients }, "rate")
            }
            _ => return Err(self.wrong("loop", "\"open\" or \"closed\"")),
        };
        match self.fields.contains_key(other) {
            true => Err(format!(
                "`{other}` is no field of this load: `rate` belongs to an open loop, and `clients` to a closed loop"
            )),
            false => Ok(wanted),
        }
    }
}

/// `GET /policy` and `PUT /policy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInForce {
    /// The name of the policy.
    pub policy: Word,
    /// The names of all policies.
    pub known: Vec<Word>,
}

/// `GET /log` and `PUT /log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLevel {
    /// The level from which lines are written.
    pub level: Word,
    /// The names of all levels.
    pub known: Vec<Word>,
}

/// `POST /reload`: the differences between the configuration before and the configuration from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The settings that changed, such as `health.ping_interval`.
    pub changed: Vec<Word>,
    /// Settings that differ but can change only with a restart.
    pub after_restart: Vec<Word>,
    /// The changes of backends, in words.
    pub backends: String,
    /// The warnings of the configuration.
    pub warnings: Vec<String>,
}

/// `POST /statistics/reset`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatisticsReset {
    /// For how many milliseconds the balancer has counted since the reset.
    pub counting_ms: u64,
}

/// The beginning of a value.
fn brief(value: &Value) -> String {
    excerpt(&value.to_string()).into_owned()
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
