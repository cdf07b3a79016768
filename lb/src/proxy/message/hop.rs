//! The hop from a client to the balancer, as the headers for the next hop describe it.

use http::HeaderValue;

use crate::proxy::message::via::Mark;

/// The hop between the client and this balancer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hop<'a> {
    /// The IP address of the client.
    pub client: &'a HeaderValue,
    /// The client is a proxy that is trusted to tell the origin of the request.
    pub trusted: bool,
    /// The name of this balancer.
    pub name: &'a str,
    /// The mark that this balancer adds to the request, to recognise the request if it comes back.
    pub via: &'a Mark,
}
