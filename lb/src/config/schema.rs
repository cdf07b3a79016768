//! The JSON schema of configuration files, with which editors complete and check them.

use serde_json::{Map, Value, json};

use super::form::Form;
use super::settings::{SECTIONS, Section, Setting};

/// The schema: JSON Schema, draft 7, which TOML editors support.
pub fn schema() -> Value {
    let (top, below): (Vec<_>, Vec<_>) = SECTIONS.iter().partition(|section| section.name.is_empty());
    let mut properties = Map::new();
    for section in below {
        let table = table(section);
        let schema = match section.repeated {
            true => json!({ "type": "array", "description": section.help, "items": table }),
            false => table,
        };
        properties.insert(section.name.to_owned(), schema);
    }
    properties.extend(top.iter().flat_map(|section| settings(section)));
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of lb",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn table(section: &Section) -> Value {
    let mut table = json!({
        "type": "object",
        "description": section.help,
        "additionalProperties": false,
        "properties": settings(section).collect::<Map<_, _>>(),
    });
    if section.setting("url").is_some() {
        table["required"] = json!(["url"]);
    }
    table
}

fn settings(section: &Section) -> impl Iterator<Item = (String, Value)> {
    let in_file = section.settings.iter().filter(|setting| !setting.path.is_empty());
    in_file.map(|setting| (setting.key().to_owned(), describe(setting)))
}

fn describe(setting: &Setting) -> Value {
    let form = written(setting.form);
    let mut schema = if setting.has_off() { json!({ "anyOf": [form, { "const": "off" }] }) } else { form };
    schema["description"] = json!(setting.help);
    if !setting.default.is_empty() {
        // Numbers and switches are written in the file as on the command line, other values in quotes.
        schema["default"] = match setting.form {
            Form::Count { .. } | Form::Switch | Form::Statuses => {
                setting.default.parse().unwrap_or_else(|_| json!(setting.default))
            }
            _ => json!(setting.default),
        };
    }
    schema
}

fn written(form: Form) -> Value {
    match form {
        Form::Time { .. } => {
            json!({ "type": "string", "pattern": "^ *([0-9]+ *[a-zA-Zµ]+ *)+$|^0$", "examples": ["250ms", "10s", "2m"] })
        }
        Form::Size => json!({ "type": ["string", "integer"], "minimum": 0, "examples": ["64KiB", "1MiB"] }),
        Form::Count { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Form::Percent { .. } => json!({ "type": "string", "pattern": "^[0-9]+ *%$", "examples": ["50%"] }),
        Form::Switch => json!({ "type": "boolean" }),
        Form::Word(_, words) => json!({ "enum": words() }),
        Form::WordOr(_, words, more) => json!({ "enum": ([words(), more()].concat()) }),
        Form::Text(_) => json!({ "type": "string" }),
        Form::List("STATUSES") => {
            json!({ "type": "array", "items": { "type": "integer", "minimum": 400, "maximum": 599 } })
        }
        Form::List(_) => json!({ "type": "array", "items": { "type": "string" } }),
        Form::Statuses => {
            let code = json!({ "type": "integer", "minimum": 100, "maximum": 599 });
            let range = json!({ "type": "string", "pattern": "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$" });
            let one = json!({ "anyOf": [code, range] });
            json!({ "anyOf": [code, range, { "type": "array", "minItems": 1, "items": one }] })
        }
    }
}
