//! Lessons that check themselves.
//!
//! A lesson asks a question, runs a setup in virtual time or on real processes ([`live`]), and makes claims
//! about it. Each claim has a law, from which the band of right values follows ([`law`]), and a counter-case:
//! other runs, with which the claim must fail. A claim that nothing can break says nothing.
//!
//! A lesson is a folder with a `lesson.toml`, which [`Lesson::parse`] reads, and a `README.md` for students.

mod answer;
mod chart;
mod claim;
mod expression;
mod figures;
mod form;
mod grade;
pub mod law;
mod lesson;
pub mod live;
mod measure;
mod setup;

pub use answer::Answer;
pub use chart::Chart;
pub use claim::{Claim, Outcome, Verdict};
pub use expression::Expression;
pub use figures::{BackendFigures, Between, Figures, Reports};
pub use form::Place;
pub use grade::Grade;
pub use lesson::Lesson;
pub use measure::Measure;
pub use setup::policies;
