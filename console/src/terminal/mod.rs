//! The console on a terminal.
//!
//! [`draw`] is pure: it makes the cells of a screen from a [`View`](crate::View), what the screen remembers
//! ([`Trail`]) and how it is shown ([`Look`]). [`live`] takes in the events of a stream, draws four times a
//! second, and passes on what the user wants. [`plain`] writes a line a second instead, for logs and screen
//! readers.

mod columns;
mod device;
mod foot;
mod head;
mod lanes;
mod legend;
mod live;
mod look;
mod plain;
mod say;
mod scene;
mod screen;
mod source;
mod text;
mod tone;
mod trail;

pub use device::of_the_locale;
pub use live::{Start, Wish, live};
pub use look::{Addresses, Look};
pub use plain::plain;
pub use say::say;
pub use screen::{draw, text};
pub use source::EventSource;
pub use trail::Trail;

#[cfg(test)]
mod screen_tests;
