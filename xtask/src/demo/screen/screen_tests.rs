//! The screen as a terminal shows it, at three sizes. The events are those of the golden recording of the
//! console: backend 1 is well, 2 is dead, 3 is suspect, and 4 answers with 503.

use std::path::Path;

use api::{BackendTick, Change, ControlChange, Event, ServerTick, StateChange, Tick};
use console::Model;

use super::super::terminal::paint;
use super::*;

const RECORDING: &str = include_str!("../../../../console/tests/recording.jsonl");

const SIZES: [(usize, usize); 3] = [(80, 24), (130, 40), (40, 12)];

fn model() -> Model {
    let mut model = Model::default();
    RECORDING.lines().for_each(|line| model.apply(&serde_json::from_str(line).unwrap()));
    model
}

fn addresses(count: usize) -> Addresses {
    let at = |port: usize| format!("127.0.0.1:{port}");
    Addresses {
        balancer: at(3030),
        admin: at(4030),
        backends: (1..=count).map(|n| (at(3030 + n), at(4030 + n))).collect(),
    }
}

fn look(size: (usize, usize)) -> Look {
    Look {
        glyphs: Glyphs::for_locale(Some("C.UTF-8")),
        size,
        selected: 4,
        paused: false,
        has_ended: false,
        legend: None,
        addresses: Some(addresses(4)),
    }
}

/// What a terminal of this size shows of these lines.
fn terminal(lines: &[Line], coloured: bool, (width, height): (usize, usize)) -> vt100::Parser {
    let length = |length: usize| std::num::NonZero::new(u16::try_from(length).unwrap()).unwrap();
    let mut parser = vt100::Parser::new(length(height), length(width), 0);
    // An old screen must not shine through.
    parser.process("old ".repeat(width * height / 4).as_bytes());
    let mut bytes = Vec::new();
    paint(&mut bytes, lines, coloured).unwrap();
    parser.process(&bytes);
    parser
}

fn text(view: &View, look: &Look) -> Vec<String> {
    let parser = terminal(&screen(view, look), true, look.size);
    let width = u16::try_from(look.size.0).unwrap();
    parser.screen().rows(0, width).map(|row| row.trim_end().to_owned()).collect()
}

#[test]
fn screens_are_as_they_were_looked_at() {
    let view = model().view();
    for size @ (width, height) in SIZES {
        let found = text(&view, &look(size)).join("\n") + "\n";
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/screen/snapshots");
        let file = folder.join(format!("{width}x{height}.txt"));
        if std::env::var_os("ROUNDABOUT_WRITE_SCREENS").is_some() {
            std::fs::write(&file, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            found == expected,
            "{} differs; if this is right, run with ROUNDABOUT_WRITE_SCREENS=1:\n{found}",
            file.display()
        );
    }
}

#[test]
fn no_row_of_a_backend_is_cut() {
    let view = model().view();
    for size in SIZES {
        let lines = text(&view, &look(size));
        let heading = lines.iter().position(|line| line.contains("# ") && line.contains("p99")).unwrap();
        for number in 1..=4 {
            let row = lines[heading..]
                .iter()
                .find(|line| line[1..].trim_start_matches(['!', ' ']).starts_with(&format!("{number} ")));
            let row = row.unwrap_or_else(|| panic!("backend {number} is missing at {size:?}: {lines:#?}"));
            assert!(!row.contains('~'), "{row:?} is cut at {size:?}");
        }
        assert!(!lines[heading].contains('~') && !lines.last().unwrap().contains('~'), "{lines:#?}");
        assert!(
            lines.last().unwrap().contains("keys") || lines.last().unwrap().contains("legend"),
            "{lines:#?}"
        );
    }
}

#[test]
fn a_screen_fits_every_terminal() {
    let mut model = model();
    for n in 0..50 {
        let what = format!("line\u{1b}[2J {n} {}", "and so on ".repeat(20));
        model.apply(&Event::Control(ControlChange { t: 9_000_000, what, by: "a test".into(), change: None }));
    }
    let view = model.view();
    for size in [(80, 24), (200, 60), (80, 12), (20, 5), (1, 1), (80, 22), (79, 30), (112, 34), (40, 80)] {
        for legend in [None, Some(0), Some(7)] {
            let lines = screen(&view, &Look { legend, ..look(size) });
            assert!(lines.len() <= size.1, "{} lines for {size:?}", lines.len());
            for line in lines {
                let text: String = line.into_iter().map(|(text, _)| text).collect();
                assert!(text.chars().count() <= size.0 && !text.contains('\u{1b}'), "{text:?} for {size:?}");
            }
        }
    }
}

/// A lab of two backends, in which the second gave this number of answers, all of them 503.
fn with_errors(answers: u64) -> View {
    let mut model = Model::default();
    let tick = |t, second: u64| {
        let backend = |backend, answers, errors| BackendTick {
            backend,
            picks: answers,
            answers,
            errors,
            latency: vec![(40_000, 1)],
            server: Some(ServerTick { process: "running".into(), queued: 3, ..ServerTick::default() }),
            ..BackendTick::default()
        };
        Event::Tick(Tick {
            t,
            backends: vec![backend(1, 4 * t / 1_000_000, 0), backend(2, second, second)],
            ..Tick::default()
        })
    };
    for event in [tick(0, 0), tick(5_000_000, answers)] {
        model.apply(&event);
    }
    model.view()
}

#[test]
fn a_backend_that_answers_503_is_red_and_marked_and_a_quiet_one_is_grey() {
    let size = (80, 24);
    for (answers, mark, of_numbers) in [(10, "!!!", vt100::Color::Idx(9)), (0, "   ", vt100::Color::Idx(8))] {
        let view = with_errors(answers);
        let parser = terminal(&screen(&view, &look(size)), true, size);
        let rows: Vec<String> = parser.screen().rows(0, 80).collect();
        let row = rows.iter().position(|row| row[1..].starts_with(&format!("{mark} 2 running"))).unwrap();
        let good = rows[row].find(if answers > 0 { " 0 %" } else { "-" }).unwrap();
        // The shape of the state is one column and three bytes.
        let column = u16::try_from(rows[row][..good].chars().count() + 1).unwrap();
        let cell = parser.screen().cell(u16::try_from(row).unwrap(), column).unwrap();
        assert_eq!(cell.fgcolor(), of_numbers, "{:?}", rows[row]);
        let well = rows.iter().position(|row| row.contains(" 1 running")).unwrap();
        let well = parser.screen().cell(u16::try_from(well).unwrap(), column).unwrap();
        assert_eq!(well.fgcolor(), vt100::Color::Default);
        let plain = terminal(&screen(&view, &look(size)), false, size);
        assert!(
            (0..24).all(|row| (0..80).all(|column| {
                plain.screen().cell(row, column).unwrap().fgcolor() == vt100::Color::Default
            })),
            "NO_COLOR"
        );
    }
}

#[test]
fn a_terminal_without_utf8_gets_ascii() {
    let view = model().view();
    for legend in [None, Some(0)] {
        let look = Look { glyphs: Glyphs::for_locale(Some("C")), legend, ..look((130, 40)) };
        let lines = text(&view, &look).join("\n");
        assert!(lines.is_ascii(), "{lines}");
    }
}

#[test]
fn a_drained_backend_is_not_simply_up() {
    let mut model = model();
    let change = Some(Change::Mode { backend: 1, mode: "drain".into() });
    model.apply(&Event::Control(ControlChange { t: 5_000_000, change, ..ControlChange::default() }));
    let lines = text(&model.view(), &look((80, 24)));
    assert!(lines.iter().any(|line| line.contains("1 running ◇ drain")), "{lines:#?}");
    let down = StateChange {
        t: 5_000_000,
        backend: 1,
        from: "up".into(),
        to: "down".into(),
        ..StateChange::default()
    };
    model.apply(&Event::State(down));
    let lines = text(&model.view(), &look((80, 24)));
    assert!(lines.iter().any(|line| line.contains("1 running ■ down")), "{lines:#?}");
}

#[test]
fn a_screen_that_stands_still_says_so() {
    let view = model().view();
    for (paused, has_ended, expected) in [
        (true, false, "PAUSED: space goes on"),
        (true, true, "PAUSED: space goes on"),
        (false, true, "END: q quits"),
    ] {
        for size in SIZES {
            let title = text(&view, &Look { paused, has_ended, ..look(size) }).remove(0);
            assert!(title.contains(expected), "{title}");
        }
    }
}

#[test]
fn the_legend_is_turned_page_by_page() {
    let mut look = look((80, 24));
    let mut pages = Vec::new();
    for _ in 0..4 {
        look.turn_page();
        pages.push(look.legend);
    }
    assert_eq!(pages, [Some(0), Some(1), None, Some(0)]);
}

#[test]
fn a_stream_that_cannot_be_shown_says_why() {
    let mut model = Model::default();
    model.apply(&Event::Hello(Box::default()));
    let lines = text(&model.view(), &look((80, 24))).join("\n");
    assert!(lines.contains("the events have format 0, and this console reads format 1"), "{lines}");
}

#[test]
fn the_fan_has_as_many_ends_as_there_are_backends() {
    let glyphs = Glyphs::for_locale(Some("C.UTF-8"));
    for count in 1..6 {
        let picture = picture(&addresses(count), glyphs);
        assert_eq!(picture.len(), count);
        assert!(picture.iter().all(|line| line.contains("control 127.0.0.1:40")), "{picture:#?}");
        assert_eq!(picture.iter().filter(|line| line.contains("lb 127.0.0.1:3030")).count(), 1);
    }
}
