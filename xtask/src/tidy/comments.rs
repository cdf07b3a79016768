//! Comments: each file begins with one that says what the file is for, and no comment line is too wide.
//!
//! `rustfmt` wraps no comments, so it does not see the second rule.

use super::finding::Finding;
use super::source::Source;

/// Every file begins with `//!`, behind a line for the shell if there is one.
pub(super) fn beginnings(sources: &[Source], except: &[(&str, &str)]) -> Vec<Finding> {
    let begins = |source: &&Source| {
        let text = &source.text;
        let first = text.lines().find(|line| !line.starts_with("#!/")).unwrap_or_default();
        first.starts_with("//!")
    };
    let (with, without): (Vec<_>, Vec<_>) = sources.iter().partition(begins);
    let is_excepted = |source: &Source| except.iter().any(|(path, _)| *path == source.path);
    let lacks = without.iter().filter(|source| !is_excepted(source)).map(|source| {
        Finding::new(&source.path, 1, "the file does not begin with `//!`".into(), "say what the file is for")
    });
    let needless = with.iter().filter(|source| is_excepted(source)).map(|source| {
        Finding::new(
            &source.path,
            1,
            "the file begins with `//!`".into(),
            "remove its exception from tidy/lists.rs",
        )
    });
    lacks.chain(needless).collect()
}

/// The comment lines of a file that are wider than `width`.
fn wide(source: &Source, width: usize) -> Vec<usize> {
    let lines: Vec<_> = source.text.lines().collect();
    let is_wide = |at: &usize| {
        let line = lines.get(at - 1).copied().unwrap_or_default();
        // A row of a table cannot be wrapped.
        let is_row = line.trim_start().trim_start_matches(['/', '!', ' ']).starts_with('|');
        !is_row && line.chars().count() > width
    };
    source.comments.iter().copied().filter(is_wide).collect()
}

/// Comment lines that are too wide. Some folders may still have a number of them, which can only get smaller.
pub(super) fn widths(sources: &[Source], width: usize, debts: &[(&str, usize)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let owed = |path: &str| debts.iter().position(|(folder, _)| path.starts_with(folder));
    let mut counts = vec![0; debts.len()];
    for source in sources {
        for line in wide(source, width) {
            match owed(&source.path) {
                Some(debt) => counts[debt] += 1,
                None => {
                    let what = format!("the comment is wider than {width} columns");
                    findings.push(Finding::new(&source.path, line, what, "wrap it"));
                }
            }
        }
    }
    for ((folder, allowed), count) in
        debts.iter().zip(counts).filter(|((_, allowed), count)| allowed != count)
    {
        let what = format!("{count} comment lines are wider than {width} columns, and {allowed} may be");
        let instead = if count > *allowed {
            "wrap the new ones"
        } else {
            "write the smaller number into tidy/lists.rs"
        };
        findings.push(Finding::new(folder, 0, what, instead));
    }
    findings
}

/// The value of `max_width` in the text of `.rustfmt.toml`.
pub(super) fn max_width(text: &str) -> Option<usize> {
    text.lines().find_map(|line| line.strip_prefix("max_width = ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_beginning_is_found() {
        let sources = [
            Source::new("a.rs", "#!/usr/bin/env x\n//! A.\n"),
            Source::new("b.rs", "// B.\n"),
            Source::new("c.rs", "use d;\n"),
        ];
        let findings = beginnings(&sources, &[("c.rs", "a reason")]);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].to_string(),
            "b.rs:1: the file does not begin with `//!`; say what the file is for"
        );
        assert_eq!(beginnings(&sources[..1], &[("a.rs", "")])[0].what, "the file begins with `//!`");
    }

    #[test]
    fn a_wide_comment_is_found() {
        assert_eq!(max_width("a = 1\nmax_width = 10\n"), Some(10));
        let text = "/// öööööö\n/// öööööööö\nlet a = \"\n// 456789 123\n\"; // 3456789 1\n";
        let sources = [Source::new("a/b.rs", text)];
        assert_eq!(
            widths(&sources, 10, &[])[0].to_string(),
            "a/b.rs:2: the comment is wider than 10 columns; wrap it"
        );
        assert_eq!(widths(&sources, 10, &[]).len(), 1, "a line of a string is no comment");
        assert_eq!(widths(&sources, 10, &[("a/", 1)]), []);
        assert_eq!(widths(&sources, 10, &[("a/", 2)]).len(), 1, "the number is too large");
    }
}
