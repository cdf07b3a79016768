//! What a backend can do, as its control port reads it.

use serde_json::{Map, Value, json};

use super::form::{ServerForm, Time};
use super::names::{KEY_HEADER, PING_PATH};

/// The capacity of a server: the document for `PUT /capacity`.
/// `work` is that of a request that does not say its own.
pub(super) fn capacity(form: &ServerForm, work: Time) -> Value {
    let mut capacity = Map::new();
    let text = |value: &toml::Value| serde_json::to_value(value).unwrap_or_default();
    // A server of the simulator has one worker, unless it says otherwise.
    capacity.insert("workers".to_owned(), form.workers.as_ref().map_or_else(|| json!(1), text));
    // A cache has its own times.
    if form.cache.is_none() {
        capacity.insert("work".to_owned(), json!(work.words()));
    }
    if let Some(queue) = &form.queue {
        capacity.insert("queue".to_owned(), text(queue));
    }
    if let Some(discipline) = &form.discipline {
        capacity.insert("discipline".to_owned(), json!(discipline.replace('-', "_")));
    }
    if let Some(reaction) = &form.on_disconnect {
        capacity.insert("on_disconnect".to_owned(), json!(reaction));
    }
    Value::Object(capacity)
}

/// The faults that a server has from the beginning.
pub(super) fn fixed_faults(form: &ServerForm) -> Vec<Value> {
    let pings = form.pings.as_ref();
    let pings =
        pings.map(|pattern| json!({"kind": "pattern", "pattern": pattern, "match": {"path": PING_PATH}}));
    let cache = form.cache.as_ref().map(|cache| {
        json!({
            "kind": "cache", "size": cache.keys, "hit": cache.hit.words(), "miss": cache.miss.words(),
            "header": KEY_HEADER,
        })
    });
    let report = form.report.then(|| json!({"kind": "load_report", "lie": form.lie.unwrap_or(1.0)}));
    pings.into_iter().chain(cache).chain(report).collect()
}
