//! Values on the command line of `lb ctl`: they have the same form as in the file, and errors have the same
//! words.

use std::time::Duration;

use api::excerpt;

use crate::config::ValueForm;

/// Returns the text, or the error in it.
fn checked(form: Option<ValueForm>, text: &str) -> Result<String, String> {
    match form.and_then(|form| form.refuses(text)) {
        Some((is, fix)) => Err(format!("{} is {is}; {fix}", excerpt(text))),
        None => Ok(text.to_owned()),
    }
}

/// A time to wait.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    checked(Some(ValueForm::TIME), text)?;
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// A policy.
pub(super) fn policy(text: &str) -> Result<String, String> {
    checked(ValueForm::of_key("balance", "policy"), text)
}

/// A level of the log.
pub(super) fn level(text: &str) -> Result<String, String> {
    checked(ValueForm::of_key("log", "level"), text)
}

/// A mode of a backend.
pub(super) fn mode(text: &str) -> Result<String, String> {
    checked(ValueForm::of_key("backend", "mode"), text)
}

/// The weight of a backend. The balancer decides which numbers are too large.
pub(super) fn weight(text: &str) -> Result<u32, String> {
    number("weight", text)
}

/// The priority of a backend.
pub(super) fn priority(text: &str) -> Result<u8, String> {
    number("priority", text)
}

/// The limit of a backend.
pub(super) fn max_in_flight(text: &str) -> Result<u32, String> {
    number("max_in_flight", text)
}

fn number<T: std::str::FromStr>(key: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| {
        let refused = checked(ValueForm::of_key("backend", key), text);
        refused.err().unwrap_or_else(|| format!("{} is not a number; write a whole number", excerpt(text)))
    })
}
