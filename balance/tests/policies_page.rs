//! The lists of policies in `docs/policies.md` and `lb.example.toml` are printed from the code.

use std::fmt::Write;

use balance::policy::{Kind, Teaching};
use strum::VariantArray;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policies.md");
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lb.example.toml");

/// All policies, as rows of the page.
fn table() -> String {
    let mut table =
        "| name | it picks | from this data | cost for *n* backends |\n|---|---|---|---|\n".to_owned();
    for kind in Kind::VARIANTS {
        let about = kind.about();
        let _ =
            writeln!(table, "| `{}` | {} | {} | {} |", about.name, about.picks, about.looks_at, about.cost);
    }
    table
}

/// The policies for teaching, as rows of the page.
fn teaching() -> String {
    let mut table = "| name | it picks | what is wrong |\n|---|---|---|\n".to_owned();
    for teaching in Teaching::VARIANTS {
        let about = teaching.about();
        let _ = writeln!(table, "| `{}` | {} | {} |", about.name, about.picks, teaching.mistake());
    }
    table
}

/// All policies, as comments of the file.
fn comments() -> String {
    let width = Kind::VARIANTS.iter().map(|kind| kind.name().len()).max().unwrap_or(0);
    let mut comments = String::new();
    for kind in Kind::VARIANTS {
        let mut line = format!("#   {kind:width$}  ");
        for word in kind.about().picks.split(' ') {
            if line.len() + 1 + word.len() > 118 {
                let _ = writeln!(comments, "{}", line.trim_end());
                line = format!("#   {:width$}  ", "");
            }
            let _ = write!(line, " {word}");
        }
        let _ = writeln!(comments, "{}", line.trim_end());
    }
    comments
}

/// The text with new lines between the line `from` and the line `to`, which both stay.
fn replaced(text: &str, from: &str, to: &str, between: &str) -> String {
    let (before, rest) = text.split_once(from).expect("the text has the line before the list");
    let (_, after) = rest.split_once(to).expect("the text has the line behind the list");
    format!("{before}{from}{between}{to}{after}")
}

#[test]
fn the_lists_of_policies_are_printed_from_the_code() {
    let lists = [
        (PAGE, "<!-- policies -->\n", "<!-- end -->\n", table()),
        (PAGE, "<!-- policies for teaching -->\n", "<!-- end -->\n", teaching()),
        (EXAMPLE, "# The policy, which picks a backend for each request:\n", "policy = \"", comments()),
    ];
    for (path, from, to, between) in lists {
        let written = std::fs::read_to_string(path).unwrap();
        let right = replaced(&written, from, to, &between);
        if std::env::var_os("ROUNDABOUT_WRITE_POLICIES").is_some() {
            std::fs::write(path, &right).unwrap();
        } else {
            assert!(
                written == right,
                "{path} does not list the policies as they are; write it with\n\
                 ROUNDABOUT_WRITE_POLICIES=1 cargo test -p balance --test policies_page"
            );
        }
    }
}
