//! What one request has been through, so far. It turns into an [`Outcome`] when the request ends, in
//! whatever way it ends.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime};

use http::{Extensions, Method, StatusCode, Uri};

use super::context::{self, Attempts, Retries, Tried};
use super::refusal::Refusal;
use super::verdict::{Blame, Failure};
use crate::observe::{Observer, Outcome, micros, unix_ms};

/// A request's record in the making. Dropped before it is closed, it says that the client went away: that
/// is the one end that nobody is left to report.
#[derive(Debug)]
pub(crate) struct Account {
    observer: Arc<Observer>,
    /// Method and target, if anybody wants to know.
    line: Option<(String, String)>,
    pub(crate) began: Instant,
    /// When the request was sent for the last time, and when the head of the answer came.
    pub(crate) sent: Option<Instant>,
    pub(crate) head: Option<Instant>,
    backend: Option<usize>,
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
    pub(crate) fn open(observer: &Arc<Observer>, method: &Method, uri: &Uri) -> Self {
        Self::begin(observer, || (method.to_string(), uri.to_string()))
    }

    /// The record of what came instead of a request.
    pub(crate) fn unread(observer: &Arc<Observer>) -> Self {
        Self::begin(observer, || ("-".to_owned(), "-".to_owned()))
    }

    fn begin(observer: &Arc<Observer>, line: impl FnOnce() -> (String, String)) -> Self {
        observer.totals.requests.fetch_add(1, Relaxed);
        Self {
            observer: Arc::clone(observer),
            line: observer.wants_requests().then(line),
            began: Instant::now(),
            sent: None,
            head: None,
            backend: None,
            context: Default::default(),
            failure: None,
            client_gone: false,
            status: None,
            closed: false,
        }
    }

    /// The backend that has the request now.
    pub(crate) fn at(&mut self, backend: usize) {
        self.backend = Some(backend);
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
            self.observer.totals.answered(status);
        }
    }

    /// The request failed.
    pub(crate) fn failed(&mut self, failure: Failure, blame: Blame) {
        let totals = &self.observer.totals;
        match failure {
            Failure::NoBackend => _ = totals.no_backend.fetch_add(1, Relaxed),
            Failure::ClientGone => _ = totals.client_gone.fetch_add(1, Relaxed),
            Failure::BadUpload | Failure::LargeUpload | Failure::SlowUpload => {
                _ = totals.refused.fetch_add(1, Relaxed)
            }
            _ => {}
        }
        self.client_gone = failure == Failure::ClientGone;
        self.failure = Some((failure.words(), blame));
    }

    /// The request was not taken.
    pub(crate) fn refused(&mut self, refusal: Refusal) {
        self.observer.totals.refused.fetch_add(1, Relaxed);
        self.failure = Some((refusal.reason(), Blame::Client));
    }

    /// The request is over.
    pub(crate) fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let Some((method, path)) = self.line.take() else { return };
        let now = Instant::now();
        let sent = self.sent.unwrap_or(now);
        let head = self.head.unwrap_or(now);
        let (attempts, retries, tried) = std::mem::take(&mut self.context);
        self.observer.request_ended(Outcome {
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
}

impl Drop for Account {
    fn drop(&mut self) {
        if !self.closed {
            self.failed(Failure::ClientGone, Blame::Client);
            self.close();
        }
    }
}
