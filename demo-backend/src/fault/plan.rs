//! The plan for one request.

use std::time::Duration;

use super::{Drip, Kind, Latency, MAX_LATENCY, Moment, Status};

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
    pub(super) fn add(&mut self, key: u64, kind: Kind, dice: &mut fastrand::Rng) -> bool {
        let wrecked = |plan: &Self| {
            plan.instead.is_some() || plan.cuts.iter().any(|cut| matches!(cut.act, Act::Break(_)))
        };
        match kind {
            Kind::Refuse => return false,
            Kind::Latency(latency) => self.waits.push(Wait { key, lasts: Some(latency.draw(dice)) }),
            Kind::Stall { at: Moment::Before, hold } => self.waits.push(Wait { key, lasts: hold }),
            Kind::Stall { at: Moment::Mid, hold } => {
                if self.cuts.iter().any(|cut| matches!(cut.act, Act::Wait(_))) {
                    return false;
                }
                let pause = Act::Wait(Wait { key, lasts: hold });
                self.cuts.push(Cut { after: None, act: pause });
            }
            Kind::Status(status) if self.status.is_none() => self.status = Some(status),
            Kind::Drip(drip) if self.drip.is_none() => self.drip = Some((key, drip)),
            Kind::Truncate { bytes, chunked } if !wrecked(self) => {
                self.chunked = chunked;
                self.cuts.push(Cut { after: bytes, act: Act::Break(Break::Close) });
            }
            Kind::Reset(Moment::Mid) if !wrecked(self) => {
                self.cuts.push(Cut { after: None, act: Act::Break(Break::Reset) });
            }
            Kind::Reset(Moment::Before) if !wrecked(self) => self.instead = Some(Break::Reset),
            Kind::CloseEarly if !wrecked(self) => self.instead = Some(Break::Close),
            Kind::Garbage if !wrecked(self) => self.instead = Some(Break::Garbage),
            _ => return false,
        }
        true
    }
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
