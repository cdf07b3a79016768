//! The balancers: a call gets a backend, a place at it, and a server. A failed try gets a verdict.

use std::sync::Arc;
use std::time::Duration;

use balance::evidence::FailedTry;
use balance::policy::{Notes, Request};
use balance::verdict::{Failure, Next};
use balance::{InFlight, Peer, Transition, Waiting};
use fastrand::Rng;

use crate::clock::{moment, nanos};
use crate::draws::Stream;
use crate::events::EventKind;
use crate::jobs::{IncomingRequest, NONE, Reception};
use crate::report::End;

use super::world::{Call, World};

impl World<'_> {
    /// Advances a call to its server: picks a backend if it has none, and takes a place.
    pub(super) fn advance(&mut self, index: u32) {
        let Some(call) = self.calls.get(index as usize) else { return };
        let balancer = &self.balancers[call.balancer as usize];
        if call.lease.is_none() {
            match self.pick(index) {
                Some(peer) => {
                    self.servers.stations[peer.number - 1].in_flight.rise(self.now);
                    self.calls[index as usize].lease = Some(InFlight::new(peer));
                }
                None => {
                    self.client_has(index, End::Answered(Failure::NoBackend.status().as_u16()));
                    return;
                }
            }
        }
        if self.places.is_empty() || self.takes_place(index) {
            self.send(index, balancer.pool.enough_waiting());
        }
    }

    fn pick(&mut self, index: u32) -> Option<Arc<Peer>> {
        let call = &self.calls[index as usize];
        let pool = &self.balancers[call.balancer as usize].pool;
        let tried = call.retry_state.as_ref().map_or(&[][..], |retry_state| &retry_state.tried);
        let seed = self.draws.bits_of(Stream::Pick, call.number, u64::from(call.tries));
        let mut random = Rng::with_seed(seed);
        let key = call.key.filter(|_| pool.wants_key());
        let mut notes = self.counts.picks.is_some().then(Notes::default);
        let mut request = Request { key, now: moment(self.now), random: &mut random, notes: notes.as_mut() };
        let peer = pool.next_backend(tried, None, &mut request)?;
        self.flow.picked(peer.number);
        if call.counts && call.tries == 0 {
            self.counts.backends[peer.number - 1].picks += 1;
            if let (Some(picks), Some(notes)) = (&mut self.counts.picks, &notes) {
                picks.note(peer.number, &notes.drawn, call.key);
            }
        }
        Some(peer)
    }

    /// Takes a place at the backend, or a turn in its line. Returns whether the call may go on.
    fn takes_place(&mut self, index: u32) -> bool {
        let Some(rule) = self.sim.balancing.places else { return true };
        let call = &self.calls[index as usize];
        let Some(lease) = call.lease.as_ref().filter(|_| !call.has_place) else { return call.has_place };
        let pair = self.pair(call.balancer, lease.backend().number as u32 - 1);
        let places = &mut self.places[pair];
        let call = &mut self.calls[index as usize];
        if places.taken < rule.limit.max(1) {
            places.taken += 1;
            call.has_place = true;
            return true;
        }
        if places.waiting >= rule.queue {
            self.fail(index, Failure::QueueFull);
            return false;
        }
        let until = self.now.saturating_add(nanos(rule.timeout));
        call.limit = self.event_queue.enter(until, EventKind::Limit, index);
        call.in_line = true;
        places.waiting += 1;
        places.calls.push_back((index, call.limit));
        false
    }

    /// The request goes to its server.
    fn send(&mut self, index: u32, enough_waiting: u32) {
        let call = &mut self.calls[index as usize];
        let Some(lease) = &call.lease else { return };
        let number = lease.backend().number;
        let incoming = IncomingRequest {
            call: index,
            number: call.number,
            tries: call.tries,
            size: call.size,
            deadline: call.deadline,
            key: call.key,
        };
        let server = number as u32 - 1;
        self.counts.tries += 1;
        self.counts.backends[server as usize].tries += u64::from(call.counts);
        (call.sent, call.tries, call.server) = (self.now, call.tries + 1, server);
        match self.servers.receive(server, &incoming, &self.draws, &mut self.event_queue, self.now) {
            Reception::Accepted(job) => {
                let peer = &self.balancers[call.balancer as usize].peers[number - 1];
                call.job = job;
                call.waiting = Some(Waiting::new(peer, moment(self.now), enough_waiting));
                if let Some(timeout) = self.sim.balancing.response_timeout {
                    let until = self.now.saturating_add(nanos(timeout));
                    call.limit = self.event_queue.enter(until, EventKind::Limit, index);
                }
                if peer.is_silent() {
                    self.note_silence(index);
                }
            }
            Reception::Full => {
                self.answered_by(server, 503);
                self.come_back(index, 503);
            }
            Reception::Refused => self.fail(index, Failure::ConnectRefused),
        }
    }

    /// A last resort may be silent from the start: the request gives it some time.
    #[cold]
    fn note_silence(&mut self, index: u32) {
        let call = &mut self.calls[index as usize];
        let wait = self.balancers[call.balancer as usize].pool.rules().silence.at_least * 2;
        call.retry_state.get_or_insert_default().grace = Some(self.now.saturating_add(nanos(wait)));
    }

    /// Counts an answer of a server.
    pub(super) fn answered_by(&mut self, server: u32, status: u16) {
        let (station, is_error) = (&mut self.servers.stations[server as usize], status >= 500);
        station.ticked.0 += 1;
        station.ticked.1 += u32::from(is_error);
        let figures = &mut self.counts.backends[server as usize];
        figures.answers += 1;
        figures.errors += u64::from(is_error);
    }

    /// A server has answered a request. The answer comes to the balancer after its time on the way.
    #[inline]
    pub(super) fn come_back(&mut self, index: u32, status: u16) {
        let call = &mut self.calls[index as usize];
        call.job = NONE;
        if call.path == 0 {
            self.answered(index, status);
            return;
        }
        let at = self.now.saturating_add(call.path);
        (call.back, call.status) = (self.event_queue.enter(at, EventKind::Back, index), status);
    }

    /// An answer comes to the balancer.
    pub(super) fn comes_back(&mut self, index: u32, event: u32) {
        let Some(call) = self.calls.get(index as usize).filter(|call| call.back == event) else { return };
        self.answered(index, call.status);
    }

    /// A balancer has the answer to a request.
    fn answered(&mut self, index: u32, status: u16) {
        let now = moment(self.now);
        let call = &mut self.calls[index as usize];
        (call.back, call.limit) = (0, 0);
        let Some(lease) = &call.lease else { return };
        let (peer, balancer) = (lease.backend(), call.balancer);
        let pool = &self.balancers[balancer as usize].pool;
        let is_error = status >= 500;
        let latency = Duration::from_nanos(self.now - call.sent);
        peer.learn_latency(latency, is_error, now);
        if pool.wants_reports()
            && let Some(report) = self.servers.stations[peer.number - 1].report(self.now)
        {
            peer.learn_report(Some(report), now);
        }
        self.flow.answers(peer.number, latency);
        let outlier = pool.count_result(peer, is_error);
        let byte = peer.on_byte(now);
        call.waiting = None;
        let whole = peer.answered();
        if outlier.is_some() || byte.is_some() || whole.is_some() {
            let peer = Arc::clone(peer);
            let ejected = outlier.and_then(|why| pool.eject(&peer, why, now));
            let learned =
                byte.into_iter().chain(whole).filter_map(|evidence| pool.learn(&peer, evidence, now));
            let changes = ejected.into_iter().chain(learned).collect();
            self.changed(balancer, changes);
        }
        if is_error && self.sim.balancing.retry_on_errors && self.moves_on(index) {
            return;
        }
        self.release(index);
        self.client_has(index, End::Answered(status));
    }

    /// Whether a request goes to another backend after an answer with an error.
    fn moves_on(&mut self, index: u32) -> bool {
        let (next, changes) = self.judge(index, Failure::ChosenStatus);
        let moves = matches!(next, Some(Next::MoveOn));
        if moves {
            self.leave(index);
        }
        let balancer = self.calls[index as usize].balancer;
        self.changed(balancer, changes);
        moves
    }

    /// A try has failed.
    pub(super) fn fail(&mut self, index: u32, failure: Failure) {
        self.abandon(index);
        let (next, changes) = self.judge(index, failure);
        let call = &mut self.calls[index as usize];
        let balancer = call.balancer;
        match next {
            Some(Next::Retry(pause)) => {
                call.retry_state.get_or_insert_default().retries += 1;
                let again = self.now.saturating_add(nanos(pause));
                call.limit = self.event_queue.enter(again, EventKind::Pause, index);
            }
            Some(Next::Reconnect) => self.ready.push_back(index),
            Some(Next::MoveOn) => self.leave(index),
            Some(Next::GiveUp) | None => {
                self.release(index);
                self.client_has(index, End::Answered(failure.status().as_u16()));
            }
        }
        self.changed(balancer, changes);
    }

    /// The verdict on a failed try, and the changes of state that follow.
    fn judge(&mut self, index: u32, failure: Failure) -> (Option<Next>, Vec<Transition>) {
        let now = moment(self.now);
        let limits = self.sim.balancing.limits;
        let call = &mut self.calls[index as usize];
        let pool = &self.balancers[call.balancer as usize].pool;
        let Some(lease) = &call.lease else { return (None, Vec::new()) };
        let retry_state = call.retry_state.get_or_insert_default();
        let failed = FailedTry {
            failure,
            repeatable: self.sim.clients.idempotent,
            retries: retry_state.retries,
            attempts: retry_state.tried.len() as u32 + 1,
            tried: &retry_state.tried,
            may_have_run: retry_state.may_have_run,
            home: None,
            time_left: true,
        };
        let verdict = pool.judge(failed, lease.backend(), limits, now);
        let changes = pool.apply_verdict(failure, verdict, lease.backend(), limits, now);
        retry_state.may_have_run |= verdict.may_have_run;
        self.flow.failed(lease.backend().number, verdict);
        if matches!(verdict.next, Next::Retry(_) | Next::MoveOn) {
            pool.withdraw_retry(now);
            self.counts.retries += u64::from(call.counts);
        }
        (Some(verdict.next), changes)
    }

    /// A request leaves its backend for another one.
    fn leave(&mut self, index: u32) {
        let call = &mut self.calls[index as usize];
        let retry_state = call.retry_state.get_or_insert_default();
        retry_state.tried.extend(call.lease.as_ref().map(|lease| lease.backend().number));
        (retry_state.retries, retry_state.grace) = (0, None);
        self.release(index);
        self.ready.push_back(index);
    }

    /// A client leaves a call: the balancer learns how long the call has waited at its backend.
    pub(super) fn learn_wait(&self, index: u32) {
        let call = &self.calls[index as usize];
        if let (Some(lease), true) = (&call.lease, call.waiting.is_some()) {
            let waited = Duration::from_nanos(self.now - call.sent);
            lease.backend().learn_wait(waited, moment(self.now));
        }
    }

    /// Takes a call out of its server, or out of the line for a place.
    pub(super) fn abandon(&mut self, index: u32) {
        let call = &mut self.calls[index as usize];
        (call.waiting, call.limit, call.back) = (None, 0, 0);
        let job = std::mem::replace(&mut call.job, NONE);
        if std::mem::take(&mut call.in_line)
            && let Some(lease) = &call.lease
        {
            let pair = call.balancer as usize * self.sim.servers.len() + lease.backend().number - 1;
            self.places[pair].waiting -= 1;
        }
        if job != NONE {
            self.servers.leave(job, &mut self.event_queue, self.now);
        }
    }

    /// A call gives up its backend and its place, which is for the next one in the line.
    pub(super) fn release(&mut self, index: u32) {
        let call = &mut self.calls[index as usize];
        let Some(lease) = call.lease.take() else { return };
        let number = lease.backend().number;
        self.servers.stations[number - 1].in_flight.fall(self.now);
        if !std::mem::take(&mut call.has_place) {
            return;
        }
        let pair = call.balancer as usize * self.sim.servers.len() + number - 1;
        self.places[pair].taken -= 1;
        while let Some((next, ticket)) = self.places[pair].calls.pop_front() {
            let waits = |call: &&mut Call<'_>| call.in_line && call.limit == ticket;
            let Some(call) = self.calls.get_mut(next as usize).filter(waits) else { continue };
            (call.in_line, call.limit, call.has_place) = (false, 0, true);
            self.places[pair].waiting -= 1;
            self.places[pair].taken += 1;
            self.ready.push_back(next);
            return;
        }
    }

    /// A call has waited long enough for a place, or for an answer.
    pub(super) fn limit_ends(&mut self, index: u32, event: u32) {
        let Some(call) = self.calls.get(index as usize).filter(|call| call.limit == event) else { return };
        let failure = if call.in_line { Failure::QueueTimeout } else { Failure::HeadTimeout };
        self.fail(index, failure);
        self.answer_dropped();
    }
}
