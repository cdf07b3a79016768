//! The situations in which the tests draw a screen.

use api::{
    BackendTick, Decision, Event, Fault, Hello, HelloBackend, Load, LoadTick, Probe, Progress, Req, SCHEMA,
    ServerTick, StateChange, Tick, Why,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::look::{Addresses, Look};
use super::screen::{draw, text};
use super::trail::Trail;
use crate::glyphs::Glyphs;
use crate::model::{Ghost, GhostLane, GhostTotals, Model, View};

pub(super) const SIZES: [(u16, u16); 3] = [(80, 24), (130, 40), (40, 12)];

/// A screen and everything that it is made of.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) model: Model,
    pub(super) trail: Trail,
    pub(super) ghost: Option<Ghost>,
}

impl Shown {
    pub(super) fn apply(&mut self, event: &Event) {
        self.model.apply(event);
        if matches!(event, Event::Tick(_)) {
            self.trail.note(&self.model.view());
        }
    }

    pub(super) fn view(&self) -> View {
        View { ghost: self.ghost.clone(), ..self.model.view() }
    }

    /// The drawing on a terminal of this size, over an old one.
    pub(super) fn draw(&self, look: &Look, (width, height): (u16, u16)) -> Buffer {
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

    pub(super) fn text(&self, look: &Look, size: (u16, u16)) -> Vec<String> {
        text(&self.draw(look, size))
    }
}

pub(super) fn look() -> Look {
    let at = |port: usize| format!("127.0.0.1:{port}");
    let backends = (1..=4).map(|n| (at(3030 + n), at(4030 + n))).collect();
    Look {
        chosen: 4,
        addresses: Some(Addresses { balancer: at(3030), admin: at(4030), backends }),
        ..Look::new(Glyphs::for_locale(Some("C.UTF-8")), true)
    }
}

/// The policy, and whether everything is well.
pub(super) fn lab(policy: &'static str, well: bool) -> Shown {
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
        settings: vec!["balance.explain".into(), "balance.hash_by header:x-request-id".into()],
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
pub(super) fn breaks(shown: &mut Shown) {
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

pub(super) fn tick(quarter: u64, well: bool) -> Event {
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
pub(super) fn explained(shown: &mut Shown, well: bool) {
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

pub(super) fn ghost() -> Ghost {
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
pub(super) fn situations() -> [(&'static str, Shown); 3] {
    [
        ("well", lab("round-robin", true)),
        ("broken", lab("least-connections", false)),
        ("ghost", Shown { ghost: Some(ghost()), ..lab("least-connections", true) }),
    ]
}
