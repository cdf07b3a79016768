//! The measurements as tables.

use super::contender::Contender;
use super::figure::{Figure, Sample};
use crate::table::Table;

/// All rounds of one proxy.
pub(super) struct Series {
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// One sample for each round, in order.
    pub(super) samples: Vec<Sample>,
}

impl Series {
    /// A series without rounds.
    pub(super) fn new(contender: &Contender) -> Self {
        Self { name: contender.name().to_owned(), version: contender.version(), samples: Vec::new() }
    }

    /// The values of a figure, round by round.
    pub(super) fn values(&self, figure: Figure) -> impl Iterator<Item = f64> {
        self.samples.iter().filter_map(move |sample| sample.get(figure))
    }

    /// The median of a figure over the rounds.
    pub(super) fn median(&self, figure: Figure) -> f64 {
        median(self.values(figure).collect())
    }
}

/// The medians of every proxy.
pub(super) fn medians(series: &[Series], figures: &[Figure]) -> Table {
    let mut table =
        Table::new(["median of rounds"].into_iter().chain(figures.iter().map(|figure| figure.name())));
    for one in series {
        let name = format!("{} {}", one.name, one.version).trim_end().to_owned();
        let cells = figures.iter().map(|figure| figure.spell(one.median(*figure)));
        table.row([name].into_iter().chain(cells));
    }
    table
}

/// The ratios of the first proxy to each other one.
pub(super) fn ratios(series: &[Series], figures: &[Figure]) -> Table {
    let (first, others) =
        series.split_first().map_or(("", &[][..]), |(first, others)| (first.name.as_str(), others));
    let heading = format!("{first} / ...");
    let mut table =
        Table::new([heading.as_str()].into_iter().chain(figures.iter().map(|figure| figure.name())));
    for other in others {
        let cells = figures.iter().map(|figure| Ratio::of(&series[0], other, *figure).spell());
        table.row([other.name.clone()].into_iter().chain(cells));
    }
    table
}

/// The ratios of two proxies, round by round: other load in a round affects both.
#[derive(Debug, PartialEq)]
struct Ratio {
    median: f64,
    lowest: f64,
    highest: f64,
}

impl Ratio {
    fn of(one: &Series, other: &Series, figure: Figure) -> Self {
        let pairs = one.values(figure).zip(other.values(figure));
        let ratios: Vec<f64> = pairs.map(|(a, b)| a / b).collect();
        Self {
            lowest: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            highest: ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            median: median(ratios),
        }
    }

    fn spell(&self) -> String {
        let Self { median, lowest, highest } = self;
        // If one is a thousand times faster, two decimals would show 0.
        let decimals = if *lowest < 0.095 { 3 } else { 2 };
        format!("{median:.decimals$} ({lowest:.decimals$} to {highest:.decimals$})")
    }
}

/// The middle value; the mean of the two middle values if there are two; 0 without values.
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

    fn series(name: &str, cpu: &[f64]) -> Series {
        let sample = |cpu: &f64| {
            Sample::of(&[(Figure::CpuPerRequest, *cpu), (Figure::P99, 2000.0), (Figure::Rate, 5e4)])
        };
        Series { name: name.to_owned(), version: "1.0".into(), samples: cpu.iter().map(sample).collect() }
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
        // In the second round the machine was slow for both, and the ratio does not show it.
        let ours = series("ours", &[10.0, 30.0, 12.0]);
        let theirs = series("theirs", &[20.0, 60.0, 20.0]);
        let ratio = Ratio::of(&ours, &theirs, Figure::CpuPerRequest);
        assert_eq!(ratio, Ratio { median: 0.5, lowest: 0.5, highest: 0.6 });
        let table = ratios(&[ours, theirs], &[Figure::CpuPerRequest, Figure::P99]).plain();
        assert!(table.contains("theirs      0.50 (0.50 to 0.60)  1.00 (1.00 to 1.00)"), "{table}");
    }

    #[test]
    fn small_ratios_have_a_digit_more() {
        assert_eq!(Ratio { median: 0.0123, lowest: 0.01, highest: 0.5 }.spell(), "0.012 (0.010 to 0.500)");
    }

    #[test]
    fn the_table_has_a_line_for_each_proxy() {
        let both = [series("ours", &[10.0]), series("theirs", &[20.0])];
        let table = medians(&both, &[Figure::CpuPerRequest, Figure::Rate, Figure::P99]).plain();
        assert!(table.contains("ours 1.0             10.00 µs       50000  2.00 ms"), "{table}");
        assert_eq!(table.lines().count(), 3);
        assert!(ratios(&[], &[Figure::P99]).is_empty());
    }
}
