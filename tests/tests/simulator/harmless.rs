//! The ghost changes nothing of the real traffic: the same requests go to the same backends, and cost the
//! balancer the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::Event;
use balance::policy::Kind;
use e2e::meter::{Costs, Stretch};
use lab::load::{Call, Executed, Keys, Load};
use lab::stream::{LabStream, Shape, Sources, StreamReader, Traffic};
use lab::topology::Lab;
use sim::ms;
use tokio::time::{sleep, timeout};

use super::full;

/// The requests of a run. The first one is sent before anything reads the stream, so the others count.
const REQUESTS: u64 = 401;

/// The policies whose picks depend on nothing but the requests and the seed, if one request comes after the
/// other.
pub(super) const POLICIES: [Kind; 4] = [Kind::RoundRobin, Kind::WeightedRoundRobin, Kind::Random, Kind::Ring];

/// The time for a run, or for the first figures of a ghost: the simulator may have to be built.
const PATIENCE: Duration = Duration::from_secs(300);

/// How much more processor time a request may cost the balancer beside a ghost.
const COST: f64 = 1.03;

/// A machine on which two equal stretches differ by more is too busy to measure the cost.
const NOISE: f64 = 1.03;

/// What the real traffic was.
#[derive(Debug, PartialEq)]
struct Run {
    /// The backend of each request, by its number.
    picks: BTreeMap<u64, usize>,
    /// What the balancer counts for each backend: picks, answers, and those of them with the status 200.
    counts: Vec<(u64, u64, u64)>,
    /// How often each request was executed, by its number.
    executed: BTreeMap<u64, u64>,
    /// Requests, and errors of all kinds.
    totals: (u64, u64),
}

/// A lab in which this policy always picks the same backends for the same requests.
async fn lab(policy: Kind, seed: u64) -> Result<Lab> {
    Lab::processes()
        .backends(4)
        .lb_arg(format!("--policy={policy}"))
        .lb_arg("--explain")
        .lb_arg("--hash-by=header:x-lab-key")
        .lb_arg("--workers=1")
        .lb_arg(format!("--seed={seed}"))
        .start()
        .await
}

/// Sends the requests one after the other, beside this ghost, and says where they went.
async fn run(lab: &Lab, ghost: Option<Kind>) -> Result<Run> {
    let before = lab.balancer().state().await?;
    for backend in lab.backends() {
        backend.clear_ledger().await?;
    }
    let load = Load::open(lab.balancer().address())
        .call(Call::get("/").keys(Keys::Uniform { keys: 1000 }).rate(1.0))
        .connections(1)
        .seed(7)
        .requests(REQUESTS);
    let traffic = Arc::new(Traffic::start(load, Shape { is_open: true, rate: 0.0, clients: 1 })?);
    let sources = Sources { traffic: Some(traffic.clone()), seed: Some(7), ..Sources::of(lab)? };
    let stream = LabStream::start(sources).await?;
    let mut reader = stream.read_all();
    if let Some(ghost) = ghost {
        stream.ghost().set(Some(ghost.name()), "a test")?;
        timeout(PATIENCE, first(&mut reader)).await.context("no ghost came")??;
    }
    traffic.change(Shape { is_open: false, rate: 0.0, clients: 1 })?;
    let picks = timeout(PATIENCE, picks(&mut reader, ghost)).await.context("the run takes too long")??;
    let (after, ledger) = (lab.balancer().state().await?, lab.ledger().await?);
    let counts = after.backends.iter().zip(&before.backends).map(|(after, before)| {
        (
            after.picks - before.picks,
            after.answers - before.answers,
            after.status.success - before.status.success,
        )
    });
    let errors = |state: &api::State| state.totals.errors.values().sum::<u64>() + state.totals.no_backend;
    Ok(Run {
        counts: counts.collect(),
        executed: executed(&picks, &ledger),
        picks: picks.into_iter().map(|(number, (_, backend))| (number, backend)).collect(),
        totals: (after.totals.requests - before.totals.requests, errors(&after) - errors(&before)),
    })
}

/// Waits for the first figures of a ghost.
async fn first(reader: &mut StreamReader) -> Result<()> {
    loop {
        match &*reader.next().await.context("the stream has ended")?.1 {
            Event::Ghost(_) => return Ok(()),
            event => has_not_ended(event)?,
        }
    }
}

/// # Errors
/// If this event says that the ghost cannot run.
fn has_not_ended(event: &Event) -> Result<()> {
    if let Event::Control(change) = event {
        ensure!(!change.what.starts_with("the ghost has ended"), "{}", change.what);
    }
    Ok(())
}

/// The id and the backend of each request, by its number. With a ghost, it waits until the ghost has figures
/// about the last request.
async fn picks(reader: &mut StreamReader, ghost: Option<Kind>) -> Result<BTreeMap<u64, (String, usize)>> {
    let (mut picks, mut ghosted) = (BTreeMap::new(), 0);
    let others = REQUESTS - 1;
    while picks.len() < usize::try_from(others)? || (ghost.is_some() && ghosted < others) {
        match &*reader.next().await.context("the stream has ended")?.1 {
            Event::Req(request) => {
                let id = request.request_id.clone().context("a request without an id")?;
                let number: u64 = id.rsplit('-').next().unwrap_or_default().parse()?;
                if number == 0 {
                    continue;
                }
                picks.insert(number, (id, request.backend.context("a request without a backend")?));
            }
            Event::Ghost(told) if ghost.is_some_and(|ghost| told.policy == ghost.name()) => {
                ghosted = told.tick.requests;
            }
            event => has_not_ended(event)?,
        }
    }
    Ok(picks)
}

fn executed(picks: &BTreeMap<u64, (String, usize)>, ledger: &Executed) -> BTreeMap<u64, u64> {
    picks.iter().map(|(number, (id, _))| (*number, ledger.times(id))).collect()
}

/// The same requests beside a ghost and without one.
///
/// # Errors
/// If a request went elsewhere, was executed more or less often, or if a count differs.
pub(super) async fn changes_nothing(policy: Kind) -> Result<()> {
    let other = if policy == Kind::LeastConnections { Kind::RoundRobin } else { Kind::LeastConnections };
    let (without, with, again) = if policy == Kind::Ring {
        // The ring knows the backends by their ports, so both runs need the same ones.
        let lab = lab(policy, 42).await?;
        (run(&lab, None).await?, run(&lab, Some(other)).await?, None)
    } else {
        let seed = if policy == Kind::Random { Some(43) } else { None };
        let again = match seed {
            Some(seed) => Some(run(&lab(policy, seed).await?, None).await?),
            None => None,
        };
        (run(&lab(policy, 42).await?, None).await?, run(&lab(policy, 42).await?, Some(other)).await?, again)
    };
    println!("{policy}: {:?} picks, answers and good answers of each backend", without.counts);
    let moved = without.picks.iter().filter(|(number, backend)| with.picks.get(number) != Some(backend));
    ensure!(moved.clone().count() == 0, "{} of {REQUESTS} requests went elsewhere", moved.count());
    ensure!(without == with, "without a ghost: {without:?}\nbeside a ghost: {with:?}");
    ensure!(without.totals == (REQUESTS, 0), "{:?}", without.totals);
    ensure!(without.executed.values().all(|times| *times == 1), "{:?}", without.executed);
    // Another seed gives other picks, so the comparison can fail.
    ensure!(again.is_none_or(|again| again.picks != without.picks), "the seed does not matter");
    Ok(())
}

/// The processor time of the balancer for a request, beside a ghost and without one.
///
/// # Errors
/// If a request costs more beside a ghost; on a busy machine this is inconclusive.
pub(super) async fn costs_nothing() -> Result<()> {
    let (rate, pairs, time) = if full() { (2000.0, 15, ms(4000)) } else { (500.0, 3, ms(1000)) };
    let lab = lab(Kind::RoundRobin, 42).await?;
    let load = Load::open(lab.balancer().address()).call(Call::get("/").rate(rate)).keep_last(10_000);
    let traffic = Arc::new(Traffic::start(load, Shape { is_open: true, rate, clients: 8 })?);
    let sources = Sources { traffic: Some(traffic.clone()), ..Sources::of(&lab)? };
    let stream = LabStream::start(sources).await?;
    let balancer = lab.balancer();
    let cost = async || -> Result<f64> {
        let stretch = Stretch::begin(balancer.pid()?, balancer.state().await?.totals.requests)?;
        sleep(time).await;
        stretch.end(balancer.state().await?.totals.requests)
    };
    let mut costs = Costs::default();
    for _ in 0..pairs {
        stream.ghost().set(None, "a test")?;
        let without = cost().await?;
        stream.ghost().set(Some("least-connections"), "a test")?;
        let mut reader = stream.read();
        timeout(PATIENCE, first(&mut reader)).await.context("no ghost came")??;
        costs.add(without, cost().await?);
    }
    println!("  a request at {rate}/s costs the balancer {costs}");
    if costs.ratio() > COST && (!full() || costs.noise() > NOISE) {
        println!("  inconclusive: only the full form on a quiet machine can tell");
        return Ok(());
    }
    ensure!(costs.ratio() <= COST, "a ghost costs the balancer {costs}; {COST} is allowed");
    Ok(())
}
