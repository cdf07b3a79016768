//! How does a request travel? Admit, pick, send, judge the failure, retry or move on, answer, account.
//!
//! This file tells that story from top to bottom. Each verb is one call into a module named for it: `message`
//! admits, `balance` picks, `upstream` sends, `verdict` judges, `context` remembers, `answer` answers and
//! `account` accounts.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use http::{HeaderValue, Request, Response, StatusCode, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio_util::task::TaskTracker;

pub(crate) mod account;
pub(crate) mod answer;
pub mod body;
pub(crate) mod connect;
pub(crate) mod connection;
pub mod context;
pub(crate) mod deadline;
mod http1;
pub mod message;
mod tunnel;
pub(crate) mod upstream;
pub mod verdict;

use account::Account;
use answer::{AnswerBody, End};
use body::ReplayBody;
use connection::Connection;
use context::{Attempts, Retries, Tried};
use deadline::{Deadlines, Interrupt};
use upstream::Upstream;
use verdict::{Blame, Facts, Failure, Limits, Next, Verdict};

use crate::balance::health::{Evidence, State};
use crate::balance::{Backend, InFlight, ServerPool, Waiting};
use crate::config::Config;
use crate::observe::Observer;

/// One worker's share of the balancer: all it needs to take a request through.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) pool: Arc<ServerPool>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) upstream: Upstream,
    pub(crate) deadlines: Deadlines,
    limits: Limits,
    config: Arc<Config>,
    /// The open tunnels, so that draining can wait for them.
    pub(crate) tunnels: TaskTracker,
}

/// An answer whose head has come, and the connection it comes over.
type Answer = (Response<()>, Connection);

impl Proxy {
    pub(crate) fn new(pool: Arc<ServerPool>, observer: Arc<Observer>, config: Arc<Config>) -> Self {
        Self {
            upstream: Upstream::new(pool.backends().len(), config.connect_timeout),
            deadlines: Deadlines::default(),
            limits: Limits {
                retries: config.retries,
                retry_delay: config.retry_delay,
                attempts: config.attempts,
            },
            pool,
            observer,
            config,
            tunnels: TaskTracker::new(),
        }
    }

    /// Takes one request from a client through to its answer.
    pub(crate) async fn handle(
        self: Rc<Self>,
        client: HeaderValue,
        mut request: Request<Incoming>,
    ) -> Response<AnswerBody> {
        let mut account = Account::open(&self.observer, request.method(), request.uri());
        let deadline = account.began + self.config.total_timeout;

        // 1. Admit: what no backend may see ends here; the rest is made ready to be sent, once and for all
        //    tries, so that every try starts from the request as it came.
        let on_upgrade =
            request.headers().contains_key(http::header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
        let (mut head, body) = request.into_parts();
        let body = ReplayBody::new(body, self.config.replay_limit);
        if let Err(refusal) = message::prepare_request(&mut head, &client, !body.has_length()) {
            return refuse(account, refusal);
        }

        loop {
            // 2. Pick: whose turn is it, among those that are alive and have not failed this request?
            let tried: Tried = context::get(&head.extensions);
            let Some(backend) = self.pool.next_peer(&tried.numbers()) else {
                account.remember(&head.extensions);
                return self.nobody_left(account, tried.0.last().copied());
            };
            backend.stats.picks.fetch_add(1, Relaxed);
            account.at(backend.number);
            let lease = InFlight::new(backend);
            let mut fresh = false;

            loop {
                // 3. Send, and wait for the head of the answer.
                let failure = match self.attempt(&lease, &head, &body, fresh, deadline, &mut account).await {
                    // 4. Answer: the rest of it streams through, and is accounted for when it ends.
                    Ok(answer) => {
                        account.remember(&head.extensions);
                        return self.answer(answer, account, lease, on_upgrade);
                    }
                    Err(failure) => failure,
                };

                // 5. Judge: who is to blame, and what now?
                let backend = lease.backend();
                let verdict = self.judge(failure, backend, &head, &body, deadline);
                self.learn(failure, verdict, backend);
                match verdict.next {
                    Next::Reconnect => fresh = true,
                    Next::Retry(pause) => {
                        backend.stats.retries.fetch_add(1, Relaxed);
                        context::retry(&mut head.extensions);
                        tokio::time::sleep(pause).await;
                    }
                    Next::MoveOn => {
                        context::move_on(&mut head.extensions, backend.number, failure);
                        set_attempt(&mut head);
                        break;
                    }
                    Next::GiveUp => {
                        account.remember(&head.extensions);
                        return self.give_up(account, failure, verdict.blame, backend);
                    }
                }
            }
        }
    }

    /// One try: a connection, the request, the head of the answer.
    async fn attempt(
        &self,
        lease: &InFlight,
        head: &request::Parts,
        body: &ReplayBody,
        fresh: bool,
        deadline: Instant,
        account: &mut Account,
    ) -> Result<Answer, Failure> {
        let backend = lease.backend();
        let repeatable = verdict::is_idempotent(&head.method);
        let mut connection = self.upstream.checkout(backend, fresh, !repeatable, deadline).await?;

        let sent = Instant::now();
        account.sent = Some(sent);
        let _waiting = Waiting::new(backend, sent, self.pool.silence_rule().waiting);
        // Only a request that may go elsewhere gains anything from leaving a silent backend.
        let unless_silent = (repeatable && body.is_held()).then_some(backend);
        let deadline = deadline.min(sent + self.config.response_timeout);
        let mut answer = self
            .deadlines
            .wait(connection.send(head, body.for_try()), deadline.into(), unless_silent)
            .await
            .unwrap_or_else(|interrupt| {
                Err(match interrupt {
                    Interrupt::Deadline => Failure::HeadTimeout,
                    Interrupt::Silence => Failure::FellSilent,
                })
            })?;

        let now = Instant::now();
        account.head = Some(now);
        let latency = now.saturating_duration_since(sent);
        backend.stats.record_latency(latency);
        backend.learn_latency(latency);
        self.pool.heard(backend, now);
        message::prepare_response(&mut answer, head).map_err(|message::Nonsense| Failure::Malformed)?;
        Ok((answer, connection))
    }

    /// Collects what is known about a failed try and has it judged.
    fn judge(
        &self,
        failure: Failure,
        backend: &Backend,
        head: &request::Parts,
        body: &ReplayBody,
        deadline: Instant,
    ) -> Verdict {
        let Retries(retries) = context::get(&head.extensions);
        let Attempts(attempts) = context::get(&head.extensions);
        let facts = Facts {
            failure,
            repeatable: verdict::is_idempotent(&head.method) && body.is_held(),
            retries,
            attempts,
            left_a_silent_one: context::get::<Tried>(&head.extensions).left_a_silent_one(),
            backend_is_out: backend.health().state() == State::Down,
            time_left: Instant::now() + self.limits.retry_delay < deadline,
        };
        verdict::judge(facts, self.limits)
    }

    /// Lets the pool know what a failed try says about its backend. However often a request retries, that is
    /// one observation: it is made when the request leaves.
    fn learn(&self, failure: Failure, verdict: Verdict, backend: &Backend) {
        if verdict.blame != Blame::Backend {
            return;
        }
        backend.stats.failures.fetch_add(1, Relaxed);
        let leaves = matches!(verdict.next, Next::MoveOn | Next::GiveUp);
        // Silence has been judged already, from the traffic of all.
        if !leaves || failure == Failure::FellSilent {
            return;
        }
        let words = failure.words();
        let evidence = match (verdict.take_down, self.limits.retries) {
            (false, _) => Evidence::Failed(words.into()),
            (true, 0) => Evidence::GaveUp(words.into()),
            (true, retries) => Evidence::GaveUp(format!("{words}, after {retries} retries").into()),
        };
        self.pool.learn(backend, evidence, Instant::now());
    }

    /// Passes the backend's answer on.
    fn answer(
        self: Rc<Self>,
        (answer, connection): Answer,
        mut account: Account,
        lease: InFlight,
        on_upgrade: Option<OnUpgrade>,
    ) -> Response<AnswerBody> {
        account.answering(answer.status());
        if let (StatusCode::SWITCHING_PROTOCOLS, Some(client)) = (answer.status(), on_upgrade) {
            self.tunnels.spawn_local(tunnel::run(client, connection, account, lease));
            return answer.map(|()| AnswerBody::Own(None));
        }
        answer.map(|()| AnswerBody::relay(End { proxy: self, account, lease, connection }))
    }

    /// There is no backend to try (any more). `last` is what the last one was left for.
    fn nobody_left(&self, mut account: Account, last: Option<(usize, Failure)>) -> Response<AnswerBody> {
        let (failure, why) = match last {
            Some((number, failure)) => {
                (failure, format!("backend {number}: {}, and no other is left", failure.words()))
            }
            None => (Failure::NoBackend, Failure::NoBackend.words().to_owned()),
        };
        account.failed(failure, failure.blame());
        self.end(account, failure, &why)
    }

    /// The last try has failed.
    fn give_up(
        &self,
        mut account: Account,
        failure: Failure,
        blame: Blame,
        backend: &Backend,
    ) -> Response<AnswerBody> {
        account.failed(failure, blame);
        self.end(account, failure, &format!("backend {}: {}", backend.number, failure.words()))
    }

    fn end(&self, mut account: Account, failure: Failure, why: &str) -> Response<AnswerBody> {
        let status = failure.status();
        let come_back = (status == StatusCode::SERVICE_UNAVAILABLE)
            .then(|| self.pool.recovery_time(self.config.ping_interval));
        account.answering(status);
        account.close();
        answer::own(status, failure.proxy_status(), why, come_back)
    }
}

/// A request that no backend may see.
fn refuse(mut account: Account, refusal: message::Refusal) -> Response<AnswerBody> {
    account.answering(refusal.status());
    account.close();
    answer::own(refusal.status(), "http_request_denied", refusal.reason(), None)
}

/// Tells the next backend which attempt it sees, so that a student can watch a request move on.
fn set_attempt(head: &mut request::Parts) {
    let Attempts(attempt) = context::get(&head.extensions);
    head.headers.insert(message::ATTEMPT, HeaderValue::from(attempt));
}
