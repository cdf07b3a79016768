//! `cargo xtask bench`: the cost of a request here, and with nginx, HAProxy and other proxies.
//!
//! Equal work for all: one proxy at a time on one core, the same four backends, keep-alive connections on
//! both sides, forwarding headers on. The contenders take turns in every round, so that other load of the
//! machine affects all of them, and the result is the median of the rounds' ratios. Statistics are on, as by
//! default; with `--statistics` the balancer also runs with basic statistics, which shows the cost of the
//! others.

mod backends;
mod contender;
mod cores;
mod count;
mod document;
mod figure;
mod idle;
mod keep_alive;
mod machine;
mod measure;
mod open_loop;
mod plot;
mod process;
mod report;
mod scaling;
mod started;
mod workload;
mod wrk;

use std::path::PathBuf;
use std::{fs, slice, thread};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use lab::binaries::workspace;

use crate::print::line;
use backends::Backends;
use contender::Contender;
use cores::{LOAD_CORE, PROXY_CORE};
use count::Counter;
use document::Chapter;
use figure::Figure;
use machine::Machine;
use measure::Conditions;
use report::Series;
use workload::Workload;

/// The proxy whose speed determines the load at a fixed rate.
const YARDSTICK: &str = "nginx";

/// Compare the balancer with nginx, HAProxy and others, where they are installed.
#[derive(Args)]
pub(crate) struct Bench {
    /// Workload; may be given several times
    #[arg(long, value_name = "NAME", default_value = "small")]
    workload: Vec<Workload>,
    /// All workloads
    #[arg(long, conflicts_with = "workload")]
    all: bool,
    /// Rounds; in each, every proxy is measured once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Seconds of load for each proxy in each round
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// Keep-alive clients
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1000))]
    clients: u16,
    /// Quick run: three rounds of one second
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,
    /// Measure the balancer with basic statistics as well
    #[arg(long)]
    statistics: bool,
    /// Compare with another build of the balancer, and not with other proxies; may be given several times
    #[arg(long, value_name = "FILE", conflicts_with_all = ["statistics", "write"])]
    against: Vec<PathBuf>,
    /// Count system calls per small request as well (needs strace)
    #[arg(long)]
    syscalls: bool,
    /// Count user-space instructions per small request as well (needs valgrind)
    #[arg(long)]
    instructions: bool,
    /// Measure the balancer with two workers as well
    #[arg(long)]
    scaling: bool,
    /// Folder for the plots
    #[arg(long, value_name = "FOLDER", conflicts_with = "write")]
    out: Option<PathBuf>,
    /// Write docs/performance.md and its plots
    #[arg(long, requires = "all")]
    write: bool,
}

impl Bench {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        self.has_what_it_needs()?;
        let contenders = match &self.against[..] {
            [] => Contender::all(self.statistics)?,
            builds => Contender::builds(builds)?,
        };
        let (rounds, seconds) = if self.quick { (3, 1) } else { (self.rounds, self.seconds) };
        let setting = setting(rounds, seconds);
        line(&setting)?;
        // Only after the build: the compiler needs all cores.
        process::stay_on(LOAD_CORE)?;
        let idle = idle::connections(process::raise_descriptors()?);
        let backends = Backends::start(4)?;
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let conditions = Conditions {
            backends: &backends,
            folder: folder.path(),
            rounds,
            seconds,
            clients: self.clients,
            idle,
        };

        let mut chapters = self.compare(&conditions, &contenders)?;
        for counter in self.counters() {
            let counted = contenders.iter().filter(|contender| contender.is_counted());
            chapters.push(shown(counter.compare(counted, &conditions)?)?);
        }
        if self.scaling {
            let series = scaling::measure(&conditions)?;
            let (shown_of, compared) = (&scaling::SHOWN, &scaling::COMPARED);
            chapters.push(shown(Chapter::compared("workers", scaling::CAVEAT, &series, shown_of, compared))?);
        }
        if self.write {
            let path = workspace().join("docs/performance.md");
            document::write(&path, &setting, &chapters)?;
            line(format!("\nwritten: {}", path.display()))?;
        }
        Ok(())
    }

    fn has_what_it_needs(&self) -> anyhow::Result<()> {
        let cores = thread::available_parallelism().context("cannot count the cores")?.get();
        ensure!(cores >= 2, "the bench needs two cores: one for the proxy, one for the load");
        process::require("wrk", "wrk")?;
        process::require("taskset", "util-linux")?;
        process::require("setpriv", "util-linux")?;
        self.counters().try_for_each(|counter| process::require(counter.tool(), counter.tool()))
    }

    fn counters(&self) -> impl Iterator<Item = Counter> + use<> {
        let wanted = [(self.syscalls, Counter::SystemCalls), (self.instructions, Counter::Instructions)];
        wanted.into_iter().filter_map(|(wanted, counter)| wanted.then_some(counter))
    }

    /// The selected workloads, in the order in which they depend on each other.
    fn workloads(&self) -> impl Iterator<Item = Workload> {
        let all = Workload::value_variants().iter().copied();
        all.filter(|workload| self.all || self.workload.contains(workload))
    }

    /// Measures all contenders under each of the workloads.
    fn compare(&self, conditions: &Conditions<'_>, contenders: &[Contender]) -> anyhow::Result<Vec<Chapter>> {
        let mut chapters = Vec::new();
        let mut fastest = None;
        for workload in self.workloads() {
            let mut words = workload.words(conditions.clients, conditions.idle);
            let mut rate = 0.0;
            if workload == Workload::Latency {
                let (name, most) = fastest.take().map_or_else(|| speed(conditions, contenders), Ok)?;
                rate = most / 2.0;
                words = workload::at_rate(&words, rate, &name);
            }
            let contenders: Vec<Contender> =
                contenders.iter().filter(|one| one.takes_part(workload)).cloned().collect();
            let series = conditions.measure(workload, &contenders, rate)?;
            if workload == Workload::Small {
                fastest = yardstick(&series);
            }
            let name = workload.name();
            let picture = self.draw(workload, &series, &words)?;
            let chapter = Chapter::compared(&name, &words, &series, workload.shown(), workload.compared());
            chapters.push(shown(chapter.with_picture(format!("performance/{name}.svg")))?);
            line(format!("\nplot: {}", picture.display()))?;
        }
        Ok(chapters)
    }

    /// Draws the measurements, and returns the path of the picture.
    fn draw(&self, workload: Workload, series: &[Series], words: &str) -> anyhow::Result<PathBuf> {
        let usual = if self.write { "docs/performance" } else { "target/bench" };
        let folder = self.out.clone().unwrap_or_else(|| workspace().join(usual));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(format!("{}.svg", workload.name()));
        let picture = plot::plot(series, workload.compared(), words);
        fs::write(&path, picture.finish()).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// The method and the machine of the measurements.
fn setting(rounds: u16, seconds: u16) -> String {
    format!(
        "{}.\nProxy on core {PROXY_CORE}, load and backends on core {LOAD_CORE}; {rounds} rounds of {seconds} s for each \
         proxy; load of the machine before: {}.",
        Machine::this().words(),
        machine::load()
    )
}

/// Prints a chapter as soon as it exists.
fn shown(chapter: Chapter) -> anyhow::Result<Chapter> {
    line(chapter.plain().trim_end_matches('\n'))?;
    Ok(chapter)
}

/// The highest rate of small requests a second that the yardstick answered, from earlier measurements.
fn yardstick(series: &[Series]) -> Option<(String, f64)> {
    let one = series.iter().find(|one| one.name == YARDSTICK).or_else(|| series.first())?;
    Some((one.name.clone(), one.median(Figure::Rate)))
}

/// The same without earlier measurements.
fn speed(conditions: &Conditions<'_>, contenders: &[Contender]) -> anyhow::Result<(String, f64)> {
    let whose = contenders.iter().find(|one| one.name() == YARDSTICK).or_else(|| contenders.first());
    let whose = whose.context("there is no proxy to measure")?;
    let series = conditions.measure(Workload::Small, slice::from_ref(whose), 0.0)?;
    yardstick(&series).context("nothing was measured")
}
