//! Colours by meaning, readable in light mode and dark mode.

use std::fmt::Write as _;

/// A meaning, shown as a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// No special meaning.
    Plain,
    /// Less important than the rest.
    Muted,
    /// The subject of the picture.
    Accent,
    /// Healthy.
    Good,
    /// Broken.
    Bad,
    /// Doubtful.
    Doubt,
}

/// Each tone's name, then its line and its fill in light mode, then the same for dark mode.
const TONES: [(Tone, &str, [&str; 4]); 6] = [
    (Tone::Plain, "plain", ["#1f2328", "#f6f8fa", "#e6edf3", "#1c2128"]),
    (Tone::Muted, "muted", ["#59636e", "#eff2f5", "#9198a1", "#212830"]),
    (Tone::Accent, "accent", ["#0860ca", "#ddf4ff", "#58a6ff", "#10243e"]),
    (Tone::Good, "good", ["#116329", "#dafbe1", "#3fb950", "#0f2a1a"]),
    (Tone::Bad, "bad", ["#c21c2c", "#ffebe9", "#ff7b72", "#36171a"]),
    (Tone::Doubt, "doubt", ["#7d4e00", "#fff8c5", "#d9a31f", "#2e230c"]),
];

impl Tone {
    /// The CSS class of this tone.
    pub(super) fn name(self) -> &'static str {
        TONES.iter().find(|row| row.0 == self).map_or("plain", |row| row.1)
    }
}

/// The style sheet of a picture: every tone in light mode, then in dark mode.
pub(super) fn style() -> String {
    format!("{}@media (prefers-color-scheme: dark){{\n{}}}\n", light_style(), rules(2, 3))
}

/// The rules for pictures that are parts of a page with a light background.
pub fn light_style() -> String {
    format!(
        "text{{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif}}\n\
         .box{{stroke-width:1.5}}\n.line{{stroke-width:1.5;fill:none}}\n.dashed{{stroke-dasharray:5 4}}\n{}",
        rules(0, 1)
    )
}

/// The rules of every tone, with the colours in these places of its row.
fn rules(line: usize, fill: usize) -> String {
    TONES.iter().fold(String::new(), |mut css, (_, name, colours)| {
        let (line, fill) = (colours[line], colours[fill]);
        let _ = writeln!(css, ".{name}.words,.{name}.full{{fill:{line}}}");
        let _ = writeln!(css, ".{name}.line{{stroke:{line}}}");
        let _ = writeln!(css, ".{name}.box{{stroke:{line};fill:{fill}}}");
        css
    })
}
