//! Sends the rest of a request whose answer has already begun, in a task of its own. So a client that does
//! not read the answer yet does not block its own request.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use balance::verdict::Failure;
use tokio_util::task::AbortOnDropHandle;

use crate::proxy::request::body::TryBody;
use crate::proxy::request::pace::Pace;
use crate::proxy::wire::{SendError, Writer};

/// The task, and the write half that it returns. The write half stays open, because a backend could take a
/// closed one for a client that has left.
#[derive(Debug)]
pub(crate) struct Apart {
    task: Option<AbortOnDropHandle<(Writer<TryBody>, Option<Failure>)>>,
    outgoing: Option<Writer<TryBody>>,
    seen: Rc<Seen>,
}

/// The progress of the task.
#[derive(Debug, Default)]
struct Seen {
    moved: Cell<u64>,
    awaits_client: Cell<bool>,
}

impl Apart {
    /// Starts a task that sends the rest of the request to a backend.
    pub(crate) fn begin(mut outgoing: Writer<TryBody>, mut pace: Option<Pace>) -> Self {
        let seen = Rc::new(Seen::default());
        let tell = Rc::clone(&seen);
        let task = tokio::task::spawn_local(async move {
            let mut late = None;
            let sent = poll_fn(|cx| {
                let sent = outgoing.poll_send(cx);
                let (moved, awaits) = (outgoing.moved(), sent.is_pending() && outgoing.is_flushed());
                let news =
                    (tell.moved.replace(moved) != moved) | (tell.awaits_client.replace(awaits) != awaits);
                if let Some(pace) = pace.as_mut().filter(|_| news) {
                    let deadline = pace.deadline(std::time::Instant::now(), moved, awaits);
                    late = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline.into())));
                }
                match (sent, &mut late) {
                    (Poll::Ready(Err(SendError::Body(error))), _) => Poll::Ready(Some(Failure::from(error))),
                    // If the backend accepts no more bytes, its answer gives the reason.
                    (Poll::Ready(_), _) => Poll::Ready(None),
                    (Poll::Pending, Some(late)) => {
                        ready!(late.as_mut().poll(cx));
                        Poll::Ready(Some(Failure::SlowUpload))
                    }
                    (Poll::Pending, None) => Poll::Pending,
                }
            });
            let failure = sent.await;
            (outgoing, failure)
        });
        Self { task: Some(AbortOnDropHandle::new(task)), outgoing: None, seen }
    }

    /// The failure of the client's part, once it is known.
    pub(crate) fn poll_failure(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let Some(task) = &mut self.task else { return Poll::Pending };
        let ended = ready!(Pin::new(task).poll(cx)).ok();
        self.task = None;
        let (outgoing, failure) = ended.unzip();
        self.outgoing = outgoing;
        failure.flatten().map_or(Poll::Pending, Poll::Ready)
    }

    /// Bytes of the request that were sent.
    pub(crate) fn moved(&self) -> u64 {
        self.seen.moved.get()
    }

    /// Whether the task waits for more bytes from the client.
    pub(crate) fn awaits_client(&self) -> bool {
        self.seen.awaits_client.get()
    }
}
