//! What a person sees of a lab.
//!
//! The events of a lab go in with their times, and the data of a screen come out. Everything but the I/O of
//! [`terminal`] is pure.
//!
//! - [`Model`] takes in the events of a lab, one after the other; its [`View`] is the data of a screen. The
//!   page has the same model in JavaScript, in `page/model.js`. A test gives both the same events, and
//!   compares their views.
//! - [`Health`] and [`Glyphs`] say how a state looks without colours, and [`shown`] makes text from outside
//!   safe for a terminal.
//! - [`report`] makes the page of a run that a student hands in, and [`Reporter`] follows a lab for it.
//! - [`web`] serves the page of a lab, and takes its commands.
//! - [`Action`] is what a key does, and [`action`] reads it from a [`Key`].
//! - [`terminal`] draws a view on a terminal, for `cargo xtask demo`, `replay` and `console`.

mod counts;
mod endpoint;
mod glyphs;
mod health;
mod keys;
mod model;
pub mod report;
mod reporter;
mod shown;
pub mod terminal;
pub mod web;

pub use glyphs::Glyphs;
pub use health::Health;
pub use keys::{Action, HELP, Key, action};
pub use model::{
    CELLS, Cell, Curve, Ghost, GhostLane, GhostTotals, Keys, LONG_US, Lane, LastProbe, LineKind, LoadFigures,
    LogLine, Mark, MarkKind, Model, POINT_US, POINTS, Percentiles, Point, Revealed, SPAN_US, STEP_US, Sample,
    Secret, Series, Server, Totals, Trouble, View, WINDOW_US,
};
pub use reporter::Reporter;
pub use shown::shown;
