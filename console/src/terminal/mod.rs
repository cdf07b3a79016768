//! The console on a terminal.
//!
//! [`draw`] is pure: it makes the cells of a screen from a [`View`](crate::View), what the screen remembers
//! ([`Trail`]) and how it is shown ([`Look`]). [`live`] takes in the events of a stream, draws four times a
//! second, and passes on the key presses that concern the lab. [`plain`] writes a line a second instead, for
//! logs and screen readers. [`attach`] reads the events of a lab that runs elsewhere.

mod address;
mod attach;
mod columns;
mod command;
mod device;
mod foot;
mod head;
mod key_press;
mod lanes;
mod legend;
mod live;
mod look;
mod plain;
mod say;
mod scene;
mod screen;
mod sender;
mod snapshot;
mod source;
mod text;
mod tone;
mod trail;

pub use attach::{Attached, attach};
pub use command::command;
pub use device::{of_the_locale, wants_colours};
pub use key_press::KeyPress;
pub use live::{Start, live};
pub use look::{Addresses, Look};
pub use plain::plain;
pub use say::say;
pub use screen::{draw, text};
pub use sender::save_report;
pub use snapshot::snapshot;
pub use source::EventSource;
pub use trail::Trail;

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod screen_tests;
#[cfg(test)]
mod situations;
