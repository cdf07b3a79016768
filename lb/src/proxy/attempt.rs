//! How is a request tried at a backend? It needs a place, a connection, the request, and the head of the
//! answer; and if the answer takes long, a second backend is tried as well.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use balance::state::State;
use balance::verdict::{self, Blame, Failure, Ran};
use balance::{Moment, Waiting};

use crate::clock::{self, moment};
use crate::pool::{Backend, Pool};
use crate::proxy::context::move_on;
use crate::proxy::deadline::{Interrupt, Unless};
use crate::proxy::exchange::{BackendAnswer, Exchange};
use crate::proxy::message::fault::Fault;
use crate::proxy::message::head::ResponseHead;
use crate::proxy::message::load_report::{self, ENDPOINT_LOAD_METRICS};
use crate::proxy::message::prepare;
use crate::proxy::parts::Proxy;
use crate::proxy::record::complaint;
use crate::proxy::record::request_record::{RequestRecord, Times};
use crate::proxy::request::pace::Pace;
use crate::proxy::upstream::connection::Progress;
use crate::proxy::upstream::connections::Wanted;
use crate::proxy::upstream::queue::Lease;

/// The end of a race between two backends.
struct Race {
    outcome: Result<BackendAnswer, Failure>,
    /// The outcome is from the second backend.
    is_others: bool,
    /// An answer of the slower backend with a status for which the settings want another attempt.
    aside: Option<BackendAnswer>,
}

impl Proxy {
    /// Sends the request to the backend of its lease, and waits for the head of the answer. If the request is
    /// hedged, the lease may belong to the other backend afterwards.
    pub(crate) async fn send(
        &self,
        exchange: &Exchange<'_>,
        lease: &mut Lease,
        fresh: bool,
        record: &mut RequestRecord,
    ) -> Result<BackendAnswer, Failure> {
        if exchange.may_be_hedged(record) {
            // In a box, because it needs memory for two requests, and hedging is rare.
            return Box::pin(self.hedge(exchange, lease, fresh, record)).await;
        }
        self.try_once(exchange, lease, fresh, record.times()).await
    }

    /// Tries a second backend as well if the first takes long, and uses the answer that comes first. The idea
    /// comes from Dean and Barroso ("The Tail at Scale", 2013): a few more requests avoid most of the slow
    /// answers, as long as the budget of retries limits them and only requests that may be executed twice are
    /// sent twice.
    async fn hedge(
        &self,
        exchange: &Exchange<'_>,
        lease: &mut Lease,
        fresh: bool,
        record: &mut RequestRecord,
    ) -> Result<BackendAnswer, Failure> {
        let after = exchange.settings.hedge_after.unwrap_or(exchange.settings.total_timeout);
        let first = Arc::clone(lease.backend());
        let (mut times, mut other_times) = (Times::default(), Times::default());
        let mut other: Option<Lease> = None;
        let Race { outcome, is_others, aside } = {
            let mut asking = pin!(self.try_once(exchange, lease, fresh, &mut times));
            let early = (Instant::now() + after).into();
            let in_time = self.deadlines.wait(asking.as_mut(), || early, None).await.ok();
            let second = match in_time {
                Some(_) => None,
                None if self.pool.may_retry(clock::now()) => {
                    // A last resort is no good place for a request that already waits for an answer.
                    self.pick(exchange, &[first.number], record).filter(|second| second.is(State::Up))
                }
                None => None,
            };
            match (in_time, second) {
                (Some(outcome), _) => Race { outcome, is_others: false, aside: None },
                (None, None) => Race { outcome: asking.await, is_others: false, aside: None },
                (None, Some(second)) => {
                    self.pool.withdraw_retry(clock::now());
                    record.hedges(&second);
                    let backends = [first, Arc::clone(&second)];
                    let lease = other.insert(Lease::new(second));
                    let also = pin!(self.try_once(exchange, lease, false, &mut other_times));
                    self.race(asking.as_mut(), also, &backends, exchange, record).await
                }
            }
        };
        if aside.is_some() {
            let failure = Failure::ChosenStatus;
            let slower = if is_others { Some(lease.backend()) } else { other.as_ref().map(Lease::backend) };
            record.hedge_failed(!is_others, failure, failure.blame());
            slower.into_iter().for_each(|slower| move_on(&mut record.context, slower.number, failure));
        }
        record.hedge_ends(is_others);
        // The connection to the slower backend is closed, unless its answer has come.
        let slower = match other {
            Some(other) if is_others => {
                times = other_times;
                Some(std::mem::replace(lease, other))
            }
            other => other,
        };
        if let (Some(answer), Some(slower)) = (aside, slower) {
            self.drop_answer(answer, slower);
        }
        record.timed(times);
        outcome
    }

    /// Waits for the first answer that the client wants, or for both ends.
    async fn race(
        &self,
        mut one: Pin<&mut impl Future<Output = Result<BackendAnswer, Failure>>>,
        mut other: Pin<&mut impl Future<Output = Result<BackendAnswer, Failure>>>,
        backends: &[Arc<Backend>; 2],
        exchange: &Exchange<'_>,
        record: &mut RequestRecord,
    ) -> Race {
        let (mut ended, mut aside) = ([false; 2], None);
        poll_fn(|cx| {
            for index in [0, 1] {
                if ended[index] {
                    continue;
                }
                let polled = if index == 1 { other.as_mut().poll(cx) } else { one.as_mut().poll(cx) };
                let Poll::Ready(outcome) = polled else { continue };
                let is_last = std::mem::replace(&mut ended[index], true) | ended[1 - index];
                match outcome {
                    // The caller judges the last failure, unless there is an answer.
                    Err(failure) if !is_last || aside.is_some() => {
                        self.hedge_failed(&backends[index], index == 1, failure, exchange, record);
                        if let Some(answer) = aside.take() {
                            return Poll::Ready(Race {
                                outcome: Ok(answer),
                                is_others: index == 0,
                                aside: None,
                            });
                        }
                    }
                    // The other backend may have an answer that the client wants.
                    Ok(answer) if !is_last && exchange.is_unwanted(&answer) => aside = Some(answer),
                    outcome => {
                        return Poll::Ready(Race { outcome, is_others: index == 1, aside: aside.take() });
                    }
                }
            }
            Poll::Pending
        })
        .await
    }

    /// One of two tries has failed, and the other one goes on or has an answer: counts this failure. The
    /// request has left the backend, and the balancer asks it.
    #[cold]
    fn hedge_failed(
        &self,
        backend: &Backend,
        is_others: bool,
        failure: Failure,
        exchange: &Exchange<'_>,
        record: &mut RequestRecord,
    ) {
        if failure.rule().ran != Ran::No {
            exchange.may_have_run.set(true);
        }
        let blame = failure.blame();
        record.hedge_failed(is_others, failure, blame);
        move_on(&mut record.context, backend.number, failure);
        if blame == Blame::Backend {
            self.pool.broke_off(backend, clock::now());
        }
    }

    /// One try: a place and a connection, the request, the head of the answer.
    async fn try_once(
        &self,
        exchange: &Exchange<'_>,
        lease: &mut Lease,
        fresh: bool,
        times: &mut Times,
    ) -> Result<BackendAnswer, Failure> {
        let Exchange { client, settings, head, body, .. } = exchange;
        // 1. Check out a connection.
        self.queues.wait(lease, settings.queue, exchange.deadline.get(), &self.deadlines).await?;
        let backend = lease.backend();
        let repeatable = verdict::is_idempotent(&head.method);
        let (connect_timeout, deadline) = (settings.connect_timeout, exchange.deadline.get());
        let wanted = Wanted { fresh, look_first: !repeatable, connect_timeout, deadline };
        let mut connection = self.connections.checkout(backend, wanted, &self.deadlines).await?;

        // 2. Send the request, and wait for the head of the answer.
        *times = Times::default();
        // Leaving a silent backend helps only a request that may go to another backend. A request that may
        // have run twice waits here, because the backend may only be busy.
        let may_leave = repeatable && body.is_held() && !exchange.may_have_run.get();
        let unless = may_leave.then_some((backend, Unless::Silent));
        let timers = Timers {
            give_up_at: Cell::new(deadline.into()),
            grace: (may_leave && backend.is_silent()).then(|| self.grace()),
            backend,
        };
        let pace = settings.min_upload_rate.map(Pace::new);
        let mut sending =
            Sending { pool: &self.pool, exchange, timers: &timers, times, waiting: None, ended: false, pace };
        let outcome = {
            let report = |progress: Progress| sending.progressed(progress);
            let answer = pin!(connection.send(head, &backend.address, body.for_try(), client, report));
            self.deadlines.wait(answer, || timers.until(), unless).await
        };

        // 3. Record how it went.
        let now = clock::now();
        sending.ended = true;
        let sent = sending.times.sent;
        sending.times.sent = sent.or(Some(now));
        let answer =
            outcome.unwrap_or_else(|interrupt| Err(timers.failure(interrupt, connection.awaits_client())));
        if let (Err(Failure::Malformed), Some(fault)) = (&answer, connection.fault()) {
            complain(exchange, backend, fault);
        }
        let mut answer = answer.map_err(|failure| match body.is_held() {
            true => failure,
            false => without_body(failure),
        })?;
        sending.times.head = Some(now);
        self.record_head(backend, &answer, sent, now);
        prepare::prepare_response(&mut answer, head).map_err(|prepare::InvalidResponse| {
            complain(exchange, backend, Fault::Upgrade);
            Failure::Malformed
        })?;
        Ok(BackendAnswer { head: answer, stream: connection })
    }

    /// How long a request waits at a backend that is silent already when the request arrives: twice the time
    /// after which the balancer suspects a silent backend. Only a last resort, or a pick in panic mode, is
    /// such a backend.
    #[cold]
    fn grace(&self) -> tokio::time::Instant {
        (Instant::now() + self.pool.rules().silence.at_least * 2).into()
    }

    /// Records the head of an answer, which came at `now`, at its backend.
    #[inline]
    fn record_head(&self, backend: &Backend, answer: &ResponseHead, sent: Option<Moment>, now: Moment) {
        let is_error = answer.status.is_server_error();
        if let Some(sent) = sent {
            let latency = now.since(sent);
            backend.own.stats.record_latency(latency);
            backend.learn_latency(latency, is_error, now);
        }
        if self.pool.wants_reports()
            && let Some(report) = answer.headers.get(&ENDPOINT_LOAD_METRICS)
        {
            backend.learn_report(load_report::parse(report.as_bytes()), now);
        }
        self.pool.count_result(backend, is_error, now);
        self.pool.on_byte(backend, now);
    }
}

/// The time limits of one try.
struct Timers<'a> {
    backend: &'a Backend,
    /// The latest time for the next step: the next part of the body, or the head of the answer.
    give_up_at: Cell<tokio::time::Instant>,
    /// The time at which the request leaves a backend that was silent from the start, and still is.
    grace: Option<tokio::time::Instant>,
}

impl Timers<'_> {
    /// The time at which the try ends, as far as it is known now.
    #[inline]
    fn until(&self) -> tokio::time::Instant {
        match self.grace {
            Some(grace) if self.backend.is_silent() => self.give_up_at.get().min(grace),
            _ => self.give_up_at.get(),
        }
    }

    /// The failure of a try that was interrupted.
    #[cold]
    fn failure(&self, interrupt: Interrupt, awaits_client: bool) -> Failure {
        match interrupt {
            Interrupt::Deadline if awaits_client => Failure::SlowUpload,
            Interrupt::Deadline if self.grace.is_some() && self.backend.is_silent() => Failure::FellSilent,
            Interrupt::Deadline => Failure::HeadTimeout,
            Interrupt::State => Failure::FellSilent,
        }
    }
}

/// A request on its way to a backend.
struct Sending<'a> {
    pool: &'a Pool,
    exchange: &'a Exchange<'a>,
    timers: &'a Timers<'a>,
    times: &'a mut Times,
    /// Counts the request at its backend, from its last byte on.
    waiting: Option<Waiting<'a>>,
    /// The try has an outcome.
    ended: bool,
    pace: Option<Pace>,
}

impl Drop for Sending<'_> {
    /// A try that is dropped without an outcome has waited and got no answer: its client has left, or the
    /// other backend of a hedged request has answered.
    fn drop(&mut self) {
        if !self.ended && self.waiting.is_some() {
            self.leave();
        }
    }
}

impl Sending<'_> {
    /// The request leaves its backend before the answer.
    #[cold]
    fn leave(&self) {
        let now = clock::now();
        let sent = self.times.sent.unwrap_or(now);
        self.timers.backend.learn_wait(now.since(sent), now);
    }

    /// More of the request was sent. Until it is completely sent, the client may be slow, and not the
    /// backend.
    #[inline]
    fn progressed(&mut self, progress: Progress) {
        let (now, timers, settings) = (Instant::now(), self.timers, &self.exchange.settings);
        if progress.whole {
            let moment = moment(now);
            self.times.sent = Some(moment);
            self.waiting = Some(Waiting::new(timers.backend, moment, self.pool.enough_waiting()));
            timers.give_up_at.set((now + settings.response_timeout).min(self.exchange.deadline.get()).into());
        } else {
            self.times.upload.get_or_insert_with(|| moment(now));
            self.exchange.deadline.set(now + settings.total_timeout);
            let pace = self.pace.as_mut();
            let slow = pace.and_then(|pace| pace.deadline(now, progress.bytes, progress.awaits_client));
            let stalled = now + settings.stall_timeout;
            timers.give_up_at.set(slow.map_or(stalled, |slow| slow.min(stalled)).into());
        }
    }
}

/// Logs what is wrong with an answer, and which request it answers.
#[cold]
fn complain(exchange: &Exchange<'_>, backend: &Backend, fault: Fault) {
    let (head, query) = (&exchange.head, exchange.settings.log_query);
    complaint::malformed(backend.number, &head.method, &head.uri, query, fault);
}

/// The failure if the beginning of the body is no longer held: although no byte of it was sent, nothing can
/// be sent again.
fn without_body(failure: Failure) -> Failure {
    match failure {
        Failure::StaleUnsent => Failure::StaleMaybeSent,
        Failure::ClosedUnsent => Failure::ClosedEarly,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_not_held_is_not_sent_again() {
        assert_eq!(without_body(Failure::StaleUnsent), Failure::StaleMaybeSent);
        assert_eq!(without_body(Failure::ClosedUnsent), Failure::ClosedEarly);
        // No byte of a body is read before there is a connection.
        assert_eq!(without_body(Failure::ConnectRefused), Failure::ConnectRefused);
    }
}
