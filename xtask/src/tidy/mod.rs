//! `cargo xtask tidy`: whether the code keeps to its stated architecture, as far as its text can show that.
//!
//! Each check is a function from texts to findings. The checks parse nothing: they compare words. So a check
//! is quick, and code that hides a word deceives it; the checks find mistakes. `cargo clippy` has the checks
//! that need types.
//!
//! - `allowed.rs` is the map of the architecture: which part uses which parts.
//! - `bans.rs` has the words that some folders must not contain.
//! - `lists.rs` has the exceptions from the other rules.

mod allowed;
mod arrows;
mod banned;
mod bans;
mod comments;
mod docs;
mod finding;
mod lexicon;
mod lists;
mod modules;
mod names;
mod paths;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::print::line;
use anyhow::{Context, ensure};
use clap::Args;
use finding::Finding;
use lab::binaries::workspace;
use source::Source;

/// Check that the code keeps to its stated architecture.
#[derive(Args)]
pub(crate) struct Tidy {}

impl Tidy {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        std::env::set_current_dir(workspace())?;
        let sources = sources()?;
        let (mut findings, told) = arrows::all(allowed::TABLES, &sources, &manifests()?);
        findings.extend(banned::check(bans::BANS, &sources));
        findings.extend(comments::beginnings(&sources, lists::WITHOUT_BEGINNING));
        let width = comments::max_width(&fs::read_to_string(".rustfmt.toml")?)
            .context(".rustfmt.toml has no width")?;
        findings.extend(comments::widths(&sources, width, lists::WIDE_COMMENTS));
        findings.extend(names::check(&sources, lists::SHARED_NAMES));
        let page =
            fs::read_to_string(lexicon::PAGE).with_context(|| format!("cannot read {}", lexicon::PAGE))?;
        findings.extend(lexicon::check(&page, &sources));
        let files = repository()?;
        let is_page = |path: &&String| path.ends_with(".md");
        let read = |path: &String| Ok((path.clone(), fs::read_to_string(path)?));
        let pages = files.iter().filter(is_page).map(read).collect::<anyhow::Result<Vec<_>>>()?;
        findings.extend(docs::check(&pages, &files, lists::FILES_ELSEWHERE));
        findings.extend(unformatted(&sources)?);
        told.iter().try_for_each(line)?;
        findings.iter().try_for_each(line)?;
        ensure!(findings.is_empty(), "{} findings", findings.len());
        line(format!(
            "tidy: {} files keep to {} tables of arrows, {} bans, and the rules for comments, names, terms, pages and format",
            sources.len(),
            allowed::TABLES.len(),
            bans::BANS.len()
        ))
    }
}

/// The texts of all Rust files of the workspace.
fn sources() -> anyhow::Result<Vec<Source>> {
    let mut files = Vec::new();
    for folder in folders()? {
        walk(Path::new(&folder), &mut files)?;
    }
    files.sort();
    let read = |path: String| Ok(Source::new(&path, &fs::read_to_string(&path)?));
    let mut sources = files.into_iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    // A file that only tests have may declare further ones.
    loop {
        let of_tests: BTreeSet<String> = sources.iter().flat_map(Source::test_files).collect();
        let news = |source: &&mut Source| of_tests.contains(&source.path) && !source.is_test;
        let news: Vec<_> = sources.iter_mut().filter(news).map(Source::make_test).collect();
        if news.is_empty() {
            return Ok(sources);
        }
    }
}

/// All Rust files in a folder and below it.
fn walk(folder: &Path, files: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path.display().to_string());
        }
    }
    Ok(())
}

/// The paths of all files of the repository.
fn repository() -> anyhow::Result<BTreeSet<String>> {
    let output =
        Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]).output();
    let output = output.context("cannot run git, which lists the files of the repository")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git cannot list the files: {}", complaint.trim());
    let paths = output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    let paths = paths.map(|path| String::from_utf8_lossy(path).into_owned());
    // A file that is deleted and not yet committed is in git's list.
    Ok(paths.filter(|path| Path::new(path).exists()).collect())
}

/// The folders of the members of the workspace.
fn folders() -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string("Cargo.toml").context("this runs at the root of the workspace")?;
    let members = text
        .lines()
        .find_map(|line| line.strip_prefix("members = ["))
        .context("Cargo.toml has no members")?;
    Ok(members.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

/// The paths and texts of the `Cargo.toml` files of all members.
fn manifests() -> anyhow::Result<Vec<(String, String)>> {
    let read = |folder: String| {
        let path = format!("{folder}/Cargo.toml");
        let text = fs::read_to_string(&path)?;
        Ok((path, text))
    };
    folders()?.into_iter().map(read).collect()
}

/// The files that `rustfmt` would change and that `cargo fmt` does not see, because a macro declares them.
fn unformatted(sources: &[Source]) -> anyhow::Result<Vec<Finding>> {
    let files =
        sources.iter().map(|source| &source.path).filter(|path| path.starts_with("balance/src/policy/"));
    let mut rustfmt = Command::new("rustfmt");
    rustfmt
        .args(["--check", "--files-with-diff", "--edition", "2024", "--config-path", ".rustfmt.toml"])
        .args(files);
    let output = rustfmt.output().context("cannot start rustfmt")?;
    let found = |path: &str| {
        let instead = format!("run rustfmt --edition 2024 --config-path .rustfmt.toml {path}");
        Finding::new(path, 0, "the file is not formatted".into(), &instead)
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let root = format!("{}/", workspace().display());
    let text = text.replace(&root, "");
    let complaint = String::from_utf8_lossy(&output.stderr);
    let findings: Vec<_> = text.lines().filter(|line| !line.is_empty()).map(found).collect();
    ensure!(output.status.success() || !findings.is_empty(), "rustfmt failed: {complaint}");
    Ok(findings)
}
