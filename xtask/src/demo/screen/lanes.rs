//! The table of backends. Pure.

use std::time::Duration;

use console::{Glyphs, Health, Lane, Trouble, View};
use crossterm::style::Color;
use lab::spell::time;

use super::head::window;
use super::line::{DIM, HARM, Line, plain, short};

/// From this width on, the table has all columns.
const WIDE: usize = 79;

/// From this width on, it also has what the backends say of themselves.
const WIDEST: usize = 112;

/// From this height on, each backend has a timeline below its row.
const HIGH: usize = 22;

/// The table, with its headings.
pub(super) fn table(
    view: &View,
    selected: usize,
    glyphs: Glyphs,
    (width, height): (usize, usize),
) -> Vec<Line> {
    let mut lines = vec![plain(headings(view, width))];
    for lane in &view.lanes {
        lines.push(row(lane, lane.number == selected, glyphs, width));
        if height >= HIGH {
            lines.push(timeline(lane, glyphs, width));
        }
    }
    lines
}

fn headings(view: &View, width: usize) -> String {
    let window = window(view);
    if width < WIDE {
        return "  # state      good   /s fly errs    p99".to_owned();
    }
    let all = "     # process state     share  good   rps fly wait err/s retry    p50    p99";
    if width < WIDEST {
        return all.to_owned();
    }
    format!("{all}  busy queue weight  last ping  ({window})")
}

fn row(lane: &Lane, selected: bool, glyphs: Glyphs, width: usize) -> Line {
    let marks = match lane.trouble {
        Trouble::Harm => "!!!",
        Trouble::Out => "!!",
        Trouble::Some => "!",
        Trouble::None => "",
    };
    let harm = if lane.trouble == Trouble::Harm { HARM } else { None };
    let of_marks = if lane.is_worst && harm.is_none() { Some(color(Health::Down)) } else { harm };
    let of_numbers = if lane.is_quiet { DIM } else { harm };
    let (state, of_state) = state(lane, glyphs);
    let state = (format!("{state:<9} "), harm.or(of_state));
    let mut line = vec![((if selected { ">" } else { " " }).into(), None)];
    if width < WIDE {
        line.push((format!("{:1}", marks.get(..1).unwrap_or_default()), of_marks));
        line.push((format!("{} ", lane.number), harm));
        line.extend([state, (few_numbers(lane), of_numbers)]);
        return line;
    }
    let process = lane.server.as_ref().map_or("?", |server| &*server.process);
    line.push((format!("{marks:<3}"), of_marks));
    line.push((format!(" {} ", lane.number), harm));
    line.push((format!("{process:<7} "), harm));
    line.extend([state, (numbers(lane), of_numbers)]);
    if width >= WIDEST {
        line.push((more(lane), None));
    }
    line
}

/// The columns from `good` on, on a narrow screen.
fn few_numbers(lane: &Lane) -> String {
    format!(
        "{:>5} {:>4.0} {:>3} {:>4.0} {:>6}",
        good(lane),
        lane.rate,
        lane.in_flight,
        bad(lane),
        us(lane.p99_us)
    )
}

/// The columns from `share` to `p99`.
fn numbers(lane: &Lane) -> String {
    let waiting = lane.waiting + lane.server.as_ref().map_or(0, |server| server.queued);
    format!(
        "{:>5} {:>5} {:>5.1} {:>3} {:>4} {:>5.1} {:>5.1} {:>6} {:>6}",
        percent(Some(lane.share)),
        good(lane),
        lane.rate,
        lane.in_flight,
        waiting,
        bad(lane),
        lane.retries,
        us(lane.p50_us),
        us(lane.p99_us),
    )
}

/// What a backend says of itself, its weight, and its last ping.
fn more(lane: &Lane) -> String {
    let (mut busy, mut queue) = ("-".to_owned(), "-".to_owned());
    if let Some(server) = &lane.server {
        let of = |limit: Option<u32>| limit.map_or(String::new(), |limit| format!("/{limit}"));
        busy = format!("{}{}", server.busy, of(server.workers));
        queue = format!("{}{}", server.queued, of(server.queue));
    }
    let weight = match lane.warm {
        Some(warm) => format!("{} {:.0} %", lane.weight, warm * 100.0),
        None => lane.weight.to_string(),
    };
    let probe = match &lane.probe {
        None => "-".to_owned(),
        Some(probe) if probe.ok => us(Some(probe.took_us)),
        Some(probe) => probe.what.to_string(),
    };
    format!("  {busy:>4} {queue:>5} {weight:>6}  {probe}")
}

fn state(lane: &Lane, glyphs: Glyphs) -> (String, Option<Color>) {
    // A backend that is up and gets no requests because an operator wants it so is not simply up.
    if lane.state == Health::Up && lane.mode != "ready" && !lane.mode.is_empty() {
        return (format!("{} {}", glyphs.drained(), short(&lane.mode, 7)), Some(color(Health::Ejected)));
    }
    (format!("{} {}", glyphs.shape(lane.state), lane.state.word()), Some(color(lane.state)))
}

/// The last minute, and what is to say about the backend.
fn timeline(lane: &Lane, glyphs: Glyphs, width: usize) -> Line {
    let fits = width.saturating_sub(2).min(lane.cells.len());
    let mut line: Line = plain(" ");
    for cell in lane.cells.iter().skip(lane.cells.len() - fits) {
        let colour = cell.map(|cell| match (cell.state, cell.errors) {
            (Health::Up, 1..) => Color::Red,
            (state, _) => color(state),
        });
        line.push((glyphs.cell(*cell).into(), colour));
    }
    let left = width.saturating_sub(fits + 2);
    line.push((format!(" {}", remark(lane, left)), remark_color(lane)));
    line
}

/// What is to say about a backend in this number of columns: as a whole, or else its first part.
fn remark(lane: &Lane, width: usize) -> String {
    let mut remarks = lane.faults.clone();
    if !lane.progress.is_empty() {
        remarks.push(lane.progress.clone());
    }
    if lane.state != Health::Up {
        remarks.push(lane.cause.to_string());
    }
    let remark = remarks.join("; ");
    let first = remark.split([',', ';']).next().unwrap_or_default();
    short(if remark.chars().count() <= width { &remark } else { first }, width)
}

fn remark_color(lane: &Lane) -> Option<Color> {
    match lane.trouble {
        Trouble::Harm => HARM,
        _ if lane.faults.is_empty() => DIM,
        _ => Some(color(Health::Suspect)),
    }
}

fn bad(lane: &Lane) -> f64 {
    lane.errors + lane.failures
}

fn good(lane: &Lane) -> String {
    percent(lane.good)
}

/// A share from 0 to 1. Only a share of exactly 1 is 100 %.
fn percent(share: Option<f64>) -> String {
    match share {
        None => "-".to_owned(),
        Some(share) if share < 1.0 => format!("{:.0} %", (share * 100.0).round().min(99.0)),
        Some(_) => "100 %".to_owned(),
    }
}

fn us(us: Option<u64>) -> String {
    time(us.map(Duration::from_micros))
}

/// Nearly all people can distinguish blue and orange.
fn color(health: Health) -> Color {
    match health {
        Health::Up => Color::Cyan,
        Health::Suspect | Health::Ejected => Color::Yellow,
        Health::Down => Color::AnsiValue(208),
    }
}
