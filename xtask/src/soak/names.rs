//! How does one make look-ups of names hang, for one process alone?
//!
//! A name server that swallows every question is a socket that nobody reads. The balancer is started with a file system
//! of its own, in which `/etc/resolv.conf` names that server; everybody else keeps the machine's. That takes root, and
//! Linux.

use std::fs;
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// Where it is asked. Resolvers know one port only; the address is one of the loopback network that nobody uses.
const ADDRESS: &str = "127.77.66.55";
const PORT: u16 = 53;

/// What the resolver is told: it waits two seconds before it gives up.
const PATIENCE: &str = "options timeout:1 attempts:2";

/// A name server that answers nobody, for as long as this lives.
#[derive(Debug)]
pub(super) struct NameServer {
    _socket: UdpSocket,
    folder: TempDir,
}

impl NameServer {
    /// Starts it.
    ///
    /// # Errors
    /// When its port cannot be opened, or no process can be given a file system of its own.
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
