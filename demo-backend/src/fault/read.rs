//! How does each kind of fault read its own fields?

use std::time::Duration;

use serde_json::Value;

use super::definition::{Cache, Drip, Exit, Kind, Latency, MAX_LATENCY, Position, Status};
use crate::fields::{Fields, InvalidDefinition, MAX_PAUSE, Parsed, duration, shown};

/// The distributions of a latency, for its error messages.
const SHAPES: &str = "one of \"fixed\": \"400ms\", \"uniform\": [\"10ms\", \"1s\"], \"exponential\": \"200ms\", \
    \"bimodal\": {\"fast\": \"10ms\", \"slow\": \"2s\", \"slow_percent\": 5}, \"lognormal\": {\"p50\": \"20ms\", \
    \"p99\": \"200ms\"}, \"pareto\": {\"min\": \"10ms\", \"alpha\": 1.5, \"cap\": \"5s\"}";

/// The status of a failure of a probe, unless the fault says another one.
const FAILURE: u16 = 503;

/// The longest time of a drain, unless the fault says another one.
const GRACE: Duration = Duration::from_secs(5);

/// The longest name of a header.
const MAX_NAME: usize = 128;

/// The largest number of letters in a pattern.
const MAX_LETTERS: usize = 1000;

/// The largest number of keys in a cache.
const MAX_KEYS: u64 = 1_000_000;

pub(super) fn latency(fields: &Fields<'_>) -> Parsed<Kind> {
    let shapes = [
        fields.duration("fixed", MAX_LATENCY)?.map(Latency::Fixed),
        fields.take("uniform").map(uniform).transpose()?,
        fields.duration("exponential", MAX_LATENCY)?.map(Latency::Exponential),
        fields.take("bimodal").map(bimodal).transpose()?,
        fields.take("lognormal").map(lognormal).transpose()?,
        fields.take("pareto").map(pareto).transpose()?,
    ];
    let mut shapes = shapes.into_iter().flatten();
    match (shapes.next(), shapes.next()) {
        (Some(shape), None) => Ok(Kind::Latency(shape)),
        (None, _) => Err(InvalidDefinition(format!("latency: how long? Write {SHAPES}"))),
        (Some(_), Some(_)) => {
            Err(InvalidDefinition(format!("latency: has more than one distribution; write {SHAPES}")))
        }
    }
}

fn uniform(value: &Value) -> Parsed<Latency> {
    let wrong = || {
        InvalidDefinition(format!(
            "uniform: {} is no range; write [\"10ms\", \"1s\"], low end first",
            shown(value)
        ))
    };
    let Some([low, high]) = value.as_array().map(Vec::as_slice) else { return Err(wrong()) };
    let (low, high) = (duration("uniform", low, MAX_LATENCY)?, duration("uniform", high, MAX_LATENCY)?);
    if low > high { Err(wrong()) } else { Ok(Latency::Uniform(low, high)) }
}

fn bimodal(value: &Value) -> Parsed<Latency> {
    const EXAMPLE: &str = "{\"fast\": \"10ms\", \"slow\": \"2s\", \"slow_percent\": 5}";
    let fields = inner(value, "bimodal.", vec!["fast", "slow", "slow_percent"], EXAMPLE)?;
    Ok(Latency::Bimodal {
        fast: fields.required("fast", fields.duration("fast", MAX_LATENCY), EXAMPLE)?,
        slow: fields.required("slow", fields.duration("slow", MAX_LATENCY), EXAMPLE)?,
        slow_percent: fields.required("slow_percent", fields.percent("slow_percent"), EXAMPLE)?,
    })
}

fn lognormal(value: &Value) -> Parsed<Latency> {
    const EXAMPLE: &str = "{\"p50\": \"20ms\", \"p99\": \"200ms\"}";
    let fields = inner(value, "lognormal.", vec!["p50", "p99"], EXAMPLE)?;
    let p50 = fields.required("p50", fields.duration("p50", MAX_LATENCY), EXAMPLE)?;
    let p99 = fields.required("p99", fields.duration("p99", MAX_LATENCY), EXAMPLE)?;
    if p50.is_zero() || p99 < p50 {
        let reason = "a median above 0, and a p99 that is not below it";
        return Err(InvalidDefinition(format!("lognormal: {} is not valid; write {reason}", shown(value))));
    }
    Ok(Latency::Lognormal { p50, p99 })
}

fn pareto(value: &Value) -> Parsed<Latency> {
    const EXAMPLE: &str = "{\"min\": \"10ms\", \"alpha\": 1.5, \"cap\": \"5s\"}";
    let fields = inner(value, "pareto.", vec!["min", "alpha", "cap"], EXAMPLE)?;
    Ok(Latency::Pareto {
        min: fields.required("min", fields.duration("min", MAX_LATENCY), EXAMPLE)?,
        alpha: fields.required("alpha", fields.number("alpha", 0.1, 100.0), EXAMPLE)?,
        cap: fields.duration("cap", MAX_LATENCY)?.unwrap_or(MAX_LATENCY),
    })
}

/// The fields of an object inside a definition; `within` is the name of the object, and a dot.
pub(super) fn inner<'a>(
    value: &'a Value,
    within: &'static str,
    known: Vec<&'static str>,
    example: &str,
) -> Parsed<Fields<'a>> {
    let Some(object) = value.as_object() else {
        let name = within.trim_end_matches('.');
        return Err(InvalidDefinition(format!("{name}: {} is no object; write {example}", shown(value))));
    };
    Fields::open(object, within, known, "")
}

fn position(fields: &Fields<'_>) -> Parsed<Position> {
    let words = [("before", Position::Before), ("mid", Position::Mid)];
    Ok(fields.word("at", "position", &words)?.unwrap_or(Position::Before))
}

pub(super) fn stall(fields: &Fields<'_>) -> Parsed<Kind> {
    Ok(Kind::Stall { at: position(fields)?, hold: fields.duration("hold", MAX_PAUSE)? })
}

pub(super) fn status(fields: &Fields<'_>) -> Parsed<Kind> {
    let retry_after = fields.whole("retry_after", 0, u64::from(u32::MAX))?;
    if let Some(value) = fields.take("weighted") {
        if fields.take("code").is_some() || retry_after.is_some() {
            let reason = "weighted: stands alone; remove code and retry_after".to_owned();
            return Err(InvalidDefinition(reason));
        }
        return weighted(value).map(Kind::Weighted);
    }
    let code = fields.whole("code", 200, 599);
    let code = fields.required("code", code, "a status from 200 to 599")?;
    Ok(Kind::Status(Status { code: code as u16, retry_after: retry_after.map(|seconds| seconds as u32) }))
}

fn weighted(value: &Value) -> Parsed<Vec<(u16, f64)>> {
    let wrong = || {
        let right = "statuses from 200 to 599 with weights above 0, such as {\"200\": 0.9, \"503\": 0.1}";
        InvalidDefinition(format!("weighted: {} is not valid; write {right}", shown(value)))
    };
    let object = value.as_object().filter(|object| !object.is_empty()).ok_or_else(wrong)?;
    let entry = |(code, weight): (&String, &Value)| {
        let code = code.parse().ok().filter(|code| (200..=599).contains(code));
        let weight = weight.as_f64().filter(|weight| *weight > 0.0);
        code.zip(weight).ok_or_else(wrong)
    };
    object.iter().map(entry).collect()
}

/// The status of a failure.
fn failure(fields: &Fields<'_>) -> Parsed<u16> {
    Ok(fields.whole("code", 200, 599)?.map_or(FAILURE, |code| code as u16))
}

pub(super) fn pattern(fields: &Fields<'_>) -> Parsed<Kind> {
    let what = "letters S (success) and F (failure), such as \"SFSF\"";
    let letters = fields.text("pattern", what, |letters| {
        (1..=MAX_LETTERS).contains(&letters.len())
            && letters.chars().all(|letter| matches!(letter, 'S' | 'F'))
    });
    let letters = fields.required("pattern", letters, what)?;
    Ok(Kind::Pattern { fails: letters.chars().map(|letter| letter == 'F').collect(), code: failure(fields)? })
}

pub(super) fn flap(fields: &Fields<'_>) -> Parsed<Kind> {
    Ok(Kind::Flap { up: period(fields, "up")?, down: period(fields, "down")?, code: failure(fields)? })
}

/// A duration above 0 that must be there.
fn period(fields: &Fields<'_>, name: &'static str) -> Parsed<Duration> {
    let period = fields.required(name, fields.duration(name, MAX_PAUSE), "a duration such as \"2s\"")?;
    if period.is_zero() {
        return Err(InvalidDefinition(format!("{name}: 0 is not valid; write a duration above 0")));
    }
    Ok(period)
}

pub(super) fn load_report(fields: &Fields<'_>) -> Parsed<Kind> {
    Ok(Kind::LoadReport(fields.number("lie", 0.0, 100.0)?.unwrap_or(1.0)))
}

pub(super) fn exit_on_term(fields: &Fields<'_>) -> Parsed<Kind> {
    let grace = fields.duration("grace", MAX_PAUSE)?.unwrap_or(GRACE);
    let words = [("ignore", Exit::Ignore), ("immediate", Exit::Immediate), ("drain", Exit::Drain(grace))];
    let how = fields.word("how", "reaction", &words);
    let how = fields.required("how", how, "\"ignore\" or \"immediate\" or \"drain\"")?;
    if fields.take("grace").is_some() && !matches!(how, Exit::Drain(_)) {
        return Err(InvalidDefinition("grace: only \"how\": \"drain\" has it; remove it".into()));
    }
    Ok(Kind::ExitOnTerm(how))
}

pub(super) fn cold_start(fields: &Fields<'_>) -> Parsed<Kind> {
    let from = fields.required("from", fields.number("from", 1.0, 100.0), "a speed in percent, 1 to 100")?;
    Ok(Kind::ColdStart { from, over: period(fields, "over")? })
}

pub(super) fn cache(fields: &Fields<'_>) -> Parsed<Kind> {
    let size = fields.required("size", fields.whole("size", 1, MAX_KEYS), "the number of keys")?;
    let time =
        |name| fields.required(name, fields.duration(name, MAX_LATENCY), "a duration such as \"20ms\"");
    let header = fields.text("header", NAME_OF_HEADER, is_name)?;
    Ok(Kind::Cache(Cache {
        size: usize::try_from(size).unwrap_or(usize::MAX),
        hit: time("hit")?,
        miss: time("miss")?,
        header,
    }))
}

/// What a name of a header must be.
pub(super) const NAME_OF_HEADER: &str = "the name of a header in small letters, such as \"x-user\"";

/// Whether a text is the name of a header in small letters.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fits)
}

pub(super) fn ramp(fields: &Fields<'_>) -> Parsed<Kind> {
    let time =
        |name| fields.required(name, fields.duration(name, MAX_LATENCY), "a duration such as \"20ms\"");
    Ok(Kind::Ramp { from: time("from")?, to: time("to")?, over: period(fields, "over")? })
}

pub(super) fn gc(fields: &Fields<'_>) -> Parsed<Kind> {
    let (every, pause) = (period(fields, "every")?, period(fields, "pause")?);
    if pause > every {
        let reason = "pause: is longer than every; write a pause that is shorter".to_owned();
        return Err(InvalidDefinition(reason));
    }
    Ok(Kind::Gc { every, pause })
}

pub(super) fn drip(fields: &Fields<'_>) -> Parsed<Kind> {
    Ok(Kind::Drip(Drip {
        bytes: fields.whole("bytes", 1, u64::MAX)?.unwrap_or(1),
        every: fields.duration("every", MAX_PAUSE)?.unwrap_or(Duration::from_millis(100)),
    }))
}

pub(super) fn truncate(fields: &Fields<'_>) -> Parsed<Kind> {
    Ok(Kind::Truncate { bytes: fields.whole("bytes", 0, u64::MAX)?, chunked: fields.boolean("chunked")? })
}

pub(super) fn reset(fields: &Fields<'_>) -> Parsed<Kind> {
    Ok(Kind::Reset(position(fields)?))
}
