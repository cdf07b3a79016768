//! What breaks during a live run, and when.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::form::{FaultForm, FaultKind, Time};
use super::names::PING_PATH;

/// One thing that happens to a backend.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) backend: usize,
    pub(super) action: Action,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// SIGKILL.
    Kill,
    Start,
    /// SIGSTOP.
    Stop,
    Continue,
    /// SIGTERM.
    Terminate,
    /// Another mode at the balancer.
    Mode(&'static str),
    Fault(Value),
}

/// The steps in the order of their times. What begins before the first request goes to the capacities and the
/// faults instead. `calls` is the pattern of the paths of all calls.
pub(super) fn script(
    forms: &[FaultForm],
    calls: &str,
    capacities: &mut [Value],
    faults: &mut Vec<(usize, Value)>,
) -> Result<Vec<(Duration, Step)>, String> {
    let mut steps = Vec::new();
    for form in forms {
        let backends = capacities.len();
        let Some(capacity) = form.backend.checked_sub(1).and_then(|index| capacities.get_mut(index)) else {
            return Err(format!("fault: there is no backend {}; write 1 to {backends}", form.backend));
        };
        let action = match form.kind {
            FaultKind::Kill => Action::Kill,
            FaultKind::Start => Action::Start,
            FaultKind::Stop => Action::Stop,
            FaultKind::Continue => Action::Continue,
            FaultKind::Drain => Action::Mode("drain"),
            FaultKind::Ready => Action::Mode("ready"),
            FaultKind::Term => {
                let how = form.how.as_deref().unwrap_or("immediate");
                faults.push((form.backend, json!({"kind": "exit_on_term", "how": how})));
                Action::Terminate
            }
            FaultKind::Slow => {
                let Some(times) = form.times.filter(|_| form.at.0.is_zero() && form.lasts.is_none()) else {
                    return Err("slow: write at = \"0s\" and times, without lasts, for a live run".to_owned());
                };
                capacity["speed"] = json!((100.0 / times).round());
                continue;
            }
            FaultKind::Latency => added(form, &json!({"kind": "latency", "fixed": words(form.adds)})),
            FaultKind::Cold => added(
                form,
                &json!({
                    "kind": "cold_start", "from": form.from.map(|part| (part * 100.0).round()),
                    "over": words(form.over),
                }),
            ),
            FaultKind::Pings => {
                added(form, &json!({"kind": "status", "code": 503, "match": {"path": PING_PATH}}))
            }
            FaultKind::Status => {
                if let Some(takes) = form.takes {
                    if !form.at.0.is_zero() || form.percent.is_some() || form.lasts.is_some() {
                        return Err(
                            "status: write takes only with at = \"0s\", without percent and lasts, for a \
                                    live run"
                                .to_owned(),
                        );
                    }
                    capacity["work"] = json!(takes.words());
                }
                let code = form.code.unwrap_or(503);
                added(form, &json!({"kind": "status", "code": code, "match": {"path": calls}}))
            }
        };
        place(form, action, faults, &mut steps);
    }
    steps.sort_by_key(|(at, _)| *at);
    Ok(steps)
}

/// A fault with the fields that all kinds have.
fn added(form: &FaultForm, fault: &Value) -> Action {
    let mut fields: Map<String, Value> = fault.as_object().cloned().unwrap_or_default();
    if let Some(percent) = form.percent {
        fields.insert("percent".to_owned(), json!(percent));
    }
    if let Some(lasts) = form.lasts {
        fields.insert("for".to_owned(), json!(lasts.words()));
    }
    Action::Fault(Value::Object(fields))
}

/// A fault that begins with the run is there before the first request.
fn place(
    form: &FaultForm,
    action: Action,
    faults: &mut Vec<(usize, Value)>,
    steps: &mut Vec<(Duration, Step)>,
) {
    match action {
        Action::Fault(fault) if form.at.0.is_zero() => faults.push((form.backend, fault)),
        action => steps.push((form.at.0, Step { backend: form.backend, action })),
    }
}

fn words(time: Option<Time>) -> Option<String> {
    time.map(Time::words)
}
