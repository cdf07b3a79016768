//! The state for people: one line for the balancer, and a table of the backends.

use std::fmt::Write;
use std::time::Duration;

use api::{BackendState, State};

const HEADINGS: [&str; 8] = ["number", "url", "state", "mode", "weight", "in flight", "picks", "p99"];

/// Columns of words; the other columns are numbers, which are right-aligned.
const WORDS: [usize; 3] = [1, 2, 3];

/// The answer to `GET /state` as a table.
pub(super) fn of(state: &State) -> String {
    let rows: Vec<_> = state.backends.iter().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEADINGS[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..HEADINGS.len()).map(width).collect();
    let line = |cells: [&str; HEADINGS.len()]| {
        let mut line = String::new();
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let _ = match WORDS.contains(&column) {
                true => write!(line, "{cell:<width$}  "),
                false => write!(line, "{cell:>width$}  "),
            };
        }
        line.trim_end().to_owned()
    };
    let mut lines = vec![summary(state), String::new(), line(HEADINGS)];
    lines.extend(rows.iter().map(|row| line(row.each_ref().map(String::as_str))));
    lines.join("\n") + "\n"
}

fn summary(state: &State) -> String {
    let State { policy, listen, totals, .. } = state;
    let counting = humantime::format_duration(Duration::from_secs(state.counting_ms / 1000));
    let draining = if state.draining { ", draining" } else { "" };
    let (requests, in_flight) = (totals.requests, totals.in_flight);
    format!("{policy} at {listen}{draining}: {requests} requests in {counting}, {in_flight} in flight")
}

fn row(backend: &BackendState) -> [String; HEADINGS.len()] {
    [
        backend.number.to_string(),
        backend.url.clone(),
        backend.state.to_string(),
        if backend.leaving { "leaving".to_owned() } else { backend.mode.to_string() },
        backend.weight.to_string(),
        backend.in_flight.to_string(),
        backend.picks.to_string(),
        backend.latency_us.p99.map_or_else(|| "-".to_owned(), millis),
    ]
}

/// Milliseconds, with one decimal place if it is significant.
fn millis(micros: u64) -> String {
    match micros {
        0..100_000 => format!("{}.{} ms", micros / 1000, micros % 1000 / 100),
        _ => format!("{} ms", micros / 1000),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_table_is_made_for_reading() {
        let backend = |number: u64, state: &str, leaving: bool, picks: u64, p99: Value| {
            json!({
                "number": number, "url": format!("http://localhost:303{number}"), "state": state, "mode": "ready",
                "weight": 1, "leaving": leaving, "in_flight": 2, "picks": picks, "latency_us": {"p99": p99}
            })
        };
        let state = json!({
            "version": "0.1.0", "policy": "ring", "listen": "0.0.0.0:3030", "workers": 2, "draining": false,
            "uptime_ms": 125_900, "counting_ms": 125_900, "connections": 1,
            "totals": {"requests": 40_001, "in_flight": 4},
            "backends": [backend(1, "up", false, 40_000, json!(1234)), backend(12, "suspect", true, 1, json!(null))]
        });
        let expected = "\
ring at 0.0.0.0:3030: 40001 requests in 2m 5s, 4 in flight

number  url                     state    mode     weight  in flight  picks     p99
     1  http://localhost:3031   up       ready         1          2  40000  1.2 ms
    12  http://localhost:30312  suspect  leaving       1          2      1       -
";
        let state: State = serde_json::from_value(state).unwrap();
        assert_eq!(of(&state), expected);
        assert_eq!(["99.9 ms", "100 ms"], [99_999, 100_000].map(millis).each_ref().map(String::as_str));
    }
}
