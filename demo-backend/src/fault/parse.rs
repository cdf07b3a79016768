//! How does the JSON of a fault become a [`Fault`]?

use serde_json::{Map, Value};

use super::definition::{Fault, Match};
use super::kinds::{self, KINDS, KindRow};
use super::read::inner;
use crate::fields::{Fields, InvalidDefinition, MAX_PAUSE, Parsed, near};

/// The longest path that can match.
const MAX_PATH: usize = 1024;

impl Fault {
    /// Reads a definition such as `{"kind": "status", "code": 503, "percent": 30, "for": "10s"}`.
    ///
    /// # Errors
    /// If a field is missing, unknown or out of its range.
    pub fn parse(definition: &Map<String, Value>) -> Parsed<Self> {
        let row = row(definition)?;
        let remark = format!("; for example {}", row.example);
        let fields = Fields::open(definition, "", row.names(), &remark)?;
        let kind = (row.read)(&fields)?;
        let lasts = fields.duration("for", MAX_PAUSE)?;
        if !row.is_per_request() {
            return Ok(Self { kind, percent: 100.0, first: None, lasts, matches: Match::default() });
        }
        Ok(Self {
            kind,
            percent: fields.percent("percent")?.unwrap_or(100.0),
            first: fields.whole("first", 1, u64::MAX)?,
            lasts,
            matches: matches(&fields)?,
        })
    }
}

/// The row of the table for the kind of a definition.
fn row(definition: &Map<String, Value>) -> Parsed<&'static KindRow> {
    let names = kinds::names();
    let Some(kind) = definition.get("kind") else {
        return Err(InvalidDefinition(format!("kind: is missing; write one of {names}")));
    };
    let name = kind.as_str().unwrap_or_default();
    KindRow::named(name).ok_or_else(|| {
        let known: Vec<_> = KINDS.iter().map(|row| row.name).collect();
        let near = near(name, &known).map(|near| format!("\"{near}\", or ")).unwrap_or_default();
        InvalidDefinition(format!("kind: {kind} is none; write {near}one of {names}"))
    })
}

fn matches(fields: &Fields<'_>) -> Parsed<Match> {
    let Some(value) = fields.take("match") else { return Ok(Match::default()) };
    let example = "{\"path\": \"/api*\", \"method\": \"GET\"}";
    let fields = inner(value, "match.", vec!["path", "method"], example)?;
    let path = fields.text("path", "a path such as \"/exact\" or \"/prefix*\"", |path| {
        path.starts_with('/') && path.len() <= MAX_PATH && !path.contains('?')
    })?;
    let method = fields.text("method", "a method in capitals, such as \"GET\"", |method| {
        !method.is_empty() && method.len() <= 32 && method.bytes().all(|byte| byte.is_ascii_uppercase())
    })?;
    Ok(Match { path, method })
}
