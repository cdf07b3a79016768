//! The screen, cell by cell, at three sizes and in three situations.

use std::path::Path;

use api::{ControlChange, Event, Hello, HelloBackend, SCHEMA, StateChange};
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::look::Look;
use super::screen::text;
use super::situations::{SIZES, Shown, lab, look, situations, tick};
use crate::glyphs::Glyphs;

#[test]
fn screens_are_as_they_were_looked_at() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/terminal/snapshots");
    let mut different = Vec::new();
    for (name, shown) in situations() {
        for size @ (width, height) in SIZES {
            let found = shown.text(&look(), size).join("\n") + "\n";
            let file = folder.join(format!("{name}-{width}x{height}.txt"));
            if std::env::var_os("ROUNDABOUT_WRITE_SCREENS").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&file, &found).unwrap();
            }
            if std::fs::read_to_string(&file).unwrap_or_default() != found {
                different.push(format!("{}:\n{found}", file.display()));
            }
        }
    }
    let advice = "screens differ; if they are right, run with ROUNDABOUT_WRITE_SCREENS=1";
    assert!(different.is_empty(), "{advice}\n{}", different.join("\n"));
}

#[test]
fn no_row_of_a_backend_is_cut_and_the_keys_are_always_there() {
    for (name, shown) in situations() {
        for size in SIZES {
            let lines = shown.text(&look(), size);
            let heading =
                lines.iter().position(|line| line.contains("state") && line.contains("p99")).unwrap();
            assert!(!lines[heading].contains('~'), "{lines:#?}");
            for number in 1..=4 {
                let row = lines[heading..].iter().find(|line| line.contains(&format!("B{number} ")));
                let row = row.unwrap_or_else(|| panic!("B{number} is missing: {name} {size:?} {lines:#?}"));
                assert!(!row.contains('~'), "{row:?} is cut at {size:?}");
            }
            let help = lines.last().unwrap();
            assert!(help.contains('?') && !help.contains('~'), "{help}");
            assert!(lines.iter().any(|line| line.contains("WHY")), "{lines:#?}");
        }
    }
}

/// The colours of a row, at the column of a text in it.
fn colour_at(buffer: &Buffer, row: &str, part: &str) -> Color {
    let lines = text(buffer);
    let y = lines.iter().position(|line| line.contains(row)).unwrap_or_else(|| panic!("{row}: {lines:#?}"));
    let start = lines[y].find(row).unwrap();
    let at = start + lines[y][start..].find(part).unwrap_or_else(|| panic!("{part}: {}", lines[y]));
    let x = lines[y][..at].chars().count();
    buffer.cell((u16::try_from(x).unwrap(), u16::try_from(y).unwrap())).unwrap().fg
}

#[test]
fn harm_is_red_and_what_is_old_is_grey() {
    let shown = lab("random", false);
    let buffer = shown.draw(&look(), (80, 24));
    // The first number is the share.
    assert_eq!(colour_at(&buffer, "B4 ", " %"), Color::LightRed);
    assert_eq!(colour_at(&buffer, "B1 ", " %"), Color::Reset);
    assert_eq!(colour_at(&buffer, "B2 ", "■"), Color::Indexed(208));
    assert_eq!(colour_at(&buffer, "B3 ", "▲"), Color::LightYellow);
    assert_eq!(colour_at(&buffer, "B1 ", "●"), Color::LightCyan);
    assert_eq!(colour_at(&buffer, "status 503", "503"), Color::LightRed);
    let plain = shown.draw(&Look { coloured: false, ..look() }, (80, 24));
    assert!(plain.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset), "NO_COLOR");
    assert_eq!(text(&plain), text(&buffer));
}

#[test]
fn a_row_pulses_when_its_state_has_changed() {
    let mut shown = lab("random", true);
    let reversed = |shown: &Shown| {
        let buffer = shown.draw(&look(), (80, 24));
        let y = text(&buffer).iter().position(|line| line.contains("B2 ")).unwrap();
        let row =
            |x| buffer.cell((x, u16::try_from(y).unwrap())).unwrap().modifier.contains(Modifier::REVERSED);
        (0..80).all(row)
    };
    assert!(!reversed(&shown));
    let change =
        StateChange { t: 8_100_000, backend: 2, from: "up".into(), to: "down".into(), ..Default::default() };
    shown.apply(&Event::State(change));
    let pulses: Vec<bool> = (33..39)
        .map(|quarter| {
            shown.apply(&tick(quarter, true));
            reversed(&shown)
        })
        .collect();
    assert_eq!(pulses, [true, false, true, false, false, false]);
}

#[test]
fn a_terminal_without_utf8_gets_ascii() {
    let mut shown = lab("random", false);
    let what = "a name with ä and 漢".into();
    shown.apply(&Event::Control(ControlChange { t: 9_000_000, what, ..ControlChange::default() }));
    for legend in [None, Some(0)] {
        let look = Look { glyphs: Glyphs::ascii(), legend, ..look() };
        let lines = shown.text(&look, (130, 40)).join("\n");
        assert!(lines.is_ascii(), "{lines}");
    }
}

#[test]
fn a_drained_backend_is_not_simply_up() {
    let mut shown = lab("random", true);
    let backends =
        vec![HelloBackend { backend: 1, mode: "drain".into(), state: "up".into(), ..Default::default() }];
    shown.apply(&Event::Hello(Box::new(Hello { schema: SCHEMA, backends, ..Hello::default() })));
    assert!(shown.text(&look(), (80, 24)).iter().any(|line| line.contains("B1 ◇ drain")));
    let change =
        StateChange { t: 9_000_000, backend: 1, from: "up".into(), to: "down".into(), ..Default::default() };
    shown.apply(&Event::State(change));
    assert!(shown.text(&look(), (80, 24)).iter().any(|line| line.contains("B1 ■ down")));
}

#[test]
fn a_screen_that_stands_still_says_so() {
    let shown = lab("random", true);
    let note = Some("the connection is lost".to_owned());
    for (paused, has_ended, note, expected) in [
        (true, false, None, "PAUSED: space goes on"),
        (true, true, None, "PAUSED: space goes on"),
        (false, true, None, "END: q quits"),
        (false, false, note, "the connection is lost"),
    ] {
        for size in SIZES {
            let title = shown.text(&Look { paused, has_ended, note: note.clone(), ..look() }, size).remove(0);
            assert!(title.contains(expected), "{title}");
        }
    }
}

#[test]
fn a_stream_that_cannot_be_shown_says_why() {
    let mut shown = Shown::default();
    shown.apply(&Event::Hello(Box::default()));
    let lines = shown.text(&look(), (80, 24)).join("\n");
    assert!(lines.contains("the events have format 0, and this console reads format 1"), "{lines}");
}

#[test]
fn a_screen_that_is_too_small_says_so() {
    let shown = lab("random", true);
    assert_eq!(shown.text(&look(), (19, 5))[..2], ["too small: at least", "20x5"]);
    assert_eq!(shown.text(&look(), (80, 4))[0], "too small: at least 20x5");
    let least = shown.text(&look(), (20, 5));
    assert!(
        least[0].starts_with(" random") && least.iter().any(|line| line.starts_with("> B4 ")),
        "{least:#?}"
    );
    assert_eq!(least[4], " ? keys  q quit");
}

#[test]
fn a_hundred_backends_are_moved_through() {
    let mut shown = lab("random", true);
    let backends =
        (1..=100).map(|backend| HelloBackend { backend, state: "up".into(), ..Default::default() });
    let hello = Hello { schema: SCHEMA, backends: backends.collect(), ..Hello::default() };
    shown.apply(&Event::Hello(Box::new(hello)));
    for chosen in [1, 50, 100] {
        let lines = shown.text(&Look { chosen, ..look() }, (80, 24));
        let row = lines.iter().any(|line| line.starts_with('>') && line.contains(&format!("B{chosen} ")));
        assert!(row && lines.iter().any(|line| line.contains("of 100; up")), "{lines:#?}");
    }
}
