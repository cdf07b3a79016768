//! The demo on a terminal: draws the screen four times a second and obeys the keys.

use std::io::{Stdout, Write, stdout};
use std::time::{Duration, Instant};

use anyhow::Result;
use api::StateChange;
use console::{Action, Glyphs, Input, Key, Observed, action};
use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};
use crossterm::style::{Print, ResetColor, SetForegroundColor};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{cursor, event, execute, queue};
use lab::client::Events;
use lab::load::Running;
use lab::topology::Lab;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::screen::{Addresses, Line, screen};

/// Draws and obeys until the user quits or the time is up.
pub(super) async fn run(lab: &Lab, load: &Running, until: Option<Duration>) -> Result<()> {
    let began = Instant::now();
    let (mut model, glyphs, addresses) = (Observed::default(), of_the_locale(), Addresses::of(lab));
    let mut feed = Feed::open(lab).await?;
    let mut terminal = Terminal::take()?;
    let mut inputs = inputs();
    let mut ticks = interval(Duration::from_millis(250));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let welcome = "the lab is up; the keys below break backends".to_owned();
    model.update(Duration::ZERO, Input::Note(welcome));
    while until.is_none_or(|until| began.elapsed() < until) {
        tokio::select! {
            _ = ticks.tick() => look(lab, &mut model, began.elapsed()).await,
            change = feed.next() => drop(model.update(began.elapsed(), Input::Change(change))),
            Some(input) = inputs.recv() => match input.as_key_press_event().and_then(key).and_then(action) {
                Some(Action::Quit) => break,
                Some(wanted) => {
                    let done = obey(lab, wanted).await.unwrap_or_else(|error| format!("{error:#}"));
                    model.update(began.elapsed(), Input::Note(done));
                }
                // After a resize, the screen is drawn again.
                None => {}
            },
        }
        let (width, height) = size().unwrap_or((80, 24));
        let own = load.recent(Duration::from_secs(10));
        let lines = screen(&model, &own, &addresses, glyphs, (width.into(), height.into()));
        terminal.draw(&lines)?;
    }
    Ok(())
}

/// Reads the state of the balancer and of the processes of the backends. A part that does not answer is shown
/// as unknown, and read again soon.
pub(super) async fn look(lab: &Lab, model: &mut Observed, at: Duration) {
    if let Ok(state) = lab.balancer().state().await {
        model.update(at, Input::State(Box::new(state)));
    }
    let mut processes = Vec::new();
    for backend in lab.backends() {
        let state = backend.state().await.unwrap_or_default();
        let word = match state["worker"]["state"].as_str() {
            Some("stopped") => "stalled",
            Some(word) => word,
            None => "?",
        };
        processes.push(word.to_owned());
    }
    model.update(at, Input::Processes(processes));
}

/// Obeys the user, and returns what was done.
async fn obey(lab: &Lab, wanted: Action) -> Result<String> {
    let number = match wanted {
        Action::KillOrStart(number) | Action::StallOrContinue(number) => number,
        Action::NextPolicy => {
            let policy = lab.balancer().next_policy().await?;
            return Ok(format!("you changed the policy to {policy}"));
        }
        Action::Quit => return Ok(String::new()),
    };
    let backend = lab.backend(number);
    let state = backend.state().await?;
    let did = match (wanted, state["worker"]["state"].as_str()) {
        (Action::KillOrStart(_), Some("dead")) => backend.start().await.map(|()| "started")?,
        (Action::KillOrStart(_), _) => backend.kill().await.map(|()| "killed")?,
        (_, Some("dead")) => return Ok(format!("backend {number} is dead: start it with {number} first")),
        (_, Some("stopped")) => backend.resume().await.map(|()| "continued")?,
        _ => backend.stall().await.map(|()| "stalled")?,
    };
    Ok(format!("you {did} backend {number}"))
}

/// The balancer's events, as long as it sends any.
pub(super) struct Feed {
    events: Option<Events>,
}

impl Feed {
    pub(super) async fn open(lab: &Lab) -> Result<Self> {
        Ok(Self { events: Some(lab.balancer().events().await?) })
    }

    /// The next change of a state. After the end of the stream, this never returns: the balancer is gone, and
    /// the screen shows this anyway.
    pub(super) async fn next(&mut self) -> StateChange {
        if let Some(events) = &mut self.events {
            while let Ok(Some(event)) = events.next().await {
                if event.name == "state"
                    && let Ok(change) = serde_json::from_value(event.data)
                {
                    return change;
                }
            }
        }
        self.events = None;
        std::future::pending().await
    }
}

/// The characters for the locale of the environment.
pub(super) fn of_the_locale() -> Glyphs {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
    Glyphs::for_locale(set.into_iter().find(|value| !value.is_empty()).as_deref())
}

/// The key of a key press; `None` if it cannot have a meaning.
fn key(press: KeyEvent) -> Option<Key> {
    let (shift, control) = (KeyModifiers::SHIFT, KeyModifiers::CONTROL);
    let (shift, control) = (press.modifiers.contains(shift), press.modifiers.contains(control));
    match press.code {
        KeyCode::Esc => Some(Key::Escape),
        KeyCode::F(number) => Some(Key::Function(number)),
        KeyCode::Char(character) => Some(Key::Character { character, shift, control }),
        _ => None,
    }
}

/// Reads the keyboard in a thread of its own, because reading it blocks.
fn inputs() -> mpsc::UnboundedReceiver<TerminalEvent> {
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

/// The terminal in the mode of the demo. Its previous mode is restored when this value is dropped, also by a
/// panic.
struct Terminal {
    out: Stdout,
    coloured: bool,
}

impl Terminal {
    fn take() -> Result<Self> {
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

    /// Draws line by line over the old content: clearing the screen first would flicker.
    fn draw(&mut self, lines: &[Line]) -> Result<()> {
        queue!(self.out, BeginSynchronizedUpdate)?;
        for (row, line) in (0..).zip(lines) {
            queue!(self.out, cursor::MoveTo(0, row))?;
            for (text, colour) in line {
                match colour.filter(|_| self.coloured) {
                    Some(colour) => queue!(self.out, SetForegroundColor(colour), Print(text), ResetColor)?,
                    None => queue!(self.out, Print(text))?,
                }
            }
            queue!(self.out, Clear(ClearType::UntilNewLine))?;
        }
        queue!(self.out, Clear(ClearType::FromCursorDown), EndSynchronizedUpdate)?;
        Ok(self.out.flush()?)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// If a step fails, the terminal is gone, and nothing can be done.
fn give_back() {
    drop(execute!(stdout(), LeaveAlternateScreen, cursor::Show));
    drop(disable_raw_mode());
}
