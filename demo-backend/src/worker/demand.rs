//! What does a request demand of the server: how much work, and until when?

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::headers::{X_LAB_DEADLINE_MS, X_LAB_WORK};
use super::route::{MAX_WORK_US, Route, number_up_to};
use crate::capacity::Capacity;
use crate::fields::excerpt;

/// The latest deadline: a day.
const MAX_DEADLINE_MS: u64 = 24 * 3600 * 1000;

/// The demand of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Demand {
    /// The time that it takes at full speed.
    pub(super) work: Duration,
    /// The time that it takes at any speed.
    pub(super) wait: Duration,
    /// The time from its arrival to its deadline.
    pub(super) patience: Option<Duration>,
}

impl Demand {
    /// Reads the headers of a request. A header counts more than the path, and the path more than the
    /// capacity.
    ///
    /// # Errors
    /// If a header is no number or out of its range; the text says what to send.
    pub(super) fn of(route: &Route, headers: &HeaderMap, capacity: &Capacity) -> Result<Self, String> {
        let work = number(headers, &X_LAB_WORK, MAX_WORK_US, "microseconds")?.map(Duration::from_micros);
        let (default, wait) = match route {
            Route::Work(work) => (*work, Duration::ZERO),
            Route::Delay(delay) => (Duration::ZERO, *delay),
            _ => (capacity.work, Duration::ZERO),
        };
        let deadline = number(headers, &X_LAB_DEADLINE_MS, MAX_DEADLINE_MS, "milliseconds")?;
        let patience = deadline.map(Duration::from_millis).or(capacity.patience);
        Ok(Self { work: work.unwrap_or(default), wait, patience })
    }

    /// The service time, as far as it is known before the service.
    pub(super) fn service(&self, capacity: &Capacity) -> Duration {
        capacity.service(self.work) + self.wait
    }
}

fn number(headers: &HeaderMap, name: &HeaderName, max: u64, unit: &str) -> Result<Option<u64>, String> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let wrong = |right| format!("{name}: {} is wrong; send {right}", excerpt(text));
    number_up_to(max, text, unit).map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(path: &str, headers: &[(HeaderName, &str)]) -> Result<Demand, String> {
        let capacity = Capacity {
            work: Duration::from_millis(20),
            patience: Some(Duration::from_secs(1)),
            ..Capacity::default()
        };
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        Demand::of(&Route::of(path), &headers, &capacity)
    }

    #[test]
    fn a_request_says_its_size_in_a_header_or_in_its_path() {
        let us = Duration::from_micros;
        for (path, headers, work, wait) in [
            ("/", vec![], us(20_000), us(0)),
            ("/bytes/9", vec![], us(20_000), us(0)),
            ("/busy/300", vec![], us(300), us(0)),
            ("/delay/5", vec![], us(0), us(5_000)),
            ("/busy/300", vec![(X_LAB_WORK, "7")], us(7), us(0)),
            ("/delay/5", vec![(X_LAB_WORK, "7")], us(7), us(5_000)),
        ] {
            let patience = Some(Duration::from_secs(1));
            assert_eq!(demand(path, &headers), Ok(Demand { work, wait, patience }), "{path} {headers:?}");
        }
        let patience = demand("/", &[(X_LAB_DEADLINE_MS, "250")]).unwrap().patience;
        assert_eq!(patience, Some(Duration::from_millis(250)));
    }

    #[test]
    fn an_invalid_header_is_refused_with_what_to_send() {
        for (name, value, message) in [
            (
                X_LAB_WORK,
                "1ms",
                "x-lab-work: 1ms is wrong; send a whole number of microseconds, 0 to 60000000",
            ),
            (X_LAB_DEADLINE_MS, "-1", "x-lab-deadline-ms: -1 is wrong; send a whole number of milliseconds"),
        ] {
            let error = demand("/", &[(name, value)]).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn only_work_depends_on_the_speed() {
        let half = Capacity { speed: 50.0, ..Capacity::default() };
        let ms = Duration::from_millis;
        let demand = Demand { work: ms(20), wait: ms(5), patience: None };
        assert_eq!(demand.service(&half), ms(45));
    }
}
