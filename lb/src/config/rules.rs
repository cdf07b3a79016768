//! Which settings contradict each other? What no setting can be checked for alone.

use std::collections::HashMap;
use std::time::Duration;

use super::form::Written;
use super::layer::{Given, Origin};
use super::problems::{Found, Problem};
use super::{Config, Said, backends};

/// Tells `problems` which rules a configuration breaks.
pub(super) fn broken(config: &Config, said: &Said<'_>, problems: &mut Found) {
    problems.extend((!said.names_backends).then(|| nobody(said)));
    twice(config, said, problems);
    let longer = [
        (
            ("health.ping_timeout", config.ping_timeout),
            ("health.ping_interval", config.ping_interval),
            "make the timeout at most as long as the interval",
        ),
        (
            ("outlier.ejection_time", config.outlier.ejection_time),
            ("outlier.max_ejection_time", config.outlier.max_ejection_time),
            "make the first ejection at most as long as the longest",
        ),
    ];
    for (short, long, fix) in longer {
        problems.extend((short.1 > long.1).then(|| contradiction(said, short, long, fix)).flatten());
    }
    problems
        .extend((config.listen == config.admin && config.listen.port() != 0).then(|| one_port(config, said)));
}

/// There is no backend, and nobody has tried to name one.
fn nobody(said: &Said<'_>) -> Problem {
    let backends::BadAddress { what, fix } = backends::nobody();
    match said.has_file {
        false => Problem::new(what, fix),
        true => {
            let end = said.source.text.trim_end().len();
            let fix = "add [[backend]] and, below it, url = \"http://localhost:3031\"";
            Problem::new(what, fix).at_place(Some(end..end))
        }
    }
}

/// Tells `problems` which backends are listed more than once.
pub(super) fn twice(config: &Config, said: &Said<'_>, problems: &mut Found) {
    let mut first = HashMap::new();
    for (member, layer) in config.backends.iter().zip(&said.backends) {
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

/// One time is longer than another that bounds it; `None` if either is wrong by itself.
fn contradiction(
    said: &Said<'_>,
    (short, short_is): (&str, Duration),
    (long, long_is): (&str, Duration),
    fix: &str,
) -> Option<Problem> {
    let sound = |id| said.settings.get(id).filter(|given| given.origin != Origin::InsteadOfWrong);
    let (short, long) = (sound(short)?, sound(long)?);
    let time = humantime::format_duration;
    let what = format!(
        "{} is {}{}, longer than {}, {}{}",
        name(short, said),
        time(short_is),
        by_default(short),
        name(long, said),
        time(long_is),
        by_default(long)
    );
    let mut places: Vec<_> = [short, long].into_iter().filter_map(Given::place).collect();
    // The later one is where somebody reading the file first sees that it cannot be.
    places.sort_by_key(|place| std::cmp::Reverse(place.start));
    Some(Problem::new(what, fix).at_place(places))
}

/// The name by which whoever reads this can change it: a flag where there is no file.
fn name(setting: &Given<Written>, said: &Said<'_>) -> String {
    match setting.is_said() || said.has_file {
        true => setting.name(),
        false => format!("--{}", setting.setting.flag),
    }
}

fn by_default(setting: &Given<Written>) -> &'static str {
    if setting.is_said() { "" } else { " by default" }
}

fn one_port(config: &Config, said: &Said<'_>) -> Problem {
    let places = ["admin", "listen"].into_iter().filter_map(|id| said.settings.get(id)?.place());
    let what = format!("clients and admin cannot both be served at {}", config.listen);
    let fix = "give one of them another port, such as 4030 for admin";
    Problem::new(what, fix).at_place(places)
}
