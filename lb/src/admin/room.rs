//! How many connections the admin port accepts, and which one closes when another arrives.
//!
//! Each connection needs a descriptor and some memory, and the clients need descriptors too. So the port has
//! a limited number of places. If all are taken, the port closes the connection that has been silent longest.
//! So connections that never send a complete request cannot block the port for others.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::log::seldom::Seldom;

/// Shortest time between two log lines about closed connections.
const WARN_AGAIN: Duration = Duration::from_secs(10);

/// The places of a port.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    visits: RefCell<BTreeMap<u64, Rc<Visit>>>,
    next: Cell<u64>,
    /// Notified when a place may have become free.
    changed: Notify,
    warned: Seldom,
}

/// A connection that has a place.
#[derive(Debug)]
pub(super) struct Visit {
    /// Time of the last byte that was read or written.
    moved: Cell<Instant>,
    /// Requests of this connection that are being answered.
    busy: Cell<usize>,
    /// Notified when the connection must close.
    pub(super) leave: Notify,
}

impl Visit {
    /// Bytes were read or written.
    pub(super) fn moves(&self) {
        self.moved.set(Instant::now());
    }
}

/// A place that is taken while this value lives.
#[derive(Debug)]
pub(super) struct Place {
    room: Rc<Room>,
    number: u64,
    pub(super) visit: Rc<Visit>,
}

/// A request that is being answered while this value lives.
pub(super) struct Busy {
    room: Rc<Room>,
    visit: Rc<Visit>,
}

impl Room {
    /// A room with this number of places, at least one.
    pub(super) fn new(most: usize) -> Rc<Self> {
        Rc::new(Self {
            most: most.max(1),
            visits: RefCell::default(),
            next: Cell::default(),
            changed: Notify::new(),
            warned: Seldom::every(WARN_AGAIN),
        })
    }

    /// The number of places.
    pub(super) fn places(&self) -> usize {
        self.most
    }

    /// Waits until a place is free, or a connection without a request in progress can give up its place.
    pub(super) async fn place_for_one(&self) {
        while !self.is_free() && self.silent_for_longest().is_none() {
            self.changed.notified().await;
        }
    }

    fn is_free(&self) -> bool {
        self.visits.borrow().len() < self.most
    }

    /// The connection without a request in progress that has been silent longest.
    fn silent_for_longest(&self) -> Option<u64> {
        let visits = self.visits.borrow();
        let idle = visits.iter().filter(|(_, visit)| visit.busy.get() == 0);
        idle.min_by_key(|(_, visit)| visit.moved.get()).map(|(number, _)| *number)
    }

    /// Takes a place. If all are taken, the connection that has been silent longest gives up its place.
    pub(super) fn enter(self: &Rc<Self>) -> Place {
        if !self.is_free()
            && let Some(number) = self.silent_for_longest()
            && let Some(visit) = self.visits.borrow_mut().remove(&number)
        {
            visit.leave.notify_one();
            if self.warned.is_due(Instant::now()) {
                let most = self.most;
                tracing::warn!(
                    "all {most} connections of the admin port are in use: the connections that have been silent longest are closed"
                );
            }
        }
        let number = self.next.get();
        self.next.set(number + 1);
        let visit =
            Rc::new(Visit { moved: Cell::new(Instant::now()), busy: Cell::default(), leave: Notify::new() });
        self.visits.borrow_mut().insert(number, Rc::clone(&visit));
        Place { room: Rc::clone(self), number, visit }
    }
}

impl Place {
    /// A request has arrived on this connection.
    pub(super) fn busy(&self) -> Busy {
        self.visit.busy.set(self.visit.busy.get() + 1);
        Busy { room: Rc::clone(&self.room), visit: Rc::clone(&self.visit) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.visits.borrow_mut().remove(&self.number);
        self.room.changed.notify_one();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.visit.busy.set(self.visit.busy.get() - 1);
        self.visit.moves();
        self.room.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// Whether this connection has been told to close.
    fn has_to_leave(place: &Place) -> bool {
        place.visit.leave.notified().now_or_never().is_some()
    }

    #[test]
    fn who_is_silent_for_longest_makes_room() {
        let room = Room::new(3);
        let places: Vec<_> = (0..3).map(|_| room.enter()).collect();
        let long_ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        places[0].visit.moved.set(long_ago(2));
        places[1].visit.moved.set(long_ago(3));
        places[2].visit.moved.set(long_ago(9));
        let _answered = places[2].busy();
        let fourth = room.enter();
        assert_eq!([0, 1, 2].map(|n| has_to_leave(&places[n])), [false, true, false]);
        let _fifth = room.enter();
        assert!(has_to_leave(&places[0]) && !has_to_leave(&fourth));
    }

    #[test]
    fn while_all_are_answered_others_wait() {
        let room = Room::new(2);
        let places = [room.enter(), room.enter()];
        let busy = places.each_ref().map(Place::busy);
        assert!(room.place_for_one().now_or_never().is_none());
        let [one, _other] = busy;
        drop(one);
        assert!(room.place_for_one().now_or_never().is_some(), "one is idle, and can go");
        let [first, _second] = places;
        let _busy = first.busy();
        assert!(room.place_for_one().now_or_never().is_none());
        drop(first);
        assert!(room.place_for_one().now_or_never().is_some());
    }
}
