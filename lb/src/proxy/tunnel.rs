//! After an upgrade the balancer understands nothing any more: it passes bytes both ways until both sides
//! are done.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::account::Account;
use super::connection::Connection;
use crate::balance::InFlight;

/// Passes bytes between a client and a backend that have switched protocols. The request
/// stays in flight, and its record open, until the tunnel closes.
pub(crate) async fn run(
    client: OnUpgrade,
    backend: OnUpgrade,
    connection: Connection,
    mut account: Account,
    lease: InFlight,
) {
    if let (Ok(client), Ok(backend), ()) = tokio::join!(client, backend, connection.finish()) {
        let (mut client, mut backend) = (TokioIo::new(client), TokioIo::new(backend));
        // However a tunnel ends, nobody is to blame: what its bytes mean is not ours to know.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut backend).await;
    }
    account.close();
    drop(lease);
}
