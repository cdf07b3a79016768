//! The faults: which fault hits a request?
//!
//! Pure: the request and the time are arguments, and the result is a [`Plan`], which the
//! [worker](crate::worker) carries out. Faults act in a fixed order, independent of the order in which they
//! were added:
//!
//! | stage | kinds | if several fire |
//! |---|---|---|
//! | admission | refuse | the port refuses connections while any of them is active |
//! | delay | latency, stall before | their waits add up |
//! | status | status | the first one counts |
//! | body | drip, truncate, stall mid | the first of each kind counts |
//! | close | reset, close early, garbage | the first one counts |
//!
//! A fault in the middle of a body needs a body: an answer to HEAD has none, and is always complete.
//!
//! # Why every fault has its own random numbers
//! Whether a fault hits a request depends on three numbers: the seed, the fault's id, and the number of
//! requests before that the fault could have hit. So the same seed and the same requests give the same
//! faults, and a second fault does not change which requests the first one hits.

mod parse;
mod plan;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

pub use parse::InvalidFault;
pub use plan::{Act, Break, Cut, Plan, Wait};

/// The largest latency, for any random number.
pub const MAX_LATENCY: Duration = Duration::from_secs(60);

/// The definition of one fault: what goes wrong, and for which requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The kind of fault.
    pub kind: Kind,
    /// The percentage of the matching requests that it hits, 0 to 100.
    pub percent: f64,
    /// It hits this many requests at most.
    pub first: Option<u64>,
    /// It expires this long after it was added.
    pub lasts: Option<Duration>,
    /// The requests that it can hit.
    pub matches: Match,
}

/// A filter for requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Match {
    /// A path without its query; a path that ends in `*` stands for all paths with this beginning.
    pub path: Option<String>,
    /// A method, in capitals.
    pub method: Option<String>,
}

/// The kind of fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// The port refuses connections, and open connections are closed.
    Refuse,
    /// The answer comes late.
    Latency(Latency),
    /// No byte is sent, until `hold` or the fault is over, or the client gives up.
    Stall {
        /// Before the head, or in the middle of the body.
        at: Moment,
        /// The duration; without it, until the fault is removed.
        hold: Option<Duration>,
    },
    /// An answer with this status.
    Status(Status),
    /// The body comes in small pieces.
    Drip(Drip),
    /// The body and the connection end early.
    Truncate {
        /// The number of body bytes that are sent; without it, half of the body.
        bytes: Option<u64>,
        /// Whether the body comes in chunks without the last one, instead of with a Content-Length.
        chunked: bool,
    },
    /// A TCP reset (RST).
    Reset(Moment),
    /// The connection closes (FIN) instead of an answer.
    CloseEarly,
    /// The answer is not HTTP, and the connection closes.
    Garbage,
}

/// The position of a fault in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before its first byte.
    Before,
    /// After the head and half of the body.
    Mid,
}

/// The delay of an answer: a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Latency {
    /// Always the same delay.
    Fixed(Duration),
    /// Evenly between two bounds.
    Uniform(Duration, Duration),
    /// Many short delays, few long ones, with this mean; never above [`MAX_LATENCY`].
    Exponential(Duration),
    /// One of two delays, as with a cache that has misses.
    Bimodal {
        /// The usual latency.
        fast: Duration,
        /// The other latency.
        slow: Duration,
        /// The percentage of the other latency, 0 to 100.
        slow_percent: f64,
    },
}

/// A status in place of the usual 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// 200 to 599.
    pub code: u16,
    /// The value of the header Retry-After, in seconds.
    pub retry_after: Option<u32>,
}

/// A body in small pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drip {
    /// Bytes in a piece, at least 1.
    pub bytes: u64,
    /// The pause after each piece.
    pub every: Duration,
}

/// An active fault.
#[derive(Debug, Clone)]
pub struct Active {
    /// A key that no other fault ever has.
    pub key: u64,
    /// The number for people; it also selects the random numbers.
    pub id: u32,
    /// The definition.
    pub fault: Fault,
    /// The time at which it expires.
    pub until: Option<Instant>,
    /// The number of matching requests so far.
    pub matched: u64,
    /// The number of them that it hit.
    pub fired: u64,
}

/// All active faults of one worker.
#[derive(Debug, Default)]
pub struct Faults {
    seed: u64,
    /// By stage, then by id.
    active: Vec<Active>,
}

impl Faults {
    /// Replaces the faults and the seed. Faults whose key is known keep their own counts.
    pub fn replace(&mut self, seed: u64, faults: Vec<Active>) {
        let known = std::mem::take(&mut self.active);
        self.seed = seed;
        self.active = faults
            .into_iter()
            .map(|fault| known.iter().find(|known| known.key == fault.key).cloned().unwrap_or(fault))
            .collect();
        self.active.sort_by_key(|active| (active.fault.kind.stage(), active.id));
    }

    /// Draws every fault that matches this request, and returns the plan for it.
    pub fn plan(&mut self, method: &str, path: &str, now: Instant) -> Plan {
        let mut plan = Plan::default();
        for active in &mut self.active {
            if active.fault.kind == Kind::Refuse
                || !active.stands(now)
                || !active.fault.matches.covers(method, path)
            {
                continue;
            }
            let mut dice = dice(self.seed, active.id, active.matched);
            active.matched += 1;
            if dice.f64() * 100.0 < active.fault.percent
                && active.has_hits_left()
                && plan.add(active.key, active.fault.kind, &mut dice)
            {
                active.fired += 1;
                plan.fired.push(active.id);
            }
            plan.drawn.push((active.key, active.matched, active.fired));
        }
        plan
    }

    /// The key of a fault that makes the port refuse connections, if there is one.
    pub fn refusing(&self, now: Instant) -> Option<u64> {
        let refuses = |active: &&Active| active.fault.kind == Kind::Refuse && active.stands(now);
        self.active.iter().find(refuses).map(|active| active.key)
    }

    /// Whether a fault is active and not expired; if so, the time at which it expires.
    pub fn standing(&self, key: u64, now: Instant) -> Option<Option<Instant>> {
        let active = self.active.iter().find(|active| active.key == key)?;
        active.stands(now).then_some(active.until)
    }

    /// The time at which the next fault expires.
    pub fn next_expiry(&self, now: Instant) -> Option<Instant> {
        self.active.iter().filter_map(|active| active.until).filter(|until| *until > now).min()
    }
}

impl Active {
    fn stands(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    fn has_hits_left(&self) -> bool {
        self.fault.first.is_none_or(|first| self.fired < first)
    }
}

impl Match {
    fn covers(&self, method: &str, path: &str) -> bool {
        let path_fits = match self.path.as_deref() {
            None => true,
            Some(pattern) => match pattern.strip_suffix('*') {
                Some(prefix) => path.starts_with(prefix),
                None => path == pattern,
            },
        };
        path_fits && self.method.as_deref().is_none_or(|wanted| wanted == method)
    }
}

impl Kind {
    /// The stage of the table above.
    fn stage(&self) -> u8 {
        match self {
            Self::Refuse => 0,
            Self::Latency(_) | Self::Stall { at: Moment::Before, .. } => 1,
            Self::Status(_) => 2,
            Self::Drip(_) | Self::Truncate { .. } | Self::Stall { at: Moment::Mid, .. } => 3,
            Self::Reset(_) | Self::CloseEarly | Self::Garbage => 4,
        }
    }
}

/// The random numbers of one draw: they depend only on these three numbers.
fn dice(seed: u64, id: u32, draw: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(scramble(scramble(scramble(seed) ^ u64::from(id)) ^ draw))
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014):
/// neighbouring numbers give very different results.
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
