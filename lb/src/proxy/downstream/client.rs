//! The connection of a client: reads its requests, handles each of them, and writes the answers, one after
//! the other.
//!
//! As on the other side, in [`crate::proxy::upstream::connection`], the only task is the one that serves the
//! client: while a request is in progress, this task also checks whether the client is still there.

use std::cell::{Cell, LazyCell, RefCell};
use std::future::poll_fn;
use std::mem;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderValue, Method, Version};
use http_body::Body;
use tokio::time::Instant;

use crate::log::seldom::Seldom;
use crate::proxy::downstream::answer::{self, Answer, AnswerBody};
use crate::proxy::downstream::idle::IDLE_AFTER;
use crate::proxy::downstream::presence::{Presence, Watch};
use crate::proxy::downstream::steps::{AfterResponse, Asked, NoRequest, Sent};
use crate::proxy::downstream::tunnel;
use crate::proxy::http1::request::{self, Head};
use crate::proxy::http1::response::{ResponseFraming, shape, write_head, write_interim};
use crate::proxy::message::forwarded::is_trusted;
use crate::proxy::message::refusal::Refusal;
use crate::proxy::parts::Proxy;
use crate::proxy::record::request_record::RequestRecord;
use crate::proxy::request::body::ClientBody;
use crate::proxy::request::client::{self, ClientContext};
use crate::proxy::request::stream::ClientStream;
use crate::proxy::wire::{self, Buffers, Framing, Reader, SendError, Writer};
use crate::transport::Stream;

/// Requests up to this size are read at once.
const ROOM: usize = 2 * 1024;

/// The time that a client may take to notice that the balancer reads no more.
const LINGER: Duration = Duration::from_secs(2);

/// The shortest time between two warnings about clients that use another protocol.
pub(crate) const WARN_AGAIN: Duration = Duration::from_secs(10);

/// The time that a backend may take to send 100 Continue to the client. Many backends never do, and a client
/// that does not get it waits for about as long (RFC 9110, section 10.1.1, asks clients not to wait
/// indefinitely).
const CONTINUE: Duration = Duration::from_secs(1);

struct Client<'a> {
    incoming: Rc<RefCell<Reader>>,
    outgoing: Writer<AnswerBody>,
    watch: Watch,
    client: ClientContext,
    proxy: &'a Rc<Proxy>,
}

/// Handles the requests of the client at this address, one after the other. Returns the connection when
/// nothing has come for a short time. The buffers are reused for one connection after the other.
pub(crate) async fn serve_client(
    stream: Stream,
    ip: IpAddr,
    proxy: &Rc<Proxy>,
    buffers: &mut Buffers,
) -> Option<Stream> {
    let trusted = is_trusted(ip, &proxy.settings.now().trusted);
    let metrics = &proxy.metrics;
    let (incoming, outgoing) =
        wire::split(stream, ROOM, mem::take(buffers), metrics.meter(metrics.clients()));
    let mut client = Client {
        incoming: Rc::new(RefCell::new(incoming)),
        outgoing,
        watch: Watch::default(),
        client: ClientContext::new(client::spelled(ip), trusted),
        proxy,
    };
    loop {
        let then = match client.next_request().await {
            Ok(head) => client.serve_request(head).await,
            Err(NoRequest::Refused(refusal)) => client.refuse(refusal).await,
            Err(NoRequest::Over) => AfterResponse::Close,
            Err(NoRequest::Idle) => AfterResponse::Idle,
        };
        match then {
            AfterResponse::Next => continue,
            AfterResponse::Close => *buffers = client.close(),
            AfterResponse::Reset => client.outgoing.reset(),
            AfterResponse::Linger => client.linger().await,
            AfterResponse::Switch(tunnel) => {
                Box::pin(tunnel::run(|| client.into_stream(), *tunnel, proxy)).await;
            }
            AfterResponse::Idle => return client.into_stream().map(|(stream, _)| stream),
        }
        return None;
    }
}

/// Logs that a client uses another protocol; at most once in a period for all workers together.
#[cold]
fn warn_of(refusal: Refusal, client: &HeaderValue) {
    static FOREIGN: Mutex<Seldom> = Mutex::new(Seldom::every(WARN_AGAIN));
    let is_due = FOREIGN.lock().unwrap_or_else(PoisonError::into_inner).is_due(Instant::now().into_std());
    if is_due {
        let client = client.to_str().unwrap_or_default();
        tracing::warn!("refused a client at {client}: {}", refusal.reason());
    }
}

/// Adds the interim answers for the client to the bytes to write.
#[inline]
fn write_interim_to(outgoing: &mut Writer<AnswerBody>, client: &ClientContext) {
    if client.has_interim() {
        take_interim_to(outgoing, client);
    }
}

#[cold]
fn take_interim_to(outgoing: &mut Writer<AnswerBody>, client: &ClientContext) {
    client.take_interim(|interim| outgoing.put(|out| write_interim(out, &interim)));
}

impl Client<'_> {
    /// Waits for the head of the next request. A client may be idle for long, but not in the middle of a
    /// head.
    async fn next_request(&mut self) -> Result<Head, NoRequest> {
        let Self { incoming, proxy, .. } = self;
        let config = proxy.settings.now();
        if incoming.borrow().buffer.is_empty() {
            let something = poll_fn(|cx| match ready!(incoming.borrow_mut().poll_fill(cx)) {
                Ok(1..) => Poll::Ready(Ok(())),
                _ => Poll::Ready(Err(NoRequest::Over)),
            });
            let pause = Instant::now() + IDLE_AFTER;
            let idle = |_| NoRequest::Idle;
            proxy.deadlines.wait(something, || pause, None).await.map_err(idle)??;
        }
        let head = poll_fn(|cx| {
            let incoming = &mut *incoming.borrow_mut();
            loop {
                let head = request::take(&mut incoming.buffer, incoming.searched);
                if let Some(head) = head.map_err(NoRequest::Refused)? {
                    incoming.searched = 0;
                    incoming.body = head.framing.into();
                    return Poll::Ready(Ok(head));
                }
                incoming.searched = incoming.buffer.len();
                match ready!(incoming.poll_fill(cx)) {
                    Ok(1..) => {}
                    Ok(0) if !incoming.buffer.is_empty() => {
                        return Poll::Ready(Err(NoRequest::Refused(Refusal::CutShort)));
                    }
                    // Only empty lines came.
                    Ok(0) | Err(_) => return Poll::Ready(Err(NoRequest::Over)),
                }
            }
        });
        let late = LazyCell::new(|| Instant::now() + config.head_timeout);
        let slow = |_| NoRequest::Refused(Refusal::TooSlow);
        proxy.deadlines.wait(head, || *late, None).await.map_err(slow)?
    }

    /// Handles a request, and sends its answer.
    async fn serve_request(&mut self, head: Head) -> AfterResponse {
        let asked = Asked {
            method: head.request.method.clone(),
            old: head.request.version == Version::HTTP_10,
            keep_alive: head.keep_alive,
            takes_trailers: head.takes_trailers,
        };
        self.client.begin(head.request.version, head.expects);
        self.watch.begin();
        let body = ClientBody::new(
            ClientStream::Http1(Rc::clone(&self.incoming)),
            self.proxy.settings.now().max_body,
        );
        let answer = {
            let mut impatient = self.client.awaits_continue().then(|| Box::pin(tokio::time::sleep(CONTINUE)));
            let mut handling = pin!(self.proxy.handle(&self.client, head.request, body));
            poll_fn(|cx| {
                if let Poll::Ready(answer) = handling.as_mut().poll(cx) {
                    return Poll::Ready(Ok(answer));
                }
                if impatient.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready()) {
                    impatient = None;
                    self.client.send_continue();
                }
                write_interim_to(&mut self.outgoing, &self.client);
                if let Poll::Ready(Err(_)) = self.outgoing.poll_flush(cx) {
                    return Poll::Ready(Err(Presence::Left));
                }
                match self.watch.look(&self.incoming, || self.proxy.settings.now().abort_on_close, cx) {
                    Presence::Here => Poll::Pending,
                    presence => Poll::Ready(Err(presence)),
                }
            })
            .await
        };
        match answer {
            Ok(answer) => self.answer(&asked, answer).await,
            // It is recorded already: as a request whose client has left.
            Err(Presence::CutShort) => {
                let refused = answer::refused(Refusal::CutShort, &self.proxy.settings.now().name);
                self.answer(&asked, refused).await
            }
            Err(_) => AfterResponse::Close,
        }
    }

    /// Sends an answer.
    async fn answer(&mut self, asked: &Asked, answer: Answer) -> AfterResponse {
        let Answer { head, body } = answer;
        // A backend that answers early may still be reading the request. With an answer of the balancer, the
        // received bytes of the body are discarded.
        if let AnswerBody::Own(_) = body {
            self.incoming.borrow_mut().skip_body();
        }
        let (unread, over) = {
            let incoming = self.incoming.borrow();
            (!incoming.body.is_end(), incoming.ended && incoming.buffer.is_empty())
        };
        let keep_alive = asked.keep_alive && !unread && !over && !self.proxy.is_draining();
        let length = body.size_hint().exact();
        let shape = shape(&asked.method, asked.old, keep_alive, head.status, &head.headers, length);
        let framing = match shape.chunked {
            true => Framing::Chunked { trailers: asked.takes_trailers },
            false => Framing::Plain,
        };
        let (body, tunnel) = match body {
            AnswerBody::Switch(tunnel) => (AnswerBody::Own(None), Some(tunnel)),
            body if shape.body => (body, None),
            _ => (AnswerBody::Own(None), None),
        };
        let date = &self.proxy.date;
        if unread && tunnel.is_some() {
            // A backend that switches protocols gets the rest of the request first: RFC 9110, section 7.8.
            self.client.send_continue();
        }
        write_interim_to(&mut self.outgoing, &self.client);
        self.outgoing.begin(body, framing, |out| write_head(out, &head, shape, asked.old, || date.now()));
        if !shape.keep_alive && tunnel.is_none() {
            self.outgoing.is_last();
        }
        match self.send().await {
            Sent::Whole => match tunnel {
                Some(tunnel) => AfterResponse::Switch(tunnel),
                None => self.after(shape, unread),
            },
            Sent::CutShort if !shape.chunked && length.is_none() => AfterResponse::Reset,
            Sent::CutShort | Sent::Unwanted => AfterResponse::Close,
        }
    }

    /// Sends the answer as long as bytes move.
    async fn send(&mut self) -> Sent {
        let Self { incoming, outgoing, watch, proxy, .. } = self;
        let aborts = || proxy.settings.now().abort_on_close;
        let (until, mut moved) = (Cell::new(None), None);
        let sending = poll_fn(|cx| match outgoing.poll_send(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Sent::Whole),
            Poll::Ready(Err(SendError::Body(_))) => Poll::Ready(Sent::CutShort),
            Poll::Ready(Err(SendError::Broken)) => Poll::Ready(Sent::Unwanted),
            Poll::Pending => {
                let read_whole = incoming.borrow().body.is_end();
                let presence = match read_whole {
                    true => watch.look(incoming, aborts, cx),
                    // A task of its own may be reading the request.
                    false => watch.look_only(incoming, cx),
                };
                if presence == Presence::Left {
                    return Poll::Ready(Sent::Unwanted);
                }
                let now = (outgoing.moved(), outgoing.body().map_or(0, AnswerBody::moved_apart));
                if moved.replace(now) != Some(now) {
                    until.set(Some(Instant::now() + proxy.settings.now().stall_timeout));
                }
                Poll::Pending
            }
        });
        let deadline = || until.get().unwrap_or_else(Instant::now);
        let sent = proxy.deadlines.wait(sending, deadline, None).await;
        match sent {
            Ok(sent) => sent,
            Err(_) if outgoing.is_flushed() => {
                if let Some(AnswerBody::Relay(mut relay)) = outgoing.give_up() {
                    relay.stalled();
                }
                Sent::CutShort
            }
            // The client does not read on.
            Err(_) => Sent::Unwanted,
        }
    }

    /// The next step after an answer of this shape.
    fn after(&mut self, shape: ResponseFraming, unread: bool) -> AfterResponse {
        let mut incoming = self.incoming.borrow_mut();
        incoming.shrink();
        match shape.keep_alive {
            true => AfterResponse::Next,
            // If the balancer closed the connection while the client is sending, the connection would be
            // reset and the answer lost.
            false if unread || !incoming.buffer.is_empty() => AfterResponse::Linger,
            false => AfterResponse::Close,
        }
    }

    /// Refuses bytes that are not a valid request. The start of the next request is unknown.
    async fn refuse(&mut self, refusal: Refusal) -> AfterResponse {
        if refusal.is_foreign() {
            warn_of(refusal, &self.client.address);
        }
        let settings = self.proxy.settings.now();
        let record = {
            let came = &self.incoming.borrow().buffer;
            RequestRecord::unread(&self.proxy.metrics, &self.client, came, &settings)
        };
        let asked = Asked { method: Method::GET, old: false, keep_alive: false, takes_trailers: false };
        match self.answer(&asked, answer::refuse(record, refusal, &settings.name)).await {
            AfterResponse::Close | AfterResponse::Linger => AfterResponse::Linger,
            then => then,
        }
    }

    /// Closes the connection.
    fn close(self) -> Buffers {
        match Rc::into_inner(self.incoming) {
            Some(incoming) => wire::close(incoming.into_inner(), self.outgoing),
            // The request is answered but not completely received: its body has the read half.
            None => {
                self.outgoing.close();
                Buffers::default()
            }
        }
    }

    /// The connection as it was before any messages, with the bytes that were received and not used.
    fn into_stream(self) -> Option<(Stream, BytesMut)> {
        let incoming = Rc::into_inner(self.incoming)?;
        wire::reunite(incoming.into_inner(), self.outgoing)
    }

    /// Says that nothing more will come, and waits until the client has noticed: RFC 9112, section 9.6.
    async fn linger(mut self) {
        let noticed = poll_fn(|cx| {
            if ready!(self.outgoing.poll_finish(cx)).is_err() {
                return Poll::Ready(());
            }
            let incoming = &mut *self.incoming.borrow_mut();
            loop {
                incoming.buffer.clear();
                match ready!(incoming.poll_fill(cx)) {
                    Ok(1..) => {}
                    _ => return Poll::Ready(()),
                }
            }
        });
        let late = Instant::now() + LINGER;
        let _ = self.proxy.deadlines.wait(noticed, || late, None).await;
    }
}
