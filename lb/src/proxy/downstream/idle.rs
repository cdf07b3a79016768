//! The cost of an idle client: a socket and an entry among the deadlines, which is the minimum.
//!
//! Clients keep their connections for minutes and are idle most of the time, thousands of them. The memory
//! for a client with a request is some KiB, and is given back when the client has been idle for a short time.

use std::cell::Cell;
use std::future::poll_fn;
use std::time::Duration;

use tokio::time::Instant;

use crate::proxy::parts::Proxy;
use crate::transport::Stream;

/// The time that a client may be idle before its memory is given back.
pub(crate) const IDLE_AFTER: Duration = Duration::from_millis(25);

/// Waits until there is something to read, or the end of the connection; but not indefinitely, and for less
/// time once the balancer shuts down.
pub(crate) async fn wait_readable(stream: &Stream, proxy: &Proxy) -> bool {
    let rest = proxy.settings.now().idle_timeout.saturating_sub(IDLE_AFTER);
    let (until, is_short) = (Cell::new(Instant::now() + rest), Cell::new(false));
    let something = poll_fn(|cx| {
        let ready = stream.poll_readable(cx);
        if ready.is_pending() && proxy.is_draining() && !is_short.replace(true) {
            // A request may be on its way, because the client cannot know about the shutdown.
            until.set(until.get().min(Instant::now() + proxy.settings.now().drain_idle));
        }
        ready
    });
    proxy.deadlines.wait(something, || until.get(), None).await.is_ok()
}
