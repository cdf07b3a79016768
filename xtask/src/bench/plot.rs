//! The measurements as a picture: bars for the medians, dots for the rounds.

use picture::{Anchor, Area, Picture, Tone};

use super::figure::Figure;
use super::report::Series;

const BAR_LEFT: f64 = 150.0;
const BAR_WIDTH: f64 = 420.0;
const ROW: f64 = 30.0;
const TOP: f64 = 66.0;

/// Draws a chart for each figure, one below the other.
pub(super) fn plot(series: &[Series], figures: &[Figure], load: &str) -> Picture {
    let chart_height = 50.0 + ROW * series.len() as f64;
    let height = TOP + chart_height * figures.len() as f64;
    let title = format!("What it costs: {load}");
    let mut picture = Picture::new(&title, &describe(series, figures), 700.0, height);
    for (line, words) in [load, "bars: medians, dots: rounds"].iter().enumerate() {
        picture.label((20.0, 22.0 + 18.0 * line as f64), Anchor::Start, Tone::Muted, words);
    }

    for (number, figure) in figures.iter().enumerate() {
        let top = TOP + chart_height * number as f64;
        let values = series.iter().flat_map(|one| one.values(*figure));
        let highest = values.fold(f64::MIN_POSITIVE, f64::max);
        picture.heading((20.0, top + 10.0), Anchor::Start, Tone::Plain, figure.words());
        for (row, one) in series.iter().enumerate() {
            let y = top + 22.0 + ROW * row as f64;
            let tone = if row == 0 { Tone::Accent } else { Tone::Muted };
            let length = |value: f64| BAR_WIDTH * value / highest;
            picture.label((BAR_LEFT - 10.0, y + 15.0), Anchor::End, Tone::Plain, &one.name);
            picture.bar(Area::new(BAR_LEFT, y, length(one.median(*figure)), 20.0), tone);
            for value in one.values(*figure) {
                picture.dot((BAR_LEFT + length(value), y + 10.0), tone);
            }
            let at = (BAR_LEFT + BAR_WIDTH + 12.0, y + 15.0);
            picture.label(at, Anchor::Start, Tone::Plain, &figure.spell(one.median(*figure)));
        }
    }
    picture
}

/// A description of the first chart.
fn describe(series: &[Series], figures: &[Figure]) -> String {
    let Some(figure) = figures.first() else { return String::new() };
    let values: Vec<String> =
        series.iter().map(|one| format!("{} {}", one.name, figure.spell(one.median(*figure)))).collect();
    format!("{}: {}.", figure.words(), values.join(", "))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::super::figure::Sample;
    use super::super::workload::{Workload, at_rate};
    use super::*;

    #[test]
    fn every_word_of_every_plot_can_be_read() {
        for workload in Workload::value_variants() {
            let figures = workload.compared();
            let values: Vec<(Figure, f64)> = figures.iter().map(|figure| (*figure, 1_234_567.0)).collect();
            let series = ["Roundabout", "basic", "nginx unbuffered", "HAProxy", "Envoy", "Caddy", "Traefik"]
                .map(|name| Series {
                    name: name.to_owned(),
                    version: String::new(),
                    samples: vec![Sample::of(&values); 3],
                });
            let words = workload.words(1000, 9_500);
            let load = match workload {
                Workload::Latency => at_rate(&words, 123_456.7, "Roundabout"),
                _ => words,
            };
            assert_eq!(plot(&series, figures, &load).flaws(), Vec::<String>::new(), "{workload:?}");
            assert_eq!(plot(&[], figures, &load).flaws(), Vec::<String>::new(), "{workload:?}");
        }
    }
}
