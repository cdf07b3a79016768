//! The settings of the balancers, and one balancer while it runs: the pool of the crate `balance` with the
//! backends that it shares with the other balancers.

use std::sync::Arc;
use std::time::Duration;

use balance::member::Member;
use balance::verdict::Limits;
use balance::{Address, InFlight, Moment, Peer, Rules, ServerPool};

use crate::clock::{ms, s};
use crate::server::Server;

/// The settings of all balancers. The defaults are those of the program `lb`, but for the response timeout,
/// which is off: it would cost one event more for each request.
#[derive(Debug, Clone, PartialEq)]
pub struct Balancing {
    /// The number of balancers in front of the same servers. Each call goes to one of them at random.
    pub balancers: u32,
    /// The rules of the pool.
    pub rules: Rules,
    /// The tries of one request.
    pub limits: Limits,
    /// Whether a request goes to another backend after a status of 500 and above.
    pub retry_on_errors: bool,
    /// The longest time of a backend for an answer; `None` for no limit.
    pub response_timeout: Option<Duration>,
    /// The limit of requests in flight at each backend; `None` for no limit.
    pub places: Option<Places>,
    /// The pings; `None` for none.
    pub pings: Option<Pings>,
    /// Whether the balancers look at the traffic 20 times a second, to find silent backends, to ask backends
    /// whose requests failed, and to end ejections.
    pub looks: bool,
}

impl Default for Balancing {
    fn default() -> Self {
        Self {
            balancers: 1,
            rules: Rules::default(),
            limits: Limits { retries: 3, retry_delay: ms(10), attempts: 3 },
            retry_on_errors: false,
            response_timeout: None,
            places: None,
            pings: Some(Pings::default()),
            looks: true,
        }
    }
}

/// A limit of requests in flight, and the queue for those above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Requests in flight at a backend, for each balancer; at least 1.
    pub limit: u32,
    /// Requests that wait for a place at a backend.
    pub queue: u32,
    /// How long a request waits for a place.
    pub timeout: Duration,
}

impl Places {
    /// This limit, with the queue of the program `lb`.
    pub const fn new(limit: u32) -> Self {
        Self { limit, queue: 1024, timeout: s(5) }
    }
}

/// The pings of each backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pings {
    /// The time from the end of a ping to the next one, plus or minus a tenth.
    pub interval: Duration,
    /// How long a backend may take for an answer.
    pub timeout: Duration,
    /// Whether a ping is an HTTP request. Otherwise it only connects.
    pub http: bool,
}

impl Default for Pings {
    /// A connection once a second.
    fn default() -> Self {
        Self { interval: s(1), timeout: ms(500), http: false }
    }
}

/// The time between two checks of the traffic, as in the program `lb`.
pub(crate) const TRAFFIC_CHECK: Duration = ms(50);

/// How long a backend may take to answer a question, as in the program `lb`, unless the rules say longer.
const QUESTION: Duration = s(2);

/// A balancer while it runs.
#[derive(Debug)]
pub(crate) struct Balancer {
    pub(crate) pool: ServerPool,
    /// By number, minus one.
    pub(crate) peers: Vec<Arc<Peer>>,
    /// Requests that stay in flight for the whole run.
    _held: Vec<InFlight<Peer>>,
}

impl Balancer {
    /// A balancer that has just started.
    pub(crate) fn new(settings: &Balancing, servers: &[Server]) -> Self {
        let limit = settings.places.map(|places| places.limit.max(1));
        let member = |(index, server): (usize, &Server)| {
            let invented = || Address {
                host: format!("10.{}.{}.{}", index >> 16, (index >> 8) & 255, index & 255),
                port: 80,
            };
            let address = server.address.clone().unwrap_or_else(invented);
            Member { weight: server.weight, limit, ..Member::new(address) }
        };
        let members = servers.iter().enumerate().map(member).collect();
        let pool = ServerPool::new(members, settings.rules, |_, _| (), Moment::START);
        let peers = pool.backends();
        let held = peers
            .iter()
            .zip(servers)
            .flat_map(|(peer, server)| (0..server.held).map(|_| InFlight::new(Arc::clone(peer))));
        let held = held.collect();
        Self { pool, peers, _held: held }
    }

    /// How long a question may take: longer than the rule of silence waits before its judgement.
    pub(crate) fn question_timeout(&self, pings: Option<Pings>) -> Duration {
        let ping = pings.map_or(Duration::ZERO, |pings| pings.timeout);
        QUESTION.max(ping).max(self.pool.rules().silence.at_least * 4)
    }
}
