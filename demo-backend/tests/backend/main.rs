//! Tests of the backend from outside: the real program, real processes, raw sockets.

#![expect(clippy::unwrap_used, reason = "in a test, also in its helpers, what must not fail may panic")]

mod answers;
mod capacity;
mod effects;
mod faults;
mod input;
mod pages;
mod presets;
mod process;
mod support;
