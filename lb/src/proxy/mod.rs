//! The path of a request: admit, pick, send, answer, judge the failure, retry or move on, record.
//!
//! This file shows the path from top to bottom. Each step is a call into one module: `message::prepare`
//! admits, `balance` picks, `attempt` sends, `balance::verdict` judges, `context` keeps the retries and the
//! attempts, `downstream::answer` answers, and `record` counts. The path does not know which version of HTTP
//! either side speaks: see [`exchange`].

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use balance::evidence::FailedTry;
use balance::policy;
use balance::state::State;
use balance::verdict::{Blame, Failure, Next, Verdict};
use http::StatusCode;

mod attempt;
pub(crate) mod context;
pub(crate) mod cut;
pub(crate) mod deadline;
pub(crate) mod downstream;
pub(crate) mod exchange;
mod held_answer;
pub(crate) mod http1;
pub(crate) mod message;
pub(crate) mod parts;
pub(crate) mod record;
pub(crate) mod request;
pub(crate) mod settings;
pub(crate) mod upstream;
pub(crate) mod wire;

use context::{Attempts, Retries, Tried};
use downstream::answer::{self, Answer, AnswerBody, End};
use downstream::tunnel::Tunnel;
use exchange::{BackendAnswer, Exchange};
use held_answer::HeldAnswer;
use message::head::RequestHead;
use message::hop::Hop;
use message::prepare;
use message::refusal::Refusal;
use message::sticky;
pub(crate) use parts::Proxy;
use record::request_record::RequestRecord;
use request::body::{ClientBody, ReplayBody};
use request::client::ClientContext;
use upstream::queue::Lease;

use crate::clock::{self, moment};
use crate::pool::Backend;

impl Proxy {
    /// Handles one request of a client until its answer.
    pub(crate) async fn handle(
        self: &Rc<Self>,
        client: &ClientContext,
        head: RequestHead,
        body: ClientBody,
    ) -> Answer {
        // 1. Admit: a request that no backend may get ends here.
        let (mut exchange, mut record) = match self.admit(client, head, body) {
            Ok(admitted) => admitted,
            Err(refusal) => return *refusal,
        };
        // An answer for the client in case no better one comes.
        let mut held: Option<Box<HeldAnswer>> = None;
        loop {
            // 2. Pick: choose one of the backends that are alive and have not failed this request.
            let tried: Tried = context::get(&record.context);
            let Some(backend) = self.pick(&exchange, &tried.numbers(), &mut record) else {
                return self.no_backend_left(&exchange, record, held);
            };
            exchange.met_alive |= !backend.is(State::Down);
            if let Some(held) = &mut held {
                held.charge_retry(self);
            }
            record.goes_to(&backend);
            let mut lease = Lease::new(backend);
            let mut fresh = false;

            loop {
                // 3. Send, and wait for the head of the answer.
                let failure = match self.send(&exchange, &mut lease, fresh, &mut record).await {
                    Ok(answer) if self.wants_another(&mut exchange, &answer, &lease, &mut record) => {
                        self.hold(&mut held, answer, lease);
                        break;
                    }
                    // 4. Answer: the rest streams through, and is counted when it ends.
                    Ok(answer) => {
                        self.discard(held);
                        return self.answer(answer, record, lease, &exchange);
                    }
                    Err(failure) => failure,
                };
                // 5. Judge: which side is to blame, and what is the next step?
                let verdict = self.judge(&mut exchange, failure, lease.backend(), &mut record);
                match verdict.next {
                    Next::Reconnect => fresh = true,
                    Next::Retry(pause) => tokio::time::sleep(pause).await,
                    Next::MoveOn => break,
                    Next::GiveUp => {
                        let held = held.filter(|_| verdict.blame != Blame::Client);
                        return self.give_up(&exchange, failure, lease.backend(), record, held);
                    }
                }
            }
        }
    }

    /// Opens the record of a request, and prepares the request once for all its tries, so that every try
    /// starts from the same request.
    ///
    /// # Errors
    /// The answer to a request that no backend may get.
    #[inline]
    fn admit<'a>(
        &self,
        client: &'a ClientContext,
        mut head: RequestHead,
        mut body: ClientBody,
    ) -> Result<(Exchange<'a>, RequestRecord), Box<Answer>> {
        let settings = self.settings.now();
        let now = Instant::now();
        let mut record = RequestRecord::open(moment(now), &self.metrics, client, &head, &mut body, &settings);
        if settings.request_id {
            record.identify(&head.headers, client);
        }
        let deadline = now + settings.total_timeout;
        if body.is_too_large() {
            return Err(Box::new(answer::refuse(record, Refusal::BodyTooLarge, &settings.name)));
        }
        let body = ReplayBody::new(body, settings.replay_limit);
        if prepare::is_last_hop(&mut head) {
            return Err(Box::new(answer::last_hop(record, &head.method, &settings.name)));
        }
        let hop = Hop {
            client: &client.address,
            trusted: client.trusted,
            name: &settings.name,
            via: &settings.via_mark,
        };
        if let Err(refusal) = prepare::prepare_request(&mut head, hop, !body.has_length()) {
            return Err(Box::new(answer::refuse(record, refusal, &settings.name)));
        }
        if settings.explain || settings.request_id {
            record.mark(&mut head, &settings);
        }
        let key = self.pool.wants_key().then(|| settings.key.key(&head, &settings.trusted)).flatten();
        let home = settings.sticky_cookie.as_ref().and_then(|name| sticky::belongs_to(&head.headers, name));
        let exchange = Exchange {
            client,
            settings,
            head,
            body,
            key,
            home,
            deadline: Cell::new(deadline),
            may_have_run: Cell::new(false),
            met_alive: false,
        };
        Ok((exchange, record))
    }

    /// Picks a backend that is not in `tried` (numbers).
    fn pick(
        &self,
        exchange: &Exchange<'_>,
        tried: &[usize],
        record: &mut RequestRecord,
    ) -> Option<Arc<Backend>> {
        let now = if tried.is_empty() { record.began } else { clock::now() };
        let mut random = self.random.borrow_mut();
        let mut request = policy::Request { key: exchange.key, now, random: &mut random, notes: None };
        match record.explanation() {
            None => self.pool.next_backend(tried, exchange.home, &mut request),
            Some(explanation) => {
                let (backend, decision) = self.pool.explain_next_backend(tried, exchange.home, &mut request);
                explanation.decides(decision);
                backend
            }
        }
    }

    /// Judges a failed try, records the failure, and notes the next step in the context of the request.
    #[cold]
    fn judge(
        &self,
        exchange: &mut Exchange<'_>,
        failure: Failure,
        backend: &Backend,
        record: &mut RequestRecord,
    ) -> Verdict {
        let now = Instant::now();
        let verdict = self.verdict(exchange, failure, backend, record, now);
        record.tried(failure, verdict.blame);
        self.pool.apply_verdict(failure, verdict, backend, exchange.settings.limits, moment(now));
        if verdict.may_have_run {
            exchange.may_have_run.set(true);
        }
        if matches!(verdict.next, Next::Retry(_) | Next::MoveOn) {
            self.pool.withdraw_retry(moment(now));
        }
        match verdict.next {
            Next::Reconnect => record.reconnects(),
            Next::Retry(_) => {
                record.retries();
                context::retry(&mut record.context);
            }
            Next::MoveOn => exchange.leave(backend.number, failure, record),
            Next::GiveUp => {}
        }
        verdict
    }

    /// The verdict on a failed try, from the facts of its request and of the pool.
    fn verdict(
        &self,
        exchange: &Exchange<'_>,
        failure: Failure,
        backend: &Backend,
        record: &RequestRecord,
        now: Instant,
    ) -> Verdict {
        let Exchange { settings, deadline, .. } = exchange;
        let context = &record.context;
        let failed = FailedTry {
            failure,
            repeatable: exchange.is_repeatable(),
            retries: context::get::<Retries>(context).0,
            attempts: context::get::<Attempts>(context).0,
            tried: &context::get::<Tried>(context).numbers(),
            may_have_run: exchange.may_have_run.get(),
            home: exchange.home,
            time_left: now + settings.limits.retry_delay < deadline.get(),
        };
        self.pool.judge(failed, backend, settings.limits, moment(now))
    }

    /// Sends the backend's answer to the client.
    fn answer(
        self: &Rc<Self>,
        BackendAnswer { mut head, stream }: BackendAnswer,
        mut record: RequestRecord,
        lease: Lease,
        exchange: &Exchange<'_>,
    ) -> Answer {
        record.relaying(head.status);
        if let Some(name) = &exchange.settings.sticky_cookie
            && exchange.home != Some(lease.backend().id)
        {
            let cookie = (name.as_str(), exchange.settings.sticky_attributes);
            sticky::set_cookie(&mut head.headers, cookie, lease.backend(), &exchange.head.headers);
        }
        record.add_headers(&mut head.headers);
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            self.pool.answered(lease.backend(), clock::now);
            let body = AnswerBody::Switch(Box::new(Tunnel { backend: stream, record, lease }));
            return Answer { head, body };
        }
        let proxy = Rc::clone(self);
        let body = AnswerBody::relay(End { proxy, record, lease, connection: stream });
        Answer { head, body }
    }

    /// The answer when there is no backend (left) to try: the held answer, or the reason why there is none.
    #[cold]
    fn no_backend_left(
        self: &Rc<Self>,
        exchange: &Exchange<'_>,
        record: RequestRecord,
        held: Option<Box<HeldAnswer>>,
    ) -> Answer {
        if let Some(held) = held {
            return self.fall_back(*held, record, exchange);
        }
        let last = context::get::<Tried>(&record.context).0.last().copied();
        match last {
            Some((number, failure)) if exchange.met_alive || !failure.is_no_connection() => {
                let why = format!("backend {number}: {}, and no other backend is left", failure.words());
                self.end(record, failure, &why)
            }
            _ => self.end(record, Failure::NoBackend, Failure::NoBackend.words()),
        }
    }

    /// The answer when the last try has failed: the held answer, or the failure.
    #[cold]
    fn give_up(
        self: &Rc<Self>,
        exchange: &Exchange<'_>,
        failure: Failure,
        backend: &Backend,
        record: RequestRecord,
        held: Option<Box<HeldAnswer>>,
    ) -> Answer {
        if let Some(held) = held {
            return self.fall_back(*held, record, exchange);
        }
        if !exchange.met_alive && failure.is_no_connection() {
            return self.end(record, Failure::NoBackend, Failure::NoBackend.words());
        }
        self.end(record, failure, &format!("backend {}: {}", backend.number, failure.words()))
    }

    fn end(&self, mut record: RequestRecord, failure: Failure, why: &str) -> Answer {
        record.failed(failure, failure.blame());
        let (status, settings) = (failure.status(), self.settings.now());
        let come_back = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(settings.recovery);
        record.answering(status);
        let mut answer = answer::own(&settings.name, status, failure.proxy_status(), why, come_back);
        answer.mark_own(&mut record);
        record.close(clock::now());
        answer
    }
}
