//! The access log: one line per request, in three formats. Pure: the values of a line are arguments.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::escape::{bare, inside, json, quoted};
use super::format::LogFormat;
use super::lines::Lines;
use crate::observe::{AccessLog, RequestEnd};

/// Writes a line of the access log for each request.
#[derive(Debug)]
pub(crate) struct AccessLines {
    format: LogFormat,
    lines: Lines,
}

impl AccessLines {
    pub(super) fn new(format: LogFormat, lines: Lines) -> Self {
        Self { format, lines }
    }
}

impl AccessLog for AccessLines {
    fn ended(&self, outcome: &RequestEnd) {
        if tracing::enabled!(target: "access", tracing::Level::INFO) {
            self.lines.add_access(line(outcome, self.format).as_bytes());
        }
    }
}

/// The line of one request, with its line feed. No value in the line can end it or look like another value.
fn line(outcome: &RequestEnd, format: LogFormat) -> String {
    let mut line = String::with_capacity(512);
    match format {
        LogFormat::Text => text(&mut line, outcome),
        LogFormat::Json => object(&mut line, outcome),
        LogFormat::Combined => combined(&mut line, outcome),
    }
    line.push('\n');
    line
}

/// A value in a line.
enum Value<'a> {
    /// A word, which cannot contain its own end.
    Word(&'a str),
    /// A word that has quotes in the text format, because it may contain spaces.
    Text(&'a str),
    Number(u64),
}

/// The values of a line, with their names and in their order. New values are added at the end.
fn values<'a>(outcome: &'a RequestEnd, backend: &'a str) -> [(&'static str, Value<'a>); 21] {
    use Value::{Number, Text, Word};
    let optional = |text: &'a Option<String>| Text(text.as_deref().unwrap_or("-"));
    [
        ("method", Word(&outcome.method)),
        ("path", Word(&outcome.path)),
        ("status", Number(outcome.status.into())),
        ("backend", Text(backend)),
        ("attempts", Number(outcome.attempts.into())),
        ("retries", Number(outcome.retries.into())),
        ("blame", Text(outcome.blame.as_deref().unwrap_or("-"))),
        ("failure", Text(outcome.failure.as_deref().unwrap_or("-"))),
        ("queue_us", Number(outcome.queue_us)),
        ("upload_us", Number(outcome.upload_us)),
        ("head_us", Number(outcome.head_us)),
        ("body_us", Number(outcome.body_us)),
        ("total_us", Number(outcome.total_us)),
        ("client", Word(&outcome.client)),
        ("protocol", Word(&outcome.protocol)),
        ("host", optional(&outcome.host)),
        ("received_bytes", Number(outcome.received_bytes)),
        ("sent_bytes", Number(outcome.sent_bytes)),
        ("request_id", optional(&outcome.request_id)),
        ("referer", optional(&outcome.referer)),
        ("user_agent", optional(&outcome.user_agent)),
    ]
}

fn backend(outcome: &RequestEnd) -> String {
    outcome.backend.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn at(outcome: &RequestEnd) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(outcome.at_unix_ms)
}

/// A line of text like all other lines of the log: `time LEVEL name=value …`.
fn text(line: &mut String, outcome: &RequestEnd) {
    // Writing to a string cannot fail.
    let _ = write!(line, "{}  INFO", humantime::format_rfc3339_micros(at(outcome)));
    for (name, value) in values(outcome, &backend(outcome)) {
        let _ = write!(line, " {name}=");
        match value {
            Value::Word(word) => bare(line, word),
            Value::Text(text) => quoted(line, text),
            Value::Number(number) => _ = write!(line, "{number}"),
        }
    }
}

/// A JSON object.
fn object(line: &mut String, outcome: &RequestEnd) {
    let time = humantime::format_rfc3339_micros(at(outcome));
    let _ = write!(line, "{{\"timestamp\":\"{time}\",\"level\":\"INFO\",\"target\":\"access\"");
    for (name, value) in values(outcome, &backend(outcome)) {
        let _ = write!(line, ",\"{name}\":");
        match value {
            Value::Word(text) | Value::Text(text) => json(line, text),
            Value::Number(number) => _ = write!(line, "{number}"),
        }
    }
    line.push('}');
}

/// The combined log format of Apache and nginx: <https://httpd.apache.org/docs/2.4/logs.html#combined>.
fn combined(line: &mut String, outcome: &RequestEnd) {
    bare(line, &outcome.client);
    let _ = write!(line, " - - [{}] \"", combined_time(at(outcome)));
    // Invalid requests also have a first line in this format, or an empty one.
    match (&outcome.method[..], &outcome.protocol[..]) {
        ("-", _) => inside(line, &outcome.path),
        (method, protocol) => {
            bare(line, method);
            line.push(' ');
            bare(line, &outcome.path);
            if protocol != "-" {
                let _ = write!(line, " {protocol}");
            }
        }
    }
    let _ = write!(line, "\" {} {} ", outcome.status, outcome.sent_bytes);
    quoted(line, outcome.referer.as_deref().unwrap_or("-"));
    line.push(' ');
    quoted(line, outcome.user_agent.as_deref().unwrap_or("-"));
}

/// `30/Nov/2026:05:38:30 +0000`.
fn combined_time(time: SystemTime) -> String {
    // The date looks like "Mon, 30 Nov 2026 05:38:30 GMT".
    let date = httpdate::fmt_http_date(time);
    let mut words = date.split(' ').skip(1);
    let mut next = || words.next().unwrap_or_default();
    let (day, month, year, clock) = (next(), next(), next(), next());
    format!("{day}/{month}/{year}:{clock} +0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> RequestEnd {
        RequestEnd {
            at_unix_ms: 1_796_017_110_250,
            method: "GET".into(),
            path: "/a?b=\"c\"".into(),
            protocol: "HTTP/1.1".into(),
            status: 200,
            backend: Some(2),
            attempts: 1,
            queue_us: 10,
            upload_us: 20,
            head_us: 30,
            body_us: 40,
            total_us: 100,
            client: "192.0.2.7".into(),
            host: Some("a.example".into()),
            received_bytes: 5,
            sent_bytes: 7,
            request_id: Some("id-1".into()),
            user_agent: Some("x\" 200 \u{1b}[2J\n\"".into()),
            ..RequestEnd::default()
        }
    }

    #[test]
    fn each_format_has_one_line_per_request() {
        assert_eq!(
            line(&outcome(), LogFormat::Text),
            "2026-11-30T05:38:30.250000Z  INFO method=GET path=/a?b=\\x22c\\x22 status=200 backend=\"2\" attempts=1 \
             retries=0 blame=\"-\" failure=\"-\" queue_us=10 upload_us=20 head_us=30 body_us=40 total_us=100 \
             client=192.0.2.7 protocol=HTTP/1.1 host=\"a.example\" received_bytes=5 sent_bytes=7 \
             request_id=\"id-1\" referer=\"-\" user_agent=\"x\\x22 200 \\x1b[2J\\x0a\\x22\"\n"
        );
        assert_eq!(
            line(&outcome(), LogFormat::Combined),
            "192.0.2.7 - - [30/Nov/2026:05:38:30 +0000] \"GET /a?b=\\x22c\\x22 HTTP/1.1\" 200 7 \"-\" \
             \"x\\x22 200 \\x1b[2J\\x0a\\x22\"\n"
        );
        let json = line(&outcome(), LogFormat::Json);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&read["path"], &read["backend"], &read["status"]),
            (&"/a?b=\"c\"".into(), &"2".into(), &200.into())
        );
        assert_eq!((&read["user_agent"], &read["blame"]), (&"x\" 200 \u{1b}[2J\n\"".into(), &"-".into()));
        assert!(json.starts_with(
            "{\"timestamp\":\"2026-11-30T05:38:30.250000Z\",\"level\":\"INFO\",\"target\":\"access\","
        ));
    }

    #[test]
    fn what_was_no_request_has_its_line_as_well() {
        let nothing = RequestEnd {
            method: "-".into(),
            path: "\u{16}\u{3}\" \"x".into(),
            protocol: "-".into(),
            ..outcome()
        };
        assert!(line(&nothing, LogFormat::Combined).contains("] \"\\x16\\x03\\x22 \\x22x\" 200 "));
        assert!(
            line(&nothing, LogFormat::Text).contains(" method=- path=\\x16\\x03\\x22\\x20\\x22x status=")
        );
        for format in <LogFormat as strum::VariantArray>::VARIANTS.iter().copied() {
            assert_eq!(line(&nothing, format).matches('\n').count(), 1);
        }
    }
}
