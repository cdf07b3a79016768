//! Which fault hits this request?
//!
//! Pure: the request and the time come in, a [`Plan`] goes out; the [worker](crate::worker) carries it out.
//! Faults act in a fixed order, whatever the order they were added in:
//!
//! | stage | kinds | if several fire |
//! |---|---|---|
//! | admission | refuse | the port refuses while any of them stands |
//! | delay | latency, stall before | their waits add up |
//! | status | status | the first one counts |
//! | body | drip, truncate, stall mid | the first of each kind counts |
//! | close | reset, close early, garbage | the first one counts |
//!
//! What happens in the middle of a body needs a body: an answer to HEAD has none, and comes whole.
//!
//! # Why every fault has its own dice
//! Whether a fault hits a request depends on three numbers: the seed, the fault's id, and how many requests it
//! was drawn for before. So the same seed and the same requests meet the same faults, and adding a second fault
//! does not change whom the first one hits.

mod parse;
mod plan;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

pub use parse::InvalidFault;
pub use plan::{Act, Cut, Plan, Wait, Wreck};

/// No latency is longer than this, however the dice fall.
pub const MAX_LATENCY: Duration = Duration::from_secs(60);

/// One fault as it was asked for: what goes wrong, and for whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// Which share of the matching requests it hits, 0 to 100.
    pub percent: f64,
    /// It hits this many requests at most.
    pub first: Option<u64>,
    /// It expires this long after it was added.
    pub lasts: Option<Duration>,
    /// Only these requests can be hit.
    pub matches: Match,
}

/// Which requests a fault is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Match {
    /// A path without its query; one that ends in `*` stands for all paths that begin like it.
    pub path: Option<String>,
    /// A method, in capitals.
    pub method: Option<String>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// The port refuses connections, and kept connections are closed.
    Refuse,
    /// The answer comes late.
    Latency(Latency),
    /// Nothing is sent, until `hold` is over, the fault is, or the client's patience.
    Stall {
        /// Before the head, or in the middle of the body.
        at: Moment,
        /// For how long; for ever without it.
        hold: Option<Duration>,
    },
    /// An answer with this status.
    Status(Status),
    /// The body comes in small pieces.
    Drip(Drip),
    /// The body ends too early, and the connection with it.
    Truncate {
        /// Body bytes that are sent; half of the body without it.
        bytes: Option<u64>,
        /// Whether the body comes in chunks, of which the last is missing, instead of with a Content-Length.
        chunked: bool,
    },
    /// A TCP reset (RST).
    Reset(Moment),
    /// The connection closes (FIN) instead of an answer.
    CloseEarly,
    /// The answer is not HTTP, and the connection closes.
    Garbage,
}

/// Where in an answer something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before its first byte.
    Before,
    /// After the head and half of the body.
    Mid,
}

/// How late an answer comes: a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Latency {
    /// Always the same.
    Fixed(Duration),
    /// Evenly between two bounds.
    Uniform(Duration, Duration),
    /// Many short ones, few long ones, with this mean; never above [`MAX_LATENCY`].
    Exponential(Duration),
    /// One of two: what a cache with misses looks like.
    Bimodal {
        /// The usual latency.
        fast: Duration,
        /// The other one.
        slow: Duration,
        /// How often it is the other one, 0 to 100.
        slow_percent: f64,
    },
}

/// A status instead of the usual 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// 200 to 599.
    pub code: u16,
    /// Seconds for the header Retry-After.
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

/// A fault at work.
#[derive(Debug, Clone)]
pub struct Active {
    /// Never used for another fault.
    pub key: u64,
    /// The number people see, and the stream of dice.
    pub id: u32,
    /// What was asked for.
    pub fault: Fault,
    /// When it expires.
    pub until: Option<Instant>,
    /// How many requests it was drawn for.
    pub matched: u64,
    /// How many of them it hit.
    pub fired: u64,
}

/// All faults at work in one worker.
#[derive(Debug, Default)]
pub struct Faults {
    seed: u64,
    /// By stage, then by id.
    active: Vec<Active>,
}

impl Faults {
    /// From now on these faults and this seed count. Faults whose key is known keep their own counts.
    pub fn replace(&mut self, seed: u64, faults: Vec<Active>) {
        let known = std::mem::take(&mut self.active);
        self.seed = seed;
        self.active = faults
            .into_iter()
            .map(|fault| known.iter().find(|known| known.key == fault.key).cloned().unwrap_or(fault))
            .collect();
        self.active.sort_by_key(|active| (active.fault.kind.stage(), active.id));
    }

    /// Draws every fault that is for this request, and says what shall happen to it.
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

    /// Whether the port shall refuse connections: the key of the fault that wants it.
    pub fn refusing(&self, now: Instant) -> Option<u64> {
        let refuses = |active: &&Active| active.fault.kind == Kind::Refuse && active.stands(now);
        self.active.iter().find(refuses).map(|active| active.key)
    }

    /// Whether a fault is there and not expired; if so, until when.
    pub fn standing(&self, key: u64, now: Instant) -> Option<Option<Instant>> {
        let active = self.active.iter().find(|active| active.key == key)?;
        active.stands(now).then_some(active.until)
    }

    /// When the next fault expires.
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

/// The dice of one draw: they depend on nothing but these three numbers.
fn dice(seed: u64, id: u32, draw: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(scramble(scramble(scramble(seed) ^ u64::from(id)) ^ draw))
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014):
/// neighbouring numbers come out unlike each other.
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
