//! The connections of one worker to the backends: take one, put it back.
//!
//! This module decides which connection a request takes; [`crate::proxy::upstream::connection`] does the
//! transfer. Every worker has its own connections, so nothing here is locked. The connection pool of a
//! library would repeat requests by itself, and the balancer has to know about every single try.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use balance::Moment;
use balance::verdict::Failure;

use crate::clock;
use crate::observe::Counters;
use crate::pool::{Backend, Fleet};
use crate::proxy::deadline::{Deadlines, Interrupt, Unless};
use crate::proxy::record::metrics::WorkerMetrics;
use crate::proxy::upstream::connect::connect_to_any;
use crate::proxy::upstream::connection::Connection;
use crate::proxy::upstream::places::{Place, Places};
use crate::proxy::upstream::queue::Queues;
use crate::proxy::upstream::stream::BackendStream;
use crate::resolver::Resolver;

/// The largest number of idle connections of one worker to one backend.
const MAX_IDLE: usize = 512;

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: Moment,
    /// The latest time to close the connection, if the backend has told one.
    until: Option<Moment>,
    /// The counters of the backend. Its number may belong to another backend by now.
    there: Arc<Counters>,
}

/// The kind of connection that is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// A new connection.
    pub(crate) fresh: bool,
    /// The request must not be repeated: before the balancer uses an idle connection, it asks the kernel
    /// whether the connection has ended, at the price of one system call. The remaining risk is that the
    /// backend closes the connection while the request is on its way.
    pub(crate) look_first: bool,
    /// Time limit of each phase: the wait for a place, the look-up of a name that was never looked up, and
    /// connecting, with all addresses of the backend together. So the three phases may take three times as
    /// long, but not longer than until the deadline.
    pub(crate) connect_timeout: Duration,
    pub(crate) deadline: Instant,
}

/// The connections of one worker.
#[derive(Debug)]
pub(crate) struct ConnectionPool {
    /// By backend number, minus one, as far as there were any; the most recently used last. A number stands
    /// for one name, and a name stands for addresses that change: each connection knows whether it still
    /// leads to one of them.
    idle: RefCell<Vec<Vec<Idle>>>,
    metrics: Rc<WorkerMetrics>,
    queues: Arc<Queues>,
    resolver: Resolver,
}

impl ConnectionPool {
    pub(crate) fn new(metrics: Rc<WorkerMetrics>, queues: Arc<Queues>) -> Self {
        Self { idle: RefCell::default(), metrics, queues, resolver: Resolver::system() }
    }

    /// The places of the connections of all workers.
    pub(crate) fn places(&self) -> &Places {
        &self.queues.places
    }

    /// A connection to the backend: an idle one if there is any; otherwise, or if a new one is wanted, a new
    /// one.
    pub(crate) async fn checkout(
        &self,
        backend: &Arc<Backend>,
        wanted: Wanted,
        deadlines: &Deadlines,
    ) -> Result<BackendStream, Failure> {
        if !wanted.fresh
            && let Some(connection) = self.take_idle(backend, wanted.look_first)
        {
            self.metrics.at(backend).reused.one();
            return Ok(BackendStream::Http1(connection));
        }
        let connection = self.connect(backend, wanted, deadlines).await?;
        self.metrics.at(backend).opened.one();
        Ok(BackendStream::Http1(connection))
    }

    /// Keeps the connection of a stream for the next request, if it can take one.
    pub(crate) fn put_back(&self, backend: &Backend, stream: BackendStream, now: Moment) {
        let BackendStream::Http1(mut connection) = stream;
        // A request that waits for a place needs it more.
        if !connection.make_idle() || backend.is_leaving() || self.places().waiting() > 0 {
            return;
        }
        let mut kept = self.idle.borrow_mut();
        if kept.len() < backend.number {
            kept.resize_with(backend.number, Vec::new);
        }
        let idle = &mut kept[backend.number - 1];
        if idle.len() < MAX_IDLE {
            let until = connection.idle_for().map(|rest| now + rest);
            let there = Arc::clone(self.metrics.at(backend));
            there.kept.one();
            idle.push(Idle { connection, since: now, until, there });
        }
    }

    /// Closes the connections that the backend has closed, that have been idle for too long, or that lead to
    /// a removed backend or to an address that the backend no longer has. The caller calls this often, so
    /// that closed connections do not pile up.
    pub(crate) fn prune(&self, fleet: &Fleet, max_idle: Duration, now: Moment) {
        let backends = fleet.backends();
        let mut backends = backends.iter().peekable();
        for (idle, number) in self.idle.borrow_mut().iter_mut().zip(1..) {
            let Some(backend) = backends.next_if(|backend| backend.number == number) else {
                idle.drain(..).for_each(|kept| kept.there.taken.one());
                continue;
            };
            idle.retain_mut(|kept| {
                // A backend that serves one connection at a time cannot answer a question while one of these
                // connections keeps it busy.
                let stays = !(backend.is_leaving() || backend.is_silent())
                    && kept.connection.leads_to(backend)
                    && kept.connection.is_quiet()
                    && now.since(kept.since) < max_idle
                    && kept.until.is_none_or(|until| now < until);
                if !stays {
                    kept.there.taken.one();
                }
                stays
            });
        }
    }

    /// The most recently used connection that is still good: the backend has probably not closed it yet, and
    /// the other connections can age and be closed.
    fn take_idle(&self, backend: &Backend, look: bool) -> Option<Box<Connection>> {
        let mut kept = self.idle.borrow_mut();
        let idle = kept.get_mut(backend.number - 1)?;
        std::iter::from_fn(|| idle.pop()).find_map(|Idle { mut connection, until, there, .. }| {
            there.taken.one();
            let is_good = connection.is_quiet()
                && (!look || connection.is_quiet_by_now())
                && connection.leads_to(backend)
                && until.is_none_or(|until| clock::now() < until);
            is_good.then_some(connection)
        })
    }

    /// Connects, but gives up when the backend is found to be down meanwhile: if a host dies during a
    /// connection attempt, the kernel tries again only after a second.
    async fn connect(
        &self,
        backend: &Arc<Backend>,
        Wanted { connect_timeout, deadline, .. }: Wanted,
        deadlines: &Deadlines,
    ) -> Result<Box<Connection>, Failure> {
        let until = || (Instant::now() + connect_timeout).min(deadline).into();
        let in_time = |interrupt| match interrupt {
            Interrupt::Deadline => Failure::ConnectTimeout,
            Interrupt::State => Failure::WentDown,
        };
        let unless = Some((backend, Unless::Down));
        let place = self.place(until, deadlines).await?;
        if backend.own.resolved.is_empty() {
            let until = until();
            let looking_up = Box::pin(self.resolver.resolve(backend));
            deadlines.wait(looking_up, || until, unless).await.map_err(in_time)??;
        }
        // Read before the addresses: see there.
        let generation = backend.own.resolved.generation();
        let (addresses, until) = (backend.own.resolved.addresses(), until());
        let connecting = Box::pin(async {
            match connect_to_any(&addresses, connect_timeout).await {
                // The descriptors are used up by something else: the idle connections are closed before the
                // request fails.
                Err(Failure::OutOfResources) if self.close_idle(usize::MAX) > 0 => {
                    connect_to_any(&addresses, connect_timeout).await
                }
                connected => connected,
            }
        });
        let stream =
            deadlines.wait(connecting, || until, unless).await.map_err(in_time).and_then(|outcome| outcome);
        if stream.is_err() {
            // The name may lead to other addresses by now.
            self.resolver.refresh(backend);
        }
        Ok(Connection::new(stream?, generation, self.metrics.meter(self.metrics.at(backend)), place))
    }

    /// A place for one more connection. If none is free, an idle connection is closed for it. Only a request
    /// that waits for a place needs to know `until` when, so only this request reads the clock.
    async fn place(
        &self,
        until: impl FnOnce() -> tokio::time::Instant,
        deadlines: &Deadlines,
    ) -> Result<Place, Failure> {
        match self.places().try_take() {
            Some(place) => Ok(place),
            None => Box::pin(self.wait_for_place(until(), deadlines)).await,
        }
    }

    async fn wait_for_place(
        &self,
        until: tokio::time::Instant,
        deadlines: &Deadlines,
    ) -> Result<Place, Failure> {
        self.close_idle(1);
        if let Some(place) = self.places().try_take() {
            return Ok(place);
        }
        let waiting = pin!(self.places().take());
        let place = deadlines.wait(waiting, || until, None).await;
        place.ok().flatten().ok_or(Failure::OutOfResources)
    }

    /// Closes up to `wanted` idle connections of this worker, those first that have been idle for longest;
    /// returns their number.
    pub(crate) fn close_idle(&self, wanted: usize) -> usize {
        (0..wanted).take_while(|_| self.close_oldest_idle()).count()
    }

    fn close_oldest_idle(&self) -> bool {
        let mut kept = self.idle.borrow_mut();
        // In each list, the first has been idle for longest.
        let oldest = kept.iter_mut().filter(|idle| !idle.is_empty()).min_by_key(|idle| idle[0].since);
        let Some(idle) = oldest else { return false };
        idle.remove(0).there.taken.one();
        true
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::observe::Observer;
    use crate::proxy::settings::Statistics;

    #[tokio::test]
    async fn only_a_request_that_waits_for_a_place_reads_the_clock() {
        let metrics = WorkerMetrics::new(Arc::new(Observer::new(false)), 1, Statistics::Full);
        let pool = ConnectionPool::new(Rc::new(metrics), Arc::new(Queues::new(1)));
        let (deadlines, read) = (Deadlines::default(), Cell::new(0));
        let until = || {
            read.set(read.get() + 1);
            tokio::time::Instant::now() + Duration::from_millis(1)
        };
        let place = pool.place(until, &deadlines).await;
        assert_eq!((place.is_ok(), read.get()), (true, 0), "a place is free");
        let refused = tokio::select! {
            place = pool.place(until, &deadlines) => place.err(),
            never = deadlines.run() => never,
        };
        assert_eq!((refused, read.get()), (Some(Failure::OutOfResources), 1), "no place is free");
    }
}
