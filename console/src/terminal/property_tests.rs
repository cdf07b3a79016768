//! The screen at every size, with any events: it never panics, and nothing from outside reaches the terminal.

use api::{
    BackendTick, ControlChange, Decision, Event, Gap, Hello, HelloBackend, Load, LoadTick, Probe, Progress,
    Req, SCHEMA, ServerTick, StateChange, Tick, Why,
};
use proptest::prelude::*;

use super::look::Look;
use super::screen::text;
use super::situations::{Shown, ghost, look};
use crate::glyphs::Glyphs;
use crate::keys::Action;

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

/// The texts and the figures of an event.
type Any = (usize, [u64; 3], [String; 3]);

/// Any event, with texts and figures that no program sends.
fn event() -> impl Strategy<Value = Event> {
    let number = prop_oneof![0_usize..12, Just(usize::MAX)];
    let figure = || prop_oneof![0_u64..1000, Just(u64::MAX), any::<u64>()];
    let any = (number, [figure(), figure(), figure()], [outside(), outside(), outside()]);
    (0..11, any).prop_map(|(kind, any)| match kind {
        0 => hello(any),
        1..=3 => tick(any),
        4..=6 => change(kind, any),
        7..=8 => request(kind, any),
        9 => {
            let (backend, [t, a, took_us], [what, ..]) = any;
            let (ok, what) = (a % 2 == 0, what.into());
            Event::Probe(Probe { t, backend, ok, what, took_us, progress: None })
        }
        _ => Event::Gap(Gap { from: any.1[0], to: any.1[1] }),
    })
}

fn small(figure: u64) -> u32 {
    u32::try_from(figure % (1 << 32)).unwrap()
}

fn hello((backend, [t, a, b], [one, two, three]): Any) -> Event {
    let mode = three.into();
    Event::Hello(Box::new(Hello {
        schema: if a == 7 { 9 } else { SCHEMA },
        t,
        version: one.into(),
        policy: two.clone().into(),
        settings: vec![two.clone().into()],
        policies: vec![two.into()],
        seed: Some(b),
        backends: vec![HelloBackend { backend, mode, state: "up".into(), ..HelloBackend::default() }],
        ..Hello::default()
    }))
}

fn tick((backend, [t, a, b], [one, two, _]): Any) -> Event {
    Event::Tick(Tick {
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
    })
}

fn change(kind: i32, (backend, [t, a, b], [one, two, three]): Any) -> Event {
    match kind {
        4 => Event::State(StateChange {
            t,
            backend,
            from: one.into(),
            to: if a % 2 == 0 { "up".into() } else { "suspect".into() },
            cause: two.into(),
            progress: Some(Progress { towards: three.into(), count: small(a), of: small(b) }),
        }),
        5 => Event::Control(ControlChange { t, what: one, by: two, ..ControlChange::default() }),
        _ => Event::Load(Load { t, control: one.into(), rate: f64::from_bits(a), clients: backend }),
    }
}

fn request(kind: i32, (backend, [t, a, b], [one, two, three]): Any) -> Event {
    if kind == 8 {
        let decision = Decision { because: one, ..Decision::default() };
        return Event::Why(Box::new(Why { id: a % 3, decisions: vec![decision] }));
    }
    Event::Req(Box::new(Req {
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
    }))
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
        let mut look = Look { glyphs, legend, note: Some(note), ..look() };
        for next in keys {
            look.apply(Action::Select { next }, &shown.view(), (size.0.into(), size.1.into()));
        }
        let buffer = shown.draw(&look, size);
        prop_assert_eq!((buffer.area.width, buffer.area.height), size);
        for line in text(&buffer) {
            prop_assert!(super::text::width(&line) <= usize::from(size.0), "{:?}", line);
            prop_assert_eq!(crate::shown(&line), line);
        }
    }
}
