//! Accepts the connections of clients one by one, and gives each to the worker that has the fewest.
//!
//! One of the workers does this, on its own thread. A client that this worker serves itself never changes
//! threads; with one worker, that is every client. A separate thread for accepting would wake a worker for
//! each connection, which costs system calls on both sides and a switch between threads. It would also be
//! faster than the workers. So it would find only one client at a time, and a second call of `accept` would
//! find none. All this was a fifth of the cost of a request with a connection of its own.
//!
//! So one place decides for all workers, and knows how many connections each has. If each worker accepted for
//! itself, the worker that wakes first would get most of the kept connections. With one listener per worker
//! (SO_REUSEPORT), a hash would decide, and a supervisor could not pass such listeners.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use futures_util::future::select_all;
use tokio::io::unix::AsyncFd;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::clients::Clients;
use super::handle::{Accepted, WorkerHandle};
use super::listen;
use crate::transport::plain;

/// Pause of accepting when no descriptors are left. Other servers usually pause for a second, which is much
/// longer than it takes until a connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Shortest time between two log lines about clients that wait.
const WARN_AGAIN: Duration = Duration::from_secs(10);

/// The acceptor, with all workers that get connections from it.
pub(crate) struct Acceptor {
    /// At least one.
    listeners: Vec<AsyncFd<TcpListener>>,
    slots: Slots,
    /// The last handle belongs to the worker that accepts. A worker does not end while its handle exists.
    handles: Vec<WorkerHandle>,
    /// Ends when no more connections may be accepted.
    closing: oneshot::Receiver<()>,
}

impl Acceptor {
    /// Opens the acceptor on this thread, which accepts from now on.
    pub(super) fn open(
        listeners: Vec<TcpListener>,
        slots: Slots,
        handles: Vec<WorkerHandle>,
        closing: oneshot::Receiver<()>,
    ) -> io::Result<Self> {
        let listeners = listeners.into_iter().map(listen::watch).collect::<io::Result<_>>()?;
        Ok(Self { listeners, slots, handles, closing })
    }

    /// Accepts connections until the acceptor is closed. Connections for the own worker become its clients at
    /// once.
    pub(super) async fn run(self, own: Rc<Clients>) {
        let Self { listeners, slots, handles, closing } = self;
        let mut dispatcher = Dispatcher { handles, turn: 0, own };
        tokio::select! {
            biased;
            _ = closing => {}
            never = accept(&listeners, slots, &mut dispatcher) => never,
        }
        for listener in listeners {
            accept_the_last(listener.into_inner(), &mut dispatcher);
        }
    }
}

/// Accepts connections without end.
async fn accept(listeners: &[AsyncFd<TcpListener>], mut slots: Slots, dispatcher: &mut Dispatcher) -> ! {
    let mut turn = 0_usize;
    loop {
        let slot = slots.one().await;
        turn = turn.wrapping_add(1);
        match next_of(listeners, turn).await {
            Ok((stream, client_address)) => {
                dispatcher.dispatch(Accepted { stream, client_address, slot });
            }
            // The client has left before it was accepted, which concerns no other client.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!("cannot accept connections for the moment: {error}");
                dispatcher.own.tell_of_shortage();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The next connection of any of the listeners. With several, another one is asked first each time, so that a
/// busy listener does not keep the others waiting.
async fn next_of(listeners: &[AsyncFd<TcpListener>], turn: usize) -> io::Result<(TcpStream, SocketAddr)> {
    match listeners {
        [only] => listen::next(only).await,
        several => {
            let (before, after) = several.split_at(turn % several.len());
            let each = after.iter().chain(before).map(|listener| Box::pin(listen::next(listener)));
            // A wait that is dropped has accepted nothing.
            select_all(each).await.0
        }
    }
}

/// Accepts the waiting clients, and closes the listener. A client whose handshake is complete counts as
/// connected, and would be reset otherwise. The kernel is asked until no client waits; the runtime would
/// learn of them later.
fn accept_the_last(listener: TcpListener, dispatcher: &mut Dispatcher) {
    while let Ok((stream, client_address)) = plain::accept(&listener) {
        dispatcher.dispatch(Accepted { stream, client_address, slot: None });
    }
}

/// The destination of accepted connections.
struct Dispatcher {
    handles: Vec<WorkerHandle>,
    turn: usize,
    own: Rc<Clients>,
}

impl Dispatcher {
    /// Gives a connection to the worker that must get it.
    fn dispatch(&mut self, accepted: Accepted) {
        let Some(next) = fewest(&self.handles, self.turn) else { return };
        self.turn = self.turn.wrapping_add(1);
        let handle = &self.handles[next];
        if next + 1 == self.handles.len() {
            handle.open.fetch_add(1, Relaxed);
            self.own.serve(accepted);
        } else {
            handle.give(accepted);
        }
    }
}

/// The worker with the fewest connections, and among equals the next one in turn: a keep-alive connection
/// stays at its worker, so an uneven distribution would last.
fn fewest(handles: &[WorkerHandle], turn: usize) -> Option<usize> {
    let n = handles.len();
    (0..n).map(|step| (turn % n + step) % n).min_by_key(|&handle| handles[handle].open.load(Relaxed))
}

/// The connections that clients may have open.
pub(super) struct Slots {
    all: usize,
    free: Arc<Semaphore>,
    warned: Option<Instant>,
}

impl Slots {
    pub(super) fn new(all: usize) -> Self {
        Self { all, free: Arc::new(Semaphore::new(all)), warned: None }
    }

    /// Waits until one more connection is allowed.
    async fn one(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(slot);
        }
        if self.warned.is_none_or(|warned| warned.elapsed() >= WARN_AGAIN) {
            self.warned = Some(Instant::now());
            tracing::warn!(
                "all {} connections are in use: further clients wait (--max-connections)",
                self.all
            );
        }
        Arc::clone(&self.free).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_go_where_the_fewest_are_and_to_equals_in_turn() {
        let handles = [(); 3].map(|()| WorkerHandle::new().0);
        let give_one = |turn| {
            let next = fewest(&handles, turn).unwrap();
            handles[next].open.fetch_add(1, Relaxed);
            next
        };
        assert_eq!([0, 1, 2, 3, 4, 5].map(give_one), [0, 1, 2, 0, 1, 2]);
        // Two connections leave the second worker, which therefore gets the next two, in any turn.
        handles[1].open.store(0, Relaxed);
        assert_eq!([6, 7].map(give_one), [1, 1]);
        assert_eq!(
            fewest(&handles, usize::MAX - 2),
            Some((usize::MAX - 2) % 3),
            "the turn may be any number"
        );
    }
}
