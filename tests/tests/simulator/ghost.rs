//! The ghost of the live policy: how far it is from what happened.

use anyhow::{Context, Result, ensure};
use api::{BackendTick, Event, Hello, HelloBackend, Req, SCHEMA, ServerTick, Tick};
use balance::policy::Kind;
use sim::{Follow, follow};

use super::live::{Ended, mean};

/// The time between two ticks, in microseconds.
const PERIOD: u64 = 250_000;

/// The mean latency in seconds of the ghost that follows these calls, at servers with one worker.
///
/// # Errors
/// If the ghost does not get all calls.
pub(super) fn mean_of_ghost(ended: &[Ended], policy: Kind, servers: usize) -> Result<f64> {
    let mut lines = stream(ended, policy, servers)?.into_iter();
    let mut ghosts = Vec::new();
    let read = |line: &mut Vec<u8>| {
        lines.next().is_some_and(|next| {
            *line = next;
            true
        })
    };
    let skipped = follow(&Follow::default(), read, |ghost| {
        ghosts.push(ghost);
        true
    });
    let last = &ghosts.last().context("the ghost told nothing")?.tick;
    ensure!(last.ended == ended.len() as u64, "{} of {} calls have ended", last.ended, ended.len());
    let loads = ghosts.iter().filter_map(|ghost| ghost.tick.load.as_ref());
    let buckets: Vec<_> = loads.flat_map(|load| &load.latency).collect();
    // A bucket is a sixteenth wide at most, and its end is told.
    let middle = |end: u64| end as f64 * (1.0 - 1.0 / 48.0);
    let sum: f64 = buckets.iter().map(|(end, count)| middle(*end) * *count as f64).sum();
    let mean = sum / ended.len() as f64 / 1e6;
    println!("  its ghost mean {:.1} ms, {} calls were late", mean * 1e3, skipped.late);
    Ok(mean)
}

/// Checks that the ghost has the mean latency of the live run, within 5 %.
///
/// # Errors
/// If it has not.
pub(super) fn agrees(ended: &[Ended], policy: Kind, servers: usize) -> Result<()> {
    let live = mean(ended.iter().map(Ended::latency)).as_secs_f64();
    let ghost = mean_of_ghost(ended, policy, servers)?;
    ensure!((ghost / live - 1.0).abs() <= 0.05, "mean: live {live:.4} s, ghost {ghost:.4} s");
    Ok(())
}

/// These calls as the stream of a lab.
fn stream(ended: &[Ended], policy: Kind, servers: usize) -> Result<Vec<Vec<u8>>> {
    let backend = |number: usize| HelloBackend {
        backend: number,
        url: format!("http://127.0.0.1:{}", 3030 + number),
        weight: 1,
        mode: "ready".into(),
        ..HelloBackend::default()
    };
    let backends = (1..=servers).map(backend).collect();
    let hello = Hello { schema: SCHEMA, policy: policy.name().into(), backends, ..Hello::default() };
    let mut events: Vec<_> = ended.iter().map(|ended| (micros(ended.ended), request(ended))).collect();
    let end = events.iter().map(|(t, _)| *t).max().unwrap_or(0) + 10_000_000;
    events.extend((0..end / PERIOD).map(|count| (count * PERIOD, tick(count * PERIOD, servers))));
    events.sort_by_key(|(t, _)| *t);
    let all =
        std::iter::once(Event::Hello(Box::new(hello))).chain(events.into_iter().map(|(_, event)| event));
    all.map(|event| serde_json::to_vec(&event).context("an event cannot be written")).collect()
}

fn request(ended: &Ended) -> Event {
    let latency = micros(ended.latency());
    Event::Req(Box::new(Req {
        t: micros(ended.ended),
        total_us: latency,
        head_us: latency,
        status: ended.status.unwrap_or(0),
        backend: ended.backend,
        attempts: 1,
        service_us: ended.service.map(micros),
        server_queue_us: ended.queue.map(micros),
        ..Req::default()
    }))
}

fn tick(t: u64, servers: usize) -> Event {
    let server = ServerTick { process: "running".into(), workers: Some(1), ..ServerTick::default() };
    let backend =
        |number| BackendTick { backend: number, server: Some(server.clone()), ..BackendTick::default() };
    Event::Tick(Tick { t, backends: (1..=servers).map(backend).collect(), ..Tick::default() })
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
