//! After an upgrade the balancer understands nothing any more: it passes bytes both ways until both sides
//! are done.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, copy_bidirectional};

use super::account::Account;
use super::connection::Connection;
use crate::balance::InFlight;

/// Passes bytes between a client and a backend that have switched protocols. The request
/// stays in flight, and its record open, until the tunnel closes.
pub(crate) async fn run(client: OnUpgrade, backend: Connection, mut account: Account, lease: InFlight) {
    if let (Ok(client), Some((mut backend, early))) = (client.await, backend.into_stream()) {
        let mut client = TokioIo::new(client);
        // However a tunnel ends, nobody is to blame: what its bytes mean is not ours to know.
        if client.write_all(&early).await.is_ok() {
            let _ = copy_bidirectional(&mut client, &mut backend).await;
        }
    }
    account.close();
    drop(lease);
}
