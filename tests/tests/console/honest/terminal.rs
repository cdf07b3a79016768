//! Each number on the terminal is that of the lab: as on the page, with a second calculation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::Event;
use console::terminal::{EventSource, Look, snapshot};
use console::{Glyphs, HELP};
use lab::client::Events;
use lab::spell::time;
use serde_json::{Value, json};

use super::super::driver::Browser;
use super::super::stage::{BACKENDS, Stage};
use super::super::tab::PATIENCE;
use super::expected::{good, imbalance, numbers, of_clients, of_lane, share, tries};
use super::recording::{POINT, Recording, SHORT, Ticks, at, backend, list, text};
use super::words;

/// A screen on which nothing is cut.
const SIZE: (u16, u16) = (220, 60);

/// The events of a lab, which are kept.
struct Kept {
    events: Events,
    kept: Arc<Mutex<Vec<Value>>>,
}

impl EventSource for Kept {
    async fn next(&mut self) -> Option<Event> {
        let event = self.events.next().await.ok()??;
        let known = serde_json::from_value(event.data.clone()).ok()?;
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(event.data);
        Some(known)
    }

    fn waits(&self) -> bool {
        false
    }
}

fn us(us: Option<f64>) -> String {
    time(us.map(|us| Duration::from_secs_f64(us / 1e6)))
}

/// A rate in about three characters.
fn rate(rate: f64) -> String {
    match rate {
        rate if rate < 0.05 => "0".to_owned(),
        rate if rate < 9.95 => format!("{rate:.1}"),
        rate if rate < 999.5 => format!("{rate:.0}"),
        rate => format!("{:.0}k", rate / 1e3),
    }
}

/// A share. Only a share of exactly 1 is 100 %.
fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || "-".to_owned(),
        |share| {
            if share < 1.0 { format!("{:.0} %", (share * 100.0).round().min(99.0)) } else { "100 %".into() }
        },
    )
}

/// The words of a line without bars and marks.
fn plain(line: &str) -> String {
    let is_drawn = |one: char| ('▁'..='█').contains(&one) || "·>!●▲■◆◇".contains(one);
    let kept: String = line.chars().map(|one| if is_drawn(one) { ' ' } else { one }).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The lines about all requests, by the beginning of each.
fn heads(recording: &Recording, ticks: &Ticks<'_>) -> Option<Vec<String>> {
    let last = ticks.last();
    let (hello, load) = (recording.all("hello").next()?, recording.all("load").last()?);
    let now = recording.now();
    let whole =
        |name: &'static str| rate(ticks.rate(&move |tick: &Value| Some(at(tick, &format!("/{name}")))));
    let of_load = |name: &'static str| {
        rate(ticks.rate(&move |tick: &Value| {
            tick["load"].is_object().then(|| at(&tick["load"], &format!("/{name}")))
        }))
    };
    let more = |tick: &Value| (tries(tick) - at(tick, "/requests")).max(0.0);
    let window = format!("{} s", (ticks.covers().min(SHORT) / 1e6).round());
    let most = imbalance(recording, ticks)?;
    let amplification =
        ticks.increase(&|tick| Some(tries(tick))) / ticks.increase(&|tick| Some(at(tick, "/requests")));
    // A bar is the last point of a second.
    let rate_at = |t: f64| {
        let load = ticks.rate_upto(t, POINT, &|tick| tick["load"]["offered"].as_f64());
        load.or_else(|| ticks.rate_upto(t, POINT, &|tick| Some(at(tick, "/requests"))))
    };
    let mut bars = BTreeMap::new();
    for t in ticks.0.iter().map(|tick| at(tick, "/t")) {
        if let Some(rate) = rate_at(t) {
            bars.insert((t / 1e6) as u64, rate.round() as u64);
        }
    }
    let limits = ["workers", "queue"]
        .map(|name| format!("[{name} {}]", at(last, &format!("/backends/0/server/{name}"))));
    let settings: Vec<String> = list(&hello["settings"])
        .filter_map(Value::as_str)
        .map(|one| format!("[{one}]"))
        .chain(limits)
        .collect();
    Some(vec![
        format!(
            "Roundabout {} {:.0}/s, open loop {} s seed {} lb {}",
            recording.policy().0,
            at(load, "/rate"),
            (now / 1e6).floor(),
            at(hello, "/seed"),
            text(hello, "version")
        ),
        format!("settings: {}", settings.join(" ")),
        format!(
            "lb {window}: {} rps {} good {} errors/s ({}) {} retries/s ({}) max/avg {most:.2} tries x{amplification:.2} in flight {}",
            whole("requests"),
            whole("good"),
            whole("errors"),
            at(last, "/errors"),
            rate(ticks.rate(&|tick| Some(more(tick)))),
            more(last),
            at(last, "/in_flight")
        ),
        format!(
            "clients {window}: {} good/s {} errors/s ({}) {} wait p50 {} p99 {}",
            of_load("good"),
            of_load("errors"),
            at(last, "/load/errors"),
            at(last, "/load/waiting"),
            us(of_clients(ticks, now, 0.5)),
            us(of_clients(ticks, now, 0.99))
        ),
        format!("rps, 60 s: top {}", bars.values().max()?),
        "state way process share good rps fly wait err retry p50 p99 load busy queue weight mode last ping"
            .to_owned(),
        plain(HELP[0]),
    ])
}

/// The line of a backend, and what the line below it says.
fn lane(recording: &Recording, ticks: &Ticks<'_>, number: usize) -> Option<[String; 2]> {
    let last = backend(ticks.last(), number)?;
    let server = &last["server"];
    let plain_rate = |figure: fn(&Value) -> f64| rate(ticks.rate(&of_lane(number, figure)));
    let ended = ticks.increase(&of_lane(number, |one| at(one, "/answers") + at(one, "/failures")));
    let good = (ended > 0.0).then(|| ticks.increase(&of_lane(number, good)) / ended);
    let quantile = |q| {
        let buckets = |tick: &Value| backend(tick, number).map_or(Value::Null, |one| one["latency"].clone());
        us(ticks.latencies(recording.now() - SHORT, f64::INFINITY, &buckets).quantile(q))
    };
    let hello = list(&recording.all("hello").next()?["backends"]).find(|one| one["backend"] == number)?;
    let state = recording.last_of(number, &["state"])?;
    let progress =
        recording.last_of(number, &["state", "probe"]).map(|event| words::progress(&event["progress"]));
    let progress = progress.unwrap_or_default();
    let ping = recording.last_of(number, &["probe"]).map_or_else(
        || "-".to_owned(),
        |probe| {
            if probe["ok"] == true { us(Some(at(probe, "/took_us"))) } else { text(probe, "what").to_owned() }
        },
    );
    let ping = if ping.chars().count() > 18 {
        format!("{}~", ping.chars().take(17).collect::<String>())
    } else {
        ping
    };
    let row = format!(
        "B{number} {} {} {} {} {} {} {} {} {} {} {} {} {}/{} {}/{} {} {} {ping}",
        text(state, "to"),
        progress.split(' ').next().unwrap_or_default(),
        text(server, "process"),
        percent(Some(share(ticks, number, "picks"))),
        percent(good),
        plain_rate(|one| at(one, "/answers")),
        at(last, "/in_flight"),
        at(last, "/waiting") + at(server, "/queued"),
        plain_rate(|one| at(one, "/errors") + at(one, "/failures")),
        plain_rate(|one| at(one, "/retries")),
        quantile(0.5),
        quantile(0.99),
        at(server, "/busy"),
        at(server, "/workers"),
        at(server, "/queued"),
        at(server, "/queue"),
        at(last, "/weight"),
        text(hello, "mode"),
    );
    let mut remarks: Vec<String> =
        list(&server["faults"]).filter_map(Value::as_str).map(str::to_owned).collect();
    if state["to"] != "up" {
        remarks.push(text(state, "cause").to_owned());
    }
    remarks.extend(Some(progress).filter(|progress| !progress.is_empty()));
    Some([plain(&row), remarks.join("; ")])
}

/// What a line with a number can be.
fn lines(recording: &Recording) -> Option<Vec<String>> {
    let ticks = recording.ticks();
    let mut all = heads(recording, &ticks)?;
    for number in numbers(&ticks) {
        all.extend(lane(recording, &ticks, number)?);
    }
    for request in recording.all("req") {
        let failure = request["failure"].as_str().map(|failure| format!(" {failure}")).unwrap_or_default();
        let why = recording.all("why").find(|why| why["id"] == request["id"]);
        let because = why.and_then(|why| list(&why["decisions"]).last().map(|one| text(one, "because")));
        let (id, route, because) = (&request["id"], words::route(request), because.unwrap_or_default());
        let (method, path) = (text(request, "method"), text(request, "path"));
        let line = format!(
            "#{id} {method} {path} {route} {}{failure} {} {because}",
            at(request, "/status"),
            us(Some(at(request, "/total_us")))
        );
        all.extend([format!("WHY #{id} {route}: {because}"), format!("last retry or failure: {line}"), line]);
    }
    let told = recording.events().filter_map(|event| Some((at(event, "/t"), words::logged(event)?)));
    all.extend(told.map(|(t, what)| format!("{:.2} s {what}", t / 1e6)));
    Some(all.iter().map(|line| plain(line)).collect())
}

/// Compares all numbers on a screen of the terminal, while the lab works and one of its backends fails.
pub(in super::super) async fn all_numbers_of_the_terminal_are_those_of_the_lab(
    stage: &Stage,
    _browser: &Browser,
) -> Result<()> {
    stage.reset().await?;
    stage.command(json!({"do": "weight", "backend": 2, "weight": 3})).await?;
    stage.command(json!({"do": "fault", "backend": 4, "fault": {"kind": "status", "code": 503}})).await?;
    stage.command(json!({"do": "kill", "backend": 1})).await?;
    lab::eventually(PATIENCE, "the backend to be down", async || {
        ensure!(stage.state().await?.backend(1).is_some_and(|one| one.state == "down"), "not yet");
        Ok(())
    })
    .await?;
    let kept = Arc::<Mutex<Vec<Value>>>::default();
    let source = Kept { events: Events::open(stage.address(), "/events").await?, kept: kept.clone() };
    let look = Look::new(Glyphs::for_locale(Some("C.UTF-8")), false);
    let screen = snapshot(source, &look, SIZE).await?;
    stage.reset().await?;
    let events = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
    let known = lines(&Recording::new(events)).context("the events lack something")?;
    let (mut seen, mut wrong) = (0, Vec::new());
    for line in
        screen.iter().map(|line| plain(line)).filter(|line| line.contains(|one: char| one.is_ascii_digit()))
    {
        seen += 1;
        if !known.contains(&line) {
            let start: String = line.chars().take(3).collect();
            let near: Vec<&String> = known.iter().filter(|known| known.starts_with(&start)).take(2).collect();
            wrong.push(format!("{line}\n  the events give {near:#?}"));
        }
    }
    println!("  {seen} lines with numbers");
    ensure!(wrong.is_empty(), "{} of {seen} lines are wrong:\n{}", wrong.len(), wrong.join("\n"));
    ensure!(seen >= 12 + 2 * BACKENDS - 2, "only {seen} lines have a number:\n{}", screen.join("\n"));
    Ok(())
}
