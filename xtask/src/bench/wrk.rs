//! The load generator: `wrk`, which keeps the connections of all clients and sends the next request at once.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

/// The result of a load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct WrkReport {
    /// Requests that were answered.
    pub(super) requests: u64,
    /// Answers a second.
    pub(super) rate: f64,
    /// The median latency.
    pub(super) p50: Duration,
    /// The 99th percentile of the latency.
    pub(super) p99: Duration,
}

/// The parameters for `wrk`.
pub(super) struct Order {
    /// The number of connections.
    pub(super) clients: u16,
    /// The path of the requests.
    pub(super) path: String,
    /// Whether every request has a connection of its own.
    pub(super) fresh: bool,
    /// A script in Lua.
    pub(super) script: Option<PathBuf>,
}

impl Order {
    /// Keep-alive clients that request the shortest answer.
    pub(super) fn small(clients: u16) -> Self {
        Self { clients, path: "/".to_owned(), fresh: false, script: None }
    }

    /// Puts load on a port of the loopback address.
    ///
    /// # Errors
    /// If a single request fails: a proxy that drops requests would have less work.
    pub(super) fn run(&self, port: u16, seconds: u16) -> anyhow::Result<WrkReport> {
        let mut command = Command::new("wrk");
        command.args(["--latency", "--threads", "1"]).args([
            "--connections",
            &self.clients.to_string(),
            "--duration",
            &format!("{seconds}s"),
        ]);
        if self.fresh {
            command.args(["--header", "Connection: close"]);
        }
        if let Some(script) = &self.script {
            command.arg("--script").arg(script);
        }
        let output = command
            .arg(format!("http://127.0.0.1:{port}{}", self.path))
            .output()
            .context("cannot run wrk")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let complaints = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "wrk failed: {text}{complaints}");
        parse(&text)
    }
}

/// Reads the report of `wrk --latency`.
fn parse(report: &str) -> anyhow::Result<WrkReport> {
    for failure in ["Socket errors:", "Non-2xx or 3xx responses:"] {
        let line = report.lines().find(|line| line.trim().starts_with(failure));
        ensure!(line.is_none(), "requests failed under load: {}", line.unwrap_or_default().trim());
    }
    let load = || {
        Some(WrkReport {
            requests: report
                .lines()
                .find_map(|line| line.split_once(" requests in "))?
                .0
                .trim()
                .parse()
                .ok()?,
            rate: field(report, "Requests/sec:")?.parse().ok()?,
            p50: parse_duration(field(report, "50%")?)?,
            p99: parse_duration(field(report, "99%")?)?,
        })
    };
    let load = load().with_context(|| format!("this is not what `wrk --latency` prints: {report:?}"))?;
    ensure!(load.requests > 0, "not one request was answered");
    Ok(load)
}

/// The text after a word at the beginning of a line.
fn field<'a>(report: &'a str, name: &str) -> Option<&'a str> {
    report.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim)
}

/// Reads a time with its unit, such as `1.05ms`.
fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "Running 4s test @ http://127.0.0.1:1234/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.19ms  301.14us   9.37ms   93.23%
    Req/Sec    54.07k     2.72k   58.23k    75.00%
  Latency Distribution
     50%    1.15ms
     75%    1.26ms
     90%    1.40ms
     99%    2.25ms
  215203 requests in 4.00s, 33.45MB read
Requests/sec:  53787.86
Transfer/sec:      8.36MB
";

    #[test]
    fn a_report_is_read() {
        let load = parse(REPORT).unwrap();
        assert_eq!(
            load,
            WrkReport {
                requests: 215_203,
                rate: 53787.86,
                p50: Duration::from_micros(1150),
                p99: Duration::from_micros(2250),
            }
        );
    }

    #[test]
    fn failed_requests_spoil_the_report() {
        for failure in
            ["  Non-2xx or 3xx responses: 12\n", "  Socket errors: connect 0, read 3, write 0, timeout 0\n"]
        {
            let error =
                parse(&REPORT.replace("Requests/sec:", &format!("{failure}Requests/sec:"))).unwrap_err();
            assert!(error.to_string().contains(failure.trim()), "{error}");
        }
        assert!(parse(&REPORT.replace("215203", "0")).is_err());
        assert!(parse("").is_err());
    }

    #[test]
    fn times_come_in_all_units() {
        for (text, expected) in [
            ("250.00us", Some(Duration::from_micros(250))),
            ("1.05ms", Some(Duration::from_micros(1050))),
            ("2.00s", Some(Duration::from_secs(2))),
            ("1.50m", Some(Duration::from_secs(90))),
            ("3", None),
            ("ms", None),
            ("1.0parsec", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }
}
