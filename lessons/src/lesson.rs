//! A lesson: a question, runs in virtual time or of real processes, and claims about them.

use std::rc::Rc;

use api::excerpt;
use sim::scenario::{Scenario, described};
use toml::Table;

use crate::answer::Answer;
use crate::chart::Chart;
use crate::claim::{Claim, Verdict};
use crate::figures::{Figures, Reports};
use crate::form::{GradeForm, LessonForm, LiveForm, Place, RunForm};
use crate::grade::{COUNTER, Grade, YOURS};
use crate::live::Plan;
use crate::setup::{merge, scenario};

/// The least number of answers to a question: with one, there is no choice.
const LEAST_CHOICES: usize = 2;

/// A lesson that can be run.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Its title.
    pub title: String,
    /// The question that it answers.
    pub question: String,
    /// The answers from which a student chooses.
    pub choices: Vec<String>,
    /// The parts of the question, each with an answer of its own; none for one question.
    pub parts: Vec<String>,
    /// The right answer.
    pub answer: Answer,
    /// What to look at during the run.
    pub watch: String,
    /// Help for a student who does not know how to begin.
    pub hint: String,
    /// Why the right answer is right.
    pub explain: String,
    /// Where the facts come from.
    pub sources: Vec<String>,
    runs: Vec<LessonRun>,
    claims: Vec<Claim>,
    grades: Vec<Grade>,
    /// The figure that its picture shows.
    pub chart: Option<Chart>,
    /// The figures that the student sees before the answer, for each run.
    pub sheet: Vec<Chart>,
}

impl Lesson {
    /// Reads a `lesson.toml`.
    ///
    /// # Errors
    /// What is wrong, where, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form: LessonForm = toml::from_str(text).map_err(|error| described(text, &error))?;
        let choices = form.choices.len();
        if choices < LEAST_CHOICES {
            return Err(format!(
                "choices has {choices} answers, and a student must be able to choose; write at least {LEAST_CHOICES}, \
                 such as choices = [\"it halves\", \"it doubles\"]"
            ));
        }
        if let Some(mistake) = form.answer.mistake(choices, form.parts.len()) {
            return Err(mistake);
        }
        if form.claim.is_empty() {
            return Err("a lesson without [[claim]] checks nothing; write at least one".to_owned());
        }
        let grades = grades(&form)?;
        let mut runs: Vec<LessonRun> = Vec::new();
        for run in form.run {
            if runs.iter().any(|known| known.name == run.name) {
                let name = excerpt(&run.name);
                return Err(format!("two runs have the name {name}; each run needs its own"));
            }
            runs.push(LessonRun::read(&form.title, &form.setup, form.live.as_ref(), run)?);
        }
        let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
        let claims =
            form.claim.into_iter().map(|claim| Claim::read(claim, &names)).collect::<Result<Vec<_>, _>>()?;
        for claim in &claims {
            if ![Place::Virtual, Place::Live].iter().any(|place| claim.is_checked(*place, &at(&runs, *place)))
            {
                return Err(format!(
                    "claim \"{}\": no place has all of its runs, so it is never checked; look at `only`",
                    excerpt(&claim.says)
                ));
            }
        }
        Ok(Self {
            title: form.title,
            question: form.question,
            choices: form.choices,
            parts: form.parts,
            answer: form.answer,
            watch: form.watch,
            hint: form.hint,
            explain: form.explain,
            sources: form.sources,
            runs,
            claims,
            grades,
            chart: form.picture.map(|form| Chart::read(form, "[picture]")).transpose()?,
            sheet: form
                .sheet
                .into_iter()
                .map(|form| Chart::read(form, "[[sheet]]"))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The seed of its setup.
    pub fn seed(&self) -> u64 {
        let seed = |run: &LessonRun| match (&run.scenario, &run.plans) {
            (Some(scenario), _) => scenario.seed(),
            (None, Some(plans)) => plans.usual.seed(),
            (None, None) => 0,
        };
        self.runs.first().map_or(0, seed)
    }

    /// The names of its runs at this place, in the order of the lesson.
    pub fn runs(&self, place: Place) -> Vec<&str> {
        at(&self.runs, place)
    }

    /// The claims that are checked at this place.
    pub fn claims(&self, place: Place) -> Vec<&Claim> {
        let runs = self.runs(place);
        self.claims.iter().filter(|claim| claim.is_checked(place, &runs)).collect()
    }

    /// Runs everything in virtual time with this seed. The reports have the names of their runs.
    ///
    /// # Errors
    /// If a run does not end within the bounds of the simulator.
    pub fn run(&self, seed: u64) -> Result<Reports<'_>, String> {
        let mut reports = Reports::new();
        for run in &self.runs {
            let Some(scenario) = &run.scenario else { continue };
            let of_run = scenario
                .run(&scenario.policies(), seed)
                .map_err(|error| format!("run {}: {error}", run.name))?;
            for report in of_run {
                let figures: Rc<dyn Figures> = Rc::new(report);
                reports.insert(&run.name, figures);
            }
        }
        Ok(reports)
    }

    /// What it asks of a policy that is graded; often nothing.
    pub fn grades(&self) -> &[Grade] {
        &self.grades
    }

    /// The verdict on what it asks of a policy, in the order of [`Self::grades`].
    ///
    /// # Errors
    /// If there is no such policy, or a run does not end within the bounds of the simulator.
    pub fn grade(&self, policy: &str, seed: u64) -> Result<Vec<Verdict>, String> {
        let mut others = Reports::new();
        for run in &self.runs {
            let is_measured = self.grades.iter().any(|grade| grade.measures(&run.name));
            if let Some(scenario) = run.scenario.as_ref().filter(|_| is_measured) {
                others.insert(&run.name, figures(scenario, seed)?);
            }
        }
        let mut last: Option<(&Table, Rc<dyn Figures>)> = None;
        let mut verdicts = Vec::new();
        for grade in &self.grades {
            let yours = match &last {
                // Claims about the same setup share its run.
                Some((setup, figures)) if *setup == grade.setup() => Rc::clone(figures),
                _ => figures(&scenario(&self.title, grade.setup().clone(), policy)?, seed)?,
            };
            verdicts.push(grade.verdict(&others, &yours));
            last = Some((grade.setup(), yours));
        }
        Ok(verdicts)
    }

    /// The live runs with their plans, in the order of the lesson; the quick ones if time is short.
    pub fn plans(&self, is_quick: bool) -> impl Iterator<Item = (&str, &Plan)> {
        self.runs.iter().filter_map(move |run| {
            let plans = run.plans.as_ref()?;
            Some((run.name.as_str(), if is_quick { &plans.quick } else { &plans.usual }))
        })
    }
}

/// The figures of a scenario with one policy.
fn figures(scenario: &Scenario, seed: u64) -> Result<Rc<dyn Figures>, String> {
    let reports = scenario.run(&scenario.policies(), seed)?;
    let report = reports.into_iter().next().ok_or("the run gave no report")?;
    Ok(Rc::new(report))
}

/// What a lesson asks of a policy.
fn grades(form: &LessonForm) -> Result<Vec<Grade>, String> {
    let names: Vec<&str> = form.run.iter().map(|run| run.name.as_str()).collect();
    if let Some(name) = names.iter().find(|name| !form.grade.is_empty() && [YOURS, COUNTER].contains(name)) {
        return Err(format!("a run has the name {name}, which [[grade]] needs; choose another name"));
    }
    let grade = |grade: &GradeForm| {
        let wrong = |error: String| format!("grade \"{}\": {error}", excerpt(&grade.says));
        let run = form.run.iter().find(|run| run.name == grade.run).ok_or_else(|| {
            wrong(format!("there is no run {}; write one of {}", excerpt(&grade.run), names.join(", ")))
        })?;
        let mut setup = form.setup.clone();
        merge(&mut setup, &run.change);
        merge(&mut setup, &grade.change);
        for policy in [&grade.good, &grade.counter] {
            scenario(&form.title, setup.clone(), policy).map_err(wrong)?;
        }
        Grade::read(grade, &names, setup).map_err(wrong)
    };
    form.grade.iter().map(grade).collect()
}

/// A run, at the places where it takes place.
#[derive(Clone, Debug)]
struct LessonRun {
    name: String,
    scenario: Option<Scenario>,
    plans: Option<Plans>,
}

/// The plans of a live run.
#[derive(Clone, Debug)]
struct Plans {
    usual: Plan,
    /// For a check that has little time.
    quick: Plan,
}

impl LessonRun {
    fn read(title: &str, setup: &Table, live: Option<&LiveForm>, run: RunForm) -> Result<Self, String> {
        let wrong = |error: String| format!("run {}: {error}", excerpt(&run.name));
        let mut table = setup.clone();
        merge(&mut table, &run.change);
        let scenario = match run.only {
            Some(Place::Live) => None,
            _ => Some(scenario(title, table, &run.policy).map_err(wrong)?),
        };
        let plans = match (live, run.only) {
            (None, Some(Place::Live)) => {
                return Err(wrong("only = \"live\" needs a table [live] in the lesson".to_owned()));
            }
            (None, _) | (_, Some(Place::Virtual)) => None,
            (Some(live), _) => {
                let plan = |changes: &[&Table]| {
                    let mut table = setup.clone();
                    // A live run counts all of its calls.
                    table.remove("warm_up");
                    changes.iter().for_each(|change| merge(&mut table, change));
                    Plan::read(table, &run.policy).map_err(|error| wrong(format!("live: {error}")))
                };
                Some(Plans {
                    usual: plan(&[&live.change, &run.change, &run.live])?,
                    quick: plan(&[&live.change, &run.change, &run.live, &live.quick])?,
                })
            }
        };
        Ok(Self { name: run.name, scenario, plans })
    }

    fn takes_place(&self, place: Place) -> bool {
        match place {
            Place::Virtual => self.scenario.is_some(),
            Place::Live => self.plans.is_some(),
        }
    }
}

/// The names of the runs at this place.
fn at(runs: &[LessonRun], place: Place) -> Vec<&str> {
    runs.iter().filter(|run| run.takes_place(place)).map(|run| run.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
title = "Small"
question = "?"
choices = ["a", "b"]
answer = 1
watch = "w"
hint = "h"
explain = "e"
sources = []
[setup]
requests = 400
servers = [{ count = 4, workers = 1 }]
arrivals = { even = 10 }
service = { fixed = "10ms" }
[[run]]
name = "rr"
policy = "round-robin"
[[run]]
name = "random"
policy = "random"
[[claim]]
says = "each backend gets 100"
what = "most_picks(rr) - fewest_picks(rr)"
exact = 0
counter = { rr = "random" }
"#;

    #[test]
    fn a_lesson_runs_and_its_counter_case_fails() {
        let lesson = Lesson::parse(SMALL).unwrap();
        let reports = lesson.run(lesson.seed()).unwrap();
        let verdict = lesson.claims(Place::Virtual)[0].verdict(&reports, 1);
        assert!(verdict.holds(), "{verdict:?}");
        assert!(!lesson.claims(Place::Virtual)[0].counter_verdict(&reports, 1).holds());
    }

    #[test]
    fn an_error_says_what_to_write() {
        for (from, to, expected) in [
            ("answer = 1", "answer = 3", "from 1 to 2"),
            ("choices = [\"a\", \"b\"]", "choices = []", "choices has 0 answers"),
            ("choices = [\"a\", \"b\"]", "choices = [\"a\"]", "write at least 2"),
            ("answer = 1", "answer = [1]", "needs `parts`"),
            ("answer = 1", "parts = [\"p\", \"q\"]\nanswer = [1]", "a list of 2 numbers"),
            ("answer = 1", "answer = \"a\"", "write the number of a choice, or a list"),
            (
                "[setup]",
                "[[sheet]]\nwords = \"w\"\nwhat = \"mean(rr)\"\n[setup]",
                "[[sheet]] what = \"mean(rr)\": ",
            ),
            ("name = \"random\"", "name = \"rr\"", "two runs have the name rr"),
            ("most_picks(rr)", "most_picks(lc)", "there is no run lc; write one of rr, random"),
            ("counter = { rr = \"random\" }", "counter = {}", "needs a counter-case"),
            ("counter = { rr = \"random\" }", "counter = { rr = \"lc\" }", "there is no run lc"),
            ("counter = { rr = \"random\" }", "counter = { rr = \"rr\" }", "replaces rr by itself"),
            ("counter = { rr = \"random\" }", "counter = { random = \"rr\" }", "does not measure random"),
            ("exact = 0", "", "write one of exact, at_least, at_most and binomial"),
            ("exact = 0", "exact = 0\nat_most = 1", "write one of exact, at_least, at_most and binomial"),
            ("exact = 0", "binomial = 0.5", "binomial needs draws"),
            ("policy = \"random\"", "policy = \"rnd\"", "run random: "),
            ("even = 10", "even = 0", "run rr: "),
            ("[setup]", "[picture]\nwords = \"w\"\nwhat = \"mean(rr)\"\n[setup]", "write run instead of rr"),
            ("[setup]", "[picture]\nwords = \"w\"\nwhat = \"3\"\n[setup]", "such as mean(run)"),
        ] {
            let error = Lesson::parse(&SMALL.replace(from, to)).unwrap_err();
            assert!(error.contains(expected), "{from} -> {to}: {error}");
        }
    }

    #[test]
    fn an_error_shows_only_the_beginning_of_a_long_input() {
        let long = "x".repeat(3000);
        for (from, to) in [
            ("policy = \"random\"", format!("policy = \"{long}\"")),
            ("name = \"random\"", format!("name = \"rr\"\n{long} = 1")),
            ("what = \"most_picks(rr) - fewest_picks(rr)\"", format!("what = \"mean({long})\"")),
            ("what = \"most_picks(rr) - fewest_picks(rr)\"", format!("what = \"1 {}\"", &long[..900])),
            ("counter = { rr = \"random\" }", format!("counter = {{ rr = \"{long}\" }}")),
            ("even = 10", format!("even = \"{long}\"")),
            ("fixed = \"10ms\"", format!("fixed = \"{long}\"")),
            ("answer = 1", format!("answer = \"{long}\"")),
            ("says = \"each backend gets 100\"\nwhat", format!("says = \"{long}\"\nwhat2")),
        ] {
            let error = Lesson::parse(&SMALL.replace(from, &to)).unwrap_err();
            assert!(error.len() < 900, "{from}: {} bytes: {error}", error.len());
            assert!(!error.contains(&"x".repeat(101)), "{from}: {error}");
        }
    }

    #[test]
    fn a_chart_measures_each_run_in_turn() {
        let chart = "[picture]\nwords = \"w\"\nwhat = \"2 * calls(run)\"\nunit = \"calls\"\n[setup]";
        let lesson = Lesson::parse(&SMALL.replace("[setup]", chart)).unwrap();
        let reports = lesson.run(lesson.seed()).unwrap();
        let chart = lesson.chart.as_ref().unwrap();
        let figures: Vec<_> = lesson
            .runs(Place::Virtual)
            .into_iter()
            .map(|run| chart.spell(chart.value(Place::Virtual, &reports, run)))
            .collect();
        assert_eq!(figures, ["800 calls", "800 calls"]);
        assert_eq!(chart.spell(chart.value(Place::Virtual, &reports, "missing")), "no number");
    }
}
