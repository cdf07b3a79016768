//! The settings of the balancer, as the text of its configuration file.

use toml::{Table, Value};

use super::form::{BalancerForm, Time};
use super::names::{KEY_HEADER, PING_PATH};

/// A time in which nothing happens during a lesson.
const NEVER: &str = "10m";

/// The statuses after which a request goes to another backend.
const ERRORS: [i64; 4] = [500, 502, 503, 504];

/// The text of the file. `extra` has more settings, which come last.
pub(super) fn settings(
    form: &BalancerForm,
    has_keys: bool,
    extra: Table,
    policy: &str,
) -> Result<String, String> {
    let mut all = Table::new();
    let mut set = |section: &str, key: &str, value: Option<Value>| {
        let Some(value) = value else { return };
        let table = all.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let Some(table) = table.as_table_mut() {
            table.insert(key.to_owned(), value);
        }
    };
    let number = |number: Option<u32>| number.map(|number| Value::Integer(number.into()));
    let percent = |number: Option<u32>| number.map(|number| Value::String(format!("{number}%")));
    let time = |time: Option<Time>| {
        time.map(|time| Value::String(humantime::format_duration(time.0).to_string().replace(' ', "")))
    };
    let text = |text: &str| Some(Value::String(text.to_owned()));
    set("balance", "policy", text(policy));
    set("balance", "explain", Some(Value::Boolean(true)));
    if has_keys {
        set("balance", "hash_by", text(&format!("header:{KEY_HEADER}")));
    }
    if form.checks == Some(false) {
        set("health", "ping_interval", text(NEVER));
        set("health", "silence", text(NEVER));
    }
    match form.ping.as_deref() {
        None | Some("tcp") => {}
        Some("http") => {
            set("health", "ping_path", text(PING_PATH));
            // A ping is no work, as in the simulator.
            let header = Value::String("X-Lab-Work: 0".to_owned());
            set("health", "ping_headers", Some(Value::Array(vec![header])));
        }
        Some("none") => set("health", "ping_interval", text(NEVER)),
        Some(other) => return Err(format!("ping = \"{other}\": write tcp, http or none")),
    }
    set("health", "ping_interval", time(form.ping_interval));
    set("health", "ping_timeout", time(form.ping_timeout));
    set("health", "rise", number(form.rise));
    set("health", "fall", number(form.fall));
    set("health", "silence", time(form.silence));
    set("balance", "slow_start", time(form.slow_start));
    set("balance", "subset", number(form.subset));
    set("balance", "teaching", form.teaching.map(Value::Boolean));
    set("balance", "load_view_delay", time(form.load_view_delay));
    set("balance", "panic_threshold", percent(form.panic_threshold));
    set("balance", "load_factor", percent(form.load_factor));
    set("balance", "remembered_keys", number(form.remembered_keys));
    set("balance", "affinity_gap", number(form.affinity_gap));
    set("outlier", "consecutive_errors", number(form.outlier_errors));
    set("outlier", "ejection_time", time(form.ejection_time));
    set("retries", "retries", number(form.retries));
    set("retries", "retry_delay", time(form.retry_delay));
    set("retries", "attempts", number(form.attempts));
    if form.retry_on_errors == Some(true) {
        set("retries", "on", Some(Value::Array(ERRORS.map(Value::Integer).to_vec())));
    }
    set("retries", "budget", percent(form.budget_percent));
    set("retries", "budget_per_second", number(form.budget_per_second));
    set("timeouts", "response", time(form.response_timeout));
    set("queues", "backend_limit", number(form.max_in_flight));
    set("queues", "queue", number(form.queue));
    set("queues", "queue_timeout", time(form.queue_timeout));
    for (section, value) in extra {
        match value {
            Value::Table(keys) => keys.into_iter().for_each(|(key, value)| set(&section, &key, Some(value))),
            _ => {
                return Err(format!(
                    "lb.{section}: write a table, such as lb = {{ hedging = {{ after = \"50ms\" }} }}"
                ));
            }
        }
    }
    toml::to_string(&all).map_err(|error| error.to_string())
}
