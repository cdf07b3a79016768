//! The colours. Nearly all people can distinguish blue and orange. Each state also has a shape and a word.

use ratatui::style::{Color, Modifier, Style};

use crate::health::Health;

/// Ordinary text.
pub(super) const PLAIN: Style = Style::new();

/// What stands out.
pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// What is old or absent.
pub(super) const DIM: Style = Style::new().fg(Color::DarkGray);

/// What does harm.
pub(super) const HARM: Style = Style::new().fg(Color::LightRed);

/// What needs attention.
pub(super) const DOUBT: Style = Style::new().fg(Color::LightYellow);

/// What an operator did.
pub(super) const DONE: Style = Style::new().fg(Color::LightCyan);

/// What would be: the figures of a ghost.
pub(super) const GHOST: Style = Style::new().fg(Color::LightCyan).add_modifier(Modifier::ITALIC);

/// The colour of a state.
pub(super) fn of(health: Health) -> Style {
    match health {
        Health::Up => DONE,
        Health::Suspect | Health::Ejected => DOUBT,
        Health::Down => Style::new().fg(Color::Indexed(208)),
    }
}
