//! How does the balancer connect to a backend? It tries the addresses of the name until one answers, and says
//! which side is at fault if none does.
//!
//! Each step has its own limit. A look-up never uses the time for connecting: while the last good answer is
//! known, connecting does not wait for the next one. And no address uses the time of the others: as in RFC
//! 8305 ("Happy Eyeballs"), the next address is tried as soon as one fails, and beside one that does not
//! answer.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use balance::verdict::Failure;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{sleep, timeout};

use crate::pool::Backend;
use crate::resolver::Resolver;
use crate::resources::is_out_of_resources;
use crate::transport::Stream;

/// The time to wait for one address before the next one is tried as well: RFC 8305, section 5.
const PACE: Duration = Duration::from_millis(250);

/// The shortest such time, from the same section.
const SHORTEST_PACE: Duration = Duration::from_millis(10);

/// Connects to a backend, at the given `port` if there is one. A name that was never looked up is looked up
/// first. Each of the two steps may take `limit`.
///
/// # Errors
/// The reason why there is no connection. [`Failure::OutOfResources`] says nothing about the backend.
pub(crate) async fn reach(
    backend: &Backend,
    port: Option<u16>,
    limit: Duration,
    resolver: &Resolver,
) -> Result<Stream, Failure> {
    if backend.own.resolved.is_empty() {
        timeout(limit, resolver.resolve(backend)).await.unwrap_or(Err(Failure::Unresolved))?;
    }
    let mut addresses = Vec::clone(&backend.own.resolved.addresses());
    if let Some(port) = port {
        addresses.iter_mut().for_each(|address| address.set_port(port));
    }
    timeout(limit, connect_to_any(&addresses, limit)).await.unwrap_or(Err(Failure::ConnectTimeout))
}

/// Connects to a host that is no backend, with the system's resolver. Each of the two steps may take
/// `limit`.
///
/// # Errors
/// The reason why there is no connection.
pub(crate) async fn connect_to_name(host: &str, port: u16, limit: Duration) -> Result<Stream, Failure> {
    let resolver = Resolver::system();
    let found = timeout(limit, resolver.look_up(host)).await.unwrap_or(Err(Failure::Unresolved))?;
    let mut addresses = found.to_vec();
    addresses.iter_mut().for_each(|address| address.set_port(port));
    timeout(limit, connect_to_any(&addresses, limit)).await.unwrap_or(Err(Failure::ConnectTimeout))
}

/// Connects to the first address that answers: `localhost` often has two addresses, and a server at only one
/// of them. The caller ends this after `limit`; before that, each address is tried.
pub(crate) async fn connect_to_any(addresses: &[SocketAddr], limit: Duration) -> Result<Stream, Failure> {
    match addresses {
        [] => Err(Failure::Unresolved),
        [only] => connect_to(*only).await,
        // In a box, because it needs memory for several addresses, and most backends have one.
        several => Box::pin(race(interleaved(several), pace(several.len(), limit))).await,
    }
}

/// Tries one address after the other, the next one after a failure or after `pace`, until one answers.
async fn race(addresses: Vec<SocketAddr>, pace: Duration) -> Result<Stream, Failure> {
    let mut coming = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failed = None;
    loop {
        attempts.extend(coming.next().map(connect_to));
        let is_last = coming.len() == 0;
        let pause = async {
            match is_last {
                true => std::future::pending().await,
                false => sleep(pace).await,
            }
        };
        tokio::select! {
            Some(outcome) = attempts.next() => match outcome {
                Ok(stream) => return Ok(stream),
                Err(failure) => failed = Some(graver(failed, failure)),
            },
            () = pause => {}
        }
        if let (true, true, Some(failure)) = (attempts.is_empty(), is_last, failed) {
            return Err(failure);
        }
    }
}

/// The time to wait for each of these addresses, so that the last one is also tried in time.
fn pace(addresses: usize, limit: Duration) -> Duration {
    let turns = u32::try_from(addresses).unwrap_or(u32::MAX).saturating_add(1);
    (limit / turns).clamp(SHORTEST_PACE, PACE)
}

/// The addresses in their order, but with alternating families: RFC 8305, section 4. So a network that
/// supports only one of them costs one pause.
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut all = Vec::with_capacity(addresses.len());
    while all.len() < addresses.len() {
        all.extend(first.next().into_iter().chain(second.next()));
    }
    all
}

/// The more important of two failures. An answer from an address is more important than an error of this
/// process.
fn graver(before: Option<Failure>, failure: Failure) -> Failure {
    before.filter(|_| failure == Failure::OutOfResources).unwrap_or(failure)
}

async fn connect_to(address: SocketAddr) -> Result<Stream, Failure> {
    Stream::connect(address).await.map_err(|error| connect_failure(&error, address))
}

fn connect_failure(error: &io::Error, address: SocketAddr) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::ConnectRefused,
        io::ErrorKind::TimedOut => Failure::ConnectTimeout,
        io::ErrorKind::AddrNotAvailable if has_way_to(address) => Failure::OutOfResources,
        _ if is_out_of_resources(error) => Failure::OutOfResources,
        _ => Failure::Unreachable,
    }
}

/// Whether this machine has an address from which it can connect to that one. The kernel says "address not
/// available" if there is none, such as for `::1` without IPv6, and also if all TCP ports are in use. A UDP
/// socket distinguishes the two cases, and sends nothing.
fn has_way_to(address: SocketAddr) -> bool {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    match UdpSocket::bind(any) {
        Ok(socket) => socket.connect(address).is_ok(),
        Err(error) => is_out_of_resources(&error) || error.kind() == io::ErrorKind::AddrInUse,
    }
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
