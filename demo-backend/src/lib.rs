//! The demo backend, which is balanced and broken.
//!
//! One backend is two processes. The **agent** holds the control port and survives all faults. The **worker**
//! holds the data port and answers; the agent kills, stops and continues it. So crashes and stalls are real,
//! on a laptop and in a container alike.
//!
//! ```text
//!  control port -> agent --- orders: capacity, faults (JSON lines, worker's stdin) ---> worker <- data port
//!                    ^---- reports: executed ids, ends, faults fired (worker's stdout) --'
//! ```
//!
//! Reading order: [`capacity`] (who is served, and who waits), [`fault`] (what can go wrong, and for which
//! requests), [`fields`] (how definitions of both are read), [`worker`] (how both are carried out), [`link`]
//! (the messages between the two processes), [`ledger`] (the memory of the agent), [`agent`].
//!
//! # Invariants
//! - A worker never outlives its agent, not even if the worker is stopped and the agent is killed.
//! - A request is in the ledger before any byte of its answer is sent.
//! - `arrived = finished + abandoned + broken + lost + in_flight`, whatever was killed when.
//! - The data port belongs to the agent from start to end, also while no worker listens on it.

pub mod agent;
pub mod capacity;
pub mod cli;
pub mod fault;
pub mod fields;
pub mod health_check;
pub mod ledger;
pub mod link;
pub mod presets;
pub mod worker;
