//! What does a client cost that says nothing? A socket and a place among the deadlines: as little as there can be.
//!
//! Clients keep their connections for minutes and say nothing for most of the time, thousands of them. What it takes to
//! talk to one, some KiB, is given back once the client has been silent for a moment.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Proxy;

/// How long a client may be silent within a conversation.
pub(super) const PAUSE: Duration = Duration::from_millis(25);

/// Waits until there is something to read, or its end; not for ever.
pub(crate) async fn speaks_again(stream: &TcpStream, proxy: &Proxy) -> bool {
    let rest = proxy.settings.now().idle_timeout.saturating_sub(PAUSE);
    let patience = Patience::new(proxy, Instant::now() + rest);
    let something = poll_fn(|cx| match stream.poll_read_ready(cx) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => patience.pending(),
    });
    proxy.client_deadlines.wait(something, || patience.until(), None).await.is_ok()
}

/// Until when a client may say nothing: less long once the balancer is on its way out.
pub(super) struct Patience<'a> {
    proxy: &'a Proxy,
    until: Cell<Instant>,
    is_short: Cell<bool>,
}

impl<'a> Patience<'a> {
    pub(super) fn new(proxy: &'a Proxy, until: Instant) -> Self {
        Self { proxy, until: Cell::new(until), is_short: Cell::new(false) }
    }

    /// Nothing has come yet.
    pub(super) fn pending<T>(&self) -> Poll<T> {
        if self.proxy.is_draining() && !self.is_short.replace(true) {
            // A request may be on its way that the client cannot know to be unwelcome.
            let soon = Instant::now() + self.proxy.settings.now().drain_idle;
            self.until.set(self.until.get().min(soon));
        }
        Poll::Pending
    }

    pub(super) fn until(&self) -> Instant {
        self.until.get()
    }

    /// Whether the balancer is on its way out.
    pub(super) fn is_short(&self) -> bool {
        self.is_short.get()
    }
}
