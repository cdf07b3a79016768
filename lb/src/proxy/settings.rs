//! Which settings hold for a request? Those that are valid when it comes, from its first try to its last.
//!
//! Settings can change while the balancer serves. Every worker has its own copy, so that reading them uses no
//! memory that other workers write; a check of one pointer tells whether there are newer ones.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::str::FromStr;
use std::sync::Arc;

use std::time::Duration;

use arc_swap::{ArcSwap, Cache};
use balance::names;
use balance::verdict::Limits;
use http::StatusCode;
use ipnet::IpNet;
use strum::{Display, IntoStaticStr, VariantArray};

use super::message::key;
use super::message::sticky;
use super::message::via::Mark;

/// The settings of the path of a request.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where hashing policies find the key of a request.
    pub(crate) key: key::Source,
    /// Time without an answer after which a second backend gets the request too; `None` for never.
    pub(crate) hedge_after: Option<Duration>,
    /// Name of the cookie that sends clients back to their backend; `None` for no cookie.
    pub(crate) sticky_cookie: Option<String>,
    /// The attributes of that cookie.
    pub(crate) sticky_attributes: sticky::Attributes,
    /// Whether a client may ask, with `x-lb-explain: 1`, for the decisions about its request.
    pub(crate) explain: bool,
    /// Name of the balancer in `Via` and `Proxy-Status`: a token of RFC 9110, section 5.6.2.
    pub(crate) name: String,
    /// Whether to add the name to `Via`; otherwise it is in `CDN-Loop`, so that the balancer detects requests
    /// that come back.
    pub(crate) via: bool,
    /// Trusted proxies in front of the balancer, whose `X-Forwarded` headers are believed.
    pub(crate) trusted: Vec<IpNet>,
    /// Retries of the same backend.
    pub(crate) retries: u32,
    /// Pause before a retry.
    pub(crate) retry_delay: Duration,
    /// Limit of backends that a request is sent to; at least 1.
    pub(crate) attempts: u32,
    /// Statuses from 400 to 599 after which the request goes to another backend; usually none.
    pub(crate) retry_on: Vec<StatusCode>,
    /// Time limit from the arrival of a request to the head of its answer, for all tries together.
    pub(crate) total_timeout: Duration,
    /// Time limit to connect to a backend.
    pub(crate) connect_timeout: Duration,
    /// Time limit from the end of a request to the head of its answer.
    pub(crate) response_timeout: Duration,
    /// How long a client may keep an idle connection open.
    pub(crate) idle_timeout: Duration,
    /// How long an idle connection to a backend is kept.
    pub(crate) backend_idle: Duration,
    /// Time limit from the first byte of a request to the end of its head.
    pub(crate) head_timeout: Duration,
    /// How long no byte of a body may move, to a backend or to a client.
    pub(crate) stall_timeout: Duration,
    /// Bytes per second that a client must send of a request's body; `None` for no limit.
    pub(crate) min_upload_rate: Option<u64>,
    /// Whether a client that closes its side of the connection counts as gone, so that its request ends.
    pub(crate) abort_on_close: bool,
    /// How long both sides of a tunnel may send nothing.
    pub(crate) tunnel_timeout: Duration,
    /// How long an idle connection stays open when draining begins.
    pub(crate) drain_idle: Duration,
    /// How requests wait for a backend at its limit.
    pub(crate) queue: QueueRule,
    /// Limit for the size of a request's body that the balancer holds so that it can send it again.
    pub(crate) replay_limit: usize,
    /// Limit for the size of a request's body.
    pub(crate) max_body: u64,
    /// Whether to show the query of targets and of referring pages in logs, events and explanations.
    pub(crate) log_query: bool,
    /// Whether to give each request an `X-Request-ID`, unless a trusted proxy has given it one.
    pub(crate) request_id: bool,
    /// What `GET /metrics` counts.
    pub(crate) statistics: Statistics,
    /// The time after which a client may try again if no backend is left: a backend that recovers now is used
    /// by then.
    pub(crate) recovery: Duration,
}

/// The rule for requests that wait for a backend that has reached its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueRule {
    /// The number of requests that may wait; more are refused.
    pub(crate) max_waiting: usize,
    /// The time that each of them may wait.
    pub(crate) timeout: Duration,
}

/// The extent of the statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Statistics {
    /// Everything.
    #[default]
    Full,
    /// Everything except bytes and durations of requests.
    Basic,
}

impl FromStr for Statistics {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        names::parse(text, "not known")
    }
}

/// The settings of one worker.
#[derive(Debug)]
pub(crate) struct WorkerSettings {
    mine: RefCell<Mine>,
}

#[derive(Debug)]
struct Mine {
    latest: Cache<Arc<ArcSwap<Settings>>, Arc<Settings>>,
    in_force: Rc<InForce>,
}

/// Settings, and values that are derived from them.
#[derive(Debug)]
pub(crate) struct InForce {
    settings: Arc<Settings>,
    /// The mark that this balancer adds to requests.
    pub(crate) via: Mark,
    /// The limits for the tries of a request.
    pub(crate) limits: Limits,
}

impl WorkerSettings {
    pub(crate) fn new(latest: Arc<ArcSwap<Settings>>) -> Self {
        let in_force = Rc::new(InForce::new(latest.load_full()));
        Self { mine: RefCell::new(Mine { latest: Cache::new(latest), in_force }) }
    }

    /// The settings for requests that come now.
    pub(crate) fn now(&self) -> Rc<InForce> {
        let Mine { latest, in_force } = &mut *self.mine.borrow_mut();
        let latest = latest.load();
        if !Arc::ptr_eq(latest, &in_force.settings) {
            *in_force = Rc::new(InForce::new(Arc::clone(latest)));
        }
        Rc::clone(in_force)
    }
}

impl InForce {
    fn new(settings: Arc<Settings>) -> Self {
        Self {
            via: Mark::new(&settings.name, settings.via),
            limits: Limits {
                retries: settings.retries,
                retry_delay: settings.retry_delay,
                attempts: settings.attempts,
            },
            settings,
        }
    }
}

impl Deref for InForce {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}
