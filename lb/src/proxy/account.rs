//! What one request has been through, so far. It turns into an [`Outcome`] when the request ends, in
//! whatever way it ends; and all that is counted of a request is counted here.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{Extensions, Method, StatusCode, Uri};

use super::books::Books;
use super::context::{self, Attempts, Retries, Tried};
use super::explained::Explained;
use super::head::{Headers, RequestHead};
use super::refusal::Refusal;
use super::verdict::{Blame, Failure};
use crate::balance::Backend;
use crate::observe::{Outcome, Phase, Tally, micros, unix_ms};

/// A request's record in the making. Dropped before it is closed, it says that the client went away: that
/// is the one end that nobody is left to report.
#[derive(Debug)]
pub(crate) struct Account {
    books: Rc<Books>,
    /// What is told of it besides, if anybody wants to know.
    tale: Option<Box<Tale>>,
    pub(crate) began: Instant,
    times: Times,
    backend: Option<usize>,
    /// Where tries at that backend are counted.
    there: Option<Arc<Tally>>,
    /// The first backend and its tally, while a second one is asked as well.
    hedged: Option<(usize, Arc<Tally>)>,
    explained: Option<Box<Explained>>,
    failure: Option<(&'static str, Blame)>,
    client_gone: bool,
    status: Option<StatusCode>,
    closed: bool,
}

/// What a request was, and what it remembers.
#[derive(Debug, Default)]
struct Tale {
    method: String,
    path: String,
    attempts: Attempts,
    retries: Retries,
    tried: Tried,
}

/// When a request was sent for the last time, and when the head of the answer came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    pub(crate) sent: Option<Instant>,
    pub(crate) head: Option<Instant>,
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
            tale: books.observer().wants_requests().then(|| {
                let (method, path) = line();
                Box::new(Tale { method, path, ..Tale::default() })
            }),
            began: Instant::now(),
            times: Times::default(),
            backend: None,
            there: None,
            hedged: None,
            explained: None,
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

    /// The answer of this backend is passed on after all, though others were asked since.
    pub(crate) fn back_at(&mut self, backend: &Backend) {
        self.backend = Some(backend.number);
        self.there = Some(Arc::clone(self.books.at(backend)));
    }

    /// The request is given to this backend as well.
    pub(crate) fn hedges(&mut self, backend: &Backend) {
        self.hedged = self.backend.zip(self.there.take());
        self.at(backend);
    }

    /// One of two backends has failed, the second or the first, and the other is waited for.
    pub(crate) fn hedge_failed(&mut self, is_second: bool, failure: Failure, blame: Blame) {
        let (number, there) = match &self.hedged {
            Some((number, there)) if !is_second => (Some(*number), Some(there)),
            _ => (self.backend, self.there.as_ref()),
        };
        if let (Some(explained), Some(number)) = (&mut self.explained, number) {
            explained.failed(number, failure, blame);
        }
        there.into_iter().for_each(|there| count_failure(there, failure, blame));
    }

    /// Of two backends, it is the second that answers, or the first.
    pub(crate) fn settles(&mut self, is_second: bool) {
        if let Some((number, there)) = self.hedged.take().filter(|_| !is_second) {
            (self.backend, self.there) = (Some(number), Some(there));
        }
    }

    /// How a try went in time.
    pub(crate) fn timed(&mut self, times: Times) {
        self.times = Times { sent: times.sent.or(self.times.sent), head: times.head };
    }

    /// Begins to note how the request is decided, if its client asks for that.
    pub(crate) fn explain_if_asked(&mut self, head: &mut RequestHead) {
        self.explained = Explained::asked_for(head, self.began);
    }

    /// Where decisions are noted, if anybody wants to know.
    pub(crate) fn explanation(&mut self) -> Option<&mut Explained> {
        self.explained.as_deref_mut()
    }

    /// Tells the client how its request was decided, if it has asked.
    pub(crate) fn explain_to(&mut self, headers: &mut Headers) {
        if let Some(explained) = &mut self.explained {
            explained.tell(headers, self.status.map(|status| status.as_u16()), self.books.observer());
        }
    }

    /// A try at the backend failed.
    pub(crate) fn tried(&mut self, failure: Failure, blame: Blame) {
        if let (Some(explained), Some(backend)) = (&mut self.explained, self.backend) {
            explained.failed(backend, failure, blame);
        }
        let Some(there) = &self.there else { return };
        count_failure(there, failure, blame);
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
        if let Some(tale) = self.tale.as_mut().filter(|_| !context.is_empty()) {
            tale.attempts = context::get(context);
            tale.retries = context::get(context);
            tale.tried = context::get(context);
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
        if let (Some(explained), Some(backend)) = (&mut self.explained, self.backend) {
            explained.answered(backend, status.as_u16());
        }
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
        if let Some(explained) = self.explained.take() {
            explained.keep(self.books.observer());
        }
        let Some(tale) = self.tale.take() else { return };
        let sent = self.times.sent.unwrap_or(now);
        let head = self.times.head.unwrap_or(now);
        let Tale { method, path, attempts, retries, tried } = *tale;
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
            Some(StatusCode::SWITCHING_PROTOCOLS) => self.times.head.unwrap_or(now),
            _ => now,
        };
        let sent = self.times.sent.unwrap_or(now);
        let head = self.times.head.unwrap_or(now);
        let queued = sent.saturating_duration_since(self.began);
        let waited = head.saturating_duration_since(sent);
        let passed = now.saturating_duration_since(head);
        there.took(Phase::Queue, queued);
        if self.times.sent.is_some() {
            there.took(Phase::Head, waited);
        }
        if self.times.head.is_some() {
            there.took(Phase::Body, passed);
        }
        there.took(Phase::Total, queued + waited + passed);
    }
}

fn count_failure(there: &Tally, failure: Failure, blame: Blame) {
    there.failed(failure.into());
    if blame == Blame::Backend {
        there.blamed.one();
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
