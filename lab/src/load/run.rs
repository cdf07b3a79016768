//! Sends the requests, on a thread that no other work disturbs.
//!
//! Each connection has a task of its own that takes one [job](super::jobs) after the other.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use http::HeaderValue;
use tokio::task::JoinSet;

use super::check::mistake;
use super::description::{Call, Load};
use super::jobs::{Jobs, pace};
use super::ledger::{Entry, Outcome};
use super::report::{Phase, Report, Summary, request_id, summarise};
use super::schedule::Schedule;
use super::shared::Shared;
use crate::client::{Client, request};

/// A running load. It stops when it is dropped; [`Running::stop`] returns its report.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Load {
    /// Starts the load on a thread of its own.
    ///
    /// # Errors
    /// If a path is invalid, a rate is no positive number, or there is no connection to use.
    pub fn start(mut self) -> Result<Running> {
        if self.calls.is_empty() {
            self.calls.push(Call::get("/"));
        }
        ensure!(self.connections > 0, "a load without connections sends nothing: give it at least one");
        for Call { method, path, rate, .. } in &self.calls {
            ensure!(
                rate.is_finite() && *rate > 0.0,
                "{method} {path} at {rate} a second: a rate is a positive number"
            );
            request(method.clone(), path, Bytes::new())?;
        }
        Running::begin(self)
    }
}

impl Running {
    fn begin(load: Load) -> Result<Self> {
        let shared = Arc::new(Shared::new(load.keep));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let theirs = shared.clone();
        let thread = thread::Builder::new()
            .name("load".into())
            .spawn(move || runtime.block_on(run(load, theirs)))
            .context("cannot start the load's thread")?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Begins a new phase; [`Report::phase`] has its figures.
    pub fn phase(&self, name: impl Into<String>) {
        let phase = Phase { name: name.into(), from: self.elapsed() };
        self.shared.record().phases.push(phase);
    }

    /// The time since the start of the load: the clock of entries and phases.
    pub fn elapsed(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// The number of requests that the load has begun.
    pub fn begun(&self) -> u64 {
        self.shared.next_number.load(Ordering::Relaxed)
    }

    /// The figures of the last period of this length, such as the last second.
    pub fn recent(&self, stretch: Duration) -> Summary {
        let now = self.elapsed();
        let from = now.saturating_sub(stretch);
        let record = self.shared.record();
        // The entries are in the order of their ends, so the last ones are enough.
        summarise(record.entries.iter().rev().take_while(|entry| entry.end >= from), from, now)
    }

    /// The requests that have ended since this moment, in this order.
    pub fn since(&self, from: Duration) -> Vec<Entry> {
        let record = self.shared.record();
        let newest_first = record.entries.iter().rev().take_while(|entry| entry.end >= from);
        let mut entries: Vec<Entry> = newest_first.cloned().collect();
        entries.reverse();
        entries
    }

    /// Begins no new request, waits for the requests in flight, and reports.
    ///
    /// # Errors
    /// If the load's own thread panicked.
    pub async fn stop(mut self) -> Result<Report> {
        self.shared.stopping.store(true, Ordering::Relaxed);
        let duration = self.elapsed();
        if let Some(thread) = self.thread.take() {
            tokio::task::spawn_blocking(move || thread.join())
                .await?
                .map_err(|_| anyhow!("the load's own thread panicked: see above"))?;
        }
        let mut record = self.shared.record();
        let entries: Vec<Entry> = std::mem::take(&mut record.entries).into();
        // Requests in flight at the end still belong to the load.
        let last = entries.last().map(|entry| entry.end + Duration::from_nanos(1));
        Ok(Report {
            name: self.shared.name.clone(),
            duration: duration.max(last.unwrap_or_default()),
            entries,
            phases: std::mem::take(&mut record.phases),
            begun: self.begun(),
            unsent: self.shared.unsent.load(Ordering::Relaxed),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
    }
}

async fn run(load: Load, shared: Arc<Shared>) {
    let schedule = Schedule::new(load.calls.iter().map(|call| call.rate));
    let jobs = Arc::new(if load.open {
        Jobs::Open(tokio::sync::Mutex::new(pace(schedule, shared.clone())))
    } else {
        Jobs::Closed(Mutex::new(schedule))
    });
    let load = Arc::new(load);
    let mut connections = JoinSet::new();
    for _ in 0..load.connections {
        connections.spawn(work(load.clone(), shared.clone(), jobs.clone()));
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

/// One connection: takes jobs and does them until the load is stopped.
async fn work(load: Arc<Load>, shared: Arc<Shared>, jobs: Arc<Jobs>) {
    let mut client = Client::new(load.server).patience(load.patience);
    while let Some(job) = jobs.next().await {
        if shared.stopping() {
            // In open loop the job was due, and counts as unsent; the other waiting jobs get here as well.
            shared.unsent.fetch_add(u64::from(job.due.is_some()), Ordering::Relaxed);
            if job.due.is_some() { continue } else { return }
        }
        let number = shared.next_number.fetch_add(1, Ordering::Relaxed);
        let start = job.due.unwrap_or_else(|| shared.began.elapsed());
        let exchanged = exchange(&mut client, &load.calls[job.call], &request_id(&shared.name, number)).await;
        let end = shared.began.elapsed();
        let (outcome, backend) =
            exchanged.unwrap_or_else(|error| (Outcome::Failed(format!("{:#}", root(&error)).into()), None));
        let failed = matches!(outcome, Outcome::Failed(_));
        shared.record().push(Entry { number, call: job.call, start, end, outcome, backend });
        if failed {
            // A connection error comes at once; without a pause, a closed loop would spin.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Sends one request; returns its outcome, and the backend that answered.
async fn exchange(client: &mut Client, call: &Call, id: &str) -> Result<(Outcome, Option<u32>)> {
    let body = call.body(id);
    let mut request = request(call.method.clone(), &call.path, body.clone())?;
    request.headers_mut().insert("x-request-id", HeaderValue::try_from(id)?);
    let answer = client.send(request).await?;
    let outcome = match mistake(&call.path, id, &body, &answer) {
        None => Outcome::Answered(answer.status.as_u16()),
        Some(mistake) => Outcome::Mistaken(mistake.into()),
    };
    Ok((outcome, answer.header("x-backend").and_then(|number| number.parse().ok())))
}

/// The reason of a failed request, without the part that is the same for all of them.
fn root(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::SocketAddr;

    use super::*;
    use crate::load::Call;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    /// A server that answers as backend 7, with the id of the request, and reports each request's head; its
    /// very first answer comes late.
    async fn server(first_takes: Duration) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
        server_for(first_takes, |id| id.to_owned()).await
    }

    /// The same, but it answers with another id.
    async fn server_for(
        first_takes: Duration,
        named: fn(&str) -> String,
    ) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, heads) = mpsc::unbounded_channel();
        let wait = Arc::new(Mutex::new(first_takes));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tell, wait) = (tell.clone(), wait.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let mut head = String::new();
                    while stream.read_line(&mut head).await.is_ok_and(|read| read > 0) {
                        if head.ends_with("\r\n\r\n") {
                            let id = named(id_in(&head));
                            drop(tell.send(std::mem::take(&mut head)));
                            let wait = std::mem::take(&mut *wait.lock().unwrap());
                            tokio::time::sleep(wait).await;
                            let length = id.len();
                            let answer = format!(
                                "HTTP/1.1 200 OK\r\nx-backend: 7\r\nx-request-id: {id}\r\ncontent-length: {length}\r\n\r\n{id}"
                            );
                            stream.write_all(answer.as_bytes()).await.unwrap();
                        }
                    }
                });
            }
        });
        (address, heads)
    }

    fn id_in(head: &str) -> &str {
        head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap()
    }

    /// Runs a load until it has begun this number of requests.
    async fn run_until(running: Running, begun: u64) -> Report {
        crate::eventually(Duration::from_secs(5), "the load to get going", async || {
            anyhow::ensure!(running.begun() >= begun, "it has begun {}", running.begun());
            Ok(())
        })
        .await
        .unwrap();
        running.stop().await.unwrap()
    }

    #[tokio::test]
    async fn every_request_has_an_id_of_its_own_and_one_entry() {
        let (address, mut heads) = server(Duration::ZERO).await;
        let load = Load::closed(address, 4).call(Call::get("/a").rate(3.0)).call(Call::get("/b"));
        let running = load.start().unwrap();
        running.phase("only");
        let report = run_until(running, 400).await;
        assert_eq!(report.errors(), []);
        assert_eq!(report.begun(), report.entries().len() as u64);

        let mut asked = HashSet::new();
        while let Ok(head) = heads.try_recv() {
            let id = id_in(&head);
            assert!(asked.insert(id.to_owned()), "{id} came twice");
        }
        let entered: HashSet<String> = report.entries().iter().map(|entry| report.id(entry)).collect();
        assert_eq!(entered, asked);
        let summary = report.phase("only").unwrap();
        assert_eq!((summary.errors, summary.share(7)), (0, 1.0));
        let first_call = report.entries().iter().filter(|entry| entry.call == 0).count();
        assert!(
            (first_call as f64 / entered.len() as f64 - 0.75).abs() < 0.02,
            "{first_call} of {}",
            entered.len()
        );
    }

    #[tokio::test]
    async fn in_open_loop_waiting_for_a_slow_server_counts() {
        let (address, _heads) = server(Duration::from_millis(300)).await;
        let load = Load::open(address).call(Call::get("/").rate(100.0)).connections(1);
        let report = run_until(load.start().unwrap(), 60).await;
        // On the only connection, requests that were due during the first answer waited for the rest of that
        // time. A load that waits with its client would report a millisecond.
        let first = report.entries().iter().find(|entry| entry.number == 0).unwrap();
        assert!(first.latency() >= Duration::from_millis(300), "{first:?}");
        let due = report.entries().iter().filter(|entry| (1..30).contains(&entry.number));
        for entry in due.clone() {
            assert_eq!(entry.start, Duration::from_millis(10) * u32::try_from(entry.number).unwrap());
            assert!(entry.end >= first.end, "{entry:?} did not wait for {first:?}");
        }
        assert_eq!(due.count(), 29);
    }

    #[tokio::test]
    async fn in_open_loop_requests_start_on_time() {
        let (address, _heads) = server(Duration::ZERO).await;
        let report =
            run_until(Load::open(address).call(Call::get("/").rate(200.0)).start().unwrap(), 50).await;
        for entry in report.entries() {
            assert_eq!(entry.start, Duration::from_millis(5) * u32::try_from(entry.number).unwrap());
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_an_error_each_time() {
        let closed_port = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let report = run_until(Load::closed(closed_port, 2).start().unwrap(), 4).await;
        assert_eq!(report.summary().errors, report.summary().requests);
        assert!(report.errors()[0].0.contains("cannot connect"), "{:?}", report.errors());
    }

    #[tokio::test]
    async fn an_answer_to_another_request_is_an_error() {
        let (address, _heads) = server_for(Duration::ZERO, |id| format!("{id}0")).await;
        let running = Load::closed(address, 2).start().unwrap();
        let report = run_until(running, 4).await;
        for entry in report.entries() {
            assert!(matches!(entry.outcome, Outcome::Mistaken(_)), "{entry:?}");
            assert!(entry.is_error() && entry.backend == Some(7), "{entry:?}");
        }
    }

    #[tokio::test]
    async fn an_endless_load_keeps_only_the_last_entries() {
        let (address, _heads) = server(Duration::ZERO).await;
        let report = run_until(Load::closed(address, 1).keep_last(10).start().unwrap(), 100).await;
        assert_eq!(report.entries().len(), 10);
        assert!(report.entries()[0].number >= 90);
    }

    #[test]
    fn a_load_that_cannot_be_is_refused() {
        let server = SocketAddr::from(([127, 0, 0, 1], 1));
        for (load, reason) in [
            (Load::closed(server, 0), "at least one"),
            (Load::open(server).call(Call::get("/").rate(0.0)), "GET / at 0 a second"),
            (Load::open(server).call(Call::get("/").rate(f64::NAN)), "a positive number"),
            (Load::closed(server, 1).call(Call::get("nowhere at all")), "no path"),
        ] {
            let error = format!("{:#}", load.start().unwrap_err());
            assert!(error.contains(reason), "{error:?} lacks {reason:?}");
        }
    }
}
