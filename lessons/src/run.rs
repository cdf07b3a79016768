//! `lessons run`: the question of a lesson, its runs, and the verdict on each claim.

use std::path::Path;

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use lessons::live::Lateness;
use lessons::{Lesson, Outcome, Place, Reports, Verdict};
use serde_json::{Value, json};

use crate::ask::{conclusion, pause, predict, question};
use crate::course::Found;
use crate::foreign::Foreign;
use crate::print::print;
use crate::progress::{self, Entry, Judged};
use crate::show::Show;

/// Run one lesson.
#[derive(Args)]
pub(crate) struct Run {
    /// Its number, such as 06.
    number: String,
    /// Ask no question: run, and check the claims.
    #[arg(long)]
    check: bool,
    /// Print the results as JSON; implies --check.
    #[arg(long)]
    json: bool,
    /// The seed, instead of that of the lesson.
    #[arg(long)]
    seed: Option<u64>,
    /// Run with this number of seeds, one after the other.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,
    /// Run at one place only: in virtual time, or live, on real processes.
    #[arg(long, value_name = "PLACE")]
    only: Option<OnlyPlace>,
    /// Make the live runs as short as their claims allow.
    #[arg(long)]
    quick: bool,
    /// Do not serve the page on port 4000 during live runs.
    #[arg(long)]
    no_page: bool,
    #[command(flatten)]
    foreign: Foreign,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnlyPlace {
    Virtual,
    Live,
}

/// What became of the claims.
struct Verdicts {
    /// The worst outcome.
    worst: Outcome,
    claims: Vec<Judged>,
}

impl Verdicts {
    fn add(&mut self, context: &Context<'_>, says: &str, verdict: Verdict) {
        self.worst = worse(self.worst, verdict.outcome);
        self.claims.push(Judged::of(says, context.place.word(), context.seed, verdict));
    }
}

/// What the claims of a lesson have in common.
struct Context<'a> {
    number: &'a str,
    place: Place,
    seed: u64,
}

impl Run {
    /// The number of the lesson.
    pub(crate) fn number(&self) -> &str {
        &self.number
    }

    /// Returns the worst outcome of a claim.
    pub(crate) fn run(&self, found: &Found, progress: &Path) -> Result<Outcome> {
        let Found { number, lesson, folder } = found;
        let first = self.seed.unwrap_or_else(|| lesson.seed());
        let mut prediction = None;
        if !self.check && !self.json {
            question(number, lesson)?;
            sheet(number, lesson, first)?;
            prediction = predict(lesson)?;
        }
        let mut verdicts = Verdicts { worst: Outcome::Pass, claims: Vec::new() };
        for seed in first..first.saturating_add(self.repeat.into()) {
            if self.foreign.is_wanted() {
                self.run_foreign(number, lesson, seed, &mut verdicts)?;
                continue;
            }
            if self.only != Some(OnlyPlace::Live) {
                self.run_virtual(number, lesson, seed, &mut verdicts)?;
            }
            if self.only != Some(OnlyPlace::Virtual) {
                if prediction.is_some() && self.only.is_none() && !lesson.claims(Place::Live).is_empty() {
                    pause()?;
                }
                self.run_live(number, lesson, seed, &mut verdicts)?;
            }
        }
        if let Some(prediction) = prediction.clone() {
            let holds = verdicts.worst != Outcome::Fail;
            let entry = Entry {
                lesson: number.clone(),
                prediction,
                answer: lesson.answer.clone(),
                holds,
                claims: verdicts.claims.clone(),
                at: progress::now(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            progress::append(progress, &entry)?;
        }
        if !self.json {
            print(&conclusion(lesson, prediction.as_ref(), folder))?;
        }
        Ok(verdicts.worst)
    }

    fn run_virtual(&self, number: &str, lesson: &Lesson, seed: u64, verdicts: &mut Verdicts) -> Result<()> {
        let context = Context { number, place: Place::Virtual, seed };
        let reports = lesson.run(seed).map_err(|error| anyhow!("lesson {number}: {error}"))?;
        for claim in lesson.claims(Place::Virtual) {
            let verdict = claim.verdict(&reports, self.repeat);
            verdicts.add(&context, &claim.says, verdict);
            print(&self.line(&context, &claim.says, &claim.what, verdict))?;
        }
        if !self.json {
            print(&chart(lesson, Place::Virtual, &reports))?;
        }
        Ok(())
    }

    fn run_live(&self, number: &str, lesson: &Lesson, seed: u64, verdicts: &mut Verdicts) -> Result<()> {
        let claims = lesson.claims(Place::Live);
        if claims.is_empty() {
            return Ok(());
        }
        let context = Context { number, place: Place::Live, seed };
        let show = Show { is_quiet: self.json, has_page: !self.no_page, is_quick: self.quick };
        let (reports, lateness) = show.live(lesson, seed)?;
        for claim in claims {
            let verdict = claim.live_verdict(&reports, self.repeat, lateness.is_late());
            verdicts.add(&context, &claim.says, verdict);
            print(&self.line(&context, &claim.says, &claim.what, verdict))?;
        }
        if !self.json {
            print(&format!("{}{}", machine(lateness), chart(lesson, Place::Live, &reports)))?;
        }
        Ok(())
    }

    /// The same on a balancer of somebody else. What it cannot do or does not tell is skipped, and said.
    fn run_foreign(&self, number: &str, lesson: &Lesson, seed: u64, verdicts: &mut Verdicts) -> Result<()> {
        let context = Context { number, place: Place::Live, seed };
        let results = self.foreign.play(lesson, seed, self.quick, self.json)?;
        let mut checked = 0;
        let claims = lesson.claims(Place::Live);
        for claim in &claims {
            if let Some(why) = results.obstacle(claim) {
                print(&self.skipped(number, &claim.says, &why))?;
                continue;
            }
            let verdict = claim.live_verdict(&results.reports, self.repeat, results.lateness.is_late());
            checked += 1;
            verdicts.add(&context, &claim.says, verdict);
            print(&self.line(&context, &claim.says, &claim.what, verdict))?;
        }
        if !self.json {
            print(&format!(
                "{}{checked} of {} claims were checked.\n",
                machine(results.lateness),
                claims.len()
            ))?;
        }
        Ok(())
    }

    fn skipped(&self, number: &str, says: &str, why: &str) -> String {
        if self.json {
            let line = json!({ "lesson": number, "claim": says, "verdict": "skipped", "why": why });
            return format!("{line}\n");
        }
        format!("skip  {says}\n      {why}\n")
    }

    /// The verdict on a claim, in words or as JSON.
    fn line(&self, context: &Context<'_>, says: &str, what: &str, verdict: Verdict) -> String {
        let Context { number, place, seed } = context;
        let (word, place) = (verdict.word(), place.word());
        if !self.json {
            return format!("{word:4}  {says}\n      {place}: {what} = {}, seed {seed}\n", verdict.words());
        }
        let line = json!({
            "lesson": number, "claim": says, "place": place, "verdict": word.to_lowercase(), "seed": seed,
            "value": finite(verdict.value), "least": finite(verdict.band.least),
            "most": finite(verdict.band.most), "measured": what,
        });
        format!("{line}\n")
    }
}

/// The worse of two outcomes.
pub(crate) fn worse(one: Outcome, other: Outcome) -> Outcome {
    match (one, other) {
        (Outcome::Fail, _) | (_, Outcome::Fail) => Outcome::Fail,
        (Outcome::Inconclusive, _) | (_, Outcome::Inconclusive) => Outcome::Inconclusive,
        (Outcome::Pass, Outcome::Pass) => Outcome::Pass,
    }
}

/// How late the machine was, if it was too late.
fn machine(lateness: Lateness) -> String {
    if !lateness.is_late() {
        return String::new();
    }
    format!(
        "This machine was late: its timers by {:?} before the runs, the load by {:?} during the runs (99th percentile). \
         End other programs and run the lesson again.\n",
        lateness.before, lateness.during
    )
}

/// Prints the figures that a student sees before the answer: a row for each, and a column for each run in
/// virtual time.
fn sheet(number: &str, lesson: &Lesson, seed: u64) -> Result<()> {
    if lesson.sheet.is_empty() {
        return Ok(());
    }
    let reports = lesson.run(seed).map_err(|error| anyhow!("lesson {number}: {error}"))?;
    let runs = lesson.runs(Place::Virtual);
    let row = |words: &str, cells: Vec<String>| {
        format!("{words:14}{}\n", cells.iter().map(|cell| format!("{cell:>12}")).collect::<String>())
    };
    let mut text = row("", runs.iter().map(ToString::to_string).collect());
    for chart in &lesson.sheet {
        let value = |run: &&str| chart.spell(chart.value(Place::Virtual, &reports, run));
        text += &row(&chart.words, runs.iter().map(value).collect());
    }
    print(&format!("{text}\n")).map(drop)
}

/// The figure of the picture for each run at a place.
fn chart(lesson: &Lesson, place: Place, reports: &Reports<'_>) -> String {
    let Some(chart) = &lesson.chart else { return String::new() };
    let figure = |run| format!("      {run:14} {}\n", chart.spell(chart.value(place, reports, run)));
    let figures: String = lesson.runs(place).into_iter().map(figure).collect();
    format!("\n{}, {}:\n{figures}\n", chart.words, place.word())
}

/// The value for JSON, which has no infinity.
fn finite(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}
