//! How does the JSON of a fault become a [`Fault`]?

use serde_json::{Map, Value};

use super::definition::{Fault, Match};
use super::kinds::{self, KINDS, KindRow};
use super::read::{NAME_OF_HEADER, inner, is_name};
use crate::fields::{Fields, InvalidDefinition, MAX_PAUSE, Parsed, near, shown};

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
        let after = fields.duration("after", MAX_PAUSE)?.unwrap_or_default();
        let lasts = fields.duration("for", MAX_PAUSE)?;
        let always = Self {
            kind,
            percent: 100.0,
            skip: 0,
            every: 1,
            first: None,
            after,
            lasts,
            matches: Match::default(),
        };
        if !always.kind.is_per_request() {
            return Ok(always);
        }
        // A kind with a period of its own has the field `every` for it.
        let has_every = row.scope.iter().any(|field| field.name == "every");
        let every = if has_every { fields.whole("every", 1, u64::MAX)? } else { None };
        Ok(Self {
            percent: fields.percent("percent")?.unwrap_or(100.0),
            skip: fields.whole("skip", 0, u64::MAX)?.unwrap_or(0),
            every: every.unwrap_or(1),
            first: fields.whole("first", 1, u64::MAX)?,
            matches: matches(&fields)?,
            ..always
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
        InvalidDefinition(format!("kind: {} is unknown; write {near}one of {names}", shown(kind)))
    })
}

fn matches(fields: &Fields<'_>) -> Parsed<Match> {
    let Some(value) = fields.take("match") else { return Ok(Match::default()) };
    let example = "{\"path\": \"/api*\", \"method\": \"GET\"}";
    let fields = inner(value, "match.", vec!["path", "method", "header"], example)?;
    let path = fields.text("path", "a path such as \"/exact\" or \"/prefix*\"", |path| {
        path.starts_with('/') && path.len() <= MAX_PATH && !path.contains('?')
    })?;
    let method = fields.text("method", "a method in capitals, such as \"GET\"", |method| {
        !method.is_empty() && method.len() <= 32 && method.bytes().all(|byte| byte.is_ascii_uppercase())
    })?;
    let headers = fields.take("header").map(headers).transpose()?.unwrap_or_default();
    Ok(Match { path, method, headers })
}

fn headers(value: &Value) -> Parsed<Vec<(String, String)>> {
    let example = "{\"x-user\": \"7\"}";
    let wrong = |what: &str| {
        let value = shown(value);
        InvalidDefinition(format!("match.header: {value} is not valid; write {what}, such as {example}"))
    };
    let object = value.as_object().ok_or_else(|| wrong("an object of headers"))?;
    let entry = |(name, value): (&String, &Value)| match value.as_str() {
        Some(text) if is_name(name) => Ok((name.clone(), text.to_owned())),
        Some(_) => Err(wrong(NAME_OF_HEADER)),
        None => Err(wrong("a text for each header")),
    };
    object.iter().map(entry).collect()
}
