//! How does a JSON object become typed values, and what does an error say?
//!
//! Written by hand, not derived: a derived message says what the parser found, our message says what to write
//! instead. Unknown fields come first: a field in the wrong place often is the reason why another one is
//! missing.

use std::time::Duration;

use serde_json::{Map, Value};

/// The longest duration in a definition.
pub const MAX_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// The error of a definition: the field, what is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDefinition(pub(crate) String);

/// A value, or the error of its definition.
pub type Parsed<T> = Result<T, InvalidDefinition>;

impl InvalidDefinition {
    /// The same error for a definition that is part of something larger.
    #[must_use]
    pub fn within(self, place: &str) -> Self {
        Self(format!("{place}{}", self.0))
    }
}

/// The fields of an object, each taken by its name.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
    within: &'static str,
}

impl<'a> Fields<'a> {
    /// Checks that the object has only known fields. `within` stands before each name in an error, and
    /// `remark` at the end of the error for an unknown field.
    pub(crate) fn open(
        object: &'a Map<String, Value>,
        within: &'static str,
        known: Vec<&'static str>,
        remark: &str,
    ) -> Parsed<Self> {
        let Some(unknown) = object.keys().find(|key| !known.contains(&key.as_str())) else {
            return Ok(Self { object, known, within });
        };
        let near = near(unknown, &known).map(|near| format!("write \"{near}\"; ")).unwrap_or_default();
        let names = known.join(", ");
        Err(InvalidDefinition(format!(
            "{within}{}: no such field here; {near}there are {names}{remark}",
            excerpt(unknown)
        )))
    }

    /// The value of a field that the caller knows; null stands for no value.
    pub(crate) fn take(&self, name: &'static str) -> Option<&'a Value> {
        debug_assert!(self.known.contains(&name), "{name} is not among the known fields");
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A duration of at most `max`.
    pub(crate) fn duration(&self, name: &'static str, max: Duration) -> Parsed<Option<Duration>> {
        self.take(name).map(|value| duration(&self.full(name), value, max)).transpose()
    }

    /// A whole number in a range.
    pub(crate) fn whole(&self, name: &'static str, low: u64, high: u64) -> Parsed<Option<u64>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_u64() {
            Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => Err(self.wrong(name, value, &format!("a whole number, {}", range(low, high)))),
        }
    }

    /// A whole number in a range, or a word that stands for no number.
    pub(crate) fn whole_or(
        &self,
        name: &'static str,
        low: u64,
        high: u64,
        word: &str,
    ) -> Parsed<Option<u64>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_u64() {
            Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
            None if value.as_str() == Some(word) => Ok(None),
            _ => {
                let range = range(low, high);
                Err(self.wrong(name, value, &format!("a whole number, {range}, or \"{word}\"")))
            }
        }
    }

    /// A number in a range.
    pub(crate) fn number(&self, name: &'static str, low: f64, high: f64) -> Parsed<Option<f64>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_f64() {
            Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => Err(self.wrong(name, value, &format!("a number from {low} to {high}"))),
        }
    }

    /// A percentage, 0 to 100.
    pub(crate) fn percent(&self, name: &'static str) -> Parsed<Option<f64>> {
        self.number(name, 0.0, 100.0)
    }

    /// True or false; false without the field.
    pub(crate) fn boolean(&self, name: &'static str) -> Parsed<bool> {
        let Some(value) = self.take(name) else { return Ok(false) };
        value.as_bool().ok_or_else(|| self.wrong(name, value, "true or false"))
    }

    /// A text that satisfies a condition.
    pub(crate) fn text(
        &self,
        name: &'static str,
        what: &str,
        good: fn(&str) -> bool,
    ) -> Parsed<Option<String>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_str() {
            Some(text) if good(text) => Ok(Some(text.to_owned())),
            _ => Err(self.wrong(name, value, what)),
        }
    }

    /// One of these words, which stand for values.
    pub(crate) fn word<T: Copy>(
        &self,
        name: &'static str,
        what: &str,
        words: &[(&str, T)],
    ) -> Parsed<Option<T>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| value.as_str() == Some(word));
        found.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| {
            let choices: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let choices = choices.join(" or ");
            let (name, value) = (self.full(name), shown(value));
            InvalidDefinition(format!("{name}: {value} is no {what}; write {choices}"))
        })
    }

    /// The value of a field without which the definition says nothing.
    pub(crate) fn required<T>(&self, name: &'static str, value: Parsed<Option<T>>, what: &str) -> Parsed<T> {
        value?.ok_or_else(|| InvalidDefinition(format!("{}: is missing; write {what}", self.full(name))))
    }

    /// The error for a value of a wrong form or outside of its range.
    pub(crate) fn wrong(&self, name: &str, value: &Value, what: &str) -> InvalidDefinition {
        InvalidDefinition(format!("{}: {} is not valid; write {what}", self.full(name), shown(value)))
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.within)
    }
}

/// The name that is meant: one that differs in at most one letter, or in two if it is long.
pub(crate) fn near<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let most = if name.len() < 6 { 1 } else { 2 };
    let distance = |known: &&&str| strsim::damerau_levenshtein(name, known);
    known.iter().min_by_key(distance).filter(|known| distance(known) <= most).copied()
}

/// A value for an error.
pub(crate) fn shown(value: &Value) -> String {
    excerpt(&value.to_string())
}

/// The beginning of an input for an error: people read no more of it, and errors stay short.
pub(crate) fn excerpt(input: &str) -> String {
    /// The characters that an error shows.
    const MOST: usize = 100;
    match input.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} ...", &input[..end]),
        None => input.to_owned(),
    }
}

fn range(low: u64, high: u64) -> String {
    if high == u64::MAX { format!("{low} or more") } else { format!("{low} to {high}") }
}

/// A number of milliseconds, or a text such as "1s 500ms".
pub(crate) fn duration(name: &str, value: &Value, max: Duration) -> Parsed<Duration> {
    let duration = match value {
        Value::String(text) => humantime::parse_duration(text).ok(),
        other => other.as_u64().map(Duration::from_millis),
    };
    match duration {
        Some(duration) if duration <= max => Ok(duration),
        Some(_) => {
            let max = humantime::format_duration(max);
            Err(InvalidDefinition(format!("{name}: {} is too long; write {max} at most", shown(value))))
        }
        None => Err(InvalidDefinition(format!(
            "{name}: {} is no duration; write \"250ms\", \"2s\" or a number of milliseconds",
            shown(value)
        ))),
    }
}
