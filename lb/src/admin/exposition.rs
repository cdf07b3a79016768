//! The part of Prometheus's text format that this balancer needs:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

/// The media type and version of the format.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything about a metric except its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The names of the labels.
    pub(super) labels: &'static [&'static str],
    /// The meaning of the metric, in one line.
    pub(super) help: &'static str,
}

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The value only grows until the balancer restarts.
    Counter,
    /// The value goes up and down.
    Gauge,
    /// The values are counted in buckets.
    Histogram,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

/// The values of one metric.
#[derive(Debug)]
pub(super) struct Values<'a> {
    page: &'a mut Page,
    of: Metric,
}

impl Page {
    /// Begins the next metric.
    pub(super) fn begin(&mut self, metric: Metric) -> Values<'_> {
        let Metric { name, kind, help, .. } = metric;
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.name()));
        Values { page: self, of: metric }
    }

    /// The complete page.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn write(&mut self, words: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(words);
    }
}

impl Values<'_> {
    /// Adds a value, with its labels in the order of the label names.
    pub(super) fn add(&mut self, labels: &[&str], value: impl Display) {
        self.line("", labels, None, value);
    }

    /// Adds a histogram: its bounds, the number of values within each bound and above the previous one, the
    /// number of values above all bounds, and the sum of all values.
    pub(super) fn add_histogram(
        &mut self,
        labels: &[&str],
        buckets: impl Iterator<Item = (f64, u64)>,
        beyond: u64,
        sum: f64,
    ) {
        let mut so_far = 0;
        for (bound, count) in buckets {
            so_far += count;
            self.line("_bucket", labels, Some(&bound.to_string()), so_far);
        }
        so_far += beyond;
        self.line("_bucket", labels, Some("+Inf"), so_far);
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, so_far);
    }

    fn line(&mut self, suffix: &str, labels: &[&str], bound: Option<&str>, value: impl Display) {
        let Metric { name, labels: names, .. } = self.of;
        self.page.write(format_args!("{name}{suffix}"));
        let labels = names.iter().zip(labels).chain(bound.iter().map(|bound| (&"le", bound)));
        let mut end = "";
        for (label, value) in labels {
            let before = if end.is_empty() { '{' } else { ',' };
            self.page.write(format_args!("{before}{label}=\"{}\"", escaped(value)));
            end = "}";
        }
        self.page.write(format_args!("{end} {value}\n"));
    }
}

fn escaped(value: &str) -> Cow<'_, str> {
    match value.contains(['\\', '"', '\n']) {
        // Most values need no escapes, and there may be millions of values.
        false => value.into(),
        true => value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_as_the_format_says() {
        let mut page = Page::default();
        let apples =
            Metric { name: "apples_total", kind: Kind::Counter, labels: &["tree", "ripe"], help: "Apples." };
        page.begin(Metric { labels: &[], ..apples }).add(&[], 3);
        page.begin(apples).add(&["a \"b\" \\ c\nd", "yes"], 0.25);
        let falls = Metric {
            name: "falls_seconds",
            kind: Kind::Histogram,
            labels: &["tree"],
            help: "How long they fall.",
        };
        page.begin(falls).add_histogram(&["a"], [(0.5, 2), (1.0, 3)].into_iter(), 4, 12.5);
        let expected = r#"# HELP apples_total Apples.
# TYPE apples_total counter
apples_total 3
# HELP apples_total Apples.
# TYPE apples_total counter
apples_total{tree="a \"b\" \\ c\nd",ripe="yes"} 0.25
# HELP falls_seconds How long they fall.
# TYPE falls_seconds histogram
falls_seconds_bucket{tree="a",le="0.5"} 2
falls_seconds_bucket{tree="a",le="1"} 5
falls_seconds_bucket{tree="a",le="+Inf"} 9
falls_seconds_sum{tree="a"} 12.5
falls_seconds_count{tree="a"} 9
"#;
        assert_eq!(page.finish(), expected);
    }
}
