//! The screen on a terminal: it takes in the events of a stream, draws four times a second, and passes on
//! the key presses that concern the lab.

use std::time::Duration;

use anyhow::Result;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::device::{Device, inputs, key, of_the_locale, wants_colours};
use super::key_press::KeyPress;
use super::look::{Addresses, Look};
use super::screen::draw;
use super::source::EventSource;
use super::trail::Trail;
use crate::glyphs::Glyphs;
use crate::keys::{Action, action};
use crate::model::Model;

/// The time between two drawings.
const TICK: Duration = Duration::from_millis(250);

/// The settings of a screen.
#[derive(Debug, Default)]
pub struct Start {
    /// The addresses of a running lab.
    pub addresses: Option<Addresses>,
    /// Whether the terminal gets ASCII even if its locale has more.
    pub ascii: bool,
    /// The time after which the screen ends.
    pub until: Option<Duration>,
    /// Where key presses go that concern the lab; without it, they do nothing.
    pub key_presses: Option<mpsc::UnboundedSender<KeyPress>>,
}

/// Shows a stream until the user quits, the time is up, or the stream has ended and the user quits.
///
/// # Errors
/// If the terminal cannot be used any more.
pub async fn live(mut source: impl EventSource, start: Start) -> Result<()> {
    let began = Instant::now();
    let (mut model, mut trail) = (Model::default(), Trail::default());
    let glyphs = if start.ascii { Glyphs::ascii() } else { of_the_locale() };
    let mut look = Look::new(glyphs, wants_colours());
    look.addresses = start.addresses;
    let mut device = Device::take()?;
    let mut inputs = inputs();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut view = model.view();
    while start.until.is_none_or(|until| began.elapsed() < until) {
        let is_held = look.paused && source.waits();
        tokio::select! {
            _ = ticks.tick() => {
                if !look.paused {
                    view = model.view();
                    trail.note(&view);
                }
            }
            event = source.next(), if !look.has_ended && !is_held => {
                match event {
                    Some(event) => model.apply(&event),
                    None => look.has_ended = true,
                }
                // The screen follows with the next tick.
                continue;
            }
            Some(input) = inputs.recv() => {
                match key(&input).and_then(action) {
                    Some(Action::Quit) => break,
                    Some(action) if !look.apply(action, &view, device.size()) => {
                        if let Some(presses) = &start.key_presses {
                            // This fails only at the end.
                            let _ = presses.send(KeyPress { action, backend: look.chosen, view: view.clone() });
                        }
                    }
                    _ => {}
                }
            }
        }
        look.note = source.note();
        device.draw(|buffer| draw(&view, &trail, &look, buffer))?;
    }
    Ok(())
}
