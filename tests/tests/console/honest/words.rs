//! The sentences of the page that have numbers in them, written a second time.

use serde_json::Value;

use super::format::{num, time};
use super::recording::{Recording, at, list, text};

/// A progress such as `1/2 up`.
pub(super) fn progress(progress: &Value) -> String {
    match progress.is_object() {
        true => format!("{}/{} {}", progress["count"], progress["of"], text(progress, "towards")),
        false => String::new(),
    }
}

/// The line of the log for an event.
pub(super) fn logged(event: &Value) -> Option<String> {
    let backend = &event["backend"];
    match text(event, "event") {
        "control" => Some(format!("{} (by {})", text(event, "what"), text(event, "by"))),
        "load" => Some(match text(event, "loop") {
            "closed" => format!("load: closed loop, {} clients", event["clients"]),
            other => format!("load: {other} loop, {} requests/s", at(event, "/rate")),
        }),
        "state" if event["from"] != event["to"] => {
            let progress = progress(&event["progress"]);
            let progress = if progress.is_empty() { progress } else { format!(" ({progress})") };
            let [from, to, cause] = ["from", "to", "cause"].map(|name| text(event, name));
            Some(format!("B{backend} {from} -> {to}: {cause}{progress}"))
        }
        "fault" => {
            let kind = text(event, "kind");
            let process = match (kind, event["active"] == true) {
                ("kill", true) => "is dead",
                ("kill", false) => "runs again",
                ("stop", true) => "is stopped",
                ("stop", false) => "is not stopped any more",
                _ => "",
            };
            if event["id"].is_null() && !process.is_empty() {
                return Some(format!("B{backend}: its process {process}"));
            }
            if event["active"] != true {
                return Some(format!("B{backend} {kind} ends"));
            }
            let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let params = event["params"].as_object().into_iter().flatten();
            let mut words: Vec<String> =
                params.map(|(name, value)| format!("{name} {}", word(value))).collect();
            words.sort();
            let words = words.join(", ");
            Some(format!("B{backend} {kind} begins{}{words}", if words.is_empty() { "" } else { ": " }))
        }
        _ => None,
    }
}

/// The mark of an event in the plots.
pub(super) fn mark(event: &Value) -> Option<String> {
    match text(event, "event") {
        "fault" => {
            let end = if event["active"] == true { "" } else { " ends" };
            Some(format!("B{} {}{end}", event["backend"], text(event, "kind")))
        }
        "load" => Some(match text(event, "loop") {
            "closed" => format!("closed, {} clients", event["clients"]),
            other => format!("{other}, {}/s", at(event, "/rate")),
        }),
        "control" if event["change"]["kind"] == "policy" => {
            Some(format!("policy {}", text(&event["change"], "policy")))
        }
        "control" => Some(text(event, "what").to_owned()),
        _ => None,
    }
}

/// What the page says of a change of a state to readers who cannot see it.
pub(super) fn live(event: &Value) -> String {
    format!("B{} is {}: {}", event["backend"], text(event, "to"), text(event, "cause"))
}

/// The way of a request.
pub(super) fn route(request: &Value) -> String {
    let mut all: Vec<String> = list(&request["tried"])
        .map(|tried| format!("B{} ({})", tried[0], tried[1].as_str().unwrap_or_default()))
        .collect();
    if let Some(backend) = request["backend"].as_u64() {
        let retries = at(request, "/retries");
        let after = if retries > 0.0 { format!(" after {retries} retries") } else { String::new() };
        all.push(format!("B{backend}{after}"));
    }
    if all.is_empty() { "no backend".to_owned() } else { all.join(" > ") }
}

/// A request in the list of the last decisions.
pub(super) fn decision(request: &Value) -> String {
    let total = time(Some(at(request, "/total_us")));
    format!("#{} → {} · {} · {total}", request["id"], route(request), at(request, "/status"))
}

/// The lines of the panel about one request.
pub(super) fn why(request: &Value, why: &Value) -> Vec<String> {
    let total = time(Some(at(request, "/total_us")));
    let [method, path] = ["method", "path"].map(|name| text(request, name));
    let mut all = vec![format!(
        "#{} {method} {path} → {}: {}, {total}",
        request["id"],
        route(request),
        at(request, "/status")
    )];
    for decision in list(&why["decisions"]) {
        let chosen = decision["chosen"].as_u64().filter(|chosen| *chosen > 0);
        let to = chosen.map_or_else(|| "no backend".to_owned(), |chosen| format!("B{chosen}"));
        let hedge = if decision["hedge"] == true { ", a hedge" } else { "" };
        let (policy, because) = (text(decision, "policy"), text(decision, "because"));
        all.push(format!("Decision {}{hedge} ({policy}) → {to}: {because}", decision["attempt"]));
        let candidates: Vec<&Value> = list(&decision["candidates"]).collect();
        let has_scores = candidates.iter().any(|one| one["score"].is_number());
        for one in candidates {
            let is_chosen = one["backend"].as_u64() == chosen;
            let mut row = format!(
                "B{}{} {} {} {}",
                one["backend"],
                if is_chosen { " (chosen)" } else { "" },
                num(at(one, "/weight"), 0),
                num(at(one, "/in_flight"), 0),
                time(Some(at(one, "/latency_ms") * 1000.0))
            );
            if has_scores {
                let score = one["score"].as_f64();
                let digits = |score: f64| if score % 1.0 == 0.0 { 0 } else { 2 };
                row +=
                    &score.map_or_else(|| " –".to_owned(), |score| format!(" {}", num(score, digits(score))));
            }
            all.push(row);
        }
        all.extend(
            list(&decision["excluded"])
                .map(|one| format!("B{} excluded: {}", one["backend"], text(one, "why"))),
        );
        let left_out = at(decision, "/left_out");
        all.push(format!("{left_out} more backends are not shown"));
        all.extend(list(&decision["tries"]).map(|one| {
            let status = one["status"].as_u64().map_or(String::new(), |status| status.to_string());
            format!("{} {status} after {}", text(one, "outcome"), time(Some(at(one, "/at_us"))))
        }));
    }
    all
}

/// How many different keys the last requests have, in words; nothing without keys.
pub(super) fn keys(recording: &Recording) -> String {
    let sampled = recording.all("req").filter(|request| at(request, "/n") > 0.0);
    let all: Vec<&str> = sampled.rev().filter_map(|request| request["key"].as_str()).take(50).collect();
    let different: std::collections::BTreeSet<&&str> = all.iter().collect();
    match all.len() {
        0 => String::new(),
        count => format!(", {} different keys in {count}", different.len()),
    }
}
