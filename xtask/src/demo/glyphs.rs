//! The symbols for states: they work without colours, and on every terminal.

use std::time::Duration;

use crossterm::style::Color;

/// A backend's health as the balancer reports it; worse states are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    Up,
    Suspect,
    Ejected,
    Down,
}

impl Health {
    pub(super) fn read(state: &str) -> Self {
        match state {
            "up" => Self::Up,
            "suspect" => Self::Suspect,
            "ejected" => Self::Ejected,
            _ => Self::Down,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Ejected => "ejected",
            Self::Down => "down",
        }
    }

    /// Nearly all people can distinguish blue and orange.
    pub(super) fn colour(self) -> Color {
        match self {
            Self::Up => Color::Cyan,
            Self::Suspect | Self::Ejected => Color::Yellow,
            Self::Down => Color::AnsiValue(208),
        }
    }
}

/// The characters of the picture: box-drawing characters if the terminal supports UTF-8, otherwise ASCII.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glyphs {
    drawn: bool,
}

impl Glyphs {
    /// Chooses by the locale, as other terminal programs do.
    pub(super) fn of_the_locale() -> Self {
        let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
        Self::for_locale(set.into_iter().find(|value| !value.is_empty()).as_deref())
    }

    fn for_locale(locale: Option<&str>) -> Self {
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self { drawn: locale.contains("utf-8") || locale.contains("utf8") }
    }

    pub(super) fn shape(self, health: Health) -> &'static str {
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

    /// A cell of a timeline: good states are inconspicuous.
    pub(super) fn moment(self, health: Option<Health>) -> &'static str {
        match (health, self.drawn) {
            (None, _) => " ",
            (Some(Health::Up), true) => "·",
            (Some(Health::Up), false) => ".",
            (Some(health), _) => self.shape(health),
        }
    }

    /// Converts a line drawn with `─│┌┐├┤└┘┼►` for this terminal.
    pub(super) fn draw(self, line: &str) -> String {
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

/// A duration in a suitable unit; a dash for none.
pub(crate) fn time(duration: Option<Duration>) -> String {
    let Some(duration) = duration else { return "-".into() };
    match duration.as_secs_f64() * 1e3 {
        ms if ms < 9.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
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
    fn times_are_short() {
        for (micros, text) in
            [(0, "0.0 ms"), (940, "0.9 ms"), (9_960, "10 ms"), (251_000, "251 ms"), (1_249_000, "1.2 s")]
        {
            assert_eq!(time(Some(Duration::from_micros(micros))), text);
        }
        assert_eq!(time(None), "-");
    }
}
