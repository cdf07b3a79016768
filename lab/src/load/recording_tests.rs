//! Tests: what is written can be read, and what is no recording is refused.

use super::*;
use crate::load::ledger::{Outcome, Try};
use crate::load::truth::GroundTruth;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Entries with and without each of the values.
fn report() -> Report {
    let truth = GroundTruth {
        queue: Some(Duration::from_micros(1)),
        service: Some(MS(50)),
        in_flight: Some(3),
        faults: Some("none".into()),
    };
    let earlier = vec![
        Try {
            sent: MS(3),
            ended: MS(4),
            outcome: Outcome::Answered(503),
            backend: Some(1),
            truth: truth.clone(),
        },
        Try {
            sent: MS(5),
            ended: MS(6),
            outcome: Outcome::Failed("\"reset\"\n".into()),
            backend: None,
            truth: GroundTruth::default(),
        },
    ];
    let plain = Entry::example(0, MS(1), MS(2), Outcome::Answered(200), Some(4));
    let full = Entry {
        call: 1,
        client: 2,
        key: Some(u64::MAX),
        size: Some(Duration::from_micros(50_001)),
        late: Duration::from_micros(7),
        sent: MS(3),
        last_sent: MS(7),
        truth,
        earlier,
        ..Entry::example(1, MS(2), MS(9), Outcome::Mistaken("it is r0's".into()), None)
    };
    Report {
        name: "load0".into(),
        entries: vec![plain, full],
        phases: vec![Phase { name: "steady".into(), from: MS(1) }],
        duration: MS(10),
        begun: 3,
        unsent: 1,
        seed: u64::MAX,
        epoch_unix_us: 1_700_000_000_000_000,
    }
}

fn written(report: &Report) -> String {
    let mut bytes = Vec::new();
    report.write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn what_is_written_can_be_read() {
    let report = report();
    let text = written(&report);
    assert_eq!(text.lines().count(), 3);
    assert_eq!(Report::read(text.as_bytes()).unwrap(), report);
    let empty = Report { entries: Vec::new(), phases: Vec::new(), ..report };
    assert_eq!(Report::read(written(&empty).as_bytes()).unwrap(), empty);
}

#[test]
fn the_lines_are_as_documented() {
    let text = written(&report());
    let version = env!("CARGO_PKG_VERSION");
    let expected = [
        &format!(
            r#"{{"format":"lab load","version":1,"program":"{version}","seed":18446744073709551615,"name":"load0","#
        ),
        r#""epoch_unix_us":1700000000000000,"duration_us":10000,"begun":3,"unsent":1,"entries":2,"#,
        r#""phases":[{"name":"steady","from_us":1000}]}"#,
    ];
    assert_eq!(text.lines().next(), Some(expected.concat().as_str()));
    let plain = r#"{"number":0,"call":0,"client":0,"intended_us":1000,"sent_us":1000,"ended_us":2000,"late_us":0,"outcome":{"answered":200},"backend":4,"last_sent_us":1000}"#;
    assert_eq!(text.lines().nth(1), Some(plain));
}

#[test]
fn what_is_no_complete_recording_is_refused() {
    let text = written(&report());
    let lines: Vec<&str> = text.lines().collect();
    for (broken, reason) in [
        (String::new(), "the recording is empty"),
        ("hello\n".into(), "no recording of a load; its first line is: hello"),
        (text.replace("lab load", "lab sim"), "a recording of \"lab sim\""),
        (text.replace("\"version\":1", "\"version\":2"), "has the version 2, and this program reads 1"),
        (text.replace("\"seed\"", "\"sown\""), "missing field `seed`"),
        (lines[..2].join("\n"), "has 1 entries, and its first line says 2"),
        (text.replace("\"answered\":200", "\"answered\":\"x\""), "line 2 of the recording is no entry"),
        (text[..text.len() - 20].to_owned(), "line 3 of the recording is no entry"),
    ] {
        let error = format!("{:#}", Report::read(broken.as_bytes()).unwrap_err());
        assert!(error.contains(reason), "{error:?} lacks {reason:?}");
    }
}
