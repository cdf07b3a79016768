//! What one request has been through, so far. It turns into an [`Outcome`] when the request ends, in
//! whatever way it ends; and all that is counted of a request is counted here.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{Extensions, Method, StatusCode, Uri};

use super::books::Books;
use super::context::{self, Attempts, Retries, Tried};
use super::refusal::Refusal;
use super::verdict::{Blame, Failure};
use crate::balance::Backend;
use crate::observe::{Outcome, Phase, Tally, micros, unix_ms};

/// A request's record in the making. Dropped before it is closed, it says that the client went away: that
/// is the one end that nobody is left to report.
#[derive(Debug)]
pub(crate) struct Account {
    books: Rc<Books>,
    /// Method and target, if anybody wants to know.
    line: Option<(String, String)>,
    pub(crate) began: Instant,
    /// When the request was sent for the last time, and when the head of the answer came.
    pub(crate) sent: Option<Instant>,
    pub(crate) head: Option<Instant>,
    backend: Option<usize>,
    /// Where tries at that backend are counted.
    there: Option<Arc<Tally>>,
    context: (Attempts, Retries, Tried),
    failure: Option<(&'static str, Blame)>,
    client_gone: bool,
    status: Option<StatusCode>,
    closed: bool,
}

/// Client closed request: nginx's number for the log, never sent.
const CLIENT_GONE: u16 = 499;

impl Account {
    /// A request's record, from the arrival of its head on.
    pub(crate) fn open(books: &Rc<Books>, method: &Method, uri: &Uri) -> Self {
        Self::begin(books, || (method.to_string(), uri.to_string()))
    }

    /// The record of what came instead of a request.
    pub(crate) fn unread(books: &Rc<Books>) -> Self {
        Self::begin(books, || ("-".to_owned(), "-".to_owned()))
    }

    fn begin(books: &Rc<Books>, line: impl FnOnce() -> (String, String)) -> Self {
        books.clients().requests.one();
        Self {
            books: Rc::clone(books),
            line: books.observer().wants_requests().then(line),
            began: Instant::now(),
            sent: None,
            head: None,
            backend: None,
            there: None,
            context: Default::default(),
            failure: None,
            client_gone: false,
            status: None,
            closed: false,
        }
    }

    /// The request is given to this backend.
    pub(crate) fn at(&mut self, backend: &Backend) {
        self.backend = Some(backend.number);
        let there = self.books.at(backend);
        there.requests.one();
        self.there = Some(Arc::clone(there));
    }

    /// A try at the backend failed.
    pub(crate) fn tried(&self, failure: Failure, blame: Blame) {
        let Some(there) = &self.there else { return };
        there.failed(failure.into());
        if blame == Blame::Backend {
            there.blamed.one();
        }
    }

    /// The same backend is tried once more, after a pause.
    pub(crate) fn retries(&self) {
        self.there.iter().for_each(|there| there.retries.one());
    }

    /// The same backend is tried once more, at once over a fresh connection.
    pub(crate) fn reconnects(&self) {
        self.there.iter().for_each(|there| there.reconnects.one());
    }

    /// The backend has given a whole answer.
    pub(crate) fn answered(&self) {
        self.there.iter().for_each(|there| there.answers.one());
    }

    /// Reads off what the request remembers.
    pub(crate) fn remember(&mut self, context: &Extensions) {
        if self.line.is_some() && !context.is_empty() {
            self.context = (context::get(context), context::get(context), context::get(context));
        }
    }

    /// The status the client is being sent, unless it has gone.
    pub(crate) fn answering(&mut self, status: StatusCode) {
        if !self.client_gone {
            self.status = Some(status);
            self.books.clients().responded(self.status);
        }
    }

    /// The answer of the backend is passed on.
    pub(crate) fn relaying(&mut self, status: StatusCode) {
        self.there.iter().for_each(|there| there.responded(Some(status)));
        self.answering(status);
    }

    /// The request failed.
    pub(crate) fn failed(&mut self, failure: Failure, blame: Blame) {
        self.books.clients().failed(failure.into());
        self.client_gone = failure == Failure::ClientGone;
        self.failure = Some((failure.words(), blame));
    }

    /// The request was not taken.
    pub(crate) fn refused(&mut self, refusal: Refusal) {
        self.books.clients().failed(refusal.into());
        self.failure = Some((refusal.reason(), Blame::Client));
    }

    /// The request is over as of now.
    pub(crate) fn close(&mut self, now: Instant) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.count(now);
        let Some((method, path)) = self.line.take() else { return };
        let sent = self.sent.unwrap_or(now);
        let head = self.head.unwrap_or(now);
        let (attempts, retries, tried) = std::mem::take(&mut self.context);
        self.books.observer().request_ended(Outcome {
            at_unix_ms: unix_ms(SystemTime::now()),
            method,
            path,
            status: self.status.filter(|_| !self.client_gone).map_or(CLIENT_GONE, |status| status.as_u16()),
            backend: self.backend,
            attempts: attempts.0,
            retries: retries.0,
            tried: tried.0.into_iter().map(|(number, failure)| (number, failure.words())).collect(),
            failure: self.failure.map(|(words, _)| words),
            blame: self.failure.map(|(_, blame)| blame.name()),
            queue_us: micros(sent.saturating_duration_since(self.began)),
            head_us: micros(head.saturating_duration_since(sent)),
            body_us: micros(now.saturating_duration_since(head)),
            total_us: micros(now.saturating_duration_since(self.began)),
        });
    }

    /// Counts how the request ended, and how long it took.
    fn count(&self, now: Instant) {
        let clients = self.books.clients();
        clients.ended.one();
        if self.status.is_none() {
            clients.responded(None);
        }
        let Some(there) = self.there.as_ref().filter(|_| self.books.keeps_times()) else { return };
        // What both sides say after a switch of protocols is no answer's body.
        let now = match self.status {
            Some(StatusCode::SWITCHING_PROTOCOLS) => self.head.unwrap_or(now),
            _ => now,
        };
        let sent = self.sent.unwrap_or(now);
        let head = self.head.unwrap_or(now);
        there.took(Phase::Queue, sent.saturating_duration_since(self.began));
        if self.sent.is_some() {
            there.took(Phase::Head, head.saturating_duration_since(sent));
        }
        if self.head.is_some() {
            there.took(Phase::Body, now.saturating_duration_since(head));
        }
        there.took(Phase::Total, now.saturating_duration_since(self.began));
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if !self.closed {
            self.tried(Failure::ClientGone, Blame::Client);
            self.failed(Failure::ClientGone, Blame::Client);
            self.close(Instant::now());
        }
    }
}
