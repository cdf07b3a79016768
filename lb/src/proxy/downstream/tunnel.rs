//! After a switch of protocols, the balancer no longer interprets the bytes. It forwards them in both
//! directions until both sides are done, or until neither side has sent anything for `--tunnel-timeout`.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;

use balance::verdict::Blame;
use bytes::BytesMut;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::time::Instant;
use tokio_util::io::InspectReader;

use crate::clock;
use crate::observe::Meter;
use crate::proxy::parts::Proxy;
use crate::proxy::record::request_record::RequestRecord;
use crate::proxy::upstream::queue::Lease;
use crate::proxy::upstream::stream::BackendStream;
use crate::transport::Stream;

/// A request that became a tunnel. It stays in flight, and its record open, until the tunnel closes.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) backend: BackendStream,
    pub(crate) record: RequestRecord,
    pub(crate) lease: Lease,
}

/// Forwards bytes between a client and a backend that have switched protocols. Each socket comes with the
/// bytes that were already read from it.
///
/// A backend may switch before it has the complete request. The rest of the request goes first, as the client
/// sends it first: RFC 9110, section 7.8. `client` is called for its socket when nothing else reads from it
/// any more.
pub(crate) async fn run(client: impl FnOnce() -> Option<(Stream, BytesMut)>, tunnel: Tunnel, proxy: &Proxy) {
    let Tunnel { mut backend, mut record, lease } = tunnel;
    let rest = backend.send_rest(proxy.settings.now().stall_timeout, &proxy.deadlines).await;
    if let Err(failure) = rest {
        // The balancer does not know how a backend ends another protocol.
        let blame = if failure.blame() == Blame::Client { Blame::Client } else { Blame::NoParty };
        record.tried(failure, blame);
        record.failed(failure, blame);
        record.close(clock::now());
        return;
    }
    let later = || Instant::now() + proxy.settings.now().tunnel_timeout;
    let until = Cell::new(later());
    if let (Some((client, asked)), Some((backend, answered, _place))) = (client(), backend.into_stream()) {
        let metrics = &proxy.metrics;
        let (ours, theirs) = (metrics.meter(metrics.clients()), metrics.meter(metrics.at(lease.backend())));
        let put_off = || until.set(later());
        // Bytes that are read on one side are written on the other.
        let watched = |stream, from: &Meter, to: &Meter, passed: &Rc<Cell<u64>>| {
            let (from, to, passed) = (from.clone(), to.clone(), Rc::clone(passed));
            InspectReader::new(stream, move |bytes: &[u8]| {
                from.received(bytes.len());
                to.sent(bytes.len());
                passed.set(passed.get() + bytes.len() as u64);
                put_off();
            })
        };
        let (up, down) = (Rc::new(Cell::new(asked.len() as u64)), Rc::new(Cell::new(answered.len() as u64)));
        let (mut client, mut backend) =
            (watched(client, &ours, &theirs, &up), watched(backend, &theirs, &ours, &down));
        let pass = async {
            client.write_all(&answered).await?;
            ours.sent(answered.len());
            backend.write_all(&asked).await?;
            theirs.sent(asked.len());
            copy_bidirectional(&mut client, &mut backend).await
        };
        // However a tunnel ends, no side is to blame: the balancer does not know the meaning of its bytes.
        let _ = proxy.deadlines.wait(pin!(pass), || until.get(), None).await;
        record.tunnelled(up.get(), down.get());
    }
    record.answered();
    record.close(clock::now());
    drop(lease);
}
