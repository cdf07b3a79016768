//! The grading of policies: its points, its exit codes, and the mistakes of authors of lessons.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use lessons::Lesson;

const LESSON: &str = r#"
title = "Graded"
question = "?"
choices = ["a", "b"]
answer = 1
watch = "w"
hint = "h"
explain = "e"
sources = []
[setup]
seed = 1
requests = 400
servers = [{ count = 4, workers = "unlimited" }]
balancer = { checks = false }
arrivals = { even = 100 }
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
[[grade]]
run = "rr"
says = "it is even"
what = "most_picks(yours) - fewest_picks(yours)"
at_most = 4
points = 3
hint = "take turns"
good = "least-connections"
counter = "random"
[[grade]]
run = "rr"
change = { requests = 800 }
says = "it is more even than random, with twice as many requests"
what = "most_picks(yours) / most_picks(random)"
at_most = 1.9
points = 2
hint = "take turns"
good = "round-robin"
counter = "random"
"#;

#[test]
fn a_policy_gets_the_points_of_the_claims_that_hold() {
    let lesson = Lesson::parse(LESSON).unwrap();
    let points = |policy: &str| {
        let verdicts = lesson.grade(policy, lesson.seed()).unwrap();
        let passed = lesson.grades().iter().zip(verdicts).filter(|(_, verdict)| verdict.holds());
        passed.map(|(grade, _)| grade.points).collect::<Vec<_>>()
    };
    assert_eq!(points("round-robin"), [3, 2]);
    assert_eq!(points("random"), [0; 0]);
    let error = lesson.grade("mine", 1).unwrap_err();
    assert!(error.contains("write one of round-robin, "), "{error}");
}

#[test]
fn the_change_of_a_grade_counts_and_its_run_is_not_that_of_another() {
    let lesson = Lesson::parse(LESSON).unwrap();
    let values: Vec<_> =
        lesson.grade("round-robin", 1).unwrap().iter().map(|verdict| verdict.value).collect();
    // 100 each, and 200 each against the fullest of 400 by lot.
    assert_eq!(values[0], 0.0);
    assert!((1.5..1.9).contains(&values[1]), "{values:?}");
}

#[test]
fn a_mistake_says_what_to_write() {
    for (from, to, expected) in [
        ("run = \"rr\"\nsays", "run = \"lc\"\nsays", "there is no run lc; write one of rr, random"),
        ("points = 3", "points = 0", "write at least 1"),
        ("good = \"least-connections\"", "good = \"random\"", "name another counter"),
        ("good = \"least-connections\"", "good = \"lc\"", "write one of round-robin"),
        ("counter = \"random\"\n[[grade]]", "counter = \"rnd\"\n[[grade]]", "write one of round-robin"),
        ("most_picks(yours) - fewest", "most_picks(mine) - fewest", "there is no run mine"),
        ("most_picks(yours) - fewest_picks(yours)", "most_picks(rr)", "does not measure yours"),
        ("most_picks(yours) - fewest", "most_picks(counter) - fewest", "`what` measures counter"),
        ("at_most = 4", "at_most = 4\nexact = 1", "write one of exact, at_least"),
        ("change = { requests = 800 }", "change = { requests = 0 }", "requests"),
        ("name = \"random\"", "name = \"yours\"", "choose another name"),
    ] {
        let wrong = LESSON.replacen(from, to, 1);
        assert_ne!(wrong, LESSON, "{from}");
        let error = Lesson::parse(&wrong).unwrap_err();
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
}

/// Runs the program. Returns its exit code, and what it printed.
fn program(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lessons")).args(arguments).output();
    let output = output.expect("the program starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

/// A new folder with the lesson above.
fn folder(name: &str) -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("lessons-{name}-{}", std::process::id()));
    fs::create_dir_all(folder.join("01-graded"))?;
    fs::write(folder.join("01-graded/lesson.toml"), LESSON)?;
    Ok(folder)
}

#[test]
fn the_exit_code_tells_whether_all_claims_hold() {
    let folder = folder("grade").unwrap();
    let progress = folder.join("progress.jsonl");
    let grade = |arguments: &[&str]| {
        let own = ["--lessons", folder.to_str().unwrap(), "--progress", progress.to_str().unwrap(), "grade"];
        program(&[own.as_slice(), arguments].concat())
    };
    let (code, text) = grade(&["round_robin"]);
    assert!(code == 0 && text.contains("Sum: 5 of 5"), "{text}");
    let (code, text) = grade(&["random"]);
    assert!(code == 1 && text.contains("Sum: 0 of 5") && text.contains("  01: take turns"), "{text}");
    let (code, text) = grade(&["mine"]);
    assert!(code == 2 && text.contains("there is no policy mine; write one of round-robin"), "{text}");
    // Only grades that were shown are kept, in their order.
    let kept = fs::read_to_string(&progress).unwrap();
    assert_eq!(kept.lines().map(|line| line.contains("round-robin")).collect::<Vec<_>>(), [true, false]);
    let (code, text) = grade(&["random", "--json", "--seed", "9"]);
    assert!(code == 1 && text.lines().count() == 3 && text.contains(r#""seed":9"#), "{text}");
    assert!(text.lines().last().unwrap().contains(r#""points":0"#), "{text}");
    assert_eq!(fs::read_to_string(&progress).unwrap(), kept);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_page_has_the_points_of_all_policies() {
    let (code, text) = program(&["selftest", "--grades", "--check"]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn a_page_with_other_points_or_a_claim_that_nothing_breaks_is_found() {
    let folder = folder("grades-page").unwrap();
    let page = folder.join("page.md");
    let parts = ["grades", "points"].map(|part| format!("<!-- {part}: begin -->\n<!-- {part}: end -->\n"));
    fs::write(&page, parts.concat()).unwrap();
    let selftest = |lessons: &Path, option| {
        let own = ["--lessons", lessons.to_str().unwrap(), "selftest", "--grades"];
        program(&[own.as_slice(), &["--page", page.to_str().unwrap(), option]].concat())
    };
    assert_eq!(selftest(&folder, "--write").0, 0);
    assert_eq!(selftest(&folder, "--check").0, 0);
    let toml = folder.join("01-graded/lesson.toml");
    fs::write(&toml, LESSON.replace("points = 3", "points = 4")).unwrap();
    let (code, text) = selftest(&folder, "--check");
    assert!(code == 1 && text.contains("other points") && text.contains("| 4 | at most 4"), "{text}");
    fs::write(&toml, LESSON.replace("at_most = 4", "at_most = 4000")).unwrap();
    assert_eq!(selftest(&folder, "--write").0, 1, "random passes too");
    fs::remove_dir_all(folder).unwrap();
}
