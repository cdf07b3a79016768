//! The screen, cell by cell, at three sizes and in three situations; and at every size with any events.

use std::path::Path;

use api::{
    BackendTick, ControlChange, Decision, Event, Fault, Gap, Hello, HelloBackend, Load, LoadTick, Probe,
    Progress, Req, SCHEMA, ServerTick, StateChange, Tick, Why,
};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::look::{Addresses, Look};
use super::screen::{draw, text};
use super::trail::Trail;
use crate::glyphs::Glyphs;
use crate::keys::Action;
use crate::model::{Ghost, GhostLane, GhostTotals, Model, View};

const SIZES: [(u16, u16); 3] = [(80, 24), (130, 40), (40, 12)];

/// A screen and everything that it is made of.
#[derive(Default)]
struct Shown {
    model: Model,
    trail: Trail,
    ghost: Option<Ghost>,
}

impl Shown {
    fn apply(&mut self, event: &Event) {
        self.model.apply(event);
        if matches!(event, Event::Tick(_)) {
            self.trail.note(&self.model.view());
        }
    }

    fn view(&self) -> View {
        View { ghost: self.ghost.clone(), ..self.model.view() }
    }

    /// The drawing on a terminal of this size, over an old one.
    fn draw(&self, look: &Look, (width, height): (u16, u16)) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        for _ in 0..2 {
            terminal
                .draw(|frame| {
                    draw(&self.view(), &self.trail, look, frame.buffer_mut());
                })
                .unwrap();
        }
        terminal.backend().buffer().clone()
    }

    fn text(&self, look: &Look, size: (u16, u16)) -> Vec<String> {
        text(&self.draw(look, size))
    }
}

fn look() -> Look {
    let at = |port: usize| format!("127.0.0.1:{port}");
    let backends = (1..=4).map(|n| (at(3030 + n), at(4030 + n))).collect();
    Look {
        chosen: 4,
        addresses: Some(Addresses { balancer: at(3030), admin: at(4030), backends }),
        settings: vec!["explain".into(), "key header x-request-id".into(), "workers 2".into()],
        ..Look::new(Glyphs::for_locale(Some("C.UTF-8")), true)
    }
}

/// The policy, and whether everything is well.
fn lab(policy: &'static str, well: bool) -> Shown {
    let mut shown = Shown::default();
    let backends = (1..=4).map(|backend| HelloBackend {
        backend,
        url: format!("http://127.0.0.1:{}", 3030 + backend),
        weight: 1,
        mode: "ready".into(),
        state: "up".into(),
        cause: "assumed at the start".into(),
    });
    shown.apply(&Event::Hello(Box::new(Hello {
        schema: SCHEMA,
        version: "0.1.0".into(),
        policy: policy.into(),
        policies: vec!["round-robin".into(), "least-connections".into(), "random".into()],
        backends: backends.collect(),
        seed: Some(42),
        ..Hello::default()
    })));
    let load = Load { control: "open".into(), rate: 100.0, ..Load::default() };
    shown.apply(&Event::Load(load));
    for quarter in 0..=32 {
        if !well && quarter == 12 {
            breaks(&mut shown);
        }
        shown.apply(&tick(quarter, well || quarter < 12));
    }
    explained(&mut shown, well);
    shown
}

/// Backend 2 dies, backend 3 is stopped, and backend 4 answers with 503.
fn breaks(shown: &mut Shown) {
    let t = 3_000_000;
    let fault = |backend, id, kind: &'static str, params| Fault {
        t,
        backend,
        active: true,
        id,
        kind: kind.into(),
        params,
        until: None,
    };
    shown.apply(&Event::Fault(fault(2, None, "kill", serde_json::Value::Null)));
    shown.apply(&Event::Fault(fault(3, None, "stop", serde_json::Value::Null)));
    shown.apply(&Event::Fault(fault(4, Some(1), "status", serde_json::json!({"code": 503}))));
    let change = |backend, to: &'static str, cause: &'static str, progress| {
        Event::State(StateChange {
            t: t + 50_000,
            backend,
            from: "up".into(),
            to: to.into(),
            cause: cause.into(),
            progress,
        })
    };
    let progress = Progress { towards: "up".into(), count: 1, of: 2 };
    shown.apply(&change(2, "down", "connection refused", Some(progress)));
    shown.apply(&change(3, "suspect", "silent for 500 ms", None));
    let what = "connection refused".into();
    let progress = Some(Progress { towards: "up".into(), count: 0, of: 2 });
    shown.apply(&Event::Probe(Probe { t: t + 60_000, backend: 2, ok: false, what, took_us: 90, progress }));
}

fn tick(quarter: u64, well: bool) -> Event {
    let t = quarter * 250_000;
    let backend = |backend: usize| {
        let is_gone = !well && (backend == 2 || backend == 3);
        let process = match (well, backend) {
            (false, 2) => "dead",
            (false, 3) => "stopped",
            _ => "running",
        };
        let quarters = if is_gone { 12 } else { quarter };
        let in_flight = if is_gone { 0 } else { u32::try_from(backend).unwrap() };
        BackendTick {
            backend,
            picks: 6 * quarters,
            answers: 6 * quarters,
            errors: if !well && backend == 4 { 6 * (quarter - 12) } else { 0 },
            failures: if !well && backend == 2 { 1 } else { 0 },
            retries: if !well && backend == 1 { 2 } else { 0 },
            in_flight,
            weight: if backend == 1 { 3 } else { 1 },
            warm: (!well && backend == 1).then_some(0.6),
            latency: if is_gone { vec![] } else { vec![(42_000, 5), (62_000, 1)] },
            server: Some(ServerTick {
                process: process.into(),
                busy: in_flight.min(2),
                workers: Some(2),
                queued: in_flight.saturating_sub(2),
                queue: Some(50),
                faults: if !well && backend == 4 { vec!["status 503 100 %".into()] } else { vec![] },
            }),
            ..BackendTick::default()
        }
    };
    Event::Tick(Tick {
        t,
        requests: 24 * quarter,
        ended: 24 * quarter,
        good: if well { 24 * quarter } else { 288 + 18 * (quarter - 12) },
        errors: if well { 0 } else { 6 * (quarter - 12) },
        in_flight: 10,
        one_in: 4,
        backends: (1..=4).map(backend).collect(),
        load: Some(LoadTick {
            offered: 24 * quarter,
            done: 24 * quarter,
            good: if well { 24 * quarter } else { 288 + 18 * (quarter - 12) },
            errors: if well { 0 } else { 6 * (quarter - 12) },
            waiting: 10,
            latency: vec![(44_000, 20), (64_000, 4)],
            ..LoadTick::default()
        }),
        ..Tick::default()
    })
}

/// The last requests, and why they went where they went.
fn explained(shown: &mut Shown, well: bool) {
    for id in 160..165 {
        let is_moved = !well && id == 162;
        shown.apply(&Event::Req(Box::new(Req {
            t: 8_000_000 + id,
            id,
            n: 4,
            method: "GET".into(),
            path: "/busy/20000".into(),
            status: 200,
            backend: Some(1),
            attempts: if is_moved { 2 } else { 1 },
            tried: if is_moved { vec![(2, "connection refused".into())] } else { vec![] },
            total_us: 41_000,
            ..Req::default()
        })));
        let because = "it has the fewest requests in flight: 1, the others have 2 or more".into();
        let decision = Decision { because, ..Decision::default() };
        shown.apply(&Event::Why(Box::new(Why { id, decisions: vec![decision] })));
    }
}

fn ghost() -> Ghost {
    let lane = |number: usize| GhostLane {
        number,
        share: 0.25,
        in_flight: [2, 9, 12, 104][number - 1],
        p99_us: Some([62_000, 180_000, 420_000, 2_130_000][number - 1]),
        ..GhostLane::default()
    };
    Ghost {
        policy: "round-robin".into(),
        lanes: (1..=4).map(lane).collect(),
        totals: GhostTotals {
            good: 96.0,
            errors: 0.0,
            in_flight: 127,
            p50_us: Some(51_000),
            p99_us: Some(2_130_000),
        },
        agreement: Some(97.2),
        covers_us: 28_000_000,
    }
}

/// The three situations.
fn situations() -> [(&'static str, Shown); 3] {
    [
        ("well", lab("round-robin", true)),
        ("broken", lab("least-connections", false)),
        ("ghost", Shown { ghost: Some(ghost()), ..lab("least-connections", true) }),
    ]
}

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

/// A text from outside, with everything that could harm a terminal.
fn outside() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("\u{1b}[2J".to_owned()),
        Just("\u{202e}\u{200b}".to_owned()),
        Just("漢字🙂e\u{301}".to_owned()),
        Just("\n\t\0".to_owned()),
        "[ -~]{0,30}",
        any::<String>(),
    ];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

/// Any event, with texts and figures that no program sends.
fn event() -> impl Strategy<Value = Event> {
    let number = prop_oneof![0_usize..12, Just(usize::MAX)];
    let figure = prop_oneof![0_u64..1000, Just(u64::MAX), any::<u64>()];
    let words = (outside(), outside(), outside());
    (0..11, number, [figure.clone(), figure.clone(), figure], words).prop_map(
        |(kind, backend, [t, a, b], (one, two, three))| {
            let small = |n: u64| u32::try_from(n % (1 << 32)).unwrap();
            match kind {
                0 => Event::Hello(Box::new(Hello {
                    schema: if a == 7 { 9 } else { SCHEMA },
                    t,
                    version: one.into(),
                    policy: two.clone().into(),
                    policies: vec![two.into()],
                    seed: Some(b),
                    backends: vec![HelloBackend {
                        backend,
                        mode: three.into(),
                        state: "up".into(),
                        ..Default::default()
                    }],
                    ..Hello::default()
                })),
                1..=3 => Event::Tick(Tick {
                    t,
                    requests: a,
                    good: b,
                    errors: a,
                    in_flight: b,
                    backends: vec![BackendTick {
                        backend,
                        picks: a,
                        answers: b,
                        errors: a / 2,
                        in_flight: small(a),
                        waiting: small(b),
                        warm: Some(f64::from_bits(b)),
                        latency: vec![(b, a)],
                        server: Some(ServerTick {
                            process: one.into(),
                            busy: small(a),
                            workers: Some(small(b)),
                            queued: small(b),
                            queue: Some(small(a)),
                            faults: vec![two],
                        }),
                        ..BackendTick::default()
                    }],
                    load: Some(LoadTick { offered: a, done: b, waiting: a, ..LoadTick::default() }),
                    ..Tick::default()
                }),
                4 => Event::State(StateChange {
                    t,
                    backend,
                    from: one.into(),
                    to: if a % 2 == 0 { "up".into() } else { "suspect".into() },
                    cause: two.into(),
                    progress: Some(Progress { towards: three.into(), count: small(a), of: small(b) }),
                }),
                5 => Event::Control(ControlChange { t, what: one, by: two, ..Default::default() }),
                6 => Event::Load(Load { t, control: one.into(), rate: f64::from_bits(a), clients: backend }),
                7 => Event::Req(Box::new(Req {
                    t,
                    id: a % 3,
                    method: one,
                    path: two,
                    backend: Some(backend),
                    tried: vec![(backend, three.clone().into())],
                    failure: Some(three.into()),
                    attempts: 2,
                    total_us: b,
                    ..Req::default()
                })),
                8 => {
                    let decision = Decision { because: one, ..Decision::default() };
                    Event::Why(Box::new(Why { id: a % 3, decisions: vec![decision] }))
                }
                9 => Event::Probe(Probe {
                    t,
                    backend,
                    ok: a % 2 == 0,
                    what: one.into(),
                    took_us: b,
                    progress: None,
                }),
                _ => Event::Gap(Gap { from: a, to: b }),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_size_and_no_view_panics_and_nothing_from_outside_reaches_the_terminal(
        events in proptest::collection::vec(event(), 0..30),
        note in outside(),
        size in (1_u16..=200, 1_u16..=60),
        ascii: bool,
        legend in proptest::option::of(0_usize..9),
        ghost in proptest::option::of(Just(ghost())),
        keys in proptest::collection::vec(any::<bool>(), 0..4),
    ) {
        let mut shown = Shown { ghost, ..Shown::default() };
        events.iter().for_each(|event| shown.apply(event));
        let glyphs = if ascii { Glyphs::ascii() } else { look().glyphs };
        let mut look = Look { glyphs, legend, note: Some(note.clone()), settings: vec![note], ..look() };
        for next in keys {
            look.obey(Action::Select { next }, &shown.view(), (size.0.into(), size.1.into()));
        }
        let buffer = shown.draw(&look, size);
        prop_assert_eq!((buffer.area.width, buffer.area.height), size);
        for line in text(&buffer) {
            prop_assert!(super::text::width(&line) <= usize::from(size.0), "{:?}", line);
            prop_assert_eq!(crate::shown(&line), line);
        }
    }
}
