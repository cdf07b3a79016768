//! An answer with a status for which the settings want another attempt: it is held until another backend has
//! answered.
//!
//! The client gets the held answer if no other backend is left, or if no other backend answers. A held answer
//! keeps its connection and its place at its backend.

use std::task::{Context, Poll, Waker};
use std::time::Instant;

use balance::verdict::{Failure, Next};

use crate::clock;
use crate::proxy::cut::Cut;
use crate::proxy::downstream::answer::Answer;
use crate::proxy::exchange::{BackendAnswer, Exchange};
use crate::proxy::parts::Proxy;
use crate::proxy::record::request_record::RequestRecord;
use crate::proxy::upstream::queue::Lease;

/// The largest unwanted body that is read to keep its connection: this is more than an error page has, and
/// less than a new connection costs.
const CHEAP: usize = 16 * 1024;

/// An answer that is held in case a better one comes.
pub(super) struct HeldAnswer {
    answer: BackendAnswer,
    lease: Lease,
    /// The retry has not been taken out of the budget yet, because there may be no other backend.
    uncharged: bool,
}

impl HeldAnswer {
    /// Another backend is tried: takes this retry out of the budget, once.
    pub(super) fn charge_retry(&mut self, proxy: &Proxy) {
        if std::mem::take(&mut self.uncharged) {
            proxy.pool.withdraw_retry(clock::now());
        }
    }
}

impl Proxy {
    /// Whether to hold an answer and try another backend. If so, the request has left its backend.
    pub(super) fn wants_another(
        &self,
        exchange: &mut Exchange<'_>,
        answer: &BackendAnswer,
        lease: &Lease,
        record: &mut RequestRecord,
    ) -> bool {
        exchange.is_unwanted(answer) && self.leaves_for_status(exchange, lease, record)
    }

    #[cold]
    fn leaves_for_status(
        &self,
        exchange: &mut Exchange<'_>,
        lease: &Lease,
        record: &mut RequestRecord,
    ) -> bool {
        let (failure, backend) = (Failure::ChosenStatus, lease.backend());
        let verdict = self.verdict(exchange, failure, backend, record, Instant::now());
        if verdict.next != Next::MoveOn {
            return false;
        }
        record.tried(failure, verdict.blame);
        exchange.leave(backend.number, failure, record);
        true
    }

    /// Holds an answer in place of the one before.
    pub(super) fn hold(&self, held: &mut Option<Box<HeldAnswer>>, answer: BackendAnswer, lease: Lease) {
        self.discard(held.replace(Box::new(HeldAnswer { answer, lease, uncharged: true })));
    }

    /// Drops the held answer, if there is one, because there is a later one.
    pub(super) fn discard(&self, held: Option<Box<HeldAnswer>>) {
        if let Some(held) = held {
            self.drop_answer(held.answer, held.lease);
        }
    }

    /// Drops an answer that no client gets. Its connection is kept if its body has come already.
    #[cold]
    pub(super) fn drop_answer(
        &self,
        BackendAnswer { head, stream: mut connection }: BackendAnswer,
        lease: Lease,
    ) {
        let (backend, now) = (lease.backend(), clock::now());
        let there = self.metrics.at(backend);
        there.responded(Some(head.status));
        let (mut cx, mut read) = (Context::from_waker(Waker::noop()), 0);
        while !connection.is_end() && read <= CHEAP {
            match connection.poll_frame(&mut cx) {
                Poll::Ready(Some(Ok(frame))) => read += frame.data_ref().map_or(0, bytes::Bytes::len),
                Poll::Ready(Some(Err(Cut::Malformed))) => {
                    connection.complain(backend, self.settings.now().log_query);
                    break;
                }
                _ => break,
            }
        }
        if connection.is_end() {
            there.answers.one();
            self.pool.answered(backend, || now);
            self.connections.put_back(backend, connection, now);
        }
    }

    /// Sends a held answer to the client, because no later one has come.
    #[cold]
    pub(super) fn fall_back(
        self: &std::rc::Rc<Self>,
        held: HeldAnswer,
        mut record: RequestRecord,
        exchange: &Exchange<'_>,
    ) -> Answer {
        record.goes_back_to(held.lease.backend());
        self.answer(held.answer, record, held.lease, exchange)
    }
}
