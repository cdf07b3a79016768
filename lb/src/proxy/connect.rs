//! How does one get a connection to a backend? Its name's addresses, the first that accepts, and whose fault it
//! is if none does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::verdict::Failure;
use crate::balance::Backend;

/// Connects to a backend.
pub(crate) async fn connect(backend: &Backend) -> Result<TcpStream, Failure> {
    let known = backend.resolved.load_full();
    let addresses = if known.is_empty() { resolve(backend).await? } else { known };
    connect_to_any(&addresses).await
}

/// Looks the backend's name up. The last good answer stays when the look-up fails.
pub(crate) async fn resolve(backend: &Backend) -> Result<Arc<Vec<SocketAddr>>, Failure> {
    if backend.address.literal().is_some() {
        return Ok(backend.resolved.load_full());
    }
    let host = (backend.address.host.as_str(), backend.address.port);
    let found: Vec<_> = tokio::net::lookup_host(host).await.map_err(|_| Failure::Unresolved)?.collect();
    if found.is_empty() {
        return Err(Failure::Unresolved);
    }
    backend.resolved.store(Arc::new(found));
    Ok(backend.resolved.load_full())
}

/// Connects to the first address that accepts: `localhost` is often two, and only one of them is served.
pub(crate) async fn connect_to_any(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    let mut failure = Failure::Unresolved;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Messages are written whole; waiting for more to send would only delay them.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => failure = connect_failure(&error),
        }
    }
    Err(failure)
}

fn connect_failure(error: &io::Error) -> Failure {
    /// Linux's numbers for: too many open files in the system and in the process, no buffer space, and
    /// out of memory. The standard library has names for too few of them.
    const OUT_OF_RESOURCES: [i32; 4] = [23, 24, 105, 12];
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::ConnectRefused,
        io::ErrorKind::TimedOut => Failure::ConnectTimeout,
        // No port is left for one more connection to this address.
        io::ErrorKind::AddrNotAvailable => Failure::OutOfResources,
        _ if error.raw_os_error().is_some_and(|code| OUT_OF_RESOURCES.contains(&code)) => {
            Failure::OutOfResources
        }
        _ => Failure::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_errors_tell_who_is_to_blame() {
        let table = [
            (io::ErrorKind::ConnectionRefused.into(), Failure::ConnectRefused),
            (io::ErrorKind::TimedOut.into(), Failure::ConnectTimeout),
            (io::ErrorKind::AddrNotAvailable.into(), Failure::OutOfResources),
            (io::ErrorKind::HostUnreachable.into(), Failure::Unreachable),
            (io::Error::from_raw_os_error(24), Failure::OutOfResources),
        ];
        for (error, failure) in table {
            assert_eq!(connect_failure(&error), failure, "{error}");
        }
    }
}
