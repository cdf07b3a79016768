//! `GET /events`: what happens in a balancer or in a whole lab, one document for each event.
//!
//! The balancer writes most of these events. A lab adds what only a lab knows: faults, the load, and ghosts.
//! Both use one format, so one reader serves for both, and for a recording, which has one event in each line.
//!
//! All times are microseconds since one epoch, [`Hello::epoch_unix_us`]. The counts in a [`Tick`] are sums
//! since the start, so a reader that missed ticks still calculates correct rates.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::change::Change;
use crate::tick::Tick;
use crate::{Decision, Progress, Word, is_zero};

/// The version of this format. A reader refuses a stream with another version.
pub const SCHEMA: u32 = 1;

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The first event for each reader.
    Hello(Box<Hello>),
    /// The figures, four times a second.
    Tick(Tick),
    /// A backend changed its state.
    State(StateChange),
    /// A ping or a question to a backend ended.
    Probe(Probe),
    /// A fault of a backend began or ended.
    Fault(Fault),
    /// An operator, a file or a signal changed something.
    Control(ControlChange),
    /// The load changed.
    Load(Load),
    /// A request ended.
    Req(Box<Req>),
    /// Why a request went to its backends.
    Why(Box<Why>),
    /// The figures of a ghost: another policy on the same requests.
    Ghost(Ghost),
    /// Events that this reader missed, because it read too slowly.
    Gap(Gap),
}

impl Event {
    /// The name of the event in the stream.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Tick(_) => "tick",
            Self::State(_) => "state",
            Self::Probe(_) => "probe",
            Self::Fault(_) => "fault",
            Self::Control(_) => "control",
            Self::Load(_) => "load",
            Self::Req(_) => "req",
            Self::Why(_) => "why",
            Self::Ghost(_) => "ghost",
            Self::Gap(_) => "gap",
        }
    }

    /// The time of the event, in microseconds since the epoch of its stream; `None` for `why` and `gap`.
    pub fn time(&self) -> Option<u64> {
        match self {
            Self::Hello(hello) => Some(hello.t),
            Self::Tick(tick) => Some(tick.t),
            Self::State(change) => Some(change.t),
            Self::Probe(probe) => Some(probe.t),
            Self::Fault(fault) => Some(fault.t),
            Self::Control(change) => Some(change.t),
            Self::Load(load) => Some(load.t),
            Self::Req(request) => Some(request.t),
            Self::Ghost(ghost) => Some(ghost.tick.t),
            Self::Why(_) | Self::Gap(_) => None,
        }
    }
}

/// The event `hello`: what the other events refer to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// The version of the format: [`SCHEMA`].
    pub schema: u32,
    /// The moment 0 of all times, in microseconds since 1970.
    pub epoch_unix_us: u64,
    /// The time of this event.
    pub t: u64,
    /// The version of the balancer.
    pub version: Word,
    /// The address where clients connect.
    pub listen: String,
    /// The number of worker threads.
    pub workers: usize,
    /// The name of the policy in force.
    pub policy: Word,
    /// The names of all policies.
    pub policies: Vec<Word>,
    /// Whether the balancer explains its decisions.
    pub explain: bool,
    /// The backends, by number.
    pub backends: Vec<HelloBackend>,
    /// The seed of the lab, if a lab sends this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The names of the presets that the lab knows, such as `stall`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub presets: Vec<Word>,
    /// The settings of the balancer that were given and differ from their defaults, such as
    /// `balance.hash_by header:x-key`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Word>,
}

/// One backend in [`Hello`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HelloBackend {
    /// Its number; the first is 1.
    pub backend: usize,
    /// Its address, as in `http://localhost:3031`.
    pub url: String,
    /// Its share compared to the other backends.
    pub weight: u32,
    /// `ready`, `drain` or `maintenance`.
    pub mode: Word,
    /// `up`, `down`, `suspect` or `ejected`.
    pub state: Word,
    /// Why it is in that state.
    pub cause: Word,
}

/// The event `state`: a backend changed its state. The first event of a backend for a reader has the same
/// state twice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StateChange {
    /// The time.
    pub t: u64,
    /// The number of the backend.
    pub backend: usize,
    /// The state before.
    pub from: Word,
    /// The state from now on.
    pub to: Word,
    /// Why.
    pub cause: Word,
    /// How far the backend is on its way to another state, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// The event `probe`: a ping or a question to a backend ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// The time of the end.
    pub t: u64,
    /// The number of the backend.
    pub backend: usize,
    /// Whether the check succeeded.
    pub ok: bool,
    /// The result in words, such as `connected`.
    pub what: Word,
    /// Microseconds from its start to its end.
    pub took_us: u64,
    /// How far the backend is on its way to another state, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// The event `fault`: a fault of a backend began or ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fault {
    /// The time.
    pub t: u64,
    /// The number of the backend.
    pub backend: usize,
    /// Whether it is active from now on.
    pub active: bool,
    /// The id of the fault at the backend; `None` for what happens to the process, such as `kill`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Its kind, such as `status`.
    pub kind: Word,
    /// Its parameters, as the backend writes them.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub params: Value,
    /// The time at which it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// The event `control`: an operator, a file or a signal changed something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControlChange {
    /// The time.
    pub t: u64,
    /// What changed, in words.
    pub what: String,
    /// The origin of the change: the configuration file, a signal, names that stand for other addresses, or a
    /// client of the admin port.
    pub by: String,
    /// The same for programs, if it is a change that they follow. A kind that this reader does not know, or a
    /// change that lacks a field, is read as `None`: the words stay.
    #[serde(deserialize_with = "crate::change::if_known", skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// The event `load`: the load of a lab changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// The time.
    pub t: u64,
    /// `open` or `closed`.
    #[serde(rename = "loop")]
    pub control: Word,
    /// Requests a second in open loop.
    pub rate: f64,
    /// Clients in closed loop.
    pub clients: usize,
}

/// The event `req`: a request ended. The texts of clients are not escaped: a program that shows them must
/// escape them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Req {
    /// The time of its end.
    pub t: u64,
    /// Its number; numbers rise.
    pub id: u64,
    /// The number of requests that it stands for: one in so many requests is published. 0 for a request that
    /// only a reader of all requests gets.
    pub n: u32,
    /// Its method.
    pub method: String,
    /// Its target, as the client wrote it; without its query if queries are not to be shown.
    pub path: String,
    /// The status that the client got; 499 if the client left before the end, as nginx logs it.
    pub status: u16,
    /// The number of the backend whose answer, or failure, the client got.
    pub backend: Option<usize>,
    /// Backends that it was given to.
    pub attempts: u32,
    /// Retries at the last backend.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// The backends that it left, by number, each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<(usize, Word)>,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Word>,
    /// What is to blame for the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blame: Option<Word>,
    /// Microseconds from its arrival until it went to a backend for the last time: picking, waiting for a
    /// place, connecting, failed tries.
    pub queue_us: u64,
    /// Microseconds from then until its last byte was sent; 0 if it was sent at once.
    #[serde(skip_serializing_if = "is_zero")]
    pub upload_us: u64,
    /// Microseconds from then until the head of the answer came.
    pub head_us: u64,
    /// Microseconds from then until the last byte of the answer was sent.
    #[serde(skip_serializing_if = "is_zero")]
    pub body_us: u64,
    /// Microseconds in all.
    pub total_us: u64,
    /// Its `X-Request-ID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The time that its backend worked on it, without waits, in microseconds; only from a lab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_us: Option<u64>,
    /// The time that it waited in the queue of its backend, in microseconds; only from a lab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_queue_us: Option<u64>,
    /// Its key for policies that use one; only from a lab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The event `why`: the decisions about a request, which comes as [`Req`] with the same number.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Why {
    /// The number of the request.
    pub id: u64,
    /// The decisions, in order: one for each backend that was picked.
    pub decisions: Vec<Decision>,
}

/// The event `ghost`: the figures of another policy on the same requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ghost {
    /// The name of the policy.
    pub policy: Word,
    /// The figures.
    pub tick: Tick,
}

/// The event `gap`: this reader missed events, because it read too slowly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gap {
    /// The id of the first event that is missing.
    pub from: u64,
    /// The id of the last event that is missing.
    pub to: u64,
}

impl Gap {
    /// The largest number of events that are missing: some may be of a kind that the reader does not want.
    pub fn missing(&self) -> u64 {
        self.to.saturating_sub(self.from).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::{BackendTick, LoadTick};

    #[test]
    fn an_event_comes_back_as_it_was_and_has_its_name() {
        let events = [
            Event::Hello(Box::new(Hello { schema: SCHEMA, seed: Some(42), ..Hello::default() })),
            Event::Tick(Tick {
                t: 250_000,
                backends: vec![BackendTick { backend: 2, latency: vec![(311, 2)], ..BackendTick::default() }],
                load: Some(LoadTick::default()),
                ..Tick::default()
            }),
            Event::State(StateChange { t: 1, backend: 1, to: "down".into(), ..StateChange::default() }),
            Event::Probe(Probe { ok: true, what: "connected".into(), ..Probe::default() }),
            Event::Fault(Fault { id: Some(3), kind: "status".into(), active: true, ..Fault::default() }),
            Event::Control(ControlChange {
                change: Some(Change::Mode { backend: 2, mode: "drain".into() }),
                ..ControlChange::default()
            }),
            Event::Load(Load { control: "open".into(), rate: 120.0, ..Load::default() }),
            Event::Req(Box::new(Req { id: 7, n: 5, status: 200, backend: Some(2), ..Req::default() })),
            Event::Why(Box::new(Why { id: 7, decisions: vec![Decision::default()] })),
            Event::Ghost(Ghost { policy: "random".into(), ..Ghost::default() }),
            Event::Gap(Gap { from: 3, to: 9 }),
        ];
        for event in events {
            let text = serde_json::to_string(&event).unwrap();
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["event"], event.name());
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
            let page = include_str!("../../docs/events.md");
            assert!(
                page.contains(&format!("\n| `{}` | ", event.name())),
                "docs/events.md lacks {}",
                event.name()
            );
        }
    }

    #[test]
    fn a_request_takes_few_bytes() {
        let request = Req {
            t: 60_123_456,
            id: 8123,
            n: 50,
            method: "GET".into(),
            path: "/busy/20000".into(),
            status: 200,
            backend: Some(2),
            attempts: 1,
            queue_us: 41,
            head_us: 20_311,
            body_us: 22,
            total_us: 20_374,
            ..Req::default()
        };
        let length = serde_json::to_string(&Event::Req(Box::new(request))).unwrap().len();
        assert!(length <= 220, "{length} bytes");
    }
}
