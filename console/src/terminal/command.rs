//! The commands that the keys stand for. Pure.

use api::{Command, LoadModel, Word};
use serde_json::json;

use super::key_press::KeyPress;
use crate::keys::Action;
use crate::model::{Lane, LoadFigures, View};

/// The rates of `+` and `-` in open loop, in requests a second.
const RATES: [f64; 13] =
    [10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0, 160.0, 180.0, 200.0, 250.0, 300.0];

/// The clients of `+` and `-` in closed loop.
const CLIENTS: [usize; 10] = [1, 2, 4, 6, 8, 10, 12, 16, 24, 32];

/// The rate and the clients for a loop that has not run yet.
const USUAL: (f64, usize) = (100.0, 8);

/// The command of a key, by what the screen shows at that moment. `None` if the key concerns the screen only,
/// or if there is nothing to do: no ghost that could become real, no load that could be changed.
pub fn command(KeyPress { action, backend, view }: &KeyPress) -> Option<Command> {
    let backend = *backend;
    let seen = view.lanes.iter().find(|one| one.number == backend);
    let process = seen.and_then(|lane| lane.server.as_ref()).map_or("", |server| &*server.process);
    Some(match action {
        Action::KillOrStart if process == "dead" => Command::Start { backend },
        Action::KillOrStart => Command::Kill { backend },
        Action::StopOrContinue if process == "stopped" => Command::Continue { backend },
        Action::StopOrContinue => Command::Stop { backend },
        Action::Slow if has_fault(seen, "latency") => Command::EndFault { backend, kind: "latency".into() },
        Action::Slow => Command::Fault { backend, fault: json!({"kind": "latency", "fixed": "400ms"}) },
        Action::Err if has_fault(seen, "status") => Command::EndFault { backend, kind: "status".into() },
        Action::Err => Command::Fault { backend, fault: json!({"kind": "status", "code": 503}) },
        Action::Drain if seen.is_none_or(|lane| lane.mode == "ready") => Command::Drain { backend },
        Action::Drain => Command::Ready { backend },
        Action::Heal => Command::Heal { backend },
        Action::Reset => Command::Reset,
        Action::Policy { next } => Command::Policy { policy: neighbour(view, *next)? },
        Action::Ghost => Command::Ghost { policy: next_ghost(view) },
        Action::MakeReal => Command::Policy { policy: view.ghost.as_ref()?.policy.to_string() },
        Action::Load { more } => Command::Load(stepped(view.load.as_ref()?, *more)),
        Action::OpenOrClosed => Command::Load(other_loop(view.load.as_ref()?)),
        Action::Report
        | Action::Select { .. }
        | Action::Choose(_)
        | Action::Legend
        | Action::Pause
        | Action::Quit => return None,
    })
}

/// Whether a backend has an active fault of a kind.
fn has_fault(lane: Option<&Lane>, kind: &str) -> bool {
    lane.is_some_and(|lane| lane.faults.iter().any(|fault| fault.split(' ').next() == Some(kind)))
}

/// The policy after the one in force, or before it.
fn neighbour(view: &View, next: bool) -> Option<String> {
    let names = &view.policies;
    let at = names.iter().position(|name| *name == view.policy)?;
    let step = if next { 1 } else { names.len() - 1 };
    Some(names[(at + step) % names.len()].to_string())
}

/// The next policy for a ghost: not the one in force, and none after the last one.
fn next_ghost(view: &View) -> Option<String> {
    let others: Vec<&Word> = view.policies.iter().filter(|name| **name != view.policy).collect();
    let at = view.ghost.as_ref().and_then(|ghost| others.iter().position(|name| **name == ghost.policy));
    let next = at.map_or(0, |at| at + 1);
    others.get(next).map(ToString::to_string)
}

/// More or less load in the same loop.
fn stepped(load: &LoadFigures, more: bool) -> LoadModel {
    match &*load.control {
        "closed" => LoadModel::Closed { clients: step(&CLIENTS, load.clients, more) },
        _ => LoadModel::Open { rate: step(&RATES, load.rate, more) },
    }
}

/// The other loop.
fn other_loop(load: &LoadFigures) -> LoadModel {
    match &*load.control {
        "closed" => LoadModel::Open { rate: if load.rate > 0.0 { load.rate } else { USUAL.0 } },
        _ => LoadModel::Closed { clients: if load.clients > 0 { load.clients } else { USUAL.1 } },
    }
}

/// The next larger or smaller step; a value beyond all steps stays.
fn step<T: PartialOrd + Copy>(steps: &[T], value: T, more: bool) -> T {
    let next = match more {
        true => steps.iter().find(|step| **step > value),
        false => steps.iter().rev().find(|step| **step < value),
    };
    next.copied().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Ghost, Model, Server};

    /// A screen with backend 2 in this state, three policies and a load.
    fn view(process: &'static str, mode: &'static str, faults: &[&str]) -> View {
        let server = Server { process: process.into(), ..Server::default() };
        let faults = faults.iter().map(|&fault| fault.to_owned()).collect();
        View {
            lanes: vec![Lane {
                number: 2,
                mode: mode.into(),
                faults,
                server: Some(server),
                ..Lane::default()
            }],
            policy: "b".into(),
            policies: vec!["a".into(), "b".into(), "c".into()],
            load: Some(LoadFigures {
                control: "open".into(),
                rate: 100.0,
                clients: 8,
                ..LoadFigures::default()
            }),
            ..Model::default().view()
        }
    }

    fn with_ghost(policy: &'static str) -> View {
        let ghost = Some(Ghost { policy: policy.into(), ..Ghost::default() });
        View { ghost, ..view("running", "ready", &[]) }
    }

    fn command_of(action: Action, view: View) -> Option<Command> {
        command(&KeyPress { action, backend: 2, view })
    }

    #[test]
    fn a_key_is_a_command_that_depends_on_the_screen() {
        let well = || view("running", "ready", &["latency_report 1", "status 503 100 %"]);
        let ill = || view("dead", "drain", &["latency 400ms 100 %"]);
        let stopped = || view("stopped", "ready", &[]);
        let backend = 2;
        let latency = || json!({"kind": "latency", "fixed": "400ms"});
        let status = || json!({"kind": "status", "code": 503});
        for (action, view, expected) in [
            (Action::KillOrStart, well(), Command::Kill { backend }),
            (Action::KillOrStart, ill(), Command::Start { backend }),
            (Action::StopOrContinue, well(), Command::Stop { backend }),
            (Action::StopOrContinue, stopped(), Command::Continue { backend }),
            (Action::Slow, well(), Command::Fault { backend, fault: latency() }),
            (Action::Slow, ill(), Command::EndFault { backend, kind: "latency".into() }),
            (Action::Err, well(), Command::EndFault { backend, kind: "status".into() }),
            (Action::Err, ill(), Command::Fault { backend, fault: status() }),
            (Action::Drain, well(), Command::Drain { backend }),
            (Action::Drain, ill(), Command::Ready { backend }),
            (Action::Heal, ill(), Command::Heal { backend }),
            (Action::Reset, ill(), Command::Reset),
            (Action::Policy { next: true }, well(), Command::Policy { policy: "c".into() }),
            (Action::Policy { next: false }, well(), Command::Policy { policy: "a".into() }),
            (Action::MakeReal, with_ghost("c"), Command::Policy { policy: "c".into() }),
        ] {
            assert_eq!(command_of(action, view), Some(expected), "{action:?}");
        }
        for action in [Action::Pause, Action::Report, Action::MakeReal, Action::Choose(2)] {
            assert_eq!(command_of(action, well()), None, "{action:?}");
        }
    }

    #[test]
    fn the_ghost_goes_through_the_other_policies_and_then_off() {
        let ghost = |policy: &str| Some(Command::Ghost { policy: Some(policy.to_owned()) });
        assert_eq!(command_of(Action::Ghost, view("running", "ready", &[])), ghost("a"));
        assert_eq!(command_of(Action::Ghost, with_ghost("a")), ghost("c"));
        assert_eq!(command_of(Action::Ghost, with_ghost("c")), Some(Command::Ghost { policy: None }));
        // The ghost has become real.
        assert_eq!(command_of(Action::Ghost, with_ghost("b")), ghost("a"));
    }

    #[test]
    fn the_load_goes_up_and_down_in_steps() {
        let open = |rate| LoadModel::Open { rate };
        let closed = |clients| LoadModel::Closed { clients };
        let of = |control: &'static str, rate, clients| LoadFigures {
            control: control.into(),
            rate,
            clients,
            ..LoadFigures::default()
        };
        for (load, more, expected) in [
            (of("open", 100.0, 8), true, open(120.0)),
            (of("open", 100.0, 8), false, open(80.0)),
            (of("open", 300.0, 8), true, open(300.0)),
            (of("open", 10.0, 8), false, open(10.0)),
            (of("closed", 100.0, 8), true, closed(10)),
            (of("closed", 100.0, 1), false, closed(1)),
            (of("closed", 100.0, 9), false, closed(8)),
        ] {
            assert_eq!(stepped(&load, more), expected, "{load:?}");
        }
        for (load, expected) in [
            (of("open", 100.0, 8), closed(8)),
            (of("open", 100.0, 0), closed(8)),
            (of("closed", 120.0, 8), open(120.0)),
            (of("closed", 0.0, 8), open(100.0)),
        ] {
            assert_eq!(other_loop(&load), expected, "{load:?}");
        }
    }
}
