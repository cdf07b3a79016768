//! The settings of the capacity as a table in Markdown, for docs/faults.md.

use std::fmt::Write;

use super::parse::SETTINGS;

/// One row for each field of a capacity.
pub fn page() -> String {
    let mut text = String::from("| field | example | what it says |\n|---|---|---|\n");
    for (name, example, does) in SETTINGS {
        let _ = writeln!(text, "| `{name}` | `{example}` | {does} |");
    }
    text
}
