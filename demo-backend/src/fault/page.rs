//! The table of kinds as text: for the help on a terminal, and for docs/faults.md.

use std::fmt::Write;

use super::kinds::{FieldRow, KINDS, SCOPE};

/// The width of the column of names in the help.
const NAMES: usize = 13;

/// The kinds and their fields, for the help on a terminal.
pub fn help() -> String {
    let mut text = String::new();
    for row in KINDS {
        let _ = writeln!(text, "  {:NAMES$}{}", row.name, row.does);
        for field in row.fields {
            text += &help_line(field);
        }
    }
    text += "Fields of each kind that hits single requests (the others have only those about time):\n";
    for field in SCOPE {
        text += &help_line(field);
    }
    text
}

fn help_line(field: &FieldRow) -> String {
    format!("  {:NAMES$}\"{}\": {}   {}\n", "", field.name, field.example, field.does)
}

/// The kinds as a table in Markdown, then the fields of the scope as another one.
pub fn page() -> String {
    let mut text =
        String::from("| kind | stage | what happens | its fields | example |\n|---|---|---|---|---|\n");
    for row in KINDS {
        let fields: Vec<_> =
            row.fields.iter().map(|field| format!("`{}`: {}", field.name, field.does)).collect();
        let (fields, example) = (fields.join("<br>"), format!("`{}`", row.example));
        let _ = writeln!(text, "| `{}` | {} | {} | {fields} | {example} |", row.name, row.stage, row.does);
    }
    text += "\n| field of each kind that hits single requests | example | what it says |\n|---|---|---|\n";
    for field in SCOPE {
        let _ = writeln!(text, "| `{}` | `{}` | {} |", field.name, field.example, field.does);
    }
    text
}
