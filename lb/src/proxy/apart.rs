//! The rest of a request whose answer has begun already, sent by a task of its own: so that it is not held up by a client that
//! does not read the answer yet.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use balance::verdict::Failure;
use tokio_util::task::AbortOnDropHandle;

use super::body::TryBody;
use super::pace::Pace;
use super::wire::{Unsent, Writer};

/// The task, and its way out: a backend could take a closed one for a client that has left.
#[derive(Debug)]
pub(super) struct Apart {
    task: Option<AbortOnDropHandle<(Writer<TryBody>, Option<Failure>)>>,
    outgoing: Option<Writer<TryBody>>,
    seen: Rc<Seen>,
}

/// How far it is.
#[derive(Debug, Default)]
struct Seen {
    moved: Cell<u64>,
    awaits_client: Cell<bool>,
}

impl Apart {
    /// Has a task send the rest of what a backend's connection is sending.
    pub(super) fn begin(mut outgoing: Writer<TryBody>, mut pace: Option<Pace>) -> Self {
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
                    (Poll::Ready(Err(Unsent::Body(error))), _) => Poll::Ready(Some(Failure::from(error))),
                    // If the backend takes no more, its answer tells why.
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

    /// How the client's part of it has failed, once that is known.
    pub(super) fn poll_failure(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let Some(task) = &mut self.task else { return Poll::Pending };
        let ended = ready!(Pin::new(task).poll(cx)).ok();
        self.task = None;
        let (outgoing, failure) = ended.unzip();
        self.outgoing = outgoing;
        failure.flatten().map_or(Poll::Pending, Poll::Ready)
    }

    /// Bytes of the request that are on their way.
    pub(super) fn moved(&self) -> u64 {
        self.seen.moved.get()
    }

    /// Whether the rest is held up by the client, which has yet to send it.
    pub(super) fn awaits_client(&self) -> bool {
        self.seen.awaits_client.get()
    }
}
