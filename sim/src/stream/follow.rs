//! The ghosts of a stream that goes on: other policies on the same calls.
//!
//! A request is told when it ends, and a ghost needs it when it arrives. So a ghost is [`LAG`] behind the
//! stream. A request that takes longer than this arrives late at the ghost.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use api::{Ghost, Hello};
use balance::policy::Kind;

use crate::run::{Live, Stage};

use super::call::LiveCall;
use super::conditions::{Change, Conditions};
use super::line::Told;
use super::stage;

/// How far a ghost is behind the stream, in microseconds.
const LAG: u64 = 1_500_000;

/// The time between two ticks of a ghost, in microseconds.
const PERIOD: u64 = 250_000;

/// A time that is so far ahead of the stream is a mistake, in microseconds: an hour.
const TOO_FAR: u64 = 3_600_000_000;

/// After a gap of this time, in microseconds, the ticks in the gap are left out.
const GAP: u64 = 10_000_000;

/// What the ghosts are to do.
#[derive(Debug, Clone, Default)]
pub struct Follow {
    /// The policies, with a ghost each; the policy of the stream if there are none.
    pub policies: Vec<Kind>,
    /// The number of workers of each server, instead of what the stream tells.
    pub workers: Option<u32>,
    /// The seed of the draws of the policies.
    pub seed: u64,
}

/// What the ghosts could not use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Lines that are no events.
    pub lines: u64,
    /// What is wrong with the first of them.
    pub first: Option<String>,
    /// Requests before the first measured service time, or before the first event `hello`.
    pub requests: u64,
    /// Requests that took too long, and so arrived late at the ghosts.
    pub late: u64,
    /// The kinds of faults that are not simulated.
    pub faults: Vec<String>,
    /// The event `hello` came.
    pub has_begun: bool,
}

/// Reads lines until there are none, and gives the ticks of the ghosts to `tell`, until it returns false.
/// `read` puts the next line into the buffer, and returns whether there was one.
pub fn follow(
    options: &Follow,
    mut read: impl FnMut(&mut Vec<u8>) -> bool,
    mut tell: impl FnMut(Ghost) -> bool,
) -> Skipped {
    let mut input = Input { read: &mut read, line: Vec::new(), skipped: Skipped::default(), clock: None };
    let mut next = None;
    while let Some(hello) = next.take().or_else(|| input.hello()) {
        input.skipped.has_begun = true;
        let policies = match &*options.policies {
            [] => hello.policy.parse().into_iter().collect(),
            policies => policies.to_vec(),
        };
        let sim = stage(&hello, options.seed);
        let stages: Vec<_> = policies.iter().map(|policy| Stage::new(sim.clone().policy(*policy))).collect();
        let mut ghosts = Ghosts {
            ghosts: policies.iter().zip(&stages).map(|(policy, stage)| (*policy, stage.live())).collect(),
            origin: hello.t,
            upto: hello.t,
            coming: BinaryHeap::new(),
            conditions: Conditions::new(options.workers),
        };
        match session(&mut ghosts, &hello, &mut input, &mut tell) {
            SessionEnd::Another(hello) => next = Some(hello),
            SessionEnd::Over => return input.skipped,
        }
    }
    input.skipped
}

/// Why a session ends.
enum SessionEnd {
    /// The backends of the stream have changed.
    Another(Box<Hello>),
    /// The stream is over, or the ticks are not wanted any more.
    Over,
}

/// Runs the ghosts while the backends of the stream are the same.
fn session(
    ghosts: &mut Ghosts<'_>,
    hello: &Hello,
    input: &mut Input<'_>,
    tell: &mut impl FnMut(Ghost) -> bool,
) -> SessionEnd {
    let mut end = SessionEnd::Over;
    while let Some(told) = input.next() {
        match told {
            Told::Hello(another) if is_same(&another, hello) => {}
            Told::Hello(another) => {
                end = SessionEnd::Another(another);
                break;
            }
            told => ghosts.take(&told),
        }
        let clock = input.clock.unwrap_or(0);
        if !ghosts.advance(clock.saturating_sub(LAG), &mut input.skipped, tell) {
            end = SessionEnd::Over;
            break;
        }
    }
    if matches!(end, SessionEnd::Over) {
        ghosts.advance(input.clock.unwrap_or(0), &mut input.skipped, tell);
    }
    input.skipped.faults.extend(std::mem::take(&mut ghosts.conditions.unknown));
    input.skipped.faults.sort_unstable();
    input.skipped.faults.dedup();
    end
}

/// Whether a stream has the same backends as before, and the same clock.
fn is_same(one: &Hello, other: &Hello) -> bool {
    let backends = |hello: &Hello| -> Vec<_> {
        hello.backends.iter().map(|backend| (backend.backend, backend.url.clone(), backend.weight)).collect()
    };
    one.epoch_unix_us == other.epoch_unix_us && one.t >= other.t && backends(one) == backends(other)
}

/// The lines of the stream.
struct Input<'a> {
    read: &'a mut dyn FnMut(&mut Vec<u8>) -> bool,
    line: Vec<u8>,
    skipped: Skipped,
    /// The time of the latest event.
    clock: Option<u64>,
}

impl Input<'_> {
    /// The next event.
    fn next(&mut self) -> Option<Told> {
        loop {
            self.line.clear();
            if !(self.read)(&mut self.line) {
                return None;
            }
            match Told::read(&self.line).and_then(|told| self.timed(told)) {
                Ok(told) => return Some(told),
                Err(why) => {
                    self.skipped.lines += 1;
                    self.skipped.first.get_or_insert(why);
                }
            }
        }
    }

    /// The same event, if its time is credible.
    fn timed(&mut self, told: Told) -> Result<Told, String> {
        let Some(t) = told.t() else { return Ok(told) };
        let clock = match (&told, self.clock) {
            // Another balancer may have another clock.
            (Told::Hello(_), _) | (_, None) => t,
            (_, Some(clock)) if t > clock.saturating_add(TOO_FAR) => {
                return Err(format!("the time {t} is far ahead of the event before, at {clock}"));
            }
            (_, Some(clock)) => clock.max(t),
        };
        self.clock = Some(clock);
        Ok(told)
    }

    /// The next event `hello`.
    fn hello(&mut self) -> Option<Box<Hello>> {
        loop {
            match self.next()? {
                Told::Hello(hello) => return Some(hello),
                Told::Req(_) => self.skipped.requests += 1,
                _ => {}
            }
        }
    }
}

/// A call that has not arrived at the ghosts, ordered by its arrival.
#[derive(Debug, PartialEq, Eq)]
struct Arriving(LiveCall);

impl Ord for Arriving {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |it: &Self| (it.0.arrived, it.0.ended);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Arriving {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The ghosts of one session, and what comes to them.
struct Ghosts<'a> {
    ghosts: Vec<(Kind, Live<'a>)>,
    /// The beginning of the session.
    origin: u64,
    /// The time up to which the ghosts have run.
    upto: u64,
    coming: BinaryHeap<Reverse<Arriving>>,
    conditions: Conditions,
}

impl Ghosts<'_> {
    /// Takes in an event.
    fn take(&mut self, told: &Told) {
        let changes = match told {
            Told::Req(req) => {
                let call = LiveCall::of(req);
                // What arrived before the session would come all at once.
                if call.arrived >= self.origin {
                    self.coming.push(Reverse(Arriving(call)));
                }
                return;
            }
            Told::Tick(tick) => self.conditions.tick(tick),
            Told::Fault(fault) => self.conditions.fault(fault),
            Told::Hello(_) | Told::Other => return,
        };
        for Change { at, fault, ends, name } in changes {
            let at = Duration::from_micros(at.saturating_sub(self.origin));
            for (_, live) in &mut self.ghosts {
                live.step(at, fault, ends, name);
            }
        }
    }

    /// Runs the ghosts up to this time of the stream, and tells their ticks. Returns whether more are wanted.
    fn advance(&mut self, to: u64, skipped: &mut Skipped, tell: &mut impl FnMut(Ghost) -> bool) -> bool {
        if to.saturating_sub(self.upto) > GAP {
            self.run(to - (to - self.origin) % PERIOD - PERIOD, skipped);
        }
        while self.upto + PERIOD <= to {
            self.run(self.upto + PERIOD, skipped);
            for (policy, live) in &mut self.ghosts {
                let mut tick = live.tick();
                tick.t += self.origin;
                if !tell(Ghost { policy: policy.name().into(), tick }) {
                    return false;
                }
            }
        }
        true
    }

    fn run(&mut self, to: u64, skipped: &mut Skipped) {
        while let Some(Reverse(Arriving(call))) = self.coming.peek()
            && call.arrived <= to
        {
            skipped.late += u64::from(call.arrived < self.upto);
            match self.conditions.work(call).and_then(|work| call.since(self.origin, work)) {
                Some(call) => self.ghosts.iter_mut().for_each(|(_, live)| live.arrive(&call)),
                None => skipped.requests += 1,
            }
            self.coming.pop();
        }
        let at = Duration::from_micros(to - self.origin);
        self.ghosts.iter_mut().for_each(|(_, live)| live.advance(at));
        self.upto = to;
    }
}
