//! How does the JSON of a fault become a [`Fault`], and which errors are there?
//!
//! Written by hand, not derived: a derived message says what the parser found, our message says what to write
//! instead.

use std::time::Duration;

use serde_json::{Map, Value};

use super::definition::{Drip, Fault, Kind, Latency, MAX_LATENCY, Match, Moment, Status};

/// The error of a definition: the field, what is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidFault(String);

type Parsed<T> = Result<T, InvalidFault>;

/// The longest pause of a fault other than a latency.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// The longest path that can match.
const MAX_PATH: usize = 1024;

const KINDS: &str = "refuse, latency, stall, status, drip, truncate, reset, close_early, garbage";

impl InvalidFault {
    /// The error for too many faults at once.
    pub fn too_many(limit: usize) -> Self {
        Self(format!("there are {limit} faults already; remove some with DELETE /faults/<id> or POST /reset"))
    }

    /// The same error for a definition that is part of something larger.
    #[must_use]
    pub fn within(self, place: &str) -> Self {
        Self(format!("{place}{}", self.0))
    }
}

impl Fault {
    /// Reads a definition such as `{"kind": "status", "code": 503, "percent": 30, "for": "10s"}`.
    ///
    /// # Errors
    /// If a field is missing, unknown or out of its range.
    pub fn parse(definition: &Map<String, Value>) -> Result<Self, InvalidFault> {
        let mut fields = Fields::new(definition, "");
        let kind = fields.required("kind", KINDS)?;
        let kind = match kind.as_str().unwrap_or_default() {
            "refuse" => Kind::Refuse,
            "latency" => Kind::Latency(latency(&mut fields)?),
            "stall" => Kind::Stall { at: moment(&mut fields)?, hold: fields.duration("hold", MAX_PAUSE)? },
            "status" => Kind::Status(status(&mut fields)?),
            "drip" => Kind::Drip(Drip {
                bytes: fields.whole("bytes", 1, u64::MAX)?.unwrap_or(1),
                every: fields.duration("every", MAX_PAUSE)?.unwrap_or(Duration::from_millis(100)),
            }),
            "truncate" => Kind::Truncate {
                bytes: fields.whole("bytes", 0, u64::MAX)?,
                chunked: fields.boolean("chunked")?,
            },
            "reset" => Kind::Reset(moment(&mut fields)?),
            "close_early" => Kind::CloseEarly,
            "garbage" => Kind::Garbage,
            _ => return Err(InvalidFault(format!("kind: {kind} is none; write one of {KINDS}"))),
        };
        let lasts = fields.duration("for", MAX_PAUSE)?;
        if kind == Kind::Refuse {
            fields.finish("refuse takes only \"for\", because it closes the whole port: ")?;
            return Ok(Self { kind, percent: 100.0, first: None, lasts, matches: Match::default() });
        }
        let fault = Self {
            kind,
            percent: fields.percent("percent")?.unwrap_or(100.0),
            first: fields.whole("first", 1, u64::MAX)?,
            lasts,
            matches: matches(&mut fields)?,
        };
        fields.finish("")?;
        Ok(fault)
    }
}

fn latency(fields: &mut Fields<'_>) -> Parsed<Latency> {
    const SHAPES: &str = "one of \"fixed\": \"400ms\", \"uniform\": [\"10ms\", \"1s\"], \"exponential\": \"200ms\", \
        \"bimodal\": {\"fast\": \"10ms\", \"slow\": \"2s\", \"slow_percent\": 5}";
    let fixed = fields.duration("fixed", MAX_LATENCY)?.map(Latency::Fixed);
    let uniform = fields.take("uniform").map(uniform).transpose()?;
    let exponential = fields.duration("exponential", MAX_LATENCY)?.map(Latency::Exponential);
    let bimodal = fields.take("bimodal").map(bimodal).transpose()?;
    let mut shapes = [fixed, uniform, exponential, bimodal].into_iter().flatten();
    match (shapes.next(), shapes.next()) {
        (Some(shape), None) => Ok(shape),
        (None, _) => Err(InvalidFault(format!("latency: how long? Write {SHAPES}"))),
        (Some(_), Some(_)) => {
            Err(InvalidFault(format!("latency: has more than one distribution; write {SHAPES}")))
        }
    }
}

fn uniform(value: &Value) -> Parsed<Latency> {
    let wrong =
        || InvalidFault(format!("uniform: {value} is no range; write [\"10ms\", \"1s\"], low end first"));
    let Some([low, high]) = value.as_array().map(Vec::as_slice) else { return Err(wrong()) };
    let (low, high) = (duration("uniform", low, MAX_LATENCY)?, duration("uniform", high, MAX_LATENCY)?);
    if low > high { Err(wrong()) } else { Ok(Latency::Uniform(low, high)) }
}

fn bimodal(value: &Value) -> Parsed<Latency> {
    const EXAMPLE: &str = "write {\"fast\": \"10ms\", \"slow\": \"2s\", \"slow_percent\": 5}";
    let missing = |name| InvalidFault(format!("bimodal.{name}: is missing; {EXAMPLE}"));
    let Some(object) = value.as_object() else {
        return Err(InvalidFault(format!("bimodal: {value} is no object; {EXAMPLE}")));
    };
    let mut fields = Fields::new(object, "bimodal.");
    let shape = Latency::Bimodal {
        fast: fields.duration("fast", MAX_LATENCY)?.ok_or_else(|| missing("fast"))?,
        slow: fields.duration("slow", MAX_LATENCY)?.ok_or_else(|| missing("slow"))?,
        slow_percent: fields.percent("slow_percent")?.ok_or_else(|| missing("slow_percent"))?,
    };
    fields.finish("")?;
    Ok(shape)
}

fn moment(fields: &mut Fields<'_>) -> Parsed<Moment> {
    match fields.take("at") {
        None => Ok(Moment::Before),
        Some(at) => match at.as_str() {
            Some("before") => Ok(Moment::Before),
            Some("mid") => Ok(Moment::Mid),
            _ => Err(InvalidFault(format!("at: {at} is no moment; write \"before\" or \"mid\""))),
        },
    }
}

fn status(fields: &mut Fields<'_>) -> Parsed<Status> {
    let code = fields.whole("code", 200, 599)?;
    let code = code.ok_or_else(|| InvalidFault("code: is missing; write a status from 200 to 599".into()))?;
    let retry_after = fields.whole("retry_after", 0, u64::from(u32::MAX))?;
    Ok(Status { code: code as u16, retry_after: retry_after.map(|seconds| seconds as u32) })
}

fn matches(fields: &mut Fields<'_>) -> Parsed<Match> {
    let Some(value) = fields.take("match") else { return Ok(Match::default()) };
    let Some(object) = value.as_object() else {
        let example = "write {\"path\": \"/api*\", \"method\": \"GET\"}";
        return Err(InvalidFault(format!("match: {value} is no object; {example}")));
    };
    let mut fields = Fields::new(object, "match.");
    let path = fields.text("path", "a path such as \"/exact\" or \"/prefix*\"", |path| {
        path.starts_with('/') && path.len() <= MAX_PATH && !path.contains('?')
    })?;
    let method = fields.text("method", "a method in capitals, such as \"GET\"", |method| {
        !method.is_empty() && method.len() <= 32 && method.bytes().all(|byte| byte.is_ascii_uppercase())
    })?;
    fields.finish("")?;
    Ok(Match { path, method })
}

/// The fields of an object. The parser takes each by its name; the rest are unknown fields.
struct Fields<'a> {
    object: &'a Map<String, Value>,
    asked: Vec<&'static str>,
    within: &'static str,
}

impl<'a> Fields<'a> {
    fn new(object: &'a Map<String, Value>, within: &'static str) -> Self {
        Self { object, asked: Vec::new(), within }
    }

    fn take(&mut self, name: &'static str) -> Option<&'a Value> {
        self.asked.push(name);
        self.object.get(name)
    }

    fn required(&mut self, name: &'static str, choices: &str) -> Parsed<&'a Value> {
        self.take(name).ok_or_else(|| InvalidFault(format!("{name}: is missing; write one of {choices}")))
    }

    fn duration(&mut self, name: &'static str, max: Duration) -> Parsed<Option<Duration>> {
        let within = self.within;
        self.take(name).map(|value| duration(&format!("{within}{name}"), value, max)).transpose()
    }

    fn whole(&mut self, name: &'static str, low: u64, high: u64) -> Parsed<Option<u64>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_u64() {
            Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => {
                let range =
                    if high == u64::MAX { format!("{low} or more") } else { format!("{low} to {high}") };
                Err(self.wrong(name, value, &format!("a whole number, {range}")))
            }
        }
    }

    fn percent(&mut self, name: &'static str) -> Parsed<Option<f64>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_f64() {
            Some(percent) if (0.0..=100.0).contains(&percent) => Ok(Some(percent)),
            _ => Err(self.wrong(name, value, "a number from 0 to 100")),
        }
    }

    fn boolean(&mut self, name: &'static str) -> Parsed<bool> {
        let Some(value) = self.take(name) else { return Ok(false) };
        value.as_bool().ok_or_else(|| self.wrong(name, value, "true or false"))
    }

    fn text(&mut self, name: &'static str, what: &str, good: fn(&str) -> bool) -> Parsed<Option<String>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_str() {
            Some(text) if good(text) => Ok(Some(text.to_owned())),
            _ => Err(self.wrong(name, value, what)),
        }
    }

    fn wrong(&self, name: &str, value: &Value, what: &str) -> InvalidFault {
        InvalidFault(format!("{}{name}: {value} is out of place; write {what}", self.within))
    }

    fn finish(self, remark: &str) -> Parsed<()> {
        match self.object.keys().find(|key| !self.asked.contains(&key.as_str())) {
            None => Ok(()),
            Some(unknown) => Err(InvalidFault(format!(
                "{remark}{}{unknown}: no such field here; there are {}",
                self.within,
                self.asked.join(", ")
            ))),
        }
    }
}

/// A number of milliseconds, or a text such as "1s 500ms".
fn duration(name: &str, value: &Value, max: Duration) -> Parsed<Duration> {
    let duration = match value {
        Value::String(text) => humantime::parse_duration(text).ok(),
        other => other.as_u64().map(Duration::from_millis),
    };
    match duration {
        Some(duration) if duration <= max => Ok(duration),
        Some(_) => {
            let max = humantime::format_duration(max);
            Err(InvalidFault(format!("{name}: {value} is too long; write {max} at most")))
        }
        None => Err(InvalidFault(format!(
            "{name}: {value} is no duration; write \"250ms\", \"2s\" or a number of milliseconds"
        ))),
    }
}
