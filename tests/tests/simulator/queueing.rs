//! Queues at four servers with one worker each, which are 80 % busy: latencies and shares, live and
//! simulated.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use balance::policy::Kind;
use lab::topology::Lab;
use sim::{Arrivals, RecordedCall, Recording, Report, Server, Service, Sim, Stop, ms};

use super::ghost;
use super::live::{Ended, lateness, mean, quantile, recording, send};

const SERVERS: usize = 4;

/// The mean size. It is long, so that the lateness of timers matters little.
const SIZE: Duration = ms(40);

/// Four workers of 25 calls a second each, 80 % busy.
const RATE: f64 = 80.0;

/// Names the arrivals and the sizes.
const SEED: u64 = 4;

/// Timers that are later than this at the 99th percentile measure the machine.
const MOST_LATE: Duration = ms(5);

/// Calls one after the other that show the time on the way; a multiple of the number of servers.
const ALONE: u64 = 40;

/// Seeds of the simulated draws. Their mean is compared with the one live run.
const SEEDS: u64 = 40;

/// The allowed differences between the live run and the simulation, as parts of the simulated value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bars {
    mean: f64,
    p99: f64,
    /// The difference of the picks of each backend, if it is compared.
    picks: Option<u64>,
}

/// For a policy whose picks depend on nothing but the order of the calls.
pub(super) const EXACT: Bars = Bars { mean: 0.03, p99: 0.08, picks: Some(1) };

/// For a policy whose picks depend on loads or latencies.
pub(super) const CLOSE: Bars = Bars { mean: 0.06, p99: 0.12, picks: None };

/// What is compared.
#[derive(Clone, Debug)]
struct Figures {
    mean: f64,
    p99: f64,
    picks: Vec<u64>,
}

/// Compares a live run of this length with the simulation.
///
/// # Errors
/// If a figure differs by more than the bars, or if the bars do not tell another policy apart.
pub(super) async fn compare(policy: Kind, time: Duration, bars: Bars) -> Result<()> {
    let calls = calls(time);
    let (path, ended) = live(policy, &calls).await?;
    let late = lateness(&ended);
    let own_path = mean(ended.iter().filter_map(Ended::path).collect::<Vec<_>>().into_iter());
    println!(
        "{policy}: {} calls, timers late by {late:.1?} at p99, {path:.2?} on the way alone, {own_path:.2?} in the run",
        ended.len()
    );
    let found = of_live(&ended);
    let recording = recording(&calls, &ended, path);
    let expected = simulated(&recording, policy);
    println!("  live      {found}\n  simulated {expected}");
    if late > MOST_LATE {
        println!(
            "  inconclusive: the timers were late by more than {MOST_LATE:?}, so the machine is too busy"
        );
        return Ok(());
    }
    expected.compare(&found, bars)?;
    // The ghost of a policy that draws has other draws than the live balancer.
    if matches!(policy, Kind::RoundRobin | Kind::LeastConnections) {
        ghost::agrees(&ended, policy, SERVERS)?;
    }
    let other = if policy == Kind::RoundRobin { Kind::Random } else { Kind::RoundRobin };
    let other = simulated(&recording, other);
    ensure!(other.compare(&found, bars).is_err(), "the bars do not tell {other} apart");
    Ok(())
}

/// Calls of a Poisson process with exponential sizes.
fn calls(time: Duration) -> Vec<RecordedCall> {
    let calls = (time.as_secs_f64() * RATE) as u64;
    let sim = Sim::new(SEED)
        .servers(SERVERS, Server::workers(1))
        .arrivals(Arrivals::Poisson(RATE))
        .service(Service::Exp(SIZE));
    let (_, trace) = sim.record(Stop::Requests(calls));
    trace.recording().calls().to_vec()
}

/// Sends the calls in a live lab. Returns also the mean time on the way of calls that are alone.
async fn live(policy: Kind, calls: &[RecordedCall]) -> Result<(Duration, Vec<Ended>)> {
    // One worker, so that calls are picked in their order. Only the policy may decide.
    let lab = Lab::processes()
        .backends(SERVERS)
        .lb_arg(format!("--policy={policy}"))
        .lb_arg("--workers=1")
        .lb_arg("--silence=1m")
        .lb_arg(format!("--seed={SEED}"))
        .backend_arg("--workers=1")
        .start()
        .await?;
    let address = lab.balancer().address();
    let alone: Vec<_> = (0..ALONE)
        .map(|count| RecordedCall {
            at: ms(count * 40),
            takes: ms(20),
            path: ms(0),
            key: None,
            backend: None,
        })
        .collect();
    let alone = send(address, &alone).await?;
    let paths: Vec<_> =
        alone.iter().map(Ended::path).collect::<Option<_>>().context("a call has no times")?;
    let ended = send(address, calls).await?;
    let failed = ended.iter().filter(|ended| ended.status != Some(200)).count();
    ensure!(failed == 0, "{failed} calls failed");
    ensure!(ended.iter().all(|ended| ended.service.is_some()), "an answer has no time of service");
    Ok((mean(paths.into_iter()), ended))
}

fn of_live(ended: &[Ended]) -> Figures {
    let latencies = || ended.iter().map(Ended::latency);
    let picks =
        (1..=SERVERS).map(|number| ended.iter().filter(|it| it.backend == Some(number)).count() as u64);
    Figures {
        mean: mean(latencies()).as_secs_f64(),
        p99: quantile(latencies(), 0.99).as_secs_f64(),
        picks: picks.collect(),
    }
}

/// The mean figures of simulations with several seeds.
fn simulated(recording: &Recording, policy: Kind) -> Figures {
    let replay = |seed| {
        let sim = Sim::new(seed).servers(SERVERS, Server::workers(1)).keep_latencies();
        recording.replay(&sim, policy)
    };
    let reports: Vec<Report> = (0..SEEDS).map(replay).collect();
    let latencies = |report: &Report| -> Vec<_> {
        report.latencies().iter().map(|latency| Duration::from_nanos(*latency)).collect()
    };
    let over = |of: &dyn Fn(&Report) -> f64| reports.iter().map(of).sum::<f64>() / SEEDS as f64;
    Figures {
        mean: over(&|report| report.mean().as_secs_f64()),
        p99: over(&|report| quantile(latencies(report).into_iter(), 0.99).as_secs_f64()),
        picks: reports[0].backends().iter().map(|backend| backend.picks).collect(),
    }
}

impl Figures {
    /// Whether the live figures are those expected.
    fn compare(&self, live: &Self, bars: Bars) -> Result<()> {
        for (name, live, expected, bar) in
            [("mean", live.mean, self.mean, bars.mean), ("p99", live.p99, self.p99, bars.p99)]
        {
            let off = live / expected - 1.0;
            ensure!(
                off.abs() <= bar,
                "{name}: live {live:.4} s, simulated {expected:.4} s: {:+.1} %",
                100.0 * off
            );
        }
        if let Some(most) = bars.picks {
            let close = live.picks.iter().zip(&self.picks).all(|(live, own)| live.abs_diff(*own) <= most);
            ensure!(close, "picks: live {:?}, simulated {:?}", live.picks, self.picks);
        }
        Ok(())
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mean {:.1} ms, p99 {:.0} ms, picks {:?}", self.mean * 1e3, self.p99 * 1e3, self.picks)
    }
}
