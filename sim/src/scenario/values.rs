//! Values in a scenario, and what to write instead of a wrong one. The TOML parser adds the line.

use std::time::Duration;

use api::excerpt;
use balance::policy::Kind;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// The longest time: a day. A run of a longer time would not end soon.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A length of time, such as `"50ms"`: at most a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        time(&NumberOrWord::deserialize(from)?, "").map(Self).map_err(D::Error::custom)
    }
}

/// A length of time of at most a day, or `"ever"`, which is [`Duration::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeOrEver(pub(super) Duration);

impl<'de> Deserialize<'de> for TimeOrEver {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match NumberOrWord::deserialize(from)? {
            NumberOrWord::Word(word) if word == "ever" => Ok(Self(Duration::MAX)),
            other => time(&other, r#", or "ever""#).map(Self).map_err(D::Error::custom),
        }
    }
}

/// A time of at most a day. An error ends with what else may be written.
fn time(value: &NumberOrWord, or: &str) -> Result<Duration, String> {
    match value {
        NumberOrWord::Word(word) if word == "ever" => {
            Err(r#"only patience and lasts may be "ever"; write a time of at most "1day""#.to_owned())
        }
        NumberOrWord::Word(word) => match humantime::parse_duration(word) {
            Ok(time) if time <= DAY => Ok(time),
            Ok(_) => Err(format!(r#""{}" is too long; write a time of at most "1day"{or}"#, excerpt(word))),
            Err(_) => {
                let word = excerpt(word);
                Err(format!(r#""{word}" is no time; write a number with a unit, such as "50ms" or "2s"{or}"#))
            }
        },
        NumberOrWord::Number(number) => {
            Err(format!(r#"a time needs a unit; write "{number}ms" or "{number}s"{or}"#))
        }
    }
}

/// A number.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    match NumberOrWord::deserialize(from)? {
        NumberOrWord::Number(number) => Ok(number),
        NumberOrWord::Word(word) => {
            let word = excerpt(&word);
            Err(D::Error::custom(format!(r#""{word}" is no number; write such as 10"#)))
        }
    }
}

/// A whole number from 0 on that has no other bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub(super) u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "write a whole number from 0 on, such as 100")]
        enum Value {
            Count(u64),
            Number(f64),
            Word(String),
        }
        let found = match Value::deserialize(from)? {
            Value::Count(count) => return Ok(Self(count)),
            Value::Number(number) => number.to_string(),
            Value::Word(word) => format!("{:?}", excerpt(&word)),
        };
        Err(D::Error::custom(format!("{found} is no count; write a whole number from 0 on, such as 100")))
    }
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole<const LEAST: u32, const MOST: u32>(pub(super) u32);

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = number(from)?;
        if (f64::from(LEAST)..=f64::from(MOST)).contains(&number) && number.fract() == 0.0 {
            return Ok(Self(number as u32));
        }
        Err(D::Error::custom(format!(
            "{number} is not possible; write a whole number from {LEAST} to {MOST}"
        )))
    }
}

/// A number, or a word that stands for one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "write a number, or a text in quotation marks")]
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
            let found = excerpt(&found);
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

/// The policy with this name, also one for teaching. An error lists only the others.
pub(super) fn named(name: &str) -> Result<Kind, String> {
    Kind::named(name, true).or_else(|_| name.parse())
}

/// The name of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy(pub(super) Kind);

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let NumberOrWord::Word(name) = NumberOrWord::deserialize(from)? else {
            return Err(D::Error::custom(r#"a policy has a name; write such as "round-robin""#));
        };
        let wrong = |why| D::Error::custom(format!(r#""{}": {why}"#, excerpt(&name)));
        named(&name).map(Self).map_err(wrong)
    }
}

/// A number in a range.
fn within<'de, D: Deserializer<'de>>(from: D, least: f64, most: f64, unit: &str) -> Result<f64, D::Error> {
    let number = number(from)?;
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

/// The least rate or factor above zero. At a lower rate, no call comes in a year.
const LEAST: f64 = 1e-6;

/// Calls a second in a step: 0, or from 0.000001 to 1e9.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate(pub(super) f64);

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let rate = within(from, 0.0, 1e9, "calls a second")?;
        if rate > 0.0 && rate < LEAST {
            return Err(D::Error::custom(format!(
                "{rate} calls a second are too few; write 0, or at least {LEAST}"
            )));
        }
        Ok(Self(rate))
    }
}

/// Calls a second, or a factor: above zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Positive(pub(super) f64);

impl<'de> Deserialize<'de> for Positive {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = number(from)?;
        if (LEAST..=1e9).contains(&number) {
            return Ok(Self(number));
        }
        Err(D::Error::custom(format!(
            "{number} is out of range; write a number above 0, from {LEAST} to 1e9"
        )))
    }
}
