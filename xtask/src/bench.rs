//! `cargo xtask bench`: what does a request cost here, and what does it cost nginx and HAProxy?
//!
//! Equal work for all: one proxy at a time on one core, the same four backends, connections kept on both
//! sides, forwarding headers on. The contenders take turns in every round, so that whatever else the machine
//! does hits them alike, and what counts is the median of the rounds' ratios. Statistics are on, as always; with
//! `--statistics` the balancer also runs with as few of them as there may be, which shows what they cost.

mod backends;
mod contender;
mod count;
mod plot;
mod process;
mod report;
mod wrk;

use std::path::{Path, PathBuf};
use std::{fs, thread};

use anyhow::{Context, ensure};
use clap::Args;
use lab::binaries::workspace;

use backends::Backends;
use contender::{Contender, Started};
use count::Counter;
use report::{Sample, Series};

/// The core that the proxy gets for itself.
const PROXY_CORE: usize = 0;

/// The core that the load generator and the backends share, and everything else here.
const LOAD_CORE: usize = 1;

/// Compare the balancer with nginx and HAProxy.
#[derive(Args)]
pub(crate) struct Bench {
    /// Rounds; in each, every proxy is measured once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Seconds of load for each proxy in each round
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// Keep-alive clients
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1000))]
    clients: u16,
    /// Three rounds of one second: a first impression
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,
    /// Measure the balancer with basic statistics as well
    #[arg(long)]
    statistics: bool,
    /// Count system calls per request as well (needs strace)
    #[arg(long)]
    syscalls: bool,
    /// Count user-space instructions per request as well (needs valgrind)
    #[arg(long)]
    instructions: bool,
    /// Where the plot goes
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Bench {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        self.has_what_it_needs()?;
        let contenders = Contender::all(self.statistics)?;
        // Only now: the compiler shall have all cores.
        process::stay_on(LOAD_CORE)?;
        let backends = Backends::start(4)?;
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;

        let (rounds, seconds) = self.plan();
        println!("{}", report::setting(self.clients, rounds, seconds));
        let series = self.measure(&contenders, &backends, folder.path())?;
        print!("\n{}\n{}", report::table(&series), report::ratios(&series));
        self.draw(&series)?;

        for counter in self.counters() {
            println!("\n{}", counter.heading());
            for contender in &contenders {
                let counted = counter.count(contender, &backends, folder.path(), self.clients)?;
                println!("{:<12} {counted}", contender.name());
            }
        }
        Ok(())
    }

    fn has_what_it_needs(&self) -> anyhow::Result<()> {
        let cores = thread::available_parallelism().context("cannot count the cores")?.get();
        ensure!(cores > LOAD_CORE, "the bench needs two cores: one for the proxy, one for the load");
        process::require("wrk", "wrk")?;
        process::require("taskset", "util-linux")?;
        process::require("setpriv", "util-linux")?;
        self.counters().try_for_each(|counter| process::require(counter.tool(), counter.tool()))
    }

    /// Rounds, and the seconds of load for each proxy in each.
    fn plan(&self) -> (u16, u16) {
        if self.quick { (3, 1) } else { (self.rounds, self.seconds) }
    }

    fn counters(&self) -> impl Iterator<Item = Counter> + use<> {
        let wanted = [(self.syscalls, Counter::SystemCalls), (self.instructions, Counter::Instructions)];
        wanted.into_iter().filter_map(|(wanted, counter)| wanted.then_some(counter))
    }

    /// Warms every proxy up, then measures all of them in every round.
    fn measure(
        &self,
        contenders: &[Contender],
        backends: &Backends,
        folder: &Path,
    ) -> anyhow::Result<Vec<Series>> {
        let (rounds, seconds) = self.plan();
        let mut proxies = Vec::new();
        for contender in contenders {
            let proxy = Started::start(contender, &[], backends, folder)?;
            proxy.does_equal_work()?;
            wrk::run(proxy.port(), self.clients, 1)?;
            proxies.push(proxy);
        }
        let mut series: Vec<Series> = contenders.iter().map(Series::new).collect();
        for round in 0..rounds {
            eprintln!("round {} of {rounds}", round + 1);
            for turn in 0..proxies.len() {
                // Each round begins with another one, so that nobody is always the first after a pause.
                let whose = (usize::from(round) + turn) % proxies.len();
                series[whose].samples.push(sample(&proxies[whose], self.clients, seconds)?);
            }
        }
        Ok(series)
    }

    fn draw(&self, series: &[Series]) -> anyhow::Result<()> {
        let path = self.out.clone().unwrap_or_else(|| workspace().join("target/bench/bench.svg"));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        let picture = plot::plot(series, self.clients);
        fs::write(&path, picture.finish()).with_context(|| format!("cannot write {}", path.display()))?;
        println!("\nplot: {}", path.display());
        Ok(())
    }
}

/// Puts load on one proxy and sees what that cost.
fn sample(proxy: &Started, clients: u16, seconds: u16) -> anyhow::Result<Sample> {
    let before = proxy.cpu_time()?;
    let load = wrk::run(proxy.port(), clients, seconds)?;
    let spent = proxy.cpu_time()?.saturating_sub(before);
    Ok(Sample {
        cpu_us: spent.as_secs_f64() * 1e6 / load.requests as f64,
        rate: load.rate,
        p50_us: load.p50.as_secs_f64() * 1e6,
        p99_us: load.p99.as_secs_f64() * 1e6,
        memory: proxy.memory()?,
    })
}
