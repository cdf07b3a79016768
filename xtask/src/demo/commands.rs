//! What the keys want from the lab, as commands.

use api::{Command, LoadWanted};
use console::terminal::Wish;
use console::{Action, Lane, View};
use lab::commands::Operator;
use lab::stream::{LabStream, Shape, Traffic};
use serde_json::json;

/// The origin of what the keys do, as the stream tells it.
const BY: &str = "demo";

/// The rates of `+` and `-` in open loop, in requests a second.
const RATES: [f64; 13] =
    [10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0, 160.0, 180.0, 200.0, 250.0, 300.0];

/// The clients of `+` and `-` in closed loop.
const CLIENTS: [usize; 10] = [1, 2, 4, 6, 8, 10, 12, 16, 24, 32];

/// Does what the user wants. The stream tells a command that is not possible.
pub(super) async fn obey(wish: &Wish, operator: &Operator, stream: &LabStream, traffic: &Traffic) {
    if wish.action == Action::Report {
        stream.tell("the report is a file that the page gives: open /report there", BY);
    }
    let ghost = stream.ghost().policy();
    let Some(command) = command(wish, traffic.shape(), ghost.as_deref()) else { return };
    if let Err(error) = operator.obey(&command, BY).await {
        stream.tell(format!("cannot do this: {error}"), BY);
    }
}

/// The command of a key; `None` if the key concerns the screen only, or if nothing is left to choose.
fn command(Wish { action, lane, view }: &Wish, shape: Shape, ghost: Option<&str>) -> Option<Command> {
    let backend = *lane;
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
        Action::HealAll => Command::Reset,
        Action::Policy { next } => Command::Policy { policy: neighbour(view, *next)?.to_owned() },
        Action::Load { more } => wanted(reshaped(shape, *more)),
        Action::OpenOrClosed => wanted(Shape { is_open: !shape.is_open, ..shape }),
        Action::Ghost => Command::Ghost { policy: next_ghost(view, ghost).map(str::to_owned) },
        Action::MakeReal => Command::Policy { policy: ghost?.to_owned() },
        Action::Select { .. }
        | Action::Choose(_)
        | Action::Report
        | Action::Legend
        | Action::Pause
        | Action::Quit => return None,
    })
}

/// The policy of the ghost after this one: each policy but the one in force, and then none.
fn next_ghost<'a>(view: &'a View, ghost: Option<&str>) -> Option<&'a str> {
    let others: Vec<&str> =
        view.policies.iter().map(|name| &**name).filter(|name| *name != view.policy).collect();
    match ghost.and_then(|ghost| others.iter().position(|name| *name == ghost)) {
        Some(at) => others.get(at + 1).copied(),
        None => others.first().copied(),
    }
}

/// Whether a backend has an active fault of a kind.
fn has_fault(lane: Option<&Lane>, kind: &str) -> bool {
    lane.is_some_and(|lane| lane.faults.iter().any(|fault| fault.split(' ').next() == Some(kind)))
}

fn wanted(shape: Shape) -> Command {
    Command::Load(match shape {
        Shape { is_open: true, rate, .. } => LoadWanted::Open { rate },
        Shape { clients, .. } => LoadWanted::Closed { clients },
    })
}

/// The policy after the one in force, or before it.
fn neighbour(view: &View, next: bool) -> Option<&str> {
    let names = &view.policies;
    let at = names.iter().position(|name| *name == view.policy)?;
    let step = if next { 1 } else { names.len() - 1 };
    names.get((at + step) % names.len()).map(|name| &**name)
}

/// More or less load.
fn reshaped(shape: Shape, more: bool) -> Shape {
    match (shape.is_open, more) {
        (true, true) => Shape { rate: above(&RATES, shape.rate), ..shape },
        (true, false) => Shape { rate: below(&RATES, shape.rate), ..shape },
        (false, true) => Shape { clients: above(&CLIENTS, shape.clients), ..shape },
        (false, false) => Shape { clients: below(&CLIENTS, shape.clients), ..shape },
    }
}

/// The next larger step; a value above all steps stays.
fn above<T: PartialOrd + Copy>(steps: &[T], value: T) -> T {
    steps.iter().copied().find(|step| *step > value).unwrap_or(value)
}

/// The next smaller step; a value below all steps stays.
fn below<T: PartialOrd + Copy>(steps: &[T], value: T) -> T {
    steps.iter().rev().copied().find(|step| *step < value).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use console::{Model, Server};

    use super::*;

    #[test]
    fn the_load_goes_up_and_down_in_steps() {
        let shape = |is_open, rate, clients| Shape { is_open, rate, clients };
        for (before, more, after) in [
            (shape(true, 100.0, 8), true, shape(true, 120.0, 8)),
            (shape(true, 100.0, 8), false, shape(true, 80.0, 8)),
            (shape(true, 300.0, 8), true, shape(true, 300.0, 8)),
            (shape(true, 10.0, 8), false, shape(true, 10.0, 8)),
            (shape(false, 100.0, 8), true, shape(false, 100.0, 10)),
            (shape(false, 100.0, 1), false, shape(false, 100.0, 1)),
            (shape(false, 100.0, 9), false, shape(false, 100.0, 8)),
        ] {
            assert_eq!(reshaped(before, more), after, "{before:?} {more}");
        }
    }

    /// A screen with backend 2 in this state, and three policies.
    fn view(process: &'static str, mode: &'static str, faults: &[&str]) -> View {
        let mut view = Model::default().view();
        let server = Server { process: process.into(), ..Server::default() };
        let faults = faults.iter().map(|&fault| fault.to_owned()).collect();
        view.lanes =
            vec![Lane { number: 2, mode: mode.into(), faults, server: Some(server), ..Lane::default() }];
        view.policies = vec!["a".into(), "b".into(), "c".into()];
        view
    }

    #[test]
    fn a_key_is_a_command_that_depends_on_the_screen() {
        let well = || view("running", "ready", &["latency_report 1", "status 503 100 %"]);
        let ill = || view("dead", "drain", &["latency 400ms 100 %"]);
        let stopped = || view("stopped", "ready", &[]);
        let backend = 2;
        let latency = || json!({"kind": "latency", "fixed": "400ms"});
        for (action, view, expected) in [
            (Action::KillOrStart, well(), Some(Command::Kill { backend })),
            (Action::KillOrStart, ill(), Some(Command::Start { backend })),
            (Action::StopOrContinue, well(), Some(Command::Stop { backend })),
            (Action::StopOrContinue, stopped(), Some(Command::Continue { backend })),
            (Action::Slow, well(), Some(Command::Fault { backend, fault: latency() })),
            (Action::Slow, ill(), Some(Command::EndFault { backend, kind: "latency".into() })),
            (Action::Err, well(), Some(Command::EndFault { backend, kind: "status".into() })),
            (
                Action::Err,
                ill(),
                Some(Command::Fault { backend, fault: json!({"kind": "status", "code": 503}) }),
            ),
            (Action::Drain, well(), Some(Command::Drain { backend })),
            (Action::Drain, ill(), Some(Command::Ready { backend })),
            (Action::Heal, ill(), Some(Command::Heal { backend })),
            (Action::HealAll, ill(), Some(Command::Reset)),
            (Action::Load { more: true }, well(), Some(Command::Load(LoadWanted::Open { rate: 120.0 }))),
            (Action::OpenOrClosed, well(), Some(Command::Load(LoadWanted::Closed { clients: 8 }))),
            (Action::Ghost, well(), Some(Command::Ghost { policy: Some("c".into()) })),
            (Action::MakeReal, well(), Some(Command::Policy { policy: "b".into() })),
            (Action::Pause, well(), None),
        ] {
            let wish = Wish { action, lane: 2, view };
            let shape = Shape { is_open: true, rate: 100.0, clients: 8 };
            assert_eq!(command(&wish, shape, Some("b")), expected, "{action:?}");
        }
    }

    #[test]
    fn the_ghost_goes_through_the_other_policies_and_off() {
        let view = View { policy: "b".into(), ..view("running", "ready", &[]) };
        for (ghost, expected) in
            [(None, Some("a")), (Some("a"), Some("c")), (Some("c"), None), (Some("b"), Some("a"))]
        {
            assert_eq!(next_ghost(&view, ghost), expected, "{ghost:?}");
        }
    }

    #[test]
    fn policies_go_round() {
        for (name, next, expected) in
            [("a", true, Some("b")), ("c", true, Some("a")), ("a", false, Some("c")), ("x", true, None)]
        {
            let view = View { policy: name.into(), ..view("running", "ready", &[]) };
            assert_eq!(neighbour(&view, next), expected, "{name} {next}");
        }
    }
}
