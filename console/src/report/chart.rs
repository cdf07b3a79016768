//! Charts of a report: lines over time with a marker for every change, and latencies by percentile.

use picture::{Anchor, Picture, Point, Tone, width_of_label};

use crate::shown::shown;

/// The size of the plane of a chart, and the space around it, in pixels.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const BOTTOM: f64 = 44.0;

/// The height of a row of words.
const ROW: f64 = 17.0;

/// Rows for the words of the markers.
const MARKER_ROWS: usize = 5;

/// The words of a marker are cut after this number of characters.
const MARKER_WORDS: usize = 30;

/// A line of a chart.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub(super) name: String,
    pub(super) look: Stroke,
    /// Horizontal and vertical values, in the order of the horizontal ones. A value that is not finite makes
    /// a gap.
    pub(super) points: Vec<(f64, f64)>,
}

/// The look of a line: lines differ in more than their colour.
pub(super) type Stroke = (Tone, bool);

/// A change at a moment.
#[derive(Clone, Debug)]
pub(super) struct Marker {
    /// The horizontal value.
    pub(super) at: f64,
    /// Its number in the list of changes, and what changed.
    pub(super) words: String,
}

/// The values of an axis, and how they are spelt.
#[derive(Clone, Debug)]
struct Axis {
    from: f64,
    to: f64,
    is_log: bool,
}

impl Axis {
    /// Where a value is, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let of = |value: f64| if self.is_log { value.max(f64::MIN_POSITIVE).ln() } else { value };
        let length = of(self.to) - of(self.from);
        if length > 0.0 { ((of(value) - of(self.from)) / length).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below a value.
pub(super) fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .iter()
        .map(|step| step * power)
        .find(|round| *round >= value * 0.999_999)
        .unwrap_or(value)
}

/// A number with as many digits as matter.
pub(super) fn spelt(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.995 => format!("{value:.2}"),
        size if size < 9.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A chart under construction.
struct Chart {
    picture: Picture,
    top: f64,
    x: Axis,
    y: Axis,
}

impl Chart {
    fn point(&self, (x, y): (f64, f64)) -> Point {
        (LEFT + WIDTH * self.x.place(x), self.top + HEIGHT * (1.0 - self.y.place(y)))
    }

    /// The two axes, with a word at each of these values.
    fn axes(&mut self, across: &[(f64, String)], up: &[(f64, String)], unit: &str) {
        let (top, bottom) = (self.top, self.top + HEIGHT);
        self.picture.line(&[(LEFT, top), (LEFT, bottom), (LEFT + WIDTH, bottom)], Tone::Muted);
        for (value, word) in across {
            let (x, _) = self.point((*value, self.y.from));
            self.picture.line(&[(x, bottom), (x, bottom + 4.0)], Tone::Muted);
            self.picture.label((x, bottom + 18.0), Anchor::Middle, Tone::Muted, word);
        }
        for (value, word) in up {
            let (_, y) = self.point((self.x.from, *value));
            self.picture.line(&[(LEFT - 4.0, y), (LEFT, y)], Tone::Muted);
            self.picture.label((LEFT - 8.0, y + 4.5), Anchor::End, Tone::Muted, word);
        }
        self.picture.label((LEFT + WIDTH, bottom + 36.0), Anchor::End, Tone::Muted, unit);
    }

    /// The lines, and their names below the title.
    fn lines(&mut self, series: &[Trace]) {
        let mut x = LEFT;
        for one in series {
            let (tone, is_dashed) = one.look;
            let draw = if is_dashed { Picture::dashed_line } else { Picture::line };
            let places: Vec<(f64, Point)> =
                one.points.iter().map(|point| (point.1, self.point(*point))).collect();
            for run in places.split(|(value, _)| !value.is_finite()).filter(|run| !run.is_empty()) {
                let run: Vec<Point> = run.iter().map(|(_, place)| *place).collect();
                match run.as_slice() {
                    [alone] => self.picture.dot(*alone, tone),
                    run => draw(&mut self.picture, run, tone),
                }
            }
            let name = shown(&one.name);
            draw(&mut self.picture, &[(x, 37.0), (x + 24.0, 37.0)], tone);
            self.picture.label((x + 30.0, 42.0), Anchor::Start, tone, &name);
            x += 30.0 + width_of_label(&name) + 18.0;
        }
    }

    /// A dashed line for each change, and words above where there is room.
    fn markers(&mut self, markers: &[Marker]) {
        let mut free = [LEFT; MARKER_ROWS];
        let mut labels = Vec::new();
        for marker in markers {
            let (x, bottom) = self.point((marker.at, self.y.from));
            let label = placed(&cut(&shown(&marker.words)), x, &mut free);
            let head = label.as_ref().map_or(self.top, |(_, (_, y))| y + 4.0);
            self.picture.dashed_line(&[(x, head), (x, bottom)], Tone::Muted);
            labels.extend(label);
        }
        // The words are drawn over the lines.
        for (words, at) in labels {
            self.picture.label(at, Anchor::Start, Tone::Plain, &words);
        }
    }
}

/// Finds a place for the words of a marker, or at least for its number. `free` is where each row is free.
fn placed(words: &str, x: f64, free: &mut [f64]) -> Option<(String, Point)> {
    let number = words.split(' ').next().unwrap_or_default();
    [words, number].into_iter().find_map(|words| {
        let width = width_of_label(words);
        // Words begin at their line, except near the right side.
        let left = x.min(LEFT + WIDTH + RIGHT - 4.0 - width).max(LEFT);
        let row = free.iter().position(|free| *free <= left)?;
        free[row] = left + width + 8.0;
        Some((words.to_owned(), (left, 62.0 + ROW * row as f64)))
    })
}

fn cut(words: &str) -> String {
    if words.chars().count() <= MARKER_WORDS {
        return words.to_owned();
    }
    words.chars().take(MARKER_WORDS - 1).chain(['…']).collect()
}

/// What a chart says about itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    pub(super) title: &'a str,
    /// For readers who cannot see it.
    pub(super) description: &'a str,
    /// What the vertical values are.
    pub(super) unit: &'a str,
}

fn blank(words: Words<'_>, top: f64, x: Axis, y: Axis) -> Chart {
    let Words { title, description, .. } = words;
    let mut picture = Picture::new(title, description, LEFT + WIDTH + RIGHT, top + HEIGHT + BOTTOM);
    picture.heading((LEFT, 18.0), Anchor::Start, Tone::Plain, title);
    Chart { picture, top, x, y }
}

/// A chart over time, in seconds from `from` to `to`. The markers are in the order of their times.
pub(super) fn over_time(
    words: Words<'_>,
    series: &[Trace],
    markers: &[Marker],
    (from, to): (f64, f64),
) -> Picture {
    let values =
        series.iter().flat_map(|one| &one.points).map(|point| point.1).filter(|value| value.is_finite());
    let highest = round_up(values.fold(0.0, f64::max));
    let top = 56.0 + if markers.is_empty() { 0.0 } else { ROW * MARKER_ROWS as f64 };
    let to = to.max(from + 1.0);
    let mut chart =
        blank(words, top, Axis { from, to, is_log: false }, Axis { from: 0.0, to: highest, is_log: false });
    let across: Vec<_> = (0..=4)
        .map(|part| from + (to - from) * f64::from(part) / 4.0)
        .map(|at| (at, format!("{at:.0} s")))
        .collect();
    let up = [0.0, highest / 2.0, highest].map(|value| (value, spelt(value)));
    chart.axes(&across, &up, words.unit);
    chart.markers(markers);
    chart.lines(series);
    chart.picture
}

/// Latencies in milliseconds by percentile, both on logarithmic scales. The horizontal value of a point is
/// its percentile, below 100.
pub(super) fn by_percentile(words: Words<'_>, series: &[Trace]) -> Picture {
    let values = series.iter().flat_map(|one| &one.points).map(|point| point.1);
    let (lowest, highest) = values
        .filter(|value| value.is_finite() && *value > 0.0)
        .fold((f64::MAX, 0.0), |(low, high), value| (value.min(low), value.max(high)));
    let highest = round_up(highest);
    let lowest = if lowest < highest { 10_f64.powf(lowest.log10().floor()) } else { highest / 10.0 };
    let x = Axis { from: nines(50.0), to: nines(99.9), is_log: true };
    let mut chart = blank(words, 56.0, x, Axis { from: lowest, to: highest, is_log: true });
    let across = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9].map(|percent| (nines(percent), format!("{percent} %")));
    let mut up = vec![(lowest, spelt(lowest))];
    let mut value = lowest * 10.0;
    while value < highest * 0.6 && up.len() < 9 {
        up.push((value, spelt(value)));
        value *= 10.0;
    }
    up.push((highest, spelt(highest)));
    chart.axes(&across, &up, words.unit);
    let moved: Vec<Trace> = series
        .iter()
        .map(|one| Trace {
            points: one.points.iter().map(|(percent, value)| (nines(*percent), *value)).collect(),
            ..one.clone()
        })
        .collect();
    chart.lines(&moved);
    chart.picture
}

/// The horizontal value of a percentile: one request in so many is slower.
fn nines(percent: f64) -> f64 {
    100.0 / (100.0 - percent.min(99.999))
}

#[cfg(test)]
#[path = "chart_tests.rs"]
mod tests;
