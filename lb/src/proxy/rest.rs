//! What does a client cost that says nothing? A socket and a place among the deadlines: as little as there can be.
//!
//! Clients keep their connections for minutes and say nothing for most of the time, thousands of them. What it takes to
//! talk to one, some KiB, is given back once the client has been silent for a moment.

use std::cell::Cell;
use std::future::poll_fn;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Proxy;

/// How long a client may be silent within a conversation.
pub(super) const PAUSE: Duration = Duration::from_millis(25);

/// Waits until there is something to read, or its end; not for ever, and less long once the balancer is on its way out.
pub(crate) async fn speaks_again(stream: &TcpStream, proxy: &Proxy) -> bool {
    let rest = proxy.settings.now().idle_timeout.saturating_sub(PAUSE);
    let (until, is_short) = (Cell::new(Instant::now() + rest), Cell::new(false));
    let something = poll_fn(|cx| {
        let ready = stream.poll_read_ready(cx).map(drop);
        if ready.is_pending() && proxy.is_draining() && !is_short.replace(true) {
            // A request may be on its way that the client cannot know to be unwelcome.
            until.set(until.get().min(Instant::now() + proxy.settings.now().drain_idle));
        }
        ready
    });
    proxy.deadlines.wait(something, || until.get(), None).await.is_ok()
}
