//! The body of an answer: complete, in pieces, or cut off.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::faulty::Faulty;
use super::report::Ticket;
use super::wire::AbortHandle;
use crate::fault::{Act, Drip, Plan, Wait};

/// The source of the pieces of `/bytes/<n>`.
static PATTERN: [u8; 64 * 1024] = [b'.'; 64 * 1024];

/// The body of one answer. It holds the request's [`Ticket`]: the request is over when the body is.
pub(super) struct AnswerBody {
    source: Source,
    ticket: Ticket,
    script: Option<Box<Script>>,
}

/// The source of the bytes.
pub(super) enum Source {
    /// From memory.
    Held(Bytes),
    /// This number of dots.
    Dots(u64),
    /// From the request.
    Echo(Incoming),
}

/// The effects of faults on a body.
struct Script {
    faulty: Rc<Faulty>,
    handle: AbortHandle,
    drip: Option<(u64, Drip)>,
    /// The actions and their positions, in this order.
    cuts: VecDeque<(u64, Act)>,
    chunked: bool,
    sent: u64,
    /// Bytes from the source that are not sent yet.
    held: Bytes,
    pause: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl AnswerBody {
    /// A body from `source`, with the faults of `plan`.
    pub(super) fn new(
        source: Source,
        mut ticket: Ticket,
        plan: &Plan,
        faulty: &Rc<Faulty>,
        handle: &AbortHandle,
    ) -> Self {
        let script = (plan.drip.is_some() || !plan.cuts.is_empty())
            .then(|| Box::new(Script::new(plan, source.length(), Rc::clone(faulty), handle.clone())));
        // hyper takes these bytes together with the answer. Reporting the end now saves a report of its own.
        if script.is_none() && matches!(source, Source::Held(_)) {
            ticket.finish();
        }
        Self { source, ticket, script }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { source, ticket, script } = &mut *self;
        let bytes = match script {
            Some(script) => ready!(script.poll_next(source, ticket, context)),
            None => ready!(source.poll_next(context)),
        };
        let is_last = script.as_ref().is_none_or(|script| script.is_over()) && source.is_over();
        match bytes {
            Some(Ok(bytes)) => {
                if is_last {
                    ticket.finish();
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                ticket.finish();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.script.as_ref().is_none_or(|script| script.is_over()) && self.source.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        let chunked = self.script.as_ref().is_some_and(|script| script.chunked);
        let held = self.script.as_ref().map_or(0, |script| script.held.len() as u64);
        match self.source.length() {
            Some(length) if !chunked => SizeHint::with_exact(length + held),
            _ => SizeHint::default(),
        }
    }
}

impl Source {
    /// The number of missing bytes, if known.
    fn length(&self) -> Option<u64> {
        match self {
            Self::Held(bytes) => Some(bytes.len() as u64),
            Self::Dots(left) => Some(*left),
            Self::Echo(body) => body.size_hint().exact(),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Held(bytes) => bytes.is_empty(),
            Self::Dots(left) => *left == 0,
            Self::Echo(body) => body.is_end_stream(),
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        match self {
            Self::Held(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Held(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Self::Dots(0) => Poll::Ready(None),
            Self::Dots(left) => {
                let piece = (*left).min(PATTERN.len() as u64);
                *left -= piece;
                Poll::Ready(Some(Ok(Bytes::from_static(&PATTERN[..piece as usize]))))
            }
            Self::Echo(body) => loop {
                match ready!(Pin::new(&mut *body).poll_frame(context)) {
                    // Trailers are not echoed, because the client did not say that it accepts them.
                    Some(Ok(frame)) => {
                        if let Ok(bytes) = frame.into_data() {
                            return Poll::Ready(Some(Ok(bytes)));
                        }
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                }
            },
        }
    }
}

impl Script {
    fn new(plan: &Plan, length: Option<u64>, faulty: Rc<Faulty>, handle: AbortHandle) -> Self {
        // For a body of unknown length, "half" is its first byte. A cut is always before the last byte.
        let half = length.map_or(1, |length| length / 2);
        let last = length.map_or(u64::MAX, |length| length.saturating_sub(1));
        let mut cuts: Vec<_> =
            plan.cuts.iter().map(|cut| (cut.after.unwrap_or(half).min(last), cut.act)).collect();
        cuts.sort_by_key(|(after, _)| *after);
        Self {
            faulty,
            handle,
            drip: plan.drip,
            cuts: cuts.into(),
            chunked: plan.chunked,
            sent: 0,
            held: Bytes::new(),
            pause: None,
        }
    }

    fn is_over(&self) -> bool {
        self.cuts.is_empty() && self.held.is_empty()
    }

    fn poll_next(
        &mut self,
        source: &mut Source,
        ticket: &mut Ticket,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            if let Some(&(after, act)) = self.cuts.front()
                && after <= self.sent
            {
                self.cuts.pop_front();
                match act {
                    Act::Wait(wait) => self.wait(wait),
                    Act::Break(break_off) => {
                        ticket.break_off();
                        self.handle.abort(break_off);
                        // hyper flushes its buffer, and the connection breaks there: no wake-up is needed.
                        return Poll::Pending;
                    }
                }
                continue;
            }
            if self.held.is_empty() {
                match ready!(source.poll_next(context)) {
                    Some(Ok(bytes)) => self.held = bytes,
                    end => return Poll::Ready(end),
                }
            }
            return Poll::Ready(Some(Ok(self.piece(source))));
        }
    }

    /// The next bytes to send: up to the next cut, and at most one piece of a drip.
    fn piece(&mut self, source: &Source) -> Bytes {
        let to_cut = self.cuts.front().map_or(u64::MAX, |(after, _)| after - self.sent);
        let drop = self.drip.map_or(u64::MAX, |(_, drip)| drip.bytes);
        let length = to_cut.min(drop).min(self.held.len() as u64);
        let piece = self.held.split_to(length as usize);
        self.sent += length;
        if let Some((key, drip)) = self.drip
            && !(self.held.is_empty() && source.is_over())
        {
            self.wait(Wait { key, lasts: Some(drip.every) });
        }
        piece
    }

    fn wait(&mut self, wait: Wait) {
        let faulty = Rc::clone(&self.faulty);
        self.pause = Some(Box::pin(async move { faulty.pause(wait).await }));
    }
}
