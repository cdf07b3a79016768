//! What the measurements say, in words and tables.

use std::fmt::Write as _;
use std::fs;

use super::contender::Contender;
use super::{LOAD_CORE, PROXY_CORE};

/// What one round showed of one proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// CPU time per request, in microseconds.
    pub(super) cpu_us: f64,
    /// Answers a second.
    pub(super) rate: f64,
    /// Half of the answers took no longer, in microseconds.
    pub(super) p50_us: f64,
    /// 99 of 100 answers took no longer, in microseconds.
    pub(super) p99_us: f64,
    /// Resident memory after the load, in bytes.
    pub(super) memory: u64,
}

/// All rounds of one proxy.
pub(super) struct Series {
    /// Its name.
    pub(super) name: &'static str,
    /// Its version.
    pub(super) version: String,
    /// One for each round, in order.
    pub(super) samples: Vec<Sample>,
}

impl Series {
    /// No rounds yet.
    pub(super) fn new(contender: &Contender) -> Self {
        Self { name: contender.name(), version: contender.version(), samples: Vec::new() }
    }

    /// The median over the rounds of something measured.
    pub(super) fn median(&self, what: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(what).collect())
    }
}

/// What is measured, how and on what.
pub(super) fn setting(clients: u16, rounds: u16, seconds: u16) -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").ok();
    let processor = processor.as_deref().and_then(|text| {
        text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name))
    });
    let busy = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{clients} keep-alive clients, 18-byte answers, {rounds} rounds of {seconds} s for each proxy\n\
         {}; proxy on core {PROXY_CORE}, load and backends on core {LOAD_CORE}; load of the machine before: {}",
        processor.unwrap_or("unknown processor"),
        busy.split(' ').next().unwrap_or("unknown")
    )
}

/// The medians of every proxy.
pub(super) fn table(series: &[Series]) -> String {
    let mut table = format!(
        "{:<18} {:>11} {:>11} {:>9} {:>9} {:>9}\n",
        "median of rounds", "CPU/request", "requests/s", "p50", "p99", "memory"
    );
    for one in series {
        let _ = writeln!(
            table,
            "{:<18} {:>8.2} us {:>11.0} {:>6.2} ms {:>6.2} ms {:>6.1} MB",
            format!("{} {}", one.name, one.version),
            one.median(|sample| sample.cpu_us),
            one.median(|sample| sample.rate),
            one.median(|sample| sample.p50_us) / 1000.0,
            one.median(|sample| sample.p99_us) / 1000.0,
            one.median(|sample| sample.memory as f64) / 1e6,
        );
    }
    table
}

/// The first proxy's cost against each other's.
pub(super) fn ratios(series: &[Series]) -> String {
    let Some((first, others)) = series.split_first() else { return String::new() };
    let mut text = String::new();
    for other in others {
        for (name, what) in MEASURES {
            let ratio = Ratio::of(first, other, what);
            let _ = writeln!(
                text,
                "{name:<12} {} / {:<8} {:.2}  ({:.2} to {:.2})",
                first.name, other.name, ratio.median, ratio.lowest, ratio.highest
            );
        }
    }
    text
}

type Measure = fn(&Sample) -> f64;

const MEASURES: [(&str, Measure); 3] = [
    ("CPU/request", |sample| sample.cpu_us),
    ("requests/s", |sample| sample.rate),
    ("p99", |sample| sample.p99_us),
];

/// One proxy against another, round by round: what disturbs a round disturbs both.
#[derive(Debug, PartialEq)]
struct Ratio {
    median: f64,
    lowest: f64,
    highest: f64,
}

impl Ratio {
    fn of(one: &Series, other: &Series, what: Measure) -> Self {
        let pairs = one.samples.iter().zip(&other.samples);
        let ratios: Vec<f64> = pairs.map(|(a, b)| what(a) / what(b)).collect();
        Self {
            lowest: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            highest: ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            median: median(ratios),
        }
    }
}

/// The middle value; the mean of the two in the middle if there are two; 0 if there is none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => 0.0,
        (Some(upper), 0) => (values[middle - 1] + upper) / 2.0,
        (Some(value), _) => *value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &'static str, cpu: &[f64]) -> Series {
        let sample = |cpu_us: &f64| Sample {
            cpu_us: *cpu_us,
            rate: 50_000.0,
            p50_us: 1000.0,
            p99_us: 2000.0,
            memory: 5_000_000,
        };
        Series { name, version: "1.0".into(), samples: cpu.iter().map(sample).collect() }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, expected) in [
            (vec![], 0.0),
            (vec![3.0], 3.0),
            (vec![3.0, 1.0], 2.0),
            (vec![9.0, 1.0, 2.0], 2.0),
            (vec![4.0, 1.0, 3.0, 2.0], 2.5),
        ] {
            assert_eq!(median(values.clone()), expected, "{values:?}");
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // In the second round the machine was slow; both felt it, and the ratio does not.
        let ours = series("ours", &[10.0, 30.0, 12.0]);
        let theirs = series("theirs", &[20.0, 60.0, 20.0]);
        let ratio = Ratio::of(&ours, &theirs, |sample| sample.cpu_us);
        assert_eq!(ratio, Ratio { median: 0.5, lowest: 0.5, highest: 0.6 });
        assert!(ratios(&[ours, theirs]).contains("ours / theirs   0.50  (0.50 to 0.60)"));
    }

    #[test]
    fn the_table_has_a_line_for_everyone() {
        let table = table(&[series("ours", &[10.0]), series("theirs", &[20.0])]);
        assert!(
            table.contains("ours 1.0              10.00 us       50000   1.00 ms   2.00 ms    5.0 MB"),
            "{table}"
        );
        assert_eq!(table.lines().count(), 3);
    }
}
