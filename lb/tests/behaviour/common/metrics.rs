//! A reader of the metrics page, with just enough to find and add up values.

use std::net::SocketAddr;

use super::Client;

/// The metrics page at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) text: String,
    series: Vec<Series>,
}

/// One line: a name, labels, a value.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

impl Series {
    /// Reads a line. In these tests, no value of a label contains a quotation mark or a comma.
    fn read(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}').expect("an end of labels").split(',');
        let labels = labels.filter(|label| !label.is_empty()).map(|label| {
            let (name, value) = label.split_once("=\"").expect("a label");
            (name.to_owned(), value.trim_end_matches('"').to_owned())
        });
        Self { name: name.to_owned(), labels: labels.collect(), value: value.parse().expect("a number") }
    }

    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

impl Metrics {
    pub(crate) fn of(admin: SocketAddr) -> Self {
        let answer = Client::connect(admin).get("/metrics");
        assert_eq!(answer.status, 200);
        let text = answer.text().to_owned();
        let series = text.lines().filter(|line| !line.starts_with('#')).map(Series::read).collect();
        Self { text, series }
    }

    /// All lines.
    pub(crate) fn all_series(&self) -> impl Iterator<Item = &Series> {
        self.series.iter()
    }

    /// All lines of this name whose labels have these values.
    pub(crate) fn all<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Series> {
        self.series
            .iter()
            .filter(move |one| one.name == name)
            .filter(move |one| labels.iter().all(|(label, value)| one.label(label) == *value))
    }

    /// The sum of these lines.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name, labels).map(|one| one.value).sum()
    }

    /// The value of the only such line.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found: Vec<_> = self.all(name, labels).collect();
        let [one] = found[..] else { panic!("{name} {labels:?} finds {found:?} in\n{}", self.text) };
        one.value
    }

    /// Names and values of the lines whose value is not 0, by the value of a label.
    pub(crate) fn nonzero(&self, name: &str, labels: &[(&str, &str)], by: &str) -> Vec<(String, f64)> {
        let all = self.all(name, labels).filter(|one| one.value != 0.0);
        all.map(|one| (one.label(by).to_owned(), one.value)).collect()
    }

    /// Saves the page for other readers.
    pub(crate) fn keep(&self, name: &str) {
        let path = format!("{}/metrics-{name}.txt", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(path, &self.text).unwrap();
    }
}
