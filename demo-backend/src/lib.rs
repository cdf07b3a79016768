//! The thing that is balanced, and broken.
//!
//! One backend is two processes. The **agent** holds the control port and lives through everything; the
//! **worker** holds the data port, answers, and is killed, stopped and continued by the agent. So a crash in a
//! lesson is a true crash and a stall is a true stall, on a laptop and in a container alike.
//!
//! ```text
//!  control port -> agent --- orders: faults, seed (JSON lines, worker's stdin) ---> worker <- data port
//!                    ^---- reports: executed ids, ends, faults fired (worker's stdout) --'
//! ```
//!
//! Reading order: [`fault`] (what can go wrong, and who is hit), [`worker`] (how it is made to go wrong),
//! [`link`] (what the two tell each other), [`ledger`] (what the agent remembers of it), [`agent`].
//!
//! # Invariants
//! - A worker never outlives its agent, not even a stopped worker a killed agent.
//! - A request is in the ledger before any byte of its answer is sent.
//! - `arrived = finished + abandoned + broken + lost + in_flight`, whatever was killed when.
//! - The data port belongs to the agent from start to end, also while no worker listens on it.

pub mod agent;
pub mod cli;
pub mod fault;
pub mod health_check;
pub mod ledger;
pub mod link;
pub mod worker;
