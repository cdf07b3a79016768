//! What the balancer is told to do: every setting, with its default, from a file and from flags.
//!
//! Parse, do not validate: what is written (`layer.rs`) becomes a [`Config`] in one step, and a `Config` that exists is
//! valid. What is wrong is told all at once, with its place in the file and what to write instead ([`problems`]).
//!
//! ```text
//! defaults ─┐
//! file ─────┼─► one layer ─► Config, or problems ─► what it means, and what is odd about it
//! flags ────┘
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use balance::health::Thresholds;
use balance::member::{Member, Mode};
use balance::names;
use balance::policy::Kind;
use balance::{Rules, budget, outlier, silence};
use http::StatusCode;
use ipnet::IpNet;
use strum::{Display, IntoStaticStr, VariantArray};
use xxhash_rust::xxh3::xxh3_64;

use crate::log::Level;
use crate::proxy::books::Statistics;
use crate::proxy::key;
use crate::proxy::queue::{self, Limit};
use crate::proxy::sticky;
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

/// Every setting of the balancer.
#[derive(Debug, Clone)]
pub struct Config {
    /// The backends, in the order of their numbers; at least one.
    pub backends: Vec<Member>,
    /// How a backend is picked.
    pub policy: Kind,
    /// Where hashing policies find the key of a request.
    pub key: key::Source,
    /// How far above its fair share of the requests in flight a backend may be under `bounded-ring`, in percent;
    /// more than 100.
    pub load_factor: u32,
    /// Seed of all random choices, so that a run can be repeated; by default a new seed at each start.
    pub seed: Option<u64>,
    /// With fewer than so many percent of a level's backends up, health is not heeded; 0 for never.
    pub panic_threshold: u8,
    /// Time in which a backend that has come up grows to its full share; zero for none.
    pub slow_start: Duration,
    /// When a backend is ejected for what it answers.
    pub outlier: outlier::Rule,
    /// How many retries all requests together may have; `None` for as many as each may.
    pub retry_budget: Option<budget::Rule>,
    /// Time without an answer after which a second backend gets the request too; `None` for never.
    pub hedge_after: Option<Duration>,
    /// The cookie by which clients return to the backend they were at; `None` for no such cookie.
    pub sticky_cookie: Option<String>,
    /// How that cookie is given out.
    pub sticky_attributes: sticky::Attributes,
    /// Whether a client may ask, with `x-lb-explain: 1`, how its request was decided.
    pub explain: bool,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where state and events can be seen.
    pub admin: SocketAddr,
    /// What whoever changes anything at run time has to know; `None` for nobody, unless only this machine can ask.
    pub admin_token: Option<Token>,
    /// What it calls itself towards others, in `Via` and `Proxy-Status`: a token of RFC 9110, section 5.6.2.
    pub name: String,
    /// Whether it adds itself to `Via`; else it marks requests in `CDN-Loop`, so that it knows those that come back.
    pub via: bool,
    /// Proxies in front of it, whose word is taken for where they got a request from.
    pub trusted: Vec<IpNet>,
    /// Threads that serve requests; at least 1.
    pub workers: usize,
    /// Time between two pings of a backend, before jitter.
    pub ping_interval: Duration,
    /// Time limit of a ping for the connection, and again for the answer; not longer than the interval.
    pub ping_timeout: Duration,
    /// What a ping asks, and where.
    pub ping: Ping,
    /// Evidence that a change of state needs.
    pub thresholds: Thresholds,
    /// When waiting becomes silence.
    pub silence: silence::Rule,
    /// Retries of the same backend.
    pub retries: u32,
    /// Pause before a retry.
    pub retry_delay: Duration,
    /// Limit of backends that a request is sent to; at least 1.
    pub attempts: u32,
    /// Statuses, of 400 to 599, for which another backend is asked; mostly none.
    pub retry_on: Vec<StatusCode>,
    /// From a request's arrival to its answer's head, all tries included.
    pub total_timeout: Duration,
    /// To establish a connection to a backend.
    pub connect_timeout: Duration,
    /// From sending a request to its answer's head.
    pub response_timeout: Duration,
    /// How long a client may keep a connection without a request.
    pub idle_timeout: Duration,
    /// How long a connection to a backend is kept without a request.
    pub backend_idle: Duration,
    /// From the first byte of a request to the end of its head.
    pub head_timeout: Duration,
    /// How long no byte of a body may move, to a backend or to a client.
    pub stall_timeout: Duration,
    /// Bytes of a request's body that its client has to send per second; `None` for no limit.
    pub min_upload_rate: Option<u64>,
    /// A client that closes its side of the connection is taken to have left, and its request ends.
    pub abort_on_close: bool,
    /// How long both sides of a tunnel may be silent.
    pub tunnel_timeout: Duration,
    /// How long connections are still accepted after the order to end, before draining begins; zero for no time at all.
    pub lame_duck: Duration,
    /// How long draining may take.
    pub drain_time: Duration,
    /// How long a connection without a request stays open when draining begins.
    pub drain_idle: Duration,
    /// Connections that clients may have open at a time, at least 1; by default as many as there are descriptors
    /// for, one for the client and one for a backend.
    pub max_connections: Option<usize>,
    /// How much a backend has to do at most; `None` for no limit.
    pub limit: Option<Limit>,
    /// How requests wait for a backend that has a limit.
    pub queue: queue::Rule,
    /// Limit for the size of a request's body that the balancer holds so that it can send it again.
    pub replay_limit: usize,
    /// Limit for the size of a request's body.
    pub max_body: u64,
    /// Format of log lines.
    pub log_format: LogFormat,
    /// The lowest level of lines that are written.
    pub log_level: Level,
    /// The file that the log is written to; `None` for standard error.
    pub log_file: Option<PathBuf>,
    /// Write one line per request.
    pub access_log: bool,
    /// Show the query of a target, and of a referring page, wherever targets are shown.
    pub log_query: bool,
    /// Give each request an `X-Request-ID`, unless a trusted proxy has given it one.
    pub request_id: bool,
    /// What is counted.
    pub statistics: Statistics,
}

impl Config {
    /// The backends, each with the limit that holds for it.
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

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
    /// The access log in the combined log format of Apache and nginx, and everything else as text.
    Combined,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        names::parse(text, "not known")
    }
}

/// Whether a backend gets new requests while it is up.
pub(crate) fn is_wanted(member: &Member) -> bool {
    member.mode == Mode::Ready && member.weight > 0
}

/// All that was said, one layer over the other, and what it was read from.
#[derive(Debug)]
struct Said<'a> {
    settings: Layer,
    /// One for each backend.
    backends: Vec<Layer>,
    /// Whether anybody tried to name some.
    names_backends: bool,
    source: &'a Source,
    has_file: bool,
    /// Whether the process was given a socket to listen at.
    has_socket: bool,
}

/// A configuration, and what is odd about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is allowed, but hardly meant: a setting without effect, or backends that get nothing.
    pub warnings: Problems,
    settings: Layer,
    /// A hash of the file that it was read from; of an empty one if there was none.
    digest: u64,
}

impl Loaded {
    /// Whether it was read from a file with the same bytes as another.
    pub(crate) fn reads_as(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// The settings that this says other than another did, such as `health.ping_interval`; of the backends, nothing.
    pub(crate) fn differs_from(&self, other: &Self) -> Vec<&'static str> {
        self.settings.differs_from(&other.settings)
    }
}

/// Reads a file, if there is one, and lays the flags over it. Nothing else happens, so it can be done again at any time.
///
/// # Errors
/// All that is wrong with it.
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

/// The same with a file that has been read: its name, as errors are to call it, and its text.
///
/// # Errors
/// All that is wrong with it.
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
    let Some((config, said)) = understood(&source, text, flags, &mut found) else {
        return Err(Problems::errors(&source, found));
    };
    rules::broken(&config, &said, &mut found);
    match found.count() {
        0 => {
            let digest = xxh3_64(text.unwrap_or_default().as_bytes());
            let warnings = Problems::warnings(&source, warnings::of(&config, &said));
            Ok(Loaded { config, warnings, settings: said.settings, digest })
        }
        _ => Err(Problems::errors(&source, found)),
    }
}

/// What the text of a file and the flags mean, setting by setting; `None` if the text is not TOML. The
/// settings are not compared with each other. `source` is the file with its secrets hidden; what is wrong is
/// told to `found`.
fn understood<'a>(
    source: &'a Source,
    text: Option<&str>,
    flags: &Flags,
    found: &mut Found,
) -> Option<(Config, Said<'a>)> {
    let contents = text.map_or_else(|| Some(File::default()), |text| File::read(text, found))?;
    let sections = || SECTIONS.iter().filter(|section| !section.repeated);
    let settings = Layer::defaults(sections()).under(contents.settings).under(flags.settings());
    let names_backends = contents.names_backends || flags.backends().is_some();
    let backends = match flags.backends() {
        Some(list) => flags::backends(list, found),
        None => contents.backends,
    };
    let said = Said {
        settings,
        backends,
        names_backends,
        source,
        has_file: text.is_some(),
        has_socket: flags.has_socket(),
    };
    Some(convert::convert(said, found))
}

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> Problems {
    let start = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let problem = Problem::new("this is not UTF-8", "save the file as UTF-8").at_place(Some(start..start + 1));
    Problems::errors(&Source { name: name.to_owned(), text: without_secrets(&text) }, problem)
}

#[cfg(test)]
pub(crate) mod tests;
