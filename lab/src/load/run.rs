//! Sends the requests, on a thread that no other work disturbs.
//!
//! Each connection has a task of its own that takes one [job](super::jobs) after the other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::arrivals::Arrivals;
use super::call::Call;
use super::check::mistake;
use super::description::Load;
use super::draws::{Seed, What};
use super::jobs::{Job, Jobs, Pacing};
use super::ledger::{Entry, Outcome, Try};
use super::report::{Phase, Report, request_id};
use super::shared::{Shared, whole_microseconds};
use super::summary::{Summary, summarise};
use super::template::{Drawn, Template};
use super::truth::GroundTruth;
use crate::client::Client;

/// The pause after a failure: a connection error comes at once, and without a pause, a closed loop would
/// spin.
const PAUSE: Duration = Duration::from_millis(10);

/// A running load. It stops when it is dropped; [`Running::stop`] returns its report.
#[derive(Debug)]
pub struct Running {
    seed: u64,
    connections: usize,
    templates: Arc<[Template]>,
    shared: Arc<Shared>,
    jobs: Arc<Jobs>,
    /// The time at which the load ended, once it has.
    ended: watch::Receiver<Option<Duration>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What each connection needs.
#[derive(Clone)]
struct Lane {
    load: Arc<Load>,
    /// One for each call.
    templates: Arc<[Template]>,
    shared: Arc<Shared>,
    jobs: Arc<Jobs>,
    /// The number of the connection, from 0.
    connection: usize,
}

/// Stops the jobs when it is dropped.
struct StopAtEnd(Arc<Jobs>);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Load {
    /// Starts the load on a thread of its own.
    ///
    /// # Errors
    /// If a path, a rate or a time is invalid, or there is no connection to use.
    pub fn start(mut self) -> Result<Running> {
        if self.calls.is_empty() {
            self.calls.push(Call::get("/"));
        }
        self.check()?;
        let templates = self.calls.iter().map(Template::new).collect::<Result<_>>()?;
        Running::begin(self, templates)
    }
}

impl Running {
    fn begin(load: Load, templates: Vec<Template>) -> Result<Self> {
        let shared = Arc::new(Shared::new(load.keep));
        let connections = load.connections;
        let pacing = if load.open { Pacing::Open } else { Pacing::Closed(connections) };
        let jobs = Arc::new(Jobs::new(load.schedule(), pacing, shared.began));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (tell, ended) = watch::channel(None);
        let pacer = jobs.clone();
        thread::Builder::new()
            .name("load-pacer".into())
            .spawn(move || pacer.pace())
            .context("cannot start the load's pacer")?;
        let seed = load.seed;
        let templates: Arc<[Template]> = templates.into();
        let theirs = Lane {
            load: Arc::new(load),
            templates: templates.clone(),
            shared: shared.clone(),
            jobs: jobs.clone(),
            connection: 0,
        };
        // From here on, the pacer ends with this value.
        let mut running = Self { seed, connections, templates, shared, jobs, ended, thread: None };
        let thread = thread::Builder::new()
            .name("load".into())
            .spawn(move || {
                // The pacer ends with the load, also if a connection's task panics.
                let _pacer = StopAtEnd(theirs.jobs.clone());
                let shared = theirs.shared.clone();
                runtime.block_on(run(theirs));
                tell.send_replace(Some(shared.elapsed()));
            })
            .context("cannot start the load's thread")?;
        running.thread = Some(thread);
        Ok(running)
    }

    /// Begins a new phase; [`Report::phase`] has its figures.
    pub fn phase(&self, name: impl Into<String>) {
        let phase = Phase { name: name.into(), from: self.elapsed() };
        self.shared.record().phases.push(phase);
    }

    /// The time since the start of the load: the clock of entries and phases.
    pub fn elapsed(&self) -> Duration {
        self.shared.elapsed()
    }

    /// The number of requests that the load has begun.
    pub fn begun(&self) -> u64 {
        self.shared.begun.load(Ordering::Relaxed)
    }

    /// The figures of the last period of this length, such as the last second.
    pub fn recent(&self, stretch: Duration) -> Summary {
        let now = self.elapsed();
        let from = now.saturating_sub(stretch);
        let record = self.shared.record();
        // The entries are in the order of their ends, so the last ones are enough.
        summarise(record.entries.iter().rev().take_while(|entry| entry.ended >= from), from, now)
    }

    /// The requests that have ended since this moment, in this order.
    pub fn since(&self, from: Duration) -> Vec<Entry> {
        let record = self.shared.record();
        let newest_first = record.entries.iter().rev().take_while(|entry| entry.ended >= from);
        let mut entries: Vec<Entry> = newest_first.cloned().collect();
        entries.reverse();
        entries
    }

    /// The requests that have ended after the first `counted` ones, as far as they are kept, in the order in
    /// which they were recorded; and the number of all requests that have ended. With this number, the next
    /// call returns each later request once.
    pub fn ended_after(&self, counted: u64) -> (Vec<Entry>, u64) {
        let record = self.shared.record();
        let new = usize::try_from(record.ended.saturating_sub(counted)).unwrap_or(usize::MAX);
        let first = record.entries.len().saturating_sub(new);
        (record.entries.range(first..).cloned().collect(), record.ended)
    }

    /// The first part of all ids of requests: the id is this name, a hyphen, and the number of the request.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The method and the path of a request of this load; both are empty for a request of another load.
    pub fn request_line(&self, entry: &Entry) -> (String, String) {
        let drawn = Drawn { key: entry.key, size: entry.size };
        let line = |template: &Template| (template.method().to_string(), template.path(&drawn).into_owned());
        self.templates.get(entry.call).map(line).unwrap_or_default()
    }

    /// From now on, an open loop has this number of requests a second, zero or more, all calls together. The
    /// calls keep their ratio. There is no burst and no gap: what is left of the wait for the next request
    /// becomes shorter or longer. Replaces the steps of [`Load::rate_steps`] that come later.
    ///
    /// # Errors
    /// If the loop is closed, the arrivals are a trace, or the rate is negative.
    pub fn set_rate(&self, per_second: f64) -> Result<()> {
        self.jobs.change(|queue, now| queue.set_rate(now, per_second))
    }

    /// From the next request of each call on, the distances between requests have this law.
    ///
    /// # Errors
    /// If the old or the new arrivals are a trace.
    pub fn set_arrivals(&self, arrivals: &Arrivals) -> Result<()> {
        self.jobs.change(|queue, _| queue.set_arrivals(arrivals))
    }

    /// From now on, the loop is open, with this number of requests a second.
    ///
    /// # Errors
    /// If the arrivals are a trace, or the rate is negative.
    pub fn set_open(&self, per_second: f64) -> Result<()> {
        self.jobs.change(|queue, now| queue.open(now, per_second))
    }

    /// From now on, the loop is closed, with this number of clients. Each of them uses one of the connections
    /// that the load has since its start.
    ///
    /// # Errors
    /// If there are no clients, or more than [`Load::connections`].
    pub fn set_closed(&self, clients: usize) -> Result<()> {
        self.jobs.change(|queue, _| queue.close(clients, self.connections))
    }

    /// Waits until the load has ended by itself, after the last answer: see [`Load::requests`]. An endless
    /// load never ends. If the load's own thread panicked, this returns, and [`Running::stop`] reports it.
    pub async fn finished(&self) {
        let mut ended = self.ended.clone();
        // An error means that the thread is gone, which is an end as well.
        let _ = ended.wait_for(Option::is_some).await;
    }

    /// Begins no new request, waits for the requests in flight, and reports.
    ///
    /// # Errors
    /// If the load's own thread panicked.
    pub async fn stop(mut self) -> Result<Report> {
        let report = self.end().await;
        if let Some(thread) = self.thread.take() {
            // The thread has nothing more to do. A panic of it is in the report already.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await?;
        }
        report
    }

    /// The same, for a load that others still look at.
    ///
    /// # Errors
    /// If the load's own thread panicked.
    pub async fn end(&self) -> Result<Report> {
        // A load that has ended by itself has not lasted until now.
        let duration = self.ended.borrow().unwrap_or_else(|| self.elapsed());
        self.jobs.stop();
        self.finished().await;
        ensure!(self.ended.borrow().is_some(), "the load's own thread panicked: see above");
        let record = self.shared.record();
        let mut entries: Vec<Entry> = record.entries.iter().cloned().collect();
        // A request that waited for its next try until the stop had ended before others that came first.
        entries.sort_by_key(|entry| entry.ended);
        // Requests in flight at the end still belong to the load.
        let last = entries.last().map(|entry| entry.ended + Duration::from_micros(1));
        Ok(Report {
            name: self.shared.name.clone(),
            duration: duration.max(last.unwrap_or_default()),
            entries,
            phases: record.phases.clone(),
            begun: self.begun(),
            unsent: self.jobs.unsent(),
            seed: self.seed,
            epoch_unix_us: self.shared.epoch_unix_us,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.jobs.stop();
    }
}

async fn run(lane: Lane) {
    let mut connections = JoinSet::new();
    for connection in 0..lane.load.connections {
        connections.spawn(work(Lane { connection, ..lane.clone() }));
    }
    while let Some(ended) = connections.join_next().await {
        // A connection's task fails only by a panic, which must be reported.
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// One connection: takes jobs and does them until there are no more.
async fn work(lane: Lane) {
    let mut client = Client::new(lane.load.server).patience(lane.load.patience);
    let mut woken_late = Duration::ZERO;
    for answers in 0.. {
        let free = lane.shared.elapsed();
        let Some(job) = lane.jobs.next(lane.connection).await else { return };
        let entry = lane.send(&mut client, job, Free { since: free, late: woken_late }).await;
        let next = entry.ended + lane.pause(&entry, answers);
        lane.shared.record().push(entry);
        lane.jobs.wait_until(next).await;
        woken_late = lane.shared.elapsed().saturating_sub(next);
    }
}

/// Since when a connection is free.
#[derive(Clone, Copy)]
struct Free {
    since: Duration,
    /// How much later than planned.
    late: Duration,
}

impl Lane {
    /// The time that a connection waits after an answer, or after a request that failed.
    fn pause(&self, last: &Entry, answers: u64) -> Duration {
        let draws = Seed(self.load.seed).draws(What::Think { client: self.connection }, answers);
        let think = if self.jobs.is_closed() { self.load.think.draw(draws) } else { Duration::ZERO };
        match last.outcome {
            Outcome::Failed(_) => think.max(PAUSE),
            Outcome::Answered(_) | Outcome::Mistaken(_) => think,
        }
    }

    /// Sends one request, with its retries, on a free connection.
    async fn send(&self, client: &mut Client, job: Job, free: Free) -> Entry {
        self.shared.begun.fetch_add(1, Ordering::Relaxed);
        self.shared.retry_window().request(self.shared.elapsed());
        let id = request_id(&self.shared.name, job.number);
        let template = &self.templates[job.call];
        let drawn = template.draw(Seed(self.load.seed), job.number);
        let mut earlier = Vec::new();
        let (mut tries, mut last) = (1, self.try_once(client, template, &drawn, &id, 1).await);
        let sent = last.sent;
        let intended = job.due.map_or(sent, whole_microseconds);
        // The time before the connection was free is a wait for the server.
        let late = job.due.map_or(free.late, |_| sent.saturating_sub(intended.max(free.since)));
        while let Some(wait) = self.next_try(job.number, tries, &last)
            && self.jobs.wait_until(last.ended + wait).await
        {
            tries += 1;
            earlier.push(last);
            last = self.try_once(client, template, &drawn, &id, tries).await;
        }
        Entry {
            number: job.number,
            call: job.call,
            client: self.connection,
            key: drawn.key,
            size: drawn.size,
            intended,
            sent,
            ended: last.ended,
            late,
            outcome: last.outcome,
            backend: last.backend,
            truth: last.truth,
            earlier,
            last_sent: last.sent,
        }
    }

    /// One try of a request.
    async fn try_once(
        &self,
        client: &mut Client,
        template: &Template,
        drawn: &Drawn,
        id: &str,
        number: u32,
    ) -> Try {
        let number = self.load.retries.map(|_| number);
        let sent = self.shared.elapsed();
        let exchanged = exchange(client, template, drawn, id, number).await;
        let ended = self.shared.elapsed();
        let (outcome, backend, truth) = exchanged.unwrap_or_else(|error| {
            (Outcome::Failed(format!("{:#}", root(&error)).into()), None, GroundTruth::default())
        });
        Try { sent, ended, outcome, backend, truth }
    }

    /// The wait before the next try of a request, if there is one.
    fn next_try(&self, request: u64, tries: u32, last: &Try) -> Option<Duration> {
        let draws = Seed(self.load.seed).draws(What::Backoff { tries }, request);
        let withdraw = |budget| self.shared.retry_window().withdraw(last.ended, budget);
        self.load.retries?.next(tries, &last.outcome, withdraw, draws)
    }
}

/// Sends one request; returns its outcome, the backend that answered, and what this backend said.
async fn exchange(
    client: &mut Client,
    template: &Template,
    drawn: &Drawn,
    id: &str,
    try_number: Option<u32>,
) -> Result<(Outcome, Option<u32>, GroundTruth)> {
    let answer = client.send(template.request(id, drawn, try_number)?).await?;
    let outcome = match mistake(&template.path(drawn), id, &template.body(id), &answer) {
        None => Outcome::Answered(answer.status.as_u16()),
        Some(mistake) => Outcome::Mistaken(mistake.into()),
    };
    let backend = answer.header("x-backend").and_then(|number| number.parse().ok());
    Ok((outcome, backend, GroundTruth::of(&answer)))
}

/// The reason of a failed request, without the part that is the same for all of them.
fn root(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "client_tests.rs"]
mod client_tests;
