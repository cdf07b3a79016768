//! Which balancer a lab has, and what it can do besides passing on requests.

use std::net::SocketAddr;

use super::peers::OtherBalancer;

/// The balancer of a lab.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balancer {
    /// Ours, built by the lab.
    #[default]
    Own,
    /// One of another project, as it is installed on this machine.
    Other(&'static OtherBalancer),
    /// One that runs already at this address, in front of the fixed ports of the backends. The lab does not
    /// end it.
    Running(SocketAddr),
}

impl Balancer {
    /// Its name, as its project writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "Roundabout",
            Self::Other(other) => other.name,
            Self::Running(_) => "the balancer",
        }
    }
}

/// What a running balancer reports and accepts besides requests: for each, the address that does so, or
/// `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It reports its state and those of the backends.
    pub state: Option<SocketAddr>,
    /// It reports events as they happen.
    pub events: Option<SocketAddr>,
    /// It changes its policy while it runs.
    pub policies: Option<SocketAddr>,
    /// It adds and removes backends while it runs.
    pub members: Option<SocketAddr>,
}

impl Capabilities {
    /// One port does everything.
    pub(super) fn all(port: SocketAddr) -> Self {
        Self { state: Some(port), events: Some(port), policies: Some(port), members: Some(port) }
    }
}
