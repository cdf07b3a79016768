//! The plots of a report, each with the table of its numbers.

use std::collections::BTreeMap;

use picture::Tone;

use super::chart::{Marker, Stroke, Trace, Words, by_percentile, over_time, spelt};
use super::html::{Page, Table};
use super::kept::Kept;
use super::stretch::{Stretch, grown};
use crate::counts::Counts;

/// The rows of a table over time.
const ROWS: usize = 12;

/// The most points of a line: more cannot be seen.
const POINTS: usize = 300;

/// The most backends that have a line and a column. Those with the most picks have them.
const LANES: usize = 6;

/// The looks of the backends.
const LOOKS: [Stroke; LANES] = [
    (Tone::Accent, false),
    (Tone::Doubt, false),
    (Tone::Accent, true),
    (Tone::Doubt, true),
    (Tone::Plain, false),
    (Tone::Plain, true),
];

/// The percentiles of the last plot.
const PERCENTS: [f64; 8] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.8, 99.9];

/// The figures between two moments, in seconds since the beginning of the recording.
struct Interval {
    from: f64,
    to: f64,
    /// Offered, good, errors and tries, per second.
    rates: [f64; 4],
    /// The largest number of requests in flight, by backend.
    in_flight: BTreeMap<usize, u32>,
    corrected: Counts,
    uncorrected: Counts,
}

impl Interval {
    fn between(before: &Stretch, stretches: &[Stretch], begin: u64) -> Self {
        let seconds = |t: u64| t.saturating_sub(begin) as f64 / 1e6;
        let last = stretches.last().unwrap_or(before);
        let (from, to) = (seconds(before.t), seconds(last.t));
        let (mut grown_by, mut previous) = ([0_u64; 4], before);
        let (mut in_flight, mut corrected, mut uncorrected) =
            (BTreeMap::new(), Counts::default(), Counts::default());
        for one in stretches {
            // A load that begins has other sums than the balancer.
            if one.has_load == previous.has_load {
                for (sum, more) in grown_by.iter_mut().zip(growth(previous, one)) {
                    *sum = sum.saturating_add(more);
                }
            }
            previous = one;
            for lane in &one.lanes {
                let most = in_flight.entry(lane.number).or_insert(0);
                *most = lane.in_flight.max(*most);
            }
            corrected.add(&one.corrected);
            uncorrected.add(&one.uncorrected);
        }
        let length = (to - from).max(1e-6);
        Self { from, to, rates: grown_by.map(|sum| sum as f64 / length), in_flight, corrected, uncorrected }
    }

    /// The latencies from the time at which a request was due, if they are known.
    fn latencies(&self) -> &Counts {
        if self.corrected.is_empty() { &self.uncorrected } else { &self.corrected }
    }

    fn ms(&self, q: f64) -> f64 {
        self.latencies().quantile(q).map_or(f64::NAN, |us| us as f64 / 1e3)
    }
}

fn growth(before: &Stretch, after: &Stretch) -> [u64; 4] {
    [
        grown(before.offered, after.offered),
        grown(before.good, after.good),
        grown(before.errors, after.errors),
        grown(before.tries, after.tries),
    ]
}

/// The run in at most so many intervals.
fn intervals(stretches: &[Stretch], most: usize, begin: u64) -> Vec<Interval> {
    let Some((first, rest)) = stretches.split_first() else { return Vec::new() };
    let mut before = first;
    let mut intervals = Vec::new();
    for part in rest.chunks(rest.len().div_ceil(most).max(1)) {
        intervals.push(Interval::between(before, part, begin));
        before = part.last().unwrap_or(before);
    }
    intervals
}

/// What the plots over time share.
struct Plotted<'a> {
    stretches: &'a [Stretch],
    /// The intervals of the lines.
    fine: Vec<Interval>,
    /// The intervals of the tables.
    coarse: Vec<Interval>,
    markers: Vec<Marker>,
    /// The beginning and the end, in seconds.
    times: (f64, f64),
    /// Whether the figures are those of the clients of a load.
    has_load: bool,
}

/// Adds all plots.
pub(super) fn plots(page: &mut Page, kept: &Kept, begin: u64) {
    let stretches = kept.stretches();
    let fine = intervals(stretches, POINTS, begin);
    let coarse = intervals(stretches, ROWS, begin);
    let first = kept.forgotten() + 1;
    let markers: Vec<Marker> = (first..)
        .zip(kept.changes())
        .map(|(number, line)| Marker {
            at: line.t.saturating_sub(begin) as f64 / 1e6,
            words: format!("{number} {}", line.text),
        })
        .collect();
    let times = (0.0, kept.now().saturating_sub(begin) as f64 / 1e6);
    let has_load = stretches.last().is_some_and(|last| last.has_load);
    page.section("plots", "What happened over time");
    page.words("A dashed line is a change. Its number is the number in the list of changes below.");
    let run = Plotted { stretches, fine, coarse, markers, times, has_load };
    rates(page, &run);
    lanes(page, &run);
    latencies(page, &run);
    percentiles(page, &run);
}

fn interval_name(interval: &Interval) -> String {
    format!("{:.0} to {:.0} s", interval.from, interval.to)
}

fn rates(page: &mut Page, run: &Plotted<'_>) {
    let who = if run.has_load { "as the clients of the load saw them" } else { "as the balancer saw them" };
    let names = ["offered", "good", "errors", "tries"];
    let looks = [(Tone::Plain, true), (Tone::Accent, false), (Tone::Bad, false), (Tone::Doubt, true)];
    let series: Vec<Trace> = names
        .iter()
        .zip(looks)
        .enumerate()
        .map(|(number, (name, look))| Trace {
            name: (*name).to_owned(),
            look,
            points: run.fine.iter().map(|one| (one.to, one.rates[number])).collect(),
        })
        .collect();
    let words = Words {
        title: "Requests a second",
        description: &format!(
            "Requests that were due, good answers, errors and tries at backends a second, {who}. The table beside it has the numbers."
        ),
        unit: "requests/s",
    };
    let mut table = Table::new(
        &format!("Requests a second, {who}; tries are those at the backends"),
        &["time", "offered", "good", "errors", "tries"],
    );
    for one in &run.coarse {
        let cells = std::iter::once(interval_name(one)).chain(one.rates.map(spelt));
        table.row(cells.collect());
    }
    page.plot("rates", over_time(words, &series, &run.markers, run.times), &table);
}

fn lanes(page: &mut Page, run: &Plotted<'_>) {
    let mut busiest: Vec<(usize, u64)> = run
        .stretches
        .last()
        .into_iter()
        .flat_map(|last| &last.lanes)
        .map(|lane| (lane.number, lane.picks))
        .collect();
    let all = busiest.len();
    busiest.sort_by_key(|(number, picks)| (std::cmp::Reverse(*picks), *number));
    busiest.truncate(LANES);
    let mut numbers: Vec<usize> = busiest.into_iter().map(|(number, _)| number).collect();
    numbers.sort_unstable();
    let of = |interval: &Interval, number: usize| interval.in_flight.get(&number).copied().unwrap_or(0);
    let series: Vec<Trace> = numbers
        .iter()
        .zip(LOOKS)
        .map(|(number, look)| Trace {
            name: format!("B{number}"),
            look,
            points: run.fine.iter().map(|one| (one.to, f64::from(of(one, *number)))).collect(),
        })
        .collect();
    let words = Words {
        title: "Requests in flight per backend",
        description: "The largest number of requests in flight at each backend in each second. The table beside it has the numbers.",
        unit: "requests",
    };
    let which = if all > numbers.len() {
        format!("; the {} of {all} backends with the most requests", numbers.len())
    } else {
        String::new()
    };
    let heads: Vec<String> = numbers.iter().map(|number| format!("B{number}")).collect();
    let heads: Vec<&str> = std::iter::once("time").chain(heads.iter().map(String::as_str)).collect();
    let mut table = Table::new(&format!("The largest number of requests in flight{which}"), &heads);
    for one in &run.coarse {
        let cells = numbers.iter().map(|number| of(one, *number).to_string());
        table.row(std::iter::once(interval_name(one)).chain(cells).collect());
    }
    page.plot("in-flight", over_time(words, &series, &run.markers, run.times), &table);
}

/// From when a latency counts, in words.
fn since(has_load: bool) -> &'static str {
    if has_load { "from the time at which a request was due" } else { "as the balancer measured it" }
}

fn latencies(page: &mut Page, run: &Plotted<'_>) {
    let line = |name: &str, q: f64, look: Stroke| Trace {
        name: name.to_owned(),
        look,
        points: run.fine.iter().map(|one| (one.to, one.ms(q))).collect(),
    };
    let series = [line("p50", 0.5, (Tone::Accent, false)), line("p99", 0.99, (Tone::Doubt, true))];
    let since = since(run.has_load);
    let words = Words {
        title: "Latency",
        description: &format!(
            "The median and the 99th percentile of the latency, {since}. The table beside it has the numbers."
        ),
        unit: "ms",
    };
    let mut table =
        Table::new(&format!("Latency in milliseconds, {since}"), &["time", "answers", "p50", "p99"]);
    for one in &run.coarse {
        let count = one.latencies().total();
        let cell = |q: f64| if one.ms(q).is_nan() { "-".to_owned() } else { spelt(one.ms(q)) };
        table.row(vec![interval_name(one), count.to_string(), cell(0.5), cell(0.99)]);
    }
    page.plot("latency", over_time(words, &series, &run.markers, run.times), &table);
}

fn percentiles(page: &mut Page, run: &Plotted<'_>) {
    let (mut corrected, mut uncorrected) = (Counts::default(), Counts::default());
    for one in run.stretches.iter().filter(|one| one.has_load == run.has_load) {
        corrected.add(&one.corrected);
        uncorrected.add(&one.uncorrected);
    }
    let at = |counts: &Counts, percent: f64| counts.quantile(percent / 100.0).map(|us| us as f64 / 1e3);
    let line = |name: &str, counts: &Counts, look: Stroke| Trace {
        name: name.to_owned(),
        look,
        points: PERCENTS.iter().filter_map(|percent| Some((*percent, at(counts, *percent)?))).collect(),
    };
    let names = if run.has_load { ["corrected", "uncorrected"] } else { ["not known", "at the balancer"] };
    let series = [
        line(names[0], &corrected, (Tone::Accent, false)),
        line(names[1], &uncorrected, (Tone::Doubt, true)),
    ];
    let shown = if run.has_load { &series[..] } else { &series[1..] };
    let words = Words {
        title: "Latency by percentile, whole run",
        description: "The latency at each percentile, on logarithmic scales. The table beside it has the numbers.",
        unit: "ms, by percentile",
    };
    let caption = "Latency in milliseconds of the whole run. Corrected: from the time at which a request was due. \
                   Uncorrected: from the time at which it was sent";
    let mut table = Table::new(caption, &["percentile", names[0], names[1]]);
    for percent in PERCENTS {
        let cell = |counts: &Counts| at(counts, percent).map_or_else(|| "-".to_owned(), spelt);
        table.row(vec![format!("{percent} %"), cell(&corrected), cell(&uncorrected)]);
    }
    page.plot("percentiles", by_percentile(words, shown), &table);
}
