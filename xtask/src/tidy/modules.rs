//! The modules of one crate, and which file imports from which.
//!
//! A file depends on the file in which the item stands that it imports, also if a third file hands the item
//! on with `pub use`. Such a line alone is no arrow. Three things stay out of sight: calls of methods, names
//! that only a macro makes, and modules that stand inside of a file.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{self, Names, Path};
use super::source::Source;

/// The files of one crate by the paths of their modules. The path of `lib.rs` is empty.
pub(super) struct Modules<'a> {
    name: String,
    /// The name of the file at the root.
    pub(super) root: &'static str,
    files: BTreeMap<Vec<String>, File<'a>>,
}

struct File<'a> {
    source: &'a Source,
    names: Names,
}

/// That one module imports from another, and where it does so first.
#[derive(Debug)]
pub(super) struct Arrow {
    pub(super) from: Vec<String>,
    pub(super) to: Vec<String>,
    pub(super) path: String,
    pub(super) line: usize,
}

impl<'a> Modules<'a> {
    /// The modules of the crate in a folder, without files that only tests have.
    pub(super) fn of(folder: &str, sources: &'a [Source]) -> Self {
        let prefix = format!("{folder}/src/");
        let sources: Vec<_> =
            sources.iter().filter(|source| source.path.starts_with(&prefix) && !source.is_test).collect();
        let has_library = sources.iter().any(|source| source.path[prefix.len()..] == *"lib.rs");
        let files = sources
            .into_iter()
            .map(|source| {
                let names = paths::read(&source.product);
                (module(&source.path[prefix.len()..], has_library), File { source, names })
            })
            .collect();
        Self { name: folder.replace('-', "_"), root: if has_library { "lib" } else { "main" }, files }
    }

    /// The paths of all modules.
    pub(super) fn all(&self) -> impl Iterator<Item = &[String]> {
        self.files.keys().map(Vec::as_slice)
    }

    /// All arrows between files, each once.
    pub(super) fn arrows(&self) -> Vec<Arrow> {
        let mut arrows: BTreeMap<(&[String], &[String]), usize> = BTreeMap::new();
        for (from, file) in &self.files {
            for (to, line) in self.uses(from, file) {
                if to != from.as_slice() {
                    let first = arrows.entry((from, to)).or_insert(line);
                    *first = line.min(*first);
                }
            }
        }
        let path = |from: &[String]| self.files[from].source.path.clone();
        arrows
            .into_iter()
            .map(|((from, to), line)| Arrow { from: from.to_vec(), to: to.to_vec(), path: path(from), line })
            .collect()
    }

    /// The modules that a file uses, with the line of each use.
    fn uses<'b>(&'b self, from: &'b [String], file: &'b File<'_>) -> Vec<(&'b [String], usize)> {
        let mut uses = Vec::new();
        for import in &file.names.imports {
            let is_handed_on = import.is_public && !file.names.words.contains_key(&import.name);
            if let Some((to, is_module)) = self.find(from, &import.path, 0)
                && !is_handed_on
            {
                // A module that is imported as such counts where one of its items is named.
                let is_prefix = file.names.paths.iter().any(|path| path.path[0] == import.name);
                if !(is_module && is_prefix) {
                    uses.push((to, import.line));
                }
            }
        }
        let found = |path: &Path| self.find(from, &path.path, 0).map(|(to, _)| (to, path.line));
        uses.extend(file.names.paths.iter().filter_map(found));
        uses.extend(self.made_by_macro(from, file));
        uses
    }

    /// The modules below a file that a macro declares: their names stand in the file without `mod`.
    fn made_by_macro<'b>(&'b self, from: &'b [String], file: &'b File<'_>) -> Vec<(&'b [String], usize)> {
        let below = self.all().filter(|path| path.len() == from.len() + 1 && path.starts_with(from));
        below
            .filter_map(|path| {
                let name = path.last()?;
                let is_declared = file.source.product.contains(&format!("mod {name};"));
                let line = file.names.words.get(name)?;
                (!is_declared).then_some((path, *line))
            })
            .collect()
    }

    /// The module in which a path ends that is written in another module, and whether the path names the
    /// module itself.
    fn find(&self, from: &[String], path: &[String], depth: usize) -> Option<(&[String], bool)> {
        // Two files that re-export a name from each other would make the search endless.
        let deep = 8;
        let (mut base, mut rest) = (from.to_vec(), path);
        match path.first()?.as_str() {
            "crate" => (base, rest) = (Vec::new(), &path[1..]),
            name if name == self.name => (base, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {}
            name if self.child(from, name).is_some() => {}
            name if depth < deep => return self.follow(from, name, &path[1..], depth),
            _ => return None,
        }
        while let Some((name, behind)) = rest.split_first() {
            if name == "super" {
                base.pop();
            } else if let Some(child) = self.child(&base, name) {
                base = child;
            } else {
                let followed = if depth < deep { self.follow(&base, name, behind, depth) } else { None };
                return followed.or_else(|| Some((self.key(&base)?, false)));
            }
            rest = behind;
        }
        Some((self.key(&base)?, true))
    }

    /// The module to which an import of this name leads on.
    fn follow(
        &self,
        at: &[String],
        name: &str,
        behind: &[String],
        depth: usize,
    ) -> Option<(&[String], bool)> {
        let import = self.files.get(at)?.names.imports.iter().find(|import| import.name == name)?;
        let whole = [&import.path, behind].concat();
        self.find(at, &whole, depth + 1)
    }

    fn child(&self, base: &[String], name: &str) -> Option<Vec<String>> {
        let child = [base, &[name.to_owned()]].concat();
        self.files.contains_key(&child).then_some(child)
    }

    fn key(&self, path: &[String]) -> Option<&[String]> {
        self.files.get_key_value(path).map(|(key, _)| key.as_slice())
    }
}

/// The path of the module in a file. The path of the file begins below `src`.
fn module(path: &str, has_library: bool) -> Vec<String> {
    let mut path: Vec<_> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let is_root = path.len() == 1 && (path[0] == "lib" || path[0] == "main" && !has_library);
    if is_root || path.last().is_some_and(|name| name == "mod") {
        path.pop();
    }
    path
}

/// The groups of modules that reach each other, each with at least two members.
pub(super) fn circles(arrows: &[(String, String)]) -> Vec<BTreeSet<&str>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in arrows {
        next.entry(from).or_default().insert(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|from| (*from, reach(&next, from))).collect();
    let both = |a: &str, b: &str| reached[a].contains(b) && reached.get(b).is_some_and(|set| set.contains(a));
    let mut circles: Vec<BTreeSet<&str>> = Vec::new();
    for from in reached.keys() {
        let circle: BTreeSet<&str> = reached[from].iter().copied().filter(|to| both(from, to)).collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

/// All that can be reached from here.
fn reach<'a>(next: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(at) = open.pop() {
        for to in next.get(at.as_str()).into_iter().flatten() {
            if reached.insert(*to) {
                open.push((*to).to_owned());
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrows(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        let name = |path: Vec<String>| path.join("::");
        let arrows = Modules::of("app", &sources).arrows();
        arrows
            .into_iter()
            .map(|arrow| format!("{}>{}:{}", name(arrow.from), name(arrow.to), arrow.line))
            .collect()
    }

    #[test]
    fn an_arrow_leads_to_the_file_with_the_item() {
        let files = [
            ("app/src/lib.rs", "pub mod a;\nmod b;\npub use b::B;"),
            ("app/src/main.rs", "use app::a::C;"),
            ("app/src/a/mod.rs", "mod c;\npub use c::C;\nuse crate::B;"),
            ("app/src/a/c.rs", "use super::super::b;\nuse std::fmt;\nfn f() -> b::B { crate::g() }"),
            ("app/src/b.rs", "#[cfg(test)]\nuse crate::a;\nstruct B(super::B);"),
        ];
        assert_eq!(arrows(&files), ["a>b:3", "a::c>:3", "a::c>b:3", "main>a::c:1"]);
    }

    #[test]
    fn modules_of_a_macro_are_used_by_their_parent() {
        let files = [
            ("app/src/main.rs", "mod p;"),
            ("app/src/p/mod.rs", "mod q;\nall! { r R, }"),
            ("app/src/p/q.rs", ""),
            ("app/src/p/r.rs", "use super::T;"),
        ];
        assert_eq!(arrows(&files), ["p>p::r:2", "p::r>p:1"]);
    }

    #[test]
    fn circles_have_all_members() {
        let arrows = ["ab", "bc", "ca", "cd", "ef", "fe", "gg"];
        let arrows: Vec<_> = arrows.iter().map(|ends| (ends[..1].to_owned(), ends[1..].to_owned())).collect();
        let circles = circles(&arrows);
        assert_eq!(circles, [BTreeSet::from(["a", "b", "c"]), BTreeSet::from(["e", "f"])]);
    }
}
