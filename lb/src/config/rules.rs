//! Contradictions between settings: rules that no setting can be checked for alone.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use balance::member::Member;

use super::form::Written;
use super::layer::{Given, Layer, Origin};
use super::listen::{self, AddressSource};
use super::problems::{Problem, ProblemList};
use super::{Config, RawConfig, backends};

/// Adds the rules that a configuration breaks to `problems`.
pub(super) fn check(config: &Config, raw: &RawConfig<'_>, problems: &mut ProblemList) {
    problems.extend((!raw.names_backends).then(|| no_backend(raw)));
    check_duplicates(config, raw, problems);
    let longer = [
        (
            ("health.ping_timeout", config.ping_timeout),
            ("health.ping_interval", config.ping_interval),
            "make the timeout at most as long as the interval",
        ),
        (
            ("outlier.ejection_time", config.outlier.ejection_time),
            ("outlier.max_ejection_time", config.outlier.max_ejection_time),
            "make ejection_time at most max_ejection_time",
        ),
    ];
    for (short, long, fix) in longer {
        problems.extend((short.1 > long.1).then(|| contradiction(raw, short, long, fix)).flatten());
    }
    problems.extend(old_view(config, raw));
    // A socket that a supervisor passes replaces the port for clients.
    if !raw.has_socket {
        let shared = config.listeners.iter().find(|listener| overlap(**listener, config.admin));
        problems.extend(shared.map(|listener| one_port(*listener, config, raw)));
        problems.extend(two_listeners(config, raw));
        problems.extend(loops(config, raw));
    }
}

/// There is no backend, and the user has not tried to name one.
fn no_backend(raw: &RawConfig<'_>) -> Problem {
    let backends::BadAddress { what, fix } = backends::no_backend();
    match raw.has_file {
        false => Problem::new(what, fix),
        true => {
            let end = raw.source.text.trim_end().len();
            let fix = "add [[backend]] and, below it, url = \"http://localhost:3031\"";
            Problem::new(what, fix).at_place(Some(end..end))
        }
    }
}

/// Adds backends that are listed more than once to `problems`.
pub(super) fn check_duplicates(config: &Config, raw: &RawConfig<'_>, problems: &mut ProblemList) {
    let mut first = HashMap::new();
    for (member, layer) in config.backends.iter().zip(&raw.backends) {
        let place = layer.get("backend.url").and_then(Given::place);
        match first.get(&member.address) {
            None => _ = first.insert(&member.address, place),
            Some(before) => {
                let what = format!("backend {} is listed twice", member.address);
                let places = place.into_iter().chain(before.clone());
                problems.push(Problem::new(what, "list each backend once").at_place(places));
            }
        }
    }
}

/// The policy shall see old loads, and that is allowed for teaching only.
fn old_view(config: &Config, raw: &RawConfig<'_>) -> Option<Problem> {
    let given = raw.settings.written("balance.load_view_delay")?;
    (!config.load_view_delay.is_zero() && !config.teaching).then(|| {
        let what = format!("{} is for teaching: with old loads, the balancer balances worse", given.name());
        Problem::new(what, format!("set teaching to true as well, or remove {}", given.name())).at(given)
    })
}

/// A time is longer than another one that limits it; `None` if either of them is wrong by itself.
fn contradiction(
    raw: &RawConfig<'_>,
    (short, short_is): (&str, Duration),
    (long, long_is): (&str, Duration),
    fix: &str,
) -> Option<Problem> {
    let sound = |id| raw.settings.get(id).filter(|given| given.origin != Origin::InsteadOfWrong);
    let (short, long) = (sound(short)?, sound(long)?);
    let time = humantime::format_duration;
    let what = format!(
        "{} is {}{}, longer than {}, {}{}",
        name(short, raw),
        time(short_is),
        by_default(short),
        name(long, raw),
        time(long_is),
        by_default(long)
    );
    let mut places: Vec<_> = [short, long].into_iter().filter_map(Given::place).collect();
    // A reader of the file first sees the contradiction at the later place.
    places.sort_by_key(|place| std::cmp::Reverse(place.start));
    Some(Problem::new(what, fix).at_place(places))
}

/// The name by which the user can change the setting: a flag if there is no file.
fn name(setting: &Given<Written>, raw: &RawConfig<'_>) -> String {
    match setting.is_written() || raw.has_file {
        true => setting.name(),
        false => format!("--{}", setting.setting.flag),
    }
}

fn by_default(setting: &Given<Written>) -> &'static str {
    if setting.is_written() { "" } else { " by default" }
}

/// Whether only one program can listen on both addresses.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    // The address :: includes all addresses of both kinds, and 0.0.0.0 all of IPv4.
    let holds = |all: IpAddr, ip: IpAddr| all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4());
    let (ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
    let is_one = ip == other_ip || holds(ip, other_ip) || holds(other_ip, ip);
    is_one && one.port() == other.port() && one.port() != 0
}

/// The first two listeners that cannot both listen.
fn two_listeners(config: &Config, raw: &RawConfig<'_>) -> Option<Problem> {
    let listeners = &config.listeners;
    let (one, other) = (0..listeners.len())
        .flat_map(|other| (0..other).map(move |one| (one, other)))
        .find(|(one, other)| overlap(listeners[*one], listeners[*other]))?;
    let what = match listeners[one] == listeners[other] {
        true => format!("the listener {} is listed twice", listeners[one]),
        false => {
            format!("the listeners {} and {} cannot use the same port", listeners[one], listeners[other])
        }
    };
    let place = |index: usize| raw.listeners.get(index)?.written("listener.address").and_then(Given::place);
    let places = [other, one].into_iter().filter_map(place);
    Some(Problem::new(what, "give each listener an address and a port of its own").at_place(places))
}

/// Backends that are the balancer itself.
fn loops(config: &Config, raw: &RawConfig<'_>) -> Vec<Problem> {
    let itself = |(member, layer): (&Member, &Layer)| {
        let leads_back = |listener: &SocketAddr| listen::leads_back(*listener, &member.address);
        let index = config.listeners.iter().position(leads_back)?;
        let listener = match config.listeners_from {
            AddressSource::Sections => raw.listeners.get(index)?.written("listener.address"),
            AddressSource::Listen => raw.settings.written("listen"),
            AddressSource::FlagsInsteadOfSections(_) => None,
        };
        let what = listen::is_itself(config.listeners[index], &member.address);
        let fix = "write the address of a server there, or let the balancer listen at another port";
        let places = [layer.written("backend.url"), listener].into_iter().flatten().filter_map(Given::place);
        Some(Problem::new(what, fix).at_place(places))
    };
    config.backends.iter().zip(&raw.backends).filter_map(itself).collect()
}

fn one_port(listener: SocketAddr, config: &Config, raw: &RawConfig<'_>) -> Problem {
    let given = ["admin", "listen", "port"].map(|id| raw.settings.written(id));
    let what = match listener == config.admin {
        true => format!("clients and the admin port cannot both use {listener}"),
        false => {
            format!("clients at {listener} and admin at {} cannot use the same port", config.admin)
        }
    };
    let other = if listener.port() == 4030 { 4031 } else { 4030 };
    let fix = format!("set another port for one of them, such as {other} for admin");
    Problem::new(what, fix).at_place(given.into_iter().flatten().filter_map(Given::place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_addresses_overlap_if_one_holds_the_other() {
        let table = [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("[::]:80", "0.0.0.0:80", true),
            ("[::]:80", "[::1]:80", true),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.1:81", false),
            ("0.0.0.0:0", "127.0.0.1:0", false),
        ];
        for (one, other, expected) in table {
            assert_eq!(overlap(one.parse().unwrap(), other.parse().unwrap()), expected, "{one} {other}");
        }
    }
}
