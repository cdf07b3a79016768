//! What happens after a switch of protocols? The balancer understands nothing more and passes bytes both ways until
//! both sides are done, or neither has anything to say for `--tunnel-timeout`.

use std::cell::Cell;

use bytes::BytesMut;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::io::InspectReader;

use super::Proxy;
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
pub(crate) async fn run(client: Option<(TcpStream, BytesMut)>, tunnel: Tunnel, proxy: &Proxy) {
    let Tunnel { backend, mut account, lease } = tunnel;
    let later = || Instant::now() + proxy.config.tunnel_timeout;
    let patience = Cell::new(later());
    if let (Some((client, asked)), Some((backend, answered))) = (client, backend.into_stream()) {
        let watched = |stream| InspectReader::new(stream, |_| patience.set(later()));
        let (mut client, mut backend) = (watched(client), watched(backend));
        let pass = async {
            client.write_all(&answered).await?;
            backend.write_all(&asked).await?;
            copy_bidirectional(&mut client, &mut backend).await
        };
        // However a tunnel ends, nobody is to blame: what its bytes mean is not ours to know.
        let _ = proxy.client_deadlines.wait(pass, &patience, None).await;
    }
    account.close();
    drop(lease);
}
