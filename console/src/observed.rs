//! All observations of a lab, and the data of a screen that follow from them.

use std::collections::VecDeque;
use std::time::Duration;

use api::{BackendState, State, StateChange};

use crate::health::Health;

/// The period of rates and shares.
const WINDOW: Duration = Duration::from_secs(5);

/// The length of a timeline, in seconds.
const MINUTE: usize = 60;

/// The number of lines of the log that are kept.
const KEPT_LINES: usize = 200;

/// Something that was observed.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The state of the balancer.
    State(Box<State>),
    /// The states of the processes of the backends, in the order of their numbers: `running`, `stalled`,
    /// `dead`.
    Processes(Vec<String>),
    /// An event of the balancer.
    Change(StateChange),
    /// A line for the log.
    Note(String),
}

/// All observations so far. Times count from the beginning of the observation.
#[derive(Debug, Default)]
pub struct Observed {
    samples: VecDeque<(Duration, State)>,
    processes: Vec<String>,
    timelines: Vec<VecDeque<(u64, Health)>>,
    log: VecDeque<String>,
}

/// One backend at this moment.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedLane {
    /// Its number; the first is 1.
    pub number: usize,
    /// The state of its process: `running`, `stalled`, `dead`; a question mark before it is known.
    pub process: String,
    /// Its state as the balancer sees it.
    pub health: Health,
    /// The progress towards another state, such as `1/3 down`; empty without progress.
    pub progress: String,
    /// Its share of all answers, from 0 to 1.
    pub share: f64,
    /// Answers a second.
    pub rate: f64,
    /// Requests that are there now.
    pub in_flight: u32,
    /// The median latency of the last seconds; `None` without answers.
    pub p50: Option<Duration>,
    /// The 99th percentile of the latency.
    pub p99: Option<Duration>,
}

impl Observed {
    /// Takes in an observation of this time. Returns the line that the log got, if it got one.
    pub fn update(&mut self, at: Duration, input: Input) -> Option<&str> {
        match input {
            Input::State(state) => self.sample(at, *state),
            Input::Processes(processes) => self.processes = processes,
            // The first event of each backend only gives its state.
            Input::Change(change) if change.from == change.to => {}
            Input::Change(StateChange { backend, from, to, cause, .. }) => {
                return Some(self.note(at, &format!("lb: backend {backend} {from} -> {to}: {cause}")));
            }
            Input::Note(what) => return Some(self.note(at, &what)),
        }
        None
    }

    fn sample(&mut self, at: Duration, state: State) {
        self.timelines.resize(state.backends.len(), VecDeque::new());
        for (timeline, backend) in self.timelines.iter_mut().zip(&state.backends) {
            let (second, health) = (at.as_secs(), Health::read(&backend.state));
            match timeline.back_mut() {
                // A second is shown with its worst state.
                Some((last, worst)) if *last == second => *worst = health.max(*worst),
                _ => timeline.push_back((second, health)),
            }
            if timeline.len() > MINUTE {
                timeline.pop_front();
            }
        }
        self.samples.push_back((at, state));
        while self.samples.get(1).is_some_and(|(second, _)| *second + WINDOW <= at) {
            self.samples.pop_front();
        }
    }

    /// Writes a line into the log, and returns it with its time.
    fn note(&mut self, at: Duration, what: &str) -> &str {
        if self.log.len() == KEPT_LINES {
            self.log.pop_front();
        }
        self.log.push_back(format!("{:7.2} s  {what}", at.as_secs_f64()));
        self.log.back().map_or("", String::as_str)
    }

    /// The last lines of the log, oldest first.
    pub fn log(&self, most: usize) -> impl Iterator<Item = &str> {
        self.log.iter().skip(self.log.len().saturating_sub(most)).map(String::as_str)
    }

    /// The latest state of the balancer.
    pub fn state(&self) -> Option<&State> {
        self.samples.back().map(|(_, state)| state)
    }

    /// The backends at this moment.
    pub fn lanes(&self) -> Vec<ObservedLane> {
        let (Some((first_at, first)), Some((at, now))) = (self.samples.front(), self.samples.back()) else {
            return Vec::new();
        };
        let seconds = at.saturating_sub(*first_at).as_secs_f64();
        let answered = |number| {
            let answers = |state: &State| state.backend(number).map_or(0, |backend| backend.answers);
            answers(now).saturating_sub(answers(first)) as f64
        };
        let all: f64 = now.backends.iter().map(|backend| answered(backend.number)).sum();
        let lane = |(index, backend): (usize, &BackendState)| ObservedLane {
            number: backend.number,
            process: self.processes.get(index).cloned().unwrap_or_else(|| "?".into()),
            health: Health::read(&backend.state),
            progress: backend
                .progress
                .as_ref()
                .map(|progress| format!("{}/{} {}", progress.count, progress.of, progress.towards))
                .unwrap_or_default(),
            share: if all > 0.0 { answered(backend.number) / all } else { 0.0 },
            rate: if seconds > 0.0 { answered(backend.number) / seconds } else { 0.0 },
            in_flight: backend.in_flight,
            p50: backend.latency_us.p50.map(Duration::from_micros),
            p99: backend.latency_us.p99.map(Duration::from_micros),
        };
        now.backends.iter().enumerate().map(lane).collect()
    }

    /// A backend's last minute as this number of cells, oldest first; each cell shows its worst state, and
    /// `None` before the observation began.
    pub fn timeline(&self, number: usize, cells: usize) -> Vec<Option<Health>> {
        let timeline = number.checked_sub(1).and_then(|index| self.timelines.get(index));
        let (Some(timeline), cells) = (timeline, cells.clamp(1, MINUTE)) else { return Vec::new() };
        let a_cell = MINUTE.div_ceil(cells) as u64;
        let newest = timeline.back().map_or(0, |(second, _)| second / a_cell);
        let worst = |age: usize| {
            let cell = newest.checked_sub(age as u64)?;
            timeline.iter().filter(|(second, _)| second / a_cell == cell).map(|(_, health)| *health).max()
        };
        (0..cells).rev().map(worst).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{LatencyMicros, Progress, Totals};

    /// A state in which backend 1 is up and backend 2 is `second`, with these numbers of answers.
    fn state(second: &'static str, answers: [u64; 2]) -> Input {
        let backend = |number: usize, state: &'static str| BackendState {
            number,
            state: state.into(),
            progress: (state == "down").then(|| Progress { towards: "up".into(), count: 1, of: 2 }),
            answers: answers[number - 1],
            latency_us: LatencyMicros { p50: Some(300), p90: None, p99: (state == "up").then_some(1200) },
            ..BackendState::default()
        };
        Input::State(Box::new(State {
            version: "0.1.0".into(),
            listen: "127.0.0.1:3030".into(),
            policy: "round-robin".into(),
            workers: 2,
            draining: false,
            uptime_ms: 1000,
            counting_ms: 1000,
            connections: 8,
            log_lines_dropped: 0,
            events_missed: 0,
            totals: Totals::default(),
            backends: vec![backend(1, "up"), backend(2, second)],
        }))
    }

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn rates_and_shares_are_those_of_the_window() {
        let mut model = Observed::default();
        model.update(S(0), state("up", [0, 1000]));
        model.update(S(10), state("up", [100, 1100]));
        model.update(S(15), state("down", [130, 1110]));
        let lanes = model.lanes();
        assert_eq!((lanes[0].rate, lanes[0].share), (6.0, 0.75));
        assert_eq!((lanes[1].rate, lanes[1].share), (2.0, 0.25));
        assert_eq!((lanes[1].health, lanes[1].progress.as_str()), (Health::Down, "1/2 up"));
        assert_eq!((lanes[0].p99, lanes[1].p99), (Some(Duration::from_micros(1200)), None));
    }

    #[test]
    fn nothing_seen_is_nothing_shown() {
        let model = Observed::default();
        assert!(
            model.lanes().is_empty() && model.timeline(1, 10).is_empty() && model.log(5).next().is_none()
        );
    }

    #[test]
    fn a_cell_is_as_bad_as_its_worst_moment() {
        let mut model = Observed::default();
        for (quarter, health) in [(0, "up"), (4, "up"), (5, "down"), (6, "up"), (8, "up")] {
            model.update(Duration::from_millis(250 * quarter), state(health, [0, 0]));
        }
        let up = Some(Health::Up);
        assert_eq!(model.timeline(2, 60)[56..], [None, up, Some(Health::Down), up]);
        assert_eq!(model.timeline(2, 30)[28..], [Some(Health::Down), up]);
        assert_eq!(model.timeline(1, 60)[56..], [None, up, up, up]);
    }

    #[test]
    fn the_log_tells_changes_only() {
        let mut model = Observed::default();
        let change = |from: &'static str, to: &'static str| {
            Input::Change(StateChange {
                t: 0,
                backend: 2,
                from: from.into(),
                to: to.into(),
                cause: "connection refused".into(),
                progress: None,
            })
        };
        assert_eq!(model.update(S(1), change("up", "up")), None);
        let line = "   2.00 s  lb: backend 2 up -> down: connection refused";
        assert_eq!(model.update(S(2), change("up", "down")), Some(line));
        model.update(S(3), Input::Note("you started backend 2".into()));
        let log: Vec<&str> = model.log(9).collect();
        assert_eq!(
            log,
            ["   2.00 s  lb: backend 2 up -> down: connection refused", "   3.00 s  you started backend 2"]
        );
    }
}
