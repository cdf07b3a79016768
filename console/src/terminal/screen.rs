//! The whole screen. Pure: a view of the model goes in, and the cells of a screen come out.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::Line;
use ratatui::widgets::{Sparkline, Widget};

use super::look::Look;
use super::scene::Scene;
use super::text::{cut, plain, wrap};
use super::trail::Trail;
use super::{foot, head, lanes, legend, tone};
use crate::model::View;

/// The smallest screen: columns and rows.
const LEAST: (usize, usize) = (20, 5);

/// From these heights on, the screen has more rows above and below the table.
const TOTALS: usize = 6;
const WHY: usize = 10;
const ROOMY: usize = 16;
const SPARKLINE: usize = 20;
const STRIPS: usize = 22;
const REQUESTS: usize = 30;
const PICTURE: usize = 36;

/// The seconds of the sparkline.
const SECONDS: usize = 60;

/// Microseconds in a second.
const SECOND: u64 = 1_000_000;

/// The columns around the sparkline: what it shows, and its scale.
const LABEL: usize = 12;
const SCALE: usize = 8;

/// The lines of the log that a screen has at least, if it is not low.
const LOG: usize = 3;

/// The number of requests that are shown.
const SHOWN_REQUESTS: usize = 5;

/// The lines of a screen, and the place of its sparkline.
struct Sheet {
    lines: Vec<Line<'static>>,
    sparkline: Option<Rect>,
}

/// Draws the whole screen on a buffer of its size. Every text from outside is made safe, and no line is wider
/// than the buffer.
pub fn draw(view: &View, trail: &Trail, look: &Look, buffer: &mut Buffer) {
    let area = buffer.area;
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let scene = Scene { view, trail, look };
    let sheet = if width < LEAST.0 || height < LEAST.1 {
        let text = format!("too small: at least {}x{}", LEAST.0, LEAST.1);
        Sheet { lines: wrap(&text, width, 0).into_iter().map(plain).collect(), sparkline: None }
    } else if let Some(page) = look.legend {
        Sheet { lines: legend::page(page, look.glyphs, (width, height)), sparkline: None }
    } else {
        sheet(&scene, width, height)
    };
    for (row, line) in (area.y..area.bottom()).zip(sheet.lines) {
        let line = cut(line, width);
        if line.style != Style::default() {
            buffer.set_style(Rect { y: row, height: 1, ..area }, line.style);
        }
        buffer.set_line(area.x, row, &line, area.width);
    }
    if let Some(place) = sheet.sparkline {
        sparkline(&scene, place.intersection(area), buffer);
    }
    finish(look, buffer);
}

/// The lines for a screen that is large enough.
fn sheet(scene: &Scene<'_>, width: usize, height: usize) -> Sheet {
    let Scene { view, .. } = scene;
    if let Some(problem) = &view.problem {
        let mut lines = vec![head::title(scene, width)];
        lines.extend(wrap(problem, width - 1, 1).into_iter().map(|line| plain(format!(" {line}"))));
        lines.resize(height - 1, plain(""));
        lines.push(foot::help(width));
        return Sheet { lines, sparkline: None };
    }
    let Sheet { mut lines, sparkline } = above(scene, width, height);
    let below = below(scene, height);
    let log = if height >= ROOMY { LOG } else { 0 };
    let room = height.saturating_sub(lines.len() + below.len() + 1 + log);
    // One row for the headings.
    let strips = height >= STRIPS && 2 * view.lanes.len() < room;
    lines.extend(lanes::table(scene, width, room, strips));
    lines.extend(below);
    let rest = height.saturating_sub(lines.len() + 1);
    lines.extend(foot::log(view, width, rest));
    lines.resize(height - 1, plain(""));
    lines.push(foot::help(width));
    Sheet { lines, sparkline }
}

/// The lines above the table.
fn above(scene: &Scene<'_>, width: usize, height: usize) -> Sheet {
    let Scene { view, look, .. } = scene;
    let mut lines = vec![head::title(scene, width)];
    if height >= REQUESTS {
        lines.extend(head::settings(view, width));
    }
    if let Some(addresses) = look.addresses.as_ref().filter(|_| height >= PICTURE) {
        lines.push(plain(""));
        lines.extend(addresses.picture(look.glyphs).into_iter().map(plain));
        lines.push(plain(""));
    }
    if height >= TOTALS {
        lines.push(head::totals(view, width));
    }
    if let Some(load) = view.load.as_ref().filter(|_| height >= ROOMY) {
        lines.push(head::clients(view, load, width));
    }
    if let Some(ghost) = view.ghost.as_ref().filter(|_| height >= WHY) {
        lines.push(head::ghost(view, ghost, width));
    }
    let mut sparkline = None;
    if height >= SPARKLINE && width > LABEL + SCALE {
        let rows = if height >= PICTURE { 3 } else { 1 };
        let cells = (width - LABEL - SCALE).min(SECONDS);
        let [x, y, width, height] =
            [LABEL, lines.len(), cells, rows].map(|n| u16::try_from(n).unwrap_or(u16::MAX));
        sparkline = Some(Rect { x, y, width, height });
        lines.push(scale(scene, cells));
        lines.resize(lines.len() + rows - 1, plain(""));
    }
    Sheet { lines, sparkline }
}

/// The lines between the table and the log.
fn below(scene: &Scene<'_>, height: usize) -> Vec<Line<'static>> {
    let Scene { view, .. } = scene;
    let mut lines = Vec::new();
    if height >= WHY {
        lines.push(foot::why(view));
    }
    if height >= REQUESTS {
        let first = view.requests.len().saturating_sub(SHOWN_REQUESTS);
        lines.extend(view.requests[first..].iter().map(|request| foot::request("", request)));
    }
    if height >= ROOMY {
        lines.extend(foot::last_retry(view));
    }
    lines
}

/// The rates of the last seconds, as many as the sparkline has cells.
fn rates(scene: &Scene<'_>, cells: usize) -> Vec<u64> {
    let newest = scene.view.t / SECOND;
    let of = |age: usize| {
        let second = newest.checked_sub(age as u64)?;
        // The last point of a second that has a rate.
        let points = scene.view.series.points.iter().rev();
        points.filter(|point| point.t / SECOND == second).find_map(|point| point.offered)
    };
    (0..cells).rev().map(|age| of(age).unwrap_or_default().round() as u64).collect()
}

/// What the sparkline shows, and its scale.
fn scale(scene: &Scene<'_>, cells: usize) -> Line<'static> {
    let most = rates(scene, cells).into_iter().max().unwrap_or_default();
    plain(format!(" rps, {cells:>2} s:{:cells$}  top {most}", ""))
}

fn sparkline(scene: &Scene<'_>, place: Rect, buffer: &mut Buffer) {
    let rates = rates(scene, place.width.into());
    let bars = scene.look.glyphs.bars();
    Sparkline::default().data(&rates).bar_set(bars).style(tone::DONE).render(place, buffer);
}

/// Takes away what this terminal does not get: colours, and characters other than those of ASCII.
fn finish(look: &Look, buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !look.coloured {
            cell.set_fg(Color::Reset).set_bg(Color::Reset);
        }
        if look.glyphs.is_ascii() && !cell.symbol().is_ascii() {
            cell.set_symbol("?");
        }
    }
}

/// The rows of a buffer as text, without spaces at their ends.
pub fn text(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width).max(1);
    let row = |cells: &[ratatui::buffer::Cell]| {
        let mut text = String::new();
        let mut skip = 0;
        for cell in cells {
            // A character of two columns hides the cell after it.
            if skip == 0 {
                text += cell.symbol();
                skip = super::text::width(cell.symbol());
            }
            skip = skip.saturating_sub(1);
        }
        text.trim_end().to_owned()
    };
    buffer.content.chunks(width).map(row).collect()
}
