//! One name for one type: no two types of a crate have the same name.

use std::collections::BTreeMap;

use super::finding::Finding;
use super::paths::tokens;
use super::source::{Source, line_of};

/// A name that several types of a crate have, and what each of them is.
pub(super) type SharedName = (&'static str, &'static str, &'static str);

/// The types of the product that share a name with another type of the same crate.
pub(super) fn check(sources: &[Source], shared: &[SharedName]) -> Vec<Finding> {
    let mut types: BTreeMap<(&str, &str), Vec<(&Source, usize)>> = BTreeMap::new();
    for source in sources {
        let Some((folder, _)) = source.path.split_once("/src/") else { continue };
        for (at, name) in types_of(&source.product) {
            types.entry((folder, name)).or_default().push((source, line_of(&source.product, at)));
        }
    }
    types.retain(|_, places| places.len() > 1);
    let mut findings = Vec::new();
    for ((folder, name), places) in &types {
        if !shared.iter().any(|(known, of, _)| known == folder && of == name) {
            let (first, line) = places[0];
            for (source, at) in &places[1..] {
                let what = format!("{folder} has another type `{name}` at {}:{line}", first.path);
                findings.push(Finding::new(
                    &source.path,
                    *at,
                    what,
                    "give one of the types a name of its own",
                ));
            }
        }
    }
    for (folder, name, _) in shared.iter().filter(|(folder, name, _)| !types.contains_key(&(*folder, *name)))
    {
        let what = format!("no two types are called `{name}`");
        findings.push(Finding::new(folder, 0, what, "remove the name from tidy/lists.rs"));
    }
    findings
}

/// The types that a piece of code defines, without the types that belong to a trait.
fn types_of(code: &str) -> Vec<(usize, &str)> {
    let tokens = tokens(code);
    let (mut types, mut depth) = (Vec::new(), 0_usize);
    for window in tokens.windows(2) {
        let [(_, word), (at, name)] = window else { continue };
        match *word {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            "struct" | "enum" | "trait" => types.push((*at, *name)),
            "type" if depth == 0 => types.push((*at, *name)),
            _ => {}
        }
    }
    types.retain(|(_, name)| name.starts_with(|letter: char| letter.is_ascii_uppercase()));
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_types_with_one_name_are_found() {
        let sources = [
            Source::new("a/src/b.rs", "struct C;\nimpl D for C { type E = (); }\ntrait D { type E; }"),
            Source::new("a/src/f.rs", "\npub enum C {}\ntype E = ();"),
            Source::new("g/src/b.rs", "struct C;\n#[cfg(test)]\nstruct D;"),
        ];
        let findings = check(&sources, &[]);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(
            findings[0].to_string(),
            "a/src/f.rs:2: a has another type `C` at a/src/b.rs:1; give one of the types a name of its own"
        );
        assert_eq!(check(&sources, &[("a", "C", "a reason")]), []);
        assert_eq!(check(&sources, &[("a", "C", ""), ("a", "D", "")]).len(), 1, "only one type is called D");
    }
}
