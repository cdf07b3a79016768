//! The merged stream and its readers. A reader that is too slow gets a `gap`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::{Change, ControlChange, Event, Gap, Word};
use tokio::sync::broadcast::{self, error::RecvError};

use super::clock::LabClock;
use super::join::{Join, Outgoing};
use super::merge::Merge;
use super::requests::ClientSide;

/// Events that a reader of the sample can be behind: about a minute at 40 requests a second.
const KEPT: usize = 8192;

/// Events that a reader of all requests can be behind: 16 s at 2,000 requests a second.
const KEPT_ALL: usize = 32_768;

/// The latest events that are kept for a reader that comes back: some seconds.
const RECENT: usize = 2048;

/// An event with its id. Ids rise by 1.
type Told = (u64, Arc<Event>);

/// The merge, and the readers of what it tells. Both are behind one lock, so a new reader misses nothing
/// between the present state and the next event.
///
/// Readers of the sample and readers of all requests have a ring each, with ids of its own. So many requests
/// push nothing out of the ring of the sample.
#[derive(Debug)]
pub(super) struct Channel {
    clock: LabClock,
    merging: Mutex<Merging>,
}

#[derive(Debug)]
struct Merging {
    merge: Merge,
    join: Join,
    samples: Ring,
    all: Ring,
}

/// The events for one kind of readers.
#[derive(Debug)]
struct Ring {
    last: u64,
    recent: VecDeque<Told>,
    told: broadcast::Sender<Told>,
}

impl Ring {
    fn new(kept: usize) -> Self {
        Self { last: 0, recent: VecDeque::new(), told: broadcast::channel(kept).0 }
    }

    fn tell(&mut self, event: Arc<Event>) {
        self.last += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((self.last, event.clone()));
        // This fails only without readers.
        let _ = self.told.send((self.last, event));
    }

    /// A reader that continues after the event with this id; `None` if the events after it are not kept.
    fn resume(&self, last: u64) -> Option<StreamReader> {
        let (oldest, _) = self.recent.front()?;
        if last > self.last || last.saturating_add(1) < *oldest {
            return None;
        }
        let first = self.recent.iter().filter(|(id, _)| *id > last).cloned().collect();
        Some(StreamReader { first, next: self.last + 1, told: self.told.subscribe() })
    }

    fn join(&self, state: Vec<Event>) -> StreamReader {
        let first = state.into_iter().map(|event| (self.last, Arc::new(event)));
        StreamReader { first: first.collect(), next: self.last + 1, told: self.told.subscribe() }
    }
}

impl Merging {
    fn tell(&mut self, outgoing: Vec<Outgoing>) {
        for event in outgoing {
            match event {
                Outgoing::Shared(event) => {
                    let event = Arc::new(event);
                    self.samples.tell(event.clone());
                    self.all.tell(event);
                }
                Outgoing::SampleOnly(event) => self.samples.tell(Arc::new(event)),
                Outgoing::FullOnly(event) => self.all.tell(Arc::new(event)),
            }
        }
    }
}

impl Channel {
    pub(super) fn new(clock: LabClock, merge: Merge, join: Join) -> Self {
        let (samples, all) = (Ring::new(KEPT), Ring::new(KEPT_ALL));
        Self { clock, merging: Mutex::new(Merging { merge, join, samples, all }) }
    }

    fn merging(&self) -> MutexGuard<'_, Merging> {
        self.merging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the merge take in something, and tells the events that follow. It waits for no reader.
    pub(super) fn take_in(&self, what: impl FnOnce(&mut Merge) -> Vec<Event>) {
        let now = self.clock.now();
        let mut merging = self.merging();
        for event in what(&mut merging.merge) {
            let outgoing = merging.join.event(event, now);
            merging.tell(outgoing);
        }
    }

    /// Tells an event that no source of the merge knows.
    pub(super) fn tell(&self, event: Event) {
        self.merging().tell(vec![Outgoing::Shared(event)]);
    }

    /// Tells that the lab itself changed something, in words and, if a program follows it, typed.
    pub(super) fn tell_change(&self, what: impl Into<String>, by: impl Into<String>, change: Option<Change>) {
        let (t, what, by) = (self.clock.now(), what.into(), by.into());
        self.tell(Event::Control(ControlChange { t, what, by, change }));
    }

    /// The names of all policies that the balancer knows.
    pub(super) fn policies(&self) -> Vec<Word> {
        self.merging().merge.policies().to_vec()
    }

    /// Takes in the requests of the load that have ended, and what has waited long enough.
    pub(super) fn ended(&self, sides: Vec<ClientSide>) {
        let now = self.clock.now();
        let mut merging = self.merging();
        let mut outgoing = merging.join.ended(sides, now);
        outgoing.extend(merging.join.overdue(now));
        merging.tell(outgoing);
    }

    /// Whether the balancer has told anything.
    pub(super) fn has_begun(&self) -> bool {
        self.merging().merge.has_begun()
    }

    /// Lets the ids begin after this one.
    pub(super) fn count_from(&self, id: u64) {
        let mut merging = self.merging();
        let Merging { samples, all, .. } = &mut *merging;
        for ring in [samples, all] {
            ring.last = id;
            ring.recent.clear();
        }
    }

    /// The time of the lab's clock.
    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// A reader of the sample, or of all requests, that continues after the event with this id.
    pub(super) fn resume(&self, all: bool, last: u64) -> Option<StreamReader> {
        let merging = self.merging();
        if all { merging.all.resume(last) } else { merging.samples.resume(last) }
    }

    /// A reader of the sample that gets the state of now first.
    pub(super) fn join(&self) -> StreamReader {
        let merging = self.merging();
        merging.samples.join(merging.merge.snapshot(self.clock.now()))
    }

    /// A reader of all requests that gets the state of now first.
    pub(super) fn join_all(&self) -> StreamReader {
        let merging = self.merging();
        merging.all.join(merging.merge.snapshot(self.clock.now()))
    }
}

/// A reader of the merged stream.
#[derive(Debug)]
pub struct StreamReader {
    /// What it gets before the next event.
    first: VecDeque<Told>,
    /// The id of the next event.
    next: u64,
    told: broadcast::Receiver<Told>,
}

impl StreamReader {
    /// Waits for the next event, and returns it with its id. The events of the state at the beginning have
    /// the id of the last event before them, and a `gap` has the last id that is missing. `None` when the
    /// stream has ended. It is safe to drop this future: no event is lost.
    pub async fn next(&mut self) -> Option<(u64, Arc<Event>)> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        loop {
            match self.told.recv().await {
                Ok((id, event)) if id > self.next => {
                    let gap = Gap { from: self.next, to: id - 1 };
                    self.next = id + 1;
                    self.first.push_back((id, event));
                    return Some((gap.to, Arc::new(Event::Gap(gap))));
                }
                Ok((id, event)) => {
                    self.next = id + 1;
                    return Some((id, event));
                }
                // The next event shows by its id how many are missing.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use api::{Hello, SCHEMA};

    use super::*;

    fn channel() -> Channel {
        let channel = Channel::new(LabClock::start(), Merge::new(0, None, Vec::new()), Join::default());
        channel.take_in(|merge| {
            merge.balancer(Event::Hello(Box::new(Hello { schema: SCHEMA, ..Hello::default() })))
        });
        channel
    }

    fn tell(channel: &Channel, count: u64) {
        for n in 0..count {
            let change = ControlChange { t: n, ..ControlChange::default() };
            channel.take_in(|merge| merge.balancer(Event::Control(change)));
        }
    }

    async fn read(reader: &mut StreamReader, count: usize) -> Vec<(u64, &'static str)> {
        let mut read = Vec::new();
        for _ in 0..count {
            let (id, event) = reader.next().await.unwrap();
            read.push((id, event.name()));
        }
        read
    }

    #[tokio::test]
    async fn a_reader_gets_the_state_and_then_each_event_once() {
        let channel = channel();
        tell(&channel, 3);
        let mut reader = channel.join();
        tell(&channel, 2);
        let expected = [(4, "hello"), (4, "tick"), (5, "control"), (6, "control")];
        assert_eq!(read(&mut reader, 4).await, expected);
        drop(channel);
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_gets_a_gap_and_the_others_do_not() {
        let channel = channel();
        let (mut slow, mut quick) = (channel.join(), channel.join());
        read(&mut quick, 2).await;
        let lost = 100;
        for _ in 0..KEPT as u64 + lost {
            tell(&channel, 1);
            assert_eq!(read(&mut quick, 1).await[0].1, "control");
        }
        read(&mut slow, 2).await;
        let (id, event) = slow.next().await.unwrap();
        // The ids from 2 on were told, and the last `KEPT` of them are left.
        assert_eq!((id, &*event), (lost + 1, &Event::Gap(Gap { from: 2, to: lost + 1 })));
        assert_eq!(read(&mut slow, KEPT).await.last(), Some(&(KEPT as u64 + lost + 1, "control")));
    }

    #[tokio::test]
    async fn a_reader_that_comes_back_in_time_misses_nothing() {
        let channel = channel();
        tell(&channel, 3);
        let mut back = channel.resume(false, 2).unwrap();
        tell(&channel, 1);
        let expected = [(3, "control"), (4, "control"), (5, "control")];
        assert_eq!(read(&mut back, 3).await, expected);
        assert_eq!(read(&mut channel.resume(true, 4).unwrap(), 1).await, [(5, "control")]);
        assert!(channel.resume(false, 5).is_some() && channel.resume(false, 6).is_none());
        tell(&channel, RECENT as u64);
        assert!(channel.resume(false, 4).is_none() && channel.resume(false, 5).is_some());
    }

    #[tokio::test]
    async fn ids_of_another_start_are_unknown() {
        let channel = channel();
        channel.count_from(1_000_000);
        tell(&channel, 1);
        assert_eq!(read(&mut channel.join(), 1).await, [(1_000_001, "hello")]);
        assert!(channel.resume(false, 900_000).is_none());
    }

    #[tokio::test]
    async fn all_requests_push_nothing_out_of_the_sample() {
        let channel = channel();
        let (mut reader, mut all) = (channel.join(), channel.join_all());
        let request = |id| Outgoing::FullOnly(Event::Req(Box::new(api::Req { id, ..api::Req::default() })));
        tell(&channel, 1);
        channel.merging().tell((0..2 * KEPT as u64).map(request).collect());
        tell(&channel, 1);
        let expected = [(1, "hello"), (1, "tick"), (2, "control"), (3, "control")];
        assert_eq!(read(&mut reader, 4).await, expected);
        let told = read(&mut all, 4 + 2 * KEPT).await;
        assert_eq!((told[3].1, told.last().unwrap().1), ("req", "control"));
        assert!(told.windows(2).skip(2).all(|pair| pair[1].0 == pair[0].0 + 1), "ids without a gap");
    }
}
