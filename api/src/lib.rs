//! The documents of the balancer's admin port and the events of a lab, as types: the balancer and the lab
//! write them, and `lb ctl`, the lab and the console read them.
//!
//! A reader ignores fields that it does not know, so a newer balancer may add some. Words such as the name of
//! a state are text here: a reader can show a word that it does not know.

mod backend;
mod change;
mod command;
mod excerpt;
mod explain;
mod state;
mod stream;
mod tick;

use std::borrow::Cow;

pub use backend::{BackendSummary, Progress};
pub use change::Change;
pub use command::{Command, LoadModel, LogLevel, PolicyInForce, Reloaded, StatisticsReset};
pub use excerpt::excerpt;
pub use explain::{Candidate, Decision, Excluded, Explanation, Try};
pub use state::{BackendState, Bytes, Connections, LatencyMicros, ResponsesByClass, State, Totals};
pub use stream::{
    ControlChange, Event, Fault, Gap, Ghost, Hello, HelloBackend, Load, Probe, Req, SCHEMA, StateChange, Why,
};
pub use tick::{BackendTick, Buckets, LoadTick, ServerTick, Tick};

/// A word or a sentence. A writer borrows it from the program, a reader owns it.
pub type Word = Cow<'static, str>;

/// Whether a number is left out of a document, because it is the default.
fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

/// Names of the program, as words of a document.
pub fn words(names: Vec<&'static str>) -> Vec<Word> {
    names.into_iter().map(Word::Borrowed).collect()
}
