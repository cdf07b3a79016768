//! The faults, their order, and what a client may see of each.
//!
//! Pure. A balancer can hide a fault if the answer has not begun and the request may be executed twice. It
//! cannot take back bytes that a client has read, and must not repeat a POST that may have been executed. So
//! the allowed errors depend on the request:
//!
//! | fault | a GET with a short answer | with a long one | a POST |
//! |---|---|---|---|
//! | kill, restart | | cut | 502, cut |
//! | refuse | | | 502 |
//! | reset before, close early | | | 502 |
//! | reset mid | cut | cut | 502, cut |
//! | truncate, truncate chunks | cut | cut | cut |
//! | garbage | 502 | 502 | 502 |
//! | status | 500 | 500 | 500 |
//! | stop, latency, drip, stall before, stall mid, vanish, leave, look-ups | | | |
//!
//! A request whose path closes the connection gets a 502, with or without a fault. A GET of this path is
//! tried again at another backend; if that backend is stopped or stalls, no backend is left, and the client
//! gets a 504.
//!
//! A short answer leaves its backend in one piece, head and body, so that a kill hits it before or after. A
//! reset may overtake the head that was sent before it. Empty cells cost at most time.

use serde_json::{Value, json};

use crate::load::Outcome;

/// A way in which a backend breaks, or in the last cases a client or a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, and a new start some time later.
    Kill,
    /// SIGKILL, and a new start at once.
    Restart,
    /// SIGSTOP, and SIGCONT some time later.
    Stop,
    /// The port refuses connections.
    Refuse,
    /// Answers come late.
    Latency,
    /// The backend answers 500.
    Status,
    /// Answers come in small pieces.
    Drip,
    /// A body ends before its length.
    Truncate,
    /// A chunked body ends without its last chunk.
    TruncateChunks,
    /// A reset in place of an answer.
    ResetBefore,
    /// A reset in the middle of an answer.
    ResetMid,
    /// The connection ends before the answer.
    CloseEarly,
    /// The answer is not HTTP.
    Garbage,
    /// Nothing comes for some time before the answer.
    StallBefore,
    /// Nothing comes for some time in the middle of the answer.
    StallMid,
    /// No backend breaks: clients leave while they wait.
    Vanish,
    /// Clients leave in the middle of an upload whose answer has begun.
    Leave,
    /// Backends are added whose names have no address, or no address in time.
    LookUps,
}

/// A fault at a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// The fault.
    pub fault: Fault,
    /// The number of the backend.
    pub backend: usize,
    /// The percentage of the backend's requests that it hits, if it hits single requests.
    pub percent: u8,
}

/// A kind of request, as far as it matters for faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// A GET whose answer leaves its backend in one piece.
    ShortGet,
    /// A GET whose answer leaves its backend in several pieces.
    LongGet,
    /// A POST.
    Post,
    /// A GET of a path that closes the connection.
    DyingGet,
    /// A POST to such a path.
    DyingPost,
}

/// The way in which a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// The backend itself answered 500.
    Status500,
    /// The balancer answered 502.
    BadGateway,
    /// The balancer answered 504.
    GatewayTimeout,
    /// The answer ended early.
    Cut,
    /// No fault explains the error.
    Other,
}

/// All faults, in the order of a long run: shuffled, each at some backend, each exactly once.
pub fn order(random: &mut fastrand::Rng, backends: usize) -> Vec<Strike> {
    let mut faults = Fault::ALL;
    random.shuffle(&mut faults);
    let strike = |fault| Strike {
        fault,
        backend: random.usize(1..=backends),
        // All: the backend goes down at once. Some: it stays up, with good answers among the broken ones.
        percent: [20, 50, 100][random.usize(..3)],
    };
    faults.into_iter().map(strike).collect()
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 18] = [
        Self::Kill,
        Self::Restart,
        Self::Stop,
        Self::Refuse,
        Self::Latency,
        Self::Status,
        Self::Drip,
        Self::Truncate,
        Self::TruncateChunks,
        Self::ResetBefore,
        Self::ResetMid,
        Self::CloseEarly,
        Self::Garbage,
        Self::StallBefore,
        Self::StallMid,
        Self::Vanish,
        Self::Leave,
        Self::LookUps,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Refuse => "refuse",
            Self::Latency => "latency",
            Self::Status => "status 500",
            Self::Drip => "drip",
            Self::Truncate => "truncate",
            Self::TruncateChunks => "truncate chunks",
            Self::ResetBefore => "reset before",
            Self::ResetMid => "reset mid",
            Self::CloseEarly => "close early",
            Self::Garbage => "garbage",
            Self::StallBefore => "stall before",
            Self::StallMid => "stall mid",
            Self::Vanish => "clients vanish",
            Self::Leave => "uploads left",
            Self::LookUps => "look-ups hang",
        }
    }

    /// The fault for the control port of the backend, unless its process or its clients break.
    fn definition(self) -> Option<Value> {
        Some(match self {
            Self::Kill | Self::Restart | Self::Stop | Self::Vanish | Self::Leave | Self::LookUps => {
                return None;
            }
            Self::Refuse => json!({"kind": "refuse"}),
            Self::Latency => json!({"kind": "latency", "exponential": "100ms"}),
            Self::Status => json!({"kind": "status", "code": 500}),
            Self::Drip => json!({"kind": "drip", "bytes": 200, "every": "2ms"}),
            Self::Truncate => json!({"kind": "truncate"}),
            Self::TruncateChunks => json!({"kind": "truncate", "chunked": true}),
            Self::ResetBefore => json!({"kind": "reset", "at": "before"}),
            Self::ResetMid => json!({"kind": "reset", "at": "mid"}),
            Self::CloseEarly => json!({"kind": "close_early"}),
            Self::Garbage => json!({"kind": "garbage"}),
            // Long enough to be suspected of silence.
            Self::StallBefore => json!({"kind": "stall", "at": "before", "hold": "700ms"}),
            Self::StallMid => json!({"kind": "stall", "at": "mid", "hold": "700ms"}),
        })
    }

    /// The possible errors of a request that this fault hits: the table above.
    fn may_show(self, kind: CallKind) -> &'static [Wrong] {
        use Wrong::{BadGateway, Cut, Status500};
        match (self, kind) {
            // Their usual errors are in `CallKind::always_shows`.
            (Self::Stop | Self::StallBefore, CallKind::DyingGet) => &[Wrong::GatewayTimeout],
            (_, CallKind::DyingGet | CallKind::DyingPost) => &[],
            (Self::Kill | Self::Restart, CallKind::ShortGet) => &[],
            (Self::Kill | Self::Restart, CallKind::LongGet) => &[Cut],
            (Self::Kill | Self::Restart, CallKind::Post) => &[BadGateway, Cut],
            (Self::Refuse | Self::ResetBefore | Self::CloseEarly, CallKind::Post) => &[BadGateway],
            (Self::Refuse | Self::ResetBefore | Self::CloseEarly, CallKind::ShortGet | CallKind::LongGet) => {
                &[]
            }
            (Self::ResetMid, CallKind::ShortGet | CallKind::LongGet) => &[Cut],
            (Self::ResetMid, CallKind::Post) => &[BadGateway, Cut],
            (Self::Truncate | Self::TruncateChunks, _) => &[Cut],
            (Self::Garbage, _) => &[BadGateway],
            (Self::Status, _) => &[Status500],
            (
                Self::Stop
                | Self::Latency
                | Self::Drip
                | Self::StallBefore
                | Self::StallMid
                | Self::Vanish
                | Self::Leave
                | Self::LookUps,
                _,
            ) => &[],
        }
    }
}

impl CallKind {
    /// Whether it may be executed only once.
    pub(super) fn is_post(self) -> bool {
        matches!(self, Self::Post | Self::DyingPost)
    }

    /// The errors without any fault.
    pub(super) fn always_shows(self) -> &'static [Wrong] {
        match self {
            Self::DyingGet | Self::DyingPost => &[Wrong::BadGateway],
            Self::ShortGet | Self::LongGet | Self::Post => &[],
        }
    }
}

impl Strike {
    /// The faults for the control port of the backend, as an array.
    pub fn define_faults(self) -> Option<Value> {
        let mut fault = self.fault.definition()?;
        if self.fault != Fault::Refuse {
            fault["percent"] = self.percent.into();
        }
        Some(json!([fault]))
    }

    /// Whether this fault ends a try at its backend in a way that a request which may be repeated does not
    /// show.
    pub(super) fn ends_a_try(self) -> bool {
        self.fault.may_show(CallKind::Post).contains(&Wrong::BadGateway)
    }

    /// Whether this fault explains this error. `backend` is the backend that answered, if one did.
    pub(super) fn explains(self, kind: CallKind, wrong: Wrong, backend: Option<u32>) -> bool {
        let is_its_own = backend.is_none_or(|number| usize::try_from(number) == Ok(self.backend));
        is_its_own && self.fault.may_show(kind).contains(&wrong)
    }
}

impl Wrong {
    /// The error of a request, if there is one. `backend` is the backend that answered, if one did.
    pub fn of(outcome: &Outcome, backend: Option<u32>) -> Option<Self> {
        Some(match (outcome, backend) {
            (Outcome::Answered(..400), _) => return None,
            (Outcome::Answered(500), Some(_)) => Self::Status500,
            (Outcome::Answered(502), None) => Self::BadGateway,
            (Outcome::Answered(504), None) => Self::GatewayTimeout,
            // These errors concern the connection to the balancer, and clients that have waited for half a
            // minute.
            (Outcome::Failed(why), _) if why.contains("cannot connect") || why.contains("within") => {
                Self::Other
            }
            (Outcome::Failed(_), _) => Self::Cut,
            (Outcome::Answered(_) | Outcome::Mistaken(_), _) => Self::Other,
        })
    }

    /// A short name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Status500 => "500",
            Self::BadGateway => "502",
            Self::GatewayTimeout => "504",
            Self::Cut => "cut",
            Self::Other => "OTHER",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_comes_once_before_one_comes_again() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20 {
            let order = order(&mut random, 4);
            assert_eq!(order.len(), Fault::ALL.len());
            for fault in Fault::ALL {
                assert!(order.iter().any(|strike| strike.fault == fault), "{fault:?} is missing");
            }
            assert!(order.iter().all(|strike| (1..=4).contains(&strike.backend)));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_order_and_another_one_another() {
        let with = |seed| order(&mut fastrand::Rng::with_seed(seed), 4);
        assert_eq!(with(7), with(7));
        assert_ne!(with(7), with(8));
    }

    #[test]
    fn clients_may_see_the_errors_of_the_table() {
        use Wrong::{BadGateway, Cut, Status500};
        let written = include_str!("faults.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
        let rows: Vec<Vec<&str>> =
            written.map(|row| row.trim_end_matches('|').split('|').map(str::trim).collect()).collect();
        let mut seen = 0;
        for fault in Fault::ALL {
            // The table has short names for some long names of the run's table.
            let name = match fault {
                Fault::Status => "status",
                Fault::Vanish => "vanish",
                Fault::Leave => "leave",
                Fault::LookUps => "look-ups",
                other => other.name(),
            };
            let row = rows.iter().find(|row| row[0].split(", ").any(|word| word == name));
            let row = row.unwrap_or_else(|| panic!("{name} has no row"));
            for (cell, kind) in [(1, CallKind::ShortGet), (2, CallKind::LongGet), (3, CallKind::Post)] {
                let words: Vec<&str> = row[cell].split(", ").filter(|word| !word.is_empty()).collect();
                for wrong in [Status500, BadGateway, Wrong::GatewayTimeout, Cut, Wrong::Other] {
                    let said = words.contains(&wrong.word());
                    assert_eq!(fault.may_show(kind).contains(&wrong), said, "{fault:?} {kind:?} {wrong:?}");
                    seen += usize::from(said);
                }
            }
        }
        assert_eq!(seen, 25, "the table was read whole");
    }

    #[test]
    fn a_fault_explains_only_what_its_own_backend_answers() {
        let strike = Strike { fault: Fault::Status, backend: 2, percent: 50 };
        assert!(strike.explains(CallKind::ShortGet, Wrong::Status500, Some(2)));
        assert!(!strike.explains(CallKind::ShortGet, Wrong::Status500, Some(3)));
        assert!(!strike.explains(CallKind::ShortGet, Wrong::Other, Some(2)));
    }

    #[test]
    fn kinds_of_errors_are_distinguished() {
        let failed = |why: &str| Outcome::Failed(why.into());
        for (outcome, backend, wrong) in [
            (Outcome::Answered(200), Some(1), None),
            (Outcome::Answered(500), Some(1), Some(Wrong::Status500)),
            (Outcome::Answered(500), None, Some(Wrong::Other)),
            (Outcome::Answered(502), None, Some(Wrong::BadGateway)),
            (Outcome::Answered(503), None, Some(Wrong::Other)),
            (Outcome::Answered(504), None, Some(Wrong::GatewayTimeout)),
            (Outcome::Answered(504), Some(1), Some(Wrong::Other)),
            (Outcome::Answered(404), Some(1), Some(Wrong::Other)),
            (failed("the answer ended early: connection reset"), None, Some(Wrong::Cut)),
            (failed("cannot connect: refused"), None, Some(Wrong::Other)),
            (failed("no complete answer within 30s"), None, Some(Wrong::Other)),
            (Outcome::Mistaken("it is the answer to x".into()), Some(1), Some(Wrong::Other)),
        ] {
            assert_eq!(Wrong::of(&outcome, backend), wrong, "{outcome:?} {backend:?}");
        }
    }

    #[test]
    fn defined_faults_are_what_a_backend_takes() {
        let strike = |fault| Strike { fault, backend: 1, percent: 20 };
        assert_eq!(strike(Fault::Kill).define_faults(), None);
        assert_eq!(strike(Fault::Refuse).define_faults(), Some(json!([{"kind": "refuse"}])));
        assert_eq!(strike(Fault::Garbage).define_faults(), Some(json!([{"kind": "garbage", "percent": 20}])));
    }
}
