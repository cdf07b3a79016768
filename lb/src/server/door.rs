//! Where clients come in: they are accepted one by one, and each goes to the worker that has the fewest.
//!
//! One of the workers does this, on its own thread. Those whom it serves itself, which with one worker are all, never
//! change threads. A thread for nothing but the door would wake a worker for every connection, which takes system calls
//! on either side and a switch between them; and being faster than who serves, it would find one client at a time, and ask
//! in vain for another one each time. That was a fifth of what a request cost that has a connection for itself.
//!
//! So one place decides about all, and knows how many each worker has. Were every worker to accept for itself, then
//! whoever wakes first would have most of the kept connections for as long as they last; with a listener each
//! (SO_REUSEPORT) it would be up to a hash, and a listener of its own is nothing that a supervisor could hand over.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::unix::AsyncFd;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::listen;
use super::worker::Clients;

/// How long accepting rests when there are no descriptors left; the field's usual second is far longer than
/// it takes a connection to end.
const REST: Duration = Duration::from_millis(100);

/// How often it is worth saying that clients have to wait.
const WARN_AGAIN: Duration = Duration::from_secs(10);

/// A connection from a client.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// It does not block.
    pub(crate) stream: TcpStream,
    /// Its other end.
    pub(crate) peer: SocketAddr,
    /// The place it takes among those that there may be.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
}

/// A worker as it is seen from the door.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Closed to say that no more connections will come.
    connections: mpsc::UnboundedSender<Accepted>,
    /// Connections it has open.
    open: Arc<AtomicUsize>,
}

/// The other side of a desk: a worker's own.
pub(crate) struct Place {
    /// Ends when no more connections will come.
    pub(super) coming: mpsc::UnboundedReceiver<Accepted>,
    /// Connections it has open: one more for each that came, and one less when it ends.
    pub(super) open: Arc<AtomicUsize>,
}

impl Desk {
    /// A worker's desk, from both sides.
    pub(crate) fn new() -> (Self, Place) {
        let (connections, coming) = mpsc::unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        (Self { connections, open: Arc::clone(&open) }, Place { coming, open })
    }

    /// Gives its worker a connection. One that has ended has panicked, and its connections end with it.
    pub(crate) fn give(&self, accepted: Accepted) {
        self.open.fetch_add(1, Relaxed);
        let _ = self.connections.send(accepted);
    }
}

/// The door, and all who sit behind it.
pub(crate) struct Door {
    listener: AsyncFd<TcpListener>,
    slots: Slots,
    /// The last is of the worker that keeps the door. As long as one of these is there, its worker has no end.
    desks: Vec<Desk>,
    /// Ends when no more shall be accepted.
    closing: oneshot::Receiver<()>,
}

impl Door {
    /// Opens it on this thread, which keeps it from now on.
    pub(super) fn open(
        listener: TcpListener,
        slots: Slots,
        desks: Vec<Desk>,
        closing: oneshot::Receiver<()>,
    ) -> io::Result<Self> {
        Ok(Self { listener: listen::watch(listener)?, slots, desks, closing })
    }

    /// Accepts connections until it is to be closed. Those that are the own worker's become its clients at once.
    pub(super) async fn keep(self, own: Rc<Clients>) {
        let Self { listener, slots, desks, closing } = self;
        let mut hall = Hall { desks, turn: 0, own };
        tokio::select! {
            biased;
            _ = closing => {}
            never = accept(&listener, slots, &mut hall) => never,
        }
        accept_the_last(listener.into_inner(), &mut hall);
    }
}

/// Accepts connections for ever.
async fn accept(listener: &AsyncFd<TcpListener>, mut slots: Slots, hall: &mut Hall) -> ! {
    loop {
        let slot = slots.one().await;
        match listen::next(listener).await {
            Ok((stream, peer)) => hall.seat(Accepted { stream, peer, slot }),
            // The client has gone before it was its turn: that concerns nobody else.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!("cannot accept connections for the moment: {error}");
                hall.own.tell_of_shortage();
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Accepts those who are waiting, and closes the listener. Whoever completed the handshake believes to be connected,
/// and would be reset; the kernel is asked until it has no more, and not the runtime, which hears of them later.
fn accept_the_last(listener: TcpListener, hall: &mut Hall) {
    while let Ok((stream, peer)) = listen::accept(&listener) {
        hall.seat(Accepted { stream, peer, slot: None });
    }
}

/// Where those go who are let in.
struct Hall {
    desks: Vec<Desk>,
    turn: usize,
    own: Rc<Clients>,
}

impl Hall {
    /// Gives a connection to the worker that is to have it.
    fn seat(&mut self, accepted: Accepted) {
        let Some(next) = fewest(&self.desks, self.turn) else { return };
        self.turn = self.turn.wrapping_add(1);
        let desk = &self.desks[next];
        if next + 1 == self.desks.len() {
            desk.open.fetch_add(1, Relaxed);
            self.own.serve(accepted);
        } else {
            desk.give(accepted);
        }
    }
}

/// Who has the fewest connections, and among equals who is next in turn: a keep-alive connection stays where it lands,
/// so an uneven spread would last.
fn fewest(desks: &[Desk], turn: usize) -> Option<usize> {
    let n = desks.len();
    (0..n).map(|step| (turn % n + step) % n).min_by_key(|&desk| desks[desk].open.load(Relaxed))
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

    /// Waits until there is room for one more connection.
    async fn one(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(slot);
        }
        if self.warned.is_none_or(|warned| warned.elapsed() >= WARN_AGAIN) {
            self.warned = Some(Instant::now());
            tracing::warn!("all {} connections are in use: further clients wait (--max-connections)", self.all);
        }
        Arc::clone(&self.free).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_go_where_the_fewest_are_and_to_equals_in_turn() {
        let desks = [(); 3].map(|()| Desk::new().0);
        let seat = |turn| {
            let next = fewest(&desks, turn).unwrap();
            desks[next].open.fetch_add(1, Relaxed);
            next
        };
        assert_eq!([0, 1, 2, 3, 4, 5].map(seat), [0, 1, 2, 0, 1, 2]);
        // Two leave the second, whose place the next ones take, whoever's turn it is.
        desks[1].open.store(0, Relaxed);
        assert_eq!([6, 7].map(seat), [1, 1]);
        assert_eq!(fewest(&desks, usize::MAX - 2), Some((usize::MAX - 2) % 3), "the turn may be any number");
    }
}
