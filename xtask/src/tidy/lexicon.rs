//! The lexicon of the project: each of its terms must be a name in the code.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::paths::tokens;
use super::source::Source;

/// Where the lexicon is.
pub(super) const PAGE: &str = "docs/lexicon.md";

/// The most lines that the page may have: a longer page is not read.
const MOST_LINES: usize = 60;

/// The terms in backticks in the first and second column of the table that no code uses, and terms with two
/// rows.
pub(super) fn check(page: &str, sources: &[Source]) -> Vec<Finding> {
    let names: BTreeSet<String> =
        sources.iter().flat_map(|source| tokens(&source.code)).map(|(_, word)| plain(word)).collect();
    let (mut findings, mut rows) = (Vec::new(), BTreeSet::new());
    for (at, line) in page.lines().enumerate() {
        let mut columns = line.split('|').skip(1);
        let (Some(term), Some(meaning)) = (columns.next(), columns.next()) else { continue };
        for word in quoted(term) {
            if !rows.insert(plain(word)) {
                findings.push(Finding::new(PAGE, at + 1, format!("`{word}` has two rows"), "join the rows"));
            }
        }
        for word in quoted(term).chain(quoted(meaning)).filter(|word| !names.contains(&plain(word))) {
            let what = format!("no code uses the name `{word}`");
            findings.push(Finding::new(
                PAGE,
                at + 1,
                what,
                "write the name that the code uses, or no backticks",
            ));
        }
    }
    let lines = page.lines().count();
    if rows.is_empty() || lines > MOST_LINES {
        let what = format!("the page has {} terms and {lines} lines", rows.len());
        findings.push(Finding::new(
            PAGE,
            0,
            what,
            &format!("write a table of terms in at most {MOST_LINES} lines"),
        ));
    }
    findings
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// A name without the marks of camel case and snake case.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_that_the_code_does_not_use_is_found() {
        let sources = [Source::new("a.rs", "struct InFlight; // queue\nfn slow_start() {}")];
        let page = "| term | meaning |\n|---|---|\n| `in flight` | a | \n| `slow start` | see `queue` | `Foo` |\n\
                    | `InFlight` | again |\n";
        let findings: Vec<_> = check(page, &sources).iter().map(ToString::to_string).collect();
        assert_eq!(
            findings,
            [
                "docs/lexicon.md:4: no code uses the name `queue`; write the name that the code uses, or no backticks",
                "docs/lexicon.md:5: `InFlight` has two rows; join the rows"
            ]
        );
        assert_eq!(check("", &sources).len(), 1, "an empty page");
    }
}
