//! How is a request tried at a backend? It needs a place, a connection, the request, and the head of the
//! answer; and if the answer takes long, a second backend is tried as well.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use balance::Waiting;
use balance::health::State;
use balance::verdict::{self, Blame, Failure, Ran};

use crate::clock::{self, moment};
use crate::pool::Backend;
use crate::proxy::deadline::{Interrupt, Unless};
use crate::proxy::exchange::{Begun, Exchange};
use crate::proxy::http1::fault::Fault;
use crate::proxy::message::prepare;
use crate::proxy::parts::Proxy;
use crate::proxy::record::complaint;
use crate::proxy::record::request_record::{RequestRecord, Times};
use crate::proxy::request::pace::Pace;
use crate::proxy::upstream::connection::Progress;
use crate::proxy::upstream::connections::Wanted;
use crate::proxy::upstream::queue::Lease;

impl Proxy {
    /// Sends the request to the backend of its lease, and waits for the head of the answer. If the request is
    /// hedged, the lease may belong to the other backend afterwards.
    pub(crate) async fn send(
        &self,
        exchange: &Exchange<'_>,
        lease: &mut Lease,
        fresh: bool,
        record: &mut RequestRecord,
    ) -> Result<Begun, Failure> {
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
    ) -> Result<Begun, Failure> {
        let after = exchange.settings.hedge_after.unwrap_or(exchange.settings.total_timeout);
        let first = Arc::clone(lease.backend());
        let (mut times, mut other_times) = (Times::default(), Times::default());
        let mut other: Option<Lease> = None;
        let (outcome, is_others) = {
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
                (Some(outcome), _) => (outcome, false),
                (None, None) => (asking.await, false),
                (None, Some(second)) => {
                    self.pool.withdraw_retry(clock::now());
                    record.hedges(&second);
                    let backends = [first, Arc::clone(&second)];
                    let lease = other.insert(Lease::new(second));
                    let also = pin!(self.try_once(exchange, lease, false, &mut other_times));
                    self.first_of(asking.as_mut(), also, &backends, exchange, record).await
                }
            }
        };
        record.hedge_ends(is_others);
        // The connection to the slower backend is closed.
        if let Some(other) = other.filter(|_| is_others) {
            *lease = other;
            times = other_times;
        }
        record.timed(times);
        outcome
    }

    /// The first answer, or the last failure; and whether it is from the other backend.
    async fn first_of(
        &self,
        mut one: Pin<&mut impl Future<Output = Result<Begun, Failure>>>,
        mut other: Pin<&mut impl Future<Output = Result<Begun, Failure>>>,
        backends: &[Arc<Backend>; 2],
        exchange: &Exchange<'_>,
        record: &mut RequestRecord,
    ) -> (Result<Begun, Failure>, bool) {
        let mut failed = [false; 2];
        poll_fn(|cx| {
            for (index, is_other) in [false, true].into_iter().enumerate() {
                if failed[index] {
                    continue;
                }
                let polled = if is_other { other.as_mut().poll(cx) } else { one.as_mut().poll(cx) };
                match polled {
                    Poll::Ready(Err(failure)) if !failed[1 - index] => {
                        // The caller judges the last failure. This failure is counted, and the balancer asks
                        // the backend.
                        if failure.rule().ran != Ran::No {
                            exchange.may_have_run.set(true);
                        }
                        let blame = failure.blame();
                        record.hedge_failed(is_other, failure, blame);
                        if blame == Blame::Backend {
                            self.pool.broke_off(&backends[index], clock::now());
                        }
                        failed[index] = true;
                    }
                    Poll::Ready(outcome) => return Poll::Ready((outcome, is_other)),
                    Poll::Pending => {}
                }
            }
            Poll::Pending
        })
        .await
    }

    /// When a request leaves a backend that was silent from the start.
    #[cold]
    fn grace(&self) -> tokio::time::Instant {
        (Instant::now() + self.pool.rules().silence.at_least * 2).into()
    }

    /// One try: a connection, the request, the head of the answer.
    async fn try_once(
        &self,
        exchange: &Exchange<'_>,
        lease: &mut Lease,
        fresh: bool,
        times: &mut Times,
    ) -> Result<Begun, Failure> {
        let Exchange { downstream, settings, head, body, .. } = exchange;
        self.queues.wait(lease, settings.queue, exchange.deadline.get(), &self.deadlines).await?;
        let backend = lease.backend();
        let repeatable = verdict::is_idempotent(&head.method);
        let (connect_timeout, deadline) = (settings.connect_timeout, exchange.deadline.get());
        let wanted = Wanted { fresh, look_first: !repeatable, connect_timeout, deadline };
        let mut connection = self.upstream.checkout(backend, wanted, &self.deadlines).await?;

        *times = Times::default();
        // Until the request is completely sent, the client may be slow, and not the backend.
        let (mut sent, mut waiting) = (None, None);
        let give_up_at = Cell::new(tokio::time::Instant::from(deadline));
        let mut pace = settings.min_upload_rate.map(Pace::new);
        let report = |progress: Progress| {
            let now = Instant::now();
            if progress.whole {
                sent = Some(now);
                waiting = Some(Waiting::new(backend, moment(now), self.pool.enough_waiting()));
                give_up_at.set((now + settings.response_timeout).min(exchange.deadline.get()).into());
            } else {
                times.upload.get_or_insert(now);
                exchange.deadline.set(now + settings.total_timeout);
                let slow =
                    pace.as_mut().and_then(|pace| pace.deadline(now, progress.bytes, progress.awaits_client));
                let stalled = now + settings.stall_timeout;
                give_up_at.set(slow.map_or(stalled, |slow| slow.min(stalled)).into());
            }
        };
        // Leaving a silent backend helps only a request that may go to another backend. A request that may
        // have run twice waits here, because the backend may only be busy.
        let may_leave = repeatable && body.is_held() && !exchange.may_have_run.get();
        let unless = may_leave.then_some((backend, Unless::Silent));
        // A last resort, or a pick in panic mode, may be silent from the start. The request gives it some
        // time.
        let grace = (may_leave && backend.is_silent()).then(|| self.grace());
        let until = || match grace {
            Some(grace) if backend.is_silent() => give_up_at.get().min(grace),
            _ => give_up_at.get(),
        };
        let outcome = {
            let sending = pin!(connection.send(head, &backend.address, body.for_try(), downstream, report));
            self.deadlines.wait(sending, until, unless).await
        };
        let now = Instant::now();
        times.sent = sent.or(Some(now));
        let answer = outcome.unwrap_or_else(|interrupt| {
            Err(match interrupt {
                Interrupt::Deadline if connection.awaits_client() => Failure::SlowUpload,
                Interrupt::Deadline if grace.is_some() && backend.is_silent() => Failure::FellSilent,
                Interrupt::Deadline => Failure::HeadTimeout,
                Interrupt::State => Failure::FellSilent,
            })
        });
        if let (Err(Failure::Malformed), Some(fault)) = (&answer, connection.fault()) {
            complain(exchange, backend, fault);
        }
        let mut answer = answer.map_err(|failure| match body.is_held() {
            true => failure,
            false => without_body(failure),
        })?;

        times.head = Some(now);
        let (came, is_error) = (moment(now), answer.status.is_server_error());
        if let Some(sent) = sent {
            let latency = now.saturating_duration_since(sent);
            backend.own.stats.record_latency(latency);
            backend.learn_latency(latency, is_error, came);
        }
        self.pool.count_result(backend, is_error, came);
        self.pool.on_byte(backend, came);
        prepare::prepare_response(&mut answer, head).map_err(|prepare::InvalidResponse| {
            complain(exchange, backend, Fault::Upgrade);
            Failure::Malformed
        })?;
        Ok((answer, connection))
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
