//! `cargo xtask soak`: are all counts still correct after hours of faults?
//!
//! A lap takes a minute. A mixed load runs through it. Every fault strikes once at some backend, in an order
//! drawn from a seed, and is removed before the next one. At the end of a lap, the load stops, everything
//! comes to rest, and the counts of clients, backends and balancer are compared for each request. So a run
//! may take any time, and its data never grows beyond a minute.
//!
//! Two faults are active all the time: every second there is a request for a path whose handler closes the
//! connection at any backend, and the balancer writes a line for each request into a log without a reader.
//!
//! # The baseline for memory
//! A process keeps much of the memory that it needed at its worst moment, and the balancer keeps connections
//! for a minute. So the run begins with moments that are worse than all later ones: more clients send
//! requests as fast as they can, get stuck at each backend in turn, and then get their answers in small
//! pieces. Look-ups hang, and clients leave. Growth beyond that is a leak. It first fills gaps: a leak of 32
//! bytes a request appears in the second minute.

mod names;
mod resources;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use lab::claims::audit::{Audit, FaultPhase, Lap, audit};
use lab::claims::faults::{CallKind, Fault, Strike, Wrong, order};
use lab::claims::soak::{CLAIMS, SoakRun};
use lab::claims::{ensure_all_hold, judge};
use lab::load::{Call, Crowd, Entry, Load, Running, summarise};
use lab::spell::{mebibytes, time};
use lab::topology::{Lab, State};

use crate::print::line;
use names::NameServer;
use resources::{at_rest, descriptors, healed, lines_dropped, memory};

const BACKENDS: usize = 4;

/// The largest number of connections of the load.
const CONNECTIONS: usize = 64;

/// The number of clients that leave while they wait, and the path that they request.
const VANISHING: usize = 32;
const NEVER: &str = "/delay/60000";

/// The number of clients that leave in the middle of an upload, and the path that answers while it reads.
const LEAVING: usize = 24;
const ECHO: &str = "/echo";

/// The number of backends that are added with names without an address.
const NAMELESS: usize = 4;

/// The duration of a lap, the first including the warm-up; longer if the recovery takes longer.
const LAP: Duration = Duration::from_secs(60);

/// The duration of a fault.
const STANDS: Duration = Duration::from_millis(1500);

/// The shortest time without faults at the beginning and at the end of a lap: in its second half, memory is
/// measured.
const QUIET: Duration = Duration::from_secs(4);

/// The time of a lap for the comparison of the counts.
const SETTLING: Duration = Duration::from_secs(2);

/// Apply every fault under load, once per minute, and compare the counts of clients, backends and balancer.
#[derive(Args)]
pub(crate) struct Soak {
    /// Duration in minutes; each minute applies every fault once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,

    /// Seed for the order of the faults; by default a new seed for each run.
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
}

/// The load, in calls a second: mostly small GETs.
fn mix() -> [(Call, CallKind); 9] {
    [
        (Call::get("/").rate(800.0), CallKind::ShortGet),
        (Call::get("/delay/50").rate(40.0), CallKind::ShortGet),
        (Call::get("/delay/300").rate(5.0), CallKind::ShortGet),
        (Call::get("/bytes/50000").rate(100.0), CallKind::LongGet),
        (Call::post("/", 2000).rate(200.0), CallKind::Post),
        (Call::post("/echo", 512).rate(350.0), CallKind::Post),
        (Call::post("/delay/100", 100).rate(30.0), CallKind::Post),
        (Call::get("/die").rate(1.0), CallKind::DyingGet),
        (Call::post("/die", 100).rate(0.5), CallKind::DyingPost),
    ]
}

impl Soak {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.play())
    }

    async fn play(self) -> Result<()> {
        let seed = self.seed.unwrap_or_else(|| fastrand::u32(..));
        line("building and starting the lab ...")?;
        let names = NameServer::start();
        match &names {
            Ok(_) => line("look-ups of names hang: their questions get no answer")?,
            Err(why) => line(format!("look-ups of names fail, but do not hang: {why:#}"))?,
        }
        let lab = Lab::processes()
            .backends(BACKENDS)
            .lb_arg("--workers=2")
            .lb_arg("--access-log")
            // The logs contain the ids from the clients.
            .lb_arg("--request-id=false")
            .unread_log()
            .lb_under(names.iter().flat_map(NameServer::command))
            .backend_arg(format!("--seed={seed}"))
            .start()
            .await?;
        let rate: f64 = mix().iter().map(|(call, _)| call.per_second()).sum();
        line(format!(
            "seed {seed}: {rate} requests a second, {BACKENDS} backends behind {}\n",
            lab.balancer().address()
        ))?;
        let measured = Run::begin(&lab).await?.laps(self.minutes, seed).await?;
        let verdicts = judge(&CLAIMS, &measured);
        line("")?;
        verdicts.iter().try_for_each(line)?;
        let traces = || format!("seed {seed}\n{}{}", measured.audit.findings(), lab.logs());
        ensure_all_hold(&verdicts, traces)?;
        lab.stop();
        Ok(())
    }
}

/// A run in progress.
struct Run<'a> {
    lab: &'a Lab,
    began: Instant,
    /// The number of the balancer's descriptors at rest after the warm-up.
    descriptors: usize,
    /// The balancer's counts when everything was last at rest.
    counted: State,
    audit: Audit,
    /// The number of hits of each strike.
    hits: Vec<(Fault, u64)>,
    /// The balancer's memory at each time without faults.
    memory: Vec<u64>,
}

impl<'a> Run<'a> {
    /// Runs through the worst moments, and counts the open descriptors afterwards.
    async fn begin(lab: &'a Lab) -> Result<Self> {
        line(" time  fault           at requests     p50     p99 slowest  errors, memory")?;
        let mut run = Self {
            lab,
            began: Instant::now(),
            descriptors: 0,
            counted: at_rest(lab).await?,
            audit: Audit::default(),
            hits: Vec::new(),
            memory: Vec::new(),
        };
        let stops = (1..=BACKENDS).map(|backend| (Fault::Stop, backend));
        let drips = (1..=BACKENDS).map(|backend| (Fault::Drip, backend));
        // These need memory of their own: threads for look-ups, and uploads of clients that leave.
        let others = [(Fault::LookUps, 1), (Fault::Leave, 1), (Fault::Vanish, 1)];
        let strikes =
            stops.chain(drips).chain(others).map(|(fault, backend)| Strike { fault, backend, percent: 100 });
        let crowded = Load::closed(lab.balancer().address(), CONNECTIONS + VANISHING);
        run.lap(crowded, strikes.collect(), None).await?;
        run.descriptors = descriptors(lab).await?;
        Ok(run)
    }

    async fn laps(mut self, laps: u32, seed: u32) -> Result<SoakRun> {
        let mut random = fastrand::Rng::with_seed(seed.into());
        for number in 1..=laps {
            let usual = Load::open(self.lab.balancer().address()).connections(CONNECTIONS);
            self.lap(usual, order(&mut random, BACKENDS), Some(LAP * number - SETTLING)).await?;
        }
        Ok(SoakRun {
            audit: self.audit,
            hits: self.hits,
            descriptors: (self.descriptors, descriptors(self.lab).await?),
            memory: (*self.memory.first().unwrap_or(&0), *self.memory.last().unwrap_or(&u64::MAX)),
            lines_dropped: lines_dropped(self.lab).await?,
        })
    }

    /// One fault after the other, then the comparison of the counts. With `until`, the load runs without
    /// faults for some time at the beginning, and again at the end up to that time of the run.
    async fn lap(&mut self, load: Load, strikes: Vec<Strike>, until: Option<Duration>) -> Result<()> {
        let load = mix().into_iter().fold(load, |load, (call, _)| load.call(call)).start()?;
        let mut phases = Vec::new();
        if until.is_some() {
            phases.push(self.quiet(&load, QUIET).await?);
        }
        let (mut vanished, mut left) = (0, 0);
        for strike in strikes {
            let (phase, hits) = self.strike(&load, strike).await?;
            phases.push(phase);
            self.hits.push((strike.fault, hits));
            match strike.fault {
                Fault::Vanish => vanished += hits,
                Fault::Leave => left += hits,
                _ => {}
            }
        }
        if let Some(until) = until {
            phases.push(self.quiet(&load, until.saturating_sub(self.began.elapsed()).max(QUIET)).await?);
        }

        let report = load.stop().await?;
        let after = at_rest(self.lab).await?;
        self.audit.add(audit(&Lap {
            begun: report.begun(),
            entries: report.entries(),
            id: &|entry| report.id(entry),
            kinds: &mix().map(|(_, kind)| kind),
            phases: &phases,
            vanished,
            left,
            executed: &self.lab.ledger().await?,
            counted: (&self.counted, &after),
        }));
        self.counted = after;
        forget(self.lab).await
    }

    /// A phase without faults.
    async fn quiet(&mut self, load: &Running, lasts: Duration) -> Result<FaultPhase> {
        let from = load.elapsed();
        tokio::time::sleep(lasts / 2).await;
        let memory = memory(self.lab, lasts / 2).await?;
        self.memory.push(memory);
        self.end_phase(load, None, from, Some(mebibytes(memory)))
    }

    /// A phase with one fault, until the balancer has noticed that it is over. Also returns the number of
    /// requests or processes that it hit.
    async fn strike(&self, load: &Running, strike: Strike) -> Result<(FaultPhase, u64)> {
        let from = load.elapsed();
        let backend = self.lab.backend(strike.backend);
        let balancer = self.lab.balancer();
        let (mut crowds, mut nameless) = (Vec::new(), Vec::new());
        match (strike.fault, strike.define_faults()) {
            (_, Some(faults)) => backend.faults(faults).await?,
            (Fault::Restart, None) => backend.restart().await?,
            (Fault::Stop, None) => backend.stall().await?,
            (Fault::Vanish, None) => {
                crowds.push(Crowd::ask(balancer.address(), VANISHING, NEVER).await?);
            }
            (Fault::Leave, None) => {
                for _ in 0..2 {
                    crowds.push(Crowd::upload(balancer.address(), LEAVING / 2, ECHO).await?);
                }
            }
            (Fault::LookUps, None) => {
                for number in 1..=NAMELESS {
                    nameless.push(balancer.add(&format!("http://backend{number}.soak.example:80")).await?);
                }
            }
            (_, None) => backend.kill().await?,
        }
        tokio::time::sleep(STANDS).await;
        for number in &nameless {
            balancer.remove(*number).await?;
        }
        // Half of the uploads end with a reset, the others with the ordinary end of a connection.
        let left = crowds.drain(..).enumerate().map(|(half, crowd)| match half {
            0 => crowd.vanish(),
            _ => crowd.close(),
        });
        let hits = match left.sum::<usize>() {
            0 if strike.define_faults().is_some() => {
                backend.state().await?["faults"][0]["fired"].as_u64().unwrap_or(0)
            }
            0 => nameless.len().max(1) as u64,
            left => left as u64,
        };
        backend.heal().await?;
        healed(self.lab).await?;
        Ok((self.end_phase(load, Some(strike), from, None)?, hits))
    }

    /// Ends a phase, and prints its line with a remark.
    fn end_phase(
        &self,
        load: &Running,
        strike: Option<Strike>,
        from: Duration,
        remark: Option<String>,
    ) -> Result<FaultPhase> {
        let to = load.elapsed();
        let entries = load.since(from);
        let figures = summarise(&entries, from, to);
        let mut remarks = errors(&entries);
        remarks.extend(remark);
        let seconds = self.began.elapsed().saturating_sub(to.saturating_sub(from)).as_secs();
        line(format!(
            "{:>2}:{:02}  {:<15} {:>2} {:>8} {:>7} {:>7} {:>7}  {}",
            seconds / 60,
            seconds % 60,
            strike.map_or("none", |strike| strike.fault.name()),
            strike.map_or_else(|| "-".into(), |strike| strike.backend.to_string()),
            figures.requests,
            time(Some(figures.latency.p50)),
            time(Some(figures.latency.p99)),
            time(Some(figures.latency.max)),
            if remarks.is_empty() { "-".into() } else { remarks.join(", ") },
        ))?;
        Ok(FaultPhase { strike, from, to })
    }
}

/// Empties the backends' ledgers, which is allowed when nothing is in flight.
async fn forget(lab: &Lab) -> Result<()> {
    for backend in lab.backends() {
        backend.clear_ledger().await?;
    }
    Ok(())
}

/// The errors, by kind.
fn errors(entries: &[Entry]) -> Vec<String> {
    let mut counts = BTreeMap::<Wrong, u64>::new();
    for wrong in entries.iter().filter_map(|entry| Wrong::of(&entry.outcome, entry.backend)) {
        *counts.entry(wrong).or_default() += 1;
    }
    counts.iter().map(|(wrong, count)| format!("{count} x {}", wrong.word())).collect()
}
