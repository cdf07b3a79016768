//! The plan for one request.

use std::time::Duration;

use super::definition::{Drip, Kind, Latency, MAX_LATENCY, Moment, Status};

/// The plan for one request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Wait for these, one after the other, before everything else.
    pub waits: Vec<Wait>,
    /// Answer with this status.
    pub status: Option<Status>,
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

impl Plan {
    /// Adds the effect of a fired fault; `false` if an earlier fault of its stage replaces it.
    ///
    /// Each kind has its own arm, so the compiler asks what a new kind does.
    pub(super) fn add(&mut self, key: u64, kind: Kind, dice: &mut fastrand::Rng) -> bool {
        match kind {
            // The port refuses the connection, so no request gets here.
            Kind::Refuse => false,
            Kind::Latency(latency) => self.wait(Wait { key, lasts: Some(latency.draw(dice)) }),
            Kind::Stall { at: Moment::Before, hold } => self.wait(Wait { key, lasts: hold }),
            Kind::Stall { at: Moment::Mid, hold } => self.stall_body(Wait { key, lasts: hold }),
            Kind::Status(status) => fill(&mut self.status, status),
            Kind::Drip(drip) => fill(&mut self.drip, (key, drip)),
            Kind::Truncate { bytes, chunked } => {
                let is_added = self.break_body(bytes, Break::Close);
                self.chunked |= is_added && chunked;
                is_added
            }
            Kind::Reset(Moment::Before) => self.break_instead(Break::Reset),
            Kind::Reset(Moment::Mid) => self.break_body(None, Break::Reset),
            Kind::CloseEarly => self.break_instead(Break::Close),
            Kind::Garbage => self.break_instead(Break::Garbage),
        }
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

impl Latency {
    /// One random latency of the distribution.
    fn draw(self, dice: &mut fastrand::Rng) -> Duration {
        match self {
            Self::Fixed(latency) => latency,
            Self::Uniform(low, high) => low + high.saturating_sub(low).mul_f64(dice.f64()),
            // 1 - x is never 0, so the logarithm is finite.
            Self::Exponential(mean) => mean.mul_f64(-(1.0 - dice.f64()).ln()).min(MAX_LATENCY),
            Self::Bimodal { fast, slow, slow_percent } => {
                if dice.f64() * 100.0 < slow_percent {
                    slow
                } else {
                    fast
                }
            }
        }
    }
}
