//! Live runs: the setup of a lesson on real processes, with real requests.
//!
//! [`Plan`] says what is started, sent and broken; reading it is pure. [`Stage`] does it. Its result, a
//! [`LiveRun`], has the same [`Figures`](crate::Figures) as a run in virtual time. [`Lateness`] says whether
//! the machine was quick enough for claims about times.

mod act;
mod bench;
mod capacity;
mod figures;
mod form;
mod lateness;
mod names;
mod plan;
mod script;
mod settings;
mod stage;

pub use bench::Bench;
pub use figures::LiveRun;
pub use lateness::{LIMIT, Lateness};
pub use plan::Plan;
pub use stage::Stage;
