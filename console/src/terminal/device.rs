//! The terminal itself: its mode, its keys, and how it is given back.

use std::io::{Stdout, Write, stdout};

use anyhow::Result;
use crossterm::event::{self, Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use tokio::sync::mpsc;

use crate::glyphs::Glyphs;
use crate::keys::Key;

/// The terminal in the mode of the console. Its previous mode is restored when this value is dropped, and
/// by a panic.
pub(super) struct Device {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Device {
    pub(super) fn take() -> Result<Self> {
        // Created first: if a later step fails, the steps before it are undone.
        let device = Self { terminal: Terminal::new(CrosstermBackend::new(stdout()))? };
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen, cursor::Hide)?;
        // A message on the alternate screen would be lost with it.
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            usual(panic);
        }));
        Ok(device)
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        let size = self.terminal.size().unwrap_or_default();
        (size.width.into(), size.height.into())
    }

    /// Draws, and writes what differs from the drawing before. A new size of the terminal is found here.
    pub(super) fn draw(&mut self, drawing: impl FnOnce(&mut Buffer)) -> Result<()> {
        queue!(stdout(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| drawing(frame.buffer_mut()))?;
        queue!(stdout(), EndSynchronizedUpdate)?;
        Ok(stdout().flush()?)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        give_back();
    }
}

/// If a step fails, the terminal is gone, and nothing can be done.
fn give_back() {
    drop(execute!(stdout(), LeaveAlternateScreen, cursor::Show));
    drop(disable_raw_mode());
}

/// The characters for the locale of the environment.
pub fn of_the_locale() -> Glyphs {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
    Glyphs::for_locale(set.into_iter().find(|value| !value.is_empty()).as_deref())
}

/// Whether the user wants colours: <https://no-color.org>.
pub fn wants_colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The key of an input; `None` if it cannot have a meaning, such as a new size of the terminal.
pub(super) fn key(input: &TerminalEvent) -> Option<Key> {
    let KeyEvent { code, modifiers, .. } = input.as_key_press_event()?;
    match code {
        KeyCode::Esc => Some(Key::Escape),
        KeyCode::Enter => Some(Key::Enter),
        KeyCode::Up | KeyCode::BackTab => Some(Key::Up),
        KeyCode::Down | KeyCode::Tab => Some(Key::Down),
        KeyCode::Char(character) => {
            Some(Key::Character { character, control: modifiers.contains(KeyModifiers::CONTROL) })
        }
        _ => None,
    }
}

/// Reads the keyboard in a thread of its own, because reading it blocks.
pub(super) fn inputs() -> mpsc::UnboundedReceiver<TerminalEvent> {
    let (tell, inputs) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while let Ok(input) = event::read() {
            if tell.send(input).is_err() {
                return;
            }
        }
    });
    inputs
}
