//! `cargo xtask replay`: shows a recording as the demo showed the run.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use api::Event;
use clap::Args;
use console::terminal::Start;
use lab::record::open_recording;
use tokio::time::{Instant, sleep_until};

use crate::demo::{EventSource, show};
use crate::print;

/// After a longer delay than this, such as a pause, the replay goes on from where it is.
const DELAY: Duration = Duration::from_millis(500);

/// How much faster than the run a replay can go. A year must not take a second, and a second not a year.
const SPEEDS: RangeInclusive<f64> = 0.01..=1000.0;

/// A longer time between two events is no pause of a run, in microseconds: an hour.
const JUMP_US: u64 = 60 * 60 * 1_000_000;

/// Show a recording of `cargo xtask record` or `cargo xtask demo --record`.
#[derive(Args)]
pub(crate) struct Replay {
    /// The file.
    file: PathBuf,

    /// How much faster than the run it goes, such as 4 or 0.5.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    speed: f64,

    /// Write a line a second instead of a screen, as without a terminal.
    #[arg(long)]
    plain: bool,

    /// Use only ASCII on the screen, whatever the locale says.
    #[arg(long)]
    ascii: bool,
}

impl Replay {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        ensure!(
            SPEEDS.contains(&self.speed),
            "--speed {}: write a number from {} to {}, such as 4 or 0.5",
            self.speed,
            SPEEDS.start(),
            SPEEDS.end()
        );
        let recording = open_recording(&self.file)?;
        let back = check_times(&recording.events).with_context(|| self.file.display().to_string())?;
        let start = Start { ascii: self.ascii, ..Start::default() };
        show(Player::new(recording.events, self.speed), self.plain, start)?;
        for note in recording.note.into_iter().chain(back) {
            print::note(format!("note: {note}"));
        }
        Ok(())
    }
}

/// Checks the times of a recording, and returns a note about ticks that go back. Each event has one line.
fn check_times(events: &[Event]) -> anyhow::Result<Option<String>> {
    let (mut newest, mut newest_tick) = (None, 0);
    let mut back: Vec<usize> = Vec::new();
    for (line, event) in (1..).zip(events) {
        let Some(t) = event.time() else { continue };
        let jump = t.saturating_sub(newest.unwrap_or(t));
        ensure!(
            jump <= JUMP_US,
            "line {line} is {} s later than the lines before it, and a run has no pause of more than an hour: \
             remove this line, or replay the two parts one after the other",
            jump / 1_000_000
        );
        newest = newest.max(Some(t));
        if let Event::Tick(_) = event {
            if t < newest_tick {
                back.push(line);
            }
            newest_tick = newest_tick.max(t);
        }
    }
    let note =
        |first| format!("{} ticks go back in time, the first in line {first}; they are left out", back.len());
    Ok(back.first().map(note))
}

/// Gives out the events of a recording at their times.
struct Player {
    events: std::vec::IntoIter<Event>,
    /// The next event, and its time in the replay, counted from its beginning.
    next: Option<(Event, Duration)>,
    speed: f64,
    /// The time of the first event in the recording.
    first: Option<u64>,
    /// The beginning of the replay, as if it had never been late.
    began: Option<Instant>,
}

impl Player {
    fn new(events: Vec<Event>, speed: f64) -> Self {
        let mut player = Self { events: events.into_iter(), next: None, speed, first: None, began: None };
        player.next = player.following(Duration::ZERO);
        player
    }

    /// The event after one that was due at this time.
    fn following(&mut self, before: Duration) -> Option<(Event, Duration)> {
        let event = self.events.next()?;
        let Some(t) = event.time() else { return Some((event, before)) };
        let first = *self.first.get_or_insert(t);
        let due = Duration::from_micros(t.saturating_sub(first)).as_secs_f64() / self.speed;
        let due = Duration::try_from_secs_f64(due).unwrap_or(before).max(before);
        Some((event, due))
    }
}

/// The beginning of a replay that began at this time, if its next event is due this long after it: later, if
/// the event is much too late.
fn beginning(began: Instant, due: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(began + due);
    if late > DELAY { began + late } else { began }
}

impl EventSource for Player {
    async fn next(&mut self) -> Option<Event> {
        let (_, due) = self.next.as_ref()?;
        let (due, now) = (*due, Instant::now());
        let began = beginning(self.began.unwrap_or(now), due, now);
        self.began = Some(began);
        sleep_until(began + due).await;
        let (event, due) = self.next.take()?;
        self.next = self.following(due);
        Some(event)
    }

    fn waits(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use api::{ControlChange, Gap, Tick};

    use super::*;

    fn at(t: u64) -> Event {
        Event::Control(ControlChange { t, ..ControlChange::default() })
    }

    #[test]
    fn events_come_at_their_times() {
        let events =
            vec![at(1_000_000), at(3_000_000), Event::Gap(Gap::default()), at(2_000_000), at(9_000_000)];
        let mut player = Player::new(events, 4.0);
        let mut due = Vec::new();
        while let Some((_, at)) = player.next.take() {
            due.push(at.as_millis());
            player.next = player.following(at);
        }
        // An event that comes late in the file is shown at once.
        assert_eq!(due, [0, 500, 500, 500, 2000]);
    }

    #[test]
    fn a_jump_is_an_error_with_its_line_and_ticks_that_go_back_are_noted() {
        let tick = |t| Event::Tick(Tick { t, ..Tick::default() });
        let gap = || Event::Gap(Gap::default());
        let hour = 3_600_000_000;
        for (events, expected) in [
            (vec![], Ok(None)),
            // The first time can be any.
            (vec![at(9 * hour), at(10 * hour), at(10 * hour)], Ok(None)),
            (vec![at(0), gap(), at(hour + 1)], Err("line 3 is 3600 s later than the lines before it")),
            (vec![tick(5), at(3), tick(5)], Ok(None)),
            (vec![tick(5), tick(3), tick(4)], Ok(Some("2 ticks go back in time, the first in line 2"))),
        ] {
            let (found, events) = (check_times(&events), format!("{events:?}"));
            match (found, expected) {
                (Ok(None), Ok(None)) => {}
                (Ok(Some(note)), Ok(Some(part))) => assert!(note.contains(part), "{note}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, _) => panic!("{found:?} for {events}"),
            }
        }
    }

    #[test]
    fn a_pause_does_not_make_the_rest_come_at_once() {
        let (began, ms) = (Instant::now(), Duration::from_millis);
        for (due, now, expected) in [(1000, 900, 0), (1000, 1000, 0), (1000, 1500, 0), (1000, 11_000, 10_000)]
        {
            assert_eq!(beginning(began, ms(due), began + ms(now)), began + ms(expected), "{due} {now}");
        }
    }
}
