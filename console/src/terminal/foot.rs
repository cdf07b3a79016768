//! The lines below the table: why a request went where it went, the last requests, the log, the keys. Pure.

use ratatui::text::Line;

use super::text::{piece, plain, short, us, width};
use super::tone;
use crate::keys::HELP;
use crate::model::{LineKind, LogLine, Sample, View};

/// The last reason that is known: which request went where, and why.
pub(super) fn why(view: &View) -> Line<'static> {
    let Some(request) = view.requests.iter().rev().find(|request| !request.because.is_empty()) else {
        let reason = if view.requests.is_empty() {
            "no request yet"
        } else {
            "the balancer explains nothing; start it with --explain"
        };
        return Line::styled(format!(" WHY  {reason}"), tone::DIM);
    };
    let text = format!("#{} {}: {}", request.id, request.route, request.because);
    Line::from(vec![piece(" WHY  ", tone::DONE), piece(text, tone::PLAIN)])
}

/// The last request that needed a retry or failed.
pub(super) fn last_retry(view: &View) -> Option<Line<'static>> {
    let last = view.requests.iter().rev().find(|request| request.is_retried || request.failure.is_some())?;
    Some(request("last retry or failure: ", last))
}

/// One request: where it went, and why.
pub(super) fn request(before: &str, request: &Sample) -> Line<'static> {
    let because = if request.because.is_empty() { String::new() } else { format!("  {}", request.because) };
    let failure = request.failure.as_ref().map(|failure| format!(" {failure}")).unwrap_or_default();
    plain(format!(
        " {before}#{} {}  {}  {}{failure}  {}{because}",
        request.id,
        request.line,
        request.route,
        request.status,
        us(Some(request.total_us)),
    ))
}

/// The last lines of the log.
pub(super) fn log(view: &View, columns: usize, rows: usize) -> impl Iterator<Item = Line<'static>> {
    view.log.iter().skip(view.log.len().saturating_sub(rows)).map(move |line| log_line(line, columns))
}

fn log_line(line: &LogLine, columns: usize) -> Line<'static> {
    let seconds = line.t as f64 / 1e6;
    let style = match line.kind {
        LineKind::State | LineKind::Load => tone::PLAIN,
        LineKind::Control => tone::DONE,
        _ => tone::DOUBT,
    };
    let time = if columns < 60 { format!(" {seconds:5.1} ") } else { format!(" {seconds:7.2} s  ") };
    let left = columns.saturating_sub(width(&time));
    Line::from(vec![piece(time, tone::DIM), piece(short(&line.text, left), style)])
}

/// The keys, in the longest form that fits.
pub(super) fn help(columns: usize) -> Line<'static> {
    let fitting = HELP.into_iter().find(|help| help.len() < columns);
    // The shortest form is short enough for the smallest screen.
    Line::styled(format!(" {}", fitting.unwrap_or(HELP[HELP.len() - 1])), tone::DIM)
}
