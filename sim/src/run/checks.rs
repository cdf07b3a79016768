//! What the balancers find out themselves: pings, questions, and looks at the traffic.

use std::time::Duration;

use balance::Transition;
use balance::evidence::{of_ping, of_question};
use balance::health::Evidence;
use balance::state::State;
use balance::verdict::Failure;

use crate::balancer::TRAFFIC_CHECK;
use crate::clock::{Nanos, moment, nanos};
use crate::draws::{Stream, unit};
use crate::events::EventKind;
use crate::report::StateChange;
use crate::server::Probes;
use crate::station::Process;

use super::world::{Call, World};

/// A probe as events name it: twice the pair of balancer and backend, plus one for a question.
#[derive(Debug, Clone, Copy)]
struct Name {
    about: u32,
    balancer: u32,
    server: u32,
    asks: bool,
}

impl World<'_> {
    fn name(&self, about: u32) -> Name {
        let (pair, servers) = (about / 2, self.sim.servers.len() as u32);
        Name { about, balancer: pair / servers, server: pair % servers, asks: about % 2 == 1 }
    }

    /// Enters the first pings and looks.
    pub(super) fn open_checks(&mut self) {
        if self.sim.balancing.pings.is_some() {
            for about in (0..self.probes.len() as u32).step_by(2) {
                self.event_queue.enter(0, EventKind::Ping, about);
            }
        }
        if self.sim.balancing.looks {
            for balancer in 0..self.balancers.len() as u32 {
                self.event_queue.enter(nanos(TRAFFIC_CHECK), EventKind::Look, balancer);
            }
        }
    }

    /// A backend gets a ping.
    pub(super) fn ping(&mut self, about: u32) {
        let name = self.name(about);
        let Some(pings) = self.sim.balancing.pings else { return };
        let peer = &self.balancers[name.balancer as usize].peers[name.server as usize];
        let must_answer = peer.health().must_answer(moment(self.now));
        let process = self.servers.stations[name.server as usize].process;
        self.probes[about as usize].turn += 1;
        let outcome = match process {
            Process::Dead => Err(Failure::ConnectRefused),
            Process::Stopped if pings.http || must_answer => {
                self.wait_for(name, pings.timeout);
                return;
            }
            Process::Running if pings.http => Ok(self.answer_to_ping(name)),
            Process::Running if must_answer => Ok(Evidence::Answered),
            Process::Running | Process::Stopped => Ok(Evidence::Connected),
        };
        self.pinged(name, outcome);
    }

    /// The answer of a running server to a ping that is a request.
    fn answer_to_ping(&self, name: Name) -> Evidence {
        let station = &self.servers.stations[name.server as usize];
        let turn = self.probes[name.about as usize].turn;
        let lot = unit(self.draws.bits_of(Stream::Probe, u64::from(name.about), u64::from(turn)));
        let share = station.failing_probes();
        let fails = match station.probes() {
            _ if lot < share => true,
            Probes::Answered => false,
            Probes::Failing(share) => lot < *share,
            Probes::Pattern(answers) => {
                !answers.get((turn as usize - 1) % answers.len().max(1)).unwrap_or(&true)
            }
        };
        if fails { Evidence::PingFailed("ping: status 503".into()) } else { Evidence::Answered }
    }

    fn wait_for(&mut self, name: Name, timeout: Duration) {
        let until = self.now.saturating_add(nanos(timeout));
        let event = self.event_queue.enter(until, EventKind::ProbeEnd, name.about);
        self.probes[name.about as usize].open = Some(event);
    }

    /// A ping has ended; the next one follows after the interval.
    fn pinged(&mut self, name: Name, outcome: Result<Evidence, Failure>) {
        let Some(pings) = self.sim.balancing.pings else { return };
        let balancer = &self.balancers[name.balancer as usize];
        let peer = &balancer.peers[name.server as usize];
        let suspect = peer.is(State::Suspect);
        let evidence = outcome.map_or_else(|failure| of_ping(failure, suspect), Some);
        let change = evidence.and_then(|evidence| balancer.pool.pinged(peer, evidence, moment(self.now)));
        let turn = u64::from(self.probes[name.about as usize].turn);
        let lot = unit(self.draws.bits_of(Stream::Ping, u64::from(name.about), turn));
        let pause = (nanos(pings.interval) as f64 * (0.9 + 0.2 * lot)) as Nanos;
        self.event_queue.enter(self.now.saturating_add(pause.max(1)), EventKind::Ping, name.about);
        self.changed(name.balancer, change.into_iter().collect());
    }

    /// The time for a ping or a question is over.
    pub(super) fn probe_ends(&mut self, about: u32, event: u32) {
        if self.probes[about as usize].open == Some(event) {
            self.close_probe(about, Err(Failure::HeadTimeout));
        }
    }

    /// The open probes of a server end: its process continues, or dies.
    pub(super) fn end_probes(&mut self, server: u32, outcome: Result<(), Failure>) {
        for balancer in 0..self.balancers.len() as u32 {
            let pair = self.pair(balancer, server) as u32;
            for about in [2 * pair, 2 * pair + 1] {
                if self.probes[about as usize].open.is_some() {
                    self.close_probe(about, outcome);
                }
            }
        }
    }

    fn close_probe(&mut self, about: u32, outcome: Result<(), Failure>) {
        let name = self.name(about);
        self.probes[about as usize].open = None;
        if name.asks {
            self.asked(name, outcome);
        } else {
            self.pinged(name, outcome.map(|()| Evidence::Answered));
        }
    }

    /// A balancer asks a backend.
    fn ask(&mut self, name: Name) {
        match self.servers.stations[name.server as usize].process {
            Process::Running => self.asked(name, Ok(())),
            Process::Dead => self.asked(name, Err(Failure::ConnectRefused)),
            Process::Stopped => {
                let balancer = &self.balancers[name.balancer as usize];
                self.wait_for(name, balancer.question_timeout(self.sim.balancing.pings));
            }
        }
    }

    /// A question has ended.
    fn asked(&mut self, name: Name, outcome: Result<(), Failure>) {
        let balancer = &self.balancers[name.balancer as usize];
        let peer = &balancer.peers[name.server as usize];
        let asked = balancer.pool.asked(peer, of_question(outcome), moment(self.now));
        self.changed(name.balancer, asked.transition.into_iter().collect());
        // Only a question without an answer is repeated, and such a question waits.
        if asked.again {
            self.ask(name);
        }
    }

    /// A balancer looks at the traffic of all its backends.
    pub(super) fn look(&mut self, index: u32) {
        let now = moment(self.now);
        let balancer = &self.balancers[index as usize];
        self.event_queue.enter(self.now + nanos(TRAFFIC_CHECK), EventKind::Look, index);
        self.changed(index, balancer.pool.judge_silence(now));
        for peer in balancer.pool.to_ask(now) {
            let about = 2 * self.pair(index, peer.number as u32 - 1) as u32 + 1;
            self.ask(self.name(about));
        }
        self.changed(index, balancer.pool.pass_time(now));
        if balancer.peers.iter().any(|peer| peer.is_silent()) {
            self.leave_silent(index);
        }
    }

    /// Requests leave a backend that is silent, if another backend may execute them.
    #[cold]
    fn leave_silent(&mut self, balancer: u32) {
        if !self.sim.clients.idempotent {
            return;
        }
        let leaves = |call: &Call<'_>, now: Nanos| {
            let retry_state = call.retry_state.as_ref();
            call.balancer == balancer
                && call.waiting.is_some()
                && call.lease.as_ref().is_some_and(|lease| lease.backend().is_silent())
                && retry_state.is_none_or(|retry_state| {
                    !retry_state.may_have_run && retry_state.grace.is_none_or(|until| now >= until)
                })
        };
        let leaving: Vec<_> =
            self.calls.iter().filter(|(_, call)| leaves(call, self.now)).map(|(index, _)| index).collect();
        for index in leaving {
            // The request before this one has left its worker: a busy server may have dropped this one.
            if self.calls.get(index).is_some_and(|call| leaves(call, self.now)) {
                self.fail(index as u32, Failure::FellSilent);
                self.answer_dropped();
            }
        }
    }

    /// States of backends have changed.
    pub(super) fn changed(&mut self, balancer: u32, changes: Vec<Transition>) {
        for Transition { backend, from, to, cause } in changes {
            self.counts.changes.push(StateChange {
                at: Duration::from_nanos(self.now),
                balancer: balancer as usize + 1,
                backend,
                from: from.name(),
                to: to.name(),
                cause: cause.into_owned(),
            });
            if to == State::Down && !self.places.is_empty() {
                self.leave_line(balancer, backend);
            }
        }
    }

    /// The requests that wait for a place at a backend that is down leave it.
    #[cold]
    fn leave_line(&mut self, balancer: u32, backend: usize) {
        let pair = self.pair(balancer, backend as u32 - 1);
        for (index, ticket) in std::mem::take(&mut self.places[pair].calls) {
            let waits =
                self.calls.get(index as usize).is_some_and(|call| call.in_line && call.limit == ticket);
            if waits {
                self.fail(index, Failure::WentDown);
            }
        }
    }
}
