//! The report of a recorded run.

use api::{ControlChange, Event, HelloBackend, Req, SCHEMA, Word};

use super::*;

/// The run of a recording.
fn run(ghosts: Replays) -> Run {
    let mut kept = Kept::default();
    for line in include_str!("../../tests/recording.jsonl").lines() {
        kept.apply(&serde_json::from_str(line).unwrap());
    }
    Run { kept, ghosts }
}

fn missing() -> Replays {
    Replays::Missing("the simulator is not there".to_owned())
}

#[test]
fn a_report_says_what_happened() {
    let rows = vec![
        Replay { policy: "live".into(), mean_ms: 20.0, calls: 100, ..Replay::default() },
        Replay {
            policy: "random".into(),
            mean_ms: 21.0,
            p95_ms: Some(55.5),
            max_share: 0.31,
            ..Replay::default()
        },
    ];
    let html = report(&run(Replays::Known(rows)));
    for part in [
        "<title>Report of a run, 2026-09-21 14:13:20 UTC</title>",
        "<dt>seed</dt><dd>42</dd>",
        "<dt>policy at the start</dt><dd>round-robin</dd>",
        "<th scope=\"row\">what happened</th><td>20.0 ms</td>",
        "<td>55.5 ms</td><td>0.0 ms</td><td>0 of 0</td><td>31.0 %</td>",
        "http://localhost:3031",
        "aria-labelledby=\"percentiles-title percentiles-desc\"",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    let other = report(&run(missing()));
    assert!(other.contains("This comparison is not available: the simulator is not there."));
}

#[test]
fn every_plot_has_a_table_and_every_change_a_row() {
    let run = run(missing());
    let html = report(&run);
    assert_eq!((html.matches("<svg").count(), html.matches("class=\"plot\"").count()), (4, 4));
    for plot in html.split("<div class=\"plot\">").skip(1) {
        let plot = plot.split("</figure>").nth(1).unwrap();
        assert!(plot.split("</table>").next().unwrap().contains("<caption>"), "a plot has no table");
    }
    for line in run.kept.changes() {
        assert!(html.contains(&html::escaped(&line.text)), "{}", line.text);
    }
    assert_eq!(html.matches("<table").count(), html.matches("<caption").count());
    assert!(!html.contains("<th>"), "every head has a scope");
    assert!(html.len() < 300_000, "{} bytes", html.len());
}

#[test]
fn a_report_needs_nothing_else_and_runs_nothing() {
    let html = report(&run(missing()));
    let (css, hash) = style::style();
    assert!(html.contains(&format!("<style>{css}</style>")), "the hash is that of the style sheet");
    assert!(html.contains(&format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'")));
    for banned in ["<script", " style=", " src=", "@import", "url(", "javascript:", "onload"] {
        assert!(!html.contains(banned), "{banned}");
    }
    assert!(!html.contains(" href="));
    assert_eq!(html.matches("<style").count(), 1);
}

#[test]
fn ids_are_unique_and_headings_in_order() {
    let html = report(&run(missing()));
    let mut ids: Vec<&str> =
        html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    assert_eq!(html.matches("<h1").count(), 1);
    assert!(html.find("<h1").unwrap() < html.find("<h2").unwrap() && !html.contains("<h3"));
}

/// A text that would be an element, if it were not escaped.
const HOSTILE: &str = "</text></td><img src=x onerror=alert(1)>\"'&\u{202e}";

#[test]
fn names_from_outside_are_only_text() {
    let word = || Word::from(HOSTILE.to_owned());
    let text = || HOSTILE.to_owned();
    let backend =
        HelloBackend { backend: 1, url: text(), weight: 1, mode: word(), state: word(), cause: word() };
    let hello = Hello {
        schema: SCHEMA,
        version: word(),
        listen: text(),
        policy: word(),
        backends: vec![backend],
        ..Hello::default()
    };
    let state =
        api::StateChange { t: 1, backend: 1, from: "up".into(), to: word(), cause: word(), progress: None };
    let fault = api::Fault {
        t: 2,
        backend: 1,
        active: true,
        kind: word(),
        params: serde_json::json!({HOSTILE: HOSTILE}),
        ..api::Fault::default()
    };
    let request = Req {
        t: 3,
        id: 1,
        method: text(),
        path: text(),
        tried: vec![(1, word())],
        attempts: 2,
        failure: Some(word()),
        ..Req::default()
    };
    let candidates = vec![];
    let excluded = vec![api::Excluded { backend: 1, why: word() }];
    let decision =
        api::Decision { because: text(), policy: word(), candidates, excluded, ..api::Decision::default() };
    let server = api::ServerTick { process: word(), faults: vec![text()], ..api::ServerTick::default() };
    let backend = api::BackendTick { backend: 1, server: Some(server), ..api::BackendTick::default() };
    let tick = |t| api::Tick { t, backends: vec![backend.clone()], ..api::Tick::default() };
    let mut kept = Kept::default();
    for event in [
        Event::Hello(Box::new(hello)),
        Event::State(state),
        Event::Fault(fault),
        Event::Control(ControlChange { t: 4, what: text(), by: text(), ..ControlChange::default() }),
        Event::Load(api::Load { control: word(), ..api::Load::default() }),
        Event::Req(Box::new(request)),
        Event::Why(Box::new(api::Why { id: 1, decisions: vec![decision] })),
        Event::Tick(tick(1_000_000)),
        Event::Tick(tick(2_000_000)),
    ] {
        kept.apply(&event);
    }
    let rows = vec![Replay { policy: text(), ..Replay::default() }];
    for ghosts in [Replays::Known(rows), Replays::Missing(text())] {
        let html = report(&Run { kept: kept.clone(), ghosts });
        assert!(html.matches("onerror=alert(1)&gt;").count() > 15, "the names are there");
        for banned in ["<img", "\u{202e}", "</text></td>"] {
            assert!(!html.contains(banned), "{banned}");
        }
    }
}

#[test]
fn a_run_that_has_not_begun_has_a_report() {
    let html = report(&Run { kept: Kept::default(), ghosts: missing() });
    assert!(html.contains("This run has no figures yet.") && html.contains("Nothing changed."));
}
