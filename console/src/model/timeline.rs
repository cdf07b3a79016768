//! The last minute of one backend, second by second.

use std::collections::VecDeque;

use serde::Serialize;

use crate::health::Health;

/// The number of cells, each one second long.
pub const CELLS: usize = 60;

/// Microseconds in a second.
const SECOND: u64 = 1_000_000;

/// One second of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The worst state in this second.
    pub state: Health,
    /// Answers of the class 5xx and failed tries in this second.
    pub errors: u64,
}

/// The last seconds of one backend, oldest first. A second in which nothing is known has no cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    cells: VecDeque<(u64, Cell)>,
}

impl Timeline {
    /// The backend was in this state at this time, and had this number of errors since the last note.
    pub(super) fn note(&mut self, t: u64, state: Health, errors: u64) {
        let second = t / SECOND;
        // A time in a second before the newest one that has no cell comes only from clocks that differ.
        if self.cells.back().is_none_or(|(newest, _)| *newest < second) {
            self.cells.push_back((second, Cell { state, errors }));
        } else if let Some((_, cell)) = self.cells.iter_mut().rev().find(|(known, _)| *known == second) {
            cell.state = cell.state.max(state);
            cell.errors = cell.errors.saturating_add(errors);
        }
        while self.cells.len() > CELLS {
            self.cells.pop_front();
        }
    }

    /// The [`CELLS`] seconds that end with the second of `now`, oldest first.
    pub(super) fn cells(&self, now: u64) -> Vec<Option<Cell>> {
        let newest = now / SECOND;
        let cell = |age: usize| {
            let second = newest.checked_sub(age as u64)?;
            self.cells.iter().find(|(known, _)| *known == second).map(|(_, cell)| *cell)
        };
        (0..CELLS).rev().map(cell).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_as_bad_as_the_worst_moment_of_its_second() {
        let mut timeline = Timeline::default();
        for (ms, state, errors) in [
            (900, Health::Up, 0),
            (1000, Health::Up, 1),
            (1250, Health::Down, 2),
            (1500, Health::Up, 0),
            // Nothing is known of the second from 2 s to 3 s.
            (3000, Health::Up, 0),
            (2900, Health::Down, 5),
        ] {
            timeline.note(ms * 1000, state, errors);
        }
        let cell = |state, errors| Some(Cell { state, errors });
        let cells = timeline.cells(3_999_999);
        assert_eq!(cells.len(), CELLS);
        assert_eq!(
            cells[55..],
            [None, cell(Health::Up, 0), cell(Health::Down, 3), None, cell(Health::Up, 0)]
        );
        assert_eq!(
            timeline.cells(4_000_000)[58..],
            [cell(Health::Up, 0), None],
            "time goes on without notes"
        );
    }

    #[test]
    fn a_minute_is_kept() {
        let mut timeline = Timeline::default();
        (0..200).for_each(|second| timeline.note(second * SECOND, Health::Up, second));
        let errors: Vec<_> = timeline.cells(199 * SECOND).iter().map(|cell| cell.unwrap().errors).collect();
        assert_eq!(errors, (140..200).collect::<Vec<_>>());
    }
}
