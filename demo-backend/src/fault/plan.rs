//! The plan for one request.

use std::time::Duration;

use super::definition::{Cache, Drip, Kind, Position, Status, Subject};
use super::latency::{cold_speed, is_down, pause_left, ramp, weighted};
use super::lru::Lru;

/// The plan for one request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Wait for these, one after the other, before everything else.
    pub waits: Vec<Wait>,
    /// Work at these speeds in percent, one multiplied by the other.
    pub speeds: Vec<f64>,
    /// Whether the cache has the key of the request, if there is a cache.
    pub cache_hit: Option<bool>,
    /// Answer with this status.
    pub status: Option<Status>,
    /// Report the load, multiplied by this factor.
    pub load_report: Option<f64>,
    /// Send the body at this pace; the key is that of the fault.
    pub drip: Option<(u64, Drip)>,
    /// Do this in place of an answer.
    pub instead: Option<Break>,
    /// At these points of the body, do this.
    pub cuts: Vec<Cut>,
    /// Send the body without a declared length.
    pub chunked: bool,
    /// The ids of the faults that fired.
    pub fired: Vec<u32>,
    /// The faults that were drawn: key, draws so far, hits so far.
    pub drawn: Vec<(u64, u64, u64)>,
}

/// A pause that ends early when its fault is removed or expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The key of the fault.
    pub key: u64,
    /// The duration; without it, until the fault is removed or expires.
    pub lasts: Option<Duration>,
}

/// A point inside a body, with an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// After this many bytes, or after half of the body.
    pub after: Option<u64>,
    /// The action.
    pub act: Act,
}

/// The action at a [`Cut`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A pause; then the body continues.
    Wait(Wait),
    /// The end of the connection.
    Break(Break),
}

/// The way in which a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// With a TCP reset.
    Reset,
    /// With an ordinary close.
    Close,
    /// With bytes that are not HTTP, then an ordinary close.
    Garbage,
}

/// What the effect of a fault on one request depends on.
pub(super) struct Draw<'a, 'b> {
    /// The key of the fault.
    pub(super) key: u64,
    /// The random numbers of this draw.
    pub(super) dice: fastrand::Rng,
    /// The number of matching requests before this one.
    pub(super) number: u64,
    /// The time since the fault began.
    pub(super) age: Duration,
    /// The time since the worker started.
    pub(super) worker_age: Duration,
    /// The keys of the fault's cache.
    pub(super) lru: &'b mut Lru,
    /// The request.
    pub(super) subject: Subject<'a>,
}

impl Plan {
    /// The speed of the server for this request, in percent of its usual speed.
    pub fn speed(&self) -> f64 {
        self.speeds.iter().fold(100.0, |speed, percent| speed * percent / 100.0)
    }

    /// Adds the effect of a drawn fault; `false` if it has none on this request, or if an earlier fault of
    /// its stage replaces it.
    ///
    /// Each kind has its own arm, so the compiler asks what a new kind does.
    pub(super) fn add(&mut self, kind: &Kind, draw: Draw<'_, '_>) -> bool {
        let Draw { key, mut dice, number, age, worker_age, lru, subject } = draw;
        match *kind {
            // These hit no single request.
            Kind::Refuse | Kind::ExitOnTerm(_) => false,
            Kind::ColdStart { from, over } => {
                cold_speed(from, over, worker_age).map(|speed| self.speeds.push(speed)).is_some()
            }
            Kind::Cache(ref cache) => self.look_up(key, cache, lru, subject),
            Kind::Latency(latency) => self.wait_for(key, latency.draw(&mut dice)),
            Kind::Ramp { from, to, over } => self.wait_for(key, ramp(from, to, over, age)),
            Kind::Gc { every, pause } => {
                pause_left(every, pause, age).is_some_and(|left| self.wait_for(key, left))
            }
            Kind::Stall { at: Position::Before, hold } => self.wait(Wait { key, lasts: hold }),
            Kind::Stall { at: Position::Mid, hold } => self.stall_body(Wait { key, lasts: hold }),
            Kind::Status(status) => fill(&mut self.status, status),
            Kind::Weighted(ref codes) => weighted(codes, &mut dice).is_some_and(|code| self.fail(code)),
            Kind::Pattern { ref fails, code } => {
                let place = number.checked_rem(fails.len() as u64).unwrap_or(0);
                fails.get(place as usize) == Some(&true) && self.fail(code)
            }
            Kind::Flap { up, down, code } => is_down(up, down, age) && self.fail(code),
            Kind::LoadReport(factor) => fill(&mut self.load_report, factor),
            Kind::Drip(drip) => fill(&mut self.drip, (key, drip)),
            Kind::Truncate { bytes, chunked } => {
                let is_added = self.break_body(bytes, Break::Close);
                self.chunked |= is_added && chunked;
                is_added
            }
            Kind::Reset(Position::Before) => self.break_instead(Break::Reset),
            Kind::Reset(Position::Mid) => self.break_body(None, Break::Reset),
            Kind::CloseEarly => self.break_instead(Break::Close),
            Kind::Garbage => self.break_instead(Break::Garbage),
        }
    }

    fn look_up(&mut self, key: u64, cache: &Cache, lru: &mut Lru, subject: Subject<'_>) -> bool {
        let header = cache.header.as_deref().map(|name| (subject.header)(name).unwrap_or_default());
        let is_hit = lru.hit(header.unwrap_or(subject.path), cache.size);
        self.cache_hit.get_or_insert(is_hit);
        self.wait_for(key, if is_hit { cache.hit } else { cache.miss })
    }

    fn fail(&mut self, code: u16) -> bool {
        fill(&mut self.status, Status { code, retry_after: None })
    }

    fn wait_for(&mut self, key: u64, time: Duration) -> bool {
        self.wait(Wait { key, lasts: Some(time) })
    }

    fn wait(&mut self, wait: Wait) -> bool {
        self.waits.push(wait);
        true
    }

    fn stall_body(&mut self, wait: Wait) -> bool {
        let is_first = !self.cuts.iter().any(|cut| matches!(cut.act, Act::Wait(_)));
        if is_first {
            self.cuts.push(Cut { after: None, act: Act::Wait(wait) });
        }
        is_first
    }

    fn break_body(&mut self, after: Option<u64>, how: Break) -> bool {
        let is_first = !self.has_break();
        if is_first {
            self.cuts.push(Cut { after, act: Act::Break(how) });
        }
        is_first
    }

    fn break_instead(&mut self, how: Break) -> bool {
        let is_first = !self.has_break();
        if is_first {
            self.instead = Some(how);
        }
        is_first
    }

    /// Whether an earlier fault breaks the connection: it can break only once.
    fn has_break(&self) -> bool {
        self.instead.is_some() || self.cuts.iter().any(|cut| matches!(cut.act, Act::Break(_)))
    }
}

/// Stores a value unless there is one already; `false` if there is.
fn fill<T>(place: &mut Option<T>, value: T) -> bool {
    let is_first = place.is_none();
    place.get_or_insert(value);
    is_first
}
