//! `docs/statistics.md` has the same metrics as the page for Prometheus.

use std::fmt::Write;

use balance::verdict::Failure;
use strum::VariantArray;

use super::*;
use crate::proxy::message::refusal::Refusal;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/statistics.md");

/// Beginning of the part that this test writes.
const TABLES: &str = "\n## Metrics\n";

fn tables() -> String {
    let mut text = format!("{TABLES}\n| metric | type | labels | what it says |\n|---|---|---|---|\n");
    for Entry { metric: Metric { name, kind, labels, help }, full_only, .. } in METRICS {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let note = if *full_only { " Not with `--statistics=basic`." } else { "" };
        let _ = writeln!(text, "| `{name}` | {} | {labels} | {help}{note} |", kind.name());
    }
    text += "\n## Causes\n\n| cause | blame | in words |\n|---|---|---|\n";
    let failures = Failure::VARIANTS.iter().map(|failure| (ErrorCause::from(*failure), failure.words()));
    let refusals = Refusal::VARIANTS.iter().map(|refusal| (ErrorCause::from(*refusal), refusal.reason()));
    for (ErrorCause { name, blame, .. }, words) in failures.chain(refusals) {
        let _ = writeln!(text, "| `{name}` | {blame} | {words} |");
    }
    text
}

#[test]
fn the_documentation_lists_every_metric_and_every_cause() {
    let written = std::fs::read_to_string(PAGE).unwrap();
    let introduction = written.split(TABLES).next().unwrap();
    let page = format!("{introduction}{}", tables());
    if std::env::var_os("ROUNDABOUT_WRITE_STATISTICS").is_some() {
        return std::fs::write(PAGE, page).unwrap();
    }
    let differs = written.lines().zip(page.lines()).find(|(written, expected)| written != expected);
    assert!(
        written == page,
        "docs/statistics.md differs from the table in metrics.rs; write it again with \
         ROUNDABOUT_WRITE_STATISTICS=1 cargo test -p lb --lib the_documentation\nfirst difference: {differs:?}"
    );
}

#[test]
fn bounds_are_documented() {
    let written = std::fs::read_to_string(PAGE).unwrap();
    let bounds = Histogram::BOUNDS.map(|bound| bound.to_string()).join(", ");
    assert!(written.replace('\n', " ").contains(&bounds), "{bounds}");
}
