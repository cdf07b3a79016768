//! A configuration file that changes while the balancer runs.

use std::path::PathBuf;

use tempfile::TempDir;

use super::Upstream;

/// A file in a separate folder.
pub(crate) struct Config {
    folder: TempDir,
}

impl Config {
    /// A file with this text.
    pub(crate) fn new(text: &str) -> Self {
        let config = Self { folder: tempfile::tempdir().unwrap() };
        config.write(text);
        config
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("lb.toml")
    }

    /// Replaces the file at once, so that no reader sees half of it.
    pub(crate) fn write(&self, text: &str) {
        let next = self.folder.path().join("next.toml");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, self.path()).unwrap();
    }
}

/// The tables for these upstreams, each with more settings.
pub(crate) fn tables<'a>(upstreams: impl IntoIterator<Item = (&'a Upstream, &'a str)>) -> String {
    let table =
        |(upstream, more): (&Upstream, &str)| format!("[[backend]]\nurl = \"{}\"\n{more}\n", upstream.url());
    upstreams.into_iter().map(table).collect()
}

/// The tables of many backends that get no pings.
pub(crate) fn in_maintenance(backends: usize) -> String {
    let address = |n: usize| format!("127.1.{}.{}:1", n / 250, n % 250 + 1);
    let table = |n: usize| format!("[[backend]]\nurl = \"http://{}\"\nmode = \"maintenance\"\n", address(n));
    (0..backends).map(table).collect()
}
