//! The symbols for states: they work without colours, and on every terminal.

use ratatui::symbols::bar;

use crate::health::Health;
use crate::model::Cell;

/// The characters of the picture: box-drawing characters if the terminal supports UTF-8, otherwise ASCII.
#[derive(Clone, Copy, Debug)]
pub struct Glyphs {
    drawn: bool,
}

impl Glyphs {
    /// Chooses by the name of the locale, such as `C.UTF-8`, as other terminal programs do.
    pub fn for_locale(locale: Option<&str>) -> Self {
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self { drawn: locale.contains("utf-8") || locale.contains("utf8") }
    }

    /// ASCII, whatever the locale says.
    pub fn ascii() -> Self {
        Self { drawn: false }
    }

    /// Whether the terminal gets no other characters than those of ASCII.
    pub fn is_ascii(self) -> bool {
        !self.drawn
    }

    /// The bars of a sparkline, from empty to full.
    pub fn bars(self) -> bar::Set<'static> {
        let plain = bar::Set {
            full: "#",
            seven_eighths: "#",
            three_quarters: "*",
            five_eighths: "+",
            half: "=",
            three_eighths: "-",
            one_quarter: ":",
            one_eighth: ".",
            empty: " ",
        };
        if self.drawn { bar::NINE_LEVELS } else { plain }
    }

    /// A gauge of one column: empty at 0, full from 1 on.
    pub fn level(self, filled: f64) -> &'static str {
        let set = self.bars();
        let levels = [
            set.empty,
            set.one_eighth,
            set.one_quarter,
            set.three_eighths,
            set.half,
            set.five_eighths,
            set.three_quarters,
            set.seven_eighths,
            set.full,
        ];
        // A little is more than nothing, and only a full gauge looks full.
        levels[if filled >= 1.0 { 8 } else { (filled.max(0.0) * 8.0).ceil().min(7.0) as usize }]
    }

    /// The shape of a state.
    pub fn shape(self, health: Health) -> &'static str {
        match (health, self.drawn) {
            (Health::Up, true) => "●",
            (Health::Suspect, true) => "▲",
            (Health::Ejected, true) => "◆",
            (Health::Down, true) => "■",
            (Health::Up, false) => "o",
            (Health::Suspect, false) => "^",
            (Health::Ejected, false) => "x",
            (Health::Down, false) => "#",
        }
    }

    /// The shape of a backend that gets no new requests because an operator wants it so.
    pub fn drained(self) -> &'static str {
        if self.drawn { "◇" } else { "-" }
    }

    /// A cell of a timeline: good states are inconspicuous, errors are not.
    pub fn cell(self, cell: Option<Cell>) -> &'static str {
        match (cell, self.drawn) {
            (None, _) => " ",
            (Some(Cell { state: Health::Up, errors: 1.. }), _) => "!",
            (Some(Cell { state: Health::Up, .. }), true) => "·",
            (Some(Cell { state: Health::Up, .. }), false) => ".",
            (Some(Cell { state, .. }), _) => self.shape(state),
        }
    }

    /// Converts a line drawn with `─│┌┐├┤└┘┼►` for this terminal.
    pub fn draw(self, line: &str) -> String {
        if self.drawn {
            return line.to_owned();
        }
        let plain = |character| match character {
            '─' => '-',
            '│' => '|',
            '►' => '>',
            '┌' | '┐' | '├' | '┤' | '└' | '┘' | '┼' => '+',
            other => other,
        };
        line.chars().map(plain).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_without_utf8_gets_plain_characters() {
        assert_eq!(Glyphs::for_locale(Some("C")).draw("──┼─► lb"), "--+-> lb");
        assert_eq!(Glyphs::for_locale(Some("de_DE.UTF-8")).draw("──┼─► lb"), "──┼─► lb");
        assert_eq!(Glyphs::for_locale(None).shape(Health::Down), "#");
    }

    #[test]
    fn only_a_full_gauge_looks_full() {
        let drawn = Glyphs::for_locale(Some("C.UTF-8"));
        let levels = [0.0, 0.01, 0.5, 0.99, 1.0, 7.0, f64::NAN, -1.0];
        assert_eq!(levels.map(|level| drawn.level(level)).concat(), " ▁▄▇██  ");
        assert_eq!(levels.map(|level| Glyphs::ascii().level(level)).concat(), " .=###  ");
    }

    #[test]
    fn a_second_with_errors_is_conspicuous() {
        let glyphs = Glyphs::for_locale(None);
        let cell = |state, errors| glyphs.cell(Some(Cell { state, errors }));
        let cells = [cell(Health::Up, 0), cell(Health::Up, 1), cell(Health::Down, 1), glyphs.cell(None)];
        assert_eq!(cells, [".", "!", "#", " "]);
    }
}
