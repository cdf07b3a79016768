//! `lb check`: shows people what a configuration means.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;

pub mod figures;

use balance::member::Member;
use figures::{Figures, Span};

use crate::config::{Config, is_wanted};

/// A configuration in words.
#[derive(Debug)]
pub struct Summary<'a>(pub &'a Config);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.0;
        let mut lines = vec![("Clients", clients(config)), ("Admin", admin(config))];
        lines.push(("Policy", policy(config)));
        write(f, &lines)?;
        writeln!(f, "\nBackends")?;
        for (level, members) in levels(config) {
            level_lines(f, &level, &members, config)?;
        }
        let figures = Figures::of(config);
        writeln!(f, "\nWhen a backend")?;
        write(f, &failures(config, &figures))?;
        writeln!(f, "\nA request")?;
        write(f, &requests(config, &figures))
    }
}

fn write(f: &mut fmt::Formatter<'_>, lines: &[(&str, String)]) -> fmt::Result {
    lines.iter().try_for_each(|(what, is)| writeln!(f, "  {what:25} {is}"))
}

fn clients(config: &Config) -> String {
    let most = match config.max_connections {
        Some(most) => format!("at most {most} connections"),
        None => "as many connections as the file descriptors allow".to_owned(),
    };
    let listeners = listed(&config.listeners);
    format!("{listeners}, {most}, {}", count(config.workers as u64, "worker", "workers"))
}

/// Addresses, separated by `and`.
fn listed(listeners: &[SocketAddr]) -> String {
    listeners.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(" and ")
}

fn admin(config: &Config) -> String {
    let whose = match (&config.admin_token, config.admin.ip().to_canonical().is_loopback()) {
        (Some(_), _) => "changes need the token",
        (None, true) => "changes are accepted from this machine only",
        (None, false) => "no changes are accepted, because there is no token",
    };
    format!("{}, {whose}", config.admin)
}

fn policy(config: &Config) -> String {
    let key = if config.rules().uses_key() { format!(" by {}", config.proxy.key) } else { String::new() };
    let cookie = match &config.proxy.sticky_cookie {
        Some(name) => format!("; sticky sessions with the cookie {name}"),
        None => String::new(),
    };
    let subset = match config.subset {
        Some(subset) => format!(" within {} backends for each key", subset.size),
        None => String::new(),
    };
    let old = match config.load_view_delay {
        Duration::ZERO => String::new(),
        period => format!("; it sees loads that are up to {} old", humantime::format_duration(period)),
    };
    let teaching = if config.teaching { "; for teaching" } else { "" };
    format!("{}{subset}{key}{cookie}{old}{teaching}", config.policy)
}

/// The backends by level: first the levels, then the backups, and at the end the backends that get no
/// requests.
fn levels(config: &Config) -> Vec<(String, Vec<&Member>)> {
    let place = |member: &Member| match (is_wanted(member), member.backup) {
        (false, _) => (2, 0, "unwanted".to_owned()),
        (true, true) => (1, 0, "backups".to_owned()),
        (true, false) => (0, member.priority, format!("level {}", member.priority)),
    };
    let mut levels: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for member in &config.backends {
        levels.entry(place(member)).or_default().push(member);
    }
    levels.into_iter().map(|((_, _, name), members)| (name, members)).collect()
}

fn level_lines(f: &mut fmt::Formatter<'_>, level: &str, members: &[&Member], config: &Config) -> fmt::Result {
    let weight = |member: &Member| if config.policy.uses_weights() { member.weight } else { 1 };
    let all: u32 = members.iter().filter(|member| is_wanted(member)).map(|member| weight(member)).sum();
    for (member, n) in members.iter().zip(0..) {
        let share = match is_wanted(member) {
            true => format!("{:.1}%", f64::from(weight(member)) / f64::from(all) * 100.0),
            false if member.weight == 0 => "weight 0".to_owned(),
            false => member.mode.to_string(),
        };
        let limit = member.limit.map(|limit| format!(", at most {limit} in flight")).unwrap_or_default();
        let name = if n == 0 { level } else { "" };
        writeln!(f, "  {name:25} {:32} {share}{limit}", member.address.to_string())?;
    }
    Ok(())
}

fn failures(config: &Config, figures: &Figures) -> Vec<(&'static str, String)> {
    let silence = match figures.stall_under_load {
        None => "not detected: there is no other backend to compare with".to_owned(),
        Some(span) => format!(
            "asked, and suspected {} after {} there, if it usually answers within {}",
            range(span),
            match config.silence.waiting {
                1 => "a request waits".to_owned(),
                n => format!("{n} requests wait"),
            },
            time(config.silence.at_least / 2)
        ),
    };
    let silence_of_one = match figures.stall_at_one_request {
        None => "not detected: there is no other backend to compare with".to_owned(),
        Some(span) => format!("suspected {} after one request waits there", range(span)),
    };
    let asked = match figures.stall_without_traffic {
        None => "not detected: pings only connect; set ping_path".to_owned(),
        Some(span) => format!("down after {}", range(span)),
    };
    let slow_start = match config.slow_start {
        Duration::ZERO => String::new(),
        slow => format!(", with its full share {} later", time(slow)),
    };
    let first_request = match figures.crash_under_load.worst {
        Duration::ZERO => "down with the first request".to_owned(),
        _ => format!("down {} after the first request", range(figures.crash_under_load)),
    };
    let mut lines = vec![
        ("crashes under load", first_request),
        ("crashes without traffic", format!("down after {}", range(figures.crash_without_traffic))),
        ("vanishes without traffic", format!("down after {}", range(figures.vanished_without_traffic))),
        ("stalls under load", silence),
        ("stalls at low traffic", silence_of_one),
        ("stalls without traffic", asked),
        ("comes back", format!("up after {}{slow_start}", range(figures.recovery))),
    ];
    if config.outlier.consecutive_errors > 0 {
        let (errors, lasts) = (config.outlier.consecutive_errors, time(config.outlier.lasts(1)));
        lines.push(("answers with errors", format!("ejected for {lasts} after {errors} in a row")));
    }
    lines
}

fn requests(config: &Config, figures: &Figures) -> Vec<(&'static str, String)> {
    let tries = u64::from(config.proxy.retries) + 1;
    let queue = match config.limit {
        None => "not at all: backends have no limit".to_owned(),
        Some(limit) => format!(
            "in the queue of a backend with {limit} requests in flight: up to {} requests, for at most {}",
            config.proxy.queue.max_waiting,
            time(config.proxy.queue.timeout)
        ),
    };
    let budget = match config.retry_budget {
        None => String::new(),
        Some(rule) => {
            format!("; retry budget of all requests: {}% and {} per second", rule.percent, rule.per_second)
        }
    };
    let each = ByteSize(config.proxy.replay_limit as u64).display().iec();
    let held = match figures.held {
        None => format!("up to {each} of its body"),
        Some(all) => format!("up to {each} of its body, {} of all together", ByteSize(all).display().iec()),
    };
    let refused = match figures.all_refuse {
        Duration::ZERO => "at once when no backend takes connections".to_owned(),
        after => format!("after at most {} when no backend takes connections", time(after)),
    };
    let mut lines = vec![
        (
            "is tried",
            format!(
                "at most {}: at {}, {} each{budget}",
                count(figures.most_tries.into(), "time", "times"),
                count(figures.backends_tried.into(), "backend", "backends"),
                count(tries, "time", "times")
            ),
        ),
        ("is answered", format!("after at most {}", time(figures.longest))),
        ("is refused", refused),
        ("waits", queue),
        ("is held for another try", held),
    ];
    if !config.proxy.retry_on.is_empty() && config.proxy.attempts > 1 {
        let statuses: Vec<_> =
            config.proxy.retry_on.iter().map(|status| status.as_str().to_owned()).collect();
        lines.push((
            "is tried elsewhere",
            format!("after an answer with {}, if it may run twice", statuses.join(", ")),
        ));
    }
    if let Some(after) = config.proxy.hedge_after {
        lines.push(("is hedged", format!("after {} without an answer", time(after))));
    }
    lines
}

fn count(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

fn range(Span { best, worst }: Span) -> String {
    if best == worst { time(best) } else { format!("{} to {}", time(best), time(worst)) }
}

/// A time to the millisecond: on a network, smaller units mean nothing.
fn time(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    humantime::format_duration(Duration::from_millis(millis)).to_string()
}
