//! Claims about a run, and whether they hold.
//!
//! Pure: measurements go in, verdicts come out. A [`Claim`] is a sentence, a measured value, a tolerance, and
//! a counter-case: a run that breaks it. [`judge`] compares claims with a run. [`faults_of`] compares them
//! with their counter-cases, because a claim that nothing can break says nothing.
//!
//! - [`failover`] has the claims of `cargo xtask demo --scenario failover`.
//! - [`soak`] has the claims of `cargo xtask soak`. [`audit`] compares the counts of clients, backends and
//!   balancer, and [`faults`] says which errors a fault explains.

pub mod audit;
mod claim;
pub mod failover;
pub mod faults;
pub mod soak;

pub use claim::{Claim, Measured, Tolerance, Value, Verdict, ensure_all_hold, faults_of, judge};
