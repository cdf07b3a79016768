//! The configuration of the balancer: all settings with their defaults, from a file and from flags.
//!
//! The principle is to parse instead of to validate: written settings (`layer.rs`) become a [`Config`] in one
//! step, and a `Config` that exists is valid. All errors are reported at once, each with its place in the
//! file and what to write instead ([`problems`]).
//!
//! ```text
//! defaults ─┐
//! file ─────┼─► one layer ─► Config, or problems ─► figures, and warnings
//! flags ────┘
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use balance::health::Thresholds;
use balance::member::{Member, Mode};
use balance::policy::Kind;
use balance::{Rules, budget, outlier, silence};
use http::StatusCode;
use ipnet::IpNet;
use xxhash_rust::xxh3::xxh3_64;

use crate::log::{Level, LogFormat};
use crate::proxy::message::key;
use crate::proxy::message::sticky;
use crate::proxy::record::metrics::Statistics;
use crate::proxy::upstream::queue::{self, Limit};
use crate::shown::shown;

pub(crate) mod aliases;
mod backends;
mod beginning;
mod convert;
mod dialect;
mod file;
mod flags;
mod form;
pub(crate) mod json;
mod layer;
pub(crate) mod listen;
mod ping;
pub mod problems;
mod reader;
mod report;
mod rules;
mod schema;
pub(crate) mod settings;
mod text;
mod token;
mod warnings;

pub(crate) use backends::parse as read_address;
use file::File;
pub use flags::Flags;
pub(crate) use flags::ValueForm;
pub(crate) use form::as_switch;
use layer::Layer;
pub use ping::Ping;
use problems::{Found, Source, without_secrets};
pub use problems::{Problem, Problems};
pub use schema::schema;
use settings::SECTIONS;
pub use token::Token;

/// All settings of the balancer.
#[derive(Debug, Clone)]
pub struct Config {
    /// The backends, in the order of their numbers; at least one.
    pub backends: Vec<Member>,
    /// How a backend is picked.
    pub policy: Kind,
    /// Where hashing policies find the key of a request.
    pub key: key::Source,
    /// Limit for the requests in flight of a backend under `bounded-ring`, in percent of its fair share; more
    /// than 100.
    pub load_factor: u32,
    /// Seed of all random choices, so that a run can be repeated; by default a new seed at each start.
    pub seed: Option<u64>,
    /// If fewer than this percentage of a level's backends are up, health is ignored; 0 for never.
    pub panic_threshold: u8,
    /// Time in which a backend that has come up grows to its full share; zero for none.
    pub slow_start: Duration,
    /// When answers of a backend lead to its ejection.
    pub outlier: outlier::Rule,
    /// The limit of retries of all requests together; `None` for no common limit.
    pub retry_budget: Option<budget::Rule>,
    /// Time without an answer after which a second backend gets the request too; `None` for never.
    pub hedge_after: Option<Duration>,
    /// Name of the cookie that sends clients back to their backend; `None` for no cookie.
    pub sticky_cookie: Option<String>,
    /// The attributes of that cookie.
    pub sticky_attributes: sticky::Attributes,
    /// Whether a client may ask, with `x-lb-explain: 1`, for the decisions about its request.
    pub explain: bool,
    /// Address that clients connect to.
    pub listen: SocketAddr,
    /// Address of the admin port.
    pub admin: SocketAddr,
    /// The token that is required for changes at run time. With `None`, changes are possible only if the
    /// admin port is on a loopback address.
    pub admin_token: Option<Token>,
    /// Name of the balancer in `Via` and `Proxy-Status`: a token of RFC 9110, section 5.6.2.
    pub name: String,
    /// Whether to add the name to `Via`; otherwise it is in `CDN-Loop`, so that the balancer detects requests
    /// that come back.
    pub via: bool,
    /// Trusted proxies in front of the balancer, whose `X-Forwarded` headers are believed.
    pub trusted: Vec<IpNet>,
    /// Threads that serve requests; at least 1.
    pub workers: usize,
    /// Time between two pings of a backend, before jitter.
    pub ping_interval: Duration,
    /// Time limit of a ping for the connection, and again for the answer; not longer than the interval.
    pub ping_timeout: Duration,
    /// The request and the destination of pings.
    pub ping: Ping,
    /// The number of pings that a change of state needs.
    pub thresholds: Thresholds,
    /// When the balancer suspects a backend that is silent.
    pub silence: silence::Rule,
    /// Retries of the same backend.
    pub retries: u32,
    /// Pause before a retry.
    pub retry_delay: Duration,
    /// Limit of backends that a request is sent to; at least 1.
    pub attempts: u32,
    /// Statuses from 400 to 599 after which the request goes to another backend; usually none.
    pub retry_on: Vec<StatusCode>,
    /// Time limit from the arrival of a request to the head of its answer, for all tries together.
    pub total_timeout: Duration,
    /// Time limit to connect to a backend.
    pub connect_timeout: Duration,
    /// Time limit from the end of a request to the head of its answer.
    pub response_timeout: Duration,
    /// How long a client may keep an idle connection open.
    pub idle_timeout: Duration,
    /// How long an idle connection to a backend is kept.
    pub backend_idle: Duration,
    /// Time limit from the first byte of a request to the end of its head.
    pub head_timeout: Duration,
    /// How long no byte of a body may move, to a backend or to a client.
    pub stall_timeout: Duration,
    /// Bytes per second that a client must send of a request's body; `None` for no limit.
    pub min_upload_rate: Option<u64>,
    /// Whether a client that closes its side of the connection counts as gone, so that its request ends.
    pub abort_on_close: bool,
    /// How long both sides of a tunnel may send nothing.
    pub tunnel_timeout: Duration,
    /// How long connections are still accepted after the signal to end, before draining begins; may be zero.
    pub lame_duck: Duration,
    /// Time limit of draining.
    pub drain_time: Duration,
    /// How long an idle connection stays open when draining begins.
    pub drain_idle: Duration,
    /// Limit of open connections of clients, at least 1; by default as many as the descriptors allow, with
    /// one for the client and one for a backend.
    pub max_connections: Option<usize>,
    /// Limits of each backend; `None` for no limits.
    pub limit: Option<Limit>,
    /// How requests wait for a backend at its limit.
    pub queue: queue::Rule,
    /// Limit for the size of a request's body that the balancer holds so that it can send it again.
    pub replay_limit: usize,
    /// Limit for the size of a request's body.
    pub max_body: u64,
    /// Format of log lines.
    pub log_format: LogFormat,
    /// The lowest level of lines that are written.
    pub log_level: Level,
    /// The file for the log; `None` for standard error.
    pub log_file: Option<PathBuf>,
    /// Whether to write a log line for each request.
    pub access_log: bool,
    /// Whether to show the query of targets and of referring pages in logs, events and explanations.
    pub log_query: bool,
    /// Whether to give each request an `X-Request-ID`, unless a trusted proxy has given it one.
    pub request_id: bool,
    /// What `GET /metrics` counts.
    pub statistics: Statistics,
}

impl Config {
    /// The backends, each with the limit that applies to it.
    pub fn members(&self) -> Vec<Member> {
        let limit = self.limit.map(|limit| limit.in_flight as u32);
        let with_limit = |member: &Member| Member { limit: member.limit.or(limit), ..member.clone() };
        self.backends.iter().map(with_limit).collect()
    }

    /// The rules of the pool.
    pub fn rules(&self) -> Rules {
        Rules {
            policy: self.policy,
            load_factor: self.load_factor,
            panic_threshold: self.panic_threshold,
            slow_start: self.slow_start,
            thresholds: self.thresholds,
            silence: self.silence,
            outlier: self.outlier,
            retry_budget: self.retry_budget,
        }
    }
}

/// Whether a backend gets new requests while it is up.
pub(crate) fn is_wanted(member: &Member) -> bool {
    member.mode == Mode::Ready && member.weight > 0
}

/// All given settings as one layer, and their source.
#[derive(Debug)]
struct RawConfig<'a> {
    settings: Layer,
    /// One layer for each backend.
    backends: Vec<Layer>,
    /// Whether the file or the flags try to name backends.
    names_backends: bool,
    source: &'a Source,
    has_file: bool,
    /// Whether the process got a socket to listen on.
    has_socket: bool,
}

/// A configuration with its warnings.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is allowed but probably not meant: a setting without effect, or backends that get no requests.
    pub warnings: Problems,
    settings: Layer,
    /// A hash of the file that was read; of an empty one if there was no file.
    digest: u64,
}

impl Loaded {
    /// Whether both were read from files with the same bytes.
    pub(crate) fn reads_as(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// The settings that differ, such as `health.ping_interval`, without those of backends.
    pub(crate) fn differs_from(&self, other: &Self) -> Vec<&'static str> {
        self.settings.differs_from(&other.settings)
    }
}

/// Reads a file, if there is one, and adds the flags. This has no other effect, so it can be repeated at any
/// time.
///
/// # Errors
/// All errors in the settings.
pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Loaded, Problems> {
    let Some(path) = file else { return read(None, flags) };
    let name = shown(&path.display().to_string()).into_owned();
    match text::read(path) {
        Ok(bytes) => match (dialect::not_text(&bytes), String::from_utf8(bytes)) {
            (Some(is), _) => {
                let problem = Problem::new(format!("{name} {is}"), "save the file as plain text in UTF-8");
                Err(Problems::errors(&Source::default(), problem))
            }
            (None, Ok(text)) => read(Some((&name, &text)), flags),
            (None, Err(error)) => Err(not_utf8(&name, &error)),
        },
        Err(problem) => Err(Problems::errors(&Source::default(), problem)),
    }
}

/// The same for a file that has been read: its name for errors, and its text.
///
/// # Errors
/// All errors in the settings.
pub fn read(file: Option<(&str, &str)>, flags: &Flags) -> Result<Loaded, Problems> {
    if let Some(problems) = file.and_then(|(name, text)| beginning::problems(name, text, flags)) {
        return Err(problems);
    }
    let source = match file {
        Some((name, text)) => Source { name: name.to_owned(), text: without_secrets(text) },
        None => Source::default(),
    };
    let text = file.map(|(_, text)| text);
    let mut found = Found::default();
    let Some((config, raw)) = understood(&source, text, flags, &mut found) else {
        return Err(Problems::errors(&source, found));
    };
    rules::broken(&config, &raw, &mut found);
    match found.count() {
        0 => {
            let digest = xxh3_64(text.unwrap_or_default().as_bytes());
            let warnings = Problems::warnings(&source, warnings::of(&config, &raw));
            Ok(Loaded { config, warnings, settings: raw.settings, digest })
        }
        _ => Err(Problems::errors(&source, found)),
    }
}

/// The meaning of the text of a file and the flags, setting by setting; `None` if the text is not TOML. The
/// settings are not compared with each other. `source` is the file with its secrets hidden; `found` gets the
/// errors.
fn understood<'a>(
    source: &'a Source,
    text: Option<&str>,
    flags: &Flags,
    found: &mut Found,
) -> Option<(Config, RawConfig<'a>)> {
    let contents = text.map_or_else(|| Some(File::default()), |text| File::read(text, found))?;
    let sections = || SECTIONS.iter().filter(|section| !section.repeated);
    let settings = Layer::defaults(sections()).under(contents.settings).under(flags.settings());
    let names_backends = contents.names_backends || flags.backends().is_some();
    let backends = match flags.backends() {
        Some(list) => flags::backends(list, found),
        None => contents.backends,
    };
    let raw = RawConfig {
        settings,
        backends,
        names_backends,
        source,
        has_file: text.is_some(),
        has_socket: flags.has_socket(),
    };
    Some(convert::convert(raw, found))
}

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> Problems {
    let start = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let problem =
        Problem::new("this is not UTF-8", "save the file as UTF-8").at_place(Some(start..start + 1));
    Problems::errors(&Source { name: name.to_owned(), text: without_secrets(&text) }, problem)
}

#[cfg(test)]
pub(crate) mod tests;
