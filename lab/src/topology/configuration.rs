//! The balancer's configuration file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::backend::Backend;

/// A file in a folder of its own, which is removed when this value is dropped.
#[derive(Debug)]
pub(super) struct Configuration {
    folder: TempDir,
}

impl Configuration {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir().context("no place for a configuration file")? })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("lb.toml")
    }

    /// Replaces the file by one with these settings and backends, in one step, so that a reader never sees
    /// half of it.
    pub(super) fn write<'a>(
        &self,
        settings: &str,
        backends: impl IntoIterator<Item = &'a Backend>,
    ) -> Result<()> {
        let mut text = settings.to_owned();
        for backend in backends {
            // Settings may end inside any table; this begins a new table.
            write!(text, "\n[[backend]]\nurl = \"{}\"\n", backend.url())?;
        }
        let next = self.folder.path().join("next.toml");
        replace(&next, &self.path(), &text).with_context(|| format!("cannot write {}", self.path().display()))
    }
}

fn replace(next: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::write(next, text)?;
    std::fs::rename(next, path)
}
