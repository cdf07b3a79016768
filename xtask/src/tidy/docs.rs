//! Every file that a page of the documentation names is in the repository.
//!
//! A page names a file by a link, or by a word in backticks that has the form of a path. Such a word may
//! leave out the beginning: `proxy/mod.rs` means `lb/src/proxy/mod.rs`. Blocks of code are not checked.

use std::collections::BTreeSet;

use super::Finding;

/// The endings by which a word in backticks is taken for a file.
const ENDINGS: &[&str] = &["go", "json", "md", "mjs", "py", "rb", "rs", "svg", "toml", "yml"];

/// The paths in the pages that lead to no file and no folder of the repository.
///
/// `files` has all paths of the repository. `elsewhere` has words that look like files of the repository and
/// are not, with the reason.
pub(super) fn check(
    pages: &[(String, String)],
    files: &BTreeSet<String>,
    elsewhere: &[(&str, &str)],
) -> Vec<Finding> {
    let (mut findings, mut used) = (Vec::new(), BTreeSet::new());
    for (page, text) in pages {
        let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (at, line) in outside_of_code(text) {
            let mut missing = |what: String| {
                findings.push(Finding::new(page, at, what, "write the path of a file that exists"));
            };
            for target in links(line).filter(|target| !exists(files, &resolve(folder, target))) {
                missing(format!("the link leads to {target}, which does not exist"));
            }
            for word in quoted(line).filter(|word| is_path(word, files)) {
                if elsewhere.iter().any(|(known, _)| *known == word) {
                    used.insert(word);
                } else if !is_end_of_path(files, word) {
                    missing(format!("there is no file {word}"));
                }
            }
        }
    }
    for (word, _) in elsewhere.iter().filter(|(word, _)| !used.contains(word)) {
        let what = format!("no page names {word}");
        findings.push(Finding::new("xtask/src/tidy/lists.rs", 0, what, "remove it from the list"));
    }
    findings
}

/// The lines of a page with their numbers, without blocks of code.
fn outside_of_code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().zip(1..).filter_map(move |(line, at)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((at, line))
    })
}

/// The targets of links to files, without the part of the page that they lead to.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    files.filter_map(|target| target.split('#').next())
}

/// What stands in backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether a word has the form of a path: it ends as a file or a folder does, or it begins with a folder of
/// the root. Capitals stand for a name that the reader chooses.
fn is_path(word: &str, files: &BTreeSet<String>) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    if word.starts_with(['/', '-']) || !word.chars().all(is_plain) || word.contains("NAME") {
        return false;
    }
    let has_ending =
        word.rsplit_once('.').is_some_and(|(stem, end)| !stem.is_empty() && ENDINGS.contains(&end));
    let is_folder = word.len() > 1 && word.ends_with('/');
    let begins_at_root = word.split_once('/').is_some_and(|(first, _)| {
        let first = format!("{first}/");
        files.range(first.clone()..).next().is_some_and(|file| file.starts_with(&first))
    });
    has_ending || is_folder || begins_at_root
}

/// A relative path as a path of the repository.
fn resolve(folder: &str, target: &str) -> String {
    let mut path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(path.pop()),
            part => path.push(part),
        }
    }
    path.join("/")
}

/// Whether a path is a file or a folder.
fn exists(files: &BTreeSet<String>, path: &str) -> bool {
    let below = format!("{path}/");
    files.contains(path) || files.range(below.clone()..).next().is_some_and(|file| file.starts_with(&below))
}

/// Whether the path of a file or of a folder is this word, or ends with it.
fn is_end_of_path(files: &BTreeSet<String>, word: &str) -> bool {
    let (file, folder) =
        (format!("/{}", word.trim_end_matches('/')), format!("/{}/", word.trim_end_matches('/')));
    files.iter().map(|path| format!("/{path}")).any(|path| path.ends_with(&file) || path.contains(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let files = ["README.md", "docs/logs.md", "img/lab.svg", "lb/src/proxy/mod.rs"];
        let files = files.map(str::to_owned).into();
        let page = [("docs/logs.md".to_owned(), text.to_owned())];
        let elsewhere = [("lb.toml", "a file of the reader")];
        check(&page, &files, &elsewhere).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_that_does_not_exist_is_found() {
        let text = "`lb.toml` [a](../README.md#top) ![b](../img/lab.png)\nsee `proxy/mod.rs`, `lb/source` and `mob.rs`";
        assert_eq!(
            found(text),
            [
                "docs/logs.md:1: the link leads to ../img/lab.png, which does not exist; \
                 write the path of a file that exists",
                "docs/logs.md:2: there is no file lb/source; write the path of a file that exists",
                "docs/logs.md:2: there is no file mob.rs; write the path of a file that exists",
            ]
        );
    }

    #[test]
    fn only_paths_of_the_repository_are_checked() {
        let text = "`lb.toml` `GET /state` `/etc/lb.rs` `text/plain` `src/NAME.rs` `a.b()` `proxy/` `lb/src` \
                    [c](https://example.org/x.md) [d](#here)\n```sh\ncat `gone.rs`\n```";
        assert_eq!(found(text), Vec::<String>::new());
    }

    #[test]
    fn an_exception_that_no_page_needs_is_found() {
        assert_eq!(found(""), ["xtask/src/tidy/lists.rs: no page names lb.toml; remove it from the list"]);
    }
}
