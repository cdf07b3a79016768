//! A table, for a terminal and for Markdown.
//!
//! A crate would take longer to build than it saves: Markdown with aligned columns needs settings of its own.

use std::iter;

/// Rows of cells; the first column has words, the others numbers.
pub(crate) struct Table {
    /// The headings of the columns.
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(head: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// One more row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether there is any row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text for a terminal, with columns as narrow as possible.
    pub(crate) fn plain(&self) -> String {
        let all = || iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| {
            all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let line = |row: &Vec<String>| {
            let cells: Vec<String> = row
                .iter()
                .enumerate()
                .map(|(column, cell)| match column {
                    0 => format!("{cell:<0$}", width(0)),
                    _ => format!("{cell:>0$}", width(column)),
                })
                .collect();
            format!("{}\n", cells.join("  ").trim_end())
        };
        all().map(line).collect()
    }

    /// The text for Markdown.
    pub(crate) fn markdown(&self) -> String {
        let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
        let rule: String =
            (0..self.head.len()).map(|column| if column == 0 { "|---" } else { "|--:" }).collect();
        let rows: String = self.rows.iter().map(line).collect();
        format!("{}{rule}|\n{rows}", line(&self.head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["name", "CPU"]);
        table.row(["ours".to_owned(), "9.50 µs".to_owned()]);
        table.row(["theirs".to_owned(), "12.50 µs".to_owned()]);
        table
    }

    #[test]
    fn a_terminal_gets_columns() {
        assert_eq!(table().plain(), "name         CPU\nours     9.50 µs\ntheirs  12.50 µs\n");
    }

    #[test]
    fn markdown_gets_bars() {
        assert_eq!(
            table().markdown(),
            "| name | CPU |\n|---|--:|\n| ours | 9.50 µs |\n| theirs | 12.50 µs |\n"
        );
    }
}
