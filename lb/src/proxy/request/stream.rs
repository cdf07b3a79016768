//! The body of a request as it comes, in the protocol of the client.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;

use crate::proxy::cut::Cut;
use crate::proxy::wire::Reader;

/// The source of a request's body.
#[derive(Debug)]
pub(crate) enum ClientStream {
    /// HTTP/1.1: the read half of the client's connection, which the connection itself watches as well.
    Http1(Rc<RefCell<Reader>>),
}

impl ClientStream {
    /// The next part of the body; `None` at its end.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Self::Http1(reader) = self;
        reader.borrow_mut().poll_frame(cx)
    }

    /// Whether the complete body has come.
    pub(crate) fn is_end(&self) -> bool {
        let Self::Http1(reader) = self;
        reader.borrow().body.is_end()
    }

    /// Bytes of the body that are still missing, if the number is known.
    pub(crate) fn left(&self) -> Option<u64> {
        let Self::Http1(reader) = self;
        reader.borrow().body.left()
    }
}
