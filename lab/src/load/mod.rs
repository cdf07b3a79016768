//! Load on a balancer, with correct numbers and without an unaccounted request.
//!
//! - **Closed loop** ([`Load::closed`]): a number of clients, each of which sends its next request when it
//!   has the answer to the last one. The throughput is the result; a server that stalls gets fewer requests,
//!   and so looks better than it is.
//! - **Open loop** ([`Load::open`]): requests start at given times, whatever the server does. Latency counts
//!   from the time at which a request should have started, so it includes the wait for a free connection. A
//!   measurement without this wait makes the mistake known as coordinated omission (Gil Tene, "How NOT to
//!   Measure Latency"). A [`Summary`] shows both, and how late the load itself was.
//!
//! All random numbers of a load come from its [seed](Load::seed). Each of them belongs to one request, so two
//! loads with the same description and the same seed send the same requests, whatever the balancer does.
//!
//! A [`Call`] can give its requests [`Keys`] and [`Sizes`]. Clients can think ([`Load::think`]), lose their
//! patience ([`Load::patience`]) and try again ([`Load::retries`]). The rate and the kind of loop can change
//! while the load runs ([`Running::set_rate`]).
//!
//! Every request has its own `X-Request-Id` and ends as one [`Entry`] of a ledger; an answer to another
//! request is an outcome of its own kind. All figures are calculated from that ledger later, for any period,
//! and [`Report::compare`] compares it with the executions that the backends report. [`Report::write`] keeps
//! the ledger as a recording.
//!
//! The load runs on a thread of its own, so that it does not disturb other work: one thread sends more than
//! ten thousand requests a second.

mod arrivals;
mod call;
mod check;
mod crowd;
mod description;
mod draws;
mod in_flight;
mod jobs;
mod keys;
#[cfg(test)]
mod laws;
mod ledger;
mod microseconds;
mod rates;
mod recording;
mod report;
mod retries;
mod run;
mod schedule;
mod shared;
mod sizes;
mod summary;
mod template;
#[cfg(test)]
mod test_server;
mod think;
mod truth;
mod tunnels;

pub use arrivals::Arrivals;
pub use call::Call;
pub use crowd::{Crowd, SlowCrowd};
pub use description::Load;
pub use keys::Keys;
pub use ledger::{Comparison, Entry, Executed, Outcome, Try};
pub use report::Report;
pub use retries::{Backoff, Retries, RetryBudget};
pub use run::Running;
pub use sizes::Sizes;
pub use summary::{Quantiles, Summary, summarise};
pub use think::Think;
pub use truth::GroundTruth;
pub use tunnels::Tunnels;
