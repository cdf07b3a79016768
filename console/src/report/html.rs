//! A page of HTML under construction. All text that it gets is escaped here, and nowhere else.

use std::fmt::Write as _;

use picture::Picture;

use super::style::style;
use crate::shown::shown;

/// Text as it is written between tags and in attributes: it contains no tag, ends no attribute, and changes
/// no direction of writing.
pub(super) fn escaped(text: &str) -> String {
    shown(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A table. The first cell of each row is the head of the row.
#[derive(Debug)]
pub struct Table {
    caption: String,
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(caption: &str, heads: &[&str]) -> Self {
        let heads = heads.iter().map(|head| (*head).to_owned()).collect();
        Self { caption: caption.to_owned(), heads, rows: Vec::new() }
    }

    /// Adds a row, with one cell for each head.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The element.
    fn html(&self) -> String {
        let mut html = format!("<table>\n<caption>{}</caption>\n<thead><tr>", escaped(&self.caption));
        for head in &self.heads {
            let _ = write!(html, "<th scope=\"col\">{}</th>", escaped(head));
        }
        html += "</tr></thead>\n<tbody>\n";
        for row in &self.rows {
            html += "<tr>";
            for (number, cell) in row.iter().enumerate() {
                let (open, close) =
                    if number == 0 { ("<th scope=\"row\">", "</th>") } else { ("<td>", "</td>") };
                let _ = write!(html, "{open}{}{close}", escaped(cell));
            }
            html += "</tr>\n";
        }
        html += "</tbody>\n</table>\n";
        html
    }
}

/// The body of a page.
#[derive(Debug, Default)]
pub struct Page {
    body: String,
    is_open: bool,
}

impl Page {
    /// The one main heading of the page.
    pub fn title(&mut self, text: &str) {
        let _ = writeln!(self.body, "<h1>{}</h1>", escaped(text));
    }

    /// Begins a section. Everything up to the next one belongs to it.
    pub fn section(&mut self, name: &str, heading: &str) {
        self.end_section();
        self.is_open = true;
        let (name, heading) = (escaped(name), escaped(heading));
        let _ = writeln!(self.body, "<section aria-labelledby=\"{name}\">\n<h2 id=\"{name}\">{heading}</h2>");
    }

    /// A paragraph.
    pub fn words(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p>{}</p>", escaped(text));
    }

    /// Names with their values.
    pub fn facts(&mut self, facts: &[(&str, String)]) {
        self.body += "<dl>\n";
        for (name, value) in facts {
            let _ = writeln!(self.body, "<div><dt>{}</dt><dd>{}</dd></div>", escaped(name), escaped(value));
        }
        self.body += "</dl>\n";
    }

    /// Empty lines to write on, each with a name.
    pub(super) fn blanks(&mut self, names: &[&str]) {
        self.body += "<dl class=\"blanks\">\n";
        for name in names {
            let _ = writeln!(self.body, "<div><dt>{}</dt><dd></dd></div>", escaped(name));
        }
        self.body += "</dl>\n";
    }

    /// A table.
    pub fn table(&mut self, table: &Table) {
        // A wide table can be moved in its frame, also with keys.
        let caption = escaped(&table.caption);
        let _ = write!(
            self.body,
            "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n{}</div>\n",
            table.html()
        );
    }

    /// A picture with the table of its numbers beside it.
    pub(super) fn plot(&mut self, name: &str, picture: Picture, table: &Table) {
        let _ = write!(self.body, "<div class=\"plot\">\n<figure>\n{}</figure>\n", picture.part(name));
        self.table(table);
        self.body += "</div>\n";
    }

    fn end_section(&mut self) {
        if self.is_open {
            self.body += "</section>\n";
        }
        self.is_open = false;
    }

    /// The whole file, with one style sheet of which a browser knows the hash. It needs no other file, and
    /// the policy in it permits no script and no request.
    pub fn finish(mut self, title: &str) -> String {
        self.end_section();
        let (style, hash) = style();
        let (title, body) = (escaped(title), self.body);
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light\">\n\
             <title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_only_text() {
        for (text, expected) in [
            ("</td><script>alert(1)</script>", "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("\" onload='x' a=\"", "&quot; onload=&#39;x&#39; a=&quot;"),
            ("a & b &lt;", "a &amp; b &amp;lt;"),
            ("\u{202e}evil\0\u{1b}[2J", "?evil??[2J"),
            ("ä ● ×", "ä ● ×"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn a_table_has_a_caption_and_heads_with_scopes() {
        let mut table = Table::new("<lanes>", &["lane", "rate"]);
        table.row(vec!["B1".into(), "<b>".into()]);
        let html = table.html();
        for part in [
            "<caption>&lt;lanes&gt;</caption>",
            "<th scope=\"col\">rate</th>",
            "<th scope=\"row\">B1</th><td>&lt;b&gt;</td>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }
}
