//! Which part may use which: compares the arrows of the code with the tables in `allowed.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::lists::MOST_IN_CIRCLES;
use super::modules::{Arrow, Modules, circles};
use super::source::Source;

/// More files in circles than this are counted and not named.
const MOST_SHOWN: usize = 12;

/// Where the tables are.
const TABLE: &str = "xtask/src/tidy/allowed.rs";

/// The arrows that one part of the code may have.
pub(super) struct Allowed {
    /// A crate, a module with a row for each of its modules, or the workspace.
    pub(super) scope: &'static str,
    /// Each part with the parts that it uses. A part uses only parts in later rows.
    pub(super) rows: &'static [(&'static str, &'static str)],
    /// The arrows that lead to an earlier row, with the reason. Each of them closes at least one cycle.
    pub(super) up: &'static [(&'static str, &'static str, &'static str)],
}

/// An arrow between two parts of one scope.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) path: String,
    pub(super) line: usize,
}

/// Compares a table with the parts and the arrows of the code.
pub(super) fn check(allowed: &Allowed, parts: &BTreeSet<String>, seen: &[Seen]) -> Vec<Finding> {
    let row = |name: &str| allowed.rows.iter().position(|(part, _)| *part == name);
    let scope = allowed.scope;
    let in_table = |what: String, instead: &str| Finding::new(TABLE, 0, what, instead);
    let mut findings = Vec::new();
    for part in parts.iter().filter(|part| row(part).is_none()) {
        findings
            .push(in_table(format!("{scope}: {part} has no row"), "add a row below all parts that use it"));
    }
    for (part, _) in allowed.rows.iter().filter(|(part, _)| !parts.contains(*part)) {
        findings.push(in_table(format!("{scope}: {part} does not exist"), "remove its row"));
    }
    let mut used = BTreeSet::new();
    for arrow in seen {
        let (from, to) = (arrow.from.as_str(), arrow.to.as_str());
        used.insert((from, to));
        if !arrows_of(allowed).any(|known| known == (from, to)) {
            let what = format!("{scope}: {from} must not use {to}");
            let instead =
                format!("pass the value in as an argument, move the item, or allow the arrow in {TABLE}");
            findings.push(Finding::new(&arrow.path, arrow.line, what, &instead));
        }
    }
    for (from, to) in arrows_of(allowed).filter(|known| !used.contains(known)) {
        findings.push(in_table(
            format!("{scope}: {from} does not use {to} any more"),
            "remove the arrow from the table",
        ));
    }
    for (from, to) in down(allowed).filter(|(from, to)| row(from) >= row(to)) {
        findings.push(in_table(
            format!("{scope}: the arrow from {from} to {to} leads to an earlier row"),
            "move the rows; if the code has a cycle, remove the arrow from the code",
        ));
    }
    for (from, to, _) in allowed.up.iter().filter(|(from, to, _)| row(from) < row(to)) {
        findings.push(in_table(
            format!("{scope}: the arrow from {from} to {to} leads to a later row"),
            "move it from `up` to the row",
        ));
    }
    findings
}

/// The arrows in the rows.
fn down(allowed: &Allowed) -> impl Iterator<Item = (&'static str, &'static str)> {
    allowed.rows.iter().flat_map(|(from, to)| to.split_whitespace().map(move |to| (*from, to)))
}

fn arrows_of(allowed: &Allowed) -> impl Iterator<Item = (&'static str, &'static str)> {
    down(allowed).chain(allowed.up.iter().map(|(from, to, _)| (*from, *to)))
}

/// The parts of a scope and the arrows between them, from all arrows between the files of its crate.
pub(super) fn in_scope(
    scope: &str,
    modules: &Modules<'_>,
    arrows: &[Arrow],
) -> (BTreeSet<String>, Vec<Seen>) {
    let inside: Vec<_> = scope.split("::").skip(1).map(str::to_owned).collect();
    let part = |path: &[String]| {
        let below = path.strip_prefix(inside.as_slice())?;
        let root = if inside.is_empty() { modules.root } else { "mod" };
        Some(below.first().map_or(root, String::as_str).to_owned())
    };
    let mut seen: BTreeMap<(String, String), Seen> = BTreeMap::new();
    for arrow in arrows {
        if let (Some(from), Some(to)) = (part(&arrow.from), part(&arrow.to))
            && from != to
        {
            let (path, line) = (arrow.path.clone(), arrow.line);
            seen.entry((from.clone(), to.clone())).or_insert(Seen { from, to, path, line });
        }
    }
    (modules.all().filter_map(part).collect(), seen.into_values().collect())
}

/// What is printed about the circles of a scope, if it has any.
pub(super) fn describe(allowed: &Allowed, seen: &[Seen]) -> Option<String> {
    let ends: Vec<_> = seen.iter().map(|arrow| (arrow.from.clone(), arrow.to.clone())).collect();
    let circles = circles(&ends);
    let members = |circle: &BTreeSet<&str>| circle.iter().copied().collect::<Vec<_>>().join(" ");
    let listed: Vec<_> = circles.iter().map(members).collect();
    let (scope, up) = (allowed.scope, allowed.up.len());
    let all = seen.len();
    (!listed.is_empty())
        .then(|| format!("{scope}: {up} of {all} arrows lead up; circles: {}", listed.join("; ")))
}

/// The files of a crate that are in a circle of imports, and how many files there are.
pub(super) fn files_in_circles(modules: &Modules<'_>, arrows: &[Arrow]) -> (Vec<String>, usize) {
    let name = |path: &[String]| path.join("::");
    let ends: Vec<_> = arrows.iter().map(|arrow| (name(&arrow.from), name(&arrow.to))).collect();
    let inside = circles(&ends).into_iter().flatten().map(str::to_owned).collect();
    (inside, modules.all().count())
}

/// How many files are in circles, and a few of them by name.
fn in_circles(inside: &[String], files: usize) -> String {
    let percent = 100 * inside.len() / files.max(1);
    let shown = if inside.len() <= MOST_SHOWN { inside.join(" ") } else { String::new() };
    let line = format!("{} of {files} files ({percent} %) are in a circle of imports {shown}", inside.len());
    line.trim_end().to_owned()
}

/// Only so many files may be in circles.
fn too_many_in_circles(folder: &str, inside: usize, files: usize) -> Option<Finding> {
    let percent = 100 * inside / files.max(1);
    let what = format!("{percent} % of the files are in a circle of imports, and {MOST_IN_CIRCLES} % may be");
    (percent > MOST_IN_CIRCLES)
        .then(|| Finding::new(folder, 0, what, "move what two files share to a file that both may use"))
}

/// The crates of the workspace and the arrows between them, from the texts of their `Cargo.toml` files.
///
/// `heading` is `[dependencies]` or `[dev-dependencies]`.
pub(super) fn between_crates(manifests: &[(String, String)], heading: &str) -> (BTreeSet<String>, Vec<Seen>) {
    let name = |text: &str| Some(text.split("name = \"").nth(1)?.split('"').next()?.to_owned());
    let crates: BTreeSet<_> = manifests.iter().filter_map(|(_, text)| name(text)).collect();
    let mut seen = Vec::new();
    for (path, text) in manifests {
        let mut is_below = false;
        for (number, line) in text.lines().enumerate() {
            if line.starts_with('[') {
                is_below = line.trim() == heading;
            }
            let to = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if is_below && crates.contains(to) {
                let from = name(text).unwrap_or_default();
                seen.push(Seen { from, to: to.to_owned(), path: path.clone(), line: number + 1 });
            }
        }
    }
    (crates, seen)
}

/// Every member must take over the lints of the workspace.
pub(super) fn lints(manifests: &[(String, String)]) -> Vec<Finding> {
    let lacks = manifests.iter().filter(|(_, text)| !text.contains("\n[lints]\nworkspace = true\n"));
    let found = |(path, _): &(String, String)| {
        Finding::new(
            path,
            0,
            "the lints of the workspace do not hold here".into(),
            "add `[lints] workspace = true`",
        )
    };
    lacks.map(found).collect()
}

/// Checks all tables. Returns the findings, and the lines about circles that are printed in any case.
pub(super) fn all(
    tables: &[Allowed],
    sources: &[Source],
    manifests: &[(String, String)],
) -> (Vec<Finding>, Vec<String>) {
    let (mut findings, mut told) = (lints(manifests), Vec::new());
    for table in tables {
        let heading = match table.scope {
            "crates" => Some("[dependencies]"),
            "crates, in tests" => Some("[dev-dependencies]"),
            _ => None,
        };
        let (parts, seen) = match heading {
            Some(heading) => between_crates(manifests, heading),
            None => {
                let folder = table.scope.split("::").next().unwrap_or_default();
                let modules = Modules::of(folder, sources);
                let arrows = modules.arrows();
                if folder == table.scope {
                    let (inside, files) = files_in_circles(&modules, &arrows);
                    told.push(format!("{folder}: {}", in_circles(&inside, files)));
                    findings.extend(too_many_in_circles(folder, inside.len(), files));
                }
                in_scope(table.scope, &modules, &arrows)
            }
        };
        findings.extend(check(table, &parts, &seen));
        told.extend(describe(table, &seen));
    }
    (findings, told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(arrows: &[(&str, &str)]) -> Vec<Seen> {
        let arrow = |(from, to): &(&str, &str)| Seen {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
            path: format!("{from}.rs"),
            line: 1,
        };
        arrows.iter().map(arrow).collect()
    }

    fn whats(allowed: &Allowed, parts: &[&str], arrows: &[(&str, &str)]) -> Vec<String> {
        let parts = parts.iter().map(|part| (*part).to_owned()).collect();
        check(allowed, &parts, &seen(arrows)).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn an_arrow_that_no_row_has_is_found() {
        let allowed = Allowed {
            scope: "lb",
            rows: &[("a", "b c"), ("b", "c"), ("c", "")],
            up: &[("c", "a", "a reason")],
        };
        let all = [("a", "b"), ("a", "c"), ("b", "c"), ("c", "a")];
        assert_eq!(whats(&allowed, &["a", "b", "c"], &all), [""; 0]);
        assert_eq!(describe(&allowed, &seen(&all)).unwrap(), "lb: 1 of 4 arrows lead up; circles: a b c");
        let more = [&all[1..], &[("c", "b")]].concat();
        assert_eq!(
            whats(&allowed, &["a", "b", "c", "d"], &more),
            ["lb: d has no row", "lb: c must not use b", "lb: a does not use b any more"]
        );
    }

    #[test]
    fn rows_have_an_order_that_cycles_cannot_have() {
        let allowed =
            Allowed { scope: "lb", rows: &[("a", "b"), ("b", "a"), ("c", "")], up: &[("a", "c", "")] };
        assert_eq!(
            whats(&allowed, &["a", "b"], &[("a", "b"), ("b", "a"), ("a", "c")]),
            [
                "lb: c does not exist",
                "lb: the arrow from b to a leads to an earlier row",
                "lb: the arrow from a to c leads to a later row"
            ]
        );
    }

    #[test]
    fn crates_are_read_from_their_manifests() {
        let manifest =
            |name: &str, rest: &str| (format!("{name}/Cargo.toml"), format!("name = \"{name}\"\n{rest}"));
        let manifests = [
            manifest(
                "a",
                "\n[lints]\nworkspace = true\n[dependencies]\nb.workspace = true\nserde.workspace = true",
            ),
            manifest("b", "[dev-dependencies]\na = { workspace = true }"),
        ];
        let (crates, seen) = between_crates(&manifests, "[dependencies]");
        assert_eq!((crates.len(), seen.len(), seen[0].to.as_str(), seen[0].line), (2, 1, "b", 6));
        assert_eq!(between_crates(&manifests, "[dev-dependencies]").1[0].from, "b");
        assert_eq!(lints(&manifests).len(), 1, "b has no lints");
    }

    #[test]
    fn a_scope_inside_of_a_crate_has_parts_of_its_own() {
        let sources = [
            Source::new("lb/src/lib.rs", "mod proxy;"),
            Source::new("lb/src/config.rs", ""),
            Source::new("lb/src/proxy/mod.rs", "use crate::config::Config;\nuse http1::body::Body;"),
            Source::new("lb/src/proxy/http1/mod.rs", "use super::Proxy;"),
            Source::new("lb/src/proxy/http1/body.rs", ""),
        ];
        let modules = Modules::of("lb", &sources);
        let arrows = modules.arrows();
        let ends = |scope| {
            let (parts, seen) = in_scope(scope, &modules, &arrows);
            let seen: Vec<_> = seen.into_iter().map(|arrow| format!("{}>{}", arrow.from, arrow.to)).collect();
            (parts.into_iter().collect::<Vec<_>>().join(" "), seen.join(" "))
        };
        assert_eq!(ends("lb"), ("config lib proxy".into(), "proxy>config".into()));
        assert_eq!(ends("lb::proxy"), ("http1 mod".into(), "http1>mod mod>http1".into()));
        let (inside, files) = files_in_circles(&modules, &arrows);
        assert_eq!((inside.len(), files), (0, 5), "mod.rs uses body.rs, which uses nothing");
    }

    #[test]
    fn more_files_in_circles_than_allowed_are_found() {
        let inside = ["a", "b"].map(str::to_owned);
        assert_eq!(in_circles(&inside, 10), "2 of 10 files (20 %) are in a circle of imports a b");
        assert_eq!(in_circles(&[], 0), "0 of 0 files (0 %) are in a circle of imports");
        assert_eq!(too_many_in_circles("a-crate", 2, 10).unwrap().path, "a-crate");
        assert_eq!(too_many_in_circles("a-crate", 1, 10), None);
    }
}
