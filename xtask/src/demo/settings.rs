//! The settings of the balancer that a user gives to the demo.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use lab::topology::Setup;
use toml::{Table, Value};

/// What makes the demo lively, unless the file sets it: its place in the file, and the flag.
const LIVELY: [(&str, &str); 2] =
    [("balance.explain", "--explain"), ("balance.hash_by", "--hash-by=header:x-request-id")];

/// What the demo sets itself, and what to do instead.
const NOT: [(&str, &str); 7] = [
    ("backend", "the demo has its own four backends"),
    ("listen", "the demo has its own addresses"),
    ("listener", "the demo has its own addresses"),
    ("admin", "the demo has its own addresses"),
    ("admin_token", "the demo changes its balancer without a token"),
    ("balance.seed", "`--seed N` sets the seeds of the whole lab"),
    ("log.file", "the demo reads the log of its balancer"),
];

/// Settings of the balancer, as TOML.
#[derive(Debug, Default)]
pub(super) struct Settings {
    text: Option<String>,
    table: Table,
}

impl Settings {
    /// Reads a file in the format of `lb.example.toml`, without backends and addresses. The balancer itself
    /// checks the values.
    ///
    /// # Errors
    /// If it cannot be read, is no TOML, or sets what the demo sets.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let name = file.display();
        let text = fs::read_to_string(file).with_context(|| {
            format!("--settings: cannot read {name}; write a file with settings as in lb.example.toml")
        })?;
        Self::parse(text).with_context(|| format!("--settings: {name} cannot be used"))
    }

    fn parse(text: String) -> Result<Self> {
        let table: Table = text.parse().map_err(|error| anyhow::anyhow!("{error}"))?;
        for (path, why) in NOT {
            ensure!(find(&table, path).is_none(), "it sets {path}; remove it: {why}");
        }
        Ok(Self { text: Some(text), table })
    }

    /// Gives a lab these settings, and what makes it lively.
    pub(super) fn apply(&self, setup: Setup) -> Setup {
        let flags = LIVELY.iter().filter(|(path, _)| find(&self.table, path).is_none());
        let setup = flags.fold(setup, |setup, (_, flag)| setup.lb_arg(*flag));
        match &self.text {
            Some(text) => setup.settings(text.clone()),
            None => setup,
        }
    }
}

/// The value at a place such as `balance.seed`.
fn find<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        Some((section, key)) => table.get(section)?.as_table()?.get(key),
        None => table.get(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_settings_but_nothing_that_the_demo_sets() {
        assert!(Settings::parse("[health]\nfall = 5\n".to_owned()).is_ok());
        for (text, expected) in [
            (
                "[[backend]]\nurl = \"http://localhost:1\"",
                "it sets backend; remove it: the demo has its own four",
            ),
            ("listen = \"127.0.0.1:80\"", "it sets listen; remove it"),
            ("admin_token = \"0123456789abcdef\"", "it sets admin_token; remove it"),
            ("[balance]\nseed = 1", "it sets balance.seed; remove it: `--seed N`"),
            ("[health\n", "line 1"),
        ] {
            let error = format!("{:#}", Settings::parse(text.to_owned()).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
        let missing = Settings::read(Path::new("/no/such/file")).unwrap_err().to_string();
        assert!(missing.contains("cannot read /no/such/file; write a file with settings"), "{missing}");
    }
}
