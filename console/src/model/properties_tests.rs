//! Properties of the model: what holds for all sequences of events.

use api::{
    BackendTick, Change, ControlChange, Event, Fault, Gap, Ghost, Load, LoadTick, Probe, Req, StateChange,
    Tick,
};
use proptest::prelude::*;

use super::tests::{S, hello, model, tick};
use super::*;

/// Any event, with small numbers, so that they meet, and with the largest ones.
fn any_event() -> impl Strategy<Value = Event> {
    let number = prop_oneof![0_u64..12, Just(u64::MAX), Just(u64::MAX - 1)];
    let numbers = proptest::collection::vec(number, 12);
    let word = prop_oneof![Just("up"), Just("down"), Just("ready"), Just("ring")];
    (0..12, numbers, word).prop_map(|(kind, n, word)| {
        let (t, backend) = (n[0].saturating_mul(S / 4), n[1] as usize);
        let backend_tick = BackendTick {
            backend,
            picks: n[2],
            answers: n[3],
            errors: n[4],
            failures: n[5],
            retries: n[6],
            in_flight: n[7] as u32,
            latency: vec![(n[8], n[9]), (n[10], n[11])],
            ..BackendTick::default()
        };
        let load = LoadTick { offered: n[2], done: n[3], latency: vec![(n[4], n[5])], ..LoadTick::default() };
        let change = match n[2] {
            0..3 => Change::Policy { policy: word.into() },
            3..6 => Change::Mode { backend, mode: word.into() },
            6..9 => Change::Weight { backend, weight: n[3] as u32 },
            9..11 => Change::Added { backend, url: word.into() },
            11 => Change::Ghost { policy: (n[3] % 2 == 0).then(|| word.into()) },
            _ => Change::Removed { backend },
        };
        let sums = Tick { t, requests: n[2], good: n[3], errors: n[4], ..Tick::default() };
        match kind {
            0 => hello(backend.min(3)),
            1..=3 => Event::Tick(Tick { backends: vec![backend_tick], load: Some(load), ..sums }),
            4 => Event::State(StateChange {
                t,
                backend,
                from: "up".into(),
                to: word.into(),
                ..Default::default()
            }),
            5 => Event::Probe(Probe { t, backend, ..Probe::default() }),
            6 => Event::Fault(Fault { t, backend, active: n[2] % 2 == 0, ..Fault::default() }),
            7 => Event::Control(ControlChange {
                t,
                what: word.into(),
                by: String::new(),
                change: Some(change),
            }),
            8 => Event::Req(Box::new(Req { t, id: n[2], ..Req::default() })),
            9 => Event::Load(Load { t, control: "open".into(), ..Load::default() }),
            10 => Event::Ghost(Ghost {
                policy: word.into(),
                tick: Tick { backends: vec![backend_tick], load: Some(load), ..sums },
            }),
            _ => Event::Gap(Gap { from: n[2], to: n[3] }),
        }
    })
}

proptest! {
    #[test]
    fn no_sequence_of_events_is_a_panic(events in proptest::collection::vec(any_event(), 0..60)) {
        let view = model(events).view();
        prop_assert!(view.lanes.iter().all(|lane| lane.cells.len() == CELLS && lane.rate >= 0.0));
        prop_assert!(view.lanes.is_sorted_by_key(|lane| lane.number));
        let points = &view.series.points;
        prop_assert!(points.len() <= POINTS && points.is_sorted_by_key(|point| point.t));
        let width = |point: &Point| (point.in_flight.len(), point.ghost_in_flight.len());
        let lanes = view.lanes.len();
        let is_full = |(real, ghost)| real == lanes && (ghost == 0 || ghost == lanes);
        prop_assert!(points.iter().map(width).all(is_full));
        prop_assert!(serde_json::to_string(&view).is_ok());
    }

    #[test]
    fn ticks_that_were_missed_change_no_rate(
        steps in proptest::collection::vec((0_u64..50, 0_u64..50), 1..20),
        missed in proptest::collection::vec(any::<bool>(), 20),
    ) {
        // All ticks are in one window, so the first and the last one decide.
        let mut sums = (0, 0);
        let mut ticks = vec![Event::Tick(tick(0, &[(1, 0, 0, 0), (2, 0, 0, 0)]))];
        for (n, (one, two)) in steps.iter().enumerate() {
            sums = (sums.0 + one, sums.1 + two);
            let of_each = [(1, sums.0, sums.0, sums.0 / 2), (2, sums.1, sums.1, 0)];
            ticks.push(Event::Tick(tick((n as u64 + 1) * S / 4, &of_each)));
        }
        let last = ticks.len() - 1;
        let seen = |at: usize| at == 0 || at == last || !missed[at];
        let some: Vec<Event> =
            ticks.iter().enumerate().filter(|(at, _)| seen(*at)).map(|(_, tick)| tick.clone()).collect();
        let figures = |events: Vec<Event>| {
            let view = model([hello(2)].into_iter().chain(events)).view();
            let lane = |lane: &Lane| (lane.rate, lane.share, lane.good, lane.good_share, lane.errors);
            (view.totals.offered, view.totals.errors, view.lanes.iter().map(lane).collect::<Vec<_>>())
        };
        prop_assert_eq!(figures(ticks), figures(some));
    }

    #[test]
    fn the_order_of_the_backends_in_a_tick_does_not_matter(
        sums in proptest::collection::vec((0_u64..50, 0_u64..50), 4),
    ) {
        let of_each: Vec<_> =
            sums.iter().zip(1..).map(|((picks, bad), n)| (n, picks + bad, picks + bad, *bad)).collect();
        let zeros: Vec<_> = (1..=4).map(|n| (n, 0, 0, 0)).collect();
        let backwards: Vec<_> = of_each.iter().rev().copied().collect();
        let view = |last: &[(usize, u64, u64, u64)]| {
            model([hello(4), Event::Tick(tick(0, &zeros)), Event::Tick(tick(S, last))]).view()
        };
        prop_assert_eq!(view(&of_each), view(&backwards));
    }
}
