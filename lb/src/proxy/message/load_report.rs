//! The load report in the head of an answer: ORCA, as Envoy and gRFC A51 read it, in its text form and as
//! JSON.
//!
//! The header goes on to the client: Envoy does not remove it either. A backend may write anything, so a
//! report that cannot be read is `None`, and its values are checked where they are used.

use balance::LoadReport;
use http::HeaderName;
use serde::Deserialize;

/// The header of a load report.
pub(crate) const ENDPOINT_LOAD_METRICS: HeaderName = HeaderName::from_static("endpoint-load-metrics");

/// The longest report that is read, in bytes.
const LONGEST: usize = 4096;

/// The value of the header as a report; `None` if it is malformed. Its form is `TEXT cpu_utilization=0.5,
/// rps_fractional=20` or `JSON {"cpu_utilization": 0.5, "rps_fractional": 20}`. Other metrics are allowed and
/// not used. The binary form is not read.
pub(crate) fn parse(value: &[u8]) -> Option<LoadReport> {
    let value = std::str::from_utf8(value).ok().filter(|value| value.len() <= LONGEST)?;
    let (form, rest) = value.split_once(' ')?;
    match form {
        "TEXT" => text(rest),
        "JSON" => serde_json::from_str::<Json>(rest).ok().map(Json::report),
        _ => None,
    }
}

/// The text form: `name=number`, with commas between the metrics. A metric that is there twice is a mistake.
fn text(list: &str) -> Option<LoadReport> {
    let mut seen = [None; 4];
    for metric in list.split(',') {
        let (name, number) = metric.trim().split_once('=')?;
        let number: f64 = number.trim().parse().ok()?;
        let place = match name.trim() {
            "application_utilization" => 0,
            "cpu_utilization" => 1,
            "rps_fractional" => 2,
            "eps" => 3,
            _ => continue,
        };
        if seen[place].replace(number).is_some() {
            return None;
        }
    }
    let [application_utilization, cpu_utilization, rps_fractional, eps] = seen.map(Option::unwrap_or_default);
    Some(LoadReport { application_utilization, cpu_utilization, rps_fractional, eps })
}

/// The JSON form. Its names are those of the protocol buffer, or the same in camel case.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Json {
    #[serde(alias = "applicationUtilization")]
    application_utilization: f64,
    #[serde(alias = "cpuUtilization")]
    cpu_utilization: f64,
    #[serde(alias = "rpsFractional")]
    rps_fractional: f64,
    eps: f64,
}

impl Json {
    fn report(self) -> LoadReport {
        let Self { application_utilization, cpu_utilization, rps_fractional, eps } = self;
        LoadReport { application_utilization, cpu_utilization, rps_fractional, eps }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reports_are_read_in_both_forms() {
        let report = LoadReport { cpu_utilization: 0.5, rps_fractional: 20.0, ..LoadReport::default() };
        let all = LoadReport { application_utilization: 0.25, eps: 1.5, ..report };
        let table = [
            ("TEXT cpu_utilization=0.5, rps_fractional=20", Some(report)),
            ("TEXT cpu_utilization=0.5,rps_fractional=20.00,named_metrics.waiting=3", Some(report)),
            ("TEXT eps=1.5,application_utilization=0.25,rps_fractional=20,cpu_utilization=0.5", Some(all)),
            (
                r#"JSON {"cpu_utilization": 0.5, "rps_fractional": 20, "named_metrics": {"a": 1}}"#,
                Some(report),
            ),
            (r#"JSON {"cpuUtilization": 0.5, "rpsFractional": 20}"#, Some(report)),
            ("TEXT named_metrics.waiting=3", Some(LoadReport::default())),
            ("", None),
            ("TEXT", None),
            ("TEXT ", None),
            ("BIN AAAA", None),
            ("cpu_utilization=0.5", None),
            ("TEXT cpu_utilization", None),
            ("TEXT cpu_utilization=half", None),
            ("TEXT cpu_utilization=0.5,cpu_utilization=0.6", None),
            (r#"JSON {"cpu_utilization": "high"}"#, None),
            (r#"JSON {"cpu_utilization": 0.5"#, None),
        ];
        for (value, expected) in table {
            assert_eq!(parse(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn a_long_report_and_bytes_that_are_no_text_are_malformed() {
        let long = format!("TEXT cpu_utilization=0.{}", "5".repeat(LONGEST));
        assert_eq!(parse(long.as_bytes()), None);
        assert_eq!(parse(b"TEXT cpu_utilization=\xff"), None);
    }

    proptest! {
        /// Any bytes at all are read without a panic, and a weight is a number.
        #[test]
        fn no_report_does_harm(form in "TEXT |JSON ", rest in ".{0,80}", number in any::<f64>()) {
            for value in [format!("{form}{rest}"), format!("TEXT cpu_utilization={number},rps_fractional={number}")] {
                if let Some(Ok(Some(weight))) = parse(value.as_bytes()).map(LoadReport::weight) {
                    prop_assert!(weight.is_finite(), "{}", value);
                }
            }
        }
    }
}
