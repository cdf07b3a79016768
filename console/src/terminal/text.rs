//! Texts and figures that fit a width. Pure.

use std::time::Duration;

use lab::spell::time;
use ratatui::text::{Line, Span};

use super::tone;
use crate::shown;

/// The columns that a text needs on a terminal.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// A line in one colour.
pub(super) fn plain(text: impl Into<String>) -> Line<'static> {
    Line::from(text.into())
}

/// A piece of a line.
pub(super) fn piece(text: impl Into<String>, style: ratatui::style::Style) -> Span<'static> {
    Span::styled(text.into(), style)
}

/// The first of these parts that fit the width, with two spaces between them.
pub(super) fn fit<'a>(parts: impl IntoIterator<Item = &'a str>, columns: usize) -> String {
    let mut line = String::new();
    for part in parts {
        let space = if line.is_empty() { 1 } else { 2 };
        if width(&line) + space + width(&shown(part)) > columns {
            break;
        }
        line += &" ".repeat(space);
        line += part;
    }
    line
}

/// A text of at most this width; `~` stands for its cut end.
pub(super) fn short(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        // A character can be two columns wide, or change the width of the one before it.
        if width(&kept) >= columns {
            kept.pop();
            break;
        }
    }
    if columns > 0 { kept + "~" } else { String::new() }
}

/// A text in lines of at most this width, broken at spaces; further lines are indented.
pub(super) fn wrap(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.trim().is_empty() || width(line) + 1 + width(word) <= columns {
            if !line.is_empty() && !line.ends_with(' ') {
                line.push(' ');
            }
            line.push_str(word);
        } else {
            lines.push(format!("{}{word}", " ".repeat(indent)));
        }
    }
    lines
}

/// Cuts a line to a width, and makes it safe for a terminal.
pub(super) fn cut(line: Line<'static>, columns: usize) -> Line<'static> {
    let mut left = columns;
    let style = line.style;
    let mut spans = Vec::new();
    for span in line.spans {
        let text = short(&shown(&span.content), left);
        left -= width(&text).min(left);
        spans.push(piece(text, span.style));
    }
    Line::from(spans).style(style)
}

/// A text at the right or at the left end of a column of this width.
pub(super) fn pad(text: &str, columns: usize, right: bool) -> String {
    let text = short(&shown(text), columns);
    let space = " ".repeat(columns.saturating_sub(width(&text)));
    if right { space + &text } else { text + &space }
}

/// A rate in about three characters: `0`, `4.3`, `28`, `120`, `12k`.
pub(super) fn rate(rate: f64) -> String {
    match rate {
        rate if rate < 0.05 => "0".to_owned(),
        rate if rate < 9.95 => format!("{rate:.1}"),
        rate if rate < 999.5 => format!("{rate:.0}"),
        rate => format!("{:.0}k", rate / 1e3),
    }
}

/// A share from 0 to 1. Only a share of exactly 1 is 100 %.
pub(super) fn percent(share: Option<f64>) -> String {
    match share {
        None => "-".to_owned(),
        Some(share) if share < 1.0 => format!("{:.0} %", (share * 100.0).round().min(99.0)),
        Some(_) => "100 %".to_owned(),
    }
}

/// Microseconds as people read them; a dash for none.
pub(super) fn us(us: Option<u64>) -> String {
    time(us.map(Duration::from_micros))
}

/// A mark at the left, and its explanation in the rest of the lines.
pub(super) fn explained(mark: &str, meaning: &str, marks: usize, columns: usize) -> Vec<Line<'static>> {
    let mut lines = wrap(meaning, columns.saturating_sub(marks + 2), 0).into_iter();
    let first = Line::from(vec![
        piece(format!(" {} ", pad(mark, marks, false)), tone::BOLD),
        piece(lines.next().unwrap_or_default(), tone::PLAIN),
    ]);
    let rest = lines.map(|line| plain(format!(" {:marks$} {line}", "")));
    std::iter::once(first).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fit_or_are_left_out_as_a_whole() {
        let parts = ["one", "two", "three"];
        for (width, expected) in
            [(40, " one  two  three"), (16, " one  two  three"), (15, " one  two"), (3, "")]
        {
            assert_eq!(fit(parts, width), expected, "{width}");
        }
    }

    #[test]
    fn a_cut_is_marked() {
        assert_eq!(["abc", "abcd"].map(|text| short(text, 3)), ["abc", "ab~"]);
        assert_eq!((short("abc", 0), short("abc", 1)), (String::new(), "~".into()));
        // A character of two columns is not cut in the middle.
        assert_eq!(["漢字", "漢字漢"].map(|text| short(text, 4)), ["漢字", "漢~"]);
        let line = Line::from(vec![piece("ab", tone::PLAIN), piece("c\u{1b}d", tone::DIM), Span::raw("e")]);
        let texts: Vec<String> = cut(line, 4).spans.into_iter().map(|span| span.content.into()).collect();
        assert_eq!(texts, ["ab", "c~", ""]);
    }

    #[test]
    fn words_are_wrapped() {
        assert_eq!(wrap("one two three", 8, 2), ["one two", "  three"]);
        assert_eq!(wrap("incredibly long", 4, 1), ["incredibly", " long"]);
    }

    #[test]
    fn rates_are_short_and_not_rounded_to_nothing() {
        for (value, text) in [
            (0.0, "0"),
            (0.04, "0"),
            (0.2, "0.2"),
            (9.94, "9.9"),
            (28.4, "28"),
            (999.0, "999"),
            (12_400.0, "12k"),
        ] {
            assert_eq!(rate(value), text);
        }
        assert_eq!([None, Some(0.996), Some(1.0), Some(0.0)].map(percent), ["-", "99 %", "100 %", "0 %"]);
    }
}
