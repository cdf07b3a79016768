//! The terminal of the demo: its mode, its keys, and how lines are painted.

use std::io::{Stdout, Write, stdout};

use anyhow::Result;
use console::{Glyphs, Key};
use crossterm::event::{self, Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};
use crossterm::style::{Print, ResetColor, SetForegroundColor};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{cursor, execute, queue};
use tokio::sync::mpsc;

use super::screen::Line;

/// The size if the terminal does not say: columns and rows.
const USUAL: (u16, u16) = (80, 24);

/// The terminal in the mode of the demo. Its previous mode is restored when this value is dropped, also by a
/// panic.
pub(super) struct Terminal {
    out: Stdout,
    coloured: bool,
}

impl Terminal {
    pub(super) fn take() -> Result<Self> {
        // Created first: if the second step fails, the first is undone.
        let mut terminal = Self {
            out: stdout(),
            coloured: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        enable_raw_mode()?;
        execute!(terminal.out, EnterAlternateScreen, cursor::Hide)?;
        // A message on the alternate screen would be lost with it.
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            usual(panic);
        }));
        Ok(terminal)
    }

    /// Columns and rows.
    pub(super) fn size() -> (usize, usize) {
        let (width, height) = size().unwrap_or(USUAL);
        (width.into(), height.into())
    }

    pub(super) fn draw(&mut self, lines: &[Line]) -> Result<()> {
        paint(&mut self.out, lines, self.coloured)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Paints line by line over the old content: clearing the screen first would flicker.
pub(super) fn paint(out: &mut impl Write, lines: &[Line], coloured: bool) -> Result<()> {
    queue!(out, BeginSynchronizedUpdate)?;
    for (row, line) in (0..).zip(lines) {
        queue!(out, cursor::MoveTo(0, row))?;
        for (text, colour) in line {
            match colour.filter(|_| coloured) {
                Some(colour) => queue!(out, SetForegroundColor(colour), Print(text), ResetColor)?,
                None => queue!(out, Print(text))?,
            }
        }
        queue!(out, Clear(ClearType::UntilNewLine))?;
    }
    queue!(out, Clear(ClearType::FromCursorDown), EndSynchronizedUpdate)?;
    Ok(out.flush()?)
}

/// If a step fails, the terminal is gone, and nothing can be done.
fn give_back() {
    drop(execute!(stdout(), LeaveAlternateScreen, cursor::Show));
    drop(disable_raw_mode());
}

/// The characters for the locale of the environment.
pub(super) fn of_the_locale() -> Glyphs {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
    Glyphs::for_locale(set.into_iter().find(|value| !value.is_empty()).as_deref())
}

/// The key of an input; `None` if it cannot have a meaning, such as a new size of the terminal.
pub(super) fn key(input: &TerminalEvent) -> Option<Key> {
    let KeyEvent { code, modifiers, .. } = input.as_key_press_event()?;
    let (shift, control) = (KeyModifiers::SHIFT, KeyModifiers::CONTROL);
    match code {
        KeyCode::Esc => Some(Key::Escape),
        KeyCode::Up | KeyCode::BackTab => Some(Key::Up),
        KeyCode::Down | KeyCode::Tab => Some(Key::Down),
        KeyCode::F(number) => Some(Key::Function(number)),
        KeyCode::Char(character) => Some(Key::Character {
            character,
            shift: modifiers.contains(shift),
            control: modifiers.contains(control),
        }),
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
