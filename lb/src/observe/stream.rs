//! The stream of events: a ring of the last seconds, which all readers share.
//!
//! Each event is written once, into the ring. Each reader has a [`Cursor`] and takes from the ring what it
//! has not seen. So a reader that reads slowly delays no other reader and no request: the ring goes on, and
//! the reader gets a `gap` in place of the events that it missed. A reader that comes back within ten seconds
//! continues where it stopped.
//!
//! Requests are sampled before anything is recorded about them: one in [`EventStream::one_in`] requests is
//! published, with this number as its weight. So the events of a second are spread over the whole second, and
//! a request that is not published costs nothing. All times are microseconds since the start of the balancer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use api::{Event, Gap};
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The time that an event stays in the ring, in microseconds.
const KEPT_US: u64 = 10_000_000;

/// The largest number of bytes in the ring.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The number of bytes that a reader takes at a time, before the last event.
const BATCH: usize = 32 * 1024;

/// Requests that are published in a second; a person cannot read more. With their explanations, a reader
/// needs less than 25 kB a second.
pub(crate) const SAMPLES: u64 = 24;

/// The readers that an event is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// All readers.
    Everyone,
    /// Readers of samples, and readers of all requests.
    Samples,
    /// Only readers of all requests.
    All,
}

/// The requests that a reader wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requests {
    /// None.
    None,
    /// A sample of [`SAMPLES`] requests a second.
    Sampled,
    /// Every request.
    All,
}

impl Requests {
    fn wants(self, audience: Audience) -> bool {
        match audience {
            Audience::Everyone => true,
            Audience::Samples => self != Self::None,
            Audience::All => self == Self::All,
        }
    }
}

/// The position of one reader.
#[derive(Debug)]
pub(crate) struct Cursor {
    next: u64,
    requests: Requests,
    /// The reader knows the state before its next event.
    knows_state: bool,
}

/// What a reader gets next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextEvents {
    /// Nothing yet.
    None,
    /// These events, as text.
    Some(Bytes),
    /// The present state, because the reader does not know it: it is new, or it has missed these events. It
    /// continues with the events after the state.
    State(Option<Gap>),
}

/// The events, and what is known of their readers.
#[derive(Debug)]
pub(crate) struct EventStream {
    ring: Mutex<Ring>,
    news: Notify,
    /// Readers that are connected, those of them that read requests, and those that read all requests.
    readers: AtomicUsize,
    readers_of_requests: AtomicUsize,
    readers_of_all: AtomicUsize,
    /// Events are written: there is a reader, or there was one a short time ago.
    active: AtomicBool,
    /// The time at which the last reader left, in microseconds; 0 if there was none.
    left: AtomicU64,
    /// One in this number of requests is published; 0 for none.
    one_in: AtomicU32,
    /// The number of the last request that was published.
    numbered: AtomicU64,
    /// Events that readers missed.
    missed: AtomicU64,
}

#[derive(Debug)]
struct Ring {
    /// The id of the first event of this process.
    start: u64,
    /// The id of the first event in the ring.
    first: u64,
    events: VecDeque<RingEntry>,
    bytes: usize,
}

#[derive(Debug)]
struct RingEntry {
    at_us: u64,
    audience: Audience,
    message: Bytes,
}

impl Ring {
    fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// Adds an event, which lacks only its id.
    fn push(&mut self, at_us: u64, audience: Audience, mut message: String) {
        // The order of the fields of an event does not matter.
        message.insert_str(0, &format!("id: {}\n", self.next()));
        let message = Bytes::from(message);
        self.bytes += message.len();
        self.events.push_back(RingEntry { at_us, audience, message });
        self.forget(at_us);
    }

    /// Drops the events that are too old or too many.
    fn forget(&mut self, now_us: u64) {
        while let Some(oldest) = self.events.front()
            && (now_us.saturating_sub(oldest.at_us) > KEPT_US || self.bytes > MAX_BYTES)
        {
            self.bytes -= oldest.message.len();
            self.events.pop_front();
            self.first += 1;
        }
    }

    /// The next events for a reader.
    fn read(&self, cursor: &mut Cursor) -> NextEvents {
        if !cursor.knows_state || cursor.next < self.first {
            let gap = Gap { from: cursor.next, to: self.next() - 1 };
            let has_missed = cursor.knows_state;
            (cursor.next, cursor.knows_state) = (self.next(), true);
            return NextEvents::State(has_missed.then_some(gap));
        }
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(entry) =
                cursor.next.checked_sub(self.first).and_then(|n| self.events.get(usize::try_from(n).ok()?))
        {
            if cursor.requests.wants(entry.audience) {
                batch.extend_from_slice(&entry.message);
            }
            cursor.next += 1;
        }
        if batch.is_empty() { NextEvents::None } else { NextEvents::Some(batch.into()) }
    }
}

impl EventStream {
    /// An empty stream of a process that starts this number of milliseconds after 1970. The ids of its events
    /// are larger than those of a process that started at least 0.1 s before, so no reader takes the events
    /// of one process for those of the other.
    pub(crate) fn new(started_ms: u64) -> Self {
        // JSON numbers are exact up to 2^53: this is enough until the year 2187.
        let start = ((started_ms / 100) << 17) | 1;
        Self {
            ring: Mutex::new(Ring { start, first: start, events: VecDeque::new(), bytes: 0 }),
            news: Notify::new(),
            readers: AtomicUsize::new(0),
            readers_of_requests: AtomicUsize::new(0),
            readers_of_all: AtomicUsize::new(0),
            active: AtomicBool::new(false),
            left: AtomicU64::new(0),
            one_in: AtomicU32::new(0),
            numbered: AtomicU64::new(0),
            missed: AtomicU64::new(0),
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything is written. Events that are expensive and frequent are not made otherwise.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Relaxed)
    }

    /// One in this number of requests is published; 0 for none.
    pub(crate) fn one_in(&self) -> u32 {
        self.one_in.load(Relaxed)
    }

    /// Whether a reader wants every request.
    pub(crate) fn publishes_all(&self) -> bool {
        self.readers_of_all.load(Relaxed) > 0
    }

    /// The number for the next request that is published.
    pub(crate) fn number(&self) -> u64 {
        self.numbered.fetch_add(1, Relaxed) + 1
    }

    /// Events that readers missed so far.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Relaxed)
    }

    /// Writes an event. Readers get it at once if it is rare, and otherwise with the next tick: every event
    /// that is sent alone costs the balancer a system call for each reader.
    pub(crate) fn publish(&self, at_us: u64, audience: Audience, event: &Event) {
        let message = sse(event);
        self.ring().push(at_us, audience, message);
        if !matches!(event, Event::Req(_) | Event::Why(_) | Event::Probe(_)) {
            self.news.notify_waiters();
        }
    }

    /// A new reader of these requests. It continues after the event with the id `after`, if this process has
    /// published that event, and otherwise starts with the present state.
    pub(crate) fn join(&self, requests: Requests, after: Option<u64>) -> Cursor {
        let (start, next) = {
            let ring = self.ring();
            (ring.start, ring.next())
        };
        self.readers.fetch_add(1, Relaxed);
        if requests != Requests::None {
            self.readers_of_requests.fetch_add(1, Relaxed);
        }
        if requests == Requests::All {
            self.readers_of_all.fetch_add(1, Relaxed);
        }
        self.active.store(true, Relaxed);
        let known = after.filter(|after| (start..next).contains(after));
        Cursor { next: known.map_or(next, |last| last + 1), requests, knows_state: known.is_some() }
    }

    /// A reader leaves.
    pub(crate) fn leave(&self, cursor: &Cursor, now_us: u64) {
        self.left.store(now_us.max(1), Relaxed);
        self.readers.fetch_sub(1, Relaxed);
        if cursor.requests != Requests::None {
            self.readers_of_requests.fetch_sub(1, Relaxed);
        }
        if cursor.requests == Requests::All {
            self.readers_of_all.fetch_sub(1, Relaxed);
        }
    }

    /// What a reader gets next.
    pub(crate) fn read(&self, cursor: &mut Cursor) -> NextEvents {
        let next = self.ring().read(cursor);
        if let NextEvents::State(Some(gap)) = &next {
            self.missed.fetch_add(gap.missing(), Relaxed);
        }
        next
    }

    /// Ends with the next event that readers get at once.
    pub(crate) fn news(&self) -> Notified<'_> {
        self.news.notified()
    }

    /// Sets how many requests are published, from the number of requests in the last second. Without a
    /// reader, after some time, none are published.
    pub(crate) fn adjust(&self, requests_per_second: u64, now_us: u64) {
        self.ring().forget(now_us);
        let left = self.left.load(Relaxed);
        let is_long_ago = left == 0 || now_us.saturating_sub(left) > KEPT_US;
        let is_over = |readers: &AtomicUsize| readers.load(Relaxed) == 0 && is_long_ago;
        self.active.store(!is_over(&self.readers), Relaxed);
        let one_in = match is_over(&self.readers_of_requests) {
            true => 0,
            false => requests_per_second.div_ceil(SAMPLES).max(1),
        };
        self.one_in.store(u32::try_from(one_in).unwrap_or(u32::MAX), Relaxed);
    }
}

/// An event as a server-sent event without an id.
pub(crate) fn sse(event: &Event) -> String {
    let data = serde_json::to_string(event).unwrap_or_default();
    format!("event: {}\ndata: {data}\n\n", event.name())
}

#[cfg(test)]
mod tests {
    use api::ControlChange;

    use super::*;

    fn event(what: u64) -> Event {
        Event::Control(ControlChange { what: what.to_string(), ..ControlChange::default() })
    }

    fn at(seconds: u64) -> u64 {
        seconds * 1_000_000
    }

    /// The ids of the events that a reader gets next.
    fn ids(stream: &EventStream, cursor: &mut Cursor) -> Vec<u64> {
        let NextEvents::Some(text) = stream.read(cursor) else { return Vec::new() };
        let text = std::str::from_utf8(&text).unwrap();
        text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
    }

    /// A new reader that has got the present state.
    fn reader(stream: &EventStream, requests: Requests) -> Cursor {
        let mut cursor = stream.join(requests, None);
        assert_eq!(stream.read(&mut cursor), NextEvents::State(None));
        cursor
    }

    #[test]
    fn each_reader_gets_what_it_wants_once() {
        let stream = EventStream::new(0);
        let mut cursors =
            [Requests::None, Requests::Sampled, Requests::All].map(|requests| reader(&stream, requests));
        for audience in [Audience::Everyone, Audience::Samples, Audience::All] {
            stream.publish(at(1), audience, &event(1));
        }
        let read: Vec<_> = cursors.iter_mut().map(|cursor| ids(&stream, cursor)).collect();
        assert_eq!(read, [vec![1], vec![1, 2], vec![1, 2, 3]]);
        assert!(cursors.iter_mut().all(|cursor| stream.read(cursor) == NextEvents::None));
    }

    #[test]
    fn a_reader_that_is_late_gets_a_gap_and_the_present_state() {
        let stream = EventStream::new(0);
        let mut late = reader(&stream, Requests::Sampled);
        (0..30).for_each(|second| stream.publish(at(second), Audience::Everyone, &event(second)));
        assert_eq!(stream.read(&mut late), NextEvents::State(Some(Gap { from: 1, to: 30 })));
        assert_eq!((stream.read(&mut late), stream.missed()), (NextEvents::None, 30));
        stream.publish(at(31), Audience::Everyone, &event(31));
        assert_eq!(ids(&stream, &mut late), [31]);
    }

    #[test]
    fn a_reader_that_comes_back_continues_if_the_ring_has_its_next_event() {
        let stream = EventStream::new(0);
        (0..30).for_each(|second| stream.publish(at(second), Audience::Everyone, &event(second)));
        // The events of the last ten seconds are left: 20 to 30.
        let back = |last| stream.join(Requests::Sampled, Some(last));
        assert_eq!(ids(&stream, &mut back(28)), [29, 30]);
        assert_eq!(ids(&stream, &mut back(19)), (20..=30).collect::<Vec<_>>());
        assert_eq!(stream.read(&mut back(30)), NextEvents::None);
        assert_eq!(stream.read(&mut back(18)), NextEvents::State(Some(Gap { from: 19, to: 30 })));
        // Ids that this process has not given.
        for unknown in [0, 31, u64::MAX] {
            assert_eq!(stream.read(&mut back(unknown)), NextEvents::State(None), "{unknown}");
        }
    }

    #[test]
    fn a_reader_of_the_process_before_gets_the_present_state() {
        let (before, now) = (EventStream::new(1_000), EventStream::new(1_100));
        (0..1000).for_each(|n| before.publish(at(1), Audience::Everyone, &event(n)));
        let last = before.ring().next() - 1;
        (0..3).for_each(|n| now.publish(at(1), Audience::Everyone, &event(n)));
        let mut back = now.join(Requests::Sampled, Some(last));
        assert_eq!(now.read(&mut back), NextEvents::State(None));
    }

    #[test]
    fn the_ring_has_a_bound() {
        let stream = EventStream::new(0);
        let long = Event::Control(ControlChange { what: "x".repeat(1_000_000), ..ControlChange::default() });
        let mut cursor = reader(&stream, Requests::Sampled);
        (0..20).for_each(|_| stream.publish(at(1), Audience::Everyone, &long));
        assert!(stream.ring().bytes <= MAX_BYTES, "{}", stream.ring().bytes);
        assert_eq!(stream.read(&mut cursor), NextEvents::State(Some(Gap { from: 1, to: 20 })));
        (0..2).for_each(|_| stream.publish(at(1), Audience::Everyone, &long));
        assert_eq!(ids(&stream, &mut cursor), [21], "one long event at a time");
    }

    #[test]
    fn readers_without_requests_cost_no_request_anything() {
        let stream = EventStream::new(0);
        let _cursor = stream.join(Requests::None, None);
        stream.adjust(2000, at(20));
        assert_eq!((stream.one_in(), stream.is_active()), (0, true));
    }

    #[test]
    fn requests_are_published_as_often_as_a_person_can_read() {
        let stream = EventStream::new(0);
        stream.adjust(2000, at(0));
        assert_eq!((stream.one_in(), stream.is_active()), (0, false), "there was no reader yet");
        let cursor = stream.join(Requests::Sampled, None);
        for (rate, one_in) in [(0, 1), (24, 1), (25, 2), (2000, 84), (100_000, 4167)] {
            stream.adjust(rate, at(1));
            assert_eq!((stream.one_in(), stream.is_active()), (one_in, true), "{rate}");
        }
        stream.leave(&cursor, at(2));
        stream.adjust(2000, at(11));
        assert_eq!((stream.one_in(), stream.is_active()), (84, true), "a reader may come back");
        stream.adjust(2000, at(13));
        assert_eq!((stream.one_in(), stream.is_active()), (0, false));
    }
}
