//! The clients: calls arrive, wait, give up, come again, and end.

use crate::clock::{NEVER, Nanos, moment, nanos};
use crate::draws::{Stream, below};
use crate::events::EventKind;
use crate::jobs::NONE;
use crate::recording::Recorded;
use crate::report::End;

use super::world::{Call, Demand, World};

/// In a closed loop, the pause after a call that took no time, because it was refused: 1 ms. Without a pause
/// and without a time to think, the clients would send calls without an end at one moment of virtual time.
const AFTER_NO_TIME: Nanos = 1_000_000;

impl World<'_> {
    /// Enters the next arrival of a client, or of all clients in an open loop. The last call came at `last`;
    /// in a closed loop, it ended then.
    pub(super) fn next_arrival(&mut self, client: u32, last: Nanos) {
        let number = self.next_number(client);
        let at = self.sim.arrivals.next(last, number, &self.draws);
        if at != NEVER {
            self.event_queue.enter(at, EventKind::Arrival, client);
        }
    }

    /// The number of the next call of a client. It does not depend on the other clients, so that a client
    /// meets the same draws under each policy.
    fn next_number(&self, client: u32) -> u64 {
        self.turns[client as usize] * self.turns.len() as u64 + u64::from(client)
    }

    pub(super) fn arrive(&mut self, client: u32) {
        let number = self.next_number(client);
        self.turns[client as usize] += 1;
        if self.sim.arrivals.clients().is_none() {
            self.next_arrival(client, self.now);
        }
        let key = if self.needs_keys { self.sim.clients.keys.of(number, &self.draws) } else { None };
        let size = self.sim.service.size(number, &self.draws, Stream::Size);
        let path = self.sim.path.size(number, &self.draws, Stream::Path);
        self.begin_call(Demand { number, client, size, path, key });
    }

    /// A call begins at this moment.
    pub(super) fn begin_call(&mut self, demand: Demand) {
        if self.started == self.sim.warm_up && self.started > 0 {
            self.begin_to_measure();
        }
        self.started += 1;
        if let Some(rule) = self.sim.clients.budget {
            let started = self.started;
            self.budget.left(moment(self.now), started, rule);
        }
        let Demand { number, client, size, path, key } = demand;
        let call = Call {
            number,
            arrived: self.now,
            sent: 0,
            size,
            path,
            key,
            back: 0,
            status: 0,
            lease: None,
            waiting: None,
            job: NONE,
            patience: 0,
            limit: 0,
            client,
            sends: 0,
            tries: 0,
            balancer: 0,
            server: NONE,
            deadline: NEVER,
            has_place: false,
            in_line: false,
            counts: self.started > self.sim.warm_up,
            retry_state: None,
        };
        let index = self.calls.insert(call) as u32;
        self.begin_try(index);
    }

    fn begin_to_measure(&mut self) {
        self.measured_from = self.now;
        for station in &mut self.servers.stations {
            station.in_flight.restart(self.now);
            station.waiting.restart(self.now);
            station.waited = 0;
        }
    }

    /// A client sends its call, for the first time or again.
    pub(super) fn begin_try(&mut self, index: u32) {
        let balancers = self.balancers.len() as u64;
        let call = &mut self.calls[index as usize];
        if balancers > 1 {
            let lot = self.draws.bits_of(Stream::Balancer, call.number, u64::from(call.sends));
            call.balancer = below(lot, balancers) as u32;
        }
        call.sends += 1;
        if let Some(patience) = self.sim.clients.patience {
            let until = self.now.saturating_add(nanos(patience));
            call.deadline = until;
            call.patience = self.event_queue.enter(until, EventKind::Patience, index);
        }
        self.ready.push_back(index);
    }

    /// A client has waited long enough, and closes its connection.
    pub(super) fn patience_ends(&mut self, index: u32, event: u32) {
        if self.calls.get(index as usize).is_none_or(|call| call.patience != event) {
            return;
        }
        self.learn_wait(index);
        self.abandon(index);
        self.release(index);
        self.client_has(index, End::TimedOut);
        self.answer_dropped();
    }

    /// A client has an answer, or has given up: it sends the call again, or the call ends.
    pub(super) fn client_has(&mut self, index: u32, end: End) {
        let call = &mut self.calls[index as usize];
        (call.patience, call.limit, call.retry_state) = (0, 0, None);
        let wants_more = match end {
            End::Answered(status) => status >= 500,
            End::TimedOut => true,
        };
        if wants_more && call.sends <= self.sim.clients.retries && self.has_budget() {
            let call = &mut self.calls[index as usize];
            let pause = self.sim.clients.backoff.pause(call.number, call.sends, &self.draws);
            let again = self.now.saturating_add(pause);
            call.patience = self.event_queue.enter(again, EventKind::Again, index);
            self.counts.resends += u64::from(call.counts);
            return;
        }
        self.end(index, end);
    }

    /// Takes a retry out of the budget of all clients, if there is one.
    fn has_budget(&mut self) -> bool {
        let Some(rule) = self.sim.clients.budget else { return true };
        self.budget.withdraw(moment(self.now), self.started, rule)
    }

    fn end(&mut self, index: u32, end: End) {
        let call = self.calls.remove(index as usize);
        let latency = self.now - call.arrived;
        self.ended += 1;
        if call.counts {
            self.counts.end(latency, end);
        }
        self.last_tick.ends(end, latency);
        self.flow.ends(latency);
        if let Some(recorded) = &mut self.recorded {
            recorded.push(Recorded {
                number: call.number,
                at: call.arrived,
                takes: call.size,
                path: call.path,
                key: call.key,
                server: call.server,
            });
        }
        if self.sim.arrivals.clients().is_some() {
            let pause = if latency == 0 { AFTER_NO_TIME } else { 0 };
            self.next_arrival(call.client, self.now.saturating_add(pause));
        }
    }
}
