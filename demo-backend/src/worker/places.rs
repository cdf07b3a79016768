//! How does a request get a place, and how long does it hold it?
//!
//! [`Station`] decides, and this file does: it draws the faults of a request when its service begins, wakes
//! up when the next thing happens, and tells the request how it ended. A request that waits or is served is a
//! [`Job`] here, so that its work can go on when hyper has dropped its future because the client has gone.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::request::Parts;
use tokio::sync::{Notify, oneshot};
use tokio::task::{AbortHandle, spawn_local};

use super::demand::Demand;
use super::faulty::{Faulty, sleep_until};
use super::headers::X_REQUEST_ID;
use super::report::Reporter;
use crate::capacity::{Capacity, Load, Reason, Station, Step};
use crate::fault::{Plan, Subject};
use crate::link::Report;

/// The requests that wait and those that are served.
pub(super) struct Places {
    station: RefCell<Station>,
    jobs: RefCell<HashMap<u64, Job>>,
    next_id: Cell<u64>,
    /// Notified when the timer has to look again.
    changed: Rc<Notify>,
    /// The time at which the timer looks again.
    alarm: Cell<Option<Instant>>,
    /// The load in the last report.
    reported: Cell<(usize, usize)>,
    faulty: Rc<Faulty>,
    reporter: Rc<Reporter>,
}

/// One request that waits or is served.
struct Job {
    parts: Rc<Parts>,
    demand: Demand,
    plan: Plan,
    over: Option<oneshot::Sender<Outcome>>,
    /// The task that ends its service early when a fault is removed.
    pauses: Option<AbortHandle>,
}

/// What came of a request at its place.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The faults that hit it.
    pub(super) plan: Plan,
    /// The time in the queue.
    pub(super) queue: Duration,
    /// The time at its place.
    pub(super) service: Duration,
    /// Why it was not executed.
    pub(super) refused: Option<Reason>,
}

/// The stay of one request. Its end tells the station that the client has gone, unless the request is over.
struct Stay<'a> {
    places: &'a Places,
    id: u64,
}

impl Places {
    pub(super) fn new(faulty: Rc<Faulty>, reporter: Rc<Reporter>) -> Self {
        Self {
            station: RefCell::new(Station::new(Capacity::default(), Instant::now())),
            jobs: RefCell::default(),
            next_id: Cell::new(0),
            changed: Rc::default(),
            alarm: Cell::default(),
            reported: Cell::default(),
            faulty,
            reporter,
        }
    }

    /// The present settings.
    pub(super) fn capacity(&self) -> Capacity {
        *self.station.borrow().capacity()
    }

    /// The present load.
    pub(super) fn load(&self) -> Load {
        self.station.borrow().load()
    }

    /// Replaces the settings.
    pub(super) fn change(&self, capacity: Capacity) {
        self.station.borrow_mut().change(capacity, Instant::now());
        self.changed.notify_one();
    }

    fn report_load(&self) {
        let station = self.station.borrow();
        let load = (station.waiting(), station.serving());
        // Without a limit, these numbers say nothing that the requests in flight do not say.
        let limited = station.capacity().workers.is_some() || load.0 > 0;
        let load = if limited { load } else { (0, 0) };
        if self.reported.replace(load) != load {
            self.reporter.note(Report::Load { waiting: load.0 as u64, serving: load.1 as u64 });
        }
    }
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        // The job of a request that is over is gone.
        if self.places.jobs.borrow().contains_key(&self.id)
            && self.places.station.borrow_mut().leave(self.id, Instant::now())
        {
            self.places.jobs.borrow_mut().remove(&self.id);
            self.places.changed.notify_one();
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(pauses) = &self.pauses {
            pauses.abort();
        }
    }
}

/// Waits for a place and for the end of the service.
pub(super) async fn serve(places: &Rc<Places>, parts: &Rc<Parts>, demand: Demand) -> Outcome {
    let now = Instant::now();
    advance(places, now);
    let id = places.next_id.replace(places.next_id.get() + 1);
    let service = demand.service(&places.capacity());
    let arrived = places.station.borrow_mut().arrive(id, now, demand.patience, service);
    if let Err(reason) = arrived {
        places.reporter.note(Report::Refused);
        return Outcome { refused: Some(reason), ..Outcome::default() };
    }
    let (over, mut outcome) = oneshot::channel();
    let job = Job { parts: Rc::clone(parts), demand, plan: Plan::default(), over: Some(over), pauses: None };
    places.jobs.borrow_mut().insert(id, job);
    advance(places, now);
    if let Ok(outcome) = outcome.try_recv() {
        return outcome;
    }
    places.reporter.flush();
    let _stay = Stay { places, id };
    outcome.await.unwrap_or_default()
}

/// Does what happens up to `now`. The reports are only stored.
fn advance(places: &Rc<Places>, now: Instant) {
    loop {
        let step = places.station.borrow_mut().pass_time(now);
        let Some(step) = step else { break };
        match step {
            Step::Begin { id, at } => begin(places, id, at, now),
            Step::End { id, waited, served } => {
                end(places, id, Outcome { queue: waited, service: served, ..Outcome::default() });
            }
            Step::Drop { id, reason, waited } => {
                places.reporter.note(Report::Refused);
                end(places, id, Outcome { queue: waited, refused: Some(reason), ..Outcome::default() });
            }
        }
    }
    places.report_load();
    let next = places.station.borrow().next_event();
    if places.alarm.replace(next) != next {
        places.changed.notify_one();
    }
}

/// The service of a request begins: its faults are drawn, and it is executed.
fn begin(places: &Rc<Places>, id: u64, at: Instant, now: Instant) {
    let mut jobs = places.jobs.borrow_mut();
    let Some(job) = jobs.get_mut(&id) else { return };
    job.plan = draw(places, &job.parts, now);
    let service = job.demand.service(&places.capacity().at(job.plan.speed()));
    let pauses: Option<Duration> = job.plan.waits.iter().map(|wait| wait.lasts).sum();
    let until = pauses.and_then(|pauses| at.checked_add(service + pauses));
    places.station.borrow_mut().occupy(id, until);
    if !job.plan.waits.is_empty() {
        let (waits, places) = (job.plan.waits.clone(), Rc::clone(places));
        let task = spawn_local(async move {
            for wait in waits {
                places.faulty.pause(wait).await;
            }
            places.station.borrow_mut().finish(id, Instant::now() + service);
            places.changed.notify_one();
        });
        job.pauses = Some(task.abort_handle());
    }
}

/// The request is over: its future continues, unless the client has gone.
fn end(places: &Places, id: u64, outcome: Outcome) {
    let Some(mut job) = places.jobs.borrow_mut().remove(&id) else { return };
    let plan = std::mem::take(&mut job.plan);
    if let Some(over) = job.over.take() {
        let _ = over.send(Outcome { plan, ..outcome });
    }
}

/// Draws the faults of this request, and reports that it is executed.
fn draw(places: &Places, parts: &Parts, now: Instant) -> Plan {
    let id = parts.headers.get(X_REQUEST_ID).map(|id| String::from_utf8_lossy(id.as_bytes()));
    places.reporter.note(Report::Executed(id.as_deref()));
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let subject = Subject { method: parts.method.as_str(), path: parts.uri.path(), header: &header };
    let plan = places.faulty.plan(subject, now);
    for &(key, matched, fired) in &plan.drawn {
        places.reporter.note(Report::Drawn { key, matched, fired });
    }
    plan
}

/// Does what happens at the time at which it happens, as long as the worker lives.
pub(super) async fn keep_time(places: Rc<Places>) {
    let (changed, weak) = (Rc::clone(&places.changed), Rc::downgrade(&places));
    drop(places);
    while let Some(next) = weak.upgrade().map(|places| places.station.borrow().next_event()) {
        tokio::select! {
            () = sleep_until(next) => {}
            () = changed.notified() => {}
        }
        if let Some(places) = weak.upgrade() {
            advance(&places, Instant::now());
            places.reporter.flush();
        }
    }
}
