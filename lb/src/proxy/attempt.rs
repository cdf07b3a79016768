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

use super::account::{Account, Times};
use super::connection::Progress;
use super::context::{self, MayHaveRun};
use super::deadline::{Interrupt, Unless};
use super::http1::fault::Fault;
use super::pace::Pace;
use super::queue::Lease;
use super::upstream::Wanted;
use super::{Begun, Errand, Proxy, complaint, message};
use crate::clock::moment;
use crate::pool::Backend;

impl Proxy {
    /// Sends the request to the backend of its lease, and waits for the head of the answer. If the request is
    /// hedged, the lease may belong to the other backend afterwards.
    pub(super) async fn send(
        &self,
        errand: &Errand<'_>,
        lease: &mut Lease,
        fresh: bool,
        account: &mut Account,
    ) -> Result<Begun, Failure> {
        if errand.may_be_hedged() {
            // In a box, because it needs memory for two requests, and hedging is rare.
            return Box::pin(self.hedge(errand, lease, fresh, account)).await;
        }
        self.attempt(errand, lease, fresh, account.times()).await
    }

    /// Tries a second backend as well if the first takes long, and uses the answer that comes first. The idea
    /// comes from Dean and Barroso ("The Tail at Scale", 2013): a few more requests avoid most of the slow
    /// answers, as long as the budget of retries limits them and only requests that may be executed twice are
    /// sent twice.
    async fn hedge(
        &self,
        errand: &Errand<'_>,
        lease: &mut Lease,
        fresh: bool,
        account: &mut Account,
    ) -> Result<Begun, Failure> {
        let after = errand.settings.hedge_after.unwrap_or(errand.settings.total_timeout);
        let first = Arc::clone(lease.backend());
        let (mut times, mut other_times) = (Times::default(), Times::default());
        let mut other: Option<Lease> = None;
        let (outcome, is_others) = {
            let mut asking = pin!(self.attempt(errand, lease, fresh, &mut times));
            let early = (Instant::now() + after).into();
            let in_time = self.deadlines.wait(asking.as_mut(), || early, None).await.ok();
            let second = match in_time {
                Some(_) => None,
                None if self.pool.may_retry(Instant::now()) => {
                    // A last resort is no good place for a request that already waits for an answer.
                    self.pick(errand, &[first.number], account).filter(|second| second.is(State::Up))
                }
                None => None,
            };
            match (in_time, second) {
                (Some(outcome), _) => (outcome, false),
                (None, None) => (asking.await, false),
                (None, Some(second)) => {
                    self.pool.retries(Instant::now());
                    account.hedges(&second);
                    let backends = [first, Arc::clone(&second)];
                    let lease = other.insert(Lease::new(second));
                    let also = pin!(self.attempt(errand, lease, false, &mut other_times));
                    self.first_of(asking.as_mut(), also, &backends, errand, account).await
                }
            }
        };
        account.settles(is_others);
        // The connection to the slower backend is closed.
        if let Some(other) = other.filter(|_| is_others) {
            *lease = other;
            times = other_times;
        }
        account.timed(times);
        outcome
    }

    /// The first answer, or the last failure; and whether it is from the other backend.
    async fn first_of(
        &self,
        mut one: Pin<&mut impl Future<Output = Result<Begun, Failure>>>,
        mut other: Pin<&mut impl Future<Output = Result<Begun, Failure>>>,
        backends: &[Arc<Backend>; 2],
        errand: &Errand<'_>,
        account: &mut Account,
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
                        // The caller judges the last failure. This failure is only counted.
                        errand.hedge_may_have_run.set(failure.rule().ran != Ran::No);
                        let blame = failure.blame();
                        account.hedge_failed(is_other, failure, blame);
                        if blame == Blame::Backend {
                            self.pool.broke_off(&backends[index], Instant::now());
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

    /// One try: a connection, the request, the head of the answer.
    async fn attempt(
        &self,
        errand: &Errand<'_>,
        lease: &mut Lease,
        fresh: bool,
        times: &mut Times,
    ) -> Result<Begun, Failure> {
        let Errand { caller, settings, head, body, .. } = errand;
        self.queues.wait(lease, settings.queue, errand.deadline.get(), &self.deadlines).await?;
        let backend = lease.backend();
        let repeatable = verdict::is_idempotent(&head.method);
        let (patience, deadline) = (settings.connect_timeout, errand.deadline.get());
        let wanted = Wanted { fresh, look_first: !repeatable, patience, deadline };
        let mut connection = self.upstream.checkout(backend, wanted, &self.deadlines).await?;

        *times = Times::default();
        // Until the request is completely sent, the client may be slow, and not the backend.
        let (mut sent, mut waiting) = (None, None);
        let patience = Cell::new(deadline.into());
        let mut pace = settings.min_upload_rate.map(Pace::new);
        let report = |progress: Progress| {
            let now = Instant::now();
            if progress.whole {
                sent = Some(now);
                waiting = Some(Waiting::new(backend, moment(now), self.pool.enough_waiting()));
                patience.set((now + settings.response_timeout).min(errand.deadline.get()).into());
            } else {
                times.upload.get_or_insert(now);
                errand.deadline.set(now + settings.total_timeout);
                let slow =
                    pace.as_mut().and_then(|pace| pace.deadline(now, progress.bytes, progress.awaits_client));
                let stalled = now + settings.stall_timeout;
                patience.set(slow.map_or(stalled, |slow| slow.min(stalled)).into());
            }
        };
        // Leaving a silent backend helps only a request that may go to another backend. A request that may
        // have run twice waits here, because the backend may only be busy.
        let may_leave = repeatable && body.is_held() && !context::get::<MayHaveRun>(&head.context).0;
        let unless = may_leave.then_some((backend, Unless::Silent));
        let outcome = {
            let sending = pin!(connection.send(head, &backend.address, body.for_try(), caller, report));
            self.deadlines.wait(sending, || patience.get(), unless).await
        };
        let now = Instant::now();
        times.sent = sent.or(Some(now));
        let answer = outcome.unwrap_or_else(|interrupt| {
            Err(match interrupt {
                Interrupt::Deadline if connection.awaits_client() => Failure::SlowUpload,
                Interrupt::Deadline => Failure::HeadTimeout,
                Interrupt::State => Failure::FellSilent,
            })
        });
        if let (Err(Failure::Malformed), Some(fault)) = (&answer, connection.fault()) {
            complain(errand, backend, fault);
        }
        let mut answer = answer.map_err(|failure| match body.is_held() {
            true => failure,
            false => without_body(failure),
        })?;

        times.head = Some(now);
        if let Some(sent) = sent {
            let latency = now.saturating_duration_since(sent);
            backend.own.stats.record_latency(latency);
            backend.learn_latency(latency, answer.status.is_server_error(), moment(now));
        }
        self.pool.rate(backend, answer.status.is_server_error(), now);
        self.pool.heard(backend, now);
        message::prepare_response(&mut answer, head).map_err(|message::Nonsense| {
            complain(errand, backend, Fault::Upgrade);
            Failure::Malformed
        })?;
        Ok((answer, connection))
    }
}

/// Logs what is wrong with an answer, and which request it answers.
#[cold]
fn complain(errand: &Errand<'_>, backend: &Backend, fault: Fault) {
    let (head, query) = (&errand.head, errand.settings.log_query);
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
