//! The results as a table for a terminal: one line for each policy.

use std::time::Duration;

use crate::report::Report;

/// The headings of the columns.
const HEAD: [&str; 9] =
    ["policy", "mean", "p50", "p99", "p99.9", "errors", "max share", "max queue", "retries"];

/// The results of some runs, one line each.
pub fn table(reports: &[Report]) -> String {
    let rows: Vec<[String; 9]> = reports.iter().map(row).collect();
    let head = HEAD.map(str::to_owned);
    let all = || std::iter::once(&head).chain(&rows);
    let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..HEAD.len()).map(width).collect();
    let line = |row: &[String; 9]| {
        let cell = |(column, cell): (usize, &String)| match column {
            0 => format!("{cell:<0$}", widths[column]),
            _ => format!("{cell:>0$}", widths[column]),
        };
        row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    all().map(line).collect()
}

fn row(report: &Report) -> [String; 9] {
    let figures = report.figures();
    let errors = figures.errors as f64 / figures.calls.max(1) as f64;
    [
        report.policy().to_owned(),
        spell(report.mean()),
        spell(report.quantile(0.5)),
        spell(report.quantile(0.99)),
        spell(report.quantile(0.999)),
        percent(errors),
        percent(figures.max_share),
        figures.max_queue.to_string(),
        (figures.retries + figures.resends).to_string(),
    ]
}

/// A time with three digits.
fn spell(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (value, unit) = match seconds {
        _ if seconds >= 1.0 => (seconds, "s"),
        _ if seconds >= 1e-3 => (seconds * 1e3, "ms"),
        _ => (seconds * 1e6, "us"),
    };
    match value {
        _ if value >= 100.0 => format!("{value:.0} {unit}"),
        _ if value >= 10.0 => format!("{value:.1} {unit}"),
        _ => format!("{value:.2} {unit}"),
    }
}

fn percent(part: f64) -> String {
    match part * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent < 10.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let spelt =
            [0, 999, 12_345, 50_000_000, 1_746_000_000, 115_000_000_000].map(Duration::from_nanos).map(spell);
        assert_eq!(spelt, ["0.00 us", "1.00 us", "12.3 us", "50.0 ms", "1.75 s", "115 s"]);
        assert_eq!([0.0, 0.012, 0.25, 1.0].map(percent), ["0 %", "1.20 %", "25.0 %", "100.0 %"]);
    }
}
