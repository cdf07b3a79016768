//! The last two minutes of a run as a recording: what a ghost replays.

use std::collections::{BTreeMap, VecDeque};

use api::{Change, Event, Fault, Hello, Req};

/// Older events are forgotten.
const PERIOD: u64 = 120_000_000;

/// The most bytes of all lines. At more than about 600 requests a second, they are less than two minutes.
const MOST_BYTES: usize = 18 << 20;

/// The faults that are active, from the events about them.
#[derive(Clone, Debug, Default)]
struct ActiveFaults {
    active: BTreeMap<(usize, Option<u64>, String), Fault>,
}

impl ActiveFaults {
    fn apply(&mut self, fault: &Fault) {
        let name = (fault.backend, fault.id, fault.kind.to_string());
        if fault.active {
            self.active.insert(name, fault.clone());
        } else {
            self.active.remove(&name);
        }
    }

    fn all(&self) -> impl Iterator<Item = &Fault> {
        self.active.values()
    }
}

/// One event.
#[derive(Clone, Debug)]
struct Line {
    t: u64,
    json: Box<str>,
    /// Whether the events after it depend on it.
    is_lasting: bool,
}

impl Line {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.json.len()
    }
}

/// The events of the last two minutes, and what held at their beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    hello: Option<Box<Hello>>,
    faults: ActiveFaults,
    lines: VecDeque<Line>,
    bytes: usize,
    requests: usize,
}

impl Recent {
    /// Takes in the next event, at this time.
    pub(super) fn apply(&mut self, event: &Event, now: u64) {
        let is_lasting = match event {
            Event::Hello(hello) => return self.hello(hello),
            Event::Req(request) => return self.request(request),
            Event::Tick(_) | Event::Load(_) => false,
            Event::Fault(_) | Event::Control(_) => true,
            Event::State(_) | Event::Probe(_) | Event::Why(_) | Event::Ghost(_) | Event::Gap(_) => return,
        };
        self.push(event.time().unwrap_or(now), event, is_lasting);
    }

    fn hello(&mut self, hello: &Hello) {
        let count = |hello: &Hello| hello.backends.len();
        match &mut self.hello {
            // The stream begins again with the same backends.
            Some(known) if count(known) == count(hello) => {}
            _ => *self = Self { hello: Some(Box::new(hello.clone())), ..Self::default() },
        }
    }

    fn request(&mut self, request: &Req) {
        // What no ghost reads is left out.
        let request = Req { path: String::new(), request_id: None, n: 0, ..request.clone() };
        self.requests += 1;
        self.push(request.t, &Event::Req(Box::new(request)), false);
    }

    fn push(&mut self, t: u64, event: &Event, is_lasting: bool) {
        let Ok(json) = serde_json::to_string(event) else { return };
        let line = Line { t, json: json.into_boxed_str(), is_lasting };
        self.bytes += line.bytes();
        self.lines.push_back(line);
        while self.bytes > MOST_BYTES
            || self.lines.front().is_some_and(|first| first.t.saturating_add(PERIOD) < t)
        {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.forget(&oldest);
        }
    }

    /// What lasts is remembered without its line.
    fn forget(&mut self, line: &Line) {
        self.bytes = self.bytes.saturating_sub(line.bytes());
        if line.json.starts_with("{\"event\":\"req\"") {
            self.requests = self.requests.saturating_sub(1);
        }
        if !line.is_lasting {
            return;
        }
        match serde_json::from_str(&line.json) {
            Ok(Event::Fault(fault)) => self.faults.apply(&fault),
            Ok(Event::Control(change)) => {
                if let (Some(Change::Policy { policy }), Some(hello)) = (change.change, &mut self.hello) {
                    hello.policy = policy;
                }
            }
            _ => {}
        }
    }

    /// The same with only the first and the last line.
    pub(super) fn without_lines(&self) -> Self {
        let ends = self.lines.front().into_iter().chain(self.lines.back());
        Self {
            hello: self.hello.clone(),
            faults: self.faults.clone(),
            lines: ends.cloned().collect(),
            ..*self
        }
    }

    /// The time at which it begins, if it has begun.
    pub(super) fn begins(&self) -> Option<u64> {
        self.lines.front().map(|first| first.t)
    }

    /// The time at which it ends.
    pub(super) fn ends(&self) -> Option<u64> {
        self.lines.back().map(|last| last.t)
    }

    /// The number of requests in it.
    pub(super) fn requests(&self) -> usize {
        self.requests
    }

    /// One event in each line, `hello` first, then the faults that were active.
    pub(super) fn lines(&self) -> String {
        let (Some(hello), Some(begins)) = (&self.hello, self.begins()) else { return String::new() };
        let hello = Event::Hello(Box::new(Hello { t: begins, ..(**hello).clone() }));
        let faults = self.faults.all().map(|fault| {
            let mut fault = fault.clone();
            fault.t = begins;
            Event::Fault(fault)
        });
        let mut text = String::with_capacity(self.bytes + 4096);
        for event in std::iter::once(hello).chain(faults) {
            if let Ok(json) = serde_json::to_string(&event) {
                text += &json;
                text.push('\n');
            }
        }
        for line in &self.lines {
            text += &line.json;
            text.push('\n');
        }
        text
    }

    /// The bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
