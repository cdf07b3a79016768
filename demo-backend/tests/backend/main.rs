//! The backend from outside: the real program, real processes, raw sockets.

mod answers;
mod faults;
mod input;
mod process;
mod support;
