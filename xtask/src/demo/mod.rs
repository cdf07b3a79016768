//! `cargo xtask demo`: the whole lab on one screen; keys break its backends.

mod commands;
mod failover;
mod page;
mod recorder;
mod settings;

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::print::note;
use anyhow::{Result, bail};
use api::Event;
use clap::{Args, ValueEnum};
pub(crate) use console::terminal::EventSource;
use console::terminal::{Addresses, Start, live, of_the_locale, plain, say};
use console::{Glyphs, Reporter};
use lab::binaries::{CargoOutput, cancel_builds};
use lab::commands::{CommandRunner, usual_load};
use lab::stream::{LabStream, Sources, StreamReader, Traffic};
use lab::topology::{Lab, Setup};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::interval;

use self::commands::Keys;
use self::page::Page;
use self::recorder::Recorder;
use self::settings::Settings;

/// The seed of the demo, unless the user gives another one.
const SEED: u64 = 42;

/// The time between two messages while the lab is built and started.
const PROGRESS: Duration = Duration::from_secs(2);

/// Start the lab and send traffic; keys break backends.
#[derive(Args)]
pub(crate) struct Demo {
    /// Run the lab in containers, as docker-compose.yml describes it.
    #[arg(long)]
    compose: bool,

    /// Run a scenario without keys, check the promises, and fail if a promise is broken.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["seconds", "plain", "record"])]
    scenario: Option<Scenario>,

    /// End after this number of seconds.
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,

    /// The seed of all random numbers: those of the load, the balancer and the backends.
    #[arg(long, value_name = "N", default_value_t = SEED, conflicts_with_all = ["compose", "scenario"])]
    pub(crate) seed: u64,

    /// Start the balancer with the settings of this file (TOML, as in lb.example.toml). The page and the
    /// screen show the settings that differ from their defaults.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["compose", "scenario"])]
    pub(crate) settings: Option<PathBuf>,

    /// Write a line a second instead of a screen, as without a terminal.
    #[arg(long)]
    pub(crate) plain: bool,

    /// Do not serve the page on port 4000.
    #[arg(long, conflicts_with = "scenario")]
    pub(crate) no_page: bool,

    /// At the end, keep the lab running until the last viewer of the page has left.
    #[arg(long, conflicts_with_all = ["scenario", "no_page"])]
    pub(crate) hold: bool,

    /// Use only ASCII on the screen, whatever the locale says.
    #[arg(long)]
    pub(crate) ascii: bool,

    /// Write all events into this file, for `cargo xtask replay`.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Whether the recording is all that matters, so that a signal is its normal end.
    #[arg(skip)]
    only_records: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scenario {
    /// Kill and start a backend under load, then stop and continue another one.
    Failover,
}

impl Demo {
    /// A demo without keys that is recorded.
    pub(crate) fn recorded(file: PathBuf, seconds: Option<u64>, seed: u64) -> Self {
        Self {
            compose: false,
            scenario: None,
            seconds,
            seed,
            settings: None,
            plain: true,
            ascii: false,
            no_page: true,
            hold: false,
            record: Some(file),
            only_records: true,
        }
    }

    pub(crate) fn run(self) -> Result<()> {
        if self.only_records {
            return runtime()?.block_on(self.play());
        }
        until_a_signal(self.play(), "; nothing is left running")
    }

    async fn play(&self) -> Result<()> {
        if let Some(Scenario::Failover) = self.scenario {
            return failover::run(self.setup()).await;
        }
        // A file that cannot be written is found before the build.
        let recorder = self.record.as_deref().map(Recorder::open).transpose()?;
        let settings = self.settings.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
        let setup = if self.compose { self.setup() } else { lively(self.setup(), self.seed, &settings) };
        let lab = tokio::select! {
            lab = started(setup.fixed_ports()) => lab?,
            name = stop_signal(), if self.only_records => bail!("stopped by {}; nothing is recorded", name?),
        };
        let traffic = Arc::new(traffic(&lab, self.seed)?);
        let sources = Sources { traffic: Some(traffic.clone()), seed: self.seed(), ..Sources::of(&lab)? };
        let stream = Arc::new(LabStream::start(sources.clone()).await?);
        let runner =
            CommandRunner::new(stream.clone(), &sources, lab.admin_token().map(str::to_owned)).await?;
        let runner = Arc::new(runner);
        let mut recording = recorder.map(|recorder| recorder.start(stream.read_all()));
        let reporter = Arc::new(Reporter::start(&stream));
        let page = Page::open(!self.no_page, &stream, &runner, &reporter).await?;
        let until = self.seconds.map(Duration::from_secs);
        let shown = async {
            if self.plain || !stdout().is_terminal() {
                for line in Addresses::of(&lab).picture(self.glyphs()) {
                    say(&line)?;
                }
                say(&page.line())?;
                plain(OfLab(stream.read()), until).await?;
            } else {
                stream.tell(format!("the lab is up; the keys below break backends; {}", page.line()), "demo");
                let start = Start {
                    ascii: self.ascii,
                    until,
                    addresses: Some(Addresses::of(&lab)),
                    ..Start::default()
                };
                let keys = Keys {
                    runner: &runner,
                    stream: &stream,
                    traffic: &traffic,
                    reporter: reporter.clone(),
                    folder: PathBuf::from("."),
                };
                with_keys(keys, start).await?;
            }
            if self.hold { page.hold().await } else { Ok(()) }
        };
        let failed = async {
            match &mut recording {
                Some(recording) => recording.failed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = shown => ended?,
            () = failed => {}
            name = stop_signal(), if self.only_records => drop(name?),
        }
        let sums = traffic.sums();
        say(&format!("{} requests, {} errors", sums.done, sums.errors))?;
        if let Some(recording) = recording {
            say(&recording.end().await?)?;
        }
        drop((page, runner, stream));
        lab.stop();
        Ok(())
    }

    /// The seed of the lab. The balancer and the backends of docker-compose.yml draw their own seeds.
    fn seed(&self) -> Option<u64> {
        (!self.compose).then_some(self.seed)
    }

    fn glyphs(&self) -> Glyphs {
        if self.ascii { Glyphs::ascii() } else { of_the_locale() }
    }

    fn setup(&self) -> Setup {
        let setup = if self.compose { Lab::compose() } else { Lab::processes() };
        setup.backends(4).progress(CargoOutput::Shown)
    }
}

/// A lab in which something happens: backends with two workers, decisions that are explained, and a key of
/// its own for each request, so that the policies with keys use all backends. The settings can change the
/// last two.
fn lively(setup: Setup, seed: u64, settings: &Settings) -> Setup {
    settings
        .apply(setup)
        .lb_arg(format!("--seed={seed}"))
        .backend_arg(format!("--seed={seed}"))
        .backend_arg("--workers=2")
        .backend_arg("--queue=50")
}

/// The load of a lab: requests of different sizes that arrive at random.
fn traffic(lab: &Lab, seed: u64) -> Result<Traffic> {
    let (load, shape) = usual_load(lab.balancer().address(), seed);
    Traffic::start(load, shape)
}

/// Starts a lab. If that takes long, because a program must be built first, it says so every two seconds.
async fn started(setup: Setup) -> Result<Lab> {
    let began = Instant::now();
    let start = setup.start();
    tokio::pin!(start);
    let mut ticks = interval(PROGRESS);
    ticks.tick().await;
    loop {
        tokio::select! {
            lab = &mut start => return lab,
            // Cargo may be in the middle of its own line.
            _ = ticks.tick() => note(format!("\r  {} s: builds and starts the lab ...", began.elapsed().as_secs())),
        }
    }
}

/// Shows the screen, and handles its keys.
async fn with_keys(keys: Keys<'_>, start: Start) -> Result<()> {
    let (sender, mut presses) = mpsc::unbounded_channel();
    let handle_keys = async {
        while let Some(press) = presses.recv().await {
            keys.handle(press).await;
        }
        std::future::pending::<()>().await;
    };
    let reader = OfLab(keys.stream.read());
    let start = Start { key_presses: Some(sender), ..start };
    tokio::select! {
        ended = live(reader, start) => ended,
        () = handle_keys => Ok(()),
    }
}

/// The stream of a running lab.
struct OfLab(StreamReader);

impl EventSource for OfLab {
    async fn next(&mut self) -> Option<Event> {
        let (_, event) = self.0.next().await?;
        Some(Arc::unwrap_or_clone(event))
    }

    fn waits(&self) -> bool {
        false
    }
}

/// Shows events that need no lab: on a terminal, or line by line.
pub(crate) fn show(source: impl EventSource, is_plain: bool, start: Start) -> Result<()> {
    until_a_signal(
        async {
            if is_plain || !stdout().is_terminal() {
                return plain(source, start.until).await;
            }
            live(source, start).await
        },
        "",
    )
}

/// Runs to the end, or until a signal ends it. The normal end then restores the terminal and stops the lab.
pub(crate) fn until_a_signal(work: impl Future<Output = Result<()>>, rest: &str) -> Result<()> {
    runtime()?.block_on(async {
        tokio::select! {
            ended = work => ended,
            name = stop_signal() => bail!("stopped by {}{rest}", name?),
        }
    })
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Waits for a signal to end, and returns its name. It also ends builds, which can take minutes.
async fn stop_signal() -> Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let name = tokio::select! {
        _ = interrupt.recv() => "Ctrl-C",
        _ = terminate.recv() => "SIGTERM",
        _ = hangup.recv() => "SIGHUP",
    };
    cancel_builds();
    Ok(name)
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;

    fn demo(flags: &[&str]) -> Result<Demo, clap::Error> {
        let command = Demo::augment_args(Command::new("demo"));
        command
            .try_get_matches_from(["demo"].iter().chain(flags))
            .and_then(|all| Demo::from_arg_matches(&all))
    }

    #[test]
    fn a_seed_is_told_only_if_it_applies() {
        for (flags, expected) in [(&[][..], Some(SEED)), (&["--seed", "7"], Some(7)), (&["--compose"], None)]
        {
            assert_eq!(demo(flags).unwrap().seed(), expected, "{flags:?}");
        }
        for flags in [&["--compose", "--seed", "7"][..], &["--scenario", "failover", "--seed", "7"]] {
            assert!(demo(flags).is_err_and(|error| error.to_string().contains("--seed")), "{flags:?}");
        }
        assert!(demo(&["--compose", "--scenario", "failover"]).is_ok());
    }
}

#[cfg(test)]
#[path = "e2e_tests.rs"]
mod e2e_tests;
