//! One screen as text.

use std::time::Duration;

use anyhow::{Result, ensure};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::time::{Instant, timeout_at};

use super::look::Look;
use super::screen::{draw, text};
use super::source::EventSource;
use super::trail::Trail;
use crate::model::Model;

/// The figures cover at least this time, in microseconds.
const COVERS_US: u64 = 2_000_000;

/// The longest wait for them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a stream until its figures cover two seconds, for at most ten seconds, and returns the screen of
/// this size (columns and rows) as lines of text.
///
/// # Errors
/// If no event comes, or the stream has a format that this program does not know.
pub async fn snapshot(mut source: impl EventSource, look: &Look, size: (u16, u16)) -> Result<Vec<String>> {
    let end = Instant::now() + PATIENCE;
    let (mut model, mut count) = (Model::default(), 0);
    while let Ok(Some(event)) = timeout_at(end, source.next()).await {
        model.apply(&event);
        count += 1;
        let view = model.view();
        ensure!(view.problem.is_none(), "{}", view.problem.unwrap_or_default());
        if view.covers_us >= COVERS_US {
            break;
        }
    }
    ensure!(count > 0, "no event came within {} s", PATIENCE.as_secs());
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    draw(&model.view(), &Trail::default(), look, &mut buffer);
    Ok(text(&buffer))
}
