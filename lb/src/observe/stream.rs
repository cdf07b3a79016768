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
    /// The reader continues where it stopped, so it knows the state before its next event.
    pub(crate) resumes: bool,
}

/// The events, and what is known of their readers.
#[derive(Debug)]
pub(crate) struct EventStream {
    ring: Mutex<Ring>,
    news: Notify,
    /// Readers that are connected, and those of them that read all requests.
    readers: AtomicUsize,
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

    fn push(&mut self, at_us: u64, audience: Audience, name: &str, data: &str) {
        let message = Bytes::from(format!("id: {}\nevent: {name}\ndata: {data}\n\n", self.next()));
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

    /// The next events for a reader, and the gap before them, if there is one.
    fn read(&self, cursor: &mut Cursor) -> (Option<Gap>, Vec<u8>) {
        let gap = (cursor.next < self.first).then(|| Gap { from: cursor.next, to: self.first - 1 });
        cursor.next = cursor.next.max(self.first);
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
        (gap, batch)
    }
}

impl EventStream {
    /// An empty stream of a process that starts at this second since 1970. The ids of its events are larger
    /// than those of a process that started before, so a reader that comes back after a restart misses
    /// nothing.
    pub(crate) fn new(started: u64) -> Self {
        // JSON numbers are exact up to 2^53: this is enough until the year 2242.
        let start = (started << 20) | 1;
        Self {
            ring: Mutex::new(Ring { start, first: start, events: VecDeque::new(), bytes: 0 }),
            news: Notify::new(),
            readers: AtomicUsize::new(0),
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
        let data = serde_json::to_string(event).unwrap_or_default();
        self.ring().push(at_us, audience, event.name(), &data);
        if !matches!(event, Event::Req(_) | Event::Why(_) | Event::Probe(_)) {
            self.news.notify_waiters();
        }
    }

    /// A new reader of these requests. It continues after the event with the id `after`, if this process has
    /// published that event, and otherwise starts with the next event. A reader of an earlier process gets
    /// all events of this process.
    pub(crate) fn join(&self, requests: Requests, after: Option<u64>) -> Cursor {
        let (start, next) = {
            let ring = self.ring();
            (ring.start, ring.next())
        };
        let from = match after {
            Some(after) if after < next => after.saturating_add(1).max(start),
            _ => next,
        };
        self.readers.fetch_add(1, Relaxed);
        if requests == Requests::All {
            self.readers_of_all.fetch_add(1, Relaxed);
        }
        self.active.store(true, Relaxed);
        let resumes = after.is_some_and(|after| (start..next).contains(&after));
        Cursor { next: from, requests, resumes }
    }

    /// A reader leaves.
    pub(crate) fn leave(&self, cursor: &Cursor, now_us: u64) {
        self.left.store(now_us.max(1), Relaxed);
        self.readers.fetch_sub(1, Relaxed);
        if cursor.requests == Requests::All {
            self.readers_of_all.fetch_sub(1, Relaxed);
        }
    }

    /// The next events for a reader as one text; empty if there are none.
    pub(crate) fn read(&self, cursor: &mut Cursor) -> Bytes {
        let (gap, batch) = self.ring().read(cursor);
        let Some(gap) = gap else { return batch.into() };
        self.missed.fetch_add(gap.missing(), Relaxed);
        let data = serde_json::to_string(&Event::Gap(gap)).unwrap_or_default();
        let mut message = format!("event: gap\ndata: {data}\n\n").into_bytes();
        message.extend_from_slice(&batch);
        message.into()
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
        if self.readers.load(Relaxed) == 0 && is_long_ago {
            self.active.store(false, Relaxed);
            self.one_in.store(0, Relaxed);
        } else {
            let one_in = requests_per_second.div_ceil(SAMPLES).max(1);
            self.one_in.store(u32::try_from(one_in).unwrap_or(u32::MAX), Relaxed);
        }
    }
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

    /// The ids of the events in a text, and a zero for each gap.
    fn ids(text: &Bytes) -> Vec<u64> {
        let text = std::str::from_utf8(text).unwrap();
        let of_line = |line: &str| match line.strip_prefix("id: ") {
            Some(id) => Some(id.parse().unwrap()),
            None => (line == "event: gap").then_some(0),
        };
        text.lines().filter_map(of_line).collect()
    }

    #[test]
    fn each_reader_gets_what_it_wants_once() {
        let stream = EventStream::new(0);
        let mut cursors =
            [Requests::None, Requests::Sampled, Requests::All].map(|all| stream.join(all, None));
        for audience in [Audience::Everyone, Audience::Samples, Audience::All] {
            stream.publish(at(1), audience, &event(1));
        }
        let read: Vec<_> = cursors.iter_mut().map(|cursor| ids(&stream.read(cursor))).collect();
        assert_eq!(read, [vec![1], vec![1, 2], vec![1, 2, 3]]);
        assert!(cursors.iter_mut().all(|cursor| stream.read(cursor).is_empty()));
    }

    #[test]
    fn a_reader_that_is_late_gets_a_gap_and_a_reader_that_comes_back_goes_on() {
        let stream = EventStream::new(0);
        let mut late = stream.join(Requests::Sampled, None);
        (0..30).for_each(|second| stream.publish(at(second), Audience::Everyone, &event(second)));
        // The events of the last ten seconds are left: 20 to 30, which is 11 events.
        assert_eq!(ids(&stream.read(&mut late)), [vec![0], (20..=30).collect()].concat());
        assert_eq!(stream.missed(), 19);
        let mut back = stream.join(Requests::Sampled, Some(28));
        assert_eq!(ids(&stream.read(&mut back)), [29, 30]);
        let mut unknown = stream.join(Requests::Sampled, Some(31));
        assert!(stream.read(&mut unknown).is_empty());
    }

    #[test]
    fn the_ring_has_a_bound() {
        let stream = EventStream::new(0);
        let long = Event::Control(ControlChange { what: "x".repeat(1_000_000), ..ControlChange::default() });
        let mut cursor = stream.join(Requests::Sampled, None);
        (0..20).for_each(|_| stream.publish(at(1), Audience::Everyone, &long));
        assert!(stream.ring().bytes <= MAX_BYTES, "{}", stream.ring().bytes);
        let read = stream.read(&mut cursor);
        assert_eq!(ids(&read).len(), 2, "a gap, and one event at a time");
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

    #[test]
    fn a_reader_of_the_process_before_gets_all_events_of_this_one() {
        let (before, now) = (EventStream::new(1_000), EventStream::new(1_001));
        (0..1000).for_each(|n| before.publish(at(1), Audience::Everyone, &event(n)));
        let last = before.ring().next() - 1;
        (0..3).for_each(|n| now.publish(at(1), Audience::Everyone, &event(n)));
        let mut back = now.join(Requests::Sampled, Some(last));
        let first = (1_001 << 20) | 1;
        assert_eq!(ids(&now.read(&mut back)), [first, first + 1, first + 2]);
    }
}
