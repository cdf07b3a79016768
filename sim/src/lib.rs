//! A simulator in virtual time that runs the decisions of Roundabout: the crate `balance`, and not a copy.
//!
//! # Reading order
//! 1. [`Sim`] describes a simulation, [`Report`] has its results.
//! 2. `run/` is the loop: it takes the event that is due first, and calls the balancer's pool.
//! 3. `station.rs` is a server with its queue. [`Arrivals`], [`Service`], [`Clients`] and [`Fault`] say what
//!    meets it.
//! 4. [`theory`] has the formulas against which the tests check the results.
//!
//! # Invariants
//! - One seed is one run: the same description gives the same results, bit by bit. Time is a whole number of
//!   nanoseconds, and each random number has a name (`draws.rs`).
//! - Another policy meets the same arrivals, sizes and faults.
//! - Nothing here reads a clock or does I/O.
//!
//! # Example
//! Four servers with one worker each, 80 % busy: round robin lets a request wait longer than least
//! connections does.
//!
//! ```
//! use balance::Rules;
//! use balance::policy::Kind;
//! use sim::{Arrivals::Poisson, Server, Service::Exp, Sim, Stop::Requests, ms};
//!
//! let (report, trace) = Sim::new(42)
//!     .servers(4, Server::workers(1))
//!     .balancer(Rules { policy: Kind::LeastConnections, ..Rules::default() })
//!     .arrivals(Poisson(64.0))
//!     .service(Exp(ms(50)))
//!     .record(Requests(20_000));
//! let other = trace.replay(Kind::RoundRobin);
//! assert!(other.mean() > report.mean() * 3 / 2);
//! ```

mod arrivals;
mod balancer;
mod client;
mod clock;
mod draws;
mod events;
mod faults;
mod gauge;
mod jobs;
mod picks;
mod recording;
mod report;
mod run;
pub mod scenario;
mod server;
mod service;
mod settings;
mod simulate;
mod station;
mod stream;
mod table;

pub mod theory;

pub use arrivals::Arrivals;
pub use balancer::{Balancing, Pings, Places};
pub use client::{Backoff, Clients, Keys};
pub use clock::{ms, s};
pub use faults::Fault;
pub use picks::Picks;
pub use recording::{RecordedCall, Recording, Trace};
pub use report::{BackendFigures, BackendTick, Figures, Report, StateChange, Tick};
pub use server::{Cache, Collections, Discipline, OnDisconnect, Probes, Queue, Server};
pub use service::Service;
pub use settings::{Sim, Stop};
pub use stream::{Follow, Skipped, StreamRecording, follow, read_line};
pub use table::table;
