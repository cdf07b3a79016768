//! Lessons that check themselves.
//!
//! A lesson asks a question, runs scenarios of the simulator, and makes claims about them. Each claim has a
//! law, from which the band of right values follows ([`law`]), and a counter-case: other runs, with which the
//! claim must fail. A claim that nothing can break says nothing.
//!
//! A lesson is a folder with a `lesson.toml`, which [`Lesson::parse`] reads, and a `README.md` for students.

mod chart;
mod claim;
mod expression;
mod form;
pub mod law;
mod lesson;
mod measure;

pub use chart::Chart;
pub use claim::{Claim, Verdict};
pub use expression::{Expression, Reports};
pub use lesson::Lesson;
pub use measure::Measure;
