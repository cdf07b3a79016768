//! What is due when: a binary heap of events.
//!
//! An entry has 16 bytes: 8 for the time, 4 for a running number, 4 for the kind and what it is about. Of two
//! events at one time, the one that was entered first comes first. So one seed is one run. After 2^32 entries
//! the running numbers begin again; such entries can change places only with others of the same time, and the
//! same in each run.
//!
//! An entry cannot be taken back. Code that may cancel an event keeps its number: when the event comes with
//! another number, it is stale.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::clock::Nanos;

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum EventKind {
    /// A call arrives. About: the client in a closed loop.
    Arrival,
    /// A server has finished a job. About: the job.
    Done,
    /// A client has waited long enough. About: the call.
    Patience,
    /// A client sends its call again. About: the call.
    Again,
    /// The pause before a retry is over. About: the call.
    Pause,
    /// A call has waited long enough for a place or for an answer. About: the call.
    Limit,
    /// A step of the script. About: the step.
    Script,
    /// An answer comes to the balancer, after its time on the way. About: the call.
    Back,
    /// A backend gets a ping. About: the probe.
    Ping,
    /// The time of a ping or a question is over. About: the probe.
    ProbeEnd,
    /// A balancer looks at the traffic. About: the balancer.
    Look,
    /// The figures of a moment are taken.
    Tick,
    /// A cold server becomes a little faster. About: the server.
    Warm,
    /// A pause of a server begins or ends. About: the server.
    Collect,
}

/// All kinds, by their number.
const KINDS: [EventKind; 14] = {
    use EventKind::*;
    [Arrival, Done, Patience, Again, Pause, Limit, Script, Back, Ping, ProbeEnd, Look, Tick, Warm, Collect]
};

impl EventKind {
    /// Whether it can advance a call. The others come again and again, as long as a run lasts.
    pub(crate) fn moves_calls(self) -> bool {
        self as u32 <= Self::Back as u32
    }
}

/// The bits that say what an event is about.
const ABOUT: u32 = (1 << 28) - 1;

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    /// When it is due.
    pub(crate) at: Nanos,
    /// Its running number.
    pub(crate) number: u32,
    /// Its kind.
    pub(crate) what: EventKind,
    /// The index of the call, job, server or balancer that it is about: below 2^28.
    pub(crate) about: u32,
}

/// The events to come.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    heap: BinaryHeap<Reverse<u128>>,
    number: u32,
    /// The events that can advance a call.
    moving: u64,
}

impl EventQueue {
    /// Enters an event, and returns its running number.
    ///
    /// # Panics
    /// If `about` is 2^28 or more: the event would be about something else. A scenario cannot have so many
    /// servers, clients or probes, and so many calls in flight have no room in memory.
    pub(crate) fn enter(&mut self, at: Nanos, what: EventKind, about: u32) -> u32 {
        assert!(about <= ABOUT, "an event is about number {about}, which is above {ABOUT}");
        self.number = self.number.wrapping_add(1);
        let kind = ((what as u32) << 28) | (about & ABOUT);
        let entry = (u128::from(at) << 64) | (u128::from(self.number) << 32) | u128::from(kind);
        self.heap.push(Reverse(entry));
        self.moving += u64::from(what.moves_calls());
        self.number
    }

    /// Whether an event is due that can advance a call; it may be stale.
    pub(crate) fn has_moves(&self) -> bool {
        self.moving > 0
    }

    /// Whether no event is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Takes the event that is due first, if it is due at this time or before.
    pub(crate) fn next_until(&mut self, time: Nanos) -> Option<Event> {
        let Reverse(first) = self.heap.peek()?;
        if (first >> 64) as Nanos > time {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        let kind = entry as u32;
        let what = KINDS[(kind >> 28) as usize];
        self.moving -= u64::from(what.moves_calls());
        let (at, number) = ((entry >> 64) as Nanos, (entry >> 32) as u32);
        Some(Event { at, number, what, about: kind & ABOUT })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic = "an event is about number 268435456"]
    fn an_index_is_not_cut() {
        EventQueue::default().enter(0, EventKind::Done, 1 << 28);
    }

    #[test]
    fn events_come_by_time_and_then_in_the_order_of_entry() {
        let mut event_queue = EventQueue::default();
        for (at, about) in [(5, 1), (3, 2), (5, 3), (10, 6), (3, 4), (9, 5), (5, ABOUT)] {
            event_queue.enter(at, EventKind::Done, about);
        }
        let order: Vec<_> =
            std::iter::from_fn(|| event_queue.next_until(9)).map(|event| (event.at, event.about)).collect();
        assert_eq!(order, [(3, 2), (3, 4), (5, 1), (5, 3), (5, ABOUT), (9, 5)]);
        assert!(!event_queue.is_empty(), "the event at 10 is still to come");
    }

    #[test]
    fn an_event_comes_back_as_it_was_entered() {
        for (index, what) in KINDS.into_iter().enumerate() {
            assert_eq!(what as usize, index, "a kind is not at its place in the list");
            let mut event_queue = EventQueue::default();
            let number = event_queue.enter(u64::MAX, what, 77);
            assert_eq!(
                event_queue.next_until(u64::MAX),
                Some(Event { at: u64::MAX, number, what, about: 77 })
            );
        }
        assert_eq!(size_of::<Reverse<u128>>(), 16);
    }
}
