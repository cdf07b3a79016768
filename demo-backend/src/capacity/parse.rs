//! How does the JSON of a capacity become a [`Capacity`], and the reverse?

use serde_json::{Map, Value, json};

use super::definition::{Capacity, Discipline, OnDisconnect};
use crate::fields::{Fields, MAX_PAUSE, Parsed};

/// The word for no limit on places and time.
const UNLIMITED: &str = "unlimited";
/// The word for no limit on the queue.
const UNBOUNDED: &str = "unbounded";
/// The word for a server that never sheds.
const NEVER: &str = "never";

const DISCIPLINES: &[(&str, Discipline)] = &[
    ("fifo", Discipline::Fifo),
    ("lifo", Discipline::Lifo),
    ("drop_expired", Discipline::DropExpired),
    ("drop_hopeless", Discipline::DropHopeless),
];

const ON_DISCONNECT: &[(&str, OnDisconnect)] =
    &[("continue", OnDisconnect::Continue), ("cancel", OnDisconnect::Cancel)];

/// The fields of a capacity: their names, an example, and what they say.
pub const SETTINGS: &[(&str, &str, &str)] = &[
    ("workers", "3", "requests that are served at a time; \"unlimited\" by default"),
    ("queue", "20", "requests that may wait; more get 503 at once; \"unbounded\" by default"),
    (
        "discipline",
        "\"lifo\"",
        "\"fifo\" (default), \"lifo\", \"drop_expired\" (503 when the deadline is over), or \"drop_hopeless\" \
         (503 instead of a service that would end too late)",
    ),
    ("shed", "10", "a new request gets 503 while this many wait; \"never\" by default"),
    (
        "on_disconnect",
        "\"continue\"",
        "a request whose client has gone is served (\"continue\"), or it stops and frees its worker (\"cancel\", \
         default)",
    ),
    (
        "patience",
        "\"1s\"",
        "the deadline of a request without the header x-lab-deadline-ms; \"unlimited\" by default",
    ),
    ("work", "\"20ms\"", "the work of a request that does not say its own; 0 by default"),
    ("speed", "50", "percent, 1 to 1000; the service time is the work divided by this; 100 by default"),
];

impl Capacity {
    /// Reads a capacity such as `{"workers": 3, "queue": 20}`. Fields that are missing have their defaults.
    ///
    /// # Errors
    /// If a field is unknown or out of its range.
    pub fn parse(definition: &Map<String, Value>) -> Parsed<Self> {
        let known = SETTINGS.iter().map(|(name, ..)| *name).collect();
        let fields = Fields::open(definition, "", known, "; for example {\"workers\": 3, \"queue\": 20}")?;
        let default = Self::default();
        let limit = |name, low, word| fields.whole_or(name, low, u64::from(u32::MAX), word);
        let patience = fields.take("patience").is_some_and(|value| *value == UNLIMITED);
        Ok(Self {
            workers: limit("workers", 1, UNLIMITED)?.map(|workers| workers as u32),
            queue: limit("queue", 0, UNBOUNDED)?.map(|queue| queue as u32),
            discipline: fields.word("discipline", "discipline", DISCIPLINES)?.unwrap_or(default.discipline),
            shed: limit("shed", 0, NEVER)?.map(|shed| shed as u32),
            on_disconnect: fields
                .word("on_disconnect", "reaction", ON_DISCONNECT)?
                .unwrap_or(default.on_disconnect),
            patience: if patience { None } else { fields.duration("patience", MAX_PAUSE)? },
            work: fields.duration("work", MAX_PAUSE)?.unwrap_or(default.work),
            speed: fields.number("speed", 1.0, 1000.0)?.unwrap_or(default.speed),
        })
    }

    /// All fields, as [`Self::parse`] reads them.
    pub fn view(&self) -> Value {
        let limit = |limit: Option<u32>, word: &str| limit.map_or_else(|| json!(word), |limit| json!(limit));
        let duration = |time| humantime::format_duration(time).to_string();
        json!({
            "workers": limit(self.workers, UNLIMITED),
            "queue": limit(self.queue, UNBOUNDED),
            "discipline": word(self.discipline, DISCIPLINES),
            "shed": limit(self.shed, NEVER),
            "on_disconnect": word(self.on_disconnect, ON_DISCONNECT),
            "patience": self.patience.map_or_else(|| UNLIMITED.to_owned(), duration),
            "work": duration(self.work),
            "speed": self.speed,
        })
    }
}

fn word<T: PartialEq>(value: T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, meaning)| *meaning == value).map_or("", |(word, _)| word)
}
