//! The keys of a setup that runs live, as the TOML parser reads them: those of a scenario of the simulator,
//! and `lb` for settings that only a real balancer has.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

/// A setup.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetupForm {
    #[serde(default)]
    pub(super) seed: u64,
    pub(super) requests: Option<u64>,
    pub(super) time: Option<Time>,
    pub(super) servers: Vec<ServerForm>,
    #[serde(default)]
    pub(super) balancer: BalancerForm,
    pub(super) arrivals: ArrivalForm,
    pub(super) service: SizeForm,
    #[serde(default)]
    pub(super) clients: ClientForm,
    #[serde(default)]
    pub(super) fault: Vec<FaultForm>,
    /// Settings of the balancer that the simulator does not have, as in `lb.example.toml`.
    #[serde(default)]
    pub(super) lb: Table,
}

/// A length of time, such as `"50ms"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let time = value.as_str().and_then(|text| humantime::parse_duration(text).ok());
        time.map(Self).ok_or_else(|| {
            D::Error::custom(format!("{value} is no time; write a number with a unit, such as \"50ms\""))
        })
    }
}

impl Time {
    /// As the balancer and the backends read it.
    pub(super) fn words(self) -> String {
        format!("{}us", self.0.as_micros())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerForm {
    pub(super) count: usize,
    pub(super) workers: Option<Value>,
    pub(super) queue: Option<Value>,
    pub(super) discipline: Option<String>,
    pub(super) on_disconnect: Option<String>,
    pub(super) weight: Option<u32>,
    pub(super) cache: Option<CacheForm>,
    pub(super) pings: Option<String>,
    /// Whether the answers report the load of the server.
    #[serde(default)]
    pub(super) report: bool,
    /// The factor of a report that is not true.
    pub(super) lie: Option<f64>,
    /// The mode at the beginning, such as `maintenance`; only live.
    pub(super) mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CacheForm {
    pub(super) keys: u64,
    pub(super) hit: Time,
    pub(super) miss: Time,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BalancerForm {
    pub(super) checks: Option<bool>,
    pub(super) ping: Option<String>,
    pub(super) ping_interval: Option<Time>,
    pub(super) ping_timeout: Option<Time>,
    pub(super) rise: Option<u32>,
    pub(super) fall: Option<u32>,
    pub(super) silence: Option<Time>,
    pub(super) slow_start: Option<Time>,
    pub(super) subset: Option<u32>,
    pub(super) teaching: Option<bool>,
    pub(super) load_view_delay: Option<Time>,
    /// A live balancer explains in any case.
    #[serde(rename = "explain")]
    _explain: Option<bool>,
    pub(super) panic_threshold: Option<u32>,
    pub(super) load_factor: Option<u32>,
    pub(super) remembered_keys: Option<u32>,
    pub(super) affinity_gap: Option<u32>,
    pub(super) outlier_errors: Option<u32>,
    pub(super) ejection_time: Option<Time>,
    pub(super) retries: Option<u32>,
    pub(super) retry_delay: Option<Time>,
    pub(super) attempts: Option<u32>,
    pub(super) retry_on_errors: Option<bool>,
    pub(super) budget_percent: Option<u32>,
    pub(super) budget_per_second: Option<u32>,
    pub(super) response_timeout: Option<Time>,
    pub(super) max_in_flight: Option<u32>,
    pub(super) queue: Option<u32>,
    pub(super) queue_timeout: Option<Time>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArrivalForm {
    pub(super) even: Option<f64>,
    pub(super) poisson: Option<f64>,
    pub(super) clients: Option<usize>,
    pub(super) think: Option<SizeForm>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SizeForm {
    pub(super) fixed: Option<Time>,
    pub(super) exp: Option<Time>,
    pub(super) lognormal: Option<LognormalForm>,
    pub(super) bimodal: Option<BimodalForm>,
    pub(super) uniform: Option<UniformForm>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LognormalForm {
    pub(super) p50: Time,
    pub(super) p99: Time,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BimodalForm {
    pub(super) short: Time,
    pub(super) long: Time,
    pub(super) share: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UniformForm {
    pub(super) from: Time,
    pub(super) to: Time,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientForm {
    pub(super) patience: Option<Time>,
    #[serde(default)]
    pub(super) retries: u32,
    pub(super) backoff: Option<Time>,
    #[serde(default)]
    pub(super) jitter: bool,
    pub(super) budget_percent: Option<u32>,
    pub(super) budget_per_second: Option<u32>,
    pub(super) keys: Option<u64>,
    pub(super) hot_share: Option<f64>,
    pub(super) idempotent: Option<bool>,
    /// Tunnels that are open beside the requests; only live.
    #[serde(default)]
    pub(super) tunnels: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultForm {
    pub(super) at: Time,
    pub(super) kind: FaultKind,
    pub(super) backend: usize,
    pub(super) lasts: Option<Time>,
    pub(super) times: Option<f64>,
    pub(super) code: Option<u16>,
    pub(super) percent: Option<f64>,
    pub(super) takes: Option<Time>,
    pub(super) adds: Option<Time>,
    pub(super) from: Option<f64>,
    pub(super) over: Option<Time>,
    /// For `term`: `immediate` or `drain`.
    pub(super) how: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FaultKind {
    Kill,
    Start,
    Stop,
    Continue,
    Slow,
    Latency,
    Status,
    Cold,
    Pings,
    /// SIGTERM; only live.
    Term,
    /// The balancer sends no new requests to the backend; only live.
    Drain,
    /// The balancer sends requests to the backend again; only live.
    Ready,
}
