//! The server of the page, on the loopback of this machine.
//!
//! It serves the page, its files, the merged stream of a lab ([`LabStream`](lab::stream::LabStream)), and
//! takes commands. The `guard` decides which requests are allowed. A viewer that reads slowly loses events
//! and delays neither the lab nor other viewers; the number of viewers is limited.

mod body;
mod events;
mod files;
mod guard;
mod patient;
mod routes;
mod server;
mod site;
mod slim;
mod token;
mod urls;
mod viewers;

pub use guard::{Refusal, guard};
pub use server::PageServer;
pub use site::Site;
pub use token::Token;
pub use urls::address_of;

pub use crate::endpoint::{PAGE_PORT as PORT, TOKEN_HEADER};
