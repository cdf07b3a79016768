//! The screen on a terminal: it takes in the events of a stream, draws four times a second, and passes on
//! what the user wants.

use std::time::{Duration, Instant};

use anyhow::Result;
use api::Event;
use console::{Action, Model, Target, View, action};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::screen::{Addresses, Look, screen};
use super::terminal::{Terminal, inputs, key, of_the_locale};

/// The source of the events.
pub(crate) trait EventSource {
    /// Waits for the next event; `None` at the end. It is safe to drop this future.
    async fn next(&mut self) -> Option<Event>;

    /// Whether the events wait while the screen is paused. A running lab does not wait.
    fn waits(&self) -> bool;
}

/// Something that a user wants from the lab, and the screen at that moment.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) action: Action,
    /// The number of the backend that it is for.
    pub(super) lane: usize,
    pub(super) view: View,
}

/// Shows a stream until the user quits, the time is up, or the stream has ended and the user quits.
pub(super) async fn run(
    mut source: impl EventSource,
    addresses: Option<Addresses>,
    until: Option<Duration>,
    wishes: Option<mpsc::UnboundedSender<Wish>>,
) -> Result<()> {
    let began = Instant::now();
    let mut model = Model::default();
    let mut look = Look {
        glyphs: of_the_locale(),
        size: Terminal::size(),
        selected: 1,
        paused: false,
        has_ended: false,
        legend: None,
        addresses,
    };
    let mut terminal = Terminal::take()?;
    let mut inputs = inputs();
    let mut ticks = interval(Duration::from_millis(250));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut view = model.view();
    while until.is_none_or(|until| began.elapsed() < until) {
        let is_held = look.paused && source.waits();
        tokio::select! {
            _ = ticks.tick() => {}
            event = source.next(), if !look.has_ended && !is_held => {
                match event {
                    Some(event) => model.apply(&event),
                    None => look.has_ended = true,
                }
                // The screen follows with the next tick.
                continue;
            }
            Some(input) = inputs.recv() => {
                if let Some(wanted) = key(&input).and_then(action) {
                    if wanted == Action::Quit {
                        break;
                    }
                    obey(wanted, &mut look, &view, wishes.as_ref());
                }
            }
        }
        if !look.paused {
            view = model.view();
        }
        look.size = Terminal::size();
        terminal.draw(&screen(&view, &look))?;
    }
    Ok(())
}

/// Does what concerns the screen, and passes on everything else.
fn obey(action: Action, look: &mut Look, view: &View, wishes: Option<&mpsc::UnboundedSender<Wish>>) {
    match action {
        Action::Legend => look.turn_page(),
        Action::Pause => look.paused = !look.paused,
        Action::Select { next } => look.selected = neighbour(view, look.selected, next),
        _ => {
            if let Action::KillOrStart(Target::Lane(lane)) | Action::StopOrContinue(Target::Lane(lane)) =
                action
            {
                look.selected = lane;
            }
            if let Some(wishes) = wishes {
                // This fails only at the end.
                let _ = wishes.send(Wish { action, lane: look.selected, view: view.clone() });
            }
        }
    }
}

/// The number of the backend after this one, or before it; after the last one comes the first.
fn neighbour(view: &View, selected: usize, next: bool) -> usize {
    let numbers: Vec<usize> = view.lanes.iter().map(|lane| lane.number).collect();
    let Some(at) = numbers.iter().position(|number| *number == selected) else {
        return numbers.first().copied().unwrap_or(selected);
    };
    let step = if next { 1 } else { numbers.len() - 1 };
    numbers[(at + step) % numbers.len()]
}

#[cfg(test)]
mod tests {
    use console::Lane;

    use super::*;

    #[test]
    fn the_selection_goes_round() {
        let lane = |number| Lane { number, ..Lane::default() };
        let mut view = Model::default().view();
        assert_eq!(neighbour(&view, 1, true), 1, "there is no backend");
        view.lanes = vec![lane(1), lane(2), lane(5)];
        for (selected, next, expected) in
            [(1, true, 2), (2, true, 5), (5, true, 1), (1, false, 5), (5, false, 2), (9, true, 1)]
        {
            assert_eq!(neighbour(&view, selected, next), expected, "{selected} {next}");
        }
    }
}
