//! The report of a run: one page that a student hands in.
//!
//! [`Kept`] takes in the events of a run, and [`report`] makes one file of HTML from it: plots with a table
//! beside each, the changes with their causes, the backends at the end, some requests with the reasons for
//! their ways, and the figures of every policy on the same requests. The file needs no other file, has no
//! script, and prints well.
//!
//! Pure: all times are those of the events.

mod chart;
mod decisions;
mod ghosts;
mod html;
mod kept;
mod moment;
mod plots;
mod recent;
mod requests;
mod stretch;
mod style;

use api::Hello;

pub use self::ghosts::{Replay, Replays};
pub use self::html::{Page, Table};
pub use self::kept::Kept;
use self::moment::{date, maybe_milliseconds, seconds};
use crate::glyphs::Glyphs;
use crate::model::{Lane, LineKind, View};

/// The most changes that a report lists.
const MOST_CHANGES: usize = 400;

/// The requests of each kind that a report lists.
const MOST_REQUESTS: usize = 10;

/// A run, for its report.
#[derive(Clone, Debug)]
pub struct Run {
    /// What happened.
    pub kept: Kept,
    /// What every other policy would have done.
    pub ghosts: Replays,
}

/// Makes the report of a run, as a file of HTML.
pub fn report(run: &Run) -> String {
    let nothing = Hello::default();
    let hello = run.kept.first().unwrap_or(&nothing);
    let view = run.kept.model().view();
    let title = format!("Report of a run, {}", date(hello.epoch_unix_us.saturating_add(hello.t)));
    let mut page = Page::default();
    page.title(&title);
    summary(&mut page, run, hello, &view);
    if run.kept.stretches().is_empty() {
        page.words("This run has no figures yet.");
    } else {
        plots::plots(&mut page, &run.kept, hello.t);
    }
    changes(&mut page, &run.kept, hello.t);
    lanes(&mut page, &run.kept, &view);
    decided(&mut page, run, hello.t);
    ghosts(&mut page, run, &view);
    page.finish(&title)
}

fn summary(page: &mut Page, run: &Run, hello: &Hello, view: &View) {
    let lasted = run.kept.now().saturating_sub(hello.t) as f64 / 1e6;
    page.section("summary", "The run");
    page.facts(&[
        ("began", date(hello.epoch_unix_us.saturating_add(hello.t))),
        ("lasted", format!("{lasted:.1} s")),
        ("seed", hello.seed.map_or_else(|| "unknown".to_owned(), |seed| seed.to_string())),
        ("policy at the start", hello.policy.to_string()),
        ("policy at the end", view.policy.to_string()),
        ("load at the end", load_in_words(view)),
        ("backends", view.lanes.len().to_string()),
        ("balancer", format!("version {}, {} workers, at {}", hello.version, hello.workers, hello.listen)),
        ("console", format!("version {}, format {} of the events", env!("CARGO_PKG_VERSION"), hello.schema)),
        ("events that this console missed", view.totals.missed.to_string()),
    ]);
    page.blanks(&["name", "question", "what I expected", "what happened", "why"]);
}

fn load_in_words(view: &View) -> String {
    match &view.load {
        Some(load) if load.control == "closed" => format!("closed loop, {} clients", load.clients),
        Some(load) => format!("{} loop, {} requests/s", load.control, load.rate),
        None => "no load from this lab".to_owned(),
    }
}

fn changes(page: &mut Page, kept: &Kept, begin: u64) {
    page.section("changes", "What changed, and why");
    let all = kept.changes().count();
    let skipped = all.saturating_sub(MOST_CHANGES);
    let left_out = kept.forgotten() + skipped as u64;
    if all == 0 {
        return page.words("Nothing changed.");
    }
    if left_out > 0 {
        page.words(&format!("{left_out} older changes are left out."));
    }
    let mut table = Table::new(
        "Changes of states, faults, settings and the load; the plots have the same numbers",
        &["number", "time", "kind", "what, and its cause"],
    );
    let first = kept.forgotten() + 1;
    for (number, line) in (first..).zip(kept.changes()).skip(skipped) {
        table.row(vec![
            number.to_string(),
            seconds(line.t, begin),
            kind(line.kind).to_owned(),
            line.text.clone(),
        ]);
    }
    page.table(&table);
}

fn kind(kind: LineKind) -> &'static str {
    match kind {
        LineKind::State => "state",
        LineKind::Control => "change",
        LineKind::Fault => "fault",
        LineKind::Load => "load",
        LineKind::Gap => "gap",
    }
}

fn lanes(page: &mut Page, kept: &Kept, view: &View) {
    page.section("lanes", "The backends at the end");
    let window = view.window_us as f64 / 1e6;
    let mut now = Table::new(
        &format!("State and figures at the end; rates, shares and latencies of the last {window:.0} s"),
        &[
            "backend",
            "address",
            "state",
            "cause",
            "mode",
            "weight",
            "active faults",
            "answers/s",
            "share",
            "share of good answers",
            "in flight",
            "p50",
            "p99",
            "errors/s",
        ],
    );
    for lane in &view.lanes {
        now.row(row(lane));
    }
    page.table(&now);
    let mut ever = Table::new(
        "Sums since the start of the balancer",
        &["backend", "picks", "answers", "answers 5xx", "failed tries", "retries"],
    );
    for sums in kept.stretches().last().iter().flat_map(|last| &last.lanes) {
        let counts = [sums.picks, sums.answers, sums.errors, sums.failures, sums.retries];
        let cells = std::iter::once(format!("B{}", sums.number)).chain(counts.map(|count| count.to_string()));
        ever.row(cells.collect());
    }
    page.table(&ever);
}

fn row(lane: &Lane) -> Vec<String> {
    let glyphs = Glyphs::for_locale(Some("utf-8"));
    let percent = |part: f64| format!("{:.1} %", 100.0 * part);
    let mut state = format!("{} {}", glyphs.shape(lane.state), lane.state.word());
    if !lane.progress.is_empty() {
        state += &format!(" ({})", lane.progress);
    }
    vec![
        format!("B{}", lane.number),
        lane.url.clone(),
        state,
        lane.cause.to_string(),
        lane.mode.to_string(),
        lane.weight.to_string(),
        if lane.faults.is_empty() { "none".to_owned() } else { lane.faults.join(", ") },
        format!("{:.1}", lane.rate),
        percent(lane.share),
        percent(lane.good_share),
        lane.in_flight.to_string(),
        maybe_milliseconds(lane.p50_us),
        maybe_milliseconds(lane.p99_us),
        format!("{:.1}", lane.errors),
    ]
}

fn decided(page: &mut Page, run: &Run, begin: u64) {
    let requests = run.kept.requests();
    page.section("requests", "Some requests, and why they went there");
    page.words("The balancer reports a sample of its requests. All requests here are from this sample.");
    for (caption, told) in [
        (
            "Requests that needed more than one try, the last ones first",
            requests.retried(MOST_REQUESTS).collect::<Vec<_>>(),
        ),
        ("The slowest requests", requests.slowest(MOST_REQUESTS).collect()),
        ("The last requests", requests.last(MOST_REQUESTS).collect()),
    ] {
        decisions::requests(page, caption, told.into_iter(), begin);
    }
}

fn ghosts(page: &mut Page, run: &Run, view: &View) {
    page.section("ghosts", "Every other policy on the same requests");
    let rows = match &run.ghosts {
        Replays::Known(rows) => rows,
        Replays::Missing(why) => return page.words(&format!("This comparison is not available: {why}.")),
    };
    let recent = run.kept.recent();
    let lasted = recent.ends().unwrap_or(0).saturating_sub(recent.begins().unwrap_or(0)) as f64 / 1e6;
    page.words(&format!(
        "The simulator ran the {} requests of the last {lasted:.0} s under each policy: with the same arrivals, \
         the same measured service times, and the same faults.",
        recent.requests()
    ));
    if let Some(difference) = Replays::difference(rows, &view.policy) {
        page.words(&format!(
            "The mean of the simulated {} is {difference:+.1} % off what happened. If this is more than a few per \
             cent, the other rows say little.",
            view.policy
        ));
    }
    let mut table = Table::new(
        "Latencies, errors and the largest share of one backend under each policy",
        &["policy", "mean", "p50", "p95", "p99", "errors", "largest share"],
    );
    let ms = |value: f64| format!("{value:.1} ms");
    for row in rows {
        table.row(vec![
            row.name().to_owned(),
            ms(row.mean_ms),
            ms(row.p50_ms),
            row.p95_ms.map_or_else(|| "-".to_owned(), ms),
            ms(row.p99_ms),
            format!("{} of {}", row.errors, row.calls),
            format!("{:.1} %", 100.0 * row.max_share),
        ]);
    }
    page.table(&table);
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
