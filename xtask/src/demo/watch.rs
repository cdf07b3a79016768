//! The data of the demo about the lab, and the lines that it makes from the data.
//!
//! Pure values: samples and events go in with their time, lanes come out.

use std::collections::VecDeque;
use std::time::Duration;

use lab::client::Event;
use lab::topology::State;

use super::glyphs::Health;

/// The period of rates and shares.
const WINDOW: Duration = Duration::from_secs(5);

/// The length of a timeline, in seconds.
const MINUTE: usize = 60;

/// The number of lines of the log that are kept.
const KEPT_LINES: usize = 200;

/// All observations so far. Times count from the beginning of the demo.
#[derive(Debug, Default)]
pub(super) struct Watch {
    samples: VecDeque<(Duration, State)>,
    workers: Vec<String>,
    timelines: Vec<VecDeque<(u64, Health)>>,
    log: VecDeque<String>,
}

/// One backend at this moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lane {
    pub(super) number: usize,
    /// The state of its process: `running`, `stalled`, `dead`; a question mark before it is known.
    pub(super) worker: String,
    pub(super) health: Health,
    /// The progress towards another state, such as `1/3 down`; empty without progress.
    pub(super) progress: String,
    /// Its share of all answers, from 0 to 1.
    pub(super) share: f64,
    /// Answers a second.
    pub(super) rate: f64,
    pub(super) in_flight: u32,
    pub(super) p50: Option<Duration>,
    pub(super) p99: Option<Duration>,
}

impl Watch {
    /// Takes in the state of the balancer at this time.
    pub(super) fn sample(&mut self, at: Duration, state: State) {
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

    /// Takes in the states of the workers, in the order of their numbers.
    pub(super) fn workers(&mut self, workers: Vec<String>) {
        self.workers = workers;
    }

    /// Takes in an event of the balancer. Returns the line for the log, if there is one.
    pub(super) fn event(&mut self, at: Duration, event: &Event) -> Option<&str> {
        let text = |name: &str| event.data[name].as_str().unwrap_or("?").to_owned();
        let (from, to) = (text("from"), text("to"));
        // The first event of each backend only gives its state.
        if event.name != "state" || from == to {
            return None;
        }
        let line = format!("lb: backend {} {from} -> {to}: {}", event.data["backend"], text("cause"));
        Some(self.note(at, &line))
    }

    /// Writes a line into the log, and returns it with its time.
    pub(super) fn note(&mut self, at: Duration, what: &str) -> &str {
        if self.log.len() == KEPT_LINES {
            self.log.pop_front();
        }
        self.log.push_back(format!("{:7.2} s  {what}", at.as_secs_f64()));
        self.log.back().map_or("", String::as_str)
    }

    /// The last lines of the log, oldest first.
    pub(super) fn log(&self, most: usize) -> impl Iterator<Item = &str> {
        self.log.iter().skip(self.log.len().saturating_sub(most)).map(String::as_str)
    }

    /// The latest state of the balancer.
    pub(super) fn state(&self) -> Option<&State> {
        self.samples.back().map(|(_, state)| state)
    }

    /// The backends at this moment.
    pub(super) fn lanes(&self) -> Vec<Lane> {
        let (Some((first_at, first)), Some((at, now))) = (self.samples.front(), self.samples.back()) else {
            return Vec::new();
        };
        let seconds = at.saturating_sub(*first_at).as_secs_f64();
        let answered = |number| {
            let answers = |state: &State| state.backend(number).map_or(0, |backend| backend.answers);
            answers(now).saturating_sub(answers(first)) as f64
        };
        let all: f64 = now.backends.iter().map(|backend| answered(backend.number)).sum();
        let lane = |(index, backend): (usize, &lab::topology::BackendState)| Lane {
            number: backend.number,
            worker: self.workers.get(index).cloned().unwrap_or_else(|| "?".into()),
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
    /// `None` before the demo began.
    pub(super) fn timeline(&self, number: usize, cells: usize) -> Vec<Option<Health>> {
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
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// A state in which backend 1 is up and backend 2 is `second`, with these numbers of answers.
    pub(in super::super) fn state(second: &str, answers: [u64; 2]) -> State {
        let backend = |number: usize, state: &str| {
            json!({
                "number": number, "url": format!("http://127.0.0.1:{}", 3030 + number), "state": state,
                "cause": "a test says so", "for_ms": 1, "in_flight": 0, "picks": 0, "failures": 0, "retries": 0,
                "progress": if state == "down" { json!({"towards": "up", "count": 1, "of": 2}) } else { json!(null) },
                "answers": answers[number - 1],
                "connections": {"opened": 1, "reused": 1, "idle": 1},
                "latency_us": {"p50": 300, "p90": 900, "p99": if state == "up" { json!(1200) } else { json!(null) }}
            })
        };
        serde_json::from_value(json!({
            "version": "0.1.0", "listen": "127.0.0.1:3030", "policy": "round-robin", "workers": 2,
            "draining": false, "uptime_ms": 1000, "connections": 8,
            "totals": {"requests": 10, "no_backend": 0, "client_gone": 0, "status": {}},
            "backends": [backend(1, "up"), backend(2, second)]
        }))
        .unwrap()
    }

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn rates_and_shares_are_those_of_the_window() {
        let mut watch = Watch::default();
        watch.sample(S(0), state("up", [0, 1000]));
        watch.sample(S(10), state("up", [100, 1100]));
        watch.sample(S(15), state("down", [130, 1110]));
        let lanes = watch.lanes();
        assert_eq!((lanes[0].rate, lanes[0].share), (6.0, 0.75));
        assert_eq!((lanes[1].rate, lanes[1].share), (2.0, 0.25));
        assert_eq!((lanes[1].health, lanes[1].progress.as_str()), (Health::Down, "1/2 up"));
        assert_eq!((lanes[0].p99, lanes[1].p99), (Some(Duration::from_micros(1200)), None));
    }

    #[test]
    fn nothing_seen_is_nothing_shown() {
        let watch = Watch::default();
        assert!(
            watch.lanes().is_empty() && watch.timeline(1, 10).is_empty() && watch.log(5).next().is_none()
        );
    }

    #[test]
    fn a_cell_is_as_bad_as_its_worst_moment() {
        let mut watch = Watch::default();
        for (quarter, health) in [(0, "up"), (4, "up"), (5, "down"), (6, "up"), (8, "up")] {
            watch.sample(Duration::from_millis(250 * quarter), state(health, [0, 0]));
        }
        let up = Some(Health::Up);
        assert_eq!(watch.timeline(2, 60)[56..], [None, up, Some(Health::Down), up]);
        assert_eq!(watch.timeline(2, 30)[28..], [Some(Health::Down), up]);
        assert_eq!(watch.timeline(1, 60)[56..], [None, up, up, up]);
    }

    #[test]
    fn the_log_tells_changes_only() {
        let mut watch = Watch::default();
        let event = |from: &str, to: &str| Event {
            name: "state".into(),
            data: json!({"backend": 2, "from": from, "to": to, "cause": "connection refused"}),
        };
        assert_eq!(watch.event(S(1), &event("up", "up")), None);
        watch.event(S(2), &event("up", "down"));
        watch.note(S(3), "you started backend 2");
        let log: Vec<&str> = watch.log(9).collect();
        assert_eq!(
            log,
            ["   2.00 s  lb: backend 2 up -> down: connection refused", "   3.00 s  you started backend 2"]
        );
    }
}
