//! The server of the page, on the loopback of this machine.
//!
//! It serves the page, its files and the merged stream of a lab ([`LabStream`](lab::stream::LabStream)), and
//! it takes commands. A viewer that reads slowly loses events, and delays neither the lab nor other viewers.
//! The number of viewers is limited.
//!
//! The modules, in the order in which a request meets them:
//! - `server` accepts connections. `write_timeout` closes a connection whose client does not read.
//! - `guard` decides which requests are allowed, with the `token` of this start.
//! - `routes` has one handler for each request. `site` is the lab behind them.
//! - `files` has the files of the page, and `minify` makes them small.
//! - `events` writes the stream of a viewer, and `viewers` counts the viewers.
//! - `body` reads the body of a command.
//!
//! `urls` looks up the addresses that a user writes on the command line.

mod body;
mod events;
mod files;
mod guard;
mod minify;
mod routes;
mod server;
mod site;
mod token;
mod urls;
mod viewers;
mod write_timeout;

pub use guard::{Refusal, guard};
pub use server::PageServer;
pub use site::Site;
pub use token::Token;
pub use urls::address_of;

pub use crate::endpoint::{PAGE_PORT as PORT, TOKEN_HEADER};
