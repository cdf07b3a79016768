//! The path of a request: admit, pick, send, judge the failure, retry or move on, answer, record.
//!
//! This file shows the path from top to bottom. Each step is a call into one module: `message::prepare`
//! admits, `balance` picks, `upstream` sends, `balance::verdict` judges, `context` keeps the retries and the
//! attempts, `downstream::answer` answers, and `record` counts.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use balance::evidence::FailedTry;
use balance::health::State;
use balance::policy;
use balance::verdict::{self, Blame, Failure, Next, Verdict};
use http::{HeaderValue, StatusCode};

pub(crate) mod context;
pub(crate) mod deadline;
pub(crate) mod downstream;
mod elsewhere;
pub(crate) mod http1;
pub(crate) mod message;
pub(crate) mod record;
pub(crate) mod settings;
pub(crate) mod upstream;
pub(crate) mod wire;

use context::{Attempts, Retries, Tried};
use deadline::Deadlines;
use downstream::answer::{self, Answer, AnswerBody, End};
use downstream::body::{ClientBody, ReplayBody};
use downstream::peer::Downstream;
use downstream::tunnel::Tunnel;
use elsewhere::Held;
use message::date::Date;
use message::head::{RequestHead, ResponseHead};
use message::prepare::{self, Hop};
use message::refusal::Refusal;
use message::sticky;
use record::metrics::WorkerMetrics;
use record::request_record::RequestRecord;
use settings::{InForce, Settings, WorkerSettings};
use upstream::connection::Connection;
use upstream::connections::Upstream;
use upstream::queue::{Lease, Queues};

use crate::clock::{self, moment};
use crate::pool::{Backend, Pool};

/// The part of the balancer that belongs to one worker: all that a request needs.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) pool: Arc<Pool>,
    pub(crate) metrics: Rc<WorkerMetrics>,
    queues: Arc<Queues>,
    random: RefCell<fastrand::Rng>,
    pub(crate) settings: WorkerSettings,
    pub(crate) upstream: Upstream,
    pub(crate) deadlines: Deadlines,
    draining: Cell<bool>,
    date: Date,
}

/// The constant data of a request in all its tries, and its context.
pub(crate) struct Exchange<'a> {
    downstream: &'a Downstream,
    settings: Rc<InForce>,
    head: RequestHead,
    body: ReplayBody,
    /// The key for the policy, and the backend that the cookie names.
    key: Option<u64>,
    home: Option<u64>,
    /// The deadline for the answer. It moves as long as the client is sending.
    deadline: Cell<Instant>,
    /// A backend may have executed the request already, although no answer came.
    may_have_run: Cell<bool>,
}

impl Exchange<'_> {
    /// Whether a second backend may be tried as well: only at first, and only for requests that may be
    /// executed twice.
    fn may_be_hedged(&self) -> bool {
        let context = &self.head.context;
        self.settings.hedge_after.is_some()
            && verdict::is_idempotent(&self.head.method)
            && self.body.is_held()
            && context::get::<Tried>(context).0.is_empty()
            && context::get::<Retries>(context).0 == 0
    }
}

/// An answer whose head has come, with the connection for the rest.
type Begun = (ResponseHead, Box<Connection>);

impl Proxy {
    pub(crate) fn new(
        pool: Arc<Pool>,
        metrics: Rc<WorkerMetrics>,
        settings: Arc<ArcSwap<Settings>>,
        queues: Arc<Queues>,
        random: fastrand::Rng,
    ) -> Self {
        Self {
            upstream: Upstream::new(Rc::clone(&metrics), Arc::clone(&pool), Arc::clone(&queues)),
            queues,
            random: RefCell::new(random),
            settings: WorkerSettings::new(settings),
            deadlines: Deadlines::default(),
            draining: Cell::new(false),
            date: Date::default(),
            pool,
            metrics,
        }
    }

    /// Starts the shutdown of the balancer, and wakes all waiting tasks.
    pub(crate) fn begin_draining(&self) {
        self.draining.set(true);
        self.deadlines.wake_all();
    }

    /// Whether the balancer shuts down.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Handles one request of a client until its answer.
    pub(crate) async fn handle(
        self: &Rc<Self>,
        downstream: &Downstream,
        mut head: RequestHead,
        mut body: ClientBody,
    ) -> Answer {
        let settings = self.settings.now();
        let mut record = RequestRecord::open(&self.metrics, downstream, &head, &mut body, &settings);
        if settings.request_id {
            record.identify(&head.headers, downstream);
        }
        let deadline = record.began + settings.total_timeout;

        // 1. Admit: a request that no backend may get ends here. The head is prepared once for all tries, so
        //    that every try starts from the same request.
        if body.is_too_large() {
            return answer::refuse(record, Refusal::BodyTooLarge, &settings.name);
        }
        let body = ReplayBody::new(body, settings.replay_limit);
        if prepare::is_last_hop(&mut head) {
            return answer::last_hop(record, &head.method, &settings.name);
        }
        let hop = Hop {
            client: &downstream.address,
            trusted: downstream.trusted,
            name: &settings.name,
            via: &settings.via,
        };
        if let Err(refusal) = prepare::prepare_request(&mut head, hop, !body.has_length()) {
            return answer::refuse(record, refusal, &settings.name);
        }
        if settings.explain || settings.request_id {
            record.mark(&mut head, &settings);
        }
        let key = self.pool.wants_key().then(|| settings.key.key(&head, &settings.trusted)).flatten();
        let home = settings.sticky_cookie.as_ref().and_then(|name| sticky::belongs_to(&head.headers, name));
        let mut exchange = Exchange {
            downstream,
            settings,
            head,
            body,
            key,
            home,
            deadline: Cell::new(deadline),
            may_have_run: Cell::new(false),
        };
        let mut any_alive = false;
        // An answer for the client in case no better one comes.
        let mut held: Option<Box<Held>> = None;

        loop {
            // 2. Pick: choose one of the backends that are alive and have not failed this request.
            let tried: Tried = context::get(&exchange.head.context);
            let Some(backend) = self.pick(&exchange, &tried.numbers(), &mut record) else {
                record.remember(&exchange.head.context);
                return match held {
                    Some(held) => self.fall_back(*held, record, &exchange),
                    None => self.no_backend_left(record, tried.0.last().copied(), any_alive),
                };
            };
            any_alive |= !backend.is(State::Down);
            if let Some(held) = &mut held {
                held.is_repeated(self);
            }
            record.at(&backend);
            let mut lease = Lease::new(backend);
            let mut fresh = false;

            loop {
                // 3. Send, and wait for the head of the answer.
                let failure = match self.send(&exchange, &mut lease, fresh, &mut record).await {
                    // 4. Answer: the rest streams through, and is counted when it ends.
                    Ok(answer)
                        if exchange.settings.retry_on.is_empty()
                            || !self.wants_another(&mut exchange, &answer, &lease, &mut record) =>
                    {
                        if let Some(held) = held {
                            self.discard(*held);
                        }
                        record.remember(&exchange.head.context);
                        return self.answer(answer, record, lease, &exchange);
                    }
                    Ok(answer) => {
                        if let Some(before) = held.replace(Held::new(answer, lease)) {
                            self.discard(*before);
                        }
                        break;
                    }
                    Err(failure) => failure,
                };

                // 5. Judge: which side is to blame, and what is the next step?
                let (backend, now) = (lease.backend(), Instant::now());
                let verdict = self.judge(&exchange, failure, backend, now);
                record.tried(failure, verdict.blame);
                let limits = exchange.settings.limits;
                self.pool.apply_verdict(failure, verdict, backend, limits, moment(now));
                if verdict.may_have_run {
                    exchange.may_have_run.set(true);
                }
                if matches!(verdict.next, Next::Retry(_) | Next::MoveOn) {
                    self.pool.withdraw_retry(moment(now));
                }
                match verdict.next {
                    Next::Reconnect => {
                        record.reconnects();
                        fresh = true;
                    }
                    Next::Retry(pause) => {
                        record.retries();
                        context::retry(&mut exchange.head.context);
                        tokio::time::sleep(pause).await;
                    }
                    Next::MoveOn => {
                        context::move_on(&mut exchange.head.context, backend.number, failure);
                        set_attempt(&mut exchange.head);
                        break;
                    }
                    Next::GiveUp => {
                        record.remember(&exchange.head.context);
                        if let Some(held) = held.filter(|_| verdict.blame != Blame::Client) {
                            return self.fall_back(*held, record, &exchange);
                        }
                        return self.give_up(record, failure, any_alive, backend);
                    }
                }
            }
        }
    }

    /// Picks a backend that is not in `tried` (numbers).
    fn pick(
        &self,
        exchange: &Exchange<'_>,
        tried: &[usize],
        record: &mut RequestRecord,
    ) -> Option<Arc<Backend>> {
        let now = if tried.is_empty() { record.began } else { Instant::now() };
        let mut random = self.random.borrow_mut();
        let mut request =
            policy::Request { key: exchange.key, now: moment(now), random: &mut random, notes: None };
        match record.explanation() {
            None => self.pool.next_peer(tried, exchange.home, &mut request),
            Some(explanation) => {
                let (backend, decision) = self.pool.explain_next_peer(tried, exchange.home, &mut request);
                explanation.decides(decision);
                backend
            }
        }
    }

    /// Judges a failed try by the facts of its request and of the pool.
    fn judge(&self, exchange: &Exchange<'_>, failure: Failure, backend: &Backend, now: Instant) -> Verdict {
        let Exchange { settings, head, body, deadline, .. } = exchange;
        let context = &head.context;
        let failed = FailedTry {
            failure,
            repeatable: verdict::is_idempotent(&head.method) && body.is_held(),
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
        (mut head, backend): Begun,
        mut record: RequestRecord,
        lease: Lease,
        exchange: &Exchange<'_>,
    ) -> Answer {
        record.relaying(head.status);
        if let Some(name) = &exchange.settings.sticky_cookie
            && exchange.home != Some(lease.backend().id)
        {
            let cookie = (name.as_str(), exchange.settings.sticky_attributes);
            sticky::tell(&mut head.headers, cookie, lease.backend(), &exchange.head.headers);
        }
        record.tell(&mut head.headers);
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            self.pool.answered(lease.backend(), clock::now);
            let body = AnswerBody::Switch(Box::new(Tunnel { backend, record, lease }));
            return Answer { head, body };
        }
        let proxy = Rc::clone(self);
        let body = AnswerBody::relay(End { proxy, record, lease, connection: backend });
        Answer { head, body }
    }

    /// The answer when there is no backend (left) to try. `last` is the last backend with its failure;
    /// without `any_alive`, all backends that were tried were known to be down.
    fn no_backend_left(
        &self,
        record: RequestRecord,
        last: Option<(usize, Failure)>,
        any_alive: bool,
    ) -> Answer {
        match last {
            Some((number, failure)) if any_alive || !failure.is_no_connection() => {
                let why = format!("backend {number}: {}, and no other backend is left", failure.words());
                self.end(record, failure, &why)
            }
            _ => self.end(record, Failure::NoBackend, Failure::NoBackend.words()),
        }
    }

    /// The last try has failed.
    fn give_up(&self, record: RequestRecord, failure: Failure, any_alive: bool, backend: &Backend) -> Answer {
        if !any_alive && failure.is_no_connection() {
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
        record.says(&mut answer);
        record.close(Instant::now());
        answer
    }
}

/// Tells the next backend the number of the attempt, so that an observer can see how a request moves.
fn set_attempt(head: &mut RequestHead) {
    let Attempts(attempt) = context::get(&head.context);
    head.headers.insert(prepare::ATTEMPT, HeaderValue::from(attempt));
}
