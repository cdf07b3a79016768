//! The workloads: one line of a table for each kind of load.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;

use super::backends::{BYTES, MOST};
use super::figure::Figure::{self, *};
use super::wrk::Order;

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Workload {
    /// Keep-alive clients, answers of 18 bytes
    Small,
    /// A new connection for each request, answers of 18 bytes
    Fresh,
    /// Keep-alive clients, answers of 64 KiB
    #[value(name = "64k")]
    Medium,
    /// Keep-alive clients, answers of 1 MiB
    #[value(name = "1m")]
    Large,
    /// Keep-alive clients, each request has a body of 1 MiB
    Upload,
    /// 1,000 keep-alive clients, answers of 18 bytes
    Many,
    /// The memory of 10,000 idle connections
    Idle,
    /// Latency at half of the highest rate of nginx, measured from the time at which each request was due
    Latency,
}

/// The way to put load on a proxy.
#[derive(Clone, Copy)]
pub(super) enum Loading {
    /// With `wrk`: as fast as the proxy answers.
    Closed {
        /// The number of clients, if it is not the usual one.
        clients: Option<u16>,
        /// The size of the answers.
        bytes: usize,
        /// Whether every request has a connection of its own.
        fresh: bool,
        /// Whether every request has a body of a mebibyte.
        upload: bool,
    },
    /// With connections that are opened and stay idle.
    Idle,
    /// With requests that are due at a fixed rate.
    Open,
}

/// The addition about a fixed rate.
pub(super) fn at_rate(words: &str, rate: f64, whose: &str) -> String {
    format!("{words}, {rate:.0} requests/s: half of what {whose} can answer")
}

/// The number of idle connections, if the machine allows it.
pub(super) const WANTED: usize = 10_000;

/// The length of the usual answer.
pub(super) const SHORT: usize = 18;

/// The figures of every proxy, and those of them that are compared.
const PER_REQUEST: (&[Figure], &[Figure]) =
    (&[CpuPerRequest, Rate, Busy, P50, P99, Memory], &[CpuPerRequest, Rate, P99]);
const PER_MEBIBYTE: (&[Figure], &[Figure]) =
    (&[CpuPerMebibyte, Rate, Busy, P50, P99, Memory], &[CpuPerMebibyte, Rate, P99]);

impl Workload {
    /// The name on the command line and in the file of its picture.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// A short description.
    pub(super) fn words(self, clients: u16, idle: usize) -> String {
        match self {
            Self::Small => format!("{clients} keep-alive clients, 18-byte answers"),
            Self::Fresh => format!("{clients} clients, a new connection for each request, 18-byte answers"),
            Self::Medium => format!("{clients} keep-alive clients, answers of 64 KiB"),
            Self::Large => format!("{clients} keep-alive clients, answers of 1 MiB"),
            Self::Upload => format!("{clients} keep-alive clients, each request has a body of 1 MiB"),
            Self::Many => "1000 keep-alive clients, 18-byte answers".to_owned(),
            Self::Idle => {
                let fit = if idle < WANTED {
                    format!(" ({WANTED} exceed the limit of open files)")
                } else {
                    String::new()
                };
                format!("{idle} connections that made one request each{fit}")
            }
            Self::Latency => format!("{clients} keep-alive clients, 18-byte answers"),
        }
    }

    /// The way to put load on a proxy.
    pub(super) fn loading(self) -> Loading {
        let closed = |bytes, fresh, upload| Loading::Closed { clients: None, bytes, fresh, upload };
        match self {
            Self::Small => closed(SHORT, false, false),
            Self::Fresh => closed(SHORT, true, false),
            Self::Medium => closed(64 * 1024, false, false),
            Self::Large => closed(MOST, false, false),
            Self::Upload => closed(SHORT, false, true),
            Self::Many => Loading::Closed { clients: Some(1000), bytes: SHORT, fresh: false, upload: false },
            Self::Idle => Loading::Idle,
            Self::Latency => Loading::Open,
        }
    }

    /// The figures in the tables.
    pub(super) fn shown(self) -> &'static [Figure] {
        self.figures().0
    }

    /// The figures that are compared and drawn.
    pub(super) fn compared(self) -> &'static [Figure] {
        self.figures().1
    }

    fn figures(self) -> (&'static [Figure], &'static [Figure]) {
        match self {
            Self::Small | Self::Fresh | Self::Medium | Self::Many => PER_REQUEST,
            Self::Large | Self::Upload => PER_MEBIBYTE,
            Self::Idle => (&[MemoryPerConnection, Memory], &[MemoryPerConnection, Memory]),
            Self::Latency => (&[Sent, CpuPerRequest, P50, P99, P999], &[P50, P99, P999, CpuPerRequest]),
        }
    }
}

impl Loading {
    /// The path, and the size of its answer.
    pub(super) fn path(self) -> (String, usize) {
        match self {
            Self::Closed { bytes, .. } if bytes != SHORT => (format!("{BYTES}{bytes}"), bytes),
            _ => ("/".to_owned(), SHORT),
        }
    }

    /// The parameters for `wrk`; a script goes into the folder if one is needed. For loads without `wrk`,
    /// these are the smallest requests, for the warm-up.
    pub(super) fn order(self, clients: u16, folder: &Path) -> anyhow::Result<Order> {
        let path = self.path().0;
        match self {
            Self::Closed { clients: own, fresh, upload, .. } => {
                let script = upload.then(|| write_script(folder)).transpose()?;
                Ok(Order { clients: own.unwrap_or(clients), path, fresh, script })
            }
            Self::Idle | Self::Open => Ok(Order::small(clients)),
        }
    }
}

/// Writes the script that makes `wrk` send a mebibyte with every request.
fn write_script(folder: &Path) -> anyhow::Result<PathBuf> {
    let script = folder.join("upload.lua");
    let words = format!("wrk.method = \"POST\"\nwrk.body = string.rep(\"x\", {MOST})\n");
    fs::write(&script, words).with_context(|| format!("cannot write {}", script.display()))?;
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_has_a_name_and_shows_what_it_compares() {
        let names: Vec<String> = Workload::value_variants().iter().map(|workload| workload.name()).collect();
        assert_eq!(names, ["small", "fresh", "64k", "1m", "upload", "many", "idle", "latency"]);
        for workload in Workload::value_variants() {
            for figure in workload.compared() {
                assert!(
                    workload.shown().contains(figure),
                    "{workload:?} compares {figure:?} and does not show it"
                );
            }
        }
    }

    #[test]
    fn uploads_have_a_script_and_long_answers_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let order = Workload::Upload.loading().order(64, folder.path()).unwrap();
        let script = fs::read_to_string(order.script.unwrap()).unwrap();
        assert!(script.contains("string.rep(\"x\", 1048576)"), "{script}");
        let order = Workload::Large.loading().order(64, folder.path()).unwrap();
        assert_eq!((order.path.as_str(), order.clients), ("/bytes/1048576", 64));
        assert_eq!(Workload::Many.loading().order(64, folder.path()).unwrap().clients, 1000);
    }
}
