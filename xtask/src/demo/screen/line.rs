//! Lines of coloured text, and how they fit a width. Pure.

use console::shown;
use crossterm::style::Color;

/// A line on the screen: pieces of text, some of them with a colour.
pub(crate) type Line = Vec<(String, Option<Color>)>;

/// What is old or absent.
pub(super) const DIM: Option<Color> = Some(Color::DarkGrey);

/// What does harm. Other states have blue and orange, which nearly all people can distinguish.
pub(super) const HARM: Option<Color> = Some(Color::Red);

/// A line without colours.
pub(super) fn plain(text: impl Into<String>) -> Line {
    vec![(text.into(), None)]
}

/// The first of these parts that fit the width, with two spaces between them.
pub(super) fn fit<'a>(parts: impl IntoIterator<Item = &'a str>, width: usize) -> String {
    let mut line = String::new();
    for part in parts {
        let space = if line.is_empty() { 1 } else { 2 };
        if line.chars().count() + space + part.chars().count() > width {
            break;
        }
        line += &" ".repeat(space);
        line += part;
    }
    line
}

/// A text of at most this width; `~` stands for its cut end.
pub(super) fn short(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 { kept + "~" } else { kept }
}

/// A text in lines of at most this width, broken at spaces; further lines are indented.
pub(super) fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.trim().is_empty() || line.chars().count() + 1 + word.chars().count() <= width {
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

/// Cuts a line to a width, and makes it safe for a terminal. Every character here needs one column.
pub(super) fn cut(line: Line, width: usize) -> Line {
    let mut left = width;
    let mut cut = Line::new();
    for (text, colour) in line {
        let text = short(&shown(&text), left);
        left -= text.chars().count();
        cut.push((text, colour));
    }
    cut
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
        let line = cut(vec![("ab".into(), None), ("c\u{1b}d".into(), DIM), ("e".into(), None)], 4);
        assert_eq!(line, [("ab".into(), None), ("c~".into(), DIM), (String::new(), None)]);
    }

    #[test]
    fn words_are_wrapped() {
        assert_eq!(wrap("one two three", 8, 2), ["one two", "  three"]);
        assert_eq!(wrap("incredibly long", 4, 1), ["incredibly", " long"]);
    }
}
