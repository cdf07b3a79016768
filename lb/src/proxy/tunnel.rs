//! What happens after a switch of protocols? The balancer understands nothing more and passes bytes both ways until
//! both sides are done.

use bytes::BytesMut;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use super::account::Account;
use super::connection::Connection;
use super::queue::Lease;

/// A request that became a tunnel. It stays in flight, and its record open, until the tunnel closes.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) backend: Connection,
    pub(crate) account: Account,
    pub(crate) lease: Lease,
}

/// Passes bytes between a client and a backend that have switched protocols. Each socket comes with what was
/// read from it already.
pub(crate) async fn run(client: Option<(TcpStream, BytesMut)>, tunnel: Tunnel) {
    let Tunnel { backend, mut account, lease } = tunnel;
    if let (Some((mut client, asked)), Some((mut backend, answered))) = (client, backend.into_stream()) {
        // However a tunnel ends, nobody is to blame: what its bytes mean is not ours to know.
        if client.write_all(&answered).await.is_ok() && backend.write_all(&asked).await.is_ok() {
            let _ = copy_bidirectional(&mut client, &mut backend).await;
        }
    }
    account.close();
    drop(lease);
}
