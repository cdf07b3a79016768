//! `cargo xtask new-policy NAME`: begins a policy of one's own as a copy of a policy of the project.
//!
//! The copy compiles, passes the contract and can be chosen at once, because it is a file that does so with
//! another name. Only two files change: the new one, and the list in `mod.rs`.

mod name;
mod text;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use api::excerpt;
use clap::Args;
use lab::binaries::workspace;

use self::name::Name;
use crate::print;

/// Begin a policy of your own: a file that works, and its line in the list of policies.
#[derive(Args)]
pub(crate) struct NewPolicy {
    /// Its name, such as my-policy.
    name: String,
    /// The policy that is copied.
    #[arg(long, value_name = "POLICY", default_value = "random")]
    from: String,
}

impl NewPolicy {
    pub(crate) fn run(self) -> Result<()> {
        let name = write(&workspace().join("balance/src/policy"), &self.name, &self.from)?;
        print::line(next(&name).trim_end())
    }
}

/// Writes the file of the new policy into this folder, and its line into the list. No file is overwritten.
fn write(folder: &Path, name: &str, from: &str) -> Result<Name> {
    let list = folder.join("mod.rs");
    let known = read(&list)?;
    let name = Name::read(name).map_err(|why| anyhow!(why))?;
    let from = from.replace('-', "_");
    let modules = text::policies(&known);
    if !modules.contains(&from.as_str()) {
        let names: Vec<_> = modules.iter().map(|module| module.replace('_', "-")).collect();
        bail!(
            "there is no policy {} to copy; write one of {}",
            excerpt(&from.replace('_', "-")),
            names.join(", ")
        );
    }
    if let Some(taken) = text::taken(&known, &name) {
        bail!("the name {} is taken by {taken}; choose another name", name.kebab());
    }
    let file = folder.join(format!("{}.rs", name.snake()));
    ensure!(
        !file.exists() && !folder.join(name.snake()).exists(),
        "{} exists, and is not overwritten; choose another name, or remove it",
        file.display()
    );
    let original = read(&folder.join(format!("{from}.rs")))?;
    let copy = text::copy(&original, &from, &name).map_err(|why| anyhow!("{from}.rs: {why}"))?;
    let longer = text::with_line(&known, &name).map_err(|why| anyhow!("{}: {why}", list.display()))?;
    let mut new = OpenOptions::new().write(true).create_new(true).open(&file).with_context(cannot(&file))?;
    new.write_all(copy.as_bytes()).with_context(cannot(&file))?;
    if let Err(error) = replace(&list, &longer) {
        // A file without its line would take the name, and do nothing.
        fs::remove_file(&file).with_context(cannot(&file))?;
        return Err(error);
    }
    Ok(name)
}

/// Replaces a file by another text at once, so that a full disk leaves the old text.
fn replace(file: &Path, text: &str) -> Result<()> {
    let beside = file.with_extension("rs.new");
    fs::write(&beside, text).with_context(cannot(&beside))?;
    fs::rename(&beside, file).with_context(cannot(file))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn cannot(file: &Path) -> impl FnOnce() -> String {
    let file = file.display().to_string();
    move || format!("cannot write {file}")
}

/// What to do with the new policy.
fn next(name: &Name) -> String {
    let (kebab, snake) = (name.kebab(), name.snake());
    format!(
        "balance/src/policy/{snake}.rs is your policy. balance/src/policy/mod.rs has its line.\n\
         \n\
         Next:\n\
         \x20 $EDITOR balance/src/policy/{snake}.rs   # the comments that begin with \"Yours\" say what to change\n\
         \x20 cargo test -p balance {snake}   # does it keep the contract?\n\
         \x20 cargo xtask grade {kebab}   # how good is it?\n\
         \x20 cargo xtask demo   # see it on real processes: P changes to the last policy of the list, which is yours\n\
         \n\
         Before a pull request, rewrite the pages that list all policies:\n\
         \x20 ROUNDABOUT_WRITE_POLICIES=1 cargo test -p balance --test policies_page\n\
         \x20 ROUNDABOUT_WRITE_CHECKS=1 cargo test -p lb\n\
         \x20 cargo xtask lessons selftest --grades --repeat 20 --write\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A copy of the folder of the policies.
    fn copy() -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(workspace().join("balance/src/policy")).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
            }
        }
        copy
    }

    #[test]
    fn a_new_policy_is_a_file_and_a_line() {
        let copy = copy();
        let before = read(&copy.path().join("mod.rs")).unwrap();
        write(copy.path(), "my-policy", "least-connections").unwrap();
        let after = read(&copy.path().join("mod.rs")).unwrap();
        let new: Vec<_> = after.lines().filter(|line| !before.lines().any(|old| old == *line)).collect();
        assert_eq!(new, ["    my_policy MyPolicy,"]);
        assert_eq!(after.lines().count(), before.lines().count() + 1);
        let file = read(&copy.path().join("my_policy.rs")).unwrap();
        assert!(file.contains("struct MyPolicy") && file.contains("name: \"my-policy\""), "{file}");
        let leftover = fs::read_dir(copy.path())
            .unwrap()
            .any(|entry| entry.unwrap().file_name().to_string_lossy().ends_with(".new"));
        assert!(!leftover);
    }

    #[test]
    fn nothing_is_overwritten_and_an_error_says_what_to_write() {
        let copy = copy();
        fs::write(copy.path().join("draft.rs"), "mine").unwrap();
        let before = read(&copy.path().join("mod.rs")).unwrap();
        for (name, from, expected) in [
            ("draft", "random", "draft.rs exists, and is not overwritten"),
            ("random", "random", "the name random is taken by the policy random"),
            ("two-Choices", "random", "write it in lower case: two-choices"),
            ("contract", "random", "taken by the module contract"),
            ("my-policy", "leastconn", "write one of round-robin, "),
            ("My Policy", "random", "such as my-policy"),
        ] {
            let error = format!("{:#}", write(copy.path(), name, from).unwrap_err());
            assert!(error.contains(expected), "{name} --from {from}: {error}");
        }
        assert_eq!(read(&copy.path().join("draft.rs")).unwrap(), "mine");
        assert_eq!(read(&copy.path().join("mod.rs")).unwrap(), before);
        assert!(!copy.path().join("my_policy.rs").exists());
    }

    #[test]
    fn what_to_do_next_names_the_policy_as_each_command_reads_it() {
        let text = next(&Name::read("my_policy").unwrap());
        assert!(text.contains("cargo test -p balance my_policy "), "{text}");
        assert!(text.contains("cargo xtask grade my-policy "), "{text}");
    }
}
