//! The table of backends. Pure.

use ratatui::style::{Modifier, Style};
use ratatui::text::Line;

use super::columns::{Column, Row, has, that_fit};
use super::scene::Scene;
use super::text::{pad, piece, short, width};
use super::tone;
use crate::health::Health;
use crate::model::{Cell, Lane, Trouble};

/// From this width on, a row has all three marks.
const MARKS: usize = 60;

/// The table in at most `rows` rows, with its headings. With `strips`, each backend has a strip of its last
/// minute below its row.
pub(super) fn table(scene: &Scene<'_>, columns: usize, rows: usize, strips: bool) -> Vec<Line<'static>> {
    let lanes = &scene.view.lanes;
    let (marks, id) = (if columns < MARKS { 1 } else { 3 }, id_width(lanes));
    let shown = that_fit(columns.saturating_sub(1 + marks + id), scene.view.ghost.as_ref());
    let mut lines = Vec::new();
    if rows > 3 {
        lines.push(headings(&shown, 1 + marks + id));
    }
    let room = rows.saturating_sub(lines.len());
    let (first, count) = visible(lanes, scene.look.chosen, if strips { room / 2 } else { room });
    for lane in lanes.iter().skip(first).take(count) {
        lines.push(row(scene, lane, &shown, (marks, id)));
        if strips {
            lines.push(strip(scene, lane, &shown, columns));
        }
    }
    if let (true, Some(last)) = (count < lanes.len() && room > 1, (first + count).checked_sub(1)) {
        let part =
            format!("  B{}-B{} of {}; up, down move", number(lanes, first), number(lanes, last), lanes.len());
        lines.push(Line::styled(part, tone::DIM));
    }
    lines
}

/// The first backend and the number of backends that are shown in this number of rows, so that the chosen one
/// is among them. If some are missing, one row says so.
fn visible(lanes: &[Lane], chosen: usize, rows: usize) -> (usize, usize) {
    let count = if lanes.len() > rows && rows > 1 { rows - 1 } else { rows.min(lanes.len()) };
    let at = lanes.iter().position(|lane| lane.number == chosen).unwrap_or_default();
    let first = (at + 1).saturating_sub(count.max(1)).min(lanes.len() - count);
    (first, count)
}

fn number(lanes: &[Lane], at: usize) -> usize {
    lanes.get(at).map_or(0, |lane| lane.number)
}

/// The width of the longest name, such as `B2`.
fn id_width(lanes: &[Lane]) -> usize {
    let longest = lanes.iter().map(|lane| lane.number).max().unwrap_or(1);
    1 + longest.to_string().len()
}

fn headings(columns: &[&Column], before: usize) -> Line<'static> {
    let cells = columns.iter().map(|one| format!(" {}", pad(one.heading, one.width, one.right)));
    Line::styled(" ".repeat(before) + &cells.collect::<String>(), tone::BOLD)
}

fn row(scene: &Scene<'_>, lane: &Lane, columns: &[&Column], (marks, id): (usize, usize)) -> Line<'static> {
    let mark = match lane.trouble {
        Trouble::Harm => "!!!",
        Trouble::Out => "!!",
        Trouble::Some => "!",
        Trouble::None => "",
    };
    let is_harm = lane.trouble == Trouble::Harm;
    let of_marks = match lane.trouble {
        Trouble::Harm => tone::HARM,
        _ if lane.is_worst => tone::of(Health::Down),
        _ => tone::PLAIN,
    };
    let of_numbers = match lane.is_quiet {
        true => tone::DIM,
        false if is_harm => tone::HARM,
        false => tone::PLAIN,
    };
    let is_chosen = lane.number == scene.look.chosen;
    let of_id = if is_chosen { tone::BOLD } else { tone::PLAIN };
    let mark: String = mark.chars().take(marks).collect();
    let mut line = vec![
        piece(if is_chosen { ">" } else { " " }, tone::BOLD),
        piece(pad(&mark, marks, true), of_marks),
        piece(pad(&format!("B{}", lane.number), id, false), if is_harm { tone::HARM } else { of_id }),
    ];
    let ghosts = scene.view.ghost.iter().flat_map(|ghost| &ghost.lanes);
    let ghost = ghosts.into_iter().find(|ghost| ghost.number == lane.number);
    let data = Row { lane, ghost, glyphs: scene.look.glyphs };
    for column in columns {
        let (text, style) = (column.cell)(&data);
        line.push(piece(format!(" {}", pad(&text, column.width, column.right)), style.unwrap_or(of_numbers)));
    }
    Line::from(line).style(pulse(scene.trail.pulse(lane.number)))
}

/// A row pulses after its state has changed: reversed and bold in turn.
fn pulse(left: u8) -> Style {
    match left {
        0 => tone::PLAIN,
        left if left % 2 == 0 => Style::new().add_modifier(Modifier::REVERSED),
        _ => tone::BOLD,
    }
}

/// The last minute, and what is to say about the backend.
fn strip(scene: &Scene<'_>, lane: &Lane, shown: &[&Column], columns: usize) -> Line<'static> {
    let fits = columns.saturating_sub(2).min(lane.cells.len());
    let mut line = vec![piece(" ", tone::PLAIN)];
    for cell in lane.cells.iter().skip(lane.cells.len() - fits) {
        line.push(piece(scene.look.glyphs.cell(*cell), cell.map_or(tone::PLAIN, tone_of)));
    }
    let left = columns.saturating_sub(fits + 2);
    line.push(piece(format!(" {}", remark(lane, shown, left)), tone_of_remark(lane)));
    Line::from(line)
}

fn tone_of(cell: Cell) -> Style {
    match (cell.state, cell.errors) {
        (Health::Up, 1..) => tone::HARM,
        (state, _) => tone::of(state),
    }
}

/// What is to say about a backend in this number of columns: as a whole, or else its first part.
fn remark(lane: &Lane, shown: &[&Column], columns: usize) -> String {
    let mut remarks = lane.faults.clone();
    let process = lane.server.as_ref().map(|server| &*server.process).filter(|process| *process != "running");
    if !has(shown, "process") {
        remarks.extend(process.map(str::to_owned));
    }
    if lane.state != Health::Up {
        remarks.push(lane.cause.to_string());
    }
    if !lane.progress.is_empty() {
        remarks.push(lane.progress.clone());
    }
    let remark = remarks.join("; ");
    let first = remark.split([',', ';']).next().unwrap_or_default();
    short(if width(&remark) <= columns { &remark } else { first }, columns)
}

fn tone_of_remark(lane: &Lane) -> Style {
    match lane.trouble {
        Trouble::Harm => tone::HARM,
        _ if lane.faults.is_empty() => tone::DIM,
        _ => tone::DOUBT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_backend_is_always_among_those_that_are_shown() {
        let lanes: Vec<Lane> = (1..=100).map(|number| Lane { number, ..Lane::default() }).collect();
        for rows in 1..=110 {
            for chosen in 1..=100 {
                let (first, count) = visible(&lanes, chosen, rows);
                assert!((first + 1..=first + count).contains(&chosen), "{chosen} {rows}: {first} {count}");
                assert!(first + count <= 100 && count <= rows && (count == 100 || count < rows || rows == 1));
            }
        }
        assert_eq!(visible(&[], 1, 5), (0, 0));
        assert_eq!(visible(&lanes, 1, 0), (0, 0));
    }

    #[test]
    fn a_remark_is_whole_or_its_first_part() {
        let lane = Lane {
            state: Health::Down,
            cause: "connection refused".into(),
            progress: "1/2 up".into(),
            ..Lane::default()
        };
        assert_eq!(remark(&lane, &[], 40), "connection refused; 1/2 up");
        assert_eq!(remark(&lane, &[], 20), "connection refused");
        assert_eq!(remark(&lane, &[], 8), "connect~");
        assert_eq!(remark(&lane, &[], 0), "");
    }

    #[test]
    fn a_pulse_is_seen_without_colours() {
        assert_eq!(
            [4, 3, 2, 1, 0].map(|left| pulse(left) == tone::PLAIN),
            [false, false, false, false, true]
        );
        assert!((1..=4).all(|left| pulse(left) != pulse(left - 1)));
    }
}
