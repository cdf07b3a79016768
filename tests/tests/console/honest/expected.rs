//! What the page must show at each place that has a number, from the events that it has got.

use serde_json::Value;

use super::format::{num, percent, rate, seconds, time};
use super::recording::{LONG, PERCENTILES, POINT, Recording, SHORT, Ticks, at, backend, list, text};
use super::words;

/// The texts that may stand at a place; one of them has to. `None` if it is no known place.
///
/// A place is a part of the page and the name of the figure there: `total offered`, `lane 3 p99`.
pub(super) fn texts(recording: &Recording, place: &str) -> Option<Vec<String>> {
    let ticks = recording.ticks();
    let parts: Vec<&str> = place.split(' ').collect();
    let one = |text: String| Some(vec![text]);
    match parts[..] {
        // The page moves at this speed: see `advance` in its stream.js.
        ["slow-motion"] => one("0.25×".to_owned()),
        ["load-rate-out"] => one(format!("{}/s", num(at(recording.all("load").last()?, "/rate"), 0))),
        ["total-label", name] => one(format!("{} {}", label(name), period(name, &ticks))),
        ["total", name] => one(total(recording, &ticks, name)?),
        ["dot-weight"] => match at(ticks.last(), "/one_in") {
            1.0 => one("1 dot = 1 request".to_owned()),
            more => one(format!("1 dot = {more} requests")),
        },
        ["source-load"] => {
            let load = recording.all("load").last()?;
            one(match text(load, "loop") {
                "open" => format!("open loop, {}/s", num(at(load, "/rate"), 0)),
                _ => {
                    let clients = at(load, "/clients");
                    format!("{} of {clients} clients wait", at(ticks.last(), "/load/waiting").min(clients))
                }
            })
        }
        ["lb-policy"] => {
            let policy = recording.policy().0;
            let keyed = ["ring", "maglev", "rendezvous"].iter().any(|name| policy.contains(name));
            one(format!("{policy}{}", if keyed { words::keys(recording) } else { String::new() }))
        }
        ["ghost-line"] => one(ghost_line(recording)?),
        ["status"] => {
            let last = recording.events().rev().find_map(words::logged)?;
            let seed = at(recording.all("hello").next()?, "/seed");
            one(format!("{last} · seed {seed}"))
        }
        ["settings"] => Some(
            list(&recording.all("hello").next()?["settings"])
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        ),
        ["live"] => {
            Some(recording.all("state").filter(|one| one["from"] != one["to"]).map(words::live).collect())
        }
        ["why-list"] => Some(recording.all("req").map(words::decision).collect()),
        ["why-text"] => Some(
            recording
                .all("why")
                .filter_map(|why| {
                    Some((recording.all("req").find(|request| request["id"] == why["id"])?, why))
                })
                .flat_map(|(request, why)| words::why(request, why))
                .collect(),
        ),
        ["lane", number, "label", name] => {
            number.parse::<usize>().ok()?;
            one(format!("{} {}", label(name), period(name, &ticks)))
        }
        ["lane", number, name] => one(lane(recording, &ticks, number.parse().ok()?, name)?),
        [plot, "caption", column] => caption(plot, column.parse().ok()?).map(|text| vec![text]),
        ["plot-latency", row, column] => {
            one(curve(recording, &ticks, row.parse().ok()?, column.parse().ok()?)?)
        }
        [plot, row, column] => one(point(recording, &ticks, plot, row.parse().ok()?, column.parse().ok()?)?),
        _ => None,
    }
}

/// The word of the page for a figure.
fn label(name: &str) -> &str {
    match name {
        "good-share" => "of good",
        "rate" => "answers",
        "in-flight" => "in flight",
        "imbalance" => "max / mean share",
        other => other,
    }
}

/// The period of a figure, as it stands beside it.
fn period(name: &str, ticks: &Ticks<'_>) -> String {
    match (name, ticks.covers()) {
        ("in-flight" | "queue", _) => "now".to_owned(),
        (_, 0.0) => "5 s".to_owned(),
        (_, covers) => format!("{} s", seconds(covers.min(SHORT))),
    }
}

/// A sum over all backends of a tick.
fn whole(tick: &Value, name: &str) -> f64 {
    list(&tick["backends"]).map(|one| one[name].as_f64().unwrap_or(0.0)).sum()
}

pub(super) fn tries(tick: &Value) -> f64 {
    whole(tick, "picks") + whole(tick, "retries")
}

/// The numbers of the backends.
pub(super) fn numbers(ticks: &Ticks<'_>) -> Vec<usize> {
    list(&ticks.last()["backends"]).filter_map(|one| usize::try_from(one["backend"].as_u64()?).ok()).collect()
}

/// The latencies that clients saw in the last seconds.
pub(super) fn of_clients(ticks: &Ticks<'_>, now: f64, q: f64) -> Option<f64> {
    ticks.latencies(now - SHORT, f64::INFINITY, &|tick| tick["load"]["latency"].clone()).quantile(q)
}

fn total(recording: &Recording, ticks: &Ticks<'_>, name: &str) -> Option<String> {
    let of = |name: &'static str| move |tick: &Value| Some(tick[name].as_f64().unwrap_or(0.0));
    Some(match name {
        "offered" => rate(ticks.rate(&of("requests"))),
        "good" => rate(ticks.rate(&of("good"))),
        "errors" => rate(ticks.rate(&of("errors"))),
        "retries" => {
            let more = ticks.rate(&|tick| Some((tries(tick) - at(tick, "/requests")).max(0.0)));
            let requests = ticks.increase(&of("requests"));
            let times = ticks.increase(&|tick| Some(tries(tick))) / requests;
            let times = if requests > 0.0 { format!(" (×{})", num(times, 2)) } else { String::new() };
            format!("{}{times}", rate(more))
        }
        "imbalance" => imbalance(recording, ticks)
            .map_or_else(|| "–".to_owned(), |imbalance| format!("×{}", num(imbalance, 2))),
        "p50" => time(of_clients(ticks, recording.now(), 0.5)),
        "p99" => time(of_clients(ticks, recording.now(), 0.99)),
        "in-flight" => num(at(ticks.last(), "/in_flight"), 0),
        _ => return None,
    })
}

/// The largest share compared to the average, in relation to the weights; `None` without picks.
pub(super) fn imbalance(recording: &Recording, ticks: &Ticks<'_>) -> Option<f64> {
    let shares: Vec<f64> = numbers(ticks)
        .into_iter()
        .filter(|number| share(ticks, *number, "picks") > 0.0 || gets_requests(recording, *number))
        .map(|number| share(ticks, number, "picks") / weight(ticks, number).max(1.0))
        .collect();
    let sum: f64 = shares.iter().sum();
    let most = shares.iter().copied().fold(0.0, f64::max);
    (sum > 0.0).then(|| most * shares.len() as f64 / sum)
}

/// Whether the balancer sends new requests there.
fn gets_requests(recording: &Recording, number: usize) -> bool {
    let state = recording.last_of(number, &["state"]).map_or("up", |state| text(state, "to"));
    let is_mode = |event: &&Value| event["change"]["kind"] == "mode" && event["change"]["backend"] == number;
    let mode =
        recording.all("control").rfind(is_mode).map_or("ready", |event| text(&event["change"], "mode"));
    state == "up" && mode == "ready"
}

fn weight(ticks: &Ticks<'_>, number: usize) -> f64 {
    backend(ticks.last(), number).map_or(0.0, |one| at(one, "/weight"))
}

pub(super) fn of_lane(number: usize, figure: impl Fn(&Value) -> f64) -> impl Fn(&Value) -> Option<f64> {
    move |tick| backend(tick, number).map(&figure)
}

pub(super) fn good(one: &Value) -> f64 {
    (at(one, "/answers") - at(one, "/errors")).max(0.0)
}

/// The part of one backend of the increase of all backends.
pub(super) fn share(ticks: &Ticks<'_>, number: usize, name: &str) -> f64 {
    let figure = |one: &Value| if name == "good" { good(one) } else { one[name].as_f64().unwrap_or(0.0) };
    let increase = |number| ticks.increase(&of_lane(number, figure));
    let all: f64 = numbers(ticks).into_iter().map(increase).sum();
    if all > 0.0 { increase(number) / all } else { 0.0 }
}

fn lane(recording: &Recording, ticks: &Ticks<'_>, number: usize, name: &str) -> Option<String> {
    let last = backend(ticks.last(), number)?;
    let plain = |name: &'static str| of_lane(number, move |one: &Value| one[name].as_f64().unwrap_or(0.0));
    let ended = ticks.increase(&of_lane(number, |one| at(one, "/answers") + at(one, "/failures")));
    let bad = (ended > 0.0).then(|| 1.0 - ticks.increase(&of_lane(number, good)) / ended);
    let quantile = |q| {
        let buckets = |tick: &Value| backend(tick, number).map_or(Value::Null, |one| one["latency"].clone());
        ticks.latencies(recording.now() - SHORT, f64::INFINITY, &buckets).quantile(q)
    };
    let hello = list(&recording.all("hello").next()?["backends"]).find(|one| one["backend"] == number)?;
    Some(match name {
        "name" => format!("B{number} {}", text(hello, "url").rsplit(':').next()?),
        "share" => percent(Some(share(ticks, number, "picks")), 1),
        "good-share" => percent(Some(share(ticks, number, "good")), 1),
        "rate" => rate(ticks.rate(&plain("answers"))),
        "in-flight" => num(at(last, "/in_flight"), 0),
        "queue" => {
            let most = at(last, "/server/queue");
            let most = if most > 0.0 { format!("/{most}") } else { String::new() };
            format!("{}{most}", num(at(last, "/server/queued") + at(last, "/waiting"), 0))
        }
        "p50" => time(quantile(0.5)),
        "p99" => time(quantile(0.99)),
        "bad" => percent(bad, 0),
        "retries" => rate(ticks.rate(&plain("retries"))),
        "weight" => num(at(last, "/weight"), 0),
        "progress" => words::progress(&recording.last_of(number, &["state", "probe"])?["progress"]),
        "cause" => text(recording.last_of(number, &["state"]).unwrap_or(hello), "cause").to_owned(),
        "probe" => {
            let probe = recording.last_of(number, &["probe"])?;
            format!("probe: {}, {}", text(probe, "what"), time(Some(at(probe, "/took_us"))))
        }
        "faults" => {
            let mut words: Vec<String> =
                list(&last["server"]["faults"]).filter_map(Value::as_str).map(str::to_owned).collect();
            let state = recording.last_of(number, &["state"]).map_or("up", |state| text(state, "to"));
            if bad.is_some_and(|bad| bad > 0.5) && !["down", "ejected"].contains(&state) {
                words.push(format!("{} of its tries fail", percent(bad, 0)));
            }
            words.join(" · ")
        }
        "ghost" => {
            let policy = recording.asked()?;
            let ghost = recording.ghost(policy);
            let of_ghost =
                |tick: &Value| backend(tick, number).map_or(Value::Null, |one| one["latency"].clone());
            let p99 = ghost.latencies(recording.now() - SHORT, f64::INFINITY, &of_ghost).quantile(0.99);
            let n = backend(ghost.last(), number).map_or(0.0, |one| at(one, "/in_flight"));
            let share = percent(Some(share(&ghost, number, "picks")), 1);
            format!("{policy} would have {n} here, share {share}, p99 {}", time(p99))
        }
        _ => return None,
    })
}

fn ghost_line(recording: &Recording) -> Option<String> {
    let policy = recording.asked()?;
    let (ghost, now) = (recording.ghost(policy), recording.now());
    let figures = format!(
        "With {policy}, p50 would be {}, p99 {}, errors {}, in flight {}.",
        time(of_clients(&ghost, now, 0.5)),
        time(of_clients(&ghost, now, 0.99)),
        rate(ghost.rate(&|tick| Some(at(tick, "/errors")))),
        at(ghost.last(), "/in_flight")
    );
    // The mean of the ghost of the policy in force, compared with the mean of the lab.
    let (in_force, since) = recording.policy();
    let own = recording.ghost(in_force);
    let last = at(own.last(), "/t");
    let after = at(own.0.first()?, "/t").max(last - LONG).max(since);
    let mean = |ticks: &Ticks<'_>| {
        let all = ticks.latencies(after, last, &|tick| tick["load"]["latency"].clone());
        (all.count() >= 20.0).then(|| all.sum() / all.count())
    };
    let agreement = mean(&own).zip(mean(&recording.ticks())).map(|(own, real)| {
        let agreement = (100.0 - (own - real).abs() / real * 100.0).max(0.0);
        format!("Agreement {} % (last {} s).", num(agreement, 0), seconds((last - after).max(0.0)))
    });
    Some(format!("{figures} {}", agreement.unwrap_or_else(|| "Agreement: not known yet.".to_owned())))
}

fn caption(plot: &str, column: usize) -> Option<String> {
    Some(match (plot, column) {
        ("plot-rate", 0) => "rate per second · last 60 s".to_owned(),
        ("plot-flight", 0) => "in flight · last 60 s".to_owned(),
        ("plot-flight", number) => format!("B{number}"),
        ("plot-latency", 0) => format!("latency by percentile · last {} s", seconds(LONG)),
        _ => return None,
    })
}

/// A cell of the table of the curve.
fn curve(recording: &Recording, ticks: &Ticks<'_>, row: usize, column: usize) -> Option<String> {
    let (percentile, _) = *PERCENTILES.get(row.checked_sub(1)?)?;
    let of = |ticks: &Ticks<'_>, name: &'static str| {
        let all = ticks.latencies(recording.now() - LONG, f64::INFINITY, &|tick| tick["load"][name].clone());
        let (_, least) = PERCENTILES[row - 1];
        time(all.quantile(percentile / 100.0).filter(|_| all.count() >= least))
    };
    Some(match column {
        0 => format!("p{percentile}"),
        1 => of(ticks, "latency"),
        2 => of(ticks, "uncorrected"),
        3 => of(&recording.ghost(recording.asked()?), "latency"),
        _ => return None,
    })
}

/// A cell of the table of a plot over the time.
fn point(recording: &Recording, ticks: &Ticks<'_>, plot: &str, row: usize, column: usize) -> Option<String> {
    let now = recording.now();
    if row == 0 {
        return (plot == "plot-flight").then(|| format!("B{column}"));
    }
    let shown: Vec<f64> = ticks.0.iter().map(|tick| at(tick, "/t")).filter(|t| t + 60e6 > now).collect();
    let end = *shown.iter().rev().nth((row - 1) * 4)?;
    if column == 0 {
        return Some(format!("{} s ago", seconds(now - end)));
    }
    let last = if plot == "plot-rate" { 5 } else { numbers(ticks).len() + 1 };
    if column == last {
        let is_near = |event: &&Value| at(event, "/t") <= end && at(event, "/t") > end - 1e6;
        return Some(
            recording.events().filter(is_near).filter_map(words::mark).collect::<Vec<_>>().join(", "),
        );
    }
    let value = if plot == "plot-flight" {
        let tick = ticks.0.iter().find(|tick| at(tick, "/t") == end)?;
        backend(tick, column).map(|one| at(one, "/in_flight"))
    } else {
        let (load, own) =
            [("offered", "requests"), ("good", "good"), ("errors", "errors"), ("", "")][column - 1];
        let of_load = ticks.rate_upto(end, POINT, &|tick| tick["load"][load].as_f64());
        let of_balancer =
            |tick: &Value| if own.is_empty() { tries(tick) } else { tick[own].as_f64().unwrap_or(0.0) };
        of_load.or_else(|| ticks.rate_upto(end, POINT, &|tick| Some(of_balancer(tick))))
    };
    Some(value.map_or_else(|| "–".to_owned(), |value| num(value, 0)))
}
