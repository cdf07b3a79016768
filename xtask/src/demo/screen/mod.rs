//! The screen of the demo and of a replay. Pure: a view of the model goes in, lines of coloured text come
//! out.

mod head;
mod lanes;
mod legend;
mod line;

use std::time::Duration;

use console::{Glyphs, HELP, LineKind, LogLine, Sample, View};
use crossterm::style::Color;
use lab::spell::time;
use lab::topology::Lab;

pub(super) use self::line::Line;
use self::line::{cut, plain, short};

/// From this height on, there is a picture of the lab with its ports.
const PICTURE: usize = 34;

/// From this height on, the last requests are shown with their reasons.
const REQUESTS: usize = 30;

/// From this height on, there is room for what the clients see, and for empty lines.
const ROOMY: usize = 16;

/// The number of requests that are shown.
const SHOWN_REQUESTS: usize = 5;

/// The addresses of all programs, as ports or addresses.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    balancer: String,
    admin: String,
    /// Data and control address of each backend.
    backends: Vec<(String, String)>,
}

impl Addresses {
    pub(super) fn of(lab: &Lab) -> Self {
        let backends = lab.backends().iter();
        Self {
            balancer: lab.balancer().address().to_string(),
            admin: lab.balancer().admin().map_or_else(|_| "none".to_owned(), |port| port.to_string()),
            backends: backends.map(|b| (b.address().to_string(), b.control().to_string())).collect(),
        }
    }
}

/// How the screen is shown at the moment, besides its data.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) glyphs: Glyphs,
    /// Columns and rows.
    pub(super) size: (usize, usize),
    /// The number of the selected backend.
    pub(super) selected: usize,
    pub(super) paused: bool,
    /// Whether the stream has ended.
    pub(super) has_ended: bool,
    /// The page of the legend, if it is shown.
    pub(super) legend: Option<usize>,
    /// The addresses of a running lab.
    pub(super) addresses: Option<Addresses>,
}

impl Look {
    /// What is unusual about the screen.
    fn note(&self) -> Option<&'static str> {
        match (self.paused, self.has_ended) {
            (true, _) => Some("PAUSED: space goes on"),
            (false, true) => Some("END: q quits"),
            (false, false) => None,
        }
    }

    /// Shows the legend, its next page, or the table again.
    pub(super) fn turn_page(&mut self) {
        let next = self.legend.map_or(0, |page| page + 1);
        self.legend = Some(next).filter(|page| *page < legend::pages(self.glyphs, self.size));
    }
}

/// A small picture of the lab.
pub(super) fn picture(addresses: &Addresses, glyphs: Glyphs) -> Vec<String> {
    let count = addresses.backends.len();
    // The balancer is at the middle of the fan.
    let middle = count.saturating_sub(1) / 2;
    let lines = addresses.backends.iter().enumerate().map(|(index, (data, control))| {
        let left = match index {
            _ if index == middle => format!("  you, demo ─► lb {}", addresses.balancer),
            _ if index == middle + 1 => format!("            admin {}", addresses.admin),
            _ => String::new(),
        };
        let fan = match index {
            _ if count == 1 => "───►",
            0 if index == middle => "─┬─►",
            _ if index == middle => "─┼─►",
            0 => " ┌─►",
            _ if index + 1 == count => " └─►",
            _ => " ├─►",
        };
        glyphs.draw(&format!("{left:<33}{fan} {} {data}  control {control}", index + 1))
    });
    lines.collect()
}

/// The whole screen: at most as many columns and rows as the look has.
pub(super) fn screen(view: &View, look: &Look) -> Vec<Line> {
    let (width, height) = look.size;
    if let Some(page) = look.legend {
        let page = legend::page(page, look.glyphs, look.size);
        return page.into_iter().take(height).map(|line| cut(line, width)).collect();
    }
    let mut lines = above_log(view, look);
    // The help is on the last row.
    let rest = height.saturating_sub(lines.len() + 1);
    let log = view.log.iter().skip(view.log.len().saturating_sub(rest));
    lines.extend(log.map(|line| log_line(line, width)));
    lines.resize(height.saturating_sub(1), Line::new());
    let help = HELP.into_iter().find(|help| help.chars().count() < width).unwrap_or_default();
    lines.push(plain(format!(" {help}")));
    lines.truncate(height);
    lines.into_iter().map(|line| cut(line, width)).collect()
}

fn above_log(view: &View, look: &Look) -> Vec<Line> {
    let (width, height) = look.size;
    let mut lines = vec![plain(head::title(view, look.note(), width))];
    if let Some(problem) = &view.problem {
        lines.extend(
            line::wrap(problem, width.saturating_sub(1), 1).into_iter().map(|line| plain(format!(" {line}"))),
        );
        return lines;
    }
    if let Some(addresses) = look.addresses.as_ref().filter(|_| height >= PICTURE) {
        lines.push(Line::new());
        lines.extend(picture(addresses, look.glyphs).into_iter().map(plain));
        lines.push(Line::new());
    }
    lines.push(plain(head::totals(view, width)));
    if let Some(load) = view.load.as_ref().filter(|_| height >= ROOMY) {
        lines.push(plain(head::clients(view, load, width)));
        lines.push(Line::new());
    }
    lines.extend(lanes::table(view, look.selected, look.glyphs, look.size));
    if height >= REQUESTS {
        lines.push(Line::new());
        let first = view.requests.len().saturating_sub(SHOWN_REQUESTS);
        lines.extend(view.requests[first..].iter().map(|request| request_line("", request)));
    }
    if height >= ROOMY {
        let last = view.requests.iter().rev().find(|request| request.is_retried || request.failure.is_some());
        lines.extend(last.map(|request| request_line("last retry or failure: ", request)));
        lines.push(Line::new());
    }
    lines
}

/// One request: where it went, and why.
fn request_line(before: &str, request: &Sample) -> Line {
    let took = time(Some(Duration::from_micros(request.total_us)));
    let because = if request.because.is_empty() { String::new() } else { format!("  {}", request.because) };
    let failure = request.failure.as_ref().map(|failure| format!(" {failure}")).unwrap_or_default();
    plain(format!(
        " {before}#{} {}  {}  {}{failure}  {took}{because}",
        request.id, request.line, request.route, request.status
    ))
}

fn log_line(line: &LogLine, width: usize) -> Line {
    let seconds = line.t as f64 / 1e6;
    let colour = match line.kind {
        LineKind::State | LineKind::Load => None,
        LineKind::Control => Some(Color::Cyan),
        LineKind::Fault | LineKind::Gap => Some(Color::Yellow),
    };
    let time = if width < 60 { format!(" {seconds:5.1} ") } else { format!(" {seconds:7.2} s  ") };
    let left = width.saturating_sub(time.chars().count());
    vec![(time, line::DIM), (short(&line.text, left), colour)]
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
