//! Errors and warnings of a configuration, in the style of a compiler.

use std::fmt;

pub use super::problem::Problem;
pub(crate) use super::problem::Source;
use super::report::{self, Lines};
use super::settings::SECTIONS;
use super::wording::{grouped, shortened};

/// Problems during reading. The first ones of the file are kept, and the others are counted, so that a file
/// with an error in each line takes no more memory than one with a few.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProblemList {
    list: Vec<Problem>,
    count: usize,
}

impl ProblemList {
    /// Limit of problems that are kept. Never more than this are shown.
    pub(crate) const KEPT: usize = 1000;

    /// Adds a problem.
    pub(crate) fn push(&mut self, problem: Problem) {
        self.list.push(problem);
        self.count += 1;
        if self.list.len() > 2 * Self::KEPT {
            in_order(&mut self.list);
            self.list.truncate(Self::KEPT);
        }
    }

    /// Counts problems that come after the kept ones.
    pub(crate) fn count_more(&mut self, more: usize) {
        self.count += more;
    }

    /// The number of problems, including those that are only counted.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The problems that are kept.
    pub(crate) fn kept(&self) -> &[Problem] {
        &self.list
    }
}

impl Extend<Problem> for ProblemList {
    fn extend<T: IntoIterator<Item = Problem>>(&mut self, problems: T) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}

impl From<Problem> for ProblemList {
    fn from(problem: Problem) -> Self {
        Self { list: vec![problem], count: 1 }
    }
}

/// Sorts problems in the order of the file; those that are only about flags come first.
fn in_order(list: &mut [Problem]) {
    list.sort_by_key(|problem| problem.places.first().map(|place| place.start));
}

/// All errors or all warnings of a configuration.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    source: Source,
    warnings: bool,
    /// The first ones, in the order of the file.
    list: Vec<Problem>,
    /// The number of all problems.
    count: usize,
    /// Whether there may be more, because only the beginning of the file was read.
    in_part: bool,
}

impl Problems {
    /// Limit of problems that are shown; the others are counted.
    pub const SHOWN: usize = 20;

    /// Errors, in the order of the file; those that are only about flags come first.
    pub(crate) fn errors(source: &Source, found: impl Into<ProblemList>) -> Self {
        Self::new(source, false, found.into())
    }

    /// Errors of the beginning of a file whose rest was not read.
    pub(crate) fn errors_in_part(source: &Source, found: impl Into<ProblemList>) -> Self {
        Self { in_part: true, ..Self::errors(source, found) }
    }

    /// Warnings, in the same order.
    pub(crate) fn warnings(source: &Source, found: impl Into<ProblemList>) -> Self {
        Self::new(source, true, found.into())
    }

    /// An error on a command line.
    pub(crate) fn mistake(what: String, fix: String) -> Self {
        Self::errors(&Source::default(), Problem::new(what, fix))
    }

    fn new(source: &Source, warnings: bool, ProblemList { mut list, count }: ProblemList) -> Self {
        in_order(&mut list);
        list.truncate(ProblemList::KEPT);
        Self { source: source.clone(), warnings, list, count, in_part: false }
    }

    /// The problems; if there are very many, the first ones.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Line and column of a problem, both counted from 1; `None` if it is only about flags.
    pub fn position(&self, problem: &Problem) -> Option<(usize, usize)> {
        problem.places.first().map(|place| Lines::of(&self.source).position(place.start))
    }

    /// The shown problems, one per line, and the number of the others: for a log.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let lines = Lines::of(&self.source);
        let shown = self.list.iter().take(Self::SHOWN).map(move |problem| match problem.places.first() {
            Some(place) => {
                let (line, column) = lines.position(place.start);
                format!("{}:{line}:{column}: {}", self.source.name, shortened(&problem.sentence()))
            }
            None => shortened(&problem.sentence()),
        });
        shown.chain(self.besides())
    }

    /// The number of problems that are not shown, in words; `None` if all are shown.
    fn besides(&self) -> Option<String> {
        besides(self.count, Self::SHOWN, self.in_part)
    }
}

/// The number of problems that are not shown, or a minimum of it, in words; `None` if all are shown.
pub(crate) fn besides(all: usize, shown: usize, at_least: bool) -> Option<String> {
    let more = all.checked_sub(shown).filter(|more| *more > 0)?;
    let at_least = if at_least { "at least " } else { "" };
    Some(format!("and {at_least}{} more {}", grouped(more), if more == 1 { "problem" } else { "problems" }))
}

impl fmt::Display for Problems {
    /// With the lines of the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = Lines::of(&self.source);
        for (problem, n) in self.list.iter().take(Self::SHOWN).zip(0..) {
            if n > 0 {
                writeln!(f)?;
            }
            report::write(f, problem, self.warnings, &lines)?;
        }
        self.besides().map_or(Ok(()), |besides| writeln!(f, "\n{besides}"))
    }
}

/// The text of a file with asterisks in place of secrets, with the same bytes and lines: the rest of each
/// line that names a secret, at any place in the file. Secrets are ASCII.
pub(crate) fn without_secrets(text: &str) -> String {
    let all = SECTIONS.iter().flat_map(|section| section.settings);
    let secrets: Vec<_> = all.filter(|setting| setting.is_secret()).map(|setting| setting.key()).collect();
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let named = secrets.iter().find_map(|secret| line.find(secret));
        // The sign is a colon in YAML and JSON, in which a user may write the file by mistake.
        let begin =
            named.and_then(|start| Some(start + line[start..].find(['=', ':'])? + 1)).unwrap_or(line.len());
        let (open, secret) = line.split_at(begin);
        let hidden = |letter: char| if letter.is_ascii_graphic() && letter != '"' { '*' } else { letter };
        shown.push_str(open);
        shown.extend(secret.chars().map(hidden));
    }
    shown
}
