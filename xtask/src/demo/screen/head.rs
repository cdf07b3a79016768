//! The lines above the table: policy and load, all requests, and what the clients see. Pure.

use std::time::Duration;

use console::{LoadFigures, Totals, View};
use lab::spell::time;

use super::line::fit;

/// Below this width, words are shorter.
const NARROW: usize = 60;

/// What the demo does at the moment.
pub(super) fn title(view: &View, note: Option<&str>, width: usize) -> String {
    let load = view.load.as_ref().map(|load| match &*load.control {
        "closed" => format!("{} clients, closed loop", load.clients),
        _ => format!("{:.0}/s, open loop", load.rate),
    });
    let seed = view.seed.map(|seed| format!("seed {seed}"));
    let mut parts = if width < NARROW { Vec::new() } else { vec!["Roundabout".to_owned()] };
    parts.push(view.policy.to_string());
    parts.extend(note.map(str::to_owned));
    parts.extend(load);
    parts.push(format!("{} s", view.t / 1_000_000));
    parts.extend(seed);
    parts.push(format!("lb {}", view.version));
    fit(parts.iter().map(String::as_str), width)
}

/// The window of the figures, as far as it is filled, such as `5 s`.
pub(super) fn window(view: &View) -> String {
    format!("{} s", (view.covers_us.min(view.window_us) as f64 / 1e6).round())
}

/// All requests, as the balancer counts them.
pub(super) fn totals(view: &View, width: usize) -> String {
    let Totals { offered, good, errors, errors_ever, retries, retries_ever, .. } = view.totals;
    if width < NARROW {
        return fit(
            [&*format!(
                "{}: {offered:.0} rps {good:.0} good {errors:.0} err {retries:.0} retry",
                window(view)
            )],
            width,
        );
    }
    let amplification = view.totals.amplification.map(|tries| format!("tries x{tries:.2}"));
    let imbalance = view.totals.imbalance.map(|most| format!("max/avg {most:.2}"));
    let mut parts = vec![
        format!("lb {}:", window(view)),
        format!("{offered:.0} rps"),
        format!("{good:.0} good"),
        format!("{errors:.1} errors/s ({errors_ever})"),
        format!("{retries:.1} retries/s ({retries_ever})"),
    ];
    parts.extend(imbalance);
    parts.extend(amplification);
    parts.push(format!("in flight {}", view.totals.in_flight));
    if view.totals.missed > 0 {
        parts.push(format!("{} events missed", view.totals.missed));
    }
    fit(parts.iter().map(String::as_str), width)
}

/// What the clients of the load see.
pub(super) fn clients(view: &View, load: &LoadFigures, width: usize) -> String {
    let us = |us: Option<u64>| time(us.map(Duration::from_micros));
    let waiting = match &*load.control {
        "closed" => format!("{} of {} wait", load.waiting, load.clients),
        _ => format!("{} wait", load.waiting),
    };
    let parts = [
        format!("clients {}:", window(view)),
        format!("{:.0} good/s", load.good),
        format!("{:.1} errors/s ({})", load.errors, load.errors_ever),
        waiting,
        format!("p50 {}", us(load.p50_us)),
        format!("p99 {}", us(load.p99_us)),
    ];
    fit(parts.iter().map(String::as_str), width)
}
