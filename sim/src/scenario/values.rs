//! Values in a scenario, and what to write instead of a wrong one. The TOML parser adds the line.

use std::time::Duration;

use balance::policy::Kind;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A length of time, such as `"50ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match NumberOrWord::deserialize(from)? {
            NumberOrWord::Word(word) if word == "ever" => Ok(Self(Duration::MAX)),
            NumberOrWord::Word(word) => humantime::parse_duration(&word).map(Self).map_err(|_| {
                D::Error::custom(format!(
                    r#""{word}" is no time; write a number with a unit, such as "50ms" or "2s""#
                ))
            }),
            NumberOrWord::Number(number) => {
                Err(D::Error::custom(format!(r#"a time needs a unit; write "{number}ms" or "{number}s""#)))
            }
        }
    }
}

/// A number, or a word that stands for one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "write a number, or a word in quotation marks")]
enum NumberOrWord {
    Number(f64),
    Word(String),
}

/// A number of things, or a word for no limit.
fn count_or<'de, D: Deserializer<'de>>(from: D, word: &str) -> Result<Option<u32>, D::Error> {
    match NumberOrWord::deserialize(from)? {
        NumberOrWord::Word(found) if found == word => Ok(None),
        NumberOrWord::Number(number)
            if number >= 0.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0 =>
        {
            Ok(Some(number as u32))
        }
        NumberOrWord::Number(number) => {
            Err(D::Error::custom(format!(r#"{number} is no count; write a whole number, or "{word}""#)))
        }
        NumberOrWord::Word(found) => {
            Err(D::Error::custom(format!(r#""{found}" is not known; write a whole number, or "{word}""#)))
        }
    }
}

/// Workers: a number, or `"unlimited"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Workers(pub(super) Option<u32>);

impl<'de> Deserialize<'de> for Workers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match count_or(from, "unlimited")? {
            Some(0) => Err(D::Error::custom(
                r#"a server without workers serves nothing; write at least 1, or "unlimited""#,
            )),
            workers => Ok(Self(workers)),
        }
    }
}

/// The bound of a queue: a number, or `"unbounded"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound(pub(super) Option<u32>);

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        count_or(from, "unbounded").map(Self)
    }
}

/// The name of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy(pub(super) Kind);

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        name.parse().map(Self).map_err(|why: String| D::Error::custom(format!(r#""{name}": {why}"#)))
    }
}

/// A number in a range.
fn within<'de, D: Deserializer<'de>>(from: D, least: f64, most: f64, unit: &str) -> Result<f64, D::Error> {
    let number = f64::deserialize(from)?;
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(D::Error::custom(format!("{number} is out of range; write {unit} from {least} to {most}")))
}

/// A percentage, from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Percent(pub(super) f64);

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        within(from, 0.0, 100.0, "a percentage").map(Self)
    }
}

/// A part of something, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part(pub(super) f64);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        within(from, 0.0, 1.0, "a part").map(Self)
    }
}

/// Calls a second, or a factor: above zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Positive(pub(super) f64);

impl<'de> Deserialize<'de> for Positive {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(from)?;
        if number > 0.0 && number <= 1e9 {
            return Ok(Self(number));
        }
        Err(D::Error::custom(format!("{number} is out of range; write a number above 0, at most 1e9")))
    }
}
