//! The ghost beside a lab: the load of the demo, and the stream of the lab.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api::{Buckets, Event};
use balance::policy::Kind;
use lab::load::{Arrivals, Call, Load, Sizes};
use lab::resources::processor_time;
use lab::stream::{LabStream, Shape, Sources, Traffic};
use lab::topology::Lab;
use sim::ms;
use tokio::time::timeout;

/// Timers that are later than this at the 99th percentile measure the machine.
const MOST_LATE: Duration = ms(5);

/// The largest distance of a ghost behind the stream, in microseconds.
const BEHIND: u64 = 2_000_000;

/// The largest difference of the means, in per cent.
const DIFFERS: f64 = 5.0;

/// The largest part of a core.
const CORE: f64 = 0.03;

/// How long a ghost gets used to the lab: it begins with empty queues.
const SETTLE: u64 = 1_000_000;

/// A time in which the first ghost must come: the simulator may have to be built.
const BEGIN: Duration = Duration::from_secs(600);

/// The load of the demo, or one that costs the ghost more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffics {
    pub(super) rate: f64,
    /// The least and the greatest work of a request.
    pub(super) work: (Duration, Duration),
    /// Whether the ghost must have the mean latency of the lab. It need not if the machine is so busy that
    /// requests wait for a connection.
    pub(super) agrees: bool,
}

/// The load of the demo.
pub(super) const DEMO: Traffics = Traffics { rate: 100.0, work: (ms(20), ms(60)), agrees: true };

/// Many short requests.
pub(super) const MANY: Traffics = Traffics { rate: 2000.0, work: (ms(1), ms(2)), agrees: false };

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    /// The latencies of the load and of the ghost of the policy in force.
    real: Means,
    own: Means,
    /// The same for the chosen policy.
    chosen: Means,
    /// The largest distance of a ghost behind the stream, in microseconds.
    behind: u64,
    /// What the ghost told of itself.
    told: Vec<String>,
}

/// The sum of latencies, and their number.
#[derive(Debug, Default, Clone, Copy)]
struct Means {
    sum: f64,
    count: u64,
}

impl Means {
    fn add(&mut self, buckets: &Buckets) {
        for (end, count) in buckets {
            // A bucket is a sixteenth wide at most, and its end is told.
            self.sum += *end as f64 * (1.0 - 1.0 / 48.0) * *count as f64;
            self.count += count;
        }
    }

    fn mean_ms(self) -> f64 {
        self.sum / 1e3 / self.count.max(1) as f64
    }
}

/// Runs a lab with a ghost for this time, and compares the ghost of the policy in force with the lab. A
/// comparison on a machine that is too busy is inconclusive.
///
/// # Errors
/// If the ghost is too far from the lab, too far behind, or takes too much of the processor.
pub(super) async fn compare(policy: Kind, traffics: Traffics, time: Duration) -> Result<()> {
    let lab = lab(policy).await?;
    let traffic = Arc::new(traffic(&lab, traffics)?);
    let sources = Sources { traffic: Some(traffic.clone()), seed: Some(42), ..Sources::of(&lab)? };
    let stream = LabStream::start(sources).await?;
    let other = if policy == Kind::Random { Kind::RoundRobin } else { Kind::Random };
    stream.ghost().set(Some(other.name()), "a test")?;
    let mut reader = stream.read();
    let first = async {
        loop {
            match &*reader.next().await.context("the stream has ended")?.1 {
                Event::Ghost(ghost) => return anyhow::Ok(ghost.tick.t),
                Event::Control(change) if change.what.starts_with("the ghost has ended") => {
                    anyhow::bail!("{}", change.what)
                }
                _ => {}
            }
        }
    };
    let from = timeout(BEGIN, first).await.context("no ghost came")?? + SETTLE;
    let to = from + u64::try_from(time.as_micros())?;
    let pid = stream.ghost().pid().context("no simulator runs")?;
    let (began, spent) = (Instant::now(), processor_time(pid)?);
    let seen = timeout(time * 3 + ms(10_000), watch(&mut reader, policy, from, to)).await??;
    let core = (processor_time(pid)? - spent).as_secs_f64() / began.elapsed().as_secs_f64();
    let late = traffic.recent(time).late.p99;
    let errors = traffic.sums().errors;
    drop(stream);
    lab.stop();
    seen.judge(policy, core, late, traffics.agrees)?;
    ensure!(errors == 0 || late > MOST_LATE, "{errors} requests failed");
    Ok(())
}

async fn lab(policy: Kind) -> Result<Lab> {
    Lab::processes()
        .backends(4)
        .lb_arg(format!("--policy={policy}"))
        .lb_arg("--explain")
        .lb_arg("--hash-by=header:x-request-id")
        .lb_arg("--seed=42")
        .backend_arg("--workers=2")
        .backend_arg("--queue=50")
        .start()
        .await
}

fn traffic(lab: &Lab, Traffics { rate, work: (least, most), .. }: Traffics) -> Result<Traffic> {
    let load = Load::open(lab.balancer().address())
        .call(Call::get("/").path_from_size().sizes(Sizes::Uniform { least, most }).rate(rate))
        .arrivals(Arrivals::Poisson)
        .connections(64)
        .seed(42)
        .keep_last(100_000);
    Traffic::start(load, Shape { is_open: true, rate, clients: 8 })
}

/// Reads the stream until the ghosts are at `to`, and counts the latencies since `from`.
async fn watch(reader: &mut lab::stream::StreamReader, policy: Kind, from: u64, to: u64) -> Result<Seen> {
    let (mut seen, mut now) = (Seen::default(), 0);
    loop {
        let (_, event) = reader.next().await.context("the stream has ended")?;
        match &*event {
            Event::Tick(tick) => {
                now = tick.t;
                if (from..to).contains(&tick.t) {
                    tick.load.iter().for_each(|load| seen.real.add(&load.latency));
                }
            }
            Event::Ghost(ghost) => {
                seen.behind = seen.behind.max(now.saturating_sub(ghost.tick.t));
                let is_own = ghost.policy == policy.name();
                if ghost.tick.t >= to && is_own {
                    return Ok(seen);
                }
                let means = if is_own { &mut seen.own } else { &mut seen.chosen };
                if (from..to).contains(&ghost.tick.t) {
                    ghost.tick.load.iter().for_each(|load| means.add(&load.latency));
                }
            }
            Event::Control(change) if change.by == "lab" => seen.told.push(change.what.clone()),
            _ => {}
        }
    }
}

impl Seen {
    fn judge(&self, policy: Kind, core: f64, late: Duration, agrees: bool) -> Result<()> {
        let (real, own, chosen) = (self.real.mean_ms(), self.own.mean_ms(), self.chosen.mean_ms());
        let agreement = 100.0 - 100.0 * (own - real).abs() / real;
        println!(
            "{policy}: {} requests, timers late by {late:.1?} at p99\n  live {real:.2} ms, own ghost {own:.2} ms, \
             agreement {agreement:.1} %, the other ghost {chosen:.2} ms\n  {:.2} % of a core, at most {:.2} s behind",
            self.real.count,
            100.0 * core,
            self.behind as f64 / 1e6,
        );
        ensure!(self.chosen.count > 0 && self.own.count > 0, "a ghost has no latencies: {self:?}");
        // The time of a process does not depend on others.
        ensure!(core <= CORE, "the ghosts take {:.1} % of a core", 100.0 * core);
        if late > MOST_LATE {
            println!(
                "  inconclusive: the timers were late by more than {MOST_LATE:?}, so the machine is too busy"
            );
            return Ok(());
        }
        ensure!(self.told.is_empty(), "{:?}", self.told);
        ensure!(self.behind <= BEHIND, "a ghost was {} us behind", self.behind);
        ensure!(
            !agrees || agreement >= 100.0 - DIFFERS,
            "the ghost agrees to {agreement:.1} %: {own} ms, live {real} ms"
        );
        Ok(())
    }
}
