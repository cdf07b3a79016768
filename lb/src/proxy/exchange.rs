//! One exchange: the request of a client, in all its tries, and the answer of a backend.
//!
//! This is the seam between the path of a request and the protocols of its two sides. The path knows heads,
//! bodies and interim answers. How a side writes them, and what else happens on its connection, is behind two
//! types: [`ClientStream`] reads the body of a request, and [`BackendStream`] carries a request to a backend
//! and its answer back. Another version of HTTP is one more variant of each, and needs a client loop and
//! connections of its own.
//!
//! [`ClientStream`]: crate::proxy::request::stream::ClientStream

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use balance::verdict::{self, Failure};
use http::HeaderValue;

use crate::proxy::context::{self, Attempts, Retries, Tried};
use crate::proxy::message::head::{RequestHead, ResponseHead};
use crate::proxy::message::prepare;
use crate::proxy::record::request_record::RequestRecord;
use crate::proxy::request::body::ReplayBody;
use crate::proxy::request::client::ClientContext;
use crate::proxy::settings::InForce;
use crate::proxy::upstream::stream::BackendStream;

/// A request in all its tries. The record has its context.
pub(crate) struct Exchange<'a> {
    pub(crate) client: &'a ClientContext,
    pub(crate) settings: Rc<InForce>,
    pub(crate) head: RequestHead,
    pub(crate) body: ReplayBody,
    /// The key for the policy, and the backend that the cookie names.
    pub(crate) key: Option<u64>,
    pub(crate) home: Option<u64>,
    /// The deadline for the answer. It moves as long as the client is sending.
    pub(crate) deadline: Cell<Instant>,
    /// A backend may have executed the request already, although no answer came.
    pub(crate) may_have_run: Cell<bool>,
    /// At least one of the backends that were tried was not known to be down.
    pub(crate) met_alive: bool,
}

/// An answer whose head has come, with the stream for the rest.
pub(crate) struct BackendAnswer {
    pub(crate) head: ResponseHead,
    /// The rest of the answer, on its connection.
    pub(crate) stream: BackendStream,
}

impl Exchange<'_> {
    /// Whether the request may be executed twice, and can be sent again from its first byte.
    pub(crate) fn is_repeatable(&self) -> bool {
        verdict::is_idempotent(&self.head.method) && self.body.is_held()
    }

    /// Whether the settings want another attempt after an answer with this status. An answer that comes
    /// before the request is completely sent goes to the client: for another attempt, the balancer would have
    /// to break off the transfer, and this would break off the answer too.
    pub(crate) fn is_unwanted(&self, BackendAnswer { head, stream }: &BackendAnswer) -> bool {
        self.settings.retry_on.contains(&head.status) && stream.is_sent()
    }

    /// Whether a second backend may be tried as well: only at first, and only for requests that may be
    /// executed twice.
    pub(crate) fn may_be_hedged(&self, record: &RequestRecord) -> bool {
        self.settings.hedge_after.is_some()
            && self.is_repeatable()
            && context::get::<Tried>(&record.context).0.is_empty()
            && context::get::<Retries>(&record.context).0 == 0
    }

    /// The request leaves a backend for another one. The next backend gets the number of the attempt, so that
    /// an observer can see how a request moves.
    pub(crate) fn leave(&mut self, backend: usize, failure: Failure, record: &mut RequestRecord) {
        context::move_on(&mut record.context, backend, failure);
        let Attempts(attempt) = context::get(&record.context);
        self.head.headers.insert(prepare::ATTEMPT, HeaderValue::from(attempt));
    }
}
