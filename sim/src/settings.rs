//! The description of a simulation: what a run needs to know.

use std::time::Duration;

use balance::Rules;
use balance::policy::Kind;
use balance::verdict::Limits;

use crate::arrivals::Arrivals;
use crate::balancer::{Balancing, Pings, Places};
use crate::client::Clients;
use crate::faults::Fault;
use crate::server::Server;
use crate::service::Service;

/// A simulation: servers, balancers, clients, and what breaks when. The same description gives the same
/// results, bit by bit.
#[derive(Debug, Clone)]
pub struct Sim {
    pub(crate) seed: u64,
    pub(crate) servers: Vec<Server>,
    pub(crate) balancing: Balancing,
    pub(crate) arrivals: Arrivals,
    pub(crate) service: Service,
    pub(crate) path: Service,
    pub(crate) clients: Clients,
    pub(crate) script: Vec<(Duration, Fault)>,
    pub(crate) warm_up: u64,
    pub(crate) keeps: bool,
    pub(crate) records: bool,
    pub(crate) ticks: bool,
    pub(crate) explains: bool,
    /// The largest number of events.
    pub(crate) most_events: u64,
}

/// When does a run end?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// When so many calls have arrived and ended. A run in which nothing can happen any more ends too.
    Requests(u64),
    /// After this time. Calls on their way count as unfinished.
    Time(Duration),
}

impl Sim {
    /// A simulation without servers. The seed names all its random numbers.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            servers: Vec::new(),
            balancing: Balancing::default(),
            arrivals: Arrivals::Poisson(1.0),
            service: Service::Fixed(Duration::from_millis(1)),
            path: Service::Fixed(Duration::ZERO),
            clients: Clients::default(),
            script: Vec::new(),
            warm_up: 0,
            keeps: false,
            records: false,
            ticks: false,
            explains: false,
            most_events: u64::MAX,
        }
    }

    /// With so many more servers of this kind.
    #[must_use]
    pub fn servers(mut self, count: usize, server: Server) -> Self {
        self.servers.extend(std::iter::repeat_n(server, count));
        self
    }

    /// With these rules of the pool.
    #[must_use]
    pub fn balancer(mut self, rules: Rules) -> Self {
        self.balancing.rules = rules;
        self
    }

    /// With all these settings of the balancers.
    #[must_use]
    pub fn balancing(self, balancing: Balancing) -> Self {
        Self { balancing, ..self }
    }

    /// With this policy.
    #[must_use]
    pub fn policy(mut self, policy: Kind) -> Self {
        self.balancing.rules.policy = policy;
        self
    }

    /// With so many balancers in front of the same servers, at least one.
    #[must_use]
    pub fn balancers(mut self, balancers: u32) -> Self {
        self.balancing.balancers = balancers;
        self
    }

    /// With these limits for the tries of one request.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.balancing.limits = limits;
        self
    }

    /// With a limit of requests in flight at each backend.
    #[must_use]
    pub fn places(mut self, places: Places) -> Self {
        self.balancing.places = Some(places);
        self
    }

    /// With these pings, or with none.
    #[must_use]
    pub fn pings(mut self, pings: Option<Pings>) -> Self {
        self.balancing.pings = pings;
        self
    }

    /// Without pings and without looks at the traffic: only requests show what happens.
    #[must_use]
    pub fn without_checks(mut self) -> Self {
        (self.balancing.pings, self.balancing.looks) = (None, false);
        self
    }

    /// With these arrivals.
    #[must_use]
    pub fn arrivals(self, arrivals: Arrivals) -> Self {
        Self { arrivals, ..self }
    }

    /// With this work of a request.
    #[must_use]
    pub fn service(self, service: Service) -> Self {
        Self { service, ..self }
    }

    /// With this time of each request on the way, beside waits and service: the network, the balancer, and
    /// the wake-up of the server. It is zero by default. All of it comes after the service, and the balancer
    /// counts the request as in flight.
    #[must_use]
    pub fn path(self, path: Service) -> Self {
        Self { path, ..self }
    }

    /// With these clients.
    #[must_use]
    pub fn clients(self, clients: Clients) -> Self {
        Self { clients, ..self }
    }

    /// With this fault at this time. A fault of a backend that does not exist does nothing.
    #[must_use]
    pub fn at(mut self, time: Duration, fault: Fault) -> Self {
        self.script.push((time, fault));
        self
    }

    /// Without the first calls in the figures.
    #[must_use]
    pub fn warm_up(self, calls: u64) -> Self {
        Self { warm_up: calls, ..self }
    }

    /// With all latencies in the report, 8 bytes each.
    #[must_use]
    pub fn keep_latencies(self) -> Self {
        Self { keeps: true, ..self }
    }

    /// With the state of the run 4 times a second in the report.
    #[must_use]
    pub fn ticks(self) -> Self {
        Self { ticks: true, ..self }
    }

    /// With what the picks show together in the report.
    #[must_use]
    pub fn explain(self) -> Self {
        Self { explains: true, ..self }
    }

    /// With a bound: a run with more events ends early, and so does one of more than 10 years.
    /// [`Report::is_cut`](crate::Report::is_cut) says so.
    #[must_use]
    pub fn bounded(self, events: u64) -> Self {
        Self { most_events: events, ..self }
    }
}
