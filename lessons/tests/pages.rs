//! The pages of the lessons: they exist, name what exists, and show what the lessons give.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of the lessons.
fn lessons() -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder())?.map(|entry| entry.map(|entry| entry.path()));
    let paths = entries.collect::<io::Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.join("lesson.toml").exists()).collect())
}

/// The words in backticks, outside of blocks of code, that are paths and lead to no file below `root`.
fn missing(page: &str, root: &Path) -> Vec<String> {
    let mut is_code = false;
    let mut missing = Vec::new();
    for line in page.lines() {
        is_code ^= line.starts_with("```");
        let quoted = line.split('`').skip(1).step_by(2);
        let is_path = |word: &str| word.contains('/') && !word.contains([' ', '(', '"']);
        if !is_code && !line.starts_with("```") {
            let paths = quoted.filter(|word| is_path(word) && !root.join(word).exists());
            missing.extend(paths.map(str::to_owned));
        }
    }
    missing
}

#[test]
fn each_lesson_has_a_page_with_its_command_and_paths_that_exist() {
    let root = folder().parent().unwrap();
    let lessons = lessons().unwrap();
    assert!(lessons.len() >= 17, "{lessons:?}");
    for lesson in lessons {
        let page = fs::read_to_string(lesson.join("README.md"));
        let page = page.unwrap_or_else(|error| panic!("{}/README.md: {error}", lesson.display()));
        let number: String = lesson.file_name().unwrap().to_string_lossy().chars().take(2).collect();
        assert!(
            page.contains(&format!("cargo xtask lesson {number}")),
            "{} names no command",
            lesson.display()
        );
        assert!(page.contains("(picture.svg)"), "{} shows no picture", lesson.display());
        assert_eq!(missing(&page, root), [""; 0], "in {}", lesson.display());
        let code = page.split("## In the code").nth(1).unwrap_or_default();
        assert!(code.contains(".rs`"), "{} names no code", lesson.display());
    }
}

/// The numbers with a decimal point in the explanation of a page that neither its tables nor `toml` have. A
/// table may have 0.977 for 97.7 %. A paragraph with a calculation is not checked.
fn unknown_numbers(page: &str, toml: &str) -> Vec<String> {
    let part = |from: &str, to: &str| {
        page.split(from).nth(1).and_then(|rest| rest.split(to).next()).unwrap_or_default()
    };
    let known = format!("{}{toml}", part("<!-- figures: begin -->", "<!-- figures: end -->"));
    let is_known = |number: &str| {
        let as_part = number.parse::<f64>().map(|percent| format!("{:.4}", percent / 100.0));
        let as_part = as_part.unwrap_or_default();
        known.contains(number) || (!as_part.is_empty() && known.contains(as_part.trim_end_matches('0')))
    };
    let paragraphs = part("## What happens", "## The figures").split("\n\n");
    let words = paragraphs.filter(|text| !text.contains(" = ")).flat_map(str::split_whitespace);
    let numbers = words.map(|word| word.trim_matches(|letter: char| !letter.is_ascii_digit()));
    let unknown = numbers.filter(|word| word.contains('.') && word.parse::<f64>().is_ok() && !is_known(word));
    unknown.map(str::to_owned).collect()
}

#[test]
fn an_explanation_uses_the_numbers_of_its_tables() {
    for lesson in lessons().unwrap() {
        let [page, toml] =
            ["README.md", "lesson.toml"].map(|file| fs::read_to_string(lesson.join(file)).unwrap());
        assert_eq!(unknown_numbers(&page, &toml), [""; 0], "in {}", lesson.display());
    }
    let page = "## What happens\n\nIt is 97.7 %, then 1.5 (not 1.7), as 1.25.\n\n1 / 0.8 = 1.2\n\n## The figures\n\
                <!-- figures: begin -->| 0.977 | 1.5 |<!-- figures: end -->";
    assert_eq!(unknown_numbers(page, "at = 1.25"), ["1.7"]);
}

#[test]
fn a_path_that_leads_nowhere_is_found() {
    let page =
        "`src/lib.rs` `mean(rr) / 50` `no/such/file.rs`\n```\n`not/checked.rs`\n```\nthen `gone/too.rs`";
    assert_eq!(missing(page, folder()), ["no/such/file.rs", "gone/too.rs"]);
}

/// Runs the program. Returns whether it was content, and what it printed.
fn lessons_program(arguments: &[&str]) -> (bool, String) {
    match Command::new(env!("CARGO_BIN_EXE_lessons")).args(arguments).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8_lossy(&text).into_owned())
        }
        Err(error) => panic!("cannot start the program: {error}"),
    }
}

#[test]
fn the_pages_have_the_values_of_the_lessons() {
    let (is_good, text) = lessons_program(&["selftest", "--check"]);
    assert!(is_good, "{text}");
}

#[test]
fn an_exam_shows_its_figures_before_the_answers() {
    let (is_good, text) = lessons_program(&["run", "25", "--only", "virtual"]);
    let [table, answer] = ["pair 1-2", "mutant-1: it "].map(|words| text.find(words));
    assert!(is_good && table.is_some() && table < answer, "{text}");
    assert_eq!(text.matches("mutant-1: it ").count(), 1, "one answer for each: {text}");
}

#[test]
fn the_pictures_show_the_values_of_the_lessons() {
    let (is_good, text) = lessons_program(&["pictures", "--check"]);
    assert!(is_good, "{text}");
}

#[test]
fn a_page_with_another_value_is_found() {
    let copy = std::env::temp_dir().join(format!("lessons-pages-{}", std::process::id()));
    let lesson = copy.join("10-kill-9");
    fs::create_dir_all(&lesson).unwrap();
    for file in ["lesson.toml", "README.md", "picture.svg"] {
        fs::copy(folder().join("10-kill-9").join(file), lesson.join(file)).unwrap();
    }
    let page = copy.join("page.md");
    fs::write(&page, "<!-- selftest: begin -->\n<!-- selftest: end -->\n").unwrap();
    let (folder, page) = (copy.to_str().unwrap(), page.to_str().unwrap());
    let selftest = |option| lessons_program(&["--lessons", folder, "selftest", "--page", page, option]);
    let pictures =
        |option: &[&str]| lessons_program(&[["--lessons", folder, "pictures"].as_slice(), option].concat());
    assert!(selftest("--write").0);
    assert_eq!((selftest("--check").0, pictures(&["--check"]).0), (true, true));
    // More requests a second: more calls are lost.
    let toml = fs::read_to_string(lesson.join("lesson.toml")).unwrap();
    fs::write(lesson.join("lesson.toml"), toml.replace("even = 100", "even = 130")).unwrap();
    let (is_good, text) = selftest("--check");
    assert!(!is_good && text.contains("has other figures") && text.contains("the page has"), "{text}");
    let (is_good, text) = pictures(&["--check"]);
    assert!(!is_good && text.contains("picture.svg differs"), "{text}");
    assert!(pictures(&[]).0 && pictures(&["--check"]).0);
    fs::remove_dir_all(copy).unwrap();
}

#[test]
fn the_live_runs_of_a_lesson_take_at_most_a_minute() {
    for folder in lessons().unwrap() {
        let lesson =
            lessons::Lesson::parse(&fs::read_to_string(folder.join("lesson.toml")).unwrap()).unwrap();
        for is_quick in [false, true] {
            let lengths = lesson.plans(is_quick).map(|(name, plan)| {
                plan.length().unwrap_or_else(|| panic!("{}: run {name} has no length", folder.display()))
            });
            let all: std::time::Duration = lengths.sum();
            assert!(all.as_secs() <= 60, "{}: {all:?}", folder.display());
        }
    }
}
