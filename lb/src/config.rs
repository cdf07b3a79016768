//! What the balancer is told to do: every setting, checked, with its default.
//!
//! A [`Config`] that exists is valid. Errors say what is wrong, where, and what to write instead.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::{StatusCode, Uri};
use ipnet::IpNet;

use crate::balance::health::Thresholds;
use crate::balance::member::Member;
use crate::balance::policy::Kind;
use crate::balance::{Address, Rules, budget, outlier, silence};
use crate::proxy::books::Statistics;
use crate::proxy::key;
use crate::proxy::queue::Limit;

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
    /// What all draws start from, so that a run can be repeated; by default something new at each start.
    pub seed: Option<u64>,
    /// With fewer than so many percent of a level's backends up, health is not heeded; 0 for never.
    pub panic_threshold: u8,
    /// How long it takes a backend that has come up to get its full share; zero for no time at all.
    pub slow_start: Duration,
    /// When a backend is ejected for what it answers.
    pub outlier: outlier::Rule,
    /// How many retries all requests together may have; `None` for as many as each may.
    pub retry_budget: Option<budget::Rule>,
    /// After how long without an answer a second backend is asked as well; `None` for never.
    pub hedge_after: Option<Duration>,
    /// The cookie by which clients return to the backend they were at; `None` for no such cookie.
    pub sticky_cookie: Option<String>,
    /// Whether a client may ask, with `x-lb-explain: 1`, how its request was decided.
    pub explain: bool,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where state and events can be seen.
    pub admin: SocketAddr,
    /// What it calls itself towards others, in `Via` and `Proxy-Status`: a token of RFC 9110, section 5.6.2.
    pub name: String,
    /// Proxies in front of it, whose word is taken for where they got a request from.
    pub trusted: Vec<IpNet>,
    /// Threads that serve requests; at least 1.
    pub workers: usize,
    /// Time between two pings of a backend, before jitter.
    pub ping_interval: Duration,
    /// How long a ping may take; not longer than the interval.
    pub ping_timeout: Duration,
    /// Ask for this path instead of only connecting.
    pub ping_path: Option<Uri>,
    /// The status that a ping of a path must get.
    pub ping_status: StatusCode,
    /// Evidence that a change of state needs.
    pub thresholds: Thresholds,
    /// When waiting becomes silence.
    pub silence: silence::Rule,
    /// Retries of the same backend.
    pub retries: u32,
    /// Pause before a retry.
    pub retry_delay: Duration,
    /// Backends that a request may be given to; at least 1.
    pub attempts: u32,
    /// From a request's arrival to its answer's head, all tries included.
    pub total_timeout: Duration,
    /// To establish a connection to a backend.
    pub connect_timeout: Duration,
    /// From sending a request to its answer's head.
    pub response_timeout: Duration,
    /// How long a client may keep a connection without a request.
    pub idle_timeout: Duration,
    /// From the first byte of a request to the end of its head.
    pub head_timeout: Duration,
    /// How long a body may come to a halt, on its way to a backend or to a client.
    pub stall_timeout: Duration,
    /// How long both sides of a tunnel may be silent.
    pub tunnel_timeout: Duration,
    /// How long draining may take.
    pub drain_time: Duration,
    /// How long a connection without a request stays open when draining begins.
    pub drain_idle: Duration,
    /// Connections that clients may have open at a time, at least 1; by default as many as there are descriptors
    /// for, one for the client and one for a backend.
    pub max_connections: Option<usize>,
    /// How much a backend has to do at most; `None` for no limit.
    pub limit: Option<Limit>,
    /// Bytes of a request's body that are held so that it can be sent again.
    pub replay_limit: usize,
    /// Bytes that a request's body may have.
    pub max_body: u64,
    /// What is counted.
    pub statistics: Statistics,
    /// Write one line per request.
    pub access_log: bool,
}

impl Config {
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

    /// Checks what no setting can be checked for alone.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn check(self) -> Result<Self, ConfigError> {
        if self.ping_timeout > self.ping_interval {
            return Err(ConfigError::PingOverlap {
                timeout: self.ping_timeout,
                interval: self.ping_interval,
            });
        }
        let mut seen = HashSet::new();
        if let Some(twice) = self.backends.iter().find(|backend| !seen.insert(&backend.address)) {
            return Err(ConfigError::Duplicate(twice.address.clone()));
        }
        if !self.name.bytes().all(is_token) || self.name.is_empty() {
            return Err(ConfigError::Name(self.name));
        }
        if self.backends.is_empty() {
            return Err(ConfigError::NoBackend);
        }
        Ok(self)
    }
}

/// What is wrong with the settings, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's message says what it means")]
pub enum ConfigError {
    #[error("no backend given; name at least one: --backends=http://localhost:3031,http://localhost:3032")]
    NoBackend,
    #[error("backend '{0}' has no scheme; write http://{0}")]
    NoScheme(String),
    #[error("backend '{0}' asks for https, which is not supported yet; write {1}")]
    Https(String, String),
    #[error("backend '{0}' has the scheme '{1}'; only http is known: write http://host:port")]
    Scheme(String, String),
    #[error(
        "backend '{0}' contains a space; separate backends by commas alone: --backends=http://a:1,http://b:2"
    )]
    Space(String),
    #[error("the list of backends has an empty entry; write it without a comma too many: '{0}'")]
    EmptyEntry(String),
    #[error("backend '{0}' has a path; requests keep their own path, so write {1}")]
    Path(String, Address),
    #[error("backend '{0}' names a user; write only http://host:port")]
    User(String),
    #[error("backend '{0}' is not an address; write http://host:port, such as http://localhost:3031")]
    NotAnAddress(String),
    #[error("the name '{0}' is not one word; write letters, digits and hyphens, such as --name=edge-1")]
    Name(String),
    #[error("backend {0} is listed twice; list each backend once")]
    Duplicate(Address),
    #[error(
        "a ping may take {} (--ping-timeout) but the next one comes after {} (--ping-interval); \
         make the timeout at most as long as the interval",
        humantime::format_duration(*timeout), humantime::format_duration(*interval)
    )]
    PingOverlap { timeout: Duration, interval: Duration },
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

/// Reads a comma-separated list of networks or addresses, such as `10.0.0.0/8,127.0.0.1`.
///
/// # Errors
/// Which entry is wrong, and how to write it.
pub fn parse_networks(list: &str) -> Result<Vec<IpNet>, String> {
    let read = |entry: &str| {
        let network = entry.parse().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
        network
            .map_err(|_| format!("'{entry}' is not a network; write 10.0.0.0/8, or one address, 127.0.0.1"))
    };
    list.split(',').map(read).collect()
}

/// Reads a comma-separated list of backends, such as `http://localhost:3031,http://localhost:3032`.
///
/// # Errors
/// Which entry is wrong, and how to write it.
pub fn parse_backends(list: &str) -> Result<Vec<Address>, ConfigError> {
    if list.trim().is_empty() {
        return Err(ConfigError::NoBackend);
    }
    list.split(',')
        .map(|entry| match entry {
            "" => Err(ConfigError::EmptyEntry(list.to_owned())),
            entry => parse_backend(entry),
        })
        .collect()
}

fn parse_backend(entry: &str) -> Result<Address, ConfigError> {
    let text = entry.to_owned();
    if entry.contains(char::is_whitespace) {
        return Err(ConfigError::Space(text));
    }
    let Some((scheme, rest)) = entry.split_once("://") else { return Err(ConfigError::NoScheme(text)) };
    match scheme.to_ascii_lowercase().as_str() {
        "http" => {}
        "https" => return Err(ConfigError::Https(text, format!("http://{rest}"))),
        _ => return Err(ConfigError::Scheme(text, scheme.to_owned())),
    }
    let uri: Uri = format!("http://{rest}").parse().map_err(|_| ConfigError::NotAnAddress(text.clone()))?;
    let authority = uri.authority().ok_or_else(|| ConfigError::NotAnAddress(text.clone()))?;
    if authority.as_str().contains('@') {
        return Err(ConfigError::User(text));
    }
    let port = match authority.port() {
        // `http` drops a port that is no number, and "http://a:" has none: both are slips of the keyboard.
        None if authority.as_str().trim_start_matches(authority.host()).contains(':') => None,
        None => Some(80),
        Some(port) => Some(port.as_u16()).filter(|port| *port != 0),
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let (Some(port), false) = (port, host.is_empty()) else { return Err(ConfigError::NotAnAddress(text)) };
    let address = Address { host, port };
    match uri.path_and_query().map_or("/", |path| path.as_str()) {
        "/" => Ok(address),
        _ => Err(ConfigError::Path(text, address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_read_as_people_write_them() {
        let list = parse_backends("http://localhost:3031,http://10.0.0.1,HTTP://[::1]:80/").unwrap();
        let texts: Vec<_> = list.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["http://localhost:3031", "http://10.0.0.1:80", "http://[::1]:80"]);
    }

    #[test]
    fn networks_are_read_as_people_write_them() {
        let list = parse_networks("10.0.0.0/8,127.0.0.1,::1").unwrap();
        assert!(list[0].contains(&"10.9.8.7".parse::<IpAddr>().unwrap()));
        assert_eq!((list[1].prefix_len(), list[2].prefix_len()), (32, 128));
        for wrong in ["", "10.0.0.0/33", "a", "10.0.0.1, ::1"] {
            assert!(parse_networks(wrong).unwrap_err().contains("write 10.0.0.0/8"), "{wrong}");
        }
    }

    #[test]
    fn errors_name_the_fix() {
        let table = [
            ("", "name at least one: --backends="),
            ("localhost:3031", "write http://localhost:3031"),
            ("https://a:1", "not supported yet; write http://a:1"),
            ("ftp://a", "only http is known"),
            ("http://a:1, http://b:2", "separate backends by commas alone"),
            ("http://a:1,", "a comma too many"),
            ("http://a:1/x", "so write http://a:1"),
            ("http://u@a:1", "write only http://host:port"),
            ("http://a:0", "write http://host:port"),
            ("http://a:", "write http://host:port"),
            ("http://a:99999", "write http://host:port"),
            ("http://:80", "write http://host:port"),
            ("http://", "write http://host:port"),
        ];
        for (list, fix) in table {
            let error = parse_backends(list).expect_err(list).to_string();
            assert!(error.contains(fix), "'{list}' gives: {error}");
        }
    }
}
