//! The flags of `lb`, and how they become a [`Config`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Parser, ValueEnum};
use http::{StatusCode, Uri};
use ipnet::IpNet;

use crate::balance::health::Thresholds;
use crate::balance::member::Member;
use crate::balance::policy::Kind;
use crate::balance::{outlier, silence};
use crate::config::{Config, ConfigError, parse_backends, parse_networks};
use crate::proxy::books::Statistics;
use crate::proxy::key;
use crate::proxy::queue::Limit;

/// An HTTP load balancer to trust and to learn from.
///
/// Listens for HTTP/1.1 requests and shares them among backends in turn. A backend that fails is left alone
/// until it answers pings again; a request that meets a failing backend is repeated there or elsewhere, as
/// long as that cannot execute it twice by accident.
#[derive(Debug, Parser)]
#[command(name = "lb", version, after_long_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// The backends, separated by commas and no spaces: http://localhost:3031,http://localhost:3032
    #[arg(long, value_name = "URLS", required_unless_present = "check_health", allow_hyphen_values = true)]
    backends: Option<String>,

    /// Port that clients connect to; 0 takes a free one
    #[arg(long, default_value_t = 3030)]
    port: u16,

    /// Address that clients connect to
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    bind: IpAddr,

    /// Where state and events can be seen; by default the loopback address at the port plus 1000
    #[arg(long, value_name = "IP:PORT")]
    admin: Option<SocketAddr>,

    /// What it calls itself in Via and Proxy-Status; by default roundabout- and a number drawn at its start
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Proxies in front of it that may say, in X-Forwarded headers, where they got a request from: networks
    /// or addresses, separated by commas
    #[arg(long, value_name = "NETWORKS", default_value = "", hide_default_value = true, value_parser = networks)]
    trusted_proxies: Networks,

    /// Threads that serve requests; by default one per core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,

    /// Time between two pings of a backend, give or take a tenth
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time, help_heading = "Health")]
    ping_interval: Duration,

    /// How long a ping may take
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = time, help_heading = "Health")]
    ping_timeout: Duration,

    /// Ping by GET of this path; without it a ping only connects and closes
    #[arg(long, value_name = "PATH", value_parser = path, help_heading = "Health")]
    ping_path: Option<Uri>,

    /// Status that a ping of --ping-path must get
    #[arg(long, value_name = "CODE", default_value = "200", value_parser = status, help_heading = "Health")]
    ping_status: StatusCode,

    /// Answered pings in a row that bring a backend up
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Health")]
    rise: u32,

    /// Failures in a row, of pings or requests, that take a backend down
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Health")]
    fall: u32,

    /// A backend is suspected when its requests have waited at least this long without a word from it, and
    /// more than twice as long as its answers usually take, while others answer
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = time, help_heading = "Health")]
    silence: Duration,

    /// Requests that must wait for that
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Health")]
    silence_waiting: u32,

    /// Retries of the same backend after a request's first try there
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100), help_heading = "Retries")]
    retries: u32,

    /// Pause before each retry
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = time_or_zero, help_heading = "Retries")]
    retry_delay: Duration,

    /// Backends that a request may be given to
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Retries")]
    attempts: u32,

    /// Bytes of a request's body that are held so that it can be sent again
    #[arg(long, value_name = "SIZE", default_value = "64KiB", help_heading = "Retries")]
    replay_limit: ByteSize,

    /// From a request's arrival to the head of its answer, all tries included; the time that the client takes
    /// to send the request's body does not count
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time, help_heading = "Time limits")]
    total_timeout: Duration,

    /// To connect to a backend
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time, help_heading = "Time limits")]
    connect_timeout: Duration,

    /// From a request's last byte to the head of its answer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time, help_heading = "Time limits")]
    response_timeout: Duration,

    /// How long a client may keep its connection open without a request
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time, help_heading = "Time limits")]
    idle_timeout: Duration,

    /// From the first byte of a request to the end of its head
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time, help_heading = "Time limits")]
    head_timeout: Duration,

    /// How long a body may come to a halt, on its way to a backend or to a client
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time, help_heading = "Time limits")]
    stall_timeout: Duration,

    /// How long both sides may be silent after a switch of protocols, such as to WebSocket
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time, help_heading = "Time limits")]
    tunnel_timeout: Duration,

    /// How long requests in flight may take to finish after SIGTERM or SIGINT
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time_or_zero, help_heading = "Time limits")]
    drain_time: Duration,

    /// How long a connection without a request stays open then: a request may be on its way that its client
    /// could not know to be unwelcome
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time_or_zero, help_heading = "Time limits")]
    drain_idle: Duration,

    /// Connections that clients may have open at a time; by default as many as there are descriptors for. More
    /// have to wait until others are closed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: Option<u32>,

    /// Requests that a backend may have in flight at a time; by default as many as come
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Queues")]
    backend_limit: Option<u32>,

    /// Requests that may wait for a backend that has its limit in flight; more are refused
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(0..=1_000_000), help_heading = "Queues")]
    queue: u32,

    /// How long each of them may wait
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time, help_heading = "Queues")]
    queue_timeout: Duration,

    /// Bytes that a request's body may have; by default as many as come
    #[arg(long, value_name = "SIZE")]
    max_body: Option<ByteSize>,

    /// How log lines are written
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Logs and statistics")]
    pub log_format: LogFormat,

    /// Log one line per request
    #[arg(long, help_heading = "Logs and statistics")]
    access_log: bool,

    /// What is counted for GET /metrics
    #[arg(long, value_name = "WHAT", default_value = "full", help_heading = "Logs and statistics")]
    statistics: Statistics,

    /// End when standard input does: for whoever starts this process and wants it gone with himself
    #[arg(long, hide_short_help = true, help_heading = "For other programs")]
    pub exit_with_parent: bool,

    /// Ask a running balancer whether it is well, such as at http://127.0.0.1:4030/healthz, and exit 0 or 1
    #[arg(long, value_name = "URL", hide_short_help = true, help_heading = "For other programs")]
    pub check_health: Option<Uri>,

    #[arg(hide = true)]
    stray: Vec<String>,
}

const AFTER_HELP: &str = "\
Examples:
  lb --backends=http://localhost:3031,http://localhost:3032 --port 3030
  lb --backends=http://10.0.0.1,http://10.0.0.2 --ping-path /healthz --access-log --log-format json

Times are written as 250ms, 10s or 2m, sizes as 64KiB or 1MiB.

Seeing what it does:
  GET /state, GET /events, GET /metrics and GET /healthz at the --admin address.
  An answer that the balancer makes itself says why in its body and in a Proxy-Status header (RFC 9209).

Ports that outlive it:
  A listening socket handed over as systemd does it (LISTEN_FDS) takes the place of --port and --bind. It stays
  open between one balancer and the next, so that clients wait instead of being refused.

Signals:
  SIGTERM, SIGINT   stop accepting, finish what is in flight, exit 0; a second one ends it at once.

Exit status:
  0 drained, 1 ended with requests in flight, 2 cannot start: a flag is wrong or a port is taken.";

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Cli {
    /// The settings that the flags add up to.
    ///
    /// # Errors
    /// The first thing that is wrong, and how to write it.
    pub fn config(self) -> Result<Config, String> {
        if let Some(stray) = self.stray.first() {
            return Err(match stray.contains("://") {
                true => ConfigError::Space(format!(
                    "{}, {stray}",
                    self.backends.unwrap_or_default().trim_end_matches(',')
                ))
                .to_string(),
                false => format!("'{stray}' belongs to no flag; see lb --help"),
            });
        }
        let backends =
            parse_backends(&self.backends.unwrap_or_default()).map_err(|error| error.to_string())?;
        let admin = match self.admin {
            Some(admin) => admin,
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, admin_port(self.port)?)),
        };
        let config = Config {
            backends: backends.into_iter().map(Member::new).collect(),
            policy: Kind::default(),
            key: key::Source::default(),
            load_factor: 125,
            seed: None,
            panic_threshold: 0,
            slow_start: Duration::ZERO,
            outlier: outlier::Rule::OFF,
            retry_budget: None,
            hedge_after: None,
            sticky_cookie: None,
            explain: false,
            listen: SocketAddr::new(self.bind, self.port),
            admin,
            workers: self.workers.map_or_else(cores, usize::from),
            name: self.name.unwrap_or_else(|| format!("roundabout-{:06x}", fastrand::u32(..) >> 8)),
            trusted: self.trusted_proxies.0,
            ping_interval: self.ping_interval,
            ping_timeout: self.ping_timeout,
            ping_path: self.ping_path,
            ping_status: self.ping_status,
            thresholds: Thresholds { rise: self.rise, fall: self.fall },
            silence: silence::Rule { waiting: self.silence_waiting, at_least: self.silence },
            retries: self.retries,
            retry_delay: self.retry_delay,
            attempts: self.attempts,
            total_timeout: self.total_timeout,
            connect_timeout: self.connect_timeout,
            response_timeout: self.response_timeout,
            idle_timeout: self.idle_timeout,
            head_timeout: self.head_timeout,
            stall_timeout: self.stall_timeout,
            tunnel_timeout: self.tunnel_timeout,
            drain_time: self.drain_time,
            drain_idle: self.drain_idle,
            limit: self.backend_limit.map(|limit| Limit {
                in_flight: limit as usize,
                queue: self.queue as usize,
                patience: self.queue_timeout,
            }),
            max_connections: self.max_connections.map(|max| max as usize),
            replay_limit: usize::try_from(self.replay_limit.as_u64()).unwrap_or(usize::MAX),
            max_body: self.max_body.map_or(u64::MAX, |size| size.as_u64()),
            statistics: self.statistics,
            access_log: self.access_log,
        };
        config.check().map_err(|error| error.to_string())
    }
}

fn admin_port(port: u16) -> Result<u16, String> {
    match port {
        0 => Ok(0),
        _ => port.checked_add(1000).ok_or_else(|| {
            format!(
                "port {port} leaves no room for the admin port at {port} + 1000; add --admin=127.0.0.1:4030"
            )
        }),
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn time(text: &str) -> Result<Duration, String> {
    match time_or_zero(text)? {
        Duration::ZERO => Err("it must be more than nothing, such as 250ms".to_owned()),
        time => Ok(time),
    }
}

fn time_or_zero(text: &str) -> Result<Duration, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.trim_start_matches('0').is_empty() {
        return Err(format!("it needs a unit; write {text}ms or {text}s"));
    }
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 250ms, 10s or 2m"))
}

/// A list in one argument.
#[derive(Debug, Clone)]
struct Networks(Vec<IpNet>);

fn networks(list: &str) -> Result<Networks, String> {
    if list.is_empty() { Ok(Networks(Vec::new())) } else { parse_networks(list).map(Networks) }
}

fn path(text: &str) -> Result<Uri, String> {
    let uri: Option<Uri> = text.parse().ok();
    uri.filter(|_| text.starts_with('/'))
        .ok_or_else(|| "write a path that begins with '/', such as /healthz".to_owned())
}

fn status(text: &str) -> Result<StatusCode, String> {
    text.parse().map_err(|_| "write a status code between 100 and 599, such as 200".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(flags: &[&str]) -> Result<Config, String> {
        Cli::try_parse_from([&["lb"], flags].concat()).map_err(|error| error.to_string())?.config()
    }

    #[test]
    fn the_seeds_command_line_works_as_written() {
        let backends = "--backends=http://localhost:3031,http://localhost:3032,http://localhost:3033,http://localhost:3034";
        let config = parse(&[backends, "--port", "3030"]).unwrap();
        assert_eq!(config.backends.len(), 4);
        assert_eq!(config.listen.port(), 3030);
        assert_eq!(config.admin.to_string(), "127.0.0.1:4030");
        assert_eq!((config.retries, config.retry_delay, config.attempts), (3, Duration::from_millis(10), 3));
    }

    #[test]
    fn bad_flags_name_the_fix() {
        let ok = "--backends=http://a:1";
        let table: [(&[&str], &str); 12] = [
            (&[], "--backends"),
            (&["--backends="], "name at least one"),
            (&["--backends=localhost:3031"], "write http://localhost:3031"),
            (&["--backends=http://a:1,", "http://b:2"], "separate backends by commas alone"),
            (&["--backends=http://a:1,http://a:1"], "list each backend once"),
            (&[ok, "stray"], "see lb --help"),
            (&[ok, "--ping-interval=100ms"], "make the timeout at most as long as the interval"),
            (&[ok, "--ping-interval=5"], "write 5ms or 5s"),
            (&[ok, "--ping-interval=0s"], "more than nothing"),
            (&[ok, "--ping-path=healthz"], "begins with '/'"),
            (&[ok, "--port=65000"], "add --admin=127.0.0.1:4030"),
            (&[ok, "--attempts=0"], "0 is not in 1..=100"),
        ];
        for (flags, fix) in table {
            let error = parse(flags).expect_err(&format!("{flags:?}"));
            assert!(error.contains(fix), "{flags:?} gives: {error}");
        }
    }

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }
}
