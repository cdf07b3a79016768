//! What a backend says in its answer about the request: the truth that a client cannot measure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::microseconds;
use crate::client::Answer;

/// What a backend says about one request, as far as it says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroundTruth {
    /// The time in the backend's queue, from the header `x-lab-queue-us`.
    #[serde(
        rename = "queue_us",
        with = "microseconds::optional",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub queue: Option<Duration>,
    /// The time in service, from the header `x-lab-service-us`.
    #[serde(
        rename = "service_us",
        with = "microseconds::optional",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub service: Option<Duration>,
    /// The requests in flight at the backend when this one arrived, from the header `x-lab-in-flight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u64>,
    /// The faults that hit the request, as the header `x-lab-faults` has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<Box<str>>,
}

impl GroundTruth {
    /// Whether the backend said nothing.
    pub(super) fn is_silent(&self) -> bool {
        *self == Self::default()
    }

    /// What an answer says. A header that is not as expected counts as missing.
    pub(super) fn of(answer: &Answer) -> Self {
        let number = |name| answer.header(name)?.parse::<u64>().ok();
        let microseconds = |name| number(name).map(Duration::from_micros);
        Self {
            queue: microseconds("x-lab-queue-us"),
            service: microseconds("x-lab-service-us"),
            in_flight: number("x-lab-in-flight"),
            faults: answer.header("x-lab-faults").map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    fn said(headers: &[(&'static str, &'static str)]) -> GroundTruth {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers: HeaderMap = headers.iter().map(header).collect();
        GroundTruth::of(&Answer { status: StatusCode::OK, headers, body: "".into() })
    }

    #[test]
    fn each_header_is_optional() {
        let all = [
            ("x-lab-queue-us", "1200"),
            ("x-lab-service-us", "50000"),
            ("x-lab-in-flight", "3"),
            ("x-lab-faults", "1,4"),
        ];
        let truth = GroundTruth {
            queue: Some(Duration::from_micros(1200)),
            service: Some(Duration::from_millis(50)),
            in_flight: Some(3),
            faults: Some("1,4".into()),
        };
        assert_eq!(said(&all), truth);
        assert_eq!(said(&[]), GroundTruth::default());
        assert_eq!(said(&all[1..2]), GroundTruth { service: truth.service, ..GroundTruth::default() });
        for wrong in ["-1", "1.5", "", "1 us", "99999999999999999999"] {
            assert_eq!(said(&[("x-lab-queue-us", wrong)]), GroundTruth::default(), "{wrong}");
        }
    }
}
