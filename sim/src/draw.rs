//! `sim draw`, which is `cargo xtask sim`: runs a scenario under several policies, and draws the results.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use balance::policy::Kind;
use clap::Args;
use picture::{Anchor, Area, Picture, Point, Tone};
use sim::scenario::Scenario;
use sim::{Report, table};

use crate::print::print;

/// Run a scenario in virtual time under several policies, and draw the results.
#[derive(Args)]
#[command(bin_name = "cargo xtask sim")]
pub(crate) struct Draw {
    /// A file, or the name of a file in sim/scenarios, such as one-slow-server.
    scenario: PathBuf,
    /// The seed, instead of that of the scenario.
    #[arg(long)]
    seed: Option<u64>,
    /// A policy, instead of those of the scenario; can be repeated.
    #[arg(long, value_parser = Scenario::policy)]
    policy: Vec<Kind>,
    /// The file for the picture; by default target/sim/NAME.svg.
    #[arg(long)]
    plot: Option<PathBuf>,
}

impl Draw {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let path = find(&self.scenario);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let scenario = Scenario::parse(&text).map_err(|why| anyhow!("{}: {why}", path.display()))?.ticks();
        let policies = if self.policy.is_empty() { scenario.policies() } else { self.policy };
        let seed = self.seed.unwrap_or_else(|| scenario.seed());
        let reports = scenario.run(&policies, seed).map_err(|why| anyhow!("{}: {why}", path.display()))?;
        let name = path.file_stem().map_or_else(|| "scenario".into(), |name| name.to_string_lossy());
        let file = self.plot.unwrap_or_else(|| workspace().join(format!("target/sim/{name}.svg")));
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let picture = plot(&format!("{}, seed {seed}", scenario.title()), &reports).finish();
        fs::write(&file, picture).with_context(|| format!("cannot write {}", file.display()))?;
        let (title, table, file) = (scenario.title(), table(&reports), file.display());
        print(&format!("{title} (seed {seed})\n\n{table}\n{file}\n")).map(|_| ())
    }
}

/// The root of the workspace.
fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// The file of a scenario, by its path or by its name.
fn find(scenario: &Path) -> PathBuf {
    let named = workspace().join("sim/scenarios").join(scenario).with_extension("toml");
    if !scenario.exists() && named.exists() { named } else { scenario.to_owned() }
}

const BAR_LEFT: f64 = 180.0;
const BAR_WIDTH: f64 = 360.0;
const ROW: f64 = 26.0;
const TOP: f64 = 50.0;
const LINES: f64 = 170.0;

/// A chart of bars, one for each policy: its words, the value of a policy, and how the value is spelt.
type Chart = (&'static str, fn(&Report) -> f64, fn(f64) -> String);

const CHARTS: [Chart; 4] = [
    ("mean latency", |report| report.mean().as_secs_f64(), milliseconds),
    ("99th percentile of the latency", |report| report.quantile(0.99).as_secs_f64(), milliseconds),
    (
        "calls that ended badly",
        |report| 100.0 * report.errors() as f64 / report.calls().max(1) as f64,
        percent,
    ),
    ("largest share of one backend", |report| 100.0 * report.figures().max_share, percent),
];

fn milliseconds(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1e3)
}

fn percent(value: f64) -> String {
    format!("{value:.2} %")
}

/// Draws bars for each chart, and below them what happened over time under each policy.
fn plot(title: &str, reports: &[Report]) -> Picture {
    let chart = 46.0 + ROW * reports.len() as f64;
    let bars = TOP + chart * CHARTS.len() as f64;
    let mut picture = Picture::new(title, &describe(reports), 700.0, bars + LINES * reports.len() as f64);
    picture.heading((20.0, 26.0), Anchor::Start, Tone::Plain, title);
    for (number, figure) in CHARTS.iter().enumerate() {
        bar_chart(&mut picture, TOP + chart * number as f64, reports, figure);
    }
    for (number, report) in reports.iter().enumerate() {
        line_chart(&mut picture, bars + LINES * number as f64, report);
    }
    picture
}

fn bar_chart(picture: &mut Picture, top: f64, reports: &[Report], (words, value, spell): &Chart) {
    let highest = reports.iter().map(value).fold(f64::MIN_POSITIVE, f64::max);
    picture.heading((20.0, top + 12.0), Anchor::Start, Tone::Plain, words);
    for (row, report) in reports.iter().enumerate() {
        let (y, value) = (top + 22.0 + ROW * row as f64, value(report));
        picture.label((BAR_LEFT - 10.0, y + 14.0), Anchor::End, Tone::Plain, report.policy());
        picture.bar(Area::new(BAR_LEFT, y, BAR_WIDTH * value / highest, 18.0), Tone::Accent);
        picture.label((BAR_LEFT + BAR_WIDTH + 12.0, y + 14.0), Anchor::Start, Tone::Plain, &spell(value));
    }
}

/// Calls a second over time: offered, good, and bad.
fn line_chart(picture: &mut Picture, top: f64, report: &Report) {
    const WIDTH: f64 = 620.0;
    const HEIGHT: f64 = 100.0;
    /// More points than this cannot be seen.
    const POINTS: usize = 200;
    let ticks = report.ticks();
    let words = format!("calls a second under {}", report.policy());
    picture.heading((20.0, top + 12.0), Anchor::Start, Tone::Plain, &words);
    for (x, tone, words) in
        [(420.0, Tone::Muted, "offered"), (500.0, Tone::Good, "good"), (560.0, Tone::Bad, "bad")]
    {
        picture.label((x, top + 12.0), Anchor::Start, tone, words);
    }
    let Some(end) = ticks.last().map(|tick| tick.at.as_secs_f64()) else { return };
    let rates: Vec<_> = ticks
        .chunks(ticks.len().div_ceil(POINTS).max(4))
        .map(|ticks| {
            let seconds = ticks.len() as f64 / 4.0;
            let rate = |of: fn(&sim::Tick) -> u64| ticks.iter().map(of).sum::<u64>() as f64 / seconds;
            let at = ticks.last().map_or(0.0, |tick| tick.at.as_secs_f64());
            (at, [rate(|tick| tick.offered), rate(|tick| tick.good), rate(|tick| tick.errors)])
        })
        .collect();
    let highest = rates.iter().flat_map(|(_, rates)| rates).copied().fold(f64::MIN_POSITIVE, f64::max);
    let (left, bottom) = (60.0, top + 24.0 + HEIGHT);
    picture.line(&[(left, bottom - HEIGHT), (left, bottom), (left + WIDTH, bottom)], Tone::Muted);
    picture.label((left - 8.0, bottom - HEIGHT + 10.0), Anchor::End, Tone::Muted, &format!("{highest:.0}"));
    picture.label((left + WIDTH, bottom + 18.0), Anchor::End, Tone::Muted, &format!("{end:.0} s"));
    for (index, tone) in [Tone::Muted, Tone::Good, Tone::Bad].into_iter().enumerate() {
        let point = |(at, rates): &(f64, [f64; 3])| -> Point {
            (left + WIDTH * at / end, bottom - HEIGHT * rates[index] / highest)
        };
        picture.line(&rates.iter().map(point).collect::<Vec<_>>(), tone);
    }
}

/// A description of the means, for readers who cannot see the picture.
fn describe(reports: &[Report]) -> String {
    let mean = |report: &Report| format!("{} {}", report.policy(), milliseconds(report.mean().as_secs_f64()));
    format!("Mean latencies: {}.", reports.iter().map(mean).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_plot_can_be_read() {
        let text = "title = \"A title of some length for a scenario with all policies\"\ntime = \"30s\"\n\
                    [[servers]]\ncount = 3\n[arrivals]\npoisson = 100000\n[service]\nexp = \"5s\"\n\
                    [clients]\npatience = \"1ms\"";
        let scenario = Scenario::parse(&text.replace("100000", "1000")).unwrap().ticks();
        let reports = scenario.run(&scenario.policies(), 1).unwrap();
        assert_eq!(reports.len(), 15);
        assert_eq!(plot(scenario.title(), &reports).flaws(), Vec::<String>::new());
        assert_eq!(plot("nothing", &[]).flaws(), Vec::<String>::new());
    }
}
