//! One worker's connections to the backends: check out, put back.
//!
//! Which connection a request takes is decided here; what is said on it is [`super::connection`]'s. Every worker has
//! its own connections, so nothing here is locked. A pooled client from a library would repeat requests on its own,
//! and the balancer has to know about every single try.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::books::Books;
use super::connect::{connect_to_any, notice_the_gone};
use super::connection::Connection;
use super::deadline::{Deadlines, Interrupt, Unless};
use super::places::Places;
use super::queue::Queues;
use super::verdict::Failure;
use crate::balance::{Backend, Fleet, ServerPool};
use crate::resolver::Resolver;

/// Idle connections kept to one backend by one worker.
const MAX_IDLE: usize = 512;

#[derive(Debug)]
pub(super) struct Idle {
    connection: Box<Connection>,
    pub(super) since: Instant,
    /// When it must be given up at the latest, if the backend has said so.
    until: Option<Instant>,
}

/// What kind of connection is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// A new one.
    pub(crate) fresh: bool,
    /// The request must not be repeated: the kernel is asked what it has heard before a kept connection is trusted, at
    /// the price of one system call. What is left of the race between a dying backend and a request is the time that
    /// either is on its way.
    pub(crate) look_first: bool,
    /// How long connecting may take, and before it the look-up of a name that was never looked up; but not beyond the
    /// deadline.
    pub(crate) patience: Duration,
    pub(crate) deadline: Instant,
}

/// One worker's connections.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// By backend number, minus one, as far as there were any; the most recently used last. A number stands for one
    /// name, and a name for addresses that change: each connection knows whether it still leads to one of them.
    pub(super) idle: RefCell<Vec<Vec<Idle>>>,
    pub(super) books: Rc<Books>,
    pub(super) pool: Arc<ServerPool>,
    queues: Arc<Queues>,
    resolver: Resolver,
}

impl Upstream {
    pub(crate) fn new(books: Rc<Books>, pool: Arc<ServerPool>, queues: Arc<Queues>) -> Self {
        Self { idle: RefCell::default(), books, pool, queues, resolver: Resolver::system() }
    }

    /// The places of all workers' connections.
    pub(crate) fn places(&self) -> &Places {
        &self.queues.places
    }

    /// A connection to the backend: a kept one if there is any, else, or if a fresh one is wanted, a new one.
    pub(crate) async fn checkout(
        &self,
        backend: &Arc<Backend>,
        wanted: Wanted,
        deadlines: &Deadlines,
    ) -> Result<Box<Connection>, Failure> {
        if !wanted.fresh
            && let Some(connection) = self.take_idle(backend, wanted.look_first)
        {
            self.books.at(backend).reused.one();
            return Ok(connection);
        }
        let connection = self.connect(backend, wanted, deadlines).await?;
        self.books.at(backend).opened.one();
        Ok(connection)
    }

    /// Keeps a connection for the next request, if it can take one.
    pub(crate) fn put_back(&self, backend: &Backend, mut connection: Box<Connection>, now: Instant) {
        // A request that waits for a place needs it more.
        if !connection.rest() || backend.is_leaving() || self.places().waiting() > 0 {
            return;
        }
        let mut kept = self.idle.borrow_mut();
        if kept.len() < backend.number {
            kept.resize_with(backend.number, Vec::new);
        }
        let idle = &mut kept[backend.number - 1];
        if idle.len() < MAX_IDLE {
            let until = connection.rests_for().map(|rest| now + rest);
            idle.push(Idle { connection, since: now, until });
            self.books.at(backend).kept.one();
        }
    }

    /// Drops the connections that were closed by the backend, have been idle for too long, lead to a backend that has
    /// left, or to an address at which it is no more. To be called often enough that the closed ones do not pile up.
    pub(crate) fn prune(&self, fleet: &Fleet, longest: Duration, now: Instant) {
        let backends = fleet.backends();
        let mut backends = backends.iter().peekable();
        for (idle, number) in self.idle.borrow_mut().iter_mut().zip(1..) {
            let Some(backend) = backends.next_if(|backend| backend.number == number) else {
                idle.clear();
                continue;
            };
            let before = idle.len();
            idle.retain_mut(|kept| {
                // A backend that serves one connection at a time cannot answer while it is kept busy by one of these.
                !(backend.is_leaving() || backend.is_silent())
                    && kept.connection.leads_to(backend)
                    && kept.connection.is_quiet()
                    && now.saturating_duration_since(kept.since) < longest
                    && kept.until.is_none_or(|until| now < until)
            });
            self.books.at(backend).taken.add((before - idle.len()) as u64);
        }
    }

    /// The most recently used connection that is still good: the least likely to have been closed meanwhile,
    /// and the others can age and go.
    fn take_idle(&self, backend: &Backend, look: bool) -> Option<Box<Connection>> {
        let mut kept = self.idle.borrow_mut();
        let idle = kept.get_mut(backend.number - 1)?;
        std::iter::from_fn(|| idle.pop()).inspect(|_| self.books.at(backend).taken.one()).find_map(
            |Idle { mut connection, until, .. }| {
                let is_good = connection.is_quiet()
                    && (!look || connection.is_quiet_by_now())
                    && connection.leads_to(backend)
                    && until.is_none_or(|until| Instant::now() < until);
                is_good.then_some(connection)
            },
        )
    }

    /// Connects, but not for longer than others need to find out that the backend is down: a host that dies
    /// while it is asked may leave the asker without an answer until the network asks again, after a second.
    async fn connect(
        &self,
        backend: &Arc<Backend>,
        Wanted { patience, deadline, .. }: Wanted,
        deadlines: &Deadlines,
    ) -> Result<Box<Connection>, Failure> {
        let until = || (Instant::now() + patience).min(deadline).into();
        let in_time = |interrupt| match interrupt {
            Interrupt::Deadline => Failure::ConnectTimeout,
            Interrupt::State => Failure::WentDown,
        };
        let unless = Some((backend, Unless::Down));
        let place = self.place(until(), deadlines).await?;
        if backend.resolved.is_empty() {
            let until = until();
            let looking_up = Box::pin(self.resolver.resolve(backend));
            deadlines.wait(looking_up, || until, unless).await.map_err(in_time)??;
        }
        // Asked for before the addresses: see there.
        let generation = backend.resolved.generation();
        let (addresses, until) = (backend.resolved.addresses(), until());
        let connecting = Box::pin(async {
            match connect_to_any(&addresses, patience).await {
                // Something else has taken what was counted on: what is kept here goes before the request does.
                Err(Failure::OutOfResources) if self.give_up(usize::MAX) > 0 => {
                    connect_to_any(&addresses, patience).await
                }
                connected => connected,
            }
        });
        let stream =
            deadlines.wait(connecting, || until, unless).await.map_err(in_time).and_then(|outcome| outcome);
        match &stream {
            Ok(stream) => _ = notice_the_gone(&SockRef::from(stream)),
            // It may be somewhere else by now.
            Err(_) => self.resolver.refresh(backend),
        }
        Ok(Connection::new(stream?, generation, self.books.meter(self.books.at(backend)), place))
    }
}
