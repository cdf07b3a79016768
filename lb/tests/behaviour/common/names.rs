//! Names with addresses that a test chooses: private files replace those of the system, for the balancer
//! only.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// Address of the private name server, which receives questions and never answers.
const NAME_SERVER: &str = "127.53.53.53:53";

/// Files that replace `/etc/hosts` and `/etc/resolv.conf`. A name that is not among the hosts is looked up at
/// a name server that does not answer.
pub(crate) struct Names {
    folder: TempDir,
    _silent: Option<UdpSocket>,
}

impl Names {
    /// Names from these lines of a hosts file; `None`, and a line of output, if this is not permitted.
    pub(crate) fn new(hosts: &str) -> Option<Self> {
        let permitted =
            Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|done| done.success());
        // Another test may have bound the address already, and is silent too.
        let silent = UdpSocket::bind(NAME_SERVER);
        let is_there = !matches!(&silent, Err(error) if error.kind() != std::io::ErrorKind::AddrInUse);
        if !permitted || !is_there {
            eprintln!(
                "NOT RUN: this test needs a mount namespace of its own and the port 53, so root's rights"
            );
            return None;
        }
        let names = Self { folder: tempfile::tempdir().unwrap(), _silent: silent.ok() };
        names.write(hosts);
        let (address, _) = NAME_SERVER.split_once(':').unwrap();
        std::fs::write(
            names.file("resolv.conf"),
            format!("nameserver {address}\noptions timeout:5 attempts:3\n"),
        )
        .unwrap();
        Some(names)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes the names. The file stays the same one, because it is mounted.
    pub(crate) fn write(&self, hosts: &str) {
        std::fs::write(self.file("hosts"), format!("127.0.0.1 localhost\n{hosts}\n")).unwrap();
    }

    /// The binary under test, with these names.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("unshare");
        let script = "mount --bind \"$0/hosts\" /etc/hosts && \
                      mount --bind \"$0/resolv.conf\" /etc/resolv.conf && exec \"$@\"";
        command.args(["-m", "sh", "-c", script]).arg(self.folder.path()).arg(env!("CARGO_BIN_EXE_lb"));
        command
    }
}
