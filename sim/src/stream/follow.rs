//! The ghosts of a stream that goes on: other policies on the same calls.
//!
//! A request is told when it ends, and a ghost needs it when it arrives. So a ghost is [`LAG`] behind the
//! stream. A request that takes longer than this arrives late at the ghost.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use api::{Ghost, Hello};
use balance::policy::Kind;

use crate::run::{Live, Stage};

use super::call::LiveCall;
use super::conditions::{Change, Conditions};
use super::input::{Input, Skipped};
use super::line::{MemberChange, Told};
use super::{MOST_BACKENDS, stage};

/// How far a ghost is behind the stream, in microseconds.
const LAG: u64 = 1_500_000;

/// The time between two ticks of a ghost, in microseconds.
const PERIOD: u64 = 250_000;

/// After a gap of this time, in microseconds, the ticks in the gap are left out.
const GAP: u64 = 10_000_000;

/// The largest number of changes of the policy that wait for the ghosts.
const MOST_CHANGES: usize = 10_000;

/// What the ghosts are to do.
#[derive(Debug, Clone, Default)]
pub struct Follow {
    /// The policies, with a ghost each. Without any, the ghost has the policy in force.
    pub policies: Vec<Kind>,
    /// Whether there is also a ghost of the policy in force. It changes its policy when the stream does.
    /// While it has the policy of another ghost, it tells nothing.
    pub in_force: bool,
    /// The number of workers of each server, instead of what the stream tells.
    pub workers: Option<u32>,
    /// The seed of the draws of the policies.
    pub seed: u64,
}

/// Reads lines until there are none, and gives the ticks of the ghosts to `tell`, until it returns false.
/// `read` puts the next line into the buffer, and returns whether there was one.
pub fn follow(
    options: &Follow,
    mut read: impl FnMut(&mut Vec<u8>) -> bool,
    mut tell: impl FnMut(Ghost) -> bool,
) -> Skipped {
    let mut input = Input::new(&mut read);
    let mut next = None;
    while let Some(hello) = next.take().or_else(|| input.hello()) {
        input.skipped.has_begun = true;
        let sim = stage(&hello, options.seed);
        let follows = options.in_force || options.policies.is_empty();
        let in_force = input.policy(&hello.policy).filter(|_| follows);
        let stages: Vec<_> =
            options.policies.iter().map(|kind| Stage::new(sim.clone().policy(*kind))).collect();
        // It gets its policy when it is known.
        let own = Stage::new(sim.clone().policy(in_force.unwrap_or(Kind::RoundRobin)));
        let mut ghosts = Ghosts {
            chosen: options.policies.iter().zip(&stages).map(|(kind, stage)| (*kind, stage.live())).collect(),
            own: follows.then(|| (in_force, own.live())),
            changes: VecDeque::new(),
            members: members(&hello),
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

/// The weight of each backend up to the largest number, and whether it is ready.
fn members(hello: &Hello) -> Vec<(u32, bool)> {
    let count = hello.backends.iter().map(|backend| backend.backend).max().unwrap_or(0);
    let mut members = vec![(0, true); count.min(MOST_BACKENDS)];
    for backend in &hello.backends {
        if let Some(member) = backend.backend.checked_sub(1).and_then(|index| members.get_mut(index)) {
            *member = (backend.weight, backend.mode == "ready");
        }
    }
    members
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
    let end = loop {
        match input.next() {
            None => break SessionEnd::Over,
            Some(Told::Hello(another)) if is_same(&another, hello) => {
                let policy = input.policy(&another.policy);
                ghosts.operated(another.t, Setting::Policy(policy));
                for backend in &another.backends {
                    let (number, is_ready) = (backend.backend, backend.mode == "ready");
                    ghosts.operated(another.t, Setting::Member(number, MemberChange::Ready(is_ready)));
                    ghosts.operated(another.t, Setting::Member(number, MemberChange::Weight(backend.weight)));
                }
            }
            Some(Told::Hello(another)) => break SessionEnd::Another(another),
            Some(Told::Policy(t, name)) => {
                let policy = input.policy(&name);
                ghosts.operated(t, Setting::Policy(policy));
            }
            Some(Told::Member(t, number, change)) => ghosts.operated(t, Setting::Member(number, change)),
            Some(told) => ghosts.take(&told),
        }
        let clock = input.clock.unwrap_or(0);
        if !ghosts.advance(clock.saturating_sub(LAG), &mut input.skipped, tell) {
            return SessionEnd::Over;
        }
    };
    // What has come so far still runs.
    let to = match end {
        SessionEnd::Over => input.clock.unwrap_or(0),
        SessionEnd::Another(_) => input.before,
    };
    let wants_more = ghosts.advance(to, &mut input.skipped, tell);
    if matches!(end, SessionEnd::Another(_)) {
        input.skipped.requests += ghosts.coming.len() as u64;
    }
    let end = if wants_more { end } else { SessionEnd::Over };
    input.skipped.faults.extend(std::mem::take(&mut ghosts.conditions.unknown));
    input.skipped.faults.sort_unstable();
    input.skipped.faults.dedup();
    end
}

/// Whether a stream has the same backends as before, and the same clock.
fn is_same(one: &Hello, other: &Hello) -> bool {
    let backends = |hello: &Hello| -> Vec<_> {
        hello.backends.iter().map(|backend| (backend.backend, backend.url.clone())).collect()
    };
    one.epoch_unix_us == other.epoch_unix_us && one.t >= other.t && backends(one) == backends(other)
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

/// A change of an operator.
#[derive(Debug, Clone, Copy)]
enum Setting {
    /// The policy in force, if it is known.
    Policy(Option<Kind>),
    Member(usize, MemberChange),
}

/// The ghosts of one session, and what comes to them.
struct Ghosts<'a> {
    chosen: Vec<(Kind, Live<'a>)>,
    /// The ghost of the policy in force, if it is wanted. It tells nothing while that policy is not known.
    own: Option<(Option<Kind>, Live<'a>)>,
    /// The changes of an operator that are to come.
    changes: VecDeque<(u64, Setting)>,
    /// The weight of each backend, and whether it is ready, in their order.
    members: Vec<(u32, bool)>,
    /// The beginning of the session.
    origin: u64,
    /// The time up to which the ghosts have run.
    upto: u64,
    coming: BinaryHeap<Reverse<Arriving>>,
    conditions: Conditions,
}

impl<'a> Ghosts<'a> {
    /// All runs.
    fn lives(&mut self) -> impl Iterator<Item = &mut Live<'a>> {
        self.chosen.iter_mut().map(|(_, live)| live).chain(self.own.iter_mut().map(|(_, live)| live))
    }

    /// Takes in an event.
    fn take(&mut self, told: &Told) {
        let changes = match told {
            Told::Req(call) => {
                // What arrived before the session would come all at once.
                if call.arrived >= self.origin {
                    self.coming.push(Reverse(Arriving(*call)));
                }
                return;
            }
            Told::Tick(tick) => {
                self.conditions.forget(self.upto);
                self.conditions.tick(tick)
            }
            Told::Fault(fault) => self.conditions.fault(fault),
            Told::Hello(_) | Told::Policy(..) | Told::Member(..) | Told::Other => return,
        };
        for Change { at, fault, ends, name } in changes {
            let at = Duration::from_micros(at.saturating_sub(self.origin));
            self.lives().for_each(|live| live.step(at, fault, ends, name));
        }
    }

    /// An operator changed something at this time.
    fn operated(&mut self, t: u64, setting: Setting) {
        if self.changes.len() < MOST_CHANGES {
            let after = self.changes.back().map_or(0, |(before, _)| *before);
            self.changes.push_back((t.max(after), setting));
        }
    }

    /// The change happens now.
    fn set(&mut self, setting: Setting) {
        match setting {
            Setting::Policy(policy) => {
                if let Some((own, live)) = &mut self.own {
                    policy.into_iter().for_each(|policy| live.set_policy(policy));
                    *own = policy;
                }
            }
            Setting::Member(number, change) => {
                let Some(member) = number.checked_sub(1).and_then(|index| self.members.get_mut(index)) else {
                    return;
                };
                let before = *member;
                match change {
                    MemberChange::Weight(weight) => member.0 = weight,
                    MemberChange::Ready(is_ready) => member.1 = is_ready,
                }
                let (weight, is_ready) = *member;
                if *member != before {
                    let weight = if is_ready { weight } else { 0 };
                    self.lives().for_each(|live| live.set_weight(number, weight));
                }
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
            let in_force = self.own.as_ref().and_then(|(policy, _)| *policy);
            // Two ghosts of one policy would be two figures with one name.
            let in_force = in_force.filter(|policy| self.chosen.iter().all(|(other, _)| other != policy));
            let own = in_force.zip(self.own.as_mut().map(|(_, live)| live));
            for (policy, live) in self.chosen.iter_mut().map(|(policy, live)| (*policy, live)).chain(own) {
                let mut tick = live.tick();
                tick.t += self.origin;
                if !tell(Ghost { policy: policy.name().into(), tick }) {
                    return false;
                }
            }
        }
        true
    }

    /// Runs the ghosts up to this time, with the changes of operators.
    fn run(&mut self, to: u64, skipped: &mut Skipped) {
        while let Some((at, setting)) = self.changes.pop_front_if(|(at, _)| *at <= to) {
            self.serve(at.max(self.upto), skipped);
            self.set(setting);
        }
        self.serve(to, skipped);
    }

    /// Runs the ghosts up to this time.
    fn serve(&mut self, to: u64, skipped: &mut Skipped) {
        while let Some(Reverse(Arriving(call))) = self.coming.peek()
            && call.arrived <= to
        {
            skipped.late += u64::from(call.arrived < self.upto);
            let known = self.conditions.work(call).and_then(|work| call.since(self.origin, work));
            self.coming.pop();
            let Some(call) = known else {
                skipped.requests += 1;
                continue;
            };
            for live in self.lives() {
                skipped.surplus += u64::from(!live.arrive(&call));
            }
        }
        let at = Duration::from_micros(to - self.origin);
        self.lives().for_each(|live| live.advance(at));
        self.upto = to;
    }
}
