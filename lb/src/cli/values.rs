//! Wrong values on the command line: a switch accepts a value only after an equals sign, or no value at all;
//! and a value that begins with a hyphen looks like a flag.

use super::mistakes::{Command, Mistake};
use crate::config::{ValueForm, as_switch};

/// Switches that are no settings and accept no value.
const BARE: [&str; 5] = ["exit-with-parent", "schema", "force", "json", "backup"];

/// A switch with a separate value, or with a value that it does not accept.
pub(super) fn of_a_switch(args: &[String]) -> Option<Mistake> {
    let next = |index: usize| args.get(index + 1).map(String::as_str);
    args.iter().enumerate().find_map(|(index, arg)| {
        let flag = arg.strip_prefix("--")?;
        match flag.split_once('=') {
            Some((flag, value)) => bare(flag, value),
            // A number after a flag such as --force is the number of a backend.
            None => next(index).and_then(|value| match value.parse::<u32>() {
                Err(_) => apart(flag, value).or_else(|| bare(flag, value)),
                Ok(_) => apart(flag, value),
            }),
        }
    })
}

/// A switch that is a setting, with a space before its value.
fn apart(flag: &str, value: &str) -> Option<Mistake> {
    let on = as_switch(value).filter(|_| ValueForm::of_flag(flag).is_some_and(ValueForm::is_switch))?;
    let what = format!(
        "'{value}' follows --{flag} after a space, but --{flag} takes its value after an equals sign"
    );
    Some((what, format!("write --{flag}={on}")))
}

/// A value for a switch that accepts none.
fn bare(flag: &str, value: &str) -> Option<Mistake> {
    let on = as_switch(value).filter(|_| BARE.contains(&flag))?;
    let fix = if on { format!("write --{flag} alone") } else { format!("leave --{flag} out") };
    Some((format!("--{flag} takes no value, and '{value}' is one"), fix))
}

/// A number below zero, which looks like a flag; `index` is its place among the arguments.
pub(super) fn with_a_hyphen(command: Command, index: usize, args: &[String]) -> Option<Mistake> {
    let value = args.get(index)?;
    let is_number = value.strip_prefix('-')?.starts_with(|letter: char| letter.is_ascii_digit());
    let before = args.get(index.checked_sub(1)?)?;
    let flag = before.strip_prefix("--").filter(|flag| is_number && !flag.contains('='));
    let (name, form) = match (command, flag) {
        (Command::Ctl, Some("wait")) => (before.clone(), Some(ValueForm::TIME)),
        (Command::Ctl, Some(flag)) => (before.clone(), ValueForm::of_key("backend", &flag.replace('-', "_"))),
        (_, Some(flag)) => (before.clone(), ValueForm::of_flag(flag)),
        (Command::Ctl, None) if is_number && args.iter().any(|arg| arg == "weight") => {
            ("the weight".to_owned(), ValueForm::of_key("backend", "weight"))
        }
        (_, None) => return None,
    };
    let wrong = form?.refuses(value).unwrap_or_else(|| {
        ("taken for a flag".to_owned(), format!("write {name}={value} if that is the value"))
    });
    Some((format!("{name} is {value}, {}", wrong.0), wrong.1))
}
