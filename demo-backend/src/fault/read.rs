//! How does each kind of fault read its own fields?

use std::time::Duration;

use serde_json::Value;

use super::definition::{Drip, Kind, Latency, MAX_LATENCY, Moment, Status};
use crate::fields::{Fields, InvalidDefinition, MAX_PAUSE, Parsed, duration};

/// The distributions of a latency, for its error messages.
const SHAPES: &str = "one of \"fixed\": \"400ms\", \"uniform\": [\"10ms\", \"1s\"], \"exponential\": \"200ms\", \
    \"bimodal\": {\"fast\": \"10ms\", \"slow\": \"2s\", \"slow_percent\": 5}";

pub(super) fn latency(fields: &Fields<'_>) -> Parsed<Kind> {
    let fixed = fields.duration("fixed", MAX_LATENCY)?.map(Latency::Fixed);
    let uniform = fields.take("uniform").map(uniform).transpose()?;
    let exponential = fields.duration("exponential", MAX_LATENCY)?.map(Latency::Exponential);
    let bimodal = fields.take("bimodal").map(bimodal).transpose()?;
    let mut shapes = [fixed, uniform, exponential, bimodal].into_iter().flatten();
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
        InvalidDefinition(format!("uniform: {value} is no range; write [\"10ms\", \"1s\"], low end first"))
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

/// The fields of an object inside a definition; `within` is the name of the object, and a dot.
pub(super) fn inner<'a>(
    value: &'a Value,
    within: &'static str,
    known: Vec<&'static str>,
    example: &str,
) -> Parsed<Fields<'a>> {
    let Some(object) = value.as_object() else {
        let name = within.trim_end_matches('.');
        return Err(InvalidDefinition(format!("{name}: {value} is no object; write {example}")));
    };
    Fields::open(object, within, known, "")
}

fn moment(fields: &Fields<'_>) -> Parsed<Moment> {
    let words = [("before", Moment::Before), ("mid", Moment::Mid)];
    Ok(fields.word("at", "moment", &words)?.unwrap_or(Moment::Before))
}

pub(super) fn stall(fields: &Fields<'_>) -> Parsed<Kind> {
    Ok(Kind::Stall { at: moment(fields)?, hold: fields.duration("hold", MAX_PAUSE)? })
}

pub(super) fn status(fields: &Fields<'_>) -> Parsed<Kind> {
    let code = fields.whole("code", 200, 599);
    let code = fields.required("code", code, "a status from 200 to 599")?;
    let retry_after = fields.whole("retry_after", 0, u64::from(u32::MAX))?;
    Ok(Kind::Status(Status { code: code as u16, retry_after: retry_after.map(|seconds| seconds as u32) }))
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
    Ok(Kind::Reset(moment(fields)?))
}
