//! The lines above the table: policy and load, all requests, what the clients see, and the ghost. Pure.

use ratatui::text::Line;

use super::scene::Scene;
use super::text::{fit, plain, rate, short, us};
use super::tone;
use crate::model::{Ghost, GhostTotals, LoadFigures, Server, Totals, View};
use crate::shown;

/// Below this width, words are shorter.
const NARROW: usize = 60;

/// What the lab does at the moment.
pub(super) fn title(scene: &Scene<'_>, columns: usize) -> Line<'static> {
    let Scene { view, look, .. } = scene;
    let load = view.load.as_ref().map(|load| match &*load.control {
        "closed" => format!("{} clients, closed loop", load.clients),
        _ => format!("{:.0}/s, open loop", load.rate),
    });
    // What is unusual comes first, so that it is on every screen.
    let mut parts: Vec<String> =
        look.unusual().iter().map(|note| short(&shown(note), columns.saturating_sub(1))).collect();
    if columns >= NARROW {
        parts.push("Roundabout".to_owned());
    }
    parts.extend(Some(view.policy.to_string()).filter(|policy| !policy.is_empty()));
    parts.extend(load);
    parts.push(format!("{} s", view.t / 1_000_000));
    parts.extend(view.seed.map(|seed| format!("seed {seed}")));
    if !view.version.is_empty() {
        parts.push(format!("lb {}", view.version));
    }
    Line::styled(fit(parts.iter().map(String::as_str), columns), tone::BOLD)
}

/// The window of the figures, as far as it is filled, such as `5 s`.
pub(super) fn window(view: &View) -> String {
    format!("{} s", (view.covers_us.min(view.window_us) as f64 / 1e6).round())
}

/// All requests, as the balancer counts them.
pub(super) fn totals(view: &View, columns: usize) -> Line<'static> {
    let Totals { offered, good, errors, errors_ever, retries, retries_ever, .. } = view.totals;
    let [offered, good, errors, retries] = [offered, good, errors, retries].map(rate);
    if columns < NARROW {
        let window = window(view);
        let parts = [
            format!("{window}: {offered} rps"),
            format!("{good} good"),
            format!("{errors} err"),
            format!("{retries} retry"),
        ];
        return plain(fit(parts.iter().map(String::as_str), columns));
    }
    let mut parts = vec![
        format!("lb {}:", window(view)),
        format!("{offered} rps"),
        format!("{good} good"),
        format!("{errors} errors/s ({errors_ever})"),
        format!("{retries} retries/s ({retries_ever})"),
    ];
    parts.extend(view.totals.imbalance.map(|most| format!("max/avg {most:.2}")));
    parts.extend(view.totals.amplification.map(|tries| format!("tries x{tries:.2}")));
    parts.push(format!("in flight {}", view.totals.in_flight));
    if view.totals.missed > 0 {
        parts.push(format!("{} events missed", view.totals.missed));
    }
    plain(fit(parts.iter().map(String::as_str), columns))
}

/// What the clients of the load see.
pub(super) fn clients(view: &View, load: &LoadFigures, columns: usize) -> Line<'static> {
    let waiting = match &*load.control {
        "closed" => format!("{} of {} wait", load.waiting, load.clients),
        _ => format!("{} wait", load.waiting),
    };
    let parts = [
        format!("clients {}:", window(view)),
        format!("{} good/s", rate(load.good)),
        format!("{} errors/s ({})", rate(load.errors), load.errors_ever),
        waiting,
        format!("p50 {}", us(load.p50_us)),
        format!("p99 {}", us(load.p99_us)),
    ];
    plain(fit(parts.iter().map(String::as_str), columns))
}

/// What would be with the policy of the ghost.
pub(super) fn ghost(view: &View, ghost: &Ghost, columns: usize) -> Line<'static> {
    let seconds = (ghost.covers_us as f64 / 1e6).round();
    let agreement = match ghost.agreement {
        Some(agreement) => format!("agreement {agreement:.0} % ({seconds} s)"),
        None => "agreement not known yet".to_owned(),
    };
    let GhostTotals { good, errors, in_flight, p50_us, p99_us } = &ghost.totals;
    let parts = match columns < NARROW {
        true => vec![
            format!("ghost {}", ghost.policy),
            format!("p99 {}", us(*p99_us)),
            ghost.agreement.map_or_else(String::new, |agreement| format!("agree {agreement:.0} %")),
        ],
        false => vec![
            format!("would be, {} {}:", ghost.policy, window(view)),
            format!("p50 {}", us(*p50_us)),
            format!("p99 {}", us(*p99_us)),
            agreement,
            format!("in flight {in_flight}"),
            format!("{} good/s", rate(*good)),
            format!("{} errors/s", rate(*errors)),
            "enter makes it real".to_owned(),
        ],
    };
    Line::styled(fit(parts.iter().map(String::as_str), columns), tone::GHOST)
}

/// The settings of the balancer that differ from their defaults, and the limits that all backends have.
pub(super) fn settings(view: &View, columns: usize) -> Option<Line<'static>> {
    let common = |limit: fn(&Server) -> Option<u32>| {
        let mut all = view.lanes.iter().map(|lane| lane.server.as_ref().and_then(limit));
        let first = all.next().flatten()?;
        all.all(|one| one == Some(first)).then_some(first)
    };
    let workers = common(|server| server.workers).map(|count| format!("workers {count}"));
    let queue = common(|server| server.queue).map(|most| format!("queue {most}"));
    let told = view.settings.iter().map(|setting| shown(setting));
    let settings: Vec<String> = told.chain(workers).chain(queue).collect();
    let named = settings.iter().map(|setting| format!("[{setting}]"));
    let parts: Vec<String> = std::iter::once("settings:".to_owned()).chain(named).collect();
    (!settings.is_empty()).then(|| plain(fit(parts.iter().map(String::as_str), columns)))
}
