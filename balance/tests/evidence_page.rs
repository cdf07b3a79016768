//! The tables of `docs/evidence.md` are printed from the code that decides.

use std::fmt::Write;
use std::time::Duration;

use balance::evidence::of_question;
use balance::health::{Evidence, Health};
use balance::state::{State, Thresholds};
use balance::verdict::{Failure, Lesson, Ran, Same};
use balance::{Moment, Reply};
use strum::VariantArray;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/evidence.md");

/// The mark before each table on the page.
const FAILURES: &str = "<!-- failures -->\n";
const QUESTIONS: &str = "<!-- questions -->\n";
const STATES: &str = "<!-- states -->\n";

/// The failures, grouped by their rule, as rows.
fn failures() -> String {
    let mut rows: Vec<(String, Vec<&str>)> = Vec::new();
    for failure in Failure::VARIANTS {
        let rule = failure.rule();
        let again = |sure: &str| match rule.ran {
            Ran::No => sure.to_owned(),
            Ran::Maybe | Ran::Yes => format!("{sure}, if the request may run twice"),
        };
        let same = match rule.same {
            Same::No => "no".to_owned(),
            Same::Retries => again("up to `retries` times"),
            Same::Fresh => "once, over a new connection".to_owned(),
            Same::FreshIfAlone => again("once, if no other backend is up"),
        };
        let other = if rule.other { again("yes") } else { "no".to_owned() };
        let lesson = match rule.lesson {
            Lesson::Nothing => "nothing",
            Lesson::Ask => "ask it",
            Lesson::Down => "down, if `retries` are used up; otherwise ask it",
        };
        let status = failure.status().as_u16();
        let row = format!(
            "{} | {same} | {other} | {} | {lesson} | {status} |",
            match rule.ran {
                Ran::No => "no",
                Ran::Maybe => "maybe",
                Ran::Yes => "yes, the backend answered",
            },
            rule.blame.name()
        );
        match rows.iter_mut().find(|(other, _)| *other == row) {
            Some((_, failures)) => failures.push(failure.words()),
            None => rows.push((row, vec![failure.words()])),
        }
    }
    let mut table =
        "| failure | has the request run | the same backend again | another backend | to blame | \
                     consequence for the backend | final status |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
    for (row, failures) in rows {
        let _ = writeln!(table, "| {} | {row}", failures.join("; "));
    }
    table
}

/// The meaning of each end of a question, as rows.
fn questions() -> String {
    let words = |reply: Reply| match reply {
        Reply::Evidence(Evidence::Answered) => "the backend answers",
        Reply::Evidence(Evidence::NotHttp(_)) => {
            "a failed check: it accepts connections but does not speak HTTP"
        }
        Reply::Evidence(Evidence::PingRefused(_)) => "a failed check: its port refuses connections",
        Reply::Evidence(_) => "a failed check: it cannot be reached",
        Reply::None => "none yet: if a request waits, the rule of silence decides",
        Reply::Unasked => "none: the balancer could not ask",
    };
    let mut table = "| the question ends with | evidence |\n|---|---|\n".to_owned();
    let _ = writeln!(table, "| any answer | {} |", words(of_question(Ok(()))));
    for failure in [
        Failure::ConnectRefused,
        Failure::Unreachable,
        Failure::Unresolved,
        Failure::ConnectTimeout,
        Failure::ClosedEarly,
        Failure::Malformed,
        Failure::HeadTimeout,
        Failure::OutOfResources,
    ] {
        let _ = writeln!(table, "| {} | {} |", failure.words(), words(of_question(Err(failure))));
    }
    table
}

/// The effect of one observation in each state, as rows.
fn states() -> String {
    let thresholds = Thresholds { rise: 2, fall: 3 };
    let now = Moment::START;
    let second = Duration::from_secs(1);
    let evidence = [
        ("a TCP ping connects", Evidence::Connected),
        ("the backend answers", Evidence::Answered),
        ("a ping fails", Evidence::PingFailed("".into())),
        ("the port refuses a ping", Evidence::PingRefused("".into())),
        ("it accepts connections but does not speak HTTP", Evidence::NotHttp("".into())),
        ("a request cannot connect", Evidence::CannotConnect { cause: "".into(), refused: true }),
        ("a suspect does not answer an HTTP ping in time", Evidence::StillSilent),
        ("it is silent", Evidence::FellSilent("".into())),
        ("it is an outlier", Evidence::Outlier("".into(), second)),
        ("its ejection is over", Evidence::TimePassed),
        ("it is new, or returns from drain or maintenance", Evidence::Returned("".into())),
    ];
    let ways = [
        (State::Up, None),
        (State::Suspect, Some(Evidence::FellSilent("".into()))),
        (State::Ejected, Some(Evidence::Outlier("".into(), Duration::ZERO))),
        (State::Down, Some(Evidence::CannotConnect { cause: "".into(), refused: true })),
    ];
    let mut table = "| observation | up | suspect | ejected | down |\n|---|---|---|---|---|\n".to_owned();
    for (words, seen) in evidence {
        let _ = write!(table, "| {words} |");
        for (state, way) in &ways {
            let mut health = Health::new(now);
            health.step(now, Evidence::Answered, thresholds);
            way.iter().for_each(|way| _ = health.step(now, way.clone(), thresholds));
            assert_eq!(health.state(), *state);
            let change = health.step(now, seen.clone(), thresholds);
            let _ = match (change, health.progress(thresholds)) {
                (Some(change), _) => write!(table, " **{}** |", change.to.name()),
                (None, Some(progress)) => {
                    write!(
                        table,
                        " {} of {} towards {} |",
                        progress.count,
                        progress.of,
                        progress.towards.name()
                    )
                }
                (None, None) => write!(table, " |"),
            };
        }
        table.push('\n');
    }
    table
}

/// The page with a new table behind its mark.
fn with_table(page: &str, mark: &str, table: &str) -> String {
    let (before, behind) = page.split_once(mark).unwrap_or_else(|| panic!("no {mark} on the page"));
    let old: usize =
        behind.split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum();
    format!("{before}{mark}{table}{}", &behind[old..])
}

#[test]
fn the_page_of_evidence_prints_the_tables_of_the_code() {
    let written = std::fs::read_to_string(PAGE).unwrap();
    let tables = [(FAILURES, failures()), (QUESTIONS, questions()), (STATES, states())];
    let right = tables.iter().fold(written.clone(), |page, (mark, table)| with_table(&page, mark, table));
    if std::env::var_os("ROUNDABOUT_WRITE_EVIDENCE").is_some() {
        std::fs::write(PAGE, &right).unwrap();
        return;
    }
    assert!(
        written == right,
        "docs/evidence.md is out of date; run\n  \
         ROUNDABOUT_WRITE_EVIDENCE=1 cargo test -p balance --test evidence_page\n{right}"
    );
}
