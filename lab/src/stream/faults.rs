//! What a backend says of itself, and the events that follow from two of its states. Pure.

use api::{Event, Fault, ServerTick, Word};
use serde_json::{Map, Value};

/// The fields of a fault that say which requests it hits, and those that only report.
const REPORTS: [&str; 5] = ["id", "matched", "fired", "active", "left"];

/// The state of a backend, from `GET /state` at its control port.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct BackendSeen {
    pub(super) server: ServerTick,
    /// The active faults, by id.
    faults: Vec<ActiveFault>,
}

/// One active fault.
#[derive(Clone, Debug, PartialEq)]
struct ActiveFault {
    id: u64,
    kind: String,
    params: Value,
    /// All of it in words.
    words: String,
    /// Microseconds until it ends by itself.
    left_us: Option<u64>,
}

impl BackendSeen {
    /// Reads a state. What is missing is unknown.
    pub(super) fn read(state: &Value) -> Self {
        let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        let faults = state["faults"].as_array().map_or(&[] as &[Value], Vec::as_slice);
        let active = faults.iter().filter(|fault| fault["active"] != false);
        let faults: Vec<ActiveFault> = active.map(ActiveFault::read).collect();
        Self {
            server: ServerTick {
                process: process(&state["worker"]["state"]),
                busy: number(&state["counters"]["serving"]).unwrap_or(0),
                workers: number(&state["capacity"]["workers"]),
                queued: number(&state["counters"]["waiting"]).unwrap_or(0),
                queue: number(&state["capacity"]["queue"]),
                faults: faults.iter().map(|fault| fault.words.clone()).collect(),
            },
            faults,
        }
    }

    /// The same without the faults whose id and kind pass.
    pub(super) fn without(&self, is_hidden: impl Fn(u64, &str) -> bool) -> Self {
        let mut seen = self.clone();
        seen.faults.retain(|fault| !is_hidden(fault.id, &fault.kind));
        seen.server.faults = seen.faults.iter().map(|fault| fault.words.clone()).collect();
        seen
    }

    /// The ids of the active faults.
    pub(super) fn ids(&self) -> Vec<u64> {
        self.faults.iter().map(|fault| fault.id).collect()
    }

    /// A backend whose control port does not answer, and that was in this state before.
    pub(super) fn unknown(before: Option<&Self>) -> Self {
        let mut seen = before.cloned().unwrap_or_default();
        seen.server.process = "unknown".into();
        seen
    }
}

fn process(word: &Value) -> Word {
    word.as_str().map_or(Word::Borrowed("unknown"), |word| word.to_owned().into())
}

impl ActiveFault {
    fn read(fault: &Value) -> Self {
        let mut params = fault.as_object().cloned().unwrap_or_default();
        params.retain(|name, _| name != "kind" && !REPORTS.contains(&name.as_str()));
        Self {
            id: fault["id"].as_u64().unwrap_or(0),
            kind: fault["kind"].as_str().unwrap_or("unknown").to_owned(),
            params: if params.is_empty() { Value::Null } else { Value::Object(params) },
            words: words(fault),
            left_us: fault["left"]["for_ms"].as_u64().map(|ms| ms.saturating_mul(1000)),
        }
    }

    /// The event of its beginning or its end.
    fn event(&self, t: u64, backend: usize, active: bool) -> Event {
        let until = self.left_us.filter(|_| active).map(|left| t.saturating_add(left));
        let kind = self.kind.clone().into();
        Event::Fault(Fault {
            t,
            backend,
            active,
            id: Some(self.id),
            kind,
            params: self.params.clone(),
            until,
        })
    }
}

/// What has happened at backend `number` between two of its states, as events of this time. A fault whose
/// fields changed ends and begins. The end of a process is `kill`, its stop is `stop`; neither has an id.
pub(super) fn differences(
    before: Option<&BackendSeen>,
    after: &BackendSeen,
    number: usize,
    t: u64,
) -> Vec<Event> {
    let nothing = BackendSeen::default();
    let before = before.unwrap_or(&nothing);
    let is_in = |fault: &ActiveFault, list: &[ActiveFault]| {
        list.iter().any(|one| (one.id, &one.kind, &one.params) == (fault.id, &fault.kind, &fault.params))
    };
    let ended = before.faults.iter().filter(|fault| !is_in(fault, &after.faults));
    let begun = after.faults.iter().filter(|fault| !is_in(fault, &before.faults));
    let mut events: Vec<Event> = process_differences(before, after, number, t);
    events.extend(ended.map(|fault| fault.event(t, number, false)));
    events.extend(begun.map(|fault| fault.event(t, number, true)));
    events
}

fn process_differences(before: &BackendSeen, after: &BackendSeen, number: usize, t: u64) -> Vec<Event> {
    let kind = |seen: &BackendSeen| match &*seen.server.process {
        "dead" => Some("kill"),
        "stopped" => Some("stop"),
        _ => None,
    };
    // Nothing is known of what happened while the control port did not answer.
    if before.server.process == after.server.process || after.server.process == "unknown" {
        return Vec::new();
    }
    let event = |kind: &'static str, active| {
        Event::Fault(Fault { t, backend: number, active, kind: kind.into(), ..Fault::default() })
    };
    let (ended, begun) = (kind(before), kind(after));
    ended.map(|kind| event(kind, false)).into_iter().chain(begun.map(|kind| event(kind, true))).collect()
}

/// A fault in words, such as `status 503 100 %` or `latency 400ms 50 %, for 10s`.
fn words(fault: &Value) -> String {
    let nothing = Map::new();
    let fields = fault.as_object().unwrap_or(&nothing);
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut words = vec![fault["kind"].as_str().unwrap_or("unknown").to_owned()];
    let mut scope = Vec::new();
    for (name, value) in fields {
        match name.as_str() {
            "kind" | "percent" => {}
            name if REPORTS.contains(&name) => {}
            "code" | "fixed" => words.push(word(value)),
            "match" | "skip" | "every" | "first" | "after" | "for" => {
                scope.push(format!("{name} {}", word(value)));
            }
            name => words.push(format!("{name} {}", word(value))),
        }
    }
    words.push(format!("{} %", fault["percent"].as_f64().unwrap_or(100.0)));
    scope.insert(0, words.join(" "));
    scope.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(process: &str, faults: Value) -> BackendSeen {
        BackendSeen::read(&json!({
            "worker": {"state": process},
            "faults": faults,
            "counters": {"serving": 2, "waiting": 3},
            "capacity": {"workers": 2, "queue": "unbounded"},
        }))
    }

    fn status(id: u64, code: u64) -> Value {
        json!({"kind": "status", "code": code, "id": id, "matched": 9, "fired": 3, "active": true,
            "left": {"after_ms": null, "first": null, "for_ms": null}})
    }

    #[test]
    fn a_state_is_read() {
        let expected = ServerTick {
            process: "running".into(),
            busy: 2,
            workers: Some(2),
            queued: 3,
            queue: None,
            faults: vec!["status 503 100 %".into()],
        };
        assert_eq!(seen("running", json!([status(1, 503)])).server, expected);
        assert_eq!(BackendSeen::read(&Value::Null).server.process, "unknown");
    }

    #[test]
    fn faults_are_put_into_words() {
        for (fault, expected) in [
            (json!({"kind": "status", "code": 503}), "status 503 100 %"),
            (
                json!({"kind": "latency", "fixed": "400ms", "percent": 50, "for": "10s"}),
                "latency 400ms 50 %, for 10s",
            ),
            (json!({"kind": "reset", "at": "before", "percent": 30}), "reset at before 30 %"),
            (json!({"kind": "refuse"}), "refuse 100 %"),
            (json!(7), "unknown 100 %"),
        ] {
            assert_eq!(words(&fault), expected);
        }
    }

    /// The kind of each event, `+` for a beginning, `-` for an end, and its code.
    fn told(before: Option<&BackendSeen>, after: &BackendSeen) -> Vec<String> {
        let told = |event: &Event| match event {
            Event::Fault(fault) => {
                assert_eq!((fault.t, fault.backend), (7, 4));
                let code = fault.params["code"].as_u64().map(|code| format!(" {code}"));
                format!("{}{}{}", if fault.active { '+' } else { '-' }, fault.kind, code.unwrap_or_default())
            }
            other => format!("{other:?}"),
        };
        differences(before, after, 4, 7).iter().map(told).collect()
    }

    #[test]
    fn two_states_give_the_events_between_them() {
        let none = || json!([]);
        let inactive = json!([{"kind": "status", "code": 503, "id": 1, "active": false}]);
        for (before, after, expected) in [
            (seen("running", none()), seen("running", none()), vec![]),
            (seen("running", none()), seen("running", json!([status(1, 503)])), vec!["+status 503"]),
            (seen("running", json!([status(1, 503)])), seen("running", json!([status(1, 503)])), vec![]),
            (seen("running", json!([status(1, 503)])), seen("running", inactive), vec!["-status 503"]),
            (
                seen("running", json!([status(1, 503)])),
                seen("running", json!([status(1, 500)])),
                vec!["-status 503", "+status 500"],
            ),
            (seen("running", none()), seen("dead", none()), vec!["+kill"]),
            (seen("dead", none()), seen("running", none()), vec!["-kill"]),
            (seen("running", none()), seen("stopped", none()), vec!["+stop"]),
            (seen("stopped", none()), seen("dead", none()), vec!["-stop", "+kill"]),
        ] {
            assert_eq!(told(Some(&before), &after), expected, "{before:?} {after:?}");
        }
        assert_eq!(told(None, &seen("dead", json!([status(1, 503)]))), ["+kill", "+status 503"]);
        let dead = seen("dead", none());
        assert!(told(Some(&dead), &BackendSeen::unknown(Some(&dead))).is_empty(), "the port does not answer");
    }

    #[test]
    fn an_event_says_when_the_fault_ends_by_itself() {
        let mut fault = status(3, 503);
        fault["left"]["for_ms"] = json!(10_000);
        let events = differences(None, &seen("running", json!([fault])), 1, 500);
        let Event::Fault(fault) = &events[0] else { panic!("{events:?}") };
        assert_eq!((fault.id, fault.until), (Some(3), Some(10_000_500)));
        assert_eq!(fault.params, json!({"code": 503}));
    }
}
