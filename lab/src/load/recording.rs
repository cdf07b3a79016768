//! A report as JSON lines: a recording of a load, which other programs can read and replay.
//!
//! The first line says what was recorded: the format and its version, the version of the program, the seed,
//! and what a [`Report`] knows beside its entries. Each other line is one [`Entry`]. All times are whole
//! microseconds, and their names end with `_us`; `epoch_unix_us` counts since 1970, and all others from the
//! beginning of the load. A value that is not known is left out.

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::ledger::Entry;
use super::microseconds;
use super::report::{Phase, Report};

/// The name of the format.
const FORMAT: &str = "lab load";

/// The version of the format.
const VERSION: u32 = 1;

/// What must be known before the first line can be read as a whole.
#[derive(Deserialize)]
struct Kind {
    format: String,
    version: u32,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Heading {
    format: String,
    version: u32,
    /// The version of the program that recorded.
    program: String,
    seed: u64,
    /// The first part of all ids of requests.
    name: String,
    epoch_unix_us: u64,
    #[serde(rename = "duration_us", with = "microseconds")]
    duration: Duration,
    begun: u64,
    unsent: u64,
    /// The number of the lines that follow.
    entries: usize,
    phases: Vec<Phase>,
}

impl Report {
    /// Writes the report as JSON lines, so that [`Report::read`] gives the same report.
    ///
    /// # Errors
    /// If the lines cannot be written.
    pub fn write(&self, mut to: impl Write) -> Result<()> {
        let heading = Heading {
            format: FORMAT.into(),
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            seed: self.seed,
            name: self.name.clone(),
            epoch_unix_us: self.epoch_unix_us,
            duration: self.duration,
            begun: self.begun,
            unsent: self.unsent,
            entries: self.entries.len(),
            phases: self.phases.clone(),
        };
        let mut line = |value: String| writeln!(to, "{value}").context("cannot write the recording");
        line(serde_json::to_string(&heading)?)?;
        self.entries.iter().try_for_each(|entry| line(serde_json::to_string(entry)?))
    }

    /// Reads what [`Report::write`] wrote.
    ///
    /// # Errors
    /// If the lines cannot be read, are no recording, have another version, or are not complete.
    pub fn read(from: impl BufRead) -> Result<Self> {
        let mut lines = from.lines();
        let first = lines.next().context("the recording is empty")?.context("cannot read the recording")?;
        let heading = heading(&first)?;
        let mut entries = Vec::new();
        for (line, number) in lines.zip(2_usize..) {
            let line = line.context("cannot read the recording")?;
            let entry = serde_json::from_str::<Entry>(&line).with_context(|| {
                format!("line {number} of the recording is no entry: {}", api::excerpt(&line))
            })?;
            entries.push(entry);
        }
        ensure!(
            entries.len() == heading.entries,
            "the recording has {} entries, and its first line says {}: it is not complete",
            entries.len(),
            heading.entries
        );
        Ok(Self {
            name: heading.name,
            entries,
            phases: heading.phases,
            duration: heading.duration,
            begun: heading.begun,
            unsent: heading.unsent,
            seed: heading.seed,
            epoch_unix_us: heading.epoch_unix_us,
        })
    }
}

/// Reads the first line.
fn heading(line: &str) -> Result<Heading> {
    let kind: Kind = serde_json::from_str(line)
        .with_context(|| format!("this is no recording of a load; its first line is: {line:.200}"))?;
    ensure!(kind.format == FORMAT, "this is a recording of {:?}, and not of {FORMAT:?}", kind.format);
    ensure!(
        kind.version == VERSION,
        "the recording has the version {}, and this program reads {VERSION}: record the load again",
        kind.version
    );
    serde_json::from_str(line).context("the first line of the recording is wrong")
}

#[cfg(test)]
#[path = "recording_tests.rs"]
mod tests;
