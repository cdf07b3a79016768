//! The plan of a live run: what is started, what is sent, and what breaks when. Pure.

use std::net::SocketAddr;
use std::time::Duration;

use lab::load::{Arrivals, Backoff, Call, Keys, Load, Retries, RetryBudget, Sizes, Think};
use lab::stream::Shape;
use serde_json::Value;
use toml::Table;

use super::capacity::{capacity, fixed_faults};
use super::form::{ArrivalForm, BalancerForm, ClientForm, ServerForm, SetupForm, SizeForm, Time};
use super::names::KEY_HEADER;
use super::script::{Step, script};
use super::settings::settings;

/// The connections of an open loop.
const CONNECTIONS: usize = 512;

/// The bytes of the body of a POST.
const BODY: usize = 32;

/// The longest live run.
const LONGEST: Duration = Duration::from_secs(60);

/// The end of a live run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// After the answers to this number of requests.
    Requests(u64),
    /// At this time after the first request.
    Time(Duration),
}

impl End {
    /// The length of a run that ends at a time.
    pub(super) fn time(self) -> Option<Duration> {
        match self {
            Self::Time(time) => Some(time),
            Self::Requests(_) => None,
        }
    }
}

/// The plan of a live run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) seed: u64,
    policy: String,
    /// Settings that only our balancer has, if the run needs some.
    needs: Vec<String>,
    /// The settings of the balancer, TOML.
    pub(super) settings: String,
    /// The capacity of each backend.
    pub(super) capacities: Vec<Value>,
    pub(super) weights: Vec<u32>,
    /// The mode of each backend at the beginning, if it is not `ready`.
    pub(super) modes: Vec<Option<String>>,
    /// The tunnels that are open beside the requests.
    pub(super) tunnels: usize,
    /// What is wrong before the first request, with the number of the backend.
    pub(super) faults: Vec<(usize, Value)>,
    /// What happens while requests run, in the order of its times.
    pub(super) script: Vec<(Duration, Step)>,
    pub(super) end: End,
    shape: Shape,
    arrivals: Arrivals,
    call: Call,
    think: Think,
    patience: Option<Duration>,
    retries: Option<Retries>,
}

impl Plan {
    /// Reads a setup for a run under this policy.
    ///
    /// # Errors
    /// What cannot run live, and what to write instead.
    pub(crate) fn read(setup: Table, policy: &str) -> Result<Self, String> {
        let form: SetupForm = setup.try_into().map_err(|error: toml::de::Error| error.to_string())?;
        let backends: usize = form.servers.iter().map(|server| server.count).sum();
        if !(1..=16).contains(&backends) {
            return Err(format!("{backends} servers: write 1 to 16 for a live run"));
        }
        let end = match (form.requests, form.time) {
            (Some(requests), None) => End::Requests(requests),
            (None, Some(Time(time))) if time <= LONGEST => End::Time(time),
            (None, Some(Time(time))) => {
                return Err(format!("time = {time:?}: write at most {LONGEST:?} for a live run"));
            }
            _ => return Err("write either requests or time".to_owned()),
        };
        let (shape, arrivals, think) = pace(&form.arrivals)?;
        if let End::Requests(requests) = end
            && shape.is_open
            && requests as f64 > shape.rate * LONGEST.as_secs_f64()
        {
            return Err(format!(
                "{requests} requests at {} a second take longer than {LONGEST:?}; write fewer",
                shape.rate
            ));
        }
        let (work, sizes) = work(form.service)?;
        let each = form.servers.iter().flat_map(|server| std::iter::repeat_n(server, server.count));
        let mut capacities: Vec<Value> = each.clone().map(|server| capacity(server, work)).collect();
        let (mut faults, mut weights, mut modes) = (Vec::new(), Vec::new(), Vec::new());
        for (server, number) in each.zip(1..) {
            weights.push(server.weight.unwrap_or(1));
            modes.push(server.mode.clone());
            faults.extend(fixed_faults(server).into_iter().map(|fault| (number, fault)));
        }
        let calls = if sizes.is_some() { "/busy*" } else { "/" };
        let script = script(&form.fault, calls, &mut capacities, &mut faults)?;
        Ok(Self {
            seed: form.seed,
            policy: policy.to_owned(),
            needs: needs(&form),
            settings: settings(&form.balancer, form.clients.keys.is_some(), form.lb, policy)?,
            capacities,
            weights,
            modes,
            tunnels: form.clients.tunnels,
            faults,
            script,
            end,
            shape,
            arrivals,
            call: call(&form.clients, sizes),
            think,
            patience: form.clients.patience.map(|time| time.0),
            retries: retries(&form.clients),
        })
    }

    /// The seed of its setup.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The name of its policy.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// The number of backends.
    pub fn backends(&self) -> usize {
        self.capacities.len()
    }

    /// Why another balancer cannot run this, if its policy has this name; `None` if it can.
    pub fn obstacle(&self, policy: &str, backends: usize) -> Option<String> {
        if self.policy != policy {
            return Some(format!("it needs the policy {}", self.policy));
        }
        if self.backends() != backends {
            return Some(format!("it needs {} backends", self.backends()));
        }
        self.needs.first().map(|what| format!("it needs the setting {what} of our balancer"))
    }

    /// How long the run takes, as far as that is known before.
    pub fn length(&self) -> Option<Duration> {
        match self.end {
            End::Time(time) => Some(time),
            End::Requests(requests) if self.shape.is_open => {
                Some(Duration::from_secs_f64(requests as f64 / self.shape.rate))
            }
            End::Requests(_) => None,
        }
    }

    /// The load on the balancer at this address.
    pub(super) fn load(&self, balancer: SocketAddr, seed: u64) -> (Load, Shape) {
        let load = match self.shape.is_open {
            true => Load::open(balancer).arrivals(self.arrivals.clone()).connections(CONNECTIONS),
            false => Load::closed(balancer, self.shape.clients).think(self.think),
        };
        let mut load = load.call(self.call.clone().rate(self.shape.rate.max(1.0))).seed(seed);
        if let Some(patience) = self.patience {
            load = load.patience(patience);
        }
        if let Some(retries) = self.retries {
            load = load.retries(retries);
        }
        if let End::Requests(requests) = self.end {
            load = load.requests(requests);
        }
        (load, self.shape)
    }
}

/// The settings of our balancer that another balancer may not have. How it checks its backends is its own
/// choice.
fn needs(form: &SetupForm) -> Vec<String> {
    let BalancerForm { slow_start, panic_threshold, load_factor, ejection_time, retries, attempts, .. } =
        &form.balancer;
    let BalancerForm { retry_on_errors, budget_percent, max_in_flight, response_timeout, ping, .. } =
        &form.balancer;
    let has_outliers = form.balancer.outlier_errors.is_some_and(|errors| errors > 0);
    let of_server = |has: &dyn Fn(&ServerForm) -> bool| form.servers.iter().any(has);
    let all = [
        ("slow_start", slow_start.is_some()),
        ("panic_threshold", panic_threshold.is_some()),
        ("load_factor", load_factor.is_some()),
        ("remembered_keys", form.balancer.remembered_keys.is_some()),
        ("affinity_gap", form.balancer.affinity_gap.is_some()),
        ("ejection_time", ejection_time.is_some() || has_outliers),
        ("retries", retries.is_some() || attempts.is_some()),
        ("retry_on_errors", retry_on_errors.is_some() || budget_percent.is_some()),
        ("max_in_flight", max_in_flight.is_some()),
        ("response_timeout", response_timeout.is_some()),
        ("ping", ping.is_some()),
        ("weight", of_server(&|server| server.weight.is_some_and(|weight| weight != 1))),
        ("mode", of_server(&|server| server.mode.is_some())),
        ("hash_by", form.clients.keys.is_some()),
    ];
    let own = all.into_iter().filter(|(_, is_needed)| *is_needed).map(|(name, _)| name.to_owned());
    own.chain(form.lb.keys().cloned()).collect()
}

/// The kind of loop, its arrivals, and the pauses of its clients.
fn pace(form: &ArrivalForm) -> Result<(Shape, Arrivals, Think), String> {
    let open = |rate| Shape { is_open: true, rate, clients: 1 };
    let none = Think::Fixed(Duration::ZERO);
    match (form.even, form.poisson, form.clients) {
        (Some(rate), None, None) => Ok((open(rate), Arrivals::Even, none)),
        (None, Some(rate), None) => Ok((open(rate), Arrivals::Poisson, none)),
        (None, None, Some(clients)) => {
            let think = match form.think {
                None => none,
                Some(SizeForm { fixed: Some(Time(time)), .. }) => Think::Fixed(time),
                Some(SizeForm { exp: Some(Time(mean)), .. }) => Think::Exponential(mean),
                Some(_) => {
                    return Err("think: write { fixed = .. } or { exp = .. } for a live run".to_owned());
                }
            };
            Ok((Shape { is_open: false, rate: 0.0, clients }, Arrivals::Even, think))
        }
        _ => Err("arrivals: write one of even, poisson and clients for a live run".to_owned()),
    }
}

/// The work of a request: the same for all, which a backend knows, or the law of sizes that requests carry.
fn work(law: SizeForm) -> Result<(Time, Option<Sizes>), String> {
    match law.fixed {
        Some(time) => Ok((time, None)),
        None => Ok((Time(Duration::ZERO), Some(sizes(law)?))),
    }
}

/// The law of the sizes.
fn sizes(law: SizeForm) -> Result<Sizes, String> {
    match law {
        SizeForm { exp: Some(mean), .. } => Ok(Sizes::Exponential(mean.0)),
        SizeForm { lognormal: Some(law), .. } => Ok(Sizes::Lognormal { p50: law.p50.0, p99: law.p99.0 }),
        SizeForm { bimodal: Some(law), .. } => {
            Ok(Sizes::Bimodal { usual: law.short.0, other: law.long.0, share: law.share })
        }
        SizeForm { uniform: Some(law), .. } => Ok(Sizes::Uniform { least: law.from.0, most: law.to.0 }),
        _ => Err("service: write one law, such as { fixed = \"20ms\" }".to_owned()),
    }
}

/// The requests. A size is in the path, so that a balancer and a backend in any language see it.
fn call(form: &ClientForm, sizes: Option<Sizes>) -> Call {
    let path = if sizes.is_some() { "/busy/{size}" } else { "/" };
    let mut call = if form.idempotent == Some(false) { Call::post(path, BODY) } else { Call::get(path) };
    if let Some(sizes) = sizes {
        call = call.sizes(sizes);
    }
    match (form.keys, form.hot_share) {
        (None, _) => call,
        (Some(keys), None) => call.keys(Keys::Uniform { keys }).header_from_key(KEY_HEADER),
        (Some(keys), Some(share)) => call.keys(Keys::Hot { keys, share }).header_from_key(KEY_HEADER),
    }
}

fn retries(form: &ClientForm) -> Option<Retries> {
    if form.retries == 0 {
        return None;
    }
    let backoff = match (form.backoff, form.jitter) {
        (None, _) => Backoff::None,
        (Some(Time(time)), false) => Backoff::Fixed(time),
        (Some(Time(first)), true) => Backoff::Exponential { first, most: first * 16 },
    };
    let budget = form.budget_percent.map(|percent| RetryBudget {
        share: f64::from(percent) / 100.0,
        floor: f64::from(form.budget_per_second.unwrap_or(0)),
    });
    Some(Retries { backoff, budget, ..Retries::most(form.retries) })
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
