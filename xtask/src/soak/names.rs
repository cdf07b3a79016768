//! Makes look-ups of names hang, for one process alone.
//!
//! A name server that never answers is a socket without a reader. The balancer is started with a file system
//! of its own, in which `/etc/resolv.conf` names that server; all other processes keep the machine's file.
//! This needs root, and Linux.

use std::fs;
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// The address of the name server. Resolvers use one fixed port; the address is an unused one of the loopback
/// network.
const ADDRESS: &str = "127.77.66.55";
const PORT: u16 = 53;

/// The option for the resolver: it waits two seconds before it gives up.
const PATIENCE: &str = "options timeout:1 attempts:2";

/// A name server that never answers, until this value is dropped.
#[derive(Debug)]
pub(super) struct NameServer {
    _socket: UdpSocket,
    folder: TempDir,
}

impl NameServer {
    /// Starts it.
    ///
    /// # Errors
    /// If its port cannot be opened, or if no process can get a file system of its own.
    pub(super) fn start() -> Result<Self> {
        let socket =
            UdpSocket::bind((ADDRESS, PORT)).with_context(|| format!("cannot open {ADDRESS}:{PORT}"))?;
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("resolv.conf"), format!("nameserver {ADDRESS}\n{PATIENCE}\n"))?;
        let server = Self { _socket: socket, folder };
        let mut words = server.command().into_iter().chain(["true".to_owned()]);
        let mut trial = Command::new(words.next().unwrap_or_default());
        let output = trial.args(words).stdin(Stdio::null()).output().context("cannot run unshare")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "no file system of its own: {}", said.trim());
        Ok(server)
    }

    /// The command that starts another one with these look-ups.
    pub(super) fn command(&self) -> Vec<String> {
        let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        let file = self.folder.path().join("resolv.conf").display().to_string();
        ["unshare", "--mount", "sh", "-c", script].map(str::to_owned).into_iter().chain([file]).collect()
    }
}
