//! Words that some folders must not contain: those invariants of `ARCHITECTURE.md` that a text can show.

use super::finding::Finding;
use super::source::{Source, line_of, places_of};

/// One rule.
pub(super) struct Ban {
    /// Files, and folders with a slash at the end.
    pub(super) places: &'static [&'static str],
    /// Files and folders in these places that may contain the words, with the reason.
    pub(super) except: &'static [(&'static str, &'static str)],
    /// The words, with a space between them.
    pub(super) words: &'static str,
    /// Why, and what to do instead.
    pub(super) instead: &'static str,
    /// Whether the rule also holds for tests.
    pub(super) in_tests: bool,
}

/// All words in places where they are banned, and all exceptions that no file needs.
pub(super) fn check(bans: &[Ban], sources: &[Source]) -> Vec<Finding> {
    bans.iter().flat_map(|ban| one(ban, sources)).collect()
}

fn one(ban: &Ban, sources: &[Source]) -> Vec<Finding> {
    let is_in = |source: &Source, place: &str| match place.ends_with('/') {
        true => source.path.starts_with(place),
        false => source.path == place,
    };
    let (mut findings, mut needed) = (Vec::new(), vec![false; ban.except.len()]);
    for source in sources.iter().filter(|source| ban.places.iter().any(|place| is_in(source, place))) {
        let code = if ban.in_tests { &source.code } else { &source.product };
        for word in ban.words.split(' ') {
            for at in places_of(code, word) {
                match ban.except.iter().position(|(place, _)| is_in(source, place)) {
                    Some(exception) => needed[exception] = true,
                    None => {
                        let what = format!("`{word}` is banned here");
                        findings.push(Finding::new(&source.path, line_of(code, at), what, ban.instead));
                    }
                }
            }
        }
    }
    for ((place, _), _) in ban.except.iter().zip(needed).filter(|(_, needed)| !needed) {
        let what = format!("no file here needs the exception from the ban of `{}`", ban.words);
        findings.push(Finding::new(place, 0, what, "remove the exception from xtask/src/tidy/bans.rs"));
    }
    for place in ban.places.iter().filter(|place| !sources.iter().any(|source| is_in(source, place))) {
        let what = "a ban names this place, which does not exist".to_owned();
        findings.push(Finding::new(place, 0, what, "correct xtask/src/tidy/bans.rs"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAN: Ban = Ban {
        places: &["a/src/"],
        except: &[("a/src/main.rs", "a reason")],
        words: "std::fs println!",
        instead: "return the text",
        in_tests: false,
    };

    #[test]
    fn a_banned_word_is_found_with_its_line() {
        let text = "// println!\n#[cfg(test)]\nuse std::fs;\nfn f() {\n    println!(\"std::fs\");\n}\n";
        let sources = [Source::new("a/src/f.rs", text), Source::new("a/src/main.rs", "println!()")];
        let findings = check(&[BAN], &sources);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].to_string(), "a/src/f.rs:5: `println!` is banned here; return the text");
    }

    #[test]
    fn an_exception_that_no_file_needs_is_found() {
        let sources = [Source::new("a/src/main.rs", "")];
        assert_eq!(check(&[BAN], &sources)[0].path, "a/src/main.rs");
        assert_eq!(check(&[Ban { except: &[], ..BAN }], &sources).len(), 0);
        assert_eq!(check(&[Ban { except: &[], ..BAN }], &[]).len(), 1, "the place does not exist");
    }
}
