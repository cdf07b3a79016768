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
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use balance::member::{Member, Mode};
use balance::policy::Kind;
use balance::state::Thresholds;
use balance::{Address, Rules, budget, outlier, silence, subset};
use xxhash_rust::xxh3::xxh3_64;

use crate::log::{Level, LogFormat};
use crate::proxy::settings::Settings as ProxySettings;
use crate::shown::shown;

mod active;
pub(crate) mod aliases;
mod backends;
mod beginning;
mod convert;
pub(crate) mod default_listen;
mod dialect;
mod file;
mod flags;
pub(crate) mod form;
pub(crate) mod json;
mod layer;
pub(crate) mod listen;
mod ping;
mod problem;
pub mod problems;
mod reader;
mod report;
mod rules;
mod schema;
pub(crate) mod settings;
mod text;
mod token;
mod warnings;
pub(crate) mod wording;

use file::File;
pub use flags::Flags;
pub(crate) use flags::ValueForm;
pub(crate) use form::as_switch;
use layer::Layer;
use listen::AddressSource;
pub use ping::Ping;
pub use problems::{Problem, Problems};
use problems::{ProblemList, Source, without_secrets};
pub use schema::schema;
use settings::SECTIONS;
pub use token::Token;

/// Reads the address of a backend; `None` if it is none.
pub(crate) fn read_address(text: &str) -> Option<Address> {
    backends::parse(text, backends::Spot::Alone).ok()
}

/// All settings of the balancer.
#[derive(Debug, Clone)]
pub struct Config {
    /// The backends, in the order of their numbers; at least one.
    pub backends: Vec<Member>,
    /// The settings of the path of a request.
    pub(crate) proxy: Arc<ProxySettings>,
    /// How a backend is picked.
    pub policy: Kind,
    /// Limit for the requests in flight of a backend under `bounded-ring`, in percent of its fair share; more
    /// than 100.
    pub load_factor: u32,
    /// Keys that `score` and `affinity` remember for each backend.
    pub remembered_keys: NonZeroUsize,
    /// While the requests in flight of two backends differ by more than this, `affinity` ignores keys.
    pub affinity_gap: u32,
    /// The policy sees the loads as they were at the last refresh, once in such a period; zero for the
    /// present loads, and above zero only with `teaching`.
    pub load_view_delay: Duration,
    /// Whether policies that are wrong on purpose are allowed.
    pub teaching: bool,
    /// Which backends requests with the same key may use; `None` for all of them.
    pub subset: Option<subset::Rule>,
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
    /// The addresses that clients connect to; at least one.
    pub listeners: Vec<SocketAddr>,
    /// Where these addresses are given.
    pub(crate) listeners_from: AddressSource,
    /// Address of the admin port.
    pub admin: SocketAddr,
    /// The token that is required for changes at run time. With `None`, changes are possible only if the
    /// admin port is on a loopback address.
    pub admin_token: Option<Token>,
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
    /// How long connections are still accepted after the signal to end, before draining begins; may be zero.
    pub lame_duck: Duration,
    /// Time limit of draining.
    pub drain_time: Duration,
    /// Limit of open connections of clients, at least 1; by default as many as the descriptors allow, with
    /// one for the client and one for a backend.
    pub max_connections: Option<usize>,
    /// Limits of each backend; `None` for no limits.
    pub limit: Option<u32>,
    /// Format of log lines.
    pub log_format: LogFormat,
    /// The lowest level of lines that are written.
    pub log_level: Level,
    /// The file for the log; `None` for standard error.
    pub log_file: Option<PathBuf>,
    /// Whether to write a log line for each request.
    pub access_log: bool,
    /// The settings that were given and differ from their defaults, in words: no address and no secret.
    pub active: Vec<String>,
}

impl Config {
    /// The backends, each with the limit that applies to it.
    pub fn members(&self) -> Vec<Member> {
        let with_limit = |member: &Member| Member { limit: member.limit.or(self.limit), ..member.clone() };
        self.backends.iter().map(with_limit).collect()
    }

    /// The rules of the pool.
    pub fn rules(&self) -> Rules {
        Rules {
            policy: self.policy,
            load_factor: self.load_factor,
            remembered_keys: self.remembered_keys,
            affinity_gap: self.affinity_gap,
            load_view_delay: self.load_view_delay,
            subset: self.subset,
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
    /// One layer for each listener, if the file has sections for them.
    listeners: Vec<Layer>,
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
    let mut found = ProblemList::default();
    let Some((config, raw)) = understood(&source, text, flags, &mut found) else {
        return Err(Problems::errors(&source, found));
    };
    rules::check(&config, &raw, &mut found);
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
    found: &mut ProblemList,
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
        listeners: contents.listeners,
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
