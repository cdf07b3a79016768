//! The measurements as a part of `docs/performance.md`. The text around them is written by hand.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use super::figure::Figure;
use super::report::{self, Series};
use crate::table::Table;

/// The beginning and the end of the generated part.
const BEGIN: &str = "<!-- measured: begin, by `cargo xtask bench --all --write` -->";
const END: &str = "<!-- measured: end -->";

/// One part of the results.
pub(super) struct Chapter {
    heading: String,
    /// The subject of the measurement.
    words: String,
    /// A picture of it, if there is one: a path relative to the document.
    picture: Option<String>,
    tables: Vec<Table>,
}

impl Chapter {
    /// The medians, and the ratios to the first.
    pub(super) fn compared(
        heading: &str,
        words: &str,
        series: &[Series],
        shown: &[Figure],
        compared: &[Figure],
    ) -> Self {
        let tables = vec![report::medians(series, shown), report::ratios(series, compared)];
        Self::of(heading, words, tables)
    }

    /// Some tables.
    pub(super) fn of(heading: &str, words: &str, tables: Vec<Table>) -> Self {
        Self { heading: heading.to_owned(), words: words.to_owned(), picture: None, tables }
    }

    /// The same with a picture, with a path relative to the document's folder.
    pub(super) fn with_picture(self, path: String) -> Self {
        Self { picture: Some(path), ..self }
    }

    /// The text for a terminal.
    pub(super) fn plain(&self) -> String {
        let tables: Vec<String> = self.tables().map(Table::plain).collect();
        format!("\n{}: {}\n\n{}", self.heading, self.words, tables.join("\n"))
    }

    /// The text for the document.
    fn markdown(&self) -> String {
        let picture = self.picture.as_ref().map(|path| format!("![{}]({path})\n", self.words));
        let tables = self.tables().map(Table::markdown);
        let parts: Vec<String> = picture.into_iter().chain(tables).collect();
        format!("### {}\n\n{}\n\n{}", self.heading, capitalised(&self.words), parts.join("\n"))
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|table| !table.is_empty())
    }
}

/// Writes the measurements into the document.
///
/// # Errors
/// If the document is missing, or has no place for them.
pub(super) fn write(path: &Path, setting: &str, chapters: &[Chapter]) -> anyhow::Result<()> {
    let old = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let new = renew(&old, setting, chapters).with_context(|| format!("cannot renew {}", path.display()))?;
    fs::write(path, new).with_context(|| format!("cannot write {}", path.display()))
}

fn renew(old: &str, setting: &str, chapters: &[Chapter]) -> anyhow::Result<String> {
    let (before, rest) = old.split_once(BEGIN).with_context(|| format!("it has no line {BEGIN:?}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("it has no line {END:?} after that"))?;
    ensure!(!chapters.is_empty(), "nothing was measured");
    let parts: Vec<String> = chapters.iter().map(Chapter::markdown).collect();
    Ok(format!("{before}{BEGIN}\n{}\n\n{}\n{END}{after}", setting.trim(), parts.join("\n")))
}

/// The words as a sentence.
fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if words.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chapter() -> Chapter {
        let mut table = Table::new(["name", "CPU"]);
        table.row(["ours".to_owned(), "1 µs".to_owned()]);
        Chapter::of("small", "few clients", vec![table, Table::new(["empty"])])
            .with_picture("p.svg".to_owned())
    }

    #[test]
    fn only_what_was_measured_is_renewed() {
        let old = format!("# By hand\n\n{BEGIN}\nold figures\n{END}\n\nby hand, too\n");
        let new = renew(&old, "a machine\n", &[chapter()]).unwrap();
        assert_eq!(
            new,
            format!(
                "# By hand\n\n{BEGIN}\na machine\n\n### small\n\nFew clients.\n\n![few clients](p.svg)\n\n\
                 | name | CPU |\n|---|--:|\n| ours | 1 µs |\n\n{END}\n\nby hand, too\n"
            )
        );
        assert_eq!(renew(&new, "a machine\n", &[chapter()]).unwrap(), new);
    }

    #[test]
    fn a_document_without_a_place_is_left_alone() {
        for old in ["", BEGIN, END, &format!("{END}{BEGIN}")] {
            assert!(renew(old, "a machine", &[chapter()]).is_err(), "{old}");
        }
    }

    #[test]
    fn a_terminal_gets_the_tables() {
        assert_eq!(chapter().plain(), "\nsmall: few clients\n\nname   CPU\nours  1 µs\n");
    }
}
