//! The state machine of a server with places and a queue: requests arrive, are served, leave, and expire.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::definition::{Capacity, Discipline, OnDisconnect};
use super::meter::{Load, Meter};

/// The lateness of a timer that costs no capacity. It is above the lateness of a busy machine, and far below
/// the time for which people stop a process.
pub const SLACK: Duration = Duration::from_millis(20);

/// The requests of one server: those that wait, and those that are served.
#[derive(Debug)]
pub struct Station {
    capacity: Capacity,
    /// In the order of their arrival.
    waiting: VecDeque<Waiting>,
    serving: HashMap<u64, Serving>,
    /// The known ends of services, with the requests.
    ends: BTreeSet<(Instant, u64)>,
    /// Everything up to this time has happened.
    clock: Instant,
    meter: Meter,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    id: u64,
    arrived: Instant,
    deadline: Option<Instant>,
    work: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Serving {
    waited: Duration,
    began: Instant,
    until: Option<Instant>,
}

/// What happens next to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Its service begins. The caller says with [`Station::occupy`] when it ends.
    Begin {
        /// The request.
        id: u64,
        /// The time at which it begins.
        at: Instant,
    },
    /// Its service is over.
    End {
        /// The request.
        id: u64,
        /// The time in the queue.
        waited: Duration,
        /// The time at its place.
        served: Duration,
    },
    /// It leaves the queue without service.
    Drop {
        /// The request.
        id: u64,
        /// Why.
        reason: Reason,
        /// The time in the queue.
        waited: Duration,
    },
}

/// Why a request gets no service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// As many requests wait as may wait.
    Full,
    /// The server sheds load.
    Shed,
    /// Its deadline is over.
    Expired,
    /// It would end after its deadline.
    Hopeless,
}

impl Reason {
    /// The word for headers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Shed => "shed",
            Self::Expired => "expired",
            Self::Hopeless => "hopeless",
        }
    }

    /// The sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Full => "the queue is full",
            Self::Shed => "too many requests wait, and the server sheds load",
            Self::Expired => "the deadline of the request is over",
            Self::Hopeless => "the request cannot end before its deadline",
        }
    }
}

impl Station {
    /// An empty server.
    pub fn new(capacity: Capacity, now: Instant) -> Self {
        Self {
            capacity,
            waiting: VecDeque::new(),
            serving: HashMap::new(),
            ends: BTreeSet::new(),
            clock: now,
            meter: Meter::new(now),
        }
    }

    /// The settings.
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// Other settings. They hold for the next step: no request leaves its place, and none leaves the queue
    /// because the queue is shorter now.
    pub fn change(&mut self, capacity: Capacity, now: Instant) {
        self.capacity = capacity;
        self.settle(now);
    }

    /// The number of requests that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The number of requests that are served.
    pub fn serving(&self) -> usize {
        self.serving.len()
    }

    /// How busy the server was lately.
    pub fn load(&self) -> Load {
        self.meter.load(self.capacity.workers, self.waiting.len())
    }

    /// A request comes. `patience` is the time to its deadline, and `work` its service time as far as it is
    /// known. The caller calls [`Self::pass_time`] before, until there is no step left, and again after.
    ///
    /// # Errors
    /// If it may not wait and there is no free place.
    pub fn arrive(
        &mut self,
        id: u64,
        now: Instant,
        patience: Option<Duration>,
        work: Duration,
    ) -> Result<(), Reason> {
        let waiting = self.waiting.len();
        if waiting > 0 || !self.has_place() {
            let reached = |limit: Option<u32>| limit.is_some_and(|limit| waiting >= limit as usize);
            if reached(self.capacity.queue) {
                return Err(Reason::Full);
            }
            if reached(self.capacity.shed) {
                return Err(Reason::Shed);
            }
        }
        let deadline = patience.and_then(|patience| now.checked_add(patience));
        self.waiting.push_back(Waiting { id, arrived: now, deadline, work });
        self.move_clock(now);
        Ok(())
    }

    /// Says when the service of a request ends: at `until`, or when [`Self::finish`] is called.
    pub fn occupy(&mut self, id: u64, until: Option<Instant>) {
        let Some(serving) = self.serving.get_mut(&id) else { return };
        if let Some(old) = std::mem::replace(&mut serving.until, until) {
            self.ends.remove(&(old, id));
        }
        self.ends.extend(until.map(|until| (until, id)));
    }

    /// The service of a request ends at `at`, or earlier if its end was known and is earlier.
    pub fn finish(&mut self, id: u64, at: Instant) {
        if let Some(serving) = self.serving.get(&id) {
            let until = serving.until.map_or(at, |until| until.min(at));
            self.occupy(id, Some(until));
        }
    }

    /// The client of a request has closed its connection. True if the request is dropped, so that no step
    /// follows for it.
    pub fn leave(&mut self, id: u64, now: Instant) -> bool {
        self.settle(now);
        if self.capacity.on_disconnect == OnDisconnect::Continue {
            return false;
        }
        if let Some(serving) = self.serving.remove(&id) {
            if let Some(until) = serving.until {
                self.ends.remove(&(until, id));
            }
            return true;
        }
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.id != id);
        self.waiting.len() < before
    }

    /// The next thing that happens up to `now`; `None` if nothing is left. Steps come in the order of time.
    pub fn pass_time(&mut self, now: Instant) -> Option<Step> {
        loop {
            if let Some(step) = self.expire().or_else(|| self.begin()) {
                return Some(step);
            }
            let next = self.next_event().filter(|next| *next <= now);
            let Some(next) = next else {
                self.move_clock(now);
                return None;
            };
            // A process that was stopped for long did no work meanwhile.
            let late = now.checked_sub(SLACK).map_or(next, |earliest| next.max(earliest));
            self.move_clock(late);
            if let Some(&(until, id)) = self.ends.first()
                && until <= next
            {
                self.ends.pop_first();
                let Some(serving) = self.serving.remove(&id) else { continue };
                self.meter.end();
                let served = self.clock.saturating_duration_since(serving.began);
                return Some(Step::End { id, waited: serving.waited, served });
            }
        }
    }

    /// The time at which [`Self::pass_time`] has something to do next.
    pub fn next_event(&self) -> Option<Instant> {
        let end = self.ends.first().map(|(until, _)| *until);
        [end, self.next_deadline()].into_iter().flatten().min()
    }

    /// Moves the clock to `now`, but not past an event that is still to come: what begins next begins then.
    fn settle(&mut self, now: Instant) {
        let now = self.next_event().map_or(now, |next| next.min(now));
        self.move_clock(now);
    }

    fn move_clock(&mut self, to: Instant) {
        self.clock = self.clock.max(to);
        self.meter.pass(self.clock, self.serving.len());
    }

    fn next_deadline(&self) -> Option<Instant> {
        let expires = self.capacity.discipline == Discipline::DropExpired;
        self.waiting.iter().filter(|_| expires).filter_map(|waiting| waiting.deadline).min()
    }

    fn has_place(&self) -> bool {
        self.serving.len() < self.capacity.places()
    }

    /// Drops a request whose deadline is over, if the discipline says so.
    fn expire(&mut self) -> Option<Step> {
        if self.next_deadline()? > self.clock {
            return None;
        }
        let clock = self.clock;
        let is_over = |waiting: &Waiting| waiting.deadline.is_some_and(|deadline| deadline <= clock);
        let at = self.waiting.iter().position(is_over)?;
        self.waiting.remove(at).map(|waiting| self.drop_request(waiting, Reason::Expired))
    }

    /// Begins the service of the request whose turn it is, if there is a place for it.
    fn begin(&mut self) -> Option<Step> {
        if !self.has_place() {
            return None;
        }
        let next = match self.capacity.discipline {
            Discipline::Lifo => self.waiting.pop_back(),
            _ => self.waiting.pop_front(),
        }?;
        let end = self.clock + next.work;
        let is_hopeless = next.deadline.is_some_and(|deadline| end > deadline);
        if self.capacity.discipline == Discipline::DropHopeless && is_hopeless {
            return Some(self.drop_request(next, Reason::Hopeless));
        }
        let waited = self.clock.saturating_duration_since(next.arrived);
        self.serving.insert(next.id, Serving { waited, began: self.clock, until: None });
        Some(Step::Begin { id: next.id, at: self.clock })
    }

    fn drop_request(&self, waiting: Waiting, reason: Reason) -> Step {
        let waited = self.clock.saturating_duration_since(waiting.arrived);
        Step::Drop { id: waiting.id, reason, waited }
    }
}
