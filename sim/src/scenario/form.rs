//! The form of a scenario: its tables and keys, as the TOML parser reads them.

use balance::member::Member;
use serde::Deserialize;
use toml::Spanned;

use super::values::{Bound, Count, Part, Percent, Policy, Positive, Rate, Time, TimeOrEver, Whole, Workers};

/// A scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    pub(super) title: String,
    pub(super) seed: Option<Count>,
    pub(super) requests: Option<Count>,
    pub(super) time: Option<Time>,
    pub(super) warm_up: Option<Spanned<Count>>,
    #[serde(default)]
    pub(super) policies: Vec<Spanned<Policy>>,
    #[serde(default)]
    pub(super) servers: Vec<Spanned<ServerForm>>,
    pub(super) balancer: Option<Spanned<BalancerForm>>,
    pub(super) arrivals: Spanned<ArrivalForm>,
    pub(super) service: Spanned<TimeForm>,
    pub(super) clients: Option<Spanned<ClientForm>>,
    #[serde(default)]
    pub(super) fault: Vec<Spanned<FaultForm>>,
}

/// Some equal servers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of servers, such as [[servers]] with count = 4")]
pub(super) struct ServerForm {
    pub(super) count: Whole<1, 100_000>,
    pub(super) workers: Option<Workers>,
    pub(super) queue: Option<Bound>,
    pub(super) discipline: Option<Order>,
    pub(super) on_disconnect: Option<Reaction>,
    pub(super) weight: Option<Whole<0, { Member::MAX_WEIGHT }>>,
    /// Requests in flight from each balancer for the whole run.
    pub(super) held: Option<Whole<0, 1_000_000>>,
    pub(super) cache: Option<CacheForm>,
    /// Whether the answers report the load of the server.
    #[serde(default)]
    pub(super) report: bool,
    /// The reported utilisation is multiplied by this.
    pub(super) lie: Option<Positive>,
    pub(super) collections: Option<CollectionForm>,
    /// The answers to HTTP pings by turns: `S` for success, `F` for failure.
    pub(super) pings: Option<String>,
}

/// The order of service.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Order {
    Fifo,
    Lifo,
    DropExpired,
    DropHopeless,
}

/// The reaction to a client that has left.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reaction {
    Continue,
    Cancel,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { keys = 100, hit = \"10ms\", miss = \"100ms\" }")]
pub(super) struct CacheForm {
    pub(super) keys: Count,
    pub(super) hit: Time,
    pub(super) miss: Time,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { every = \"10s\", lasts = \"200ms\" }")]
pub(super) struct CollectionForm {
    pub(super) every: Time,
    pub(super) lasts: Time,
}

/// The balancers. A key that is missing has the default of the program `lb`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "the table [balancer]")]
pub(super) struct BalancerForm {
    pub(super) count: Option<Whole<1, 1000>>,
    /// Whether there are pings and looks at the traffic.
    pub(super) checks: Option<bool>,
    pub(super) ping: Option<PingKind>,
    pub(super) ping_interval: Option<Time>,
    pub(super) ping_timeout: Option<Time>,
    pub(super) rise: Option<Whole<1, 1000>>,
    pub(super) fall: Option<Whole<1, 1000>>,
    pub(super) silence: Option<Time>,
    pub(super) slow_start: Option<Time>,
    pub(super) panic_threshold: Option<Whole<0, 100>>,
    pub(super) load_factor: Option<Whole<101, 10_000>>,
    pub(super) remembered_keys: Option<Whole<1, 1_000_000>>,
    pub(super) affinity_gap: Option<Whole<0, 1_000_000>>,
    pub(super) subset: Option<Whole<1, 100_000>>,
    /// Whether the subsets are fixed groups.
    pub(super) fixed_subsets: Option<bool>,
    /// Whether policies that are wrong on purpose may be used.
    #[serde(default)]
    pub(super) teaching: bool,
    pub(super) load_view_delay: Option<Time>,
    /// Whether the report tells what the picks show together.
    #[serde(default)]
    pub(super) explain: bool,
    pub(super) outlier_errors: Option<Whole<0, 1_000_000>>,
    pub(super) ejection_time: Option<Time>,
    pub(super) retries: Option<Whole<0, 100>>,
    pub(super) retry_delay: Option<Time>,
    pub(super) attempts: Option<Whole<1, 100>>,
    pub(super) retry_on_errors: Option<bool>,
    pub(super) budget_percent: Option<Whole<0, 1000>>,
    pub(super) budget_per_second: Option<Whole<0, 1_000_000>>,
    pub(super) response_timeout: Option<Time>,
    pub(super) max_in_flight: Option<Whole<1, 1_000_000>>,
    pub(super) queue: Option<Bound>,
    pub(super) queue_timeout: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PingKind {
    Tcp,
    Http,
    None,
}

/// The arrivals: one of these keys, and `think` beside `clients`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "the table [arrivals], with a key such as poisson = 10")]
pub(super) struct ArrivalForm {
    pub(super) even: Option<Positive>,
    pub(super) poisson: Option<Positive>,
    pub(super) steps: Option<Vec<StepForm>>,
    pub(super) clients: Option<Whole<1, 1_000_000>>,
    pub(super) think: Option<TimeForm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { at = \"0s\", rate = 10 }")]
pub(super) struct StepForm {
    pub(super) at: Time,
    pub(super) rate: Rate,
}

/// The law of a time: one of these keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { exp = \"50ms\" }")]
pub(super) struct TimeForm {
    pub(super) fixed: Option<Time>,
    pub(super) exp: Option<Time>,
    pub(super) lognormal: Option<LognormalForm>,
    pub(super) bimodal: Option<BimodalForm>,
    pub(super) uniform: Option<UniformForm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { p50 = \"20ms\", p99 = \"80ms\" }")]
pub(super) struct LognormalForm {
    pub(super) p50: Time,
    pub(super) p99: Time,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { short = \"10ms\", long = \"1s\", share = 0.05 }")]
pub(super) struct BimodalForm {
    pub(super) short: Time,
    pub(super) long: Time,
    pub(super) share: Part,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { from = \"20ms\", to = \"60ms\" }")]
pub(super) struct UniformForm {
    pub(super) from: Time,
    pub(super) to: Time,
}

/// The clients.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "the table [clients]")]
pub(super) struct ClientForm {
    pub(super) patience: Option<TimeOrEver>,
    pub(super) retries: Option<Whole<0, 1000>>,
    pub(super) backoff: Option<Time>,
    #[serde(default)]
    pub(super) jitter: bool,
    pub(super) budget_percent: Option<Whole<0, 1000>>,
    pub(super) budget_per_second: Option<Whole<0, 1_000_000>>,
    pub(super) keys: Option<Whole<1, { u32::MAX }>>,
    pub(super) hot_share: Option<Part>,
    #[serde(default)]
    pub(super) in_turn: bool,
    pub(super) idempotent: Option<bool>,
}

/// A fault. Which keys it needs depends on its kind.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table [[fault]], with at = \"10s\", kind = \"kill\" and backend = 1"
)]
pub(super) struct FaultForm {
    pub(super) at: Time,
    pub(super) kind: FaultKind,
    pub(super) backend: Count,
    pub(super) lasts: Option<TimeOrEver>,
    pub(super) times: Option<Positive>,
    pub(super) code: Option<Whole<200, 599>>,
    pub(super) percent: Option<Percent>,
    pub(super) takes: Option<Time>,
    pub(super) adds: Option<Time>,
    pub(super) from: Option<Part>,
    pub(super) over: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FaultKind {
    Kill,
    Leave,
    Start,
    Stop,
    Continue,
    Slow,
    Latency,
    Status,
    Cold,
    Pings,
}
