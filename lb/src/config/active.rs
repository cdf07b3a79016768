//! The settings that make a balancer different from one without any: for people who look at it.

use super::form::Written;
use super::layer::{Given, Layer};

/// The sections whose settings change how requests are balanced. The others are addresses, names and the log.
const SECTIONS: [&str; 8] =
    ["balance", "health", "outlier", "retries", "hedging", "sticky", "timeouts", "queues"];

/// These are told elsewhere, or can have a secret value.
const NOT: [&str; 3] = ["balance.policy", "balance.seed", "health.ping_headers"];

/// The largest number of characters of a value.
const LONGEST: usize = 40;

/// The settings that were given and that differ from their defaults, in the order of their names: each with
/// its value, such as `balance.hash_by header:x-key`. A switch that is on has no value.
pub(super) fn active(layer: &Layer) -> Vec<String> {
    layer.all().filter(|given| is_active(given)).map(in_words).collect()
}

fn is_active(given: &Given<Written>) -> bool {
    let path = given.setting.path;
    let section = path.split_once('.').map_or("", |(section, _)| section);
    SECTIONS.contains(&section)
        && !NOT.contains(&path)
        && !given.setting.is_secret()
        && given.is_written()
        && !given.is_as_by_default()
}

fn in_words(given: &Given<Written>) -> String {
    let value = text(&given.value);
    let value = match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value,
    };
    match &*value {
        "true" => given.setting.path.to_owned(),
        value => format!("{} {value}", given.setting.path),
    }
}

fn text(value: &Written) -> String {
    match value {
        Written::Plain(text) | Written::Text(text) => text.clone(),
        Written::Number(number) => number.unwrap_or_default().to_string(),
        Written::Switch(is_on) => is_on.to_string(),
        Written::List(values) => values.iter().map(|(value, _)| text(value)).collect::<Vec<_>>().join(", "),
        Written::Other(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Flags, read};

    #[test]
    fn what_differs_from_the_defaults_is_told_and_no_secret() {
        let file = r#"
            admin_token = "0123456789abcdef"
            [balance]
            policy = "ring"
            hash_by = "header:x-key"
            explain = true
            seed = 7
            slow_start = "0s"
            [health]
            fall = 9
            ping_path = "/healthz"
            ping_headers = ["Authorization: Bearer secret"]
            [retries]
            on = [502, 503]
            [[backend]]
            url = "http://127.0.0.1:3031"
        "#;
        let loaded = read(Some(("lb.toml", file)), &Flags::default()).unwrap();
        let expected = [
            "balance.explain",
            "balance.hash_by header:x-key",
            "health.fall 9",
            "health.ping_path /healthz",
            "retries.on 502, 503",
        ];
        assert_eq!(loaded.config.active, expected);
    }
}
