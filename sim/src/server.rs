//! The settings of a simulated server.

use std::time::Duration;

use balance::Address;

/// A server: its workers, its queue, and what it does with requests that have waited too long.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    pub(crate) workers: u32,
    pub(crate) queue: Queue,
    pub(crate) discipline: Discipline,
    pub(crate) on_disconnect: OnDisconnect,
    pub(crate) cache: Option<Cache>,
    pub(crate) report: Option<f64>,
    pub(crate) probes: Probes,
    pub(crate) collections: Option<Collections>,
    pub(crate) weight: u32,
    pub(crate) held: u32,
    pub(crate) address: Option<Address>,
}

impl Server {
    /// A server that serves this many requests at a time, at least one, with a queue without a bound in which
    /// the first comes first.
    pub fn workers(workers: u32) -> Self {
        Self {
            workers: workers.max(1),
            queue: Queue::Unbounded,
            discipline: Discipline::Fifo,
            on_disconnect: OnDisconnect::Cancel,
            cache: None,
            report: None,
            probes: Probes::Answered,
            collections: None,
            weight: 1,
            held: 0,
            address: None,
        }
    }

    /// A server that serves all requests at once.
    pub fn unlimited() -> Self {
        Self::workers(u32::MAX)
    }

    /// With this queue.
    #[must_use]
    pub fn queue(self, queue: Queue) -> Self {
        Self { queue, ..self }
    }

    /// With this order of service.
    #[must_use]
    pub fn discipline(self, discipline: Discipline) -> Self {
        Self { discipline, ..self }
    }

    /// With this reaction to clients that have left.
    #[must_use]
    pub fn on_disconnect(self, on_disconnect: OnDisconnect) -> Self {
        Self { on_disconnect, ..self }
    }

    /// With a cache.
    #[must_use]
    pub fn cache(self, cache: Cache) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// With a report of its load in each answer, in which the utilisation is multiplied by this: 1 for the
    /// truth.
    #[must_use]
    pub fn reports(self, lie: f64) -> Self {
        Self { report: Some(lie), ..self }
    }

    /// With these answers to pings.
    #[must_use]
    pub fn probes(self, probes: Probes) -> Self {
        Self { probes, ..self }
    }

    /// With pauses of the whole process.
    #[must_use]
    pub fn collections(self, collections: Collections) -> Self {
        Self { collections: Some(collections), ..self }
    }

    /// With this weight at the balancers: 0 to [`balance::member::Member::MAX_WEIGHT`].
    #[must_use]
    pub fn weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    /// With so many requests in flight from each balancer for the whole run. They need no worker.
    #[must_use]
    pub fn held(self, held: u32) -> Self {
        Self { held, ..self }
    }

    /// With this address, so that policies that hash addresses place it where a balancer does. By default,
    /// each server has an invented address.
    #[must_use]
    pub fn address(self, address: Address) -> Self {
        Self { address: Some(address), ..self }
    }
}

/// The queue for requests that find all workers busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Every request waits.
    Unbounded,
    /// So many requests wait at a time. The server answers 503 to any further one.
    Bound(u32),
}

/// Which of the waiting requests comes next?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discipline {
    /// The one that came first.
    Fifo,
    /// The one that came last.
    Lifo,
    /// The one that came first, without those whose client has given up. The server learns the client's limit
    /// from the request, as gRPC's deadline.
    DropExpired,
    /// The one that came first, without those that cannot end before their client gives up.
    DropHopeless,
    /// A mistake of simulators, for counter-cases: a request that finds all workers busy is served at once,
    /// and the rest of the work of an earlier one is forgotten.
    ForgetRest,
}

/// What a server does with the request of a client that has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It finishes the request for no client. Most application servers do.
    Continue,
    /// It drops the request.
    Cancel,
}

/// A cache of the keys that were used last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cache {
    /// The number of keys.
    pub keys: usize,
    /// The work of a request whose key is in the cache.
    pub hit: Duration,
    /// The work of a request whose key is not, or that has no key.
    pub miss: Duration,
}

/// How a running server answers pings that are HTTP requests. They need no worker. It accepts the connections
/// of other pings, and answers questions at once, because any answer to a question will do.
#[derive(Debug, Clone, PartialEq)]
pub enum Probes {
    /// At once.
    Answered,
    /// By turns: `true` for an answer, `false` for a failure. After the last one, from the beginning.
    Pattern(Vec<bool>),
    /// Each fails with this probability, from 0 to 1.
    Failing(f64),
}

/// Pauses in which a server serves nothing, as when memory is collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collections {
    /// From the beginning of one pause to the beginning of the next.
    pub every: Duration,
    /// The length of a pause.
    pub lasts: Duration,
}
