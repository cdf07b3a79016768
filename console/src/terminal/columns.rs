//! The columns of the table of backends. Pure.

use ratatui::style::{Modifier, Style};

use super::text::{percent, rate, us};
use super::tone;
use crate::glyphs::Glyphs;
use crate::health::Health;
use crate::model::{Ghost, GhostLane, Lane, Trouble};

/// A column of the table.
pub(super) struct Column {
    pub(super) heading: &'static str,
    pub(super) width: usize,
    /// Whether the text is at the right end.
    pub(super) right: bool,
    /// Columns with lower ranks come first when there is not enough room for all.
    rank: u8,
    /// Whether the column is only there while a ghost runs.
    of_ghost: bool,
    pub(super) cell: fn(&Row<'_>) -> Field,
}

/// What a row of the table is made of.
pub(super) struct Row<'a> {
    pub(super) lane: &'a Lane,
    pub(super) ghost: Option<&'a GhostLane>,
    pub(super) glyphs: Glyphs,
}

/// A text, and its colour unless it is that of the row.
pub(super) type Field = (String, Option<Style>);

/// The columns in the order of the screen.
const COLUMNS: &[Column] = &[
    column("state", 9, false, 0, state),
    column("way", 3, true, 13, way),
    column("process", 7, false, 10, process),
    column("share", 5, true, 6, |row| text(percent(Some(row.lane.share)))),
    column("good", 5, true, 2, |row| text(percent(row.lane.good))),
    column("rps", 3, true, 3, |row| text(rate(row.lane.rate))),
    column("fly", 4, true, 4, in_flight),
    column("wait", 4, true, 8, |row| text(waiting(row.lane).to_string())),
    column("err", 3, true, 5, |row| text(rate(row.lane.errors + row.lane.failures))),
    column("retry", 5, true, 9, |row| text(rate(row.lane.retries))),
    column("p50", 6, true, 11, |row| text(us(row.lane.p50_us))),
    column("p99", 6, true, 1, |row| text(us(row.lane.p99_us))),
    Column { of_ghost: true, ..column("would be", 10, true, 7, would_be) },
    Column { of_ghost: true, ..column("would", 5, true, 12, would_get) },
    column("load", 6, false, 14, load),
    column("busy", 4, true, 15, busy),
    column("queue", 5, true, 16, queue),
    column("weight", 7, true, 17, weight),
    column("mode", 6, false, 18, |row| text(row.lane.mode.to_string())),
    column("last ping", 18, false, 19, last_ping),
];

const fn column(
    heading: &'static str,
    width: usize,
    right: bool,
    rank: u8,
    cell: fn(&Row<'_>) -> Field,
) -> Column {
    Column { heading, width, right, rank, of_ghost: false, cell }
}

/// The columns that fit this number of characters, each with a space before it.
pub(super) fn that_fit(columns: usize, ghost: Option<&Ghost>) -> Vec<&'static Column> {
    let mut by_rank: Vec<&Column> = COLUMNS.iter().filter(|one| ghost.is_some() || !one.of_ghost).collect();
    by_rank.sort_by_key(|one| one.rank);
    let mut left = columns;
    let fitting = by_rank.into_iter().take_while(|one| {
        let fits = one.width < left;
        left = left.saturating_sub(one.width + 1);
        fits
    });
    let ranks: Vec<u8> = fitting.map(|one| one.rank).collect();
    COLUMNS.iter().filter(|one| ranks.contains(&one.rank)).collect()
}

/// Whether the table has a column with this heading.
pub(super) fn has(columns: &[&Column], heading: &str) -> bool {
    columns.iter().any(|one| one.heading == heading)
}

fn text(text: String) -> Field {
    (text, None)
}

fn state(row: &Row<'_>) -> Field {
    let Row { lane, glyphs, .. } = row;
    // A backend that is up and gets no requests because an operator wants it so is not simply up.
    if lane.state == Health::Up && lane.mode != "ready" && !lane.mode.is_empty() {
        return (format!("{} {}", glyphs.drained(), lane.mode), Some(tone::DOUBT));
    }
    let style = match lane.trouble {
        Trouble::Harm => tone::HARM,
        _ => tone::of(lane.state).add_modifier(Modifier::BOLD),
    };
    (format!("{} {}", glyphs.shape(lane.state), lane.state.word()), Some(style))
}

/// How far the backend is on its way to another state: `1/2`, without the state.
fn way(row: &Row<'_>) -> Field {
    text(row.lane.progress.split(' ').next().unwrap_or_default().to_owned())
}

fn process(row: &Row<'_>) -> Field {
    let Some(server) = &row.lane.server else { return text("?".to_owned()) };
    let style = if server.process == "running" { None } else { Some(tone::of(Health::Down)) };
    (server.process.to_string(), style)
}

/// The requests in flight, and a gauge of the requests that the backend can serve at a time.
fn in_flight(row: &Row<'_>) -> Field {
    let gauge = match row.lane.server.as_ref().and_then(|server| server.workers) {
        Some(workers) => row.glyphs.level(f64::from(row.lane.in_flight) / f64::from(workers.max(1))),
        None => " ",
    };
    text(format!("{}{gauge}", row.lane.in_flight))
}

/// Requests that wait for a backend, in the balancer and in its own queue.
pub(super) fn waiting(lane: &Lane) -> u32 {
    lane.waiting.saturating_add(lane.server.as_ref().map_or(0, |server| server.queued))
}

/// The requests in flight, and the 99th percentile.
fn would_be(row: &Row<'_>) -> Field {
    let Some(ghost) = row.ghost else { return ("-".to_owned(), Some(tone::GHOST)) };
    (format!("{:>3} {:>6}", ghost.in_flight, us(ghost.p99_us)), Some(tone::GHOST))
}

/// The share.
fn would_get(row: &Row<'_>) -> Field {
    (row.ghost.map_or_else(|| "-".to_owned(), |ghost| percent(Some(ghost.share))), Some(tone::GHOST))
}

/// A gauge of the requests in service and in the queue, compared to what the backend can serve at a time.
fn load(row: &Row<'_>) -> Field {
    let Some(server) = &row.lane.server else { return text("-".to_owned()) };
    let Some(workers) = server.workers else { return text("-".to_owned()) };
    let filled = 6.0 * f64::from(row.lane.in_flight) / f64::from(workers.max(1));
    let cells = (0..6).map(|cell| row.glyphs.level(filled - f64::from(cell)));
    let style = if server.queued > 0 { Some(tone::DOUBT) } else { None };
    (cells.collect(), style)
}

fn busy(row: &Row<'_>) -> Field {
    let Some(server) = &row.lane.server else { return text("-".to_owned()) };
    text(of_limit(server.busy, server.workers))
}

fn queue(row: &Row<'_>) -> Field {
    let Some(server) = &row.lane.server else { return text("-".to_owned()) };
    text(of_limit(server.queued, server.queue))
}

fn of_limit(value: u32, limit: Option<u32>) -> String {
    limit.map_or_else(|| value.to_string(), |limit| format!("{value}/{limit}"))
}

/// The weight, and the part of it that counts while the backend warms up.
fn weight(row: &Row<'_>) -> Field {
    match row.lane.warm {
        Some(warm) => (format!("{} {:.0} %", row.lane.weight, warm * 100.0), Some(tone::DOUBT)),
        None => text(row.lane.weight.to_string()),
    }
}

fn last_ping(row: &Row<'_>) -> Field {
    match &row.lane.probe {
        None => text("-".to_owned()),
        Some(probe) if probe.ok => text(us(Some(probe.took_us))),
        Some(probe) => (probe.what.to_string(), Some(tone::DOUBT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headings(columns: usize, ghost: Option<&Ghost>) -> Vec<&'static str> {
        that_fit(columns, ghost).iter().map(|one| one.heading).collect()
    }

    #[test]
    fn the_most_important_columns_come_first_and_all_fit() {
        let ghost = Ghost::default();
        for width in 0..200 {
            for ghost in [None, Some(&ghost)] {
                let columns = that_fit(width, ghost);
                assert!(columns.iter().map(|one| one.width + 1).sum::<usize>() <= width, "{width}");
            }
        }
        assert_eq!(headings(9, None), Vec::<&str>::new());
        assert_eq!(headings(17, None), ["state", "p99"]);
        assert_eq!(headings(36, None), ["state", "good", "rps", "fly", "err", "p99"]);
        assert_eq!(headings(200, None).len() + 2, COLUMNS.len());
        assert_eq!(headings(200, Some(&ghost)).len(), COLUMNS.len());
        assert!(headings(74, Some(&ghost)).contains(&"would be"), "at 80 columns");
    }

    #[test]
    fn ranks_are_a_whole_order_and_headings_fit() {
        let mut ranks: Vec<u8> = COLUMNS.iter().map(|one| one.rank).collect();
        ranks.sort_unstable();
        assert!(ranks.iter().copied().eq(0..20), "{ranks:?}");
        assert!(COLUMNS.iter().all(|one| one.heading.len() <= one.width));
    }
}
