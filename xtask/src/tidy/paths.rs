//! The paths in a piece of code: those that `use` imports, and those that the code spells out.

use std::collections::BTreeMap;

use super::source::{in_name, line_of};

/// One name that a `use` imports.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// The path, without the alias. For `use a::*`, it is `a`.
    pub(super) path: Vec<String>,
    /// The name in this file. It is empty for `use a::*` and for `as _`.
    pub(super) name: String,
    /// Whether other files can import it from here.
    pub(super) is_public: bool,
    pub(super) line: usize,
}

/// One path of at least two names in the code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

/// The words and signs of the code. A `::` is one sign.
pub(super) fn tokens(code: &str) -> Vec<(usize, &str)> {
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(letter) = code[at..].chars().next() {
        let rest = &code[at..];
        let length = match letter {
            _ if in_name(letter) => rest.find(|letter| !in_name(letter)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            _ => letter.len_utf8(),
        };
        if !letter.is_whitespace() {
            tokens.push((at, &rest[..length]));
        }
        at += length;
    }
    tokens
}

/// What a piece of code names.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) imports: Vec<Import>,
    pub(super) paths: Vec<Path>,
    /// All other words with their lines: those that are in no `use` and no `mod`.
    pub(super) words: BTreeMap<String, usize>,
}

/// All paths of a piece of code.
pub(super) fn read(code: &str) -> Names {
    let tokens = tokens(code);
    let (mut names, mut at) = (Names::default(), 0);
    while at < tokens.len() {
        let (place, word) = tokens[at];
        let previous = at.checked_sub(1).map(|before| tokens[before].1);
        if word == "use" && tokens.get(at + 1).is_some_and(|(_, next)| *next != "<") {
            // `pub use` and `pub(crate) use` alike.
            let is_public = matches!(previous, Some("pub" | ")"));
            let mut tree = Tree { tokens: &tokens, at: at + 1, found: Vec::new() };
            tree.read(&[]);
            at = tree.at;
            let line = line_of(code, place);
            let found = tree.found.into_iter().map(|(path, name)| Import { path, name, is_public, line });
            names.imports.extend(found);
            continue;
        }
        if previous != Some("mod") {
            names.words.entry(word.to_owned()).or_insert_with(|| line_of(code, place));
        }
        let mut path = Vec::new();
        if word.starts_with(|letter: char| letter == '_' || letter.is_ascii_alphabetic())
            && previous != Some("::")
        {
            path.push(word.to_owned());
            while let [(_, "::"), (_, next)] = tokens[at + 1..].get(..2).unwrap_or_default()
                && next.starts_with(in_name)
            {
                path.push((*next).to_owned());
                at += 2;
            }
        }
        if path.len() > 1 {
            names.paths.push(Path { path, line: line_of(code, place) });
        }
        at += 1;
    }
    names
}

/// Reads what stands between `use` and `;`.
struct Tree<'a> {
    tokens: &'a [(usize, &'a str)],
    at: usize,
    found: Vec<(Vec<String>, String)>,
}

impl Tree<'_> {
    fn word(&self) -> &str {
        self.tokens.get(self.at).map_or(";", |(_, word)| word)
    }

    /// Reads one branch below a path, up to the comma, brace or semicolon behind it.
    fn read(&mut self, above: &[String]) {
        let mut path = above.to_vec();
        let mut name = None;
        loop {
            match self.word() {
                "," | "}" | ";" => break,
                "::" => {}
                "*" => name = Some(String::new()),
                "as" => {
                    self.at += 1;
                    name = Some(self.word().trim_matches('_').to_owned());
                }
                "{" => return self.group(&path),
                // `a::{self}` imports `a`.
                "self" if !path.is_empty() => {}
                word => path.push(word.to_owned()),
            }
            self.at += 1;
        }
        let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
        self.found.push((path, name));
    }

    fn group(&mut self, path: &[String]) {
        while !matches!(self.word(), "}" | ";") {
            self.at += 1;
            if !matches!(self.word(), "}" | ";") {
                self.read(path);
            }
        }
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_read_branch_by_branch() {
        let code = "use a::{self, b::{c, d as e}, f::*};\npub(crate) use g;\nfn h() -> impl I + use<> { super::j::k(l::M) }";
        let names = read(code);
        let imports: Vec<_> = names
            .imports
            .iter()
            .map(|import| {
                format!(
                    "{}={}{}",
                    import.name,
                    import.path.join("::"),
                    if import.is_public { "!" } else { "" }
                )
            })
            .collect();
        assert_eq!(imports, ["a=a", "c=a::b::c", "e=a::b::d", "=a::f", "g=g!"]);
        let paths: Vec<_> =
            names.paths.iter().map(|path| format!("{}:{}", path.path.join("::"), path.line)).collect();
        assert_eq!(paths, ["super::j::k:3", "l::M:3"]);
        assert!(names.words.contains_key("I") && !names.words.contains_key("g"));
    }
}
