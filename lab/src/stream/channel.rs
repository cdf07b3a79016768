//! The merged stream and its readers. A reader that is too slow gets a `gap`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::{Event, Gap};
use tokio::sync::broadcast::{self, error::RecvError};

use super::merge::Merge;

/// Events that a reader can be behind: about a minute at 40 requests a second.
const KEPT: usize = 8192;

/// An event with its id. Ids count from 1.
type Told = (u64, Arc<Event>);

/// The merge, and the readers of what it tells. Both are behind one lock, so a new reader misses nothing
/// between the present state and the next event.
#[derive(Debug)]
pub(super) struct Channel {
    merging: Mutex<Merging>,
}

#[derive(Debug)]
struct Merging {
    merge: Merge,
    last: u64,
    told: broadcast::Sender<Told>,
}

impl Channel {
    pub(super) fn new(merge: Merge) -> Self {
        Self { merging: Mutex::new(Merging { merge, last: 0, told: broadcast::channel(KEPT).0 }) }
    }

    fn merging(&self) -> MutexGuard<'_, Merging> {
        self.merging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the merge take in something, and tells the events that follow. It waits for no reader.
    pub(super) fn take_in(&self, what: impl FnOnce(&mut Merge) -> Vec<Event>) {
        let mut merging = self.merging();
        for event in what(&mut merging.merge) {
            merging.last += 1;
            // This fails only without readers.
            let _ = merging.told.send((merging.last, Arc::new(event)));
        }
    }

    /// Whether the balancer has told anything.
    pub(super) fn has_begun(&self) -> bool {
        self.merging().merge.has_begun()
    }

    /// A reader that gets the state of this time first.
    pub(super) fn join(&self, t: u64) -> StreamReader {
        let merging = self.merging();
        let first = merging.merge.snapshot(t).into_iter().map(|event| (merging.last, Arc::new(event)));
        StreamReader { first: first.collect(), next: merging.last + 1, told: merging.told.subscribe() }
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
    use api::{ControlChange, Hello, SCHEMA};

    use super::*;

    fn channel() -> Channel {
        let channel = Channel::new(Merge::new(0, None, Vec::new()));
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
        let mut reader = channel.join(9);
        tell(&channel, 2);
        let expected = [(4, "hello"), (4, "tick"), (5, "control"), (6, "control")];
        assert_eq!(read(&mut reader, 4).await, expected);
        drop(channel);
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_gets_a_gap_and_the_others_do_not() {
        let channel = channel();
        let (mut slow, mut quick) = (channel.join(0), channel.join(0));
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
}
