//! One connection to a backend, driven by the request that uses it.
//!
//! hyper splits a connection in two: a handle that takes a request, and a driver that reads and writes. The usual
//! way is to give the driver a task of its own, and then every request hops between two tasks four times. Here
//! the driver has no task: whoever waits for the answer drives the connection while waiting. Nothing can come of
//! a connection but by driving it, so what it yields is looked at right afterwards and needs no wake-up.
//!
//! There is one exception. An answer that begins before its request has ended must not hold up the request,
//! even if the client does not read the answer yet: then the driver gets a task after all.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, request};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::body::{BodyError, TryBody};
use super::verdict::Failure;

/// Who lets a connection read and write.
enum Driver {
    /// Whoever waits for something to come over it.
    Waiter(Pin<Box<dyn Future<Output = hyper::Result<()>>>>),
    /// A task of its own.
    Task,
    /// Nobody: the connection has ended.
    Nobody,
}

/// A connection to a backend, ready for one request at a time.
pub(crate) struct Connection {
    sender: SendRequest<TryBody>,
    driver: Driver,
    /// It has served a request before, so the backend may close it at any moment.
    reused: bool,
}

impl Connection {
    /// Speaks HTTP/1.1 on a fresh stream.
    pub(crate) async fn new(stream: TcpStream) -> Result<Self, Failure> {
        // Requests are written whole; waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        let (sender, driver) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|_| Failure::ClosedUnsent)?;
        Ok(Self { sender, driver: Driver::Waiter(Box::pin(driver.with_upgrades())), reused: false })
    }

    /// From now on it has served a request.
    pub(crate) fn mark_reused(&mut self) {
        self.reused = true;
    }

    /// Whether it can take a request: the backend has not closed it, nor said anything unasked.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.driver.drive(&mut Context::from_waker(Waker::noop()));
        self.is_driven_by_waiter() && self.sender.is_ready()
    }

    /// Whether it is driven by whoever waits for an answer. Only then can another request take it over.
    pub(crate) fn is_driven_by_waiter(&self) -> bool {
        matches!(self.driver, Driver::Waiter(_))
    }

    /// From now on it reads and writes whether anybody waits or not. Its errors reach whoever reads the answer.
    pub(crate) fn drive_by_task(&mut self) {
        if let Driver::Waiter(driver) = std::mem::replace(&mut self.driver, Driver::Task) {
            tokio::task::spawn_local(driver);
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(
        &mut self,
        head: &request::Parts,
        body: TryBody,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.headers_mut() = head.headers.clone();
        let mut answer = pin!(self.sender.try_send_request(request));
        poll_fn(|cx| {
            self.driver.drive(cx);
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
        .map_err(|mut error| {
            let unsent = error.take_message().is_some();
            classify(error.error(), unsent, self.reused)
        })
    }

    /// The next part of the answer's body.
    pub(crate) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Driver::Task = self.driver {
            return Pin::new(body).poll_frame(cx);
        }
        let unnoticed = &mut Context::from_waker(Waker::noop());
        // Asking first tells the driver that there is a reader; what has come already is had at once.
        let here = Pin::new(&mut *body).poll_frame(unnoticed);
        if here.is_ready() {
            return here;
        }
        self.driver.drive(cx);
        Pin::new(body).poll_frame(unnoticed)
    }

    /// Drives the connection to its end, for a tunnel that is built on it.
    pub(crate) async fn finish(mut self) {
        poll_fn(|cx| {
            self.driver.drive(cx);
            if self.is_driven_by_waiter() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}

impl Driver {
    /// Lets the connection read and write what it can. Its errors reach whoever waits for an answer on it.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Self::Waiter(driver) = self
            && driver.as_mut().poll(cx).is_ready()
        {
            *self = Self::Nobody;
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = !matches!(self.driver, Driver::Nobody);
        f.debug_struct("Connection")
            .field("reused", &self.reused)
            .field("open", &open)
            .finish_non_exhaustive()
    }
}

/// What an error on a connection means for the request on it. `unsent` says that hyper gave the request
/// back, which it does only if not a byte of it was written.
fn classify(error: &hyper::Error, unsent: bool, reused: bool) -> Failure {
    let source = std::error::Error::source(error);
    let clients_fault = source.is_some_and(|source| source.is::<BodyError<hyper::Error>>());
    match (unsent, reused) {
        _ if clients_fault => Failure::ClientGone,
        _ if error.is_parse() => Failure::Malformed,
        (true, true) => Failure::StaleUnsent,
        (true, false) => Failure::ClosedUnsent,
        (false, true) => Failure::StaleMaybeSent,
        (false, false) => Failure::ClosedEarly,
    }
}
