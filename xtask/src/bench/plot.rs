//! The measurements as a picture: bars for the medians, dots for the rounds.

use super::report::{Sample, Series};
use crate::pictures::svg::{Anchor, Area, Picture, Tone};

const BAR_LEFT: f64 = 130.0;
const BAR_WIDTH: f64 = 440.0;
const ROW: f64 = 30.0;

/// One chart: what it shows, how a value is spelt, and where it comes from.
type Chart = (&'static str, fn(f64) -> String, fn(&Sample) -> f64);

const CHARTS: [Chart; 3] = [
    ("CPU time per request (less is better)", |us| format!("{us:.1} µs"), |sample| sample.cpu_us),
    ("Requests per second, one core (more is better)", |rate| format!("{rate:.0}"), |sample| sample.rate),
    (
        "99 of 100 answers within (less is better)",
        |us| format!("{:.2} ms", us / 1000.0),
        |sample| sample.p99_us,
    ),
];

/// Draws all charts, one below the other.
pub(super) fn plot(series: &[Series], clients: u16) -> Picture {
    let chart_height = 50.0 + ROW * series.len() as f64;
    let height = 60.0 + chart_height * CHARTS.len() as f64;
    let mut picture = Picture::new("What a request costs", &describe(series), 700.0, height);
    let heading = format!("{clients} keep-alive clients, 18-byte answers; bars: medians, dots: rounds");
    picture.label((20.0, 30.0), Anchor::Start, Tone::Muted, &heading);

    for (number, (title, spell, what)) in CHARTS.iter().enumerate() {
        let top = 60.0 + chart_height * number as f64;
        let values = series.iter().flat_map(|one| &one.samples).map(what);
        let highest = values.fold(f64::MIN_POSITIVE, f64::max);
        picture.heading((20.0, top + 10.0), Anchor::Start, Tone::Plain, title);
        for (row, one) in series.iter().enumerate() {
            let y = top + 22.0 + ROW * row as f64;
            let tone = if row == 0 { Tone::Accent } else { Tone::Muted };
            let length = |value: f64| BAR_WIDTH * value / highest;
            picture.label((BAR_LEFT - 10.0, y + 15.0), Anchor::End, Tone::Plain, one.name);
            picture.bar(Area::new(BAR_LEFT, y, length(one.median(what)), 20.0), tone);
            for sample in &one.samples {
                picture.dot((BAR_LEFT + length(what(sample)), y + 10.0), tone);
            }
            let at = (BAR_LEFT + BAR_WIDTH + 12.0, y + 15.0);
            picture.label(at, Anchor::Start, Tone::Plain, &spell(one.median(what)));
        }
    }
    picture
}

/// The same in words.
fn describe(series: &[Series]) -> String {
    let costs: Vec<String> = series
        .iter()
        .map(|one| format!("{} {:.1} microseconds", one.name, one.median(|sample| sample.cpu_us)))
        .collect();
    format!("CPU time per request: {}.", costs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_plot_can_be_read() {
        let sample = Sample { cpu_us: 123.4, rate: 123_456.0, p50_us: 1000.0, p99_us: 123_456.0, memory: 1 };
        let series = ["Roundabout", "nginx", "HAProxy"].map(|name| Series {
            name,
            version: String::new(),
            samples: vec![sample; 3],
        });
        assert_eq!(plot(&series, 1000).flaws(), Vec::<String>::new());
        assert_eq!(plot(&[], 64).flaws(), Vec::<String>::new());
    }
}
