//! `cargo xtask lesson`, `lessons` and `grade`: start the lessons, which are a program of their own.

use std::ffi::{OsStr, OsString};

use clap::Args;

use crate::program::become_program;

/// Run a lesson: a question, a run, and claims that are checked.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Lesson {
    /// The number of the lesson, such as 06, and its options; or a command, such as `list`. `--help` explains
    /// them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// List the lessons, hand in what you did, or check that each claim holds and can fail.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Lessons {
    /// `list`, `hint`, `watch`, `grade`, `hand-in` or `selftest`; `--help` explains them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Grade a policy of your own: run it in the setups of some lessons, and count points.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Grade {
    /// The name of the policy, and options; `--help` explains them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Lesson {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        become_program("lessons", with_command(self.arguments, true))
    }
}

impl Lessons {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        become_program("lessons", with_command(self.arguments, false))
    }
}

impl Grade {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        become_program("lessons", [OsString::from("grade")].into_iter().chain(self.arguments))
    }
}

/// The options of the program that come before a command, and have a value.
const GLOBAL: [&str; 2] = ["--lessons", "--progress"];

/// The arguments with the command `run` before a number: `lesson 06` and `lessons 06` both run a lesson, and
/// `lesson list` and `lessons list` both list them. What `is_one_lesson` says decides only about a line
/// without a command and without a number, such as `--help`.
fn with_command(mut arguments: Vec<OsString>, is_one_lesson: bool) -> Vec<OsString> {
    let mut at = 0;
    while arguments.get(at).is_some_and(|argument| GLOBAL.iter().any(|global| argument == OsStr::new(global)))
    {
        at += 2;
    }
    let first = arguments.get(at).map(|argument| argument.to_string_lossy().into_owned()).unwrap_or_default();
    let is_run = match first.chars().next() {
        Some(letter) if letter.is_ascii_digit() => true,
        Some(letter) if letter != '-' => false,
        _ => is_one_lesson,
    };
    if is_run {
        arguments.insert(at.min(arguments.len()), OsString::from("run"));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_have_the_same_commands() {
        for (arguments, of_lesson, of_lessons) in [
            ("06 --check", "run 06 --check", "run 06 --check"),
            ("list", "list", "list"),
            ("reset", "reset", "reset"),
            ("hint 06", "hint 06", "hint 06"),
            ("watch 06 --quick", "watch 06 --quick", "watch 06 --quick"),
            ("--lessons DIR selftest", "--lessons DIR selftest", "--lessons DIR selftest"),
            ("--lessons 7 6", "--lessons 7 run 6", "--lessons 7 run 6"),
            ("--check 06", "run --check 06", "--check 06"),
            ("--help", "run --help", "--help"),
            ("", "run", ""),
            ("--progress", "--progress run", "--progress"),
        ] {
            let given = || arguments.split_whitespace().map(OsString::from).collect::<Vec<_>>();
            for (is_one_lesson, expected) in [(true, of_lesson), (false, of_lessons)] {
                let got = with_command(given(), is_one_lesson).join(OsStr::new(" "));
                assert_eq!(got, expected, "{arguments}, {is_one_lesson}");
            }
        }
    }
}
