//! Which process uses a port that the lab needs?

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Result, bail};
use listeners::{Protocol, get_process_by_port};

/// Checks that it is possible to listen on each of these addresses.
///
/// # Errors
/// For the first address that is taken: names the process that holds it, and a way to free it.
pub(super) fn must_be_free(addresses: impl IntoIterator<Item = SocketAddr>) -> Result<()> {
    for address in addresses {
        // Listens for a moment and stops: the program that needs the port starts later.
        if let Err(error) = TcpListener::bind(address) {
            match error.kind() {
                ErrorKind::AddrInUse => bail!(taken(address.port())),
                _ => bail!("cannot listen at {address}: {error}"),
            }
        }
    }
    Ok(())
}

/// A port that is free now. Balancers of other projects do not report the port that they got if they may take
/// any, so another process may take it first; then the start fails with an error.
///
/// # Errors
/// If the system has no free port.
pub(super) fn free() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The message about a port that is taken.
fn taken(port: u16) -> String {
    match get_process_by_port(port, Protocol::TCP) {
        Ok(process) => format!(
            "port {port} is taken by {} (pid {pid}); stop it first: kill {pid}",
            process.name,
            pid = process.pid
        ),
        // The process belongs to another user, or to a container that this user cannot inspect.
        Err(_) => format!(
            "port {port} is taken by a process of another user or container; `docker ps` and \
             `sudo ss -ltnp 'sport = {port}'` show the process"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_reported_with_its_process() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let error = must_be_free([address]).unwrap_err().to_string();
        for part in [address.port().to_string(), std::process::id().to_string(), "kill".into()] {
            assert!(error.contains(&part), "{error:?} lacks {part:?}");
        }
        drop(held);
        must_be_free([address]).unwrap();
    }
}
