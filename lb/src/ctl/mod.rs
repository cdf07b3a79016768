//! `lb ctl`: controls a running balancer through its admin port.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use api::{BackendSummary, LogLevel, PolicyInForce, Reloaded, State, StatisticsReset};
use clap::{Args, Subcommand};
use http::{Method, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

mod client;
mod document;
mod table;
mod values;
mod wait;

use client::{Client, admin};
use document::read;
use wait::{finished, pinged, serving, state};

use crate::exit::{CANNOT_START, print, print_error};
use crate::shown::{shown_document, shown_json};

/// A command for a running balancer.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_HELP, disable_help_subcommand = true, max_term_width = 100)]
pub struct Ctl {
    /// Admin address of the balancer
    #[arg(
        long = "admin",
        id = "ctl_admin",
        value_name = "URL",
        default_value = "http://127.0.0.1:4030",
        value_parser = admin,
        global = true
    )]
    admin: Uri,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Drain a backend: it finishes its requests, and gets only new requests whose cookie names it
    Drain {
        #[command(flatten)]
        target: BackendArg,
        #[command(flatten)]
        timeout: Timeout,
    },
    /// Make a backend ready: it gets its share of the requests after its next answered ping
    Ready {
        #[command(flatten)]
        target: BackendArg,
        #[command(flatten)]
        serving: Serving,
    },
    /// Put a backend in maintenance: it finishes its requests, and gets no new requests and no pings
    Maintenance {
        #[command(flatten)]
        target: BackendArg,
        #[command(flatten)]
        timeout: Timeout,
    },
    /// Change the weight of a backend
    Weight {
        #[command(flatten)]
        target: BackendArg,
        /// A number from 0 to 1000; 0 means no new requests
        #[arg(value_name = "WEIGHT", value_parser = values::weight)]
        weight: u32,
    },
    /// Add a backend
    Add(New),
    /// Remove a backend; it finishes its requests
    Remove {
        #[command(flatten)]
        target: BackendArg,
        /// Remove it even if no other backend gets requests
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        timeout: Timeout,
    },
    /// Change the policy; requests in flight stay at their backends
    Policy {
        /// For example round-robin or least-connections; lb --help lists all
        #[arg(value_name = "POLICY", value_parser = values::policy)]
        policy: String,
    },
    /// Read the configuration again, and show what changes or all its errors
    Reload,
    /// Set the counts of the state to zero; the metrics continue
    Reset,
    /// Change the log level
    Log {
        /// error, warn, info, debug or trace
        #[arg(value_name = "LEVEL", value_parser = values::level)]
        level: String,
    },
    /// Show the backends and their states
    State {
        /// Show everything, as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct BackendArg {
    /// The backend's number, as in the log and the state, or its URL
    #[arg(value_name = "BACKEND")]
    backend: String,
}

#[derive(Debug, Args)]
struct Timeout {
    /// Wait until the backend has finished its requests, but at most this long, such as 30s
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    wait: Option<Duration>,
}

#[derive(Debug, Args)]
struct Serving {
    /// Wait until the backend serves (it has answered a ping), but at most this long, such as 30s
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    wait: Option<Duration>,
}

#[derive(Debug, Args)]
struct New {
    /// Address of the backend: http://host:port
    #[arg(value_name = "URL")]
    url: String,
    /// Weight in relation to the other backends [default: 1]
    #[arg(long, value_name = "WEIGHT", value_parser = values::weight)]
    weight: Option<u32>,
    /// Level of the backend; lower levels get requests first [default: 0]
    #[arg(long, value_name = "N", value_parser = values::priority)]
    priority: Option<u8>,
    /// Backup: gets requests only if no other backend can take them
    #[arg(long)]
    backup: bool,
    /// Limit of requests in flight
    #[arg(long, value_name = "N", value_parser = values::max_in_flight)]
    max_in_flight: Option<u32>,
    /// First mode: ready, drain or maintenance [default: ready]
    #[arg(long, value_name = "MODE", value_parser = values::mode)]
    mode: Option<String>,
    #[command(flatten)]
    serving: Serving,
}

const AFTER_HELP: &str = "\
Examples:
  lb ctl state
  lb ctl drain 3 --wait 30s && systemctl restart app@3 && lb ctl ready 3 --wait 30s
  lb ctl add http://10.0.0.7:8080 --weight 2 --wait 30s
  lb ctl remove http://10.0.0.3:8080 --wait 1m
  lb ctl policy least-connections

The line with drain and ready restarts a backend without a lost request; run it for one backend after the other. The
first command returns when the backend has finished its requests, the last one when the backend answers pings again.

A change lasts until the balancer ends, or until the same setting changes in its file.

The token:
  If the balancer has an admin_token, set the environment variable LB_ADMIN_TOKEN to the same token.

Exit status:
  0 done, 1 the balancer refused or the time of --wait is over, 2 the balancer cannot be reached.";

/// Why a command failed.
#[derive(Debug)]
enum Failure {
    /// The balancer refused, or the time is over.
    Refused(String),
    /// The balancer could not be reached.
    Unreachable(String),
}

impl Ctl {
    /// Runs the command, and prints the result.
    pub fn run(&self) -> ExitCode {
        let done = Client::new(&self.admin)
            .map_err(Failure::Unreachable)
            .and_then(|client| self.command.run(&client));
        match done {
            Ok(told) => print(told),
            Err(Failure::Refused(why)) => {
                print_error(format_args!("error: {why}\n"));
                ExitCode::FAILURE
            }
            Err(Failure::Unreachable(why)) => {
                print_error(format_args!("error: {why}\n"));
                CANNOT_START.into()
            }
        }
    }
}

impl Command {
    /// Sends the requests, and returns the text to print.
    fn run(&self, client: &Client) -> Result<String, Failure> {
        match self {
            Self::Drain { target, timeout } => {
                change(client, target, &json!({ "mode": "drain" }), timeout.wait)
            }
            Self::Ready { target, serving: until } => {
                let backend = ask(client, Method::PATCH, &target.path(), &json!({ "mode": "ready" }))?;
                until.watch(client, read(&backend)?)
            }
            Self::Maintenance { target, timeout } => {
                change(client, target, &json!({ "mode": "maintenance" }), timeout.wait)
            }
            Self::Weight { target, weight } => change(client, target, &json!({ "weight": weight }), None),
            Self::Add(new) => {
                let backend = ask(client, Method::POST, "/backends", &new.body())?;
                new.serving.watch(client, read(&backend)?)
            }
            Self::Remove { target, force, timeout } => {
                let backend = ask(client, Method::DELETE, &target.path_with_force(*force), &json!({}))?;
                let backend: BackendSummary = read(&backend)?;
                match timeout.wait {
                    None => Ok(told(&backend)),
                    Some(wait) => finished(client, &backend, wait, true)
                        .map(|_| format!("backend {} is gone: {}\n", backend.number, backend.url)),
                }
            }
            Self::Policy { policy } => {
                let now = ask(client, Method::PUT, "/policy", &json!({ "policy": policy }))?;
                read(&now).map(|now: PolicyInForce| format!("policy {}\n", now.policy))
            }
            Self::Reload => {
                let reloaded = ask(client, Method::POST, "/reload", &json!({}))?;
                read(&reloaded).map(|reloaded| told_reload(&reloaded))
            }
            Self::Reset => {
                let reset = ask(client, Method::POST, "/statistics/reset", &json!({}))?;
                read(&reset).map(|_: StatisticsReset| "counting from zero\n".to_owned())
            }
            Self::Log { level } => {
                let now = ask(client, Method::PUT, "/log", &json!({ "level": level }))?;
                read(&now).map(|now: LogLevel| format!("log level {}\n", now.level))
            }
            Self::State { json } => {
                let (status, state) =
                    client.ask(Method::GET, "/state", &json!({})).map_err(Failure::Unreachable)?;
                match (status.is_success(), json) {
                    (false, _) => Err(Failure::Refused(why(status, &shown_document(state)))),
                    (true, true) => read::<State>(&state).map(|_| shown_json(&format!("{state:#}\n"))),
                    (true, false) => read(&shown_document(state)).map(|state| table::of(&state)),
                }
            }
        }
    }
}

impl Serving {
    /// Reports on a backend that should serve: when it serves, or as soon as it is known whether it does.
    fn watch(&self, client: &Client, backend: BackendSummary) -> Result<String, Failure> {
        let backend = match self.wait {
            None => pinged(client, backend),
            Some(wait) => serving(client, backend, wait),
        };
        backend.map(|backend| told(&backend))
    }
}

impl BackendArg {
    /// The path of the backend at the admin port.
    fn path(&self) -> String {
        match self.backend.parse::<usize>() {
            Ok(number) => format!("/backends/{number}"),
            Err(_) => format!("/backends?url={}", utf8_percent_encode(&self.backend, NON_ALPHANUMERIC)),
        }
    }
}

impl BackendArg {
    /// The same path, with permission to remove even the last backend.
    fn path_with_force(&self, force: bool) -> String {
        let path = self.path();
        let before = if path.contains('?') { '&' } else { '?' };
        if force { format!("{path}{before}force=true") } else { path }
    }
}

impl New {
    fn body(&self) -> Value {
        let Self { url, weight, priority, backup, max_in_flight, mode, serving: _ } = self;
        let mut body = Map::from_iter([("url".to_owned(), json!(url))]);
        let mut put =
            |key: &str, value: Option<Value>| body.extend(value.map(|value| (key.to_owned(), value)));
        put("weight", weight.map(Value::from));
        put("priority", priority.map(Value::from));
        put("backup", backup.then_some(Value::Bool(true)));
        put("max_in_flight", max_in_flight.map(Value::from));
        put("mode", mode.clone().map(Value::from));
        body.into()
    }
}

/// Sends a request, and returns the answer of the balancer, safe for a terminal.
fn ask(client: &Client, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
    let (status, answer) = client.ask(method, path, body).map_err(Failure::Unreachable)?;
    let answer = shown_document(answer);
    match status.is_success() {
        true => Ok(answer),
        false => Err(Failure::Refused(why(status, &answer))),
    }
}

/// The reason of a refusal. A text of several lines also comes as a list of lines. So no line feed within a
/// text begins a new line, and no line of the balancer looks like one of this program.
fn why(status: StatusCode, answer: &Value) -> String {
    // The problems of a configuration already begin with "error".
    let bare = |error: &str| error.strip_prefix("error: ").unwrap_or(error).to_owned();
    let lines: Option<Vec<_>> =
        answer["lines"].as_array().map(|lines| lines.iter().filter_map(Value::as_str).collect());
    match (lines.filter(|lines| !lines.is_empty()), answer["error"].as_str()) {
        (Some(lines), _) => bare(&lines.join("\n  ")),
        (None, Some(error)) => bare(error),
        (None, None) => {
            format!("the server answers with status {status}; is this the admin address of a balancer?")
        }
    }
}

/// Changes the settings of a backend; on request, waits until it has finished its requests.
fn change(
    client: &Client,
    target: &BackendArg,
    body: &Value,
    wait: Option<Duration>,
) -> Result<String, Failure> {
    let backend: BackendSummary = read(&ask(client, Method::PATCH, &target.path(), body)?)?;
    match wait {
        None => Ok(told(&backend)),
        Some(wait) => finished(client, &backend, wait, false).map(|now| told(&now.unwrap_or(backend))),
    }
}

/// One line about a backend.
fn told(backend: &BackendSummary) -> String {
    let BackendSummary { number, url, weight, in_flight, .. } = backend;
    let mode = if backend.leaving { "leaving" } else { &backend.mode };
    format!("backend {number}: {url}, {mode}, weight {weight}, {}, {in_flight} in flight\n", state(backend))
}

fn told_reload(reloaded: &Reloaded) -> String {
    let Reloaded { changed, after_restart, backends, warnings } = reloaded;
    let mut told = String::new();
    for (what, names) in [("changed", changed), ("needs a restart", after_restart)] {
        if !names.is_empty() {
            let _ = writeln!(told, "{what}: {}", names.join(", "));
        }
    }
    let _ = writeln!(told, "{backends}");
    warnings.iter().for_each(|warning| _ = writeln!(told, "warning: {warning}"));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_named_by_number_or_address() {
        let path = |backend: &str| BackendArg { backend: backend.to_owned() }.path();
        assert_eq!(path("3"), "/backends/3");
        assert_eq!(path("http://[::1]:80"), "/backends?url=http%3A%2F%2F%5B%3A%3A1%5D%3A80");
        let forced = |backend: &str| BackendArg { backend: backend.to_owned() }.path_with_force(true);
        assert_eq!(forced("3"), "/backends/3?force=true");
        assert_eq!(forced("a"), "/backends?url=a&force=true");
    }

    #[test]
    fn a_reload_is_told_in_lines() {
        let nothing = json!({"changed": [], "after_restart": [], "backends": "the backends stay as they are", "warnings": []});
        let told_reload = |document: Value| told_reload(&serde_json::from_value(document).unwrap());
        assert_eq!(told_reload(nothing), "the backends stay as they are\n");
        let much = json!({
            "changed": ["health.rise", "health.fall"], "after_restart": ["workers"], "backends": "added http://a:1",
            "warnings": ["odd"]
        });
        let lines =
            "changed: health.rise, health.fall\nneeds a restart: workers\nadded http://a:1\nwarning: odd\n";
        assert_eq!(told_reload(much), lines);
    }
}
