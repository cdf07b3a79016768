//! The bench.
pub mod image;
