//! A recording of a stream: what happened, and what would have happened under other policies.

use std::collections::BTreeMap;
use std::time::Duration;

use api::Hello;
use balance::policy::Kind;

use crate::clock::nanos;
use crate::faults::Fault;
use crate::recording::Recording;
use crate::report::{Counts, End, Report};
use crate::settings::Sim;

use super::call::LiveCall;
use super::conditions::{Change, Conditions};
use super::line::Told;
use super::live_ticks::live_ticks;
use super::stage;

/// A status of the stream: the client left before the end, as nginx logs it.
const CLIENT_LEFT: u16 = 499;

/// The status of a request of a load that got no complete answer.
const NO_ANSWER: u16 = 0;

/// A recording of a stream, which has one event in each line.
#[derive(Debug)]
pub struct StreamRecording {
    hello: Hello,
    /// In the order in which they arrived, all after the beginning.
    calls: Vec<LiveCall>,
    recording: Recording,
    script: Vec<(Duration, Fault)>,
    longest_queue: u32,
    skipped: u64,
    unknown: Vec<String>,
    ticks: bool,
}

impl StreamRecording {
    /// Reads a recording. `workers` replaces what the stream tells of the workers of each server.
    ///
    /// # Errors
    /// If it has no event `hello`, more than one set of backends, or no measured service time.
    pub fn read(text: &[u8], workers: Option<u32>) -> Result<Self, String> {
        let mut reader = Reader { conditions: Conditions::new(workers), ..Reader::default() };
        let (mut skipped, mut first) = (0_u64, None);
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            match Told::read(line) {
                Ok(told) => reader.take(told).map_err(|why| format!("line {number}: {why}"))?,
                Err(why) => {
                    skipped += 1;
                    first.get_or_insert_with(|| format!("line {number}: {why}"));
                }
            }
        }
        let Some(hello) = reader.hello.take() else {
            let why = first.map_or_else(String::new, |first| format!(" ({first})"));
            return Err(format!(
                "it has no event `hello`{why}; give a recording of a stream, with one event in each line"
            ));
        };
        reader.finish(*hello, skipped)
    }

    /// With the state 4 times a second in the reports.
    #[must_use]
    pub fn with_ticks(self) -> Self {
        Self { ticks: true, ..self }
    }

    /// The policy of the balancer at the beginning.
    pub fn policy(&self) -> &str {
        &self.hello.policy
    }

    /// The number of requests, with those that failed.
    pub fn requests(&self) -> usize {
        self.calls.len()
    }

    /// Lines that are no events, and were skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The kinds of faults in the recording that are not simulated.
    pub fn unknown_faults(&self) -> &[String] {
        &self.unknown
    }

    /// What happened. The report has the latencies, the ends, the retries, the shares and the ticks, and
    /// nothing else.
    pub fn live(&self) -> Report {
        let mut counts = Counts::new(self.hello_backends(), false);
        for call in &self.calls {
            let end = match call.status {
                NO_ANSWER | CLIENT_LEFT => End::TimedOut,
                status => End::Answered(status),
            };
            counts.end((call.ended - call.arrived).saturating_mul(1000), end);
            counts.retries += call.retries;
            let backend = call.backend.and_then(|number| counts.backends.get_mut(number.checked_sub(1)?));
            if let Some(backend) = backend {
                backend.picks += 1;
            }
        }
        if let Some(first) = counts.backends.first_mut() {
            first.max_queue = self.longest_queue;
        }
        if self.ticks {
            counts.ticks = live_ticks(&self.calls, self.hello.t, counts.backends.len());
        }
        let to = self.calls.iter().map(|call| call.ended).max().unwrap_or(self.hello.t) - self.hello.t;
        Report {
            policy: "live",
            seed: 0,
            counts,
            from: 0,
            to: nanos(Duration::from_micros(to)),
            unfinished: 0,
            events: 0,
            is_cut: false,
        }
    }

    /// What would have happened under this policy. The seed is that of the draws of the policy.
    pub fn replay(&self, policy: Kind, seed: u64) -> Report {
        let sim = Sim { script: self.script.clone(), ticks: self.ticks, ..stage(&self.hello, seed) };
        self.recording.replay(&sim, policy)
    }

    fn hello_backends(&self) -> usize {
        stage(&self.hello, 0).servers.len()
    }
}

/// What was read so far.
#[derive(Debug, Default)]
struct Reader {
    hello: Option<Box<Hello>>,
    calls: Vec<LiveCall>,
    conditions: Conditions,
    changes: Vec<Change>,
    longest_queue: u32,
}

impl Reader {
    fn take(&mut self, told: Told) -> Result<(), String> {
        match (told, &self.hello) {
            (Told::Hello(hello), None) => self.hello = Some(hello),
            (Told::Hello(another), Some(hello)) if another.backends.len() != hello.backends.len() => {
                return Err(
                    "the balancer has other backends from here on; cut the recording before this line"
                        .to_owned(),
                );
            }
            (Told::Req(call), Some(hello)) if call.arrived >= hello.t => self.calls.push(call),
            (Told::Tick(tick), Some(_)) => {
                let queues = tick.backends.iter().filter_map(|backend| Some(backend.server.as_ref()?.queued));
                self.longest_queue = queues.fold(self.longest_queue, u32::max);
                self.changes.extend(self.conditions.tick(&tick));
            }
            (Told::Fault(fault), Some(_)) => self.changes.extend(self.conditions.fault(&fault)),
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self, hello: Hello, skipped: u64) -> Result<StreamRecording, String> {
        let origin = hello.t;
        self.calls.sort_by_key(|call| (call.arrived, call.ended));
        let measured = self.calls.iter().position(|call| call.service.is_some());
        let Some(measured) = measured else {
            return Err("no request in it has `service_us`, the measured time of service; \
                        record the stream of a lab, with all requests"
                .to_owned());
        };
        self.calls.drain(..measured);
        let conditions = &mut self.conditions;
        let recorded = self.calls.iter().filter_map(|call| call.since(origin, conditions.work(call)?));
        let recording = Recording::new(recorded.collect());
        Ok(StreamRecording {
            recording,
            script: script(&self.changes, origin),
            unknown: std::mem::take(&mut self.conditions.unknown).into_iter().collect(),
            calls: self.calls,
            longest_queue: self.longest_queue,
            hello,
            skipped,
            ticks: false,
        })
    }
}

/// The faults of the changes, each with its end.
fn script(changes: &[Change], origin: u64) -> Vec<(Duration, Fault)> {
    let since = |at: u64| Duration::from_micros(at.saturating_sub(origin));
    let mut ends = BTreeMap::<u32, u64>::new();
    for change in changes.iter().filter(|change| change.ends) {
        let end = ends.entry(change.name).or_insert(change.at);
        *end = change.at.min(*end);
    }
    let begin = |change: &Change| {
        let lasts = ends.get(&change.name).map(|end| Duration::from_micros(end.saturating_sub(change.at)));
        (since(change.at), change.fault.lasting(lasts.unwrap_or(Duration::MAX)))
    };
    changes.iter().filter(|change| !change.ends).map(begin).collect()
}
