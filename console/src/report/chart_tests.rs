//! The charts: every word can be read, whatever happened.

use super::*;

const WORDS: Words<'_> =
    Words { title: "requests a second", description: "a description", unit: "requests/s" };

fn series(points: Vec<(f64, f64)>) -> Vec<Trace> {
    let looks = [(Tone::Plain, true), (Tone::Accent, false), (Tone::Bad, false), (Tone::Doubt, true)];
    let names = ["offered", "good", "errors", "tries"];
    let one = |(name, look): (&str, Stroke)| Trace { name: name.to_owned(), look, points: points.clone() };
    names.into_iter().zip(looks).map(one).collect()
}

fn marker(number: usize, at: f64) -> Marker {
    Marker { at, words: format!("{number} B2 up -> down: connection refused, 3 in a row") }
}

#[test]
fn every_word_can_be_read() {
    let flat = |value: f64| (0..100).map(|t| (f64::from(t), value)).collect::<Vec<_>>();
    for values in
        [vec![], flat(0.0), flat(0.003), flat(7.0), flat(123_456.0), vec![(0.0, f64::NAN), (1.0, 2.0)]]
    {
        for count in [0_usize, 1, 2, 7, 40, 400] {
            let markers: Vec<_> = (0..count).map(|n| marker(n, 100.0 * n as f64 / count as f64)).collect();
            let picture = over_time(WORDS, &series(values.clone()), &markers, (0.0, 99.0));
            assert_eq!(picture.flaws(), Vec::<String>::new(), "{values:?} {count}");
        }
        let picture = by_percentile(WORDS, &series(values.clone()));
        assert_eq!(picture.flaws(), Vec::<String>::new(), "{values:?}");
    }
    let markers: Vec<_> = (0..30).map(|n| marker(n, 99.0)).collect();
    assert_eq!(over_time(WORDS, &[], &markers, (0.0, 99.0)).flaws(), Vec::<String>::new(), "all at the end");
}

#[test]
fn a_marker_has_its_words_or_its_number() {
    let few = over_time(WORDS, &[], &[marker(1, 5.0)], (0.0, 99.0)).part("plot");
    assert!(few.contains(">1 B2 up -&gt; down: connection r…</text>"), "{few}");
    let many: Vec<_> = (0..12).map(|n| marker(n, 5.0)).collect();
    let crowded = over_time(WORDS, &[], &many, (0.0, 99.0)).part("plot");
    assert_eq!(crowded.matches("line dashed").count(), 12, "every change has its line");
}

#[test]
fn a_gap_in_the_values_is_a_gap_in_the_line() {
    let points =
        vec![(0.0, 1.0), (1.0, 1.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 1.0), (5.0, f64::NAN), (6.0, 1.0)];
    let one = Trace { name: "p99".into(), look: (Tone::Accent, false), points };
    let svg = over_time(WORDS, &[one], &[], (0.0, 6.0)).part("plot");
    assert_eq!(svg.matches("accent line").count(), 3, "two lines, and one in the legend");
    assert_eq!(svg.matches("accent full").count(), 1, "a value alone is a dot");
    assert!(!svg.contains("NaN"));
}

#[test]
fn an_axis_ends_at_a_round_number() {
    let found = [0.0, 0.3, 1.0, 1.1, 7.0, 120.0, 999.0, f64::INFINITY].map(round_up);
    assert_eq!(found, [1.0, 0.5, 1.0, 2.0, 10.0, 200.0, 1000.0, 1.0]);
    assert_eq!([0.0, 0.004, 0.25, 2.5, 25.0].map(spelt), ["0", "0.00", "0.25", "2.5", "25"]);
}
