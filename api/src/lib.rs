//! The documents of the balancer's admin port, as types: the balancer writes them, and `lb ctl` and the lab
//! read them.
//!
//! A reader ignores fields that it does not know, so a newer balancer may add some. Words such as the name of
//! a state are text here: a reader can show a word that it does not know.

mod backend;
mod command;
mod event;
mod state;

use std::borrow::Cow;

pub use backend::{BackendSummary, Progress};
pub use command::{LogLevel, PolicyInForce, Reloaded, StatisticsReset};
pub use event::{ControlChange, RequestEnd, StateChange};
pub use state::{BackendState, Bytes, Connections, LatencyMicros, ResponsesByClass, State, Totals};

/// A word or a sentence. A writer borrows it from the program, a reader owns it.
pub type Word = Cow<'static, str>;

/// Names of the program, as words of a document.
pub fn words(names: Vec<&'static str>) -> Vec<Word> {
    names.into_iter().map(Word::Borrowed).collect()
}
